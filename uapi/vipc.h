/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/**
 * DOC: vipc, the contract with user space
 *
 * open("/dev/vipc") makes an endpoint and returns a capability for it with
 * every right. A capability *is* the open file description: it is passed on
 * by fork(), exec() and SCM_RIGHTS, and dropped by close(). All operations are
 * ioctls on it.
 *
 * Every structure has fields of fixed size in an order that needs no padding,
 * so that 32-bit and 64-bit programs share it. A structure never changes:
 * growth is a new structure, hence a new command. An unknown flag among those
 * that the kernel reads, or a reserved field that is not zero, is answered
 * with EINVAL, and nothing has happened.
 */
#ifndef _UAPI_VIPC_H
#define _UAPI_VIPC_H

#include <linux/ioctl.h>
#include <linux/types.h>

/** VIPC_ABI_VERSION: what &struct vipc_info reports as @abi. */
#define VIPC_ABI_VERSION	1

/**
 * struct vipc_msg - a message: exactly 64 bytes, one cache line
 * @badge: out (RECV): badge of the capability that it was sent through; 0 in
 *	a reply
 * @reply: out (RECV): one-shot reply token, 0 if nobody waits for a reply;
 *	in (REPLY, REPLY_RECV): the token of the call to answer; 0 in a reply
 * @opcode: the application's
 * @flags: bits 0-7 are the caller's wishes (VIPC_NONBLOCK, ...) and stay as
 *	they are, bits 8-15 are the kernel's answer (VIPC_MSG_DELIVERED, ...) and
 *	ignored on input, bits 16-31 are the application's and travel with the
 *	message
 * @data: payload: four words
 * @deadline_ns: absolute, CLOCK_MONOTONIC, in nanoseconds; 0 waits for ever.
 *	It does not travel: each side has its own, and gets it back unchanged
 */
struct vipc_msg {
	__u64 badge;
	__u64 reply;
	__u32 opcode;
	__u32 flags;
	__u64 data[4];
	__u64 deadline_ns;
};

/* vipc_msg.flags, read by the kernel */
#define VIPC_NONBLOCK		0x1u	/* do not queue; CALL: only if a receiver waits now */
#define VIPC_UNINTERRUPTIBLE	0x2u	/* once delivered, only a fatal signal ends a CALL */

/* vipc_msg.flags, written by the kernel */
#define VIPC_MSG_DELIVERED	0x100u	/* of a failed SEND or CALL: a receiver had taken it */

/* vipc_msg.flags, by who owns the bits */
#define VIPC_FLAGS_IN_MASK	0x000000ffu
#define VIPC_FLAGS_OUT_MASK	0x0000ff00u
#define VIPC_FLAGS_APP_MASK	0xffff0000u

/* rights of a capability */
#define VIPC_RIGHT_SEND		0x1u	/* SEND, CALL */
#define VIPC_RIGHT_RECV		0x2u	/* RECV, REPLY, REPLY_RECV */
#define VIPC_RIGHT_GRANT	0x4u	/* DERIVE */
#define VIPC_RIGHT_REVOKE	0x8u	/* REVOKE; with RECV: SHUTDOWN */
#define VIPC_RIGHTS_ALL		0xfu

/**
 * struct vipc_derive - what a new capability shall be
 * @rights: VIPC_RIGHT_*, a subset of those of the capability derived from
 * @flags: 0
 * @badge: any, from a capability without a badge (badge 0); else the same
 * @reserved: 0
 */
struct vipc_derive {
	__u32 rights;
	__u32 flags;
	__u64 badge;
	__u64 reserved;
};

/* vipc_info.state */
#define VIPC_STATE_LIVE		0u
#define VIPC_STATE_DEAD		1u

/**
 * struct vipc_info - what a capability is, and how its endpoint does
 * @abi: out: VIPC_ABI_VERSION
 * @rights: out: VIPC_RIGHT_*
 * @badge: out: its badge, 0 for none
 * @endpoint: out: the endpoint's number; never used again while the module
 *	is loaded, and the same through every capability for it
 * @state: out: VIPC_STATE_*
 * @capabilities: out: capabilities for the endpoint that are open
 * @receivers: out: threads waiting in RECV or REPLY_RECV
 * @senders: out: messages waiting for a receiver
 * @in_service: out: callers whose request was taken and not answered yet
 * @reserved32: 0
 * @sent: out: messages of SEND that were delivered
 * @called: out: requests of CALL that were delivered
 * @received: out: messages that receivers have taken
 * @replied: out: calls that were answered
 * @reserved: 0
 */
struct vipc_info {
	__u32 abi;
	__u32 rights;
	__u64 badge;
	__u64 endpoint;
	__u32 state;
	__u32 capabilities;
	__u32 receivers;
	__u32 senders;
	__u32 in_service;
	__u32 reserved32;
	__u64 sent;
	__u64 called;
	__u64 received;
	__u64 replied;
	__u64 reserved[4];
};

#define VIPC_IOC_MAGIC		0xE9

/* Numbers 1-15 carry messages, 16-31 manage capabilities and endpoints. */
#define VIPC_IOC_SEND		_IOWR(VIPC_IOC_MAGIC, 1, struct vipc_msg)
#define VIPC_IOC_RECV		_IOWR(VIPC_IOC_MAGIC, 2, struct vipc_msg)
#define VIPC_IOC_CALL		_IOWR(VIPC_IOC_MAGIC, 3, struct vipc_msg)
#define VIPC_IOC_REPLY		_IOWR(VIPC_IOC_MAGIC, 4, struct vipc_msg)
#define VIPC_IOC_REPLY_RECV	_IOWR(VIPC_IOC_MAGIC, 5, struct vipc_msg)
#define VIPC_IOC_DERIVE		_IOWR(VIPC_IOC_MAGIC, 16, struct vipc_derive)
#define VIPC_IOC_REVOKE		_IO(VIPC_IOC_MAGIC, 17)
#define VIPC_IOC_SHUTDOWN	_IO(VIPC_IOC_MAGIC, 18)
#define VIPC_IOC_INFO		_IOWR(VIPC_IOC_MAGIC, 19, struct vipc_info)

#endif /* _UAPI_VIPC_H */
