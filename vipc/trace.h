/* SPDX-License-Identifier: GPL-2.0 */
/**
 * DOC: tracepoints
 *
 * What perf, bpftrace and tracefs see as vipc:*. Each event is reported once, when
 * the operation that it is named for has ended, well or not, by the thread that
 * asked for it; an operation whose argument could not be read, or makes no sense, has
 * none. All are outside of every lock. REPLY_RECV is a vipc_reply, then a
 * vipc_receive.
 *
 * A call is found again on the other side by endpoint and token: vipc_receive,
 * vipc_reply and vipc_call of the same call have the same.
 *
 * Shown is who talks to whom about what: endpoint, badge, opcode, how much. What is
 * in a message is not: neither its words, nor its bytes, nor which bits a
 * notification has.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vipc

#if !defined(VIPC_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VIPC_TRACE_H

#include <linux/tracepoint.h>

#include "vipc/capability.h"
#include "vipc/endpoint.h"
#include "vipc/fastpath.h"
#include "vipc/wait.h"

/* A request: @start is its vipc_clock(), @opcode what the reply has overwritten. */
DECLARE_EVENT_CLASS(vipc_request,
		    TP_PROTO(const struct vipc_op *op, u32 opcode, u32 len, u32 nr_fds,
			     u64 start, int ret),
		    TP_ARGS(op, opcode, len, nr_fds, start, ret),
		    TP_STRUCT__entry(__field(u64, endpoint)
				     __field(u64, badge)
				     __field(u64, token)
				     __field(u64, cycles)
				     __field(u32, opcode)
				     __field(u32, len)
				     __field(u32, fds)
				     __field(bool, fast)
				     __field(int, ret)),
		    TP_fast_assign(s64 cycles = vipc_clock() - start;

				   __entry->endpoint = op->cap->endpoint->id;
				   __entry->badge = op->cap->badge;
				   /* Not yet taken, it has a place in the queue instead. */
				   __entry->token = op->role == VIPC_CALLER &&
						    op->delivered ? op->token : 0;
				   __entry->cycles = max_t(s64, cycles, 0);
				   __entry->opcode = opcode;
				   __entry->len = len;
				   __entry->fds = nr_fds;
				   __entry->fast = op->fast;
				   __entry->ret = ret;),
		    TP_printk("endpoint=%llu badge=%llu opcode=%u len=%u fds=%u token=%#llx path=%s cycles=%llu ret=%d",
			      __entry->endpoint, __entry->badge, __entry->opcode,
			      __entry->len, __entry->fds, __entry->token,
			      __entry->fast ? "fast" : "slow", __entry->cycles,
			      __entry->ret)
);

DEFINE_EVENT(vipc_request, vipc_send,
	     TP_PROTO(const struct vipc_op *op, u32 opcode, u32 len, u32 nr_fds,
		      u64 start, int ret),
	     TP_ARGS(op, opcode, len, nr_fds, start, ret)
);

DEFINE_EVENT(vipc_request, vipc_call,
	     TP_PROTO(const struct vipc_op *op, u32 opcode, u32 len, u32 nr_fds,
		      u64 start, int ret),
	     TP_ARGS(op, opcode, len, nr_fds, start, ret)
);

/* What has come, or with an error that nothing has: then only @ret means something. */
TRACE_EVENT(vipc_receive,
	    TP_PROTO(const struct vipc_op *op, u32 len, u32 nr_fds, int ret),
	    TP_ARGS(op, len, nr_fds, ret),
	    TP_STRUCT__entry(__field(u64, endpoint)
			     __field(u64, badge)
			     __field(u64, token)
			     __field(u32, opcode)
			     __field(u32, kind)
			     __field(u32, len)
			     __field(u32, fds)
			     __field(int, ret)),
	    TP_fast_assign(__entry->endpoint = op->cap->endpoint->id;
			   __entry->badge = ret ? 0 : op->msg.badge;
			   __entry->token = ret ? 0 : op->msg.reply;
			   __entry->opcode = ret ? 0 : op->msg.opcode;
			   __entry->kind = ret ? 0 :
					   op->msg.flags & (VIPC_MSG_NOTIFICATION |
							    VIPC_MSG_BADGE_CLOSED);
			   __entry->len = ret ? 0 : len;
			   __entry->fds = ret ? 0 : nr_fds;
			   __entry->ret = ret;),
	    TP_printk("endpoint=%llu kind=%s badge=%llu opcode=%u len=%u fds=%u token=%#llx ret=%d",
		      __entry->endpoint,
		      __print_symbolic(__entry->kind, { 0, "message" },
				       { VIPC_MSG_NOTIFICATION, "notification" },
				       { VIPC_MSG_BADGE_CLOSED, "badge-closed" }),
		      __entry->badge, __entry->opcode, __entry->len, __entry->fds,
		      __entry->token, __entry->ret)
);

TRACE_EVENT(vipc_reply,
	    TP_PROTO(const struct vipc_cap *cap, u64 token, u32 opcode, u32 len,
		     u32 nr_fds, int ret),
	    TP_ARGS(cap, token, opcode, len, nr_fds, ret),
	    TP_STRUCT__entry(__field(u64, endpoint)
			     __field(u64, token)
			     __field(u32, opcode)
			     __field(u32, len)
			     __field(u32, fds)
			     __field(int, ret)),
	    TP_fast_assign(__entry->endpoint = cap->endpoint->id;
			   __entry->token = token;
			   __entry->opcode = opcode;
			   __entry->len = len;
			   __entry->fds = nr_fds;
			   __entry->ret = ret;),
	    TP_printk("endpoint=%llu opcode=%u len=%u fds=%u token=%#llx ret=%d",
		      __entry->endpoint, __entry->opcode, __entry->len,
		      __entry->fds, __entry->token, __entry->ret)
);

/* Something is done with a capability. */
DECLARE_EVENT_CLASS(vipc_capability,
		    TP_PROTO(const struct vipc_cap *cap, int ret),
		    TP_ARGS(cap, ret),
		    TP_STRUCT__entry(__field(u64, endpoint)
				     __field(u64, badge)
				     __field(u32, rights)
				     __field(int, ret)),
		    TP_fast_assign(__entry->endpoint = cap->endpoint->id;
				   __entry->badge = cap->badge;
				   __entry->rights = cap->rights;
				   __entry->ret = ret;),
		    TP_printk("endpoint=%llu badge=%llu rights=%s ret=%d",
			      __entry->endpoint, __entry->badge,
			      __print_flags(__entry->rights, "|",
					    { VIPC_RIGHT_SEND, "send" },
					    { VIPC_RIGHT_RECV, "recv" },
					    { VIPC_RIGHT_GRANT, "grant" },
					    { VIPC_RIGHT_REVOKE, "revoke" }),
			      __entry->ret)
);

/* Bits are sent through it. */
DEFINE_EVENT(vipc_capability, vipc_notify,
	     TP_PROTO(const struct vipc_cap *cap, int ret),
	     TP_ARGS(cap, ret)
);

/* A new endpoint, and its first capability. */
DEFINE_EVENT(vipc_capability, vipc_open,
	     TP_PROTO(const struct vipc_cap *cap, int ret),
	     TP_ARGS(cap, ret)
);

/* Its last descriptor is gone. */
DEFINE_EVENT(vipc_capability, vipc_close,
	     TP_PROTO(const struct vipc_cap *cap, int ret),
	     TP_ARGS(cap, ret)
);

/* All that was derived from it is revoked. */
DEFINE_EVENT(vipc_capability, vipc_revoke,
	     TP_PROTO(const struct vipc_cap *cap, int ret),
	     TP_ARGS(cap, ret)
);

/* What was asked for, and the new descriptor or an error. */
TRACE_EVENT(vipc_derive,
	    TP_PROTO(const struct vipc_cap *cap, const struct vipc_derive *wanted,
		     int ret),
	    TP_ARGS(cap, wanted, ret),
	    TP_STRUCT__entry(__field(u64, endpoint)
			     __field(u64, badge)
			     __field(u32, rights)
			     __field(bool, watched)
			     __field(int, ret)),
	    TP_fast_assign(__entry->endpoint = cap->endpoint->id;
			   __entry->badge = wanted->badge;
			   __entry->rights = wanted->rights;
			   __entry->watched = wanted->flags &
					      VIPC_DERIVE_NOTIFY_CLOSE;
			   __entry->ret = ret;),
	    TP_printk("endpoint=%llu badge=%llu rights=%s watched=%s ret=%d",
		      __entry->endpoint, __entry->badge,
		      __print_flags(__entry->rights, "|",
				    { VIPC_RIGHT_SEND, "send" },
				    { VIPC_RIGHT_RECV, "recv" },
				    { VIPC_RIGHT_GRANT, "grant" },
				    { VIPC_RIGHT_REVOKE, "revoke" }),
		      __entry->watched ? "yes" : "no", __entry->ret)
);

/* An endpoint is dead; @dropped messages that it had kept nobody will receive. */
TRACE_EVENT(vipc_death,
	    TP_PROTO(u64 endpoint, unsigned int dropped),
	    TP_ARGS(endpoint, dropped),
	    TP_STRUCT__entry(__field(u64, endpoint)
			     __field(unsigned int, dropped)),
	    TP_fast_assign(__entry->endpoint = endpoint;
			   __entry->dropped = dropped;),
	    TP_printk("endpoint=%llu dropped=%u", __entry->endpoint,
		      __entry->dropped)
);

#endif /* VIPC_TRACE_H */

/* Found through Kbuild's -I. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH vipc
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
