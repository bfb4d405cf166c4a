/* Calls of FreeBSD's that need the guest's registers in place, and its signal trampoline. */
#include "layout.h"
#include "macros.h"
#include "numbers.h"

/* struct sigframe. */
#define SIGFRAME_HANDLER 0
#define SIGFRAME_UC 16

    .text
/* sys_vfork(frame, area): the child shares the parent's memory, so it runs on an area of its own and the parent's
 * frame survives. The guest's callee-saved registers are still in place here (under a hook the entry has put them into
 * the frame); the frame keeps them for the child. */
global sys_vfork
    mov     $0x1004111, %edx        /* CLONE_VM | CLONE_VFORK | CLONE_CHILD_SETTID | SIGCHLD */
global fork_sharing_memory
    cmpq    $0, AREA_HOOKS(%rsi)
    jne     1f
    save_kept %rdi
1:  sub     $40, %rsp
    mov     %rdi, (%rsp)
    mov     %rsi, 8(%rsp)
    mov     %rdx, 16(%rsp)
    mov     %r12, 24(%rsp)
    mov     %r13, 32(%rsp)
4:  call    vfork_prepare           /* (frame, area) -> the child's area, or a negative error */
    cmp     $-4095, %rax
    jae     3f
    mov     %rax, %r12
    mov     (%rsp), %r13
    mov     8(%rsp), %r10
    mov     16(%rsp), %rdi
    xor     AREA_TAIL(%r10), %rdi   /* vfork_prepare's: how the flags differ for a process that is traced, */
    mov     AREA_TAIL + 8(%r10), %r10   /* and where CLONE_CHILD_SETTID puts the child's number */
    mov     AREA_FRAME(%r12), %rsi
    xor     %edx, %edx
    xor     %r8d, %r8d
    mov     $56, %eax               /* clone */
    syscall
global vfork_born                   /* to the label below a signal finds the area by the stack (find_area) */
    test    %rax, %rax
    jz      2f
    mov     (%rsp), %rdi
    mov     8(%rsp), %rsi
    mov     %r12, %rdx
    mov     %rax, %rcx
    call    vfork_parent            /* (frame, area, child's area, clone's result) -> result */
    mov     24(%rsp), %r12
    mov     32(%rsp), %r13
    mov     (%rsp), %rdi
    mov     8(%rsp), %rsi
    cmp     $-LINUX_ERESTARTNOINTR, %rax
    je      4b
3:  add     $40, %rsp
    ret
2:  wrgsbase %r12                   /* the child */
global vfork_born_end
    mov     %r13, %rdi
    mov     %r12, %rsi
    call    vfork_child             /* (parent's frame, own area): copies the frame, arms, unblocks */
    mov     %gs:AREA_FRAME, %rsp
    mov     FRAME_RBX(%rsp), %rbx
    mov     FRAME_RBP(%rsp), %rbp
    mov     FRAME_R12(%rsp), %r12
    mov     FRAME_R13(%rsp), %r13
    mov     FRAME_R14(%rsp), %r14
    mov     FRAME_R15(%rsp), %r15
    xor     %eax, %eax
    jmp     translate_return

/* sys_rfork(frame, area): RFSPAWN alone is a vfork, which needs the guest's registers in place. */
global sys_rfork
    cmpl    $FREEBSD_RFSPAWN, FRAME_RDI(%rdi)
    jne     rfork_other
    jmp     sys_vfork
/* sys_pdrfork(frame, area): the same, with a process descriptor. */
global sys_pdrfork
    cmpl    $FREEBSD_RFSPAWN, FRAME_RDX(%rdi)
    jne     pdrfork_other
    jmp     sys_vfork

/* sys_getcontext, sys_swapcontext(frame, area): the callee-saved registers and the FXSAVE image are the guest's still. */
    .p2align 4
global sys_getcontext
    lea     getcontext_with(%rip), %r11
    jmp     context_call
global sys_swapcontext
    lea     swapcontext_with(%rip), %r11
context_call:
    cmpq    $0, AREA_HOOKS(%rsi)
    jne     1f
    save_kept %rdi
1:  sub     $520, %rsp
    fxsave64 (%rsp)
    mov     %rsp, %rdx
    call    *%r11
    add     $520, %rsp
    ret

/* The guest's signal trampoline, FreeBSD's sigtramp: rsp points to the sigframe, whose first word is the handler. */
    .section .sigcode, "ax"
global sigcode
    call    *SIGFRAME_HANDLER(%rsp)
    lea     SIGFRAME_UC(%rsp), %rdi
    mov     $FREEBSD_SYS_sigreturn, %eax
    lea     1f(%rip), %rcx          /* as a patched site has it: no trap, and the syscall is there to restart at */
    jmp     entry
    syscall
1:  hlt
/* The same for a traced program: its sigreturn is a call that stops. */
global sigcode_traced
    call    *SIGFRAME_HANDLER(%rsp)
    lea     SIGFRAME_UC(%rsp), %rdi
    mov     $FREEBSD_SYS_sigreturn, %eax
    syscall
    hlt
global sigcode_end

    .section .note.GNU-stack, "", @progbits
