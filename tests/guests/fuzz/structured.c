/* Contexts for sigreturn and thr_create, parameters for thr_new, and umtx objects that are almost right: the program may
 * die of what it asked for, but LSF must not meet a bug of its own (SIGABRT, and a line on descriptor 2).
 *
 *     structured @run KIND SEED BATCHES MILLISECONDS      KIND: sigreturn, thr_new, umtx
 */
#include "guest.h"
#include <machine/ucontext.h>
#include <sys/rtprio.h>
#include <sys/ucontext.h>

#define ALTSTACK 65536
#define THREAD_STACK 65536

static u64 state;

static u64
random_(void)
{
	state ^= state << 13, state ^= state >> 7, state ^= state << 17;
	return (state * 0x2545f4914f6cdd1dUL);
}

static int
chance(unsigned one_in)
{
	return (random_() % one_in == 0);
}

static u64
nasty(void)
{
	static const u64 values[] = { 0, 1, 2, 7, 8, 63, 64, 127, 128, 255, 512, 4095, 4096, 0x7fffffff, 0x80000000, 0xffffffff,
		0x100000000, 0x7fffffffffff, 0x7fffffffefff, 0x800000000000, 0xffff800000000000, 0xffffffff81000000, (u64)-1, (u64)-8,
		(u64)-4096, 1UL << 63, 0x6ffff0000000, 0x6ffff0000400, 0x6ffff0100000, 0x6ffff0100008, 0x6ffff0110000, 0x6ffff0110600, 0x6ffff0140000,
		0x700030800000 };

	return (chance(3) ? random_() : values[random_() % nitems(values)]);
}

static char *bad_page, *good_page;

/* ------------------------------------------------------------------ contexts */

u64 landing_stack;
void landing(void);
static ucontext_t base, now_;
static char vector[16384] __attribute__((aligned(64))), vector_now[16384] __attribute__((aligned(64)));
static int vector_size;
static volatile long tries;
static long wanted;

/* Wherever a context leads, the next attempt begins on a good stack with good flags. */
__asm__(".text\n"
    "landing:\n"
    "	mov landing_stack(%rip), %rsp\n"
    "	pushq $0x202\n"
    "	popfq\n"
    "	cld\n"
    "	xor %ebp, %ebp\n"
    "	call attempt\n"
    "	hlt\n");

static void
again(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signo, (void)info;
	uc->uc_mcontext.mc_rip = (long)landing;
	uc->uc_mcontext.mc_rflags = 0x202;
	memset(&uc->uc_sigmask, 0, sizeof(uc->uc_sigmask));
}

void __attribute__((noreturn, used))
attempt(void)
{
	sigset_t none = { { 0 } };

	sys(SYS_sigprocmask, SIG_SETMASK, &none, NULL);
	while (tries++ < wanted) {
		memcpy(&now_, &base, sizeof(now_));
		memcpy(vector_now, vector, sizeof(vector));
		now_.uc_mcontext.mc_rip = (long)landing;
		now_.uc_mcontext.mc_rsp = (long)landing_stack;
		if (!chance(4)) {
			now_.uc_mcontext.mc_flags |= _MC_HASFPXSTATE;
			now_.uc_mcontext.mc_xfpustate = (long)vector_now;
			now_.uc_mcontext.mc_xfpustate_len = vector_size;
		}
		for (u64 n = 1 + random_() % 4; n > 0; n--) {
			u64 *words = (u64 *)&now_;
			switch (random_() % 8) {
			case 0:		/* the header of the vector state: what it has, and what must be 0 */
				((u64 *)vector_now)[random_() % 8] ^= 1UL << random_() % 64;
				break;
			case 1:
				((u64 *)vector_now)[random_() % 240] = nasty();
				break;
			case 2:
				now_.uc_mcontext.mc_flags ^= 1u << random_() % (chance(4) ? 32 : 3);
				break;
			case 3:
				now_.uc_mcontext.mc_rflags ^= 1L << random_() % 22;
				break;
			case 4:
				now_.uc_mcontext.mc_xfpustate_len = (long)nasty();
				break;
			case 5:
				now_.uc_mcontext.mc_xfpustate = (long)(chance(2) ? nasty() : (u64)bad_page - random_() % 2048);
				break;
			default:
				words[random_() % (sizeof(now_) / 8)] = nasty();
			}
		}
		switch (random_() % 8) {
		case 0:
			sys(SYS_setcontext, &now_);
			break;
		case 1:
			sys(SYS_thr_create, &now_, good_page, 0);
			break;
		case 2:		/* the end of the context runs into a page without access */
			memcpy(bad_page - random_() % sizeof(now_), &now_, 0);
			sys(SYS_sigreturn, bad_page - random_() % 880);
			break;
		default:
			sys(SYS_sigreturn, &now_);
		}
	}
	guest_exit(0);
}

static void
fuzz_contexts(void)
{
	struct { void *addr; int len; } request = { vector, 0 };
	stack_t alternate = { 0 };
	u32 a = 13, b = 0, c = 0, d = 0;
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGALRM };

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	request.len = vector_size = (int)b - 512;
	CHECK_EQ(sys(SYS_sysarch, 132, &request), 0);
	CHECK_EQ(sys(SYS_getcontext, &base), 0);
	landing_stack = (u64)guest_map(ALTSTACK) + ALTSTACK - 64;
	alternate.ss_sp = guest_map(ALTSTACK);
	alternate.ss_size = ALTSTACK;
	CHECK_EQ(sys(SYS_sigaltstack, &alternate, NULL), 0);
	for (size_t i = 0; i < nitems(faults); i++)
		guest_handle(faults[i], again, SA_ONSTACK | SA_NODEFER);
	wanted = 200;
	landing();
}

/* ------------------------------------------------------------------ threads */

static void
ends(void *argument)
{
	(void)argument;
	sys(SYS_thr_exit, chance(2) ? NULL : good_page);
	guest_exit(0);
}

static void
fuzz_thr_new(void)
{
	static char tls[64];

	for (int i = 0; i < 60; i++) {
		struct thr_param p;
		struct rtprio rtp = { (u16)(random_() % 12), (u16)(random_() % 64) };
		if (rtp.type == RTP_PRIO_REALTIME || rtp.type == RTP_PRIO_FIFO)
			rtp.prio = 32;		/* never granted: it would have the machine to itself */
		memset(&p, 0, sizeof(p));
		p.start_func = chance(60) ? (void (*)(void *))nasty() : ends;
		p.arg = (void *)nasty();
		p.stack_size = chance(60) ? nasty() : THREAD_STACK;
		p.stack_base = chance(60) ? (void *)nasty() : guest_map(THREAD_STACK);
		p.tls_base = chance(8) ? (void *)nasty() : tls;
		p.tls_size = nasty();
		p.child_tid = chance(3) ? NULL : chance(4) ? (long *)nasty() : (long *)good_page;
		p.parent_tid = chance(3) ? NULL : chance(4) ? (long *)(bad_page - random_() % 16) : (long *)(good_page + 8);
		p.flags = (int)nasty();
		p.rtp = chance(3) ? &rtp : chance(6) ? (struct rtprio *)nasty() : NULL;
		sys(SYS_thr_new, chance(16) ? nasty() : (u64)&p, chance(8) ? (int)nasty() | 0x100 : chance(60) ? random_() % 105 : sizeof(p));
		if (chance(6))
			sys(SYS_thr_kill, chance(2) ? -1 : (long)nasty(), chance(2) ? 0 : (long)nasty() | 0x80);
		if (chance(6))
			sys(SYS_thr_wake, chance(2) ? *(long *)good_page : (long)nasty());
		if (chance(6))
			sys(SYS_thr_set_name, chance(2) ? *(long *)good_page : (long)nasty(), chance(2) ? (u64)"name" : nasty());
	}
	guest_exit(0);
}

/* ------------------------------------------------------------------ umtx */

static volatile int stop;
static struct guest_thread threads[3];

static void
nothing(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
}

static u64
next(u64 *seed, u64 below)
{
	*seed ^= *seed << 13, *seed ^= *seed >> 7, *seed ^= *seed << 17;
	return ((*seed * 0x2545f4914f6cdd1dUL >> 20) % below);
}

#define R(n) next(&seed, n)
#define OBJECTS 256		/* bytes of the good page */

static void
operations(void *argument)
{
	u64 seed = (u64)argument;

	for (int i = 0; i < 400 && !stop; i++) {
		struct _umtx_time t = { { 0, 0 }, 0, 0 };
		u64 object, value, first = 0, second = 0;
		u64 op = R(30) == 0 ? seed : R(31);
		object = R(10) == 0 ? seed : R(10) == 0 ? (u64)bad_page - R(40) : (u64)good_page + 64 + R(8) * 32 + (R(4) ? 0 : R(32));
		value = R(6) == 0 ? seed : R(6) == 0 ? 0x7fffffff : R(4);
		t._timeout.tv_sec = R(8) == 0 ? (long)seed : 0;
		t._timeout.tv_nsec = R(8) == 0 ? (long)seed : (long)R(3000000);
		t._flags = R(8) == 0 ? (u32)seed : (u32)R(2);
		t._clockid = R(4) == 0 ? (u32)R(20) : CLOCK_MONOTONIC;
		if (R(5) != 0) {
			second = R(10) == 0 ? seed : R(10) == 0 ? (u64)bad_page - R(40) : (u64)&t;
			first = R(6) == 0 ? seed : R(2) ? sizeof(t) : sizeof(struct timespec);
		}
		if (op == UMTX_OP_CV_WAIT)
			first = R(4) == 0 ? seed : (u64)good_page + 64 + R(8) * 32;
		if (op == UMTX_OP_SHM) {
			value &= ~1UL;	/* nothing that stays behind */
			first = object;
		}
		if (op == UMTX_OP_NWAKE_PRIVATE && R(2))
			object = (u64)good_page;
		if (R(4) == 0)
			__atomic_store_n((u32 *)(good_page + 64 + R(OBJECTS / 4) * 4), (u32)(R(2) ? seed : R(64)), __ATOMIC_SEQ_CST);
		sys(SYS__umtx_op, object, op, value, first, second);
	}
}

static void
fuzz_umtx(void)
{
	struct itimerval timer = { { 0, 3000 }, { 0, 3000 } };
	int pid = (int)sys(SYS_getpid);

	guest_handle(SIGALRM, nothing, 0);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &timer, NULL), 0);
	for (size_t i = 0; i < nitems(threads); i++)
		guest_thread_start(&threads[i], operations, (void *)(random_() | 1));
	/* Who waits for good is set free: every word is 0 for a moment, and all that sleep are woken. */
	for (int i = 0; i < 150; i++) {
		int alive = 0;
		for (size_t k = 0; k < nitems(threads); k++)
			alive |= threads[k].done == 0;
		if (!alive)
			break;
		stop = i > 40;
		memset(good_page + 64, 0, OBJECTS);
		for (u64 at = 64; at < 64 + OBJECTS; at += 8) {
			sys(SYS__umtx_op, good_page + at, UMTX_OP_WAKE, 1000, NULL, NULL);
			sys(SYS__umtx_op, good_page + at, UMTX_OP_WAKE_PRIVATE, 1000, NULL, NULL);
		}
		guest_sleep_ms(2);
	}
	CHECK_EQ(sys(SYS_getpid), pid);
	guest_exit(0);
}

/* ------------------------------------------------------------------ batches */

HELPER(run)
{
	const char *kind = guest_argv[2];
	u64 seed = (u64)guest_number(guest_argv[3]);
	long batches = guest_number(guest_argv[4]), until = guest_now_ms() + guest_number(guest_argv[5]);
	long b, ended = 0, died = 0, hung = 0;

	for (b = 0; b < batches && guest_now_ms() < until; b++) {
		int status = -1;
		state = seed * 1000003 + (u64)b * 7919 + 12345;
		for (int i = 0; i < 10; i++)
			random_();
		int pid = guest_fork();
		if (pid == 0) {
			struct rlimit none = { 0, 0 }, cpu = { 5, 5 };
			CHECK_EQ(sys(SYS_setrlimit, RLIMIT_CORE, &none), 0);
			CHECK_EQ(sys(SYS_setrlimit, RLIMIT_CPU, &cpu), 0);
			good_page = guest_map(8192);
			bad_page = good_page + 4096;
			CHECK_EQ(sys(SYS_mprotect, bad_page, 4096, PROT_NONE), 0);
			if (guest_strcmp(kind, "sigreturn") == 0)
				fuzz_contexts();
			else if (guest_strcmp(kind, "thr_new") == 0)
				fuzz_thr_new();
			else
				fuzz_umtx();
			guest_exit(1);
		}
		long limit = guest_now_ms() + 10000;
		while (sys(SYS_wait4, pid, &status, WNOHANG, NULL) == 0 && guest_now_ms() < limit)
			guest_sleep_ms(1);
		if (status == -1) {
			hung++;
			CHECK_EQ(sys(SYS_kill, pid, SIGKILL), 0);
			(void)guest_wait(pid);
			say("batch %l hangs\n", b);
		} else if (WIFEXITED(status)) {
			ended++;
			if (WEXITSTATUS(status) != 0)
				say("batch %l: status %d\n", b, WEXITSTATUS(status));
		} else {
			died++;
			if (WTERMSIG(status) != SIGSEGV && WTERMSIG(status) != SIGBUS && WTERMSIG(status) != SIGILL
			    && WTERMSIG(status) != SIGTRAP && WTERMSIG(status) != SIGFPE)
				say("batch %l: signal %d\n", b, WTERMSIG(status));
		}
	}
	say("%l batches: ended %l, died %l, hung %l\n", b, ended, died, hung);
	CHECK(ended > 0);
}
