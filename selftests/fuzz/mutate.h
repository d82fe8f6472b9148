/* SPDX-License-Identifier: GPL-2.0 */
/*
 * New programs: from nothing, or from those that reached something new.
 */
#ifndef FUZZ_MUTATE_H
#define FUZZ_MUTATE_H

#include "program.h"

#define MAX_CORPUS	4096

static struct program corpus[MAX_CORPUS];
static int nr_corpus;
static struct vp_rng rng;

static uint32_t dice(uint32_t n)
{
	return vp_random(&rng, n);
}

static uint8_t random_kind(void)
{
	/* what everything else needs comes more often */
	static const uint8_t often[] = {
		OP_OPEN, OP_DERIVE, OP_SEND, OP_SEND, OP_RECV, OP_RECV, OP_CALL,
		OP_REPLY, OP_REPLY_RECV, OP_SEND_X, OP_SEND_X, OP_RECV_X,
		OP_RECV_X, OP_RECV_X, OP_CALL_X, OP_CALL_X, OP_REPLY_X,
		OP_REPLY_RECV_X, OP_REPLY_RECV_X, OP_NOTIFY, OP_CLOSE,
		OP_URING_SEND, OP_URING_RECV, OP_URING_CALL, OP_URING_REPLY_RECV,
		OP_URING_SEND_X, OP_URING_RECV_X, OP_URING_CALL_X,
		OP_URING_REPLY_RECV_X, OP_URING_CANCEL, OP_REAP, OP_REAP,
	};

	return dice(2) ? often[dice(sizeof(often))] : (uint8_t)dice(NR_KINDS);
}

/* Bytes that are mostly in order, or there is nothing to be received. */
static void shape_payload(struct op *op)
{
	if (dice(4))
		op->tx = (uint8_t)(dice(9) << 4 | dice(15));
	if (dice(4))
		op->rx = (uint8_t)(dice(9) << 4 | (dice(2) ? 14 : dice(16)));
	if (dice(2))
		op->fds &= 0xf0;
	if (dice(2))
		op->fds = (uint8_t)((op->fds & 0x0f) | 0xc0);
}

/* Mostly by the task itself, to the first ring: so that there is one to meet in. */
static void shape_command(struct op *op)
{
	static const uint8_t ways[] = {
		SQE_ASYNC, SQE_FIXED, SQE_LINK, SQE_LATER, SQE_ODD, SQE_FIXED | SQE_ASYNC,
	};

	if (op->kind < OP_URING_SEND || op->kind >= NR_KINDS)
		return;
	op->task = (uint8_t)(dice(3) ? 0 : dice(TASKS));
	if (!dice(4))
		op->task |= ways[dice(sizeof(ways))];
	if (op->kind == OP_URING_CANCEL && dice(2))
		op->value = (uint8_t)dice(2);
	if (op->kind == OP_URING_CANCEL && dice(2))
		op->flags &= 0xf8;
}

static struct op random_op(void)
{
	struct op op;

	for (size_t i = 0; i < sizeof(op); i++)
		((uint8_t *)&op)[i] = (uint8_t)dice(256);
	op.kind = random_kind();
	op.slot = (uint8_t)dice(dice(4) ? 3 : SLOTS);
	op.task = (uint8_t)(dice(TASKS) | (dice(5) ? 0 : 0x80));
	if (dice(3))
		op.wait &= 0x0f;
	if (dice(4))
		op.flags &= 0xcf;
	if (dice(3))
		op.flags &= 0xfe;
	op.fail = dice(10) ? 0 : (uint8_t)(1 + dice(dice(2) ? 15 : FAIL_MASK));
	shape_payload(&op);
	shape_command(&op);
	if (op.kind == OP_CONFIG && dice(4))
		op.flags = (uint8_t)((op.flags & 0x0c) | VIPC_CONFIG_MAX_LEN |
				     VIPC_CONFIG_MAX_FDS);
	return op;
}

static struct program random_program(void)
{
	struct program p = { .n = 2 + dice(MAX_OPS - 2) };

	for (uint32_t i = 0; i < p.n; i++)
		p.op[i] = random_op();
	p.op[0].kind = OP_OPEN;
	p.op[0].value = 0;
	p.op[0].fail = 0;
	if (dice(2)) {
		/* one that lets bytes and descriptors in */
		p.op[1] = (struct op){
			.kind = OP_CONFIG,
			.slot = p.op[0].slot,
			.flags = (uint8_t)(3 | (dice(3) ? 0 : VIPC_CONFIG_DEPTH)),
			.rx = (uint8_t)dice(4),
		};
	}
	return p;
}

static void insert_op(struct program *p, uint32_t at, struct op op)
{
	if (p->n == MAX_OPS)
		p->n--;
	if (at > p->n)
		at = p->n;
	memmove(&p->op[at + 1], &p->op[at], (p->n - at) * sizeof(op));
	p->op[at] = op;
	p->n++;
}

static void mutate(struct program *p)
{
	const struct program *q;
	uint32_t at = dice(p->n), from;

	switch (dice(9)) {
	case 0:
	case 1:
		insert_op(p, at, random_op());
		break;
	case 2:
		if (p->n > 1)
			memmove(&p->op[at], &p->op[at + 1],
				(--p->n - at) * sizeof(p->op[0]));
		break;
	case 3:
		((uint8_t *)&p->op[at])[dice(sizeof(p->op[0]))] = (uint8_t)dice(256);
		break;
	case 4:
		((uint8_t *)&p->op[at])[dice(sizeof(p->op[0]))] ^= (uint8_t)(1 << dice(8));
		break;
	case 5:
		insert_op(p, dice(p->n + 1), p->op[at]);
		break;
	case 6:
		p->op[at].fail = (uint8_t)dice(dice(2) ? 16 : FAIL_MASK + 1);
		break;
	case 7:
		shape_payload(&p->op[at]);
		break;
	default:
		/* the end of another one */
		q = &corpus[dice((uint32_t)nr_corpus)];
		from = dice(q->n);
		for (uint32_t i = from; i < q->n; i++)
			insert_op(p, p->n, q->op[i]);
	}
}

static struct program next_program(void)
{
	struct program p;

	if (!nr_corpus || !dice(20))
		return random_program();
	/* the latest have been tried least */
	p = corpus[dice(3) ? dice((uint32_t)nr_corpus) :
		   (uint32_t)nr_corpus - 1 - dice(1 + (uint32_t)nr_corpus / 8)];
	for (uint32_t i = 1 + dice(4); i; i--)
		mutate(&p);
	return p;
}

static void keep(const struct program *p)
{
	if (nr_corpus < MAX_CORPUS)
		corpus[nr_corpus++] = *p;
	else
		corpus[dice(MAX_CORPUS)] = *p;
}

#endif /* FUZZ_MUTATE_H */
