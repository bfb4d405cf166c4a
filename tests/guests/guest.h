/*
 * guest.h: what every guest test program includes.
 *
 * A guest is one C file, compiled for FreeBSD/amd64 without any libc: every syscall in it is a raw `syscall`
 * instruction, so that a test sees exactly what FreeBSD's kernel would give. The headers are FreeBSD's own.
 *
 *     TEST(name) { ... }      one test case; `prog NAME` runs it, `prog` alone runs all of them in order
 *     HELPER(name) { ... }    a case that only tests start, by execve of themselves: `prog @NAME args`
 *
 * A case that comes to its end prints `ok GUEST.NAME`. A failed CHECK prints file, line, the expression and the values
 * on descriptor 2 and ends the process with status 1.
 */
#ifndef GUEST_H
#define GUEST_H

#include <sys/param.h>
#include <sys/types.h>
#include <sys/syscall.h>
#include <sys/errno.h>
#include <sys/elf_common.h>
#include <machine/elf.h>
#include <sys/fcntl.h>
#include <sys/mman.h>
#include <sys/signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/resource.h>
#include <sys/thr.h>
#include <sys/umtx.h>
#include <sys/unistd.h>
#include <machine/sysarch.h>

#ifndef GUEST_NAME
#error "compile with -DGUEST_NAME=\"name\""
#endif

/* The release whose headers these are, and on which the guest runs. */
#ifndef GUEST_RELEASE
#define GUEST_RELEASE 14
#endif

#undef errno

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long i64;

/* ------------------------------------------------------------------ syscalls */

/* Everything a FreeBSD syscall gives back: rax, rdx and the carry flag. */
struct sysret {
	u64 value;
	u64 second;
	int failed;
};

static inline struct sysret
guest_syscall(long number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	register u64 r10 __asm__("r10") = d;
	register u64 r8 __asm__("r8") = e;
	register u64 r9 __asm__("r9") = f;
	struct sysret ret;
	u8 carry;

	/* FreeBSD's kernel zeroes r8, r9 and r10: a program must not count on them. */
	__asm__ volatile("syscall\n\tsetc %3"
	    : "+a"(number), "+d"(c), "+r"(r10), "=r"(carry), "+r"(r8), "+r"(r9), "+D"(a), "+S"(b)
	    :
	    : "rcx", "r11", "memory", "cc");
	ret.value = (u64)number;
	ret.second = c;
	ret.failed = carry;
	return (ret);
}

/* The value, or -errno. An error that does not come with a positive errno below 4096 is shown as it is. */
static inline long
guest_call(long number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	struct sysret ret = guest_syscall(number, a, b, c, d, e, f);

	return (ret.failed ? -(long)ret.value : (long)ret.value);
}

#define GUEST_PICK(_1, _2, _3, _4, _5, _6, _7, macro, ...) macro
#define SYS1_(n) guest_call(n, 0, 0, 0, 0, 0, 0)
#define SYS2_(n, a) guest_call(n, (u64)(a), 0, 0, 0, 0, 0)
#define SYS3_(n, a, b) guest_call(n, (u64)(a), (u64)(b), 0, 0, 0, 0)
#define SYS4_(n, a, b, c) guest_call(n, (u64)(a), (u64)(b), (u64)(c), 0, 0, 0)
#define SYS5_(n, a, b, c, d) guest_call(n, (u64)(a), (u64)(b), (u64)(c), (u64)(d), 0, 0)
#define SYS6_(n, a, b, c, d, e) guest_call(n, (u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(e), 0)
#define SYS7_(n, a, b, c, d, e, f) guest_call(n, (u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(e), (u64)(f))
/* sys(SYS_read, fd, buffer, size): the value or -errno. */
#define sys(...) GUEST_PICK(__VA_ARGS__, SYS7_, SYS6_, SYS5_, SYS4_, SYS3_, SYS2_, SYS1_)(__VA_ARGS__)

#define FAILED(value) ((u64)(value) >= (u64)-4095L)

static inline void __attribute__((noreturn))
guest_exit(int status)
{
	for (;;)
		sys(SYS_exit, status);
}

/* ------------------------------------------------------------------ memory and strings (the compiler may call some) */

void *
memcpy(void *restrict to, const void *restrict from, size_t n)
{
	void *start = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	return (start);
}

void *
memset(void *to, int value, size_t n)
{
	void *start = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(value) : "memory");
	return (start);
}

void *
memmove(void *to, const void *from, size_t n)
{
	char *t = to;
	const char *f = from;

	if (t <= f || t >= f + n)
		return (memcpy(to, from, n));
	while (n-- > 0) {
		t[n] = f[n];
		__asm__ volatile("" : : : "memory");
	}
	return (to);
}

int
memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	for (size_t i = 0; i < n; i++)
		if (x[i] != y[i])
			return (x[i] - y[i]);
	return (0);
}

size_t
strlen(const char *s)
{
	size_t n = 0;

	while (s[n] != '\0')
		n++;
	return (n);
}

static inline int
guest_strcmp(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b)
		a++, b++;
	return ((u8)*a - (u8)*b);
}

static inline int
guest_starts(const char *s, const char *prefix)
{
	while (*prefix != '\0')
		if (*s++ != *prefix++)
			return (0);
	return (1);
}

static inline long
guest_number(const char *s)
{
	long value = 0, sign = 1;

	if (*s == '-')
		sign = -1, s++;
	while (*s >= '0' && *s <= '9')
		value = value * 10 + (*s++ - '0');
	return (value * sign);
}

/* ------------------------------------------------------------------ output */

/* A small formatter: %s string, %d int, %l long, %u u64, %x u64 in hex, %c char, %%. Returns the length. */
static inline size_t
guest_vformat(char *out, size_t size, const char *format, __builtin_va_list ap)
{
	size_t n = 0;
	char digits[24];

#define PUT(ch) do { if (n + 1 < size) out[n] = (ch); n++; } while (0)
	for (; *format != '\0'; format++) {
		if (*format != '%') {
			PUT(*format);
			continue;
		}
		u64 value = 0, base = 10;
		int negative = 0;
		switch (*++format) {
		case 's': {
			const char *s = __builtin_va_arg(ap, const char *);
			for (s = s == NULL ? "(null)" : s; *s != '\0'; s++)
				PUT(*s);
			continue;
		}
		case 'c':
			PUT((char)__builtin_va_arg(ap, int));
			continue;
		case 'd':
		case 'l': {
			long number = *format == 'd' ? __builtin_va_arg(ap, int) : __builtin_va_arg(ap, long);
			negative = number < 0;
			value = negative ? 0UL - (u64)number : (u64)number;
			break;
		}
		case 'x':
			base = 16;
			/* FALLTHROUGH */
		case 'u':
			value = __builtin_va_arg(ap, u64);
			break;
		default:
			PUT(*format);
			continue;
		}
		int i = 0;
		do {
			digits[i++] = "0123456789abcdef"[value % base];
			value /= base;
		} while (value != 0);
		if (base == 16) {
			PUT('0');
			PUT('x');
		}
		if (negative)
			PUT('-');
		while (i > 0)
			PUT(digits[--i]);
	}
#undef PUT
	if (size > 0)
		out[n < size ? n : size - 1] = '\0';
	return (n < size ? n : size - 1);
}

static inline size_t
format(char *out, size_t size, const char *fmt, ...)
{
	__builtin_va_list ap;

	__builtin_va_start(ap, fmt);
	size_t n = guest_vformat(out, size, fmt, ap);
	__builtin_va_end(ap);
	return (n);
}

static inline void
guest_write(int fd, const char *text, size_t n)
{
	while (n > 0) {
		long done = sys(SYS_write, fd, text, n);
		if (done == -EINTR)
			continue;
		if (done <= 0)
			return;
		text += done;
		n -= (size_t)done;
	}
}

/* One line (or part of one) to standard output, in one write. */
static inline void
say(const char *fmt, ...)
{
	char line[2048];
	__builtin_va_list ap;

	__builtin_va_start(ap, fmt);
	size_t n = guest_vformat(line, sizeof(line), fmt, ap);
	__builtin_va_end(ap);
	guest_write(1, line, n);
}

/* The descriptor of diagnostics; a case that closes 2 may set another. */
static int guest_stderr = 2;

static inline void
warn_(const char *fmt, ...)
{
	char line[2048];
	__builtin_va_list ap;

	__builtin_va_start(ap, fmt);
	size_t n = guest_vformat(line, sizeof(line), fmt, ap);
	__builtin_va_end(ap);
	guest_write(guest_stderr, line, n);
}

/* ------------------------------------------------------------------ checks */

static inline const char *
guest_errno_name(long e)
{
	static const struct { int number; const char *name; } names[] = {
#define N(e) { e, #e }
		N(EPERM), N(ENOENT), N(ESRCH), N(EINTR), N(EIO), N(ENXIO), N(E2BIG), N(ENOEXEC), N(EBADF), N(ECHILD),
		N(EDEADLK), N(ENOMEM), N(EACCES), N(EFAULT), N(ENOTBLK), N(EBUSY), N(EEXIST), N(EXDEV), N(ENODEV),
		N(ENOTDIR), N(EISDIR), N(EINVAL), N(ENFILE), N(EMFILE), N(ENOTTY), N(ETXTBSY), N(EFBIG), N(ENOSPC),
		N(ESPIPE), N(EROFS), N(EMLINK), N(EPIPE), N(EDOM), N(ERANGE), N(EAGAIN), N(EINPROGRESS), N(EALREADY),
		N(ENOTSOCK), N(EDESTADDRREQ), N(EMSGSIZE), N(EPROTOTYPE), N(ENOPROTOOPT), N(EPROTONOSUPPORT),
		N(EOPNOTSUPP), N(EPFNOSUPPORT), N(EAFNOSUPPORT), N(EADDRINUSE), N(EADDRNOTAVAIL), N(ENETDOWN),
		N(ENETUNREACH), N(ECONNRESET), N(ENOBUFS), N(EISCONN), N(ENOTCONN), N(ETIMEDOUT), N(ECONNREFUSED),
		N(ELOOP), N(ENAMETOOLONG), N(ENOTEMPTY), N(EPROCLIM), N(EUSERS), N(EDQUOT), N(ESTALE), N(ENOLCK),
		N(ENOSYS), N(EFTYPE), N(EIDRM), N(ENOMSG), N(EOVERFLOW), N(ECANCELED), N(EILSEQ), N(ENOATTR), N(EDOOFUS),
		N(EBADMSG), N(EPROTO), N(ENOTCAPABLE), N(ECAPMODE), N(ENOTRECOVERABLE), N(EOWNERDEAD), N(EINTEGRITY),
#undef N
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].number == e)
			return (names[i].name);
	return (NULL);
}

static inline void
guest_show_value(char *out, size_t size, u64 value)
{
	if (FAILED(value) && guest_errno_name(-(long)value) != NULL)
		format(out, size, "-%s", guest_errno_name(-(long)value));
	else
		format(out, size, "%l (%x)", (long)value, value);
}

static inline void __attribute__((noreturn))
guest_fail(const char *file, int line, const char *what, u64 got, u64 want, int values)
{
	char a[64], b[64];

	guest_show_value(a, sizeof(a), got);
	guest_show_value(b, sizeof(b), want);
	if (values == 2)
		warn_("%s:%d: %s: got %s, want %s\n", file, line, what, a, b);
	else if (values == 1)
		warn_("%s:%d: %s: got %s\n", file, line, what, a);
	else
		warn_("%s:%d: %s\n", file, line, what);
	guest_exit(1);
}

#define CHECK(condition) do { \
	if (!(condition)) \
		guest_fail(__FILE__, __LINE__, "CHECK(" #condition ")", 0, 0, 0); \
} while (0)
#define CHECK_EQ(expression, wanted) do { \
	u64 got_ = (u64)(expression), want_ = (u64)(wanted); \
	if (got_ != want_) \
		guest_fail(__FILE__, __LINE__, "CHECK_EQ(" #expression ", " #wanted ")", got_, want_, 2); \
} while (0)
#define CHECK_NE(expression, unwanted) do { \
	u64 got_ = (u64)(expression); \
	if (got_ == (u64)(unwanted)) \
		guest_fail(__FILE__, __LINE__, "CHECK_NE(" #expression ", " #unwanted ")", got_, 0, 1); \
} while (0)
/* A call that must succeed; its value is the value of the expression. */
#define CHECK_OK(expression) ({ \
	long ok_ = (long)(expression); \
	if (FAILED(ok_)) \
		guest_fail(__FILE__, __LINE__, "CHECK_OK(" #expression ")", (u64)ok_, 0, 1); \
	ok_; \
})
/* A call that must fail with this errno. */
#define CHECK_ERR(expression, error) do { \
	long err_ = (long)(expression); \
	if (err_ != -(long)(error)) \
		guest_fail(__FILE__, __LINE__, "CHECK_ERR(" #expression ", " #error ")", (u64)err_, (u64)-(long)(error), 2); \
} while (0)
#define CHECK_STR(expression, wanted) do { \
	const char *got_ = (expression), *want_ = (wanted); \
	if (guest_strcmp(got_, want_) != 0) { \
		warn_("%s:%d: CHECK_STR(" #expression ", " #wanted "): got '%s', want '%s'\n", __FILE__, __LINE__, got_, want_); \
		guest_exit(1); \
	} \
} while (0)
/* A bound with both values shown. */
#define CHECK_BETWEEN(expression, low, high) do { \
	long got_ = (long)(expression), low_ = (long)(low), high_ = (long)(high); \
	if (got_ < low_ || got_ > high_) { \
		warn_("%s:%d: CHECK_BETWEEN(" #expression "): got %l, want %l to %l\n", __FILE__, __LINE__, got_, low_, high_); \
		guest_exit(1); \
	} \
} while (0)

/* Ends the case as not applicable here, with the reason; the harness reports it as a skip. */
#define SKIP(reason) do { \
	say("skip %s: %s\n", GUEST_NAME, reason); \
	guest_exit(0); \
} while (0)

/* For what one release has and another has not: every case runs on FreeBSD 14 and on 15. */
#define ON_ANOTHER_RELEASE() do { \
	say("elsewhere %s: on another release\n", GUEST_NAME); \
	guest_exit(0); \
} while (0)

/* ------------------------------------------------------------------ start */

#ifndef GUEST_NO_NOTE
/* The ABI note that every FreeBSD program carries: the kernel chooses behaviour by the release in it. It overlooks a note that
 * ends where its segment does (imgact_elf.c, parse_notes): the one of features follows, as in programs that crt1.o starts. */
__asm__(
    ".pushsection .note.tag, \"a\", @note\n"
    ".p2align 2\n"
    ".long 8, 4, 1\n"
    ".asciz \"FreeBSD\"\n"
#if GUEST_RELEASE >= 15
    ".long 1500068\n"
#else
    ".long 1400097\n"
#endif
    ".long 8, 4, 4\n"
    ".asciz \"FreeBSD\"\n"
    ".long 0\n"
    ".popsection\n");
#endif

/* The registers as the kernel left them at the program's first instruction. */
struct entry_state {
	u64 rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15, rflags;
	u32 mxcsr;
	u16 x87_control;
};
static struct entry_state guest_entry __attribute__((used));

static int guest_argc;
static char **guest_argv;
static char **guest_envp;
static Elf64_Auxinfo *guest_auxv;

__asm__(
    ".text\n"
    ".globl _start\n"
    ".type _start, @function\n"
    "_start:\n"
    "	mov %rax, guest_entry+0(%rip)\n"
    "	mov %rbx, guest_entry+8(%rip)\n"
    "	mov %rcx, guest_entry+16(%rip)\n"
    "	mov %rdx, guest_entry+24(%rip)\n"
    "	mov %rsi, guest_entry+32(%rip)\n"
    "	mov %rdi, guest_entry+40(%rip)\n"
    "	mov %rbp, guest_entry+48(%rip)\n"
    "	mov %rsp, guest_entry+56(%rip)\n"
    "	mov %r8, guest_entry+64(%rip)\n"
    "	mov %r9, guest_entry+72(%rip)\n"
    "	mov %r10, guest_entry+80(%rip)\n"
    "	mov %r11, guest_entry+88(%rip)\n"
    "	mov %r12, guest_entry+96(%rip)\n"
    "	mov %r13, guest_entry+104(%rip)\n"
    "	mov %r14, guest_entry+112(%rip)\n"
    "	mov %r15, guest_entry+120(%rip)\n"
    "	pushfq\n"
    "	popq guest_entry+128(%rip)\n"
    "	stmxcsr guest_entry+136(%rip)\n"
    "	fnstcw guest_entry+140(%rip)\n"
    "	xor %ebp, %ebp\n"
    "	and $-16, %rsp\n"
    "	call guest_start\n"
    "	hlt\n");

struct guest_case {
	const char *name;
	void (*run)(void);
};
extern const struct guest_case __start_guest_cases[], __stop_guest_cases[];

#define GUEST_CASE(name, label) \
	static void case_##name(void); \
	static const struct guest_case entry_##name __attribute__((used, section("guest_cases"))) = { label, case_##name }; \
	static void case_##name(void)
#define TEST(name) GUEST_CASE(name, #name)
#define HELPER(name) GUEST_CASE(name, "@" #name)

static inline const char *
guest_env(const char *name)
{
	size_t n = strlen(name);

	for (char **e = guest_envp; *e != NULL; e++)
		if (guest_starts(*e, name) && (*e)[n] == '=')
			return (*e + n + 1);
	return (NULL);
}

static inline Elf64_Auxinfo *
guest_aux(long type)
{
	for (Elf64_Auxinfo *a = guest_auxv; a->a_type != AT_NULL; a++)
		if (a->a_type == type)
			return (a);
	return (NULL);
}

void __attribute__((noreturn, used))
guest_start(long *block)
{
	const char *wanted;
	int found = 0;

	guest_argc = (int)block[0];
	guest_argv = (char **)(block + 1);
	guest_envp = guest_argv + guest_argc + 1;
	char **p = guest_envp;
	while (*p != NULL)
		p++;
	guest_auxv = (Elf64_Auxinfo *)(p + 1);
	wanted = guest_argc > 1 ? guest_argv[1] : NULL;
	for (const struct guest_case *c = __start_guest_cases; c < __stop_guest_cases; c++) {
		if (wanted == NULL ? c->name[0] == '@' : guest_strcmp(c->name, wanted) != 0)
			continue;
		found = 1;
		c->run();
		if (c->name[0] != '@')
			say("ok %s.%s\n", GUEST_NAME, c->name);
	}
	if (!found)
		warn_("%s: no case '%s'\n", GUEST_NAME, wanted == NULL ? "" : wanted);
	guest_exit(found ? 0 : 2);
}

/* ------------------------------------------------------------------ helpers that many guests need */

/* fork: 0 in the child, whose rdx is 1. */
static inline int
guest_fork(void)
{
	return ((int)CHECK_OK(sys(SYS_fork)));
}

/* Waits for this child and returns its status as wait4 gives it. */
static inline int
guest_wait(int pid)
{
	int status = -1;
	long got;

	do
		got = sys(SYS_wait4, pid, &status, 0, NULL);
	while (got == -EINTR);
	CHECK_EQ(got, pid);
	return (status);
}

/* Runs the code in a child; the child ends with 0 when the body comes to its end. A failed CHECK in it gives 1. */
#define IN_CHILD(...) do { \
	int pid_ = guest_fork(); \
	if (pid_ == 0) { \
		__VA_ARGS__; \
		guest_exit(0); \
	} \
	CHECK_EQ(guest_wait(pid_), 0); \
} while (0)

static inline void
guest_sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, (ms % 1000) * 1000000 };

	while (sys(SYS_nanosleep, &t, &t) == -EINTR)
		;
}

/* Waits, 20 seconds at most, until something holds that others bring about: no sleep of a fixed length is long enough on every machine. */
#define GUEST_UNTIL(condition) do { \
	for (int i_ = 0; i_ < 10000 && !(condition); i_++) \
		guest_sleep_ms(2); \
	CHECK(condition); \
} while (0)

/* Milliseconds of CLOCK_MONOTONIC. */
static inline long
guest_now_ms(void)
{
	struct timespec t;

	CHECK_OK(sys(SYS_clock_gettime, CLOCK_MONOTONIC, &t));
	return (t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

/* A file with these contents, in the current directory. */
static inline void
guest_put(const char *path, const void *contents, size_t n)
{
	int fd = (int)CHECK_OK(sys(SYS_open, path, O_WRONLY | O_CREAT | O_TRUNC, 0644));

	CHECK_EQ(sys(SYS_write, fd, contents, n), n);
	CHECK_EQ(sys(SYS_close, fd), 0);
}

static inline void *
guest_map(size_t size)
{
	return ((void *)CHECK_OK(sys(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0)));
}

static inline int
guest_stat(const char *path, struct stat *st)
{
	return ((int)sys(SYS_fstatat, AT_FDCWD, path, st, 0));
}

/* A handler for a signal, with siginfo. */
static inline void
guest_handle(int signo, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction act;

	memset(&act, 0, sizeof(act));
	act.sa_sigaction = (void (*)(int, struct __siginfo *, void *))handler;
	act.sa_flags = flags | SA_SIGINFO;
	CHECK_EQ(sys(SYS_sigaction, signo, &act, NULL), 0);
}

/* ------------------------------------------------------------------ threads */

struct guest_thread {
	void *stack;
	long id;		/* written by thr_new for the parent */
	long child_id;		/* and for the child */
	volatile long done;	/* thr_exit writes 1 and wakes */
	void (*run)(void *);
	void *argument;
	char tls[64];
};

#define GUEST_STACK (256 * 1024)

static void
guest_thread_main(void *pointer)
{
	struct guest_thread *t = pointer;

	t->run(t->argument);
	sys(SYS_thr_exit, &t->done);
	guest_exit(99);
}

/* FreeBSD's kernel starts the thread with rsp as on a function's first instruction (16n + 8). */
static inline void
guest_thread_start(struct guest_thread *t, void (*run)(void *), void *argument)
{
	struct thr_param param;

	memset(t, 0, sizeof(*t));
	t->stack = guest_map(GUEST_STACK);
	t->run = run;
	t->argument = argument;
	memset(&param, 0, sizeof(param));
	param.start_func = guest_thread_main;
	param.arg = t;
	param.stack_base = t->stack;
	param.stack_size = GUEST_STACK;
	param.tls_base = t->tls;
	param.tls_size = sizeof(t->tls);
	param.child_tid = &t->child_id;
	param.parent_tid = &t->id;
	CHECK_EQ(sys(SYS_thr_new, &param, sizeof(param)), 0);
}

static inline void
guest_thread_join(struct guest_thread *t)
{
	while (__atomic_load_n(&t->done, __ATOMIC_ACQUIRE) == 0)
		sys(SYS__umtx_op, &t->done, UMTX_OP_WAIT, 0, NULL, NULL);
	CHECK_EQ(sys(SYS_munmap, t->stack, GUEST_STACK), 0);
}

#endif
