/* SPDX-License-Identifier: MIT */
/**
 * DOC: libvipc, memory in a message
 *
 * A descriptor of a memfd hands over any amount of data for the price of a small
 * message. Whoever maps such memory trusts whoever made it, except for what seals
 * guarantee, which nobody can take off again:
 *
 * * F_SEAL_SHRINK: it does not become shorter. Without it the giver could cut it off,
 *   and the next access to what is gone is a SIGBUS
 * * F_SEAL_GROW: it does not become longer, so that a size once checked stays right
 * * F_SEAL_WRITE: it does not change, and nobody can map it writable. Without it the
 *   giver can change what was checked, between the check and the use
 * * F_SEAL_SEAL: nobody adds a seal, as a receiver otherwise could
 *
 * The giver: vipc_shm_create(), fill, vipc_shm_seal(), send the descriptor. The taker:
 * vipc_shm_map(), munmap(). All return a negative errno value and leave errno alone,
 * are thread-safe, and no cancellation points.
 */
#ifndef LIBVIPC_VIPC_SHM_H
#define LIBVIPC_VIPC_SHM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How vipc_shm_map() maps. */
#define VIPC_SHM_CONST		0	/* to read; nobody can change it any more */
#define VIPC_SHM_SHARED		1	/* to read and write, as can everybody who has it */

/**
 * vipc_shm_create() - make memory to hand over
 * @name: shown in /proc/PID/maps, for people; at most 249 bytes
 * @size: in bytes
 * @map: out: where it is mapped, to read and write, full of zeroes; munmap(2) ends that
 *
 * It has F_SEAL_SHRINK and F_SEAL_GROW, and can be sent as it is, to be shared. To
 * hand over what nobody shall change any more, fill it and call vipc_shm_seal().
 *
 * Return: its close-on-exec descriptor, or
 *
 * * -%EINVAL: @size is 0, or @name too long
 * * -%EFBIG, -%ENOMEM: @size is too large
 * * -%EMFILE, -%ENFILE: too many open files
 */
int vipc_shm_create(const char *name, size_t size, void **map);

/**
 * vipc_shm_seal() - make the contents of such memory final
 * @fd: vipc_shm_create()'s
 * @map: where it is mapped in this process, or NULL if it is not. It stays there, to
 *	read; writing to it is a SIGSEGV from now on
 *
 * F_SEAL_WRITE and F_SEAL_SEAL are added. There must be no other writable mapping:
 * neither in this process nor in one that was forked since.
 *
 * Return: 0, or
 *
 * * -%EBUSY: there is another writable mapping, or the kernel is still reading from
 *   or writing to the memory; all is as before
 * * -%EPERM: it was sealed already, or @fd is not open for writing
 * * -%EINVAL: @fd is not a memfd
 * * -%ENOMEM: out of memory
 */
int vipc_shm_seal(int fd, void *map);

/**
 * vipc_shm_map() - map received memory, if it is what it should be
 * @fd: descriptor received; it stays open, and the mapping does not need it
 * @how: VIPC_SHM_CONST: requires F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_WRITE;
 *	VIPC_SHM_SHARED: requires the first two
 * @size: in: the most that will do, in bytes; out: its size. Choose that well:
 *	memory that nobody has touched before is charged to who touches it
 * @map: out: where it is mapped; munmap(2) ends that
 *
 * Return: 0, or, and nothing was mapped,
 *
 * * -%EPERM: it is not a memfd, or lacks a seal; or it cannot be written to
 *   (VIPC_SHM_SHARED)
 * * -%EFBIG: it is larger than @size
 * * -%EINVAL: @how is unknown, or its size is 0
 * * -%EACCES: @fd is not open for reading; or not for writing (VIPC_SHM_SHARED)
 * * -%ENOMEM: out of memory or address space
 */
int vipc_shm_map(int fd, int how, size_t *size, void **map);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIPC_VIPC_SHM_H */
