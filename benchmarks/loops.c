/* Loops over one syscall each, from one source: compiled as a FreeBSD program (-DGUEST) and as a Linux one.
 *
 *   loops NAME COUNT    runs the loop COUNT times and prints the nanoseconds that passed, by CLOCK_MONOTONIC
 *
 * Freestanding: no libc on either side, so that both run the same instructions around the syscall.
 */
typedef unsigned char u8;
typedef unsigned long u64;
typedef long i64;

/* Each call is a stub as libc has it: load the number, move the fourth argument, syscall, turn the carry into -errno. */
#ifdef GUEST
#define FINISH "	jnc 1f\n	neg %rax\n1:	ret\n"
#else
#define FINISH "	ret\n"
#endif
#define TEXT(number) #number
#define STUB(name, number)                                                                                             \
    i64 name(i64 a, i64 b, i64 c, i64 d);                                                                              \
    __asm__(".p2align 4\n" #name ":\n	mov $" TEXT(number) ", %rax\n	mov %rcx, %r10\n	syscall\n" FINISH)
#ifdef GUEST
STUB(sys_exit, 1);
STUB(sys_read, 3);
STUB(sys_write, 4);
STUB(sys_open, 5);
STUB(sys_close, 6);
STUB(sys_getppid, 39);
STUB(sys_sigprocmask, 340);
STUB(sys_clock_gettime, 232);
STUB(sys_fstat, 551);
STUB(sys_fstatat, 552);
STUB(sys_lseek, 478);
STUB(sys_refused, 151);
enum { MONOTONIC = 4, SETMASK = 3 };
__attribute__((section(".note.tag"), used, aligned(4))) static const struct {
    unsigned name_size, desc_size, type;
    char name[8];
    unsigned release;
} abi_tag = {8, 4, 1, "FreeBSD", 1400097};
#else
STUB(sys_exit, 231);
STUB(sys_read, 0);
STUB(sys_write, 1);
STUB(sys_open, 2);
STUB(sys_close, 3);
STUB(sys_getppid, 110);
STUB(sys_sigprocmask, 14);
STUB(sys_clock_gettime, 228);
STUB(sys_fstat, 5);
STUB(sys_fstatat, 262);
STUB(sys_lseek, 8);
STUB(sys_refused, 999);
enum { MONOTONIC = 1, SETMASK = 2 };
#endif

static u64 now(void)
{
    u64 time[2];
    if (sys_clock_gettime(MONOTONIC, (i64) time, 0, 0) != 0)
        sys_exit(3, 0, 0, 0);
    return time[0] * 1000000000UL + time[1];
}

static int same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static u64 parse(const char *text)
{
    u64 value = 0;
    while (*text >= '0' && *text <= '9')
        value = value * 10 + (u64) (*text++ - '0');
    return value;
}

static void require(i64 result)
{
    if (result < 0)
        sys_exit(4, 0, 0, 0);
}

static u64 buffer[64];

/* The first call is checked, so that a loop over failing calls is not taken for a fast one. */
#define LOOP(text, first, body)                                                                                        \
    if (same(name, text)) {                                                                                            \
        first;                                                                                                         \
        start = now();                                                                                                 \
        for (u64 i = 0; i < count; i++)                                                                                \
            body;                                                                                                      \
        return now() - start;                                                                                          \
    }

static u64 run(const char *name, u64 count)
{
    u64 start;
    i64 fd = sys_open((i64) "/dev/zero", 0, 0, 0);
    require(fd);
    LOOP("getppid", require(sys_getppid(0, 0, 0, 0)), sys_getppid(0, 0, 0, 0))
    LOOP("read", require(sys_read(fd, (i64) buffer, 1, 0)), sys_read(fd, (i64) buffer, 1, 0))
    LOOP("lseek", require(sys_lseek(fd, 0, 0, 0)), sys_lseek(fd, 0, 0, 0))
    LOOP("fstat", require(sys_fstat(fd, (i64) buffer, 0, 0)), sys_fstat(fd, (i64) buffer, 0, 0))
    LOOP("stat", require(sys_fstatat(-100, (i64) "/dev/null", (i64) buffer, 0)),
         sys_fstatat(-100, (i64) "/dev/null", (i64) buffer, 0))
    LOOP("open_close", require(sys_close(sys_open((i64) "/dev/null", 0, 0, 0), 0, 0, 0)),
         sys_close(sys_open((i64) "/dev/null", 0, 0, 0), 0, 0, 0))
    LOOP("sigprocmask", require(sys_sigprocmask(SETMASK, 0, (i64) buffer, 8)),
         sys_sigprocmask(SETMASK, 0, (i64) buffer, 8))
    LOOP("clock_gettime", require(sys_clock_gettime(MONOTONIC, (i64) buffer, 0, 0)),
         sys_clock_gettime(MONOTONIC, (i64) buffer, 0, 0))
    LOOP("refused", , sys_refused(0, 0, 0, 0))
    sys_exit(2, 0, 0, 0);
    return 0;
}

__attribute__((used)) static void start(i64 *stack)
{
    char **argv = (char **) (stack + 1);
    char digits[24];
    int at = 23;
    u64 time;
    if (stack[0] != 3)
        sys_exit(2, 0, 0, 0);
    time = run(argv[1], parse(argv[2]));
    digits[at] = '\n';
    do
        digits[--at] = (char) ('0' + time % 10);
    while (time /= 10);
    sys_write(1, (i64) (digits + at), 24 - at, 0);
    sys_exit(0, 0, 0, 0);
}

/* Linux starts with argc at rsp; FreeBSD gives its address in rdi. */
__asm__(".globl _start\n_start:\n"
#ifndef GUEST
        "	mov %rsp, %rdi\n"
#endif
        "	and $-16, %rsp\n	xor %ebp, %ebp\n	call start\n	hlt\n");
