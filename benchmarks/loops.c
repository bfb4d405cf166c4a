/* Loops over one syscall each, from one source: compiled as a FreeBSD program (-DGUEST) and as a Linux one.
 *
 *   loops NAME COUNT    runs the loop COUNT times and prints the nanoseconds that passed, by CLOCK_MONOTONIC
 *
 * Freestanding: no libc on either side, so that both run the same instructions around the syscall.
 */
typedef unsigned char u8;
typedef unsigned long u64;
typedef long i64;

#ifdef GUEST
enum { EXIT = 1, READ = 3, WRITE = 4, OPEN = 5, CLOSE = 6, GETPPID = 39, SIGPROCMASK = 340, GETTIME = 232, FSTAT = 551,
       FSTATAT = 552, LSEEK = 478, MONOTONIC = 4, REFUSED = 151, SETMASK = 3 };
__attribute__((section(".note.tag"), used, aligned(4))) static const struct {
    unsigned name_size, desc_size, type;
    char name[8];
    unsigned release;
} abi_tag = {8, 4, 1, "FreeBSD", 1400097};
#else
enum { EXIT = 231, READ = 0, WRITE = 1, OPEN = 2, CLOSE = 3, GETPPID = 110, SIGPROCMASK = 14, GETTIME = 228, FSTAT = 5,
       FSTATAT = 262, LSEEK = 8, MONOTONIC = 1, REFUSED = 999, SETMASK = 2 };
#endif

static i64 call(i64 number, i64 a, i64 b, i64 c, i64 d)
{
    register i64 r10 __asm__("r10") = d;
    u8 carry;
    i64 result = number;
    __asm__ volatile("syscall" : "+a"(result), "=@ccc"(carry), "+d"(c) : "D"(a), "S"(b), "r"(r10)
                     : "rcx", "r8", "r9", "r11", "memory");
#ifdef GUEST
    return carry ? -result : result;
#else
    return result;
#endif
}

static u64 now(void)
{
    u64 time[2];
    if (call(GETTIME, MONOTONIC, (i64) time, 0, 0) != 0)
        call(EXIT, 3, 0, 0, 0);
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
        call(EXIT, 4, 0, 0, 0);
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
    i64 fd = call(OPEN, (i64) "/dev/zero", 0, 0, 0);
    require(fd);
    LOOP("getppid", require(call(GETPPID, 0, 0, 0, 0)), call(GETPPID, 0, 0, 0, 0))
    LOOP("read", require(call(READ, fd, (i64) buffer, 1, 0)), call(READ, fd, (i64) buffer, 1, 0))
    LOOP("lseek", require(call(LSEEK, fd, 0, 0, 0)), call(LSEEK, fd, 0, 0, 0))
    LOOP("fstat", require(call(FSTAT, fd, (i64) buffer, 0, 0)), call(FSTAT, fd, (i64) buffer, 0, 0))
    LOOP("stat", require(call(FSTATAT, -100, (i64) "/dev/null", (i64) buffer, 0)),
         call(FSTATAT, -100, (i64) "/dev/null", (i64) buffer, 0))
    LOOP("open_close", require(call(CLOSE, call(OPEN, (i64) "/dev/null", 0, 0, 0), 0, 0, 0)),
         call(CLOSE, call(OPEN, (i64) "/dev/null", 0, 0, 0), 0, 0, 0))
    LOOP("sigprocmask", require(call(SIGPROCMASK, SETMASK, 0, (i64) buffer, 8)),
         call(SIGPROCMASK, SETMASK, 0, (i64) buffer, 8))
    LOOP("clock_gettime", require(call(GETTIME, MONOTONIC, (i64) buffer, 0, 0)),
         call(GETTIME, MONOTONIC, (i64) buffer, 0, 0))
    LOOP("refused", , call(REFUSED, 0, 0, 0, 0))
    call(EXIT, 2, 0, 0, 0);
    return 0;
}

__attribute__((used)) static void start(i64 *stack)
{
    char **argv = (char **) (stack + 1);
    char digits[24];
    int at = 23;
    u64 time;
    if (stack[0] != 3)
        call(EXIT, 2, 0, 0, 0);
    time = run(argv[1], parse(argv[2]));
    digits[at] = '\n';
    do
        digits[--at] = (char) ('0' + time % 10);
    while (time /= 10);
    call(WRITE, 1, (i64) (digits + at), 24 - at, 0);
    call(EXIT, 0, 0, 0, 0);
}

/* Linux starts with argc at rsp; FreeBSD gives its address in rdi. */
__asm__(".globl _start\n_start:\n"
#ifndef GUEST
        "	mov %rsp, %rdi\n"
#endif
        "	and $-16, %rsp\n	xor %ebp, %ebp\n	call start\n	hlt\n");
