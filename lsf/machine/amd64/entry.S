/* The way into the shim and out of it, and what else must be assembly.
 *
 * Entry: as if a `syscall` of the guest's had just trapped. rax number, rdi rsi rdx r10 r8 r9 arguments, rcx the address to
 * return to, r11 scratch. Exit: jump to rcx; CF clear and rax the value, or CF set and rax the guest's errno. Nothing
 * else changes, the guest's stack and red zone included.
 *
 * A signal may interrupt any instruction here. on_signal decides by where rip stands (the table at the end) whether to
 * rewind to the site, to finish the exit on the guest's behalf, or to defer; keep each region's promise when editing:
 *   entry .. pass_syscall            rax (or area->nr past pass_number) and rcx hold the call: rewind
 *   pass_return .. pass_converted    rax is Linux's raw result: finish
 *   pass_converted .. pass_end       rax is the guest's errno: finish
 *   guarded .. translate_args        rax, rcx and all arguments but rsp intact: rewind
 *   translate_args .. translate_call as before, rdi and rsi are in the frame: rewind
 *   patch_entry .. patch_call        as guarded .. translate_call
 *   tail_return .. tail_end          rax is the call's result, the frame says the rest: finish, unless one is deferred
 *   translate_commit .. translate_end  the frame alone says how the guest goes on: finish
 *   patch_commit .. patch_end        the same: back to the site
 *   anything else in the window      defer
 */
#include "guest.h"
#include "layout.h"
#include "macros.h"

    .section .text.entry, "ax"

global entry
    mov     %eax, %eax
    cmp     $GUEST_NSYSCALLS, %eax
    jae     translate
    mov     %gs:AREA_LANES, %r11
    mov     (%r11,%rax,4), %r11d
    test    %r11d, %r11d
    js      translate
    cmp     $LSF_GUARDED, %r11d
    jae     guarded
pass_begin:
    mov     %rcx, %gs:AREA_RET
    mov     %eax, %gs:AREA_NR
global pass_number
    mov     %r11d, %eax
global pass_syscall
    syscall
global pass_return
    xor     %r11d, %r11d            /* no call leaves r11 as `syscall` sets it: see call_was_dropped */
    cmp     $-4095, %rax
    jae     pass_error
    mov     %gs:AREA_RET, %rcx
    clc
    jmp     *%rcx
pass_error:
    cmp     $-LINUX_EINVAL, %rax    /* what pass_failed() may say otherwise */
    je      pass_doubtful
    cmp     $-LINUX_EIO, %rax
    je      pass_doubtful
    cmp     $-LINUX_EPIPE, %rax
    je      pass_doubtful
    cmp     $-LINUX_ENOTCONN, %rax
    je      pass_doubtful
    cmp     $-LINUX_ECONNREFUSED, %rax
    je      pass_doubtful
    cmp     $-LINUX_EFAULT, %rax
    je      pass_doubtful
    cmp     $-LINUX_EBADF, %rax
    je      pass_doubtful
    cmp     $-LINUX_ECONNRESET, %rax
    je      pass_doubtful
    mov     %gs:AREA_RET, %rcx
    lea     lsf_errno_map(%rip), %r11
    sub     %rax, %r11
    movzbl  (%r11), %eax
global pass_converted
    stc
    jmp     *%rcx
global pass_end

/* A call of the pass lane is over with an errno that the guest's system may say otherwise: pass_failed(frame, area) judges. A signal
 * that comes here is deferred to the end, as in a handler. */
pass_doubtful:
    mov     %rsp, %gs:AREA_GUEST_RSP
    mov     %gs:AREA_FRAME, %rsp
    save_arguments
    mov     %rax, FRAME_RESULT(%rsp)
    mov     %gs:AREA_NR, %eax
    mov     %rax, FRAME_NR(%rsp)
    mov     %gs:AREA_RET, %rcx
    mov     %rcx, FRAME_RET(%rsp)
    mov     %gs:AREA_GUEST_RSP, %r11
    mov     %r11, FRAME_RSP(%rsp)
    cld
    mov     %rsp, %rdi
    mov     %gs:AREA_SELF, %rsi
    call    pass_failed
    jmp     translate_result

/* A call of the pass lane with a descriptor, or one that writes. The shim's own descriptors lie close together and high up,
 * and so does its memory: a number or an address among those goes to the handler (sys_passed), which looks closely. */
    .p2align 5
global guarded
    cmp     lsf_hidden_low(%rip), %edi
    jae     2f
1:  mov     %rsi, %r11
    shr     $36, %r11
    sub     $(WINDOW_BASE >> 36), %r11d
    cmp     $((SHIM_END >> 36) - (WINDOW_BASE >> 36)), %r11d
    jbe     translate
    mov     %gs:AREA_LANES, %r11
    movzwl  (%r11,%rax,4), %r11d
    jmp     pass_begin
2:  cmp     lsf_hidden_high(%rip), %edi
    ja      1b
    .p2align 5
global translate
    mov     %rsp, %gs:AREA_GUEST_RSP
    mov     %gs:AREA_FRAME, %rsp
    save_arguments
    mov     %rax, FRAME_NR(%rsp)
    mov     %rcx, FRAME_RET(%rsp)
    mov     %gs:AREA_GUEST_RSP, %r11
    mov     %r11, FRAME_RSP(%rsp)
    cld
    cmpq    $0, %gs:AREA_HOOKS
    je      1f
    lea     call_hooked(%rip), %r11
    save_kept %rsp                  /* for vfork, which under a hook is called late */
    jmp     translate_args
1:
    lea     sys_nosys(%rip), %r11
    cmp     $GUEST_NSYSCALLS, %eax
    jae     translate_args
    lea     lsf_handler(%rip), %r11
    mov     (%r11,%rax,8), %r11
global translate_args
    mov     %rsp, %rdi
    mov     %gs:AREA_SELF, %rsi
global translate_call
    call    *%r11
global translate_return
    cmp     $-RETURN_SYSCALL, %rax
    je      translate_tail
translate_result:
    xor     %r11d, %r11d            /* as at pass_return */
    mov     %rax, FRAME_RESULT(%rsp)
    cmpq    $0, %gs:AREA_DEFERRED   /* and AREA_WOKEN, AREA_ALIGNMENT */
global translate_commit
    jne     translate_apart
translate_leave:
    load_arguments
    mov     FRAME_RET(%rsp), %rcx
    cmp     $-4095, %rax
    jae     translate_error
    mov     FRAME_RSP(%rsp), %rsp
    clc
    jmp     *%rcx
translate_error:
    cmp     $-LINUX_ERESTARTSYS, %rax
    je      translate_again
    cmp     $-LINUX_ERESTARTNOINTR, %rax
    je      translate_again
    cmp     $-RETURN_IN_AREA, %rax
    je      translate_value
    lea     lsf_errno_map(%rip), %r11
    sub     %rax, %r11
    movzbl  (%r11), %eax
    mov     FRAME_RSP(%rsp), %rsp
    stc
    jmp     *%rcx
translate_value:
    mov     %gs:AREA_RETVAL, %rax
    mov     FRAME_RSP(%rsp), %rsp
    clc
    jmp     *%rcx
translate_again:                    /* interrupted, yet no signal waits (a stop and a continue): once more */
    mov     FRAME_NR(%rsp), %rax
    sub     $2, %rcx
    mov     FRAME_RSP(%rsp), %rsp
    jmp     *%rcx
translate_apart:
    cmpl    $0, %gs:AREA_DEFERRED
    jne     translate_deferred
    cmpw    $WOKEN_ENDED, %gs:AREA_WOKEN
    jne     2f
    cmp     $-LINUX_ERESTARTSYS, %rax
    jne     1f
    mov     $-LINUX_EINTR, %rax     /* no signal came that it could be restarted after */
    mov     %rax, FRAME_RESULT(%rsp)
1:  movw    $0, %gs:AREA_WOKEN
2:  cmpw    $0, %gs:AREA_ALIGNMENT
    je      translate_leave
    jmp     translate_deferred
global translate_end

/* A Linux call that a handler left to the exit (runtime.h, tail_syscall): the callee-saved registers are the guest's
 * again, so that a signal which arrives with the call's end is delivered at once. */
translate_tail:
    mov     %gs:AREA_TAIL, %rax
    mov     %gs:AREA_TAIL + 8, %rdi
    mov     %gs:AREA_TAIL + 16, %rsi
    mov     %gs:AREA_TAIL + 24, %rdx
    mov     %gs:AREA_TAIL + 32, %r10
    syscall
global tail_return
    jmp     translate_result
global tail_end

/* A signal was deferred while the call was under way, and all others are blocked. With the callee-saved registers the
 * frame has the guest's whole state but for the vector registers, which no code of the shim touches. */
translate_deferred:
    save_kept %rsp
    mov     %rsp, %rdi
    mov     %gs:AREA_SELF, %rsi
    call    deliver_at_exit         /* (frame, area): leaves through rt_sigreturn */
    ud2

/* Where an engine leads a site that has trapped enough: patch_site(frame, area) makes a jump of the site if it can, and
 * the call goes on at `entry`. At a fixed place, for the supervisor of the ptrace engine. */
    .org    entry + PATCH_ENTRY_OFFSET
global patch_entry
    mov     %rsp, %gs:AREA_GUEST_RSP
    mov     %gs:AREA_FRAME, %rsp
    save_arguments
    mov     %eax, %eax
    mov     %rax, FRAME_NR(%rsp)
    mov     %rcx, FRAME_RET(%rsp)
    mov     %gs:AREA_GUEST_RSP, %r11
    mov     %r11, FRAME_RSP(%rsp)
    cld
    lea     patch_site(%rip), %r11
global patch_args
    mov     %rsp, %rdi
    mov     %gs:AREA_SELF, %rsi
global patch_call
    call    *%r11
    mov     %rax, FRAME_RESULT(%rsp)        /* -ERESTARTNOINTR, always */
    cmpw    $0, %gs:AREA_ALIGNMENT          /* this thread's own doing, so it may be looked at first */
    jne     translate_deferred
    cmpl    $0, %gs:AREA_DEFERRED
global patch_commit
    jne     translate_deferred
    load_arguments
    mov     FRAME_RET(%rsp), %rcx
    mov     FRAME_NR(%rsp), %rax
    mov     FRAME_RSP(%rsp), %rsp
    jmp     entry
global patch_end

/* Where a tracer leads a call that it has shown: trace_call(frame, area). It lies outside the regions that rewind, so
 * that a call is shown once: a signal that comes here is deferred, and the call then waits for nothing. */
    .org    entry + TRACE_ENTRY_OFFSET
    mov     %rsp, %gs:AREA_GUEST_RSP
    mov     %gs:AREA_FRAME, %rsp
    save_arguments
    mov     %eax, %eax
    mov     %rax, FRAME_NR(%rsp)
    mov     %rcx, FRAME_RET(%rsp)
    mov     %gs:AREA_GUEST_RSP, %r11
    mov     %r11, FRAME_RSP(%rsp)
    save_kept %rsp                  /* as under a hook */
    cld
    mov     %rsp, %rdi
    mov     %gs:AREA_SELF, %rsi
    call    trace_call
    jmp     translate_return

/* Where the supervisor of the ptrace engine leads a thread that made a call from 32-bit code: it ends. */
    .org    entry + FOREIGN_ENTRY_OFFSET
    mov     %gs:AREA_FRAME, %rsp
    mov     %gs:AREA_SELF, %rdi
    cld
    call    foreign_call            /* (area) */
    ud2
global entry_end

/* long blocking_syscall(long nr, a, b, c, d, e, f): a Linux call that may sleep. A signal that arrives before the
 * syscall instruction sends it to blocking_cancel, so that none is lost between the check and the wait. Where thr_wake is
 * to end the sleep, blocking_woken makes the call (thread.pxi). undeferred_syscall: the same for a call that is no sleep
 * for the guest. */
    .macro linux_arguments          /* of C: nr in rdi, the sixth argument on the stack */
    mov     %rdi, %rax
    mov     %rsi, %rdi
    mov     %rdx, %rsi
    mov     %rcx, %rdx
    mov     %r8, %r10
    mov     %r9, %r8
    mov     8(%rsp), %r9
    .endm
    .text
    .p2align 4
global blocking_syscall
    linux_arguments
global blocking_check
    cmpq    $0, %gs:AREA_DEFERRED   /* and AREA_WOKEN */
    jne     blocking_apart
global blocking_call
    syscall
    ret
blocking_apart:
    cmpl    $0, %gs:AREA_DEFERRED
    jne     blocking_cancel
    cmpw    $0, %gs:AREA_WOKEN
    je      undeferred_check        /* AREA_ALIGNMENT alone */
    mov     %r8, %r9
    mov     %r10, %r8
    mov     %rdx, %rcx
    mov     %rsi, %rdx
    mov     %rdi, %rsi
    mov     %rax, %rdi
    jmp     blocking_woken
global blocking_cancel
    movl    $1, %gs:AREA_NOT_BEGUN
    mov     $-LINUX_EINTR, %rax
    ret
    .p2align 4
global undeferred_syscall
    linux_arguments
global undeferred_check
    cmpl    $0, %gs:AREA_DEFERRED
    jne     blocking_cancel
global undeferred_call
    syscall
    ret

/* Linux's way back from a signal handler. */
    .p2align 4
global signal_restorer
    mov     $15, %eax               /* rt_sigreturn */
    syscall
    ud2

/* void resume_from(void *linux_rt_sigframe): registers, vector state and mask change at once. */
global resume_from
    mov     %rdi, %rsp
    jmp     signal_restorer

/* Where the image starts. The Linux stack becomes the guest's, so C code runs on the first area's shim stack. */
global _start
    mov     %rsp, %rdi
    movabs  $(AREAS_BASE + AREA_STRUCT), %rsi
    lea     -FRAME_SIZE(%rsi), %rsp
    wrgsbase %rsi
    xor     %ebp, %ebp
    call    shim_start              /* returns only through enter_guest */
    ud2

/* void enter_guest(entry, stack): the registers at the start of a program (BSD's exec_setregs). */
global enter_guest
    mov     %rdi, %gs:AREA_RET
    mov     %rsi, %rdi
    lea     -8(%rsi), %rcx
    and     $-16, %rcx
    add     $8, %rcx
    xor     %eax, %eax
    xor     %ebx, %ebx
    xor     %edx, %edx
    xor     %esi, %esi
    xor     %ebp, %ebp
    xor     %r8d, %r8d
    xor     %r9d, %r9d
    xor     %r10d, %r10d
    xor     %r11d, %r11d
    xor     %r12d, %r12d
    xor     %r13d, %r13d
    xor     %r14d, %r14d
    xor     %r15d, %r15d
    pushq   $0x202                  /* PSL_USER: interrupts on, nothing else */
    popfq
    mov     %rcx, %rsp
    mov     $0, %ecx
    jmp     *%gs:AREA_RET

/* long clone_thread(flags, stack, parent_tid, child_tid, tls): the child finds its area on its stack, and runs
 * thread_start(area), which makes a frame of what the thread begins with. It leaves as from a call, so that a signal which
 * was sent to it meanwhile is delivered before its first instruction. */
global clone_thread
    mov     %rcx, %r10
    mov     $56, %eax               /* clone */
    syscall
    test    %rax, %rax
    jz      1f
    ret
1:  mov     (%rsp), %rdi
    wrgsbase %rdi
    xor     %ebp, %ebp
    call    thread_start
    mov     %gs:AREA_FRAME, %rsp
    xor     %eax, %eax
    xor     %ebx, %ebx
    xor     %ebp, %ebp
    xor     %r12d, %r12d
    xor     %r13d, %r13d
    xor     %r14d, %r14d
    xor     %r15d, %r15d
    jmp     translate_return

/* Guest memory. These are the only instructions that touch it; a fault in them (the kernel's, and rip between the
 * labels) makes them return -EFAULT. rdi, rsi, rdx as in memcpy. */
    .macro not_ours address             /* what is written to is not the shim's own */
    movabs  $-WINDOW_BASE, %rax
    movabs  $(SHIM_END - WINDOW_BASE), %rcx
    add     \address, %rax
    cmp     %rcx, %rax
    jb      accessor_fault
    .endm
    .p2align 4
global accessors
global copy_guest                   /* (to, from, bytes) -> 0 or -EFAULT */
    mov     %rdx, %rcx
    cmp     $256, %rdx              /* a struct: word by word, as memcpy (runtime.c) and for its reasons */
    ja      2f
    shr     $5, %rcx
    jz      5f
4:  mov     (%rsi), %rax
    mov     8(%rsi), %r8
    mov     16(%rsi), %r9
    mov     24(%rsi), %r10
    mov     %rax, (%rdi)
    mov     %r8, 8(%rdi)
    mov     %r9, 16(%rdi)
    mov     %r10, 24(%rdi)
    add     $32, %rsi
    add     $32, %rdi
    dec     %rcx
    jnz     4b
5:  mov     %edx, %ecx
    and     $31, %ecx
    shr     $3, %ecx
    jz      1f
0:  mov     (%rsi), %rax
    mov     %rax, (%rdi)
    add     $8, %rsi
    add     $8, %rdi
    dec     %ecx
    jnz     0b
1:  mov     %edx, %ecx
    and     $7, %ecx
    jz      3f
2:  rep movsb
3:  xor     %eax, %eax
    ret
global copy_guest_string            /* (to, from, max) -> length with the NUL, -EFAULT, or 0 when max is too short */
    xor     %eax, %eax
1:  cmp     %rdx, %rax
    jae     2f
    movzbl  (%rsi,%rax), %ecx
    mov     %cl, (%rdi,%rax)
    inc     %rax
    test    %cl, %cl
    jnz     1b
    ret
2:  xor     %eax, %eax
    ret
global guest_string_length          /* (from, max) -> length without the NUL, at most max and 7 more, or -EFAULT */
    mov     %rdi, %rcx
    lea     (%rdi,%rsi), %r9
    mov     %rdi, %rsi
    and     $-8, %rdi               /* whole words: none of them reaches into a page that the string does not */
    mov     (%rdi), %rax
    shl     $3, %ecx
    mov     $-1, %rdx
    shl     %cl, %rdx               /* by the bits before the string: the count is taken modulo 64 */
    not     %rdx
    or      %rdx, %rax
    movabs  $0x0101010101010101, %r10
    movabs  $0x8080808080808080, %r11
1:  mov     %rax, %rdx
    sub     %r10, %rdx
    not     %rax
    and     %r11, %rax
    and     %rax, %rdx              /* the top bit of the first byte that is 0 */
    jnz     2f
    add     $8, %rdi
    cmp     %r9, %rdi
    jae     3f
    mov     (%rdi), %rax
    jmp     1b
2:  bsf     %rdx, %rdx
    shr     $3, %edx
    add     %rdx, %rdi
3:  mov     %rdi, %rax
    sub     %rsi, %rax
    ret
global fetch_guest32                /* (from, *to) */
    mov     (%rdi), %ecx
    mov     %ecx, (%rsi)
    xor     %eax, %eax
    ret
global fetch_guest64
    mov     (%rdi), %rcx
    mov     %rcx, (%rsi)
    xor     %eax, %eax
    ret
global store_guest32                /* (to, value) */
    not_ours %rdi
    mov     %esi, (%rdi)
    xor     %eax, %eax
    ret
global store_guest64
    not_ours %rdi
    mov     %rsi, (%rdi)
    xor     %eax, %eax
    ret
global zero_guest                   /* (to, bytes) */
    not_ours %rdi
    mov     %rsi, %rcx
    xor     %eax, %eax
    rep stosb
    ret
global cas_guest32                  /* (at, *expected, value): *expected = what was there */
    not_ours %rdi
    mov     (%rsi), %eax
    lock cmpxchg %edx, (%rdi)
    mov     %eax, (%rsi)
    mov     $0, %eax
    ret
global cas_guest64
    not_ours %rdi
    mov     (%rsi), %rax
    lock cmpxchg %rdx, (%rdi)
    mov     %rax, (%rsi)
    mov     $0, %eax
    ret
global accessors_end
global accessor_fault
    mov     $-14, %rax              /* -EFAULT */
    ret

/* The regions at the head of this file, as region_of (leave.pxi) reads them: from, to (which is outside), what to do. */
    .macro region from, to, what
    .quad   \from, \to, \what
    .endm
    .section .data.rel.ro.regions, "aw"
    .p2align 3
global regions
    region  entry, pass_syscall + 1, REGION_PASS
    region  pass_return, pass_converted, REGION_PASSED
    region  pass_converted, pass_end, REGION_CONVERTED
    region  guarded, translate_call + 1, REGION_TRANSLATE
    region  patch_entry, patch_call + 1, REGION_PATCH
    region  translate_commit, translate_end, REGION_LEAVE
    region  patch_commit, patch_end, REGION_LEAVE
    region  tail_return, tail_end, REGION_TAIL
    region  0, 0, REGION_OTHER

    .section .note.GNU-stack, "", @progbits
