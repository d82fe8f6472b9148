/* SPDX-License-Identifier: GPL-2.0 */
/**
 * DOC: what messages carry besides their words
 *
 * A &struct vipc_cargo is the bytes and the descriptors of one message on their
 * way. It has one owner at a time: the thread that sends, from delivery on the
 * thread that receives, after a take-back the first one again. Ownership changes
 * under the endpoint's lock; making, unpacking and freeing a cargo may fault and
 * sleep, and is done without.
 *
 * Few bytes are copied twice, through a buffer in the cargo. From VIPC_PIN_MIN on
 * they are copied once: a sender pins its pages, from which the receiver copies. A
 * caller pins the pages of its room for the reply, into which the server copies:
 * so neither side ever waits for the other's memory. Pages may stay pinned for as
 * long as a caller waits. So they count as pinned for good, and against
 * RLIMIT_MEMLOCK; what cannot be pinned is copied twice.
 *
 * While a server copies into the room of a caller, that one cannot leave
 * (VIPC_ANSWERED). The copy takes no page faults, so this takes as long as to copy
 * that many bytes, whatever the server's memory is like.
 */
#ifndef VIPC_PAYLOAD_H
#define VIPC_PAYLOAD_H

#include <linux/sizes.h>
#include <linux/types.h>

#include "uapi/vipc.h"

struct file;
struct mm_struct;
struct page;
struct vipc_op;

/*
 * From so many bytes on it is cheaper to pin pages than to copy once more, measured
 * in instructions: with 6 KiB each way it would be 14,947 instead of 12,700, with
 * 8 KiB it is 15,459 instead of 21,176.
 */
#define VIPC_PIN_MIN	SZ_8K

/* An endpoint keeps a cargo with so much memory, in bytes. */
#define VIPC_SPARE_SIZE	SZ_8K

/* No message is larger, whatever the module's parameter says. */
#define VIPC_MAX_LEN	SZ_16M

/**
 * struct vipc_pin - pinned memory of a process
 * @mm: to which the pages are charged: a reference
 * @offset: of the first byte in the first page
 * @nr: how many pages
 * @write: are they written to?
 * @pages: the pages
 */
struct vipc_pin {
	struct mm_struct *mm;
	u32 offset;
	u32 nr;
	bool write;
	struct page *pages[];
};

/**
 * struct vipc_passed - a descriptor on its way
 * @file: a reference
 * @fd: its number in the process that received it, or negative
 */
struct vipc_passed {
	struct file *file;
	int fd;
};

/**
 * struct vipc_cargo - bytes and descriptors of a message
 * @len: how many bytes
 * @nr_fds: how many descriptors
 * @is_spare: its memory has VIPC_SPARE_SIZE bytes
 * @pin: the bytes are in these pages, or if NULL in @bytes
 * @bytes: behind @fds
 * @fds: the descriptors
 */
struct vipc_cargo {
	u32 len;
	u32 nr_fds;
	bool is_spare;
	struct vipc_pin *pin;
	u8 *bytes;
	struct vipc_passed fds[];
};

/**
 * struct vipc_spare - the memory of one cargo, for the next message
 * @cargo: VIPC_SPARE_SIZE bytes, or NULL while they are in use; exchanged atomically
 * @made: has it been allocated? Written once, without a lock: should two threads
 *	make one, one of these is freed when it comes back
 *
 * A kernel that clears what it allocates takes longer for that than to copy.
 */
struct vipc_spare {
	struct vipc_cargo *cargo;
	bool made;
};

/**
 * struct vipc_room - what a thread can receive
 * @len: in bytes
 * @nr_fds: in descriptors
 * @pin: of a caller: where the bytes of the reply are to go, or NULL: into a cargo
 */
struct vipc_room {
	u32 len;
	u32 nr_fds;
	struct vipc_pin *pin;
};

/**
 * struct vipc_xop - what an operation with &struct vipc_xmsg has besides its &vipc_op
 * @cargo: of a sender or caller: its request, until delivered; of a receiver: the
 *	request that it has; of a caller that was answered: the reply; or NULL
 * @room: for a request or a reply; constant
 * @received: bytes that have come, in @cargo or in @room.pin
 * @caller_room: of a receiver: what the caller has room for; without @pin
 * @taken: of a receiver: the token of the SEND that waits until @cargo is unpacked,
 *	or 0
 * @reply: of a server that answers: the cargo of the reply, or NULL
 * @reply_len: of a server that answers: bytes of the reply, in @reply or in the
 *	caller's room
 * @reply_fds: likewise: descriptors in @reply
 * @claimed: of a server that answers: the caller whose room has the bytes already
 * @alone: of a server that answers: nobody else has claimed that caller since this
 *	operation did last
 * @filled_by: of a caller: the operation that claimed it last, only to be compared
 *
 * On the stack of the thread. @cargo, @received, @caller_room, @taken and @filled_by
 * are written by the holder of the endpoint's lock until the outcome of the operation
 * is published, then they are the thread's.
 */
struct vipc_xop {
	struct vipc_cargo *cargo;
	struct vipc_room room;
	u32 received;
	struct vipc_room caller_room;
	u64 taken;
	struct vipc_cargo *reply;
	u32 reply_len;
	u32 reply_fds;
	struct vipc_op *claimed;
	bool alone;
	const struct vipc_xop *filled_by;
};

int vipc_cargo_pack(struct vipc_cargo **cargo, const struct vipc_xmsg *xmsg,
		    u32 len, bool pin, struct vipc_spare *spare);
int vipc_cargo_unpack(struct vipc_cargo *cargo, const struct vipc_xmsg *xmsg);
void vipc_cargo_recall(struct vipc_cargo *cargo);
void vipc_cargo_free(struct vipc_cargo *cargo, struct vipc_spare *spare);

int vipc_room_make(struct vipc_room *room, const struct vipc_xmsg *xmsg);
u32 vipc_room_fill(struct vipc_room *room, u32 done, const void __user *from,
		   u32 len);
void vipc_room_free(struct vipc_room *room);

#endif /* VIPC_PAYLOAD_H */
