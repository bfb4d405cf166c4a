/* Where lsf-oci begins: oci_start(stack), which does not return. */
    .text
    .globl _start
    .type _start, @function
_start:
    xor     %ebp, %ebp
    mov     %rsp, %rdi
    and     $-16, %rsp
    call    oci_start
    ud2
    .size _start, . - _start
    .section .note.GNU-stack, "", @progbits
