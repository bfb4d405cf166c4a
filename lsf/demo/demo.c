/* The program that `lsfctl demo` runs: one source, compiled as a static FreeBSD program (raw syscalls, FreeBSD's ABI)
 * and, for its timing loop alone, as a Linux one.
 *
 *   demo            shows what a FreeBSD program can do here, one line each; exit status 0 when all of it worked
 *   demo time N     prints the nanoseconds per getppid of N calls
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long i64;

#ifdef DEMO_LINUX
#define SYS_exit 231
#define SYS_write 1
#define SYS_getppid 110
#define SYS_clock_gettime 228
#define CLOCK_MONOTONIC 1
#else
#define SYS_exit 1
#define SYS_fork 2
#define SYS_read 3
#define SYS_write 4
#define SYS_open 5
#define SYS_close 6
#define SYS_wait4 7
#define SYS_unlink 10
#define SYS_getpid 20
#define SYS_kill 37
#define SYS_getppid 39
#define SYS_sysctl 202
#define SYS_clock_gettime 232
#define SYS_sigaction 416
#define SYS_thr_exit 431
#define SYS_umtx_op 454
#define SYS_thr_new 455
#define SYS_mmap 477
#define SYS_lseek 478
#define SYS_getdirentries 554
#define CLOCK_MONOTONIC 4

/* The note by which FreeBSD (and LSF) knows its programs: NT_FREEBSD_ABI_TAG, release 14.0. */
__attribute__((section(".note.tag"), used, aligned(4))) static const struct {
    u32 name_size, desc_size, type;
    char name[8];
    u32 release;
} abi_tag = {8, 4, 1, "FreeBSD", 1400097};
#endif

static int failed;

/* FreeBSD returns an error with the carry flag set; Linux as a negative number. Both become -errno here. */
static i64 call(i64 number, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f)
{
    register i64 r10 __asm__("r10") = d;
    register i64 r8 __asm__("r8") = e;
    register i64 r9 __asm__("r9") = f;
    u8 carry;
    i64 result = number;
    __asm__ volatile("syscall" : "+a"(result), "=@ccc"(carry), "+d"(c)
                     : "D"(a), "S"(b), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
#ifdef DEMO_LINUX
    return result;
#else
    return carry ? -result : result;
#endif
}

static u64 length(const char *text)
{
    u64 n = 0;
    while (text[n])
        n++;
    return n;
}

static void print(const char *text) { call(SYS_write, 1, (i64) text, (i64) length(text), 0, 0, 0); }

static void print_number(i64 value)
{
    char digits[24];
    int at = 23, negative = value < 0;
    u64 rest = negative ? -(u64) value : (u64) value;
    digits[at] = 0;
    do
        digits[--at] = (char) ('0' + rest % 10);
    while (rest /= 10);
    if (negative)
        digits[--at] = '-';
    print(digits + at);
}

static u64 now(void)
{
    u64 time[2] = {0, 0};
    if (call(SYS_clock_gettime, CLOCK_MONOTONIC, (i64) time, 0, 0, 0, 0) < 0)
        call(SYS_exit, 3, 0, 0, 0, 0, 0);
    return time[0] * 1000000000UL + time[1];
}

static u64 parse(const char *text)
{
    u64 value = 0;
    while (*text >= '0' && *text <= '9')
        value = value * 10 + (u64) (*text++ - '0');
    return value;
}

/* getppid as libc has it, with its entry in the unwind table: that proves where it begins, and so what a jump may displace. */
#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)
i64 getppid_stub(void);
__asm__(".p2align 4\ngetppid_stub:\n	.cfi_startproc\n	mov $" TEXT(SYS_getppid) ", %rax\n	mov %rcx, %r10\n	syscall\n	ret\n	.cfi_endproc\n");

static int time_calls(u64 count)
{
    u64 start = now();
    for (u64 i = 0; i < count; i++)
        getppid_stub();
    print_number((i64) ((now() - start) / (count ? count : 1)));
    print("\n");
    return 0;
}

#ifndef DEMO_LINUX
static void item(const char *name) { print("  "); print(name); for (u64 n = length(name); n < 12; n++) print(" "); }

static int check(i64 result, const char *what)
{
    if (result >= 0)
        return 1;
    print("FAILED: ");
    print(what);
    print(", errno ");
    print_number(-result);
    print("\n");
    failed = 1;
    return 0;
}

static void show_sysctl(int first, int second, const char *after)
{
    int name[2] = {first, second};
    char text[256] = "?";
    u64 size = sizeof(text) - 1;
    if (call(SYS_sysctl, (i64) name, 2, (i64) text, (i64) &size, 0, 0) < 0)
        failed = 1;
    print(text);
    print(after);
}

static void show_system(void)
{
    item("system");
    show_sysctl(1, 1, " ");     /* kern.ostype */
    show_sysctl(1, 2, " ");     /* kern.osrelease */
    show_sysctl(6, 1, " on ");  /* hw.machine */
    show_sysctl(1, 10, "\n");   /* kern.hostname */
}

static void show_directory(void)
{
    static char buffer[4096];
    i64 fd = call(SYS_open, (i64) "/", 0x20000 /* O_DIRECTORY */, 0, 0, 0, 0), got, count = 0;
    item("directory");
    if (!check(fd, "open /"))
        return;
    print("/ holds");
    while ((got = call(SYS_getdirentries, fd, (i64) buffer, sizeof(buffer), 0, 0, 0)) > 0)
        for (i64 at = 0; at < got; at += *(u16 *) (buffer + at + 16), count++)
            if (buffer[at + 24] != '.' && count < 8) {
                print(" ");
                print(buffer + at + 24);
            }
    print(count > 8 ? " ...\n" : "\n");
    check(got, "getdirentries");
    call(SYS_close, fd, 0, 0, 0, 0, 0);
}

static void show_file(void)
{
    char path[] = "/tmp/lsf-demo-0000000000", text[16] = "";
    i64 pid = call(SYS_getpid, 0, 0, 0, 0, 0, 0), fd;
    for (int i = sizeof(path) - 2; path[i] == '0'; i--, pid /= 10)
        path[i] = (char) ('0' + pid % 10);
    item("file");
    fd = call(SYS_open, (i64) path, 0x0a02 /* O_RDWR | O_CREAT | O_EXCL */, 0600, 0, 0, 0);
    if (!check(fd, "open for writing"))
        return;
    check(call(SYS_write, fd, (i64) "round trip", 10, 0, 0, 0), "write");
    check(call(SYS_lseek, fd, 0, 0, 0, 0, 0), "lseek");
    check(call(SYS_read, fd, (i64) text, 10, 0, 0, 0) == 10 ? 0 : -5, "read");
    check(call(SYS_unlink, (i64) path, 0, 0, 0, 0, 0), "unlink");
    call(SYS_close, fd, 0, 0, 0, 0, 0);
    print("wrote and read back \"");
    print(text);
    print("\"\n");
}

static void show_process(void)
{
    int status = 0;
    i64 child;
    item("process");
    child = call(SYS_fork, 0, 0, 0, 0, 0, 0);
    if (child == 0)
        call(SYS_exit, 7, 0, 0, 0, 0, 0);
    if (!check(child, "fork"))
        return;
    check(call(SYS_wait4, child, (i64) &status, 0, 0, 0, 0), "wait4");
    print("a forked child exited with ");
    print_number(status >> 8 & 0xff);
    print("\n");
    if (status != 7 << 8)
        failed = 1;
}

static volatile u32 thread_ran;

static void thread(void *argument)
{
    thread_ran = (u32) (u64) argument;
    call(SYS_umtx_op, (i64) &thread_ran, 16 /* UMTX_OP_WAKE_PRIVATE */, 1, 0, 0, 0);
    call(SYS_thr_exit, 0, 0, 0, 0, 0, 0);
}

static void show_thread(void)
{
    static i64 tid, tls[8];
    struct {
        void (*start)(void *);
        void *argument;
        char *stack;
        u64 stack_size;
        void *tls;
        u64 tls_size;
        i64 *child_tid, *parent_tid;
        i64 flags;
        void *rtp;
        void *spare[3];
    } param = {thread, (void *) 42, 0, 65536, tls, sizeof(tls), &tid, &tid, 0, 0, {0}};
    item("thread");
    param.stack = (char *) call(SYS_mmap, 0, 65536, 3, 0x1002 /* MAP_ANON | MAP_PRIVATE */, -1, 0);
    if (!check((i64) param.stack, "mmap") || !check(call(SYS_thr_new, (i64) &param, sizeof(param), 0, 0, 0, 0), "thr_new"))
        return;
    while (thread_ran == 0)
        if (!check(call(SYS_umtx_op, (i64) &thread_ran, 15 /* UMTX_OP_WAIT_UINT_PRIVATE */, 0, 0, 0, 0), "_umtx_op"))
            return;
    print("a thread woke the main one through a umtx\n");
}

static volatile int signals;

static void on_signal(int signal) { signals += signal; }

static void show_signal(void)
{
    struct {
        void (*handler)(int);
        int flags;
        u32 mask[4];
        int pad;
    } action = {on_signal, 0, {0}, 0};
    item("signal");
    check(call(SYS_sigaction, 30 /* SIGUSR1 */, (i64) &action, 0, 0, 0, 0), "sigaction");
    check(call(SYS_kill, call(SYS_getpid, 0, 0, 0, 0, 0, 0), 30, 0, 0, 0, 0), "kill");
    if (signals == 30)
        print("a handler ran for SIGUSR1 (30 on FreeBSD) and returned\n");
    else
        check(-4, "the handler did not run");
}

static int demo(void)
{
    show_system();
    show_directory();
    show_file();
    show_process();
    show_thread();
    show_signal();
    return failed;
}
#endif

/* Linux starts with argc at rsp; FreeBSD gives its address in rdi. */
__attribute__((used)) static void start(i64 *stack)
{
    i64 argc = stack[0];
    char **argv = (char **) (stack + 1);
    int status = 2;
    if (argc == 3)
        status = time_calls(parse(argv[2]));
#ifndef DEMO_LINUX
    else
        status = demo();
#endif
    call(SYS_exit, status, 0, 0, 0, 0, 0);
}

__asm__(".globl _start\n_start:\n"
#ifdef DEMO_LINUX
        "	mov %rsp, %rdi\n"
#endif
        "	and $-16, %rsp\n	xor %ebp, %ebp\n	call start\n	hlt\n");
