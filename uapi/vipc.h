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
#define VIPC_ABI_VERSION	2

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

/**
 * struct vipc_xmsg - a message with more than four words: exactly 128 bytes
 * @msg: the message
 * @tx_buf: address of the bytes to send
 * @rx_buf: address of the room for bytes to receive
 * @tx_len: how many bytes to send
 * @rx_len: in: size of the room in bytes; out: bytes received
 * @tx_fds: address of an array of __s32: descriptors to send
 * @rx_fds: address of an array of __s32: room for descriptors to receive, which
 *	are close-on-exec
 * @tx_nfds: how many descriptors to send
 * @rx_nfds: in: size of the room in descriptors; out: descriptors received
 * @reply_len: out (RECV of a call): room in bytes that the caller has for a reply
 * @reply_nfds: out (RECV of a call): room in descriptors
 * @reserved: 0
 *
 * What an operation does not do, it does not look at: tx_* is for SEND, CALL,
 * REPLY and REPLY_RECV, rx_* for RECV, CALL and REPLY_RECV. After an error all
 * fields but @msg are as they were; what rx_buf and rx_fds point to may have been
 * written to. So may what is in rx_buf behind the bytes received.
 */
struct vipc_xmsg {
	struct vipc_msg msg;
	__u64 tx_buf;
	__u64 rx_buf;
	__u32 tx_len;
	__u32 rx_len;
	__u64 tx_fds;
	__u64 rx_fds;
	__u32 tx_nfds;
	__u32 rx_nfds;
	__u32 reply_len;
	__u32 reply_nfds;
	__u64 reserved;
};

/* vipc_msg.flags, read by the kernel */
#define VIPC_NONBLOCK		0x1u	/* do not queue; CALL: only if a receiver waits now */
#define VIPC_UNINTERRUPTIBLE	0x2u	/* once delivered, only a fatal signal ends a CALL */

/* vipc_msg.flags, written by the kernel */
#define VIPC_MSG_DELIVERED	0x100u	/* of a failed SEND or CALL: a receiver had taken it */
#define VIPC_MSG_NOTIFICATION	0x200u	/* of NOTIFY: data[0] has the bits; badge is 0 */
#define VIPC_MSG_BADGE_CLOSED	0x400u	/* the last watched capability with this badge is gone */

/* vipc_msg.flags, by who owns the bits */
#define VIPC_FLAGS_IN_MASK	0x000000ffu
#define VIPC_FLAGS_OUT_MASK	0x0000ff00u
#define VIPC_FLAGS_APP_MASK	0xffff0000u

/* rights of a capability */
#define VIPC_RIGHT_SEND		0x1u	/* SEND, CALL, NOTIFY */
#define VIPC_RIGHT_RECV		0x2u	/* RECV, REPLY, REPLY_RECV, CONFIG */
#define VIPC_RIGHT_GRANT	0x4u	/* DERIVE; to attach descriptors to messages */
#define VIPC_RIGHT_REVOKE	0x8u	/* REVOKE; with RECV: SHUTDOWN */
#define VIPC_RIGHTS_ALL		0xfu

/**
 * struct vipc_derive - what a new capability shall be
 * @rights: VIPC_RIGHT_*, a subset of those of the capability derived from
 * @flags: 0 or VIPC_DERIVE_NOTIFY_CLOSE
 * @badge: any, from a capability without a badge (badge 0); else the same
 * @reserved: 0
 *
 * With VIPC_DERIVE_NOTIFY_CLOSE the new capability is watched: when the last
 * watched one with its badge has been closed or revoked, a receiver gets a message
 * with VIPC_MSG_BADGE_CLOSED and that badge. What is derived from a watched
 * capability is watched, too. Only a capability without a badge may ask for it, and
 * for a badge that is not 0. A badge that is watched anew before the message was
 * received takes that back.
 */
struct vipc_derive {
	__u32 rights;
	__u32 flags;
	__u64 badge;
	__u64 reserved;
};

/* vipc_derive.flags */
#define VIPC_DERIVE_NOTIFY_CLOSE 0x1u

/**
 * struct vipc_config - what an endpoint lets in, and how its threads wait
 * @flags: VIPC_CONFIG_*: which of the following to set
 * @max_len: largest number of bytes in a request; 0 at first
 * @max_fds: largest number of descriptors in a request; 0 at first
 * @depth: how many messages of SEND (struct vipc_msg) are kept until a receiver
 *	comes, at most VIPC_MAX_DEPTH; 0 at first: a SEND waits for a receiver. It can
 *	be set once, before the first message and before anybody waits for one
 * @spin_ns: longest time in ns that a thread waits for a peer without sleeping, as
 *	far as the module's spin_ns lets it; 0: always sleep
 * @reserved32: 0
 * @reserved: 0
 *
 * On return, all fields between @flags and @reserved32 say what holds now.
 */
struct vipc_config {
	__u32 flags;
	__u32 max_len;
	__u32 max_fds;
	__u32 depth;
	__u32 spin_ns;
	__u32 reserved32;
	__u64 reserved;
};

/* vipc_config.flags */
#define VIPC_CONFIG_MAX_LEN	0x1u
#define VIPC_CONFIG_MAX_FDS	0x2u
#define VIPC_CONFIG_DEPTH	0x4u
#define VIPC_CONFIG_SPIN_NS	0x8u

/* The largest that may be asked for; of max_len the module's parameter tells. */
#define VIPC_MAX_FDS		253u
#define VIPC_MAX_DEPTH		65536u

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
 * @senders: out: threads waiting for a receiver of their message, and messages
 *	whose receiver could not keep them
 * @in_service: out: callers whose request was taken and not answered yet
 * @reserved32: 0
 * @sent: out: messages of SEND that were delivered
 * @called: out: requests of CALL that were delivered
 * @received: out: messages that receivers have taken
 * @replied: out: calls that were answered
 * @max_len: out: largest number of bytes that a request may have
 * @max_fds: out: largest number of descriptors that a request may have
 * @depth: out: how many messages of SEND the endpoint can keep
 * @buffered: out: how many it keeps now
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
	__u32 max_len;
	__u32 max_fds;
	__u32 depth;
	__u32 buffered;
	__u64 reserved[2];
};

/**
 * struct vipc_uring_cmd - what an SQE of io_uring's has in its @cmd
 * @msg: address of the message: a &struct vipc_msg, a &struct vipc_xmsg, or the bits
 *	of NOTIFY; of VIPC_URING_CANCEL: of the message of the operation to cancel
 * @reserved: 0
 *
 * With opcode IORING_OP_URING_CMD, and as cmd_op one of the commands below that carry
 * messages: then the CQE's res is what the ioctl returns, or a negative errno. The
 * message has to stay where it is until then. Kernels that cannot do that (before
 * 6.10) say EOPNOTSUPP.
 *
 * VIPC_URING_CANCEL ends an operation that the same process has submitted to the same
 * ring through the same capability: that one gets ECANCELED. The result is 0; ENOENT:
 * there is none, or it has ended; EALREADY: its message or reply is being copied. It
 * ends with that, or, if nobody can have that, with ECANCELED or another error.
 *
 * An operation also ends with ECANCELED when its ring is closed, and when the process
 * closes its last descriptor for the capability, unless it was submitted through a
 * file registered with the ring.
 */
struct vipc_uring_cmd {
	__u64 msg;
	__u64 reserved;
};

#define VIPC_IOC_MAGIC		0xE9

/* Numbers 1-15 carry messages, 16-31 manage capabilities and endpoints. */
#define VIPC_IOC_SEND		_IOWR(VIPC_IOC_MAGIC, 1, struct vipc_msg)
#define VIPC_IOC_RECV		_IOWR(VIPC_IOC_MAGIC, 2, struct vipc_msg)
#define VIPC_IOC_CALL		_IOWR(VIPC_IOC_MAGIC, 3, struct vipc_msg)
#define VIPC_IOC_REPLY		_IOWR(VIPC_IOC_MAGIC, 4, struct vipc_msg)
#define VIPC_IOC_REPLY_RECV	_IOWR(VIPC_IOC_MAGIC, 5, struct vipc_msg)
/* Bits, not 0: ORed to those that no receiver has got yet. */
#define VIPC_IOC_NOTIFY		_IOWR(VIPC_IOC_MAGIC, 6, __u64)
#define VIPC_IOC_SEND_X		_IOWR(VIPC_IOC_MAGIC, 1, struct vipc_xmsg)
#define VIPC_IOC_RECV_X		_IOWR(VIPC_IOC_MAGIC, 2, struct vipc_xmsg)
#define VIPC_IOC_CALL_X		_IOWR(VIPC_IOC_MAGIC, 3, struct vipc_xmsg)
#define VIPC_IOC_REPLY_X	_IOWR(VIPC_IOC_MAGIC, 4, struct vipc_xmsg)
#define VIPC_IOC_REPLY_RECV_X	_IOWR(VIPC_IOC_MAGIC, 5, struct vipc_xmsg)
#define VIPC_IOC_DERIVE		_IOWR(VIPC_IOC_MAGIC, 16, struct vipc_derive)
#define VIPC_IOC_REVOKE		_IO(VIPC_IOC_MAGIC, 17)
#define VIPC_IOC_SHUTDOWN	_IO(VIPC_IOC_MAGIC, 18)
#define VIPC_IOC_INFO		_IOWR(VIPC_IOC_MAGIC, 19, struct vipc_info)
#define VIPC_IOC_CONFIG		_IOWR(VIPC_IOC_MAGIC, 20, struct vipc_config)

/* Numbers from 32 on are commands of io_uring's only. */
#define VIPC_URING_CANCEL	_IO(VIPC_IOC_MAGIC, 32)

#endif /* _UAPI_VIPC_H */
