/* What the loops share. Each file of loops is compiled twice: as a FreeBSD program (-DGUEST) and as a Linux one.
 *
 *   PROGRAM NAME CHUNK SAMPLES    runs the loop CHUNK times, SAMPLES times over, and prints the nanoseconds that the median
 *                                 sample took, by CLOCK_MONOTONIC: a sample is shorter than the time for which a busy machine
 *                                 lets a process run, so that other load is in few of them
 *                                 (further arguments are the loop's: a folder to read, a command to execute)
 *   PROGRAM exit                  ends at once: what the loops over exec execute
 *
 * Freestanding: no libc on either side, so that both run the same instructions around the syscall.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
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
    i64 name(i64 a, i64 b, i64 c, i64 d, i64 e, i64 f);                                                                \
    __asm__(".p2align 4\n" #name ":\n	mov $" TEXT(number) ", %rax\n	mov %rcx, %r10\n	syscall\n" FINISH)
/* The parent's return address must survive the child, which returns through the same stack. */
#define VFORK_STUB(name, number)                                                                                       \
    __attribute__((returns_twice)) i64 name(void);                                                                     \
    __asm__(".p2align 4\n" #name ":\n	pop %rsi\n	mov $" TEXT(number) ", %eax\n	syscall\n	push %rsi\n" FINISH)

#ifdef GUEST
STUB(sys_exit, 1);
STUB(sys_write, 4);
STUB(sys_clock_gettime, 232);
enum { MONOTONIC = 4 };
__attribute__((section(".note.tag"), used, aligned(4))) static const struct {
    unsigned name_size, desc_size, type;
    char name[8];
    unsigned release;
} abi_tag = {8, 4, 1, "FreeBSD", 1400097};
#else
STUB(sys_exit, 231);
STUB(sys_write, 1);
STUB(sys_clock_gettime, 228);
enum { MONOTONIC = 1 };
#endif

static char **arguments, **environment;

static inline u64 now(void)
{
    u64 time[2];
    if (sys_clock_gettime(MONOTONIC, (i64) time, 0, 0, 0, 0) != 0)
        sys_exit(3, 0, 0, 0, 0, 0);
    return time[0] * 1000000000UL + time[1];
}

static inline int same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static inline u64 parse(const char *text)
{
    u64 value = 0;
    while (*text >= '0' && *text <= '9')
        value = value * 10 + (u64) (*text++ - '0');
    return value;
}

static inline i64 require(i64 result)
{
    if (result < 0)
        sys_exit(4, 0, 0, 0, 0, 0);
    return result;
}

enum { SAMPLES_MAX = 4096 };
static u64 samples[SAMPLES_MAX], samples_wanted;

/* Time samples of what the body does. */
#define SAMPLE(body)                                                                                                   \
    for (u64 sample = 0; sample < samples_wanted; sample++) {                                                          \
        u64 begin = now();                                                                                             \
        body;                                                                                                          \
        samples[sample] = now() - begin;                                                                               \
    }

/* The first call is checked, so that a loop over failing calls is not taken for a fast one. */
#define LOOP(text, first, body)                                                                                        \
    if (same(name, text)) {                                                                                            \
        first;                                                                                                         \
        SAMPLE(for (u64 i = 0; i < chunk; i++) body)                                                                   \
        return;                                                                                                        \
    }

/* The loops of the file that includes this: fills `samples` by the one with this name. */
static void run(const char *name, u64 chunk);

static u64 median(void)
{
    for (u64 i = 1; i < samples_wanted; i++) {
        u64 value = samples[i], at = i;
        for (; at > 0 && samples[at - 1] > value; at--)
            samples[at] = samples[at - 1];
        samples[at] = value;
    }
    return samples[samples_wanted / 2];
}

__attribute__((used)) static void start(i64 *stack)
{
    char digits[24];
    int at = 23;
    u64 time;
    arguments = (char **) (stack + 1);
    environment = arguments + stack[0] + 1;
    if (stack[0] == 2 && same(arguments[1], "exit"))
        sys_exit(0, 0, 0, 0, 0, 0);
    if (stack[0] < 4)
        sys_exit(2, 0, 0, 0, 0, 0);
    samples_wanted = parse(arguments[3]);
    if (samples_wanted == 0 || samples_wanted > SAMPLES_MAX)
        sys_exit(2, 0, 0, 0, 0, 0);
    run(arguments[1], parse(arguments[2]));
    time = median();
    digits[at] = '\n';
    do
        digits[--at] = (char) ('0' + time % 10);
    while (time /= 10);
    sys_write(1, (i64) (digits + at), 24 - at, 0, 0, 0);
    sys_exit(0, 0, 0, 0, 0, 0);
}

/* Linux starts with argc at rsp; FreeBSD gives its address in rdi. */
__asm__(".globl _start\n_start:\n"
#ifndef GUEST
        "	mov %rsp, %rdi\n"
#endif
        "	and $-16, %rsp\n	xor %ebp, %ebp\n	call start\n	hlt\n");
