/*
 * Hand-written assembly without unwind tables, as in video codecs: a loop called from C, one
 * called by assembly, and assembly that calls back into C. No .cfi, no frame pointer.
 *
 * uint64_t island_loop(uint64_t x, uint64_t rounds)
 * uint64_t island_outer(uint64_t x, uint64_t rounds)     calls island_loop
 * uint64_t island_back(uint64_t x, uint64_t (*f)(uint64_t))
 */
	.text

	.globl	island_loop
	.type	island_loop, @function
island_loop:
	push	%rbx
	push	%r12
	sub	$40, %rsp
	mov	%rdi, %rax
1:
	mov	%rax, %rbx
	shl	$13, %rbx
	xor	%rbx, %rax
	mov	%rax, %rbx
	shr	$7, %rbx
	xor	%rbx, %rax
	mov	%rax, %rbx
	shl	$17, %rbx
	xor	%rbx, %rax
	dec	%rsi
	jnz	1b
	add	$40, %rsp
	pop	%r12
	pop	%rbx
	ret
	.size	island_loop, .-island_loop

	.globl	island_outer
	.type	island_outer, @function
island_outer:
	push	%rbp
	push	%r13
	sub	$72, %rsp
	mov	%rdi, %r13
	xor	%ebp, %ebp		/* the frame pointer is a plain register here */
	call	island_loop
	add	%r13, %rax
	add	$72, %rsp
	pop	%r13
	pop	%rbp
	ret
	.size	island_outer, .-island_outer

	.globl	island_back
	.type	island_back, @function
island_back:
	push	%r14
	sub	$32, %rsp
	mov	$-1, %r14
	call	*%rsi
	add	$32, %rsp
	pop	%r14
	ret
	.size	island_back, .-island_back

	.section .note.GNU-stack, "", @progbits
