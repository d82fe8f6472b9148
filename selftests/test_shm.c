// SPDX-License-Identifier: GPL-2.0
/*
 * vipc_shm_*(): memory that is handed over keeps what its seals promise, and what
 * does not promise enough is not mapped.
 */
#include <sys/resource.h>

#include "vipc_selftest.h"
#include "vipc.h"
#include "vipc_shm.h"

#define ERRNO_MARK	4711
#define SIZE		10000		/* not a multiple of the page size */
#define SIZE_SEALS	(F_SEAL_SHRINK | F_SEAL_GROW)
#define ALL_SEALS	(SIZE_SEALS | F_SEAL_WRITE | F_SEAL_SEAL)

/* Kernels that know it put it on whatever is not to be executed. */
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC	0x0020
#endif

static int seals_of(int fd)
{
	return fcntl(fd, F_GET_SEALS) & ~F_SEAL_EXEC;
}

static void fill(void *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)p)[i] = (uint8_t)(i * 13 + 5);
}

static bool is_filled(const void *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (((const uint8_t *)p)[i] != (uint8_t)(i * 13 + 5))
			return false;
	return true;
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* What happens to a process that writes there: 0, or 256 + its signal. */
static int try_to_write(void *p)
{
	int pid = vt_fork();

	if (!pid) {
		*(volatile char *)p = 1;
		_exit(0);
	}
	return pid < 0 ? pid : vt_reap(pid);
}

/* The same memory, opened anew with @flags. */
static int reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

FIXTURE(shm) {
	int fd;
	void *map;
};

FIXTURE_SETUP(shm)
{
	self->fd = vipc_shm_create("test", SIZE, &self->map);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(shm)
{
	munmap(self->map, SIZE);
	close(self->fd);
}

TEST_F(shm, create)
{
	static const char zeroes[SIZE];
	struct stat st;
	char link[64] = "", path[64];

	EXPECT_EQ(FD_CLOEXEC, fcntl(self->fd, F_GETFD));
	EXPECT_EQ(SIZE_SEALS, seals_of(self->fd));
	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_EQ(SIZE, st.st_size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	ASSERT_GT(readlink(path, link, sizeof(link) - 1), 0);
	EXPECT_NE(NULL, strstr(link, "memfd:test"));
	EXPECT_EQ(0, memcmp(self->map, zeroes, SIZE));
	fill(self->map, SIZE);
	EXPECT_TRUE(is_filled(self->map, SIZE));
	/* This is what nobody can do, and what would be a SIGBUS. */
	EXPECT_EQ(-1, ftruncate(self->fd, 0));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, ftruncate(self->fd, SIZE + 1));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(1, pwrite(self->fd, "x", 1, 0));
	EXPECT_EQ('x', *(char *)self->map);
}

TEST(create_fails)
{
	int before = count_fds();
	void *map = &before;
	struct rlimit limit;
	char name[300];

	memset(name, 'n', sizeof(name));
	name[250] = 0;
	errno = ERRNO_MARK;
	EXPECT_EQ(-EINVAL, vipc_shm_create("test", 0, &map));
	EXPECT_EQ(-EINVAL, vipc_shm_create(name, 1, &map));
	EXPECT_EQ(-EFAULT, vipc_shm_create(NULL, 1, &map));
	EXPECT_EQ(-EFBIG, vipc_shm_create("test", SIZE_MAX, &map));
	EXPECT_EQ(-ENOMEM, vipc_shm_create("test", (size_t)1 << 50, &map));
	EXPECT_EQ(ERRNO_MARK, errno);
	EXPECT_EQ(before, count_fds());

	limit = (struct rlimit){ .rlim_cur = (rlim_t)before, .rlim_max = 4096 };
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	/* Numbers may have been handed out with gaps. */
	while (dup(0) >= 0)
		;
	errno = ERRNO_MARK;
	EXPECT_EQ(-EMFILE, vipc_shm_create("test", 1, &map));
	EXPECT_EQ(ERRNO_MARK, errno);
	EXPECT_EQ(&before, map);
}

TEST_F(shm, seal)
{
	fill(self->map, SIZE);
	errno = ERRNO_MARK;
	ASSERT_EQ(0, vipc_shm_seal(self->fd, self->map));
	EXPECT_EQ(ERRNO_MARK, errno);
	EXPECT_EQ(ALL_SEALS, seals_of(self->fd));
	EXPECT_TRUE(is_filled(self->map, SIZE));
	EXPECT_EQ(256 + SIGSEGV, try_to_write(self->map));
	EXPECT_EQ(-1, pwrite(self->fd, "x", 1, 0));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
				   self->fd, 0));
	EXPECT_TRUE(is_filled(self->map, SIZE));
	EXPECT_EQ(-EPERM, vipc_shm_seal(self->fd, self->map));
	EXPECT_TRUE(is_filled(self->map, SIZE));
}

TEST_F(shm, seal_without_a_mapping)
{
	size_t size = SIZE;
	void *map;

	fill(self->map, SIZE);
	EXPECT_EQ(-EBUSY, vipc_shm_seal(self->fd, NULL));
	EXPECT_EQ(SIZE_SEALS, seals_of(self->fd));
	munmap(self->map, SIZE);
	EXPECT_EQ(0, vipc_shm_seal(self->fd, NULL));
	ASSERT_EQ(0, vipc_shm_map(self->fd, VIPC_SHM_CONST, &size, &map));
	EXPECT_TRUE(is_filled(map, SIZE));
	munmap(map, size);
}

TEST_F(shm, seal_when_mapped_elsewhere)
{
	void *other = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	int pid, pipes[2];
	char c;

	ASSERT_NE(MAP_FAILED, other);
	errno = ERRNO_MARK;
	EXPECT_EQ(-EBUSY, vipc_shm_seal(self->fd, self->map));
	EXPECT_EQ(ERRNO_MARK, errno);
	/* All is as before: it can be written to, and that is shared. */
	EXPECT_EQ(SIZE_SEALS, seals_of(self->fd));
	fill(self->map, SIZE);
	EXPECT_TRUE(is_filled(other, SIZE));
	munmap(other, SIZE);

	ASSERT_EQ(0, pipe(pipes));
	pid = vt_fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(pipes[1]);
		_exit(read(pipes[0], &c, 1));
	}
	EXPECT_EQ(-EBUSY, vipc_shm_seal(self->fd, self->map));
	close(pipes[1]);
	EXPECT_EQ(0, vt_reap(pid));
	EXPECT_EQ(0, vipc_shm_seal(self->fd, self->map));
	EXPECT_TRUE(is_filled(self->map, SIZE));
	close(pipes[0]);
}

TEST_F(shm, seal_something_else)
{
	int file = open("/tmp/test_shm", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int read_only = reopen(self->fd, O_RDONLY);

	ASSERT_GE(file, 0);
	ASSERT_GE(read_only, 0);
	unlink("/tmp/test_shm");
	fill(self->map, SIZE);
	errno = ERRNO_MARK;
	EXPECT_EQ(-EBADF, vipc_shm_seal(-1, self->map));
	EXPECT_NE(0, vipc_shm_seal(file, self->map));
	EXPECT_EQ(-EINVAL, vipc_shm_seal(open("/dev/null", O_RDWR), self->map));
	errno = ERRNO_MARK;
	EXPECT_EQ(-EPERM, vipc_shm_seal(read_only, NULL));
	EXPECT_EQ(ERRNO_MARK, errno);
	EXPECT_TRUE(is_filled(self->map, SIZE));
	EXPECT_EQ(0, try_to_write(self->map));
	close(read_only);
	close(file);
}

TEST_F(shm, map_const)
{
	size_t size = SIZE;
	void *map = NULL;

	fill(self->map, SIZE);
	errno = ERRNO_MARK;
	EXPECT_EQ(-EPERM, vipc_shm_map(self->fd, VIPC_SHM_CONST, &size, &map));
	EXPECT_EQ(NULL, map);
	ASSERT_EQ(0, vipc_shm_seal(self->fd, self->map));
	ASSERT_EQ(0, vipc_shm_map(self->fd, VIPC_SHM_CONST, &size, &map));
	EXPECT_EQ(ERRNO_MARK, errno);
	EXPECT_EQ(SIZE, size);
	EXPECT_TRUE(is_filled(map, SIZE));
	EXPECT_EQ(256 + SIGSEGV, try_to_write(map));
	/* The mapping needs no descriptor, the giver's mapping is its own. */
	munmap(self->map, SIZE);
	close(self->fd);
	EXPECT_TRUE(is_filled(map, SIZE));
	EXPECT_EQ(0, munmap(map, size));
	self->fd = -1;
}

TEST_F(shm, map_shared)
{
	size_t size = SIZE;
	void *map = NULL;

	errno = ERRNO_MARK;
	ASSERT_EQ(0, vipc_shm_map(self->fd, VIPC_SHM_SHARED, &size, &map));
	EXPECT_EQ(ERRNO_MARK, errno);
	EXPECT_EQ(SIZE, size);
	fill(map, SIZE);
	EXPECT_TRUE(is_filled(self->map, SIZE));
	*(char *)self->map = 'a';
	EXPECT_EQ('a', *(char *)map);
	munmap(map, size);

	ASSERT_EQ(0, vipc_shm_seal(self->fd, self->map));
	map = NULL;
	EXPECT_EQ(-EPERM, vipc_shm_map(self->fd, VIPC_SHM_SHARED, &size, &map));
	EXPECT_EQ(NULL, map);
}

TEST_F(shm, map_read_only_descriptor)
{
	int read_only = reopen(self->fd, O_RDONLY);
	int write_only = reopen(self->fd, O_WRONLY);
	size_t size = SIZE;
	void *map;

	ASSERT_GE(read_only, 0);
	ASSERT_GE(write_only, 0);
	fill(self->map, SIZE);
	EXPECT_EQ(-EACCES, vipc_shm_map(read_only, VIPC_SHM_SHARED, &size, &map));
	EXPECT_EQ(-EACCES, vipc_shm_map(write_only, VIPC_SHM_SHARED, &size, &map));
	ASSERT_EQ(0, vipc_shm_seal(self->fd, self->map));
	EXPECT_EQ(-EACCES, vipc_shm_map(write_only, VIPC_SHM_CONST, &size, &map));
	ASSERT_EQ(0, vipc_shm_map(read_only, VIPC_SHM_CONST, &size, &map));
	EXPECT_TRUE(is_filled(map, SIZE));
	munmap(map, size);
	close(read_only);
	close(write_only);
}

/* Every set of seals, and what it is good for. */
TEST(seals_that_do)
{
	const int seal[] = { F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE, F_SEAL_SEAL };

	for (int set = 0; set < 16; set++) {
		int fd = memfd_create("seals", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		int seals = 0, size_ok, want_const, want_shared;
		size_t size = SIZE;
		void *map;

		for (int i = 0; i < 4; i++)
			seals |= set & 1 << i ? seal[i] : 0;
		ASSERT_EQ(0, ftruncate(fd, SIZE));
		ASSERT_EQ(0, fcntl(fd, F_ADD_SEALS, seals));
		size_ok = (seals & SIZE_SEALS) == SIZE_SEALS;
		want_const = size_ok && seals & F_SEAL_WRITE ? 0 : -EPERM;
		want_shared = size_ok && !(seals & F_SEAL_WRITE) ? 0 : -EPERM;
		ASSERT_EQ(want_const, vipc_shm_map(fd, VIPC_SHM_CONST, &size, &map));
		if (!want_const)
			munmap(map, size);
		ASSERT_EQ(want_shared, vipc_shm_map(fd, VIPC_SHM_SHARED, &size, &map));
		if (!want_shared)
			munmap(map, size);
		close(fd);
	}
}

TEST_F(shm, map_something_else)
{
	int file = open("/tmp/test_shm", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int empty = memfd_create("empty", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int unsealable = memfd_create("unsealable", MFD_CLOEXEC);
	int path = reopen(self->fd, O_PATH), pipes[2];
	size_t size = SIZE;
	void *map = NULL;

	ASSERT_EQ(0, pipe(pipes));
	unlink("/tmp/test_shm");
	ASSERT_EQ(0, ftruncate(file, SIZE));
	ASSERT_EQ(0, ftruncate(unsealable, SIZE));
	ASSERT_EQ(0, fcntl(empty, F_ADD_SEALS, ALL_SEALS));
	errno = ERRNO_MARK;
	for (int how = VIPC_SHM_CONST; how <= VIPC_SHM_SHARED; how++) {
		EXPECT_EQ(-EBADF, vipc_shm_map(-1, how, &size, &map));
		EXPECT_EQ(-EBADF, vipc_shm_map(path, how, &size, &map));
		EXPECT_EQ(-EPERM, vipc_shm_map(file, how, &size, &map));
		EXPECT_EQ(-EPERM, vipc_shm_map(unsealable, how, &size, &map));
		EXPECT_EQ(-EPERM, vipc_shm_map(pipes[0], how, &size, &map));
		EXPECT_EQ(-EINVAL, vipc_shm_map(empty, how, &size, &map));
	}
	EXPECT_EQ(-EINVAL, vipc_shm_map(self->fd, 2, &size, &map));
	EXPECT_EQ(-EINVAL, vipc_shm_map(self->fd, -1, &size, &map));
	EXPECT_EQ(ERRNO_MARK, errno);
	EXPECT_EQ(SIZE, size);
	EXPECT_EQ(NULL, map);
	close(pipes[0]);
	close(pipes[1]);
	close(path);
	close(unsealable);
	close(empty);
	close(file);
}

TEST_F(shm, map_too_large)
{
	size_t size = SIZE - 1;
	void *map = NULL;

	errno = ERRNO_MARK;
	EXPECT_EQ(-EFBIG, vipc_shm_map(self->fd, VIPC_SHM_SHARED, &size, &map));
	EXPECT_EQ(SIZE - 1, size);
	size = 0;
	EXPECT_EQ(-EFBIG, vipc_shm_map(self->fd, VIPC_SHM_SHARED, &size, &map));
	EXPECT_EQ(NULL, map);
	EXPECT_EQ(ERRNO_MARK, errno);
	size = SIZE_MAX;
	ASSERT_EQ(0, vipc_shm_map(self->fd, VIPC_SHM_SHARED, &size, &map));
	EXPECT_EQ(SIZE, size);
	munmap(map, size);
}

/* A giver may hand over more than there is; that is refused, not mapped. */
TEST(map_more_than_there_is)
{
	int fd = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t size = 1 << 20;
	void *map;

	ASSERT_EQ(0, ftruncate(fd, (off_t)1 << 46));
	ASSERT_EQ(0, fcntl(fd, F_ADD_SEALS, ALL_SEALS));
	errno = ERRNO_MARK;
	EXPECT_EQ(-EFBIG, vipc_shm_map(fd, VIPC_SHM_CONST, &size, &map));
	size = SIZE_MAX;
	/* There may be room for that, but not for five times as much. */
	for (int i = 0, ret = 0; i < 5 && !ret; i++) {
		ret = vipc_shm_map(fd, VIPC_SHM_CONST, &size, &map);
		if (ret)
			EXPECT_EQ(-ENOMEM, ret);
	}
	EXPECT_EQ(ERRNO_MARK, errno);
	close(fd);
}

/* The whole way: a client hands over, and is gone when the server reads. */
TEST(handed_over_in_a_message)
{
	enum { LARGE = 4 << 20 };
	struct vipc_config config = { .flags = VIPC_CONFIG_MAX_FDS, .max_fds = 2 };
	int server = vipc_open(O_CLOEXEC), fds[2];
	struct vipc_xmsg x = { .rx_fds = VIPC_ADDRESS(fds), .rx_nfds = 2 };
	void *map, *shared;
	size_t size = LARGE, shared_size = LARGE;
	int pid;

	ASSERT_GE(server, 0);
	ASSERT_EQ(0, vipc_config(server, &config));
	pid = vt_fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		int mine[2] = {
			vipc_shm_create("sealed", LARGE, &map),
			vipc_shm_create("shared", SIZE, &shared),
		};

		x = (struct vipc_xmsg){ .tx_fds = VIPC_ADDRESS(mine), .tx_nfds = 2 };
		fill(map, LARGE);
		if (vipc_shm_seal(mine[0], map) ||
		    vipc_send_x_timeout(server, &x, VT_LIMIT_NS))
			_exit(1);
		if (vt_wait_until(*(volatile char *)shared == 'r'))
			_exit(2);
		*(volatile char *)shared = 'w';
		kill(getpid(), SIGKILL);
	}
	ASSERT_EQ(0, vipc_recv_x_timeout(server, &x, VT_LIMIT_NS));
	ASSERT_EQ(2, x.rx_nfds);
	ASSERT_EQ(0, vipc_shm_map(fds[0], VIPC_SHM_CONST, &size, &map));
	ASSERT_EQ(0, vipc_shm_map(fds[1], VIPC_SHM_SHARED, &shared_size, &shared));
	*(volatile char *)shared = 'r';
	EXPECT_EQ(256 + SIGKILL, vt_reap(pid));
	close(fds[0]);
	close(fds[1]);
	EXPECT_EQ('w', *(volatile char *)shared);
	EXPECT_EQ(LARGE, size);
	EXPECT_TRUE(is_filled(map, size));
	munmap(map, size);
	munmap(shared, shared_size);
	close(server);
}

TEST_HARNESS_MAIN
