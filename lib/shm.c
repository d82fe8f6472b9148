// SPDX-License-Identifier: MIT
/*
 * Memory that is handed over by its descriptor.
 *
 * What is sealed against writing is mapped privately: a shared mapping of it is
 * refused by kernels before 6.7, even if it is only to be read, and as the contents
 * cannot change, there is no difference. No page is copied.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vipc_shm.h"

#define EXPORT __attribute__((visibility("default")))

/* Since Linux 6.3; older C libraries do not know it. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL	0x0008U
#endif

#define SIZE_SEALS	(F_SEAL_SHRINK | F_SEAL_GROW)

static int get_size(int fd, size_t *size)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_size <= 0)
		return -EINVAL;
	if ((uintmax_t)st.st_size > PTRDIFF_MAX)
		return -EFBIG;
	*size = (size_t)st.st_size;
	return 0;
}

static int map_at(void *where, size_t size, int prot, int flags, int fd, void **map)
{
	void *p = mmap(where, size, prot, flags, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	*map = p;
	return 0;
}

static int new_memfd(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

/* The size goes first: F_SEAL_GROW would keep it at 0. */
static int create(const char *name, size_t size, void **map)
{
	int fd, ret;

	if (!size)
		return -EINVAL;
	if (size > PTRDIFF_MAX)
		return -EFBIG;
	fd = new_memfd(name);
	if (fd < 0)
		return fd;
	if (ftruncate(fd, (off_t)size) || fcntl(fd, F_ADD_SEALS, SIZE_SEALS))
		ret = -errno;
	else
		ret = map_at(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, map);
	if (ret) {
		syscall(SYS_close, fd);		/* close() is a cancellation point */
		return ret;
	}
	return fd;
}

EXPORT int vipc_shm_create(const char *name, size_t size, void **map)
{
	int saved = errno;
	int ret = create(name, size, map);

	errno = saved;
	return ret;
}

static int seal(int fd, void *map)
{
	int seals = fcntl(fd, F_GET_SEALS);
	size_t size;
	int ret;

	if (seals < 0)
		return -errno;
	if (seals & F_SEAL_SEAL)
		return -EPERM;
	ret = get_size(fd, &size);
	if (ret)
		return ret;
	/* Sealing needs it to have no writable mapping: ours becomes another one. */
	if (map) {
		ret = map_at(map, size, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, &map);
		if (ret)
			return ret;
	}
	if (!fcntl(fd, F_ADD_SEALS, SIZE_SEALS | F_SEAL_WRITE | F_SEAL_SEAL))
		return 0;
	ret = -errno;
	if (map)
		map_at(map, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, &map);
	return ret;
}

EXPORT int vipc_shm_seal(int fd, void *map)
{
	int saved = errno;
	int ret = seal(fd, map);

	errno = saved;
	return ret;
}

/* Seals are never taken off: what was checked holds when it is mapped, and after. */
static int map_checked(int fd, int how, size_t *size, void **map)
{
	int want = SIZE_SEALS, prot = PROT_READ, flags = MAP_PRIVATE;
	int seals, ret;
	size_t len;

	if (how == VIPC_SHM_CONST) {
		want |= F_SEAL_WRITE;
	} else if (how == VIPC_SHM_SHARED) {
		prot |= PROT_WRITE;
		flags = MAP_SHARED;
	} else {
		return -EINVAL;
	}
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0)
		return errno == EINVAL ? -EPERM : -errno;
	if ((seals & want) != want)
		return -EPERM;
	ret = get_size(fd, &len);
	if (ret)
		return ret;
	if (len > *size)
		return -EFBIG;
	ret = map_at(NULL, len, prot, flags, fd, map);
	if (!ret)
		*size = len;
	return ret;
}

EXPORT int vipc_shm_map(int fd, int how, size_t *size, void **map)
{
	int saved = errno;
	int ret = map_checked(fd, how, size, map);

	errno = saved;
	return ret;
}
