/* Toyunix's way into a handler and back: rsp and rdi are the frame, whose first word is the handler. */
#include "guest.h"
#include "layout.h"
#include "macros.h"

    .section .sigcode, "ax"
global sigcode
    call    *(%rsp)
    mov     %rsp, %rdi
    mov     $TOY_SIGRETURN, %eax
    syscall
    hlt

    .section .note.GNU-stack, "", @progbits
