/* Macros of the assembler: for entry.S, and for the assembly of a personality. */
    .macro global name
    .globl \name
    .hidden \name
\name:
    .endm

    .macro save_arguments           /* into the frame at rsp */
    mov     %rdi, FRAME_RDI(%rsp)
    mov     %rsi, FRAME_RSI(%rsp)
    mov     %rdx, FRAME_RDX(%rsp)
    mov     %r10, FRAME_R10(%rsp)
    mov     %r8, FRAME_R8(%rsp)
    mov     %r9, FRAME_R9(%rsp)
    .endm
    .macro load_arguments
    mov     FRAME_RDI(%rsp), %rdi
    mov     FRAME_RSI(%rsp), %rsi
    mov     FRAME_RDX(%rsp), %rdx
    mov     FRAME_R10(%rsp), %r10
    mov     FRAME_R8(%rsp), %r8
    mov     FRAME_R9(%rsp), %r9
    .endm
    .macro save_kept frame          /* the registers that a call keeps */
    mov     %rbx, FRAME_RBX(\frame)
    mov     %rbp, FRAME_RBP(\frame)
    mov     %r12, FRAME_R12(\frame)
    mov     %r13, FRAME_R13(\frame)
    mov     %r14, FRAME_R14(\frame)
    mov     %r15, FRAME_R15(\frame)
    .endm
