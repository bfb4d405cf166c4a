/* The least program: writes "ok" and ends. Its text holds nothing that could do harm when a damaged file is executed. */
__asm__(
    ".globl _start\n"
    "_start:\n"
    "	mov $4, %eax\n"
    "	mov $1, %edi\n"
    "	lea text(%rip), %rsi\n"
    "	mov $3, %edx\n"
    "	syscall\n"
    "	mov $1, %eax\n"
    "	xor %edi, %edi\n"
    "	syscall\n"
    "	hlt\n"
    ".section .rodata\n"
    "text: .ascii \"ok\\n\"\n"
    ".data\n"
    ".quad 1\n"
    ".bss\n"
    ".skip 8192\n");
