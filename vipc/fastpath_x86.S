/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The copies of a 64-byte message between user and kernel space, with one
 * STAC/CLAC bracket and straight-line moves of eight bytes.
 *
 * A user address beyond user space is refused, and a processor that speculates
 * past that check gets 0 for an address. A message at the very end of user space
 * may reach into the page behind, which is never mapped.
 */
#include <linux/linkage.h>
#include <linux/stringify.h>
#include <asm/alternative.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/errno.h>
#include <asm/smap.h>

#define USER_END_4LEVEL	((1 << 47) - 4096)
#define USER_END_5LEVEL	((1 << 56) - 4096)

/* Goes to label 8 if \addr is not in user space, and clears it if it went on. */
.macro CHECK_USER addr:req, tmp:req
	ALTERNATIVE __stringify(movabs $USER_END_4LEVEL, \tmp), \
		    __stringify(movabs $USER_END_5LEVEL, \tmp), X86_FEATURE_LA57
	cmp	\tmp, \addr
	jae	8f
	sbb	\tmp, \tmp
	and	\tmp, \addr
.endm

/* \insn is a user access; a fault goes on at the function's label 9. */
.macro USER insn:vararg
.Luser\@:
	\insn
	_ASM_EXTABLE_UA(.Luser\@, 9f)
.endm

/*
 * Copies the message at user address rsi to kernel address rdi. With \probe,
 * writes its first and its last word back, which are in different pages if it
 * is in two.
 */
.macro GET_MSG probe=0
	USER mov 0x38(%rsi), %rax
	.if \probe
	USER mov %rax, 0x38(%rsi)
	.endif
	mov	%rax, 0x38(%rdi)
	USER mov 0x00(%rsi), %rax
	.if \probe
	USER mov %rax, 0x00(%rsi)
	.endif
	USER mov 0x08(%rsi), %rcx
	USER mov 0x10(%rsi), %rdx
	USER mov 0x18(%rsi), %r8
	USER mov 0x20(%rsi), %r9
	USER mov 0x28(%rsi), %r10
	USER mov 0x30(%rsi), %r11
	mov	%rax, 0x00(%rdi)
	mov	%rcx, 0x08(%rdi)
	mov	%rdx, 0x10(%rdi)
	mov	%r8,  0x18(%rdi)
	mov	%r9,  0x20(%rdi)
	mov	%r10, 0x28(%rdi)
	mov	%r11, 0x30(%rdi)
.endm

/*
 * Ends the bracket and returns 0, or -EFAULT from label 9 in the bracket and
 * from label 8 before it.
 */
.macro RETURN
	ASM_CLAC
	xor	%eax, %eax
	RET
9:	ASM_CLAC
8:	mov	$-EFAULT, %eax
	RET
.endm

/* int vipc_x86_get_msg(to, from): copies in */
SYM_FUNC_START(vipc_x86_get_msg)
	CHECK_USER %rsi, %rax
	ASM_STAC
	GET_MSG
	RETURN
SYM_FUNC_END(vipc_x86_get_msg)

/* int vipc_x86_get_msg_rw(to, from): copies in, and proves it writable */
SYM_FUNC_START(vipc_x86_get_msg_rw)
	CHECK_USER %rsi, %rax
	ASM_STAC
	GET_MSG probe=1
	RETURN
SYM_FUNC_END(vipc_x86_get_msg_rw)

/* int vipc_x86_put_msg(to, from): copies out */
SYM_FUNC_START(vipc_x86_put_msg)
	CHECK_USER %rdi, %rax
	mov	0x00(%rsi), %rax
	mov	0x08(%rsi), %rcx
	mov	0x10(%rsi), %rdx
	mov	0x18(%rsi), %r8
	mov	0x20(%rsi), %r9
	mov	0x28(%rsi), %r10
	mov	0x30(%rsi), %r11
	mov	0x38(%rsi), %rsi
	ASM_STAC
	USER mov %rax, 0x00(%rdi)
	USER mov %rcx, 0x08(%rdi)
	USER mov %rdx, 0x10(%rdi)
	USER mov %r8,  0x18(%rdi)
	USER mov %r9,  0x20(%rdi)
	USER mov %r10, 0x28(%rdi)
	USER mov %r11, 0x30(%rdi)
	USER mov %rsi, 0x38(%rdi)
	RETURN
SYM_FUNC_END(vipc_x86_put_msg)
