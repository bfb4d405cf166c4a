/* Signals: handlers, what they are told, masks, interruption and restart (sigaction(2), sendsig in exec_machdep.c). */
#include "guest.h"
#include <machine/ucontext.h>
#include <sys/ucontext.h>

#define BIT(signo) (1U << ((signo) - 1))

static volatile int count, last_signo, last_code;
static volatile u64 handler_rsp;
static siginfo_t last_info;
static ucontext_t last_context;
static volatile int order[8];

static void
note(int signo, siginfo_t *info, void *context)
{
	count++;
	last_signo = signo;
	last_code = info->si_code;
	last_info = *info;
	last_context = *(ucontext_t *)context;
	handler_rsp = (u64)__builtin_frame_address(0);
}

static void
raise_(int signo)
{
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), signo), 0);
}

static u32
mask_now(void)
{
	sigset_t set;

	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, NULL, &set), 0);
	return (set.__bits[0]);
}

static u32
change_mask(int how, u32 bits)
{
	sigset_t set = { { bits, 0, 0, 0 } }, old;

	CHECK_EQ(sys(SYS_sigprocmask, how, &set, &old), 0);
	return (old.__bits[0]);
}

static u32
pending_now(void)
{
	sigset_t set;

	CHECK_EQ(sys(SYS_sigpending, &set), 0);
	return (set.__bits[0]);
}

TEST(handler)
{
	u64 here = (u64)__builtin_frame_address(0);

	guest_handle(SIGUSR1, note, 0);
	raise_(SIGUSR1);
	CHECK_EQ(count, 1);
	CHECK_EQ(last_signo, SIGUSR1);
	CHECK_EQ(last_info.si_signo, SIGUSR1);
	CHECK_EQ(last_info.si_code, SI_USER);
	CHECK_EQ(last_info.si_errno, 0);
	CHECK_EQ(last_info.si_pid, sys(SYS_getpid));
	CHECK_EQ(last_info.si_uid, sys(SYS_getuid));
	CHECK(handler_rsp < here - 128);
	CHECK(handler_rsp > here - 65536);
}

/* Every signal that can be caught comes with its own number. */
TEST(all_numbers)
{
	for (int s = 1; s <= 31; s++) {
		if (s == SIGKILL || s == SIGSTOP)
			continue;
		guest_handle(s, note, 0);
		count = 0;
		raise_(s);
		if (count != 1 || last_signo != s || last_info.si_signo != s)
			warn_("signal %d: %d calls of the handler, the last with %d\n", s, count, last_signo);
		CHECK_EQ(count, 1);
		CHECK_EQ(last_signo, s);
		CHECK_EQ(last_info.si_signo, s);
	}
}

/* SIGEMT and SIGINFO are signals Linux does not have; 32 is libthr's, 33 librt's, 65 to 126 are real-time. */
TEST(numbers_linux_lacks)
{
	static const int signals[] = { SIGEMT, SIGINFO, SIGTHR, SIGLIBRT, SIGRTMIN, SIGRTMIN + 1, 100, SIGRTMAX };

	for (size_t i = 0; i < nitems(signals); i++) {
		guest_handle(signals[i], note, 0);
		count = 0;
		raise_(signals[i]);
		CHECK_EQ(count, 1);
		CHECK_EQ(last_signo, signals[i]);
	}
}

static volatile u64 plain_arguments[3];

static void
plain(int signo, int code, void *context)
{
	plain_arguments[0] = (u64)signo;
	plain_arguments[1] = (u64)(u32)code;
	plain_arguments[2] = (u64)context;
}

/* Without SA_SIGINFO the second argument is the code, as in 4.2BSD. */
TEST(plain_handler)
{
	struct sigaction act;

	memset(&act, 0, sizeof(act));
	act.sa_handler = (void (*)(int))(void *)plain;
	CHECK_EQ(sys(SYS_sigaction, SIGUSR1, &act, NULL), 0);
	raise_(SIGUSR1);
	CHECK_EQ(plain_arguments[0], SIGUSR1);
	CHECK_EQ(plain_arguments[1], SI_USER);
	CHECK_NE(plain_arguments[2], 0);
}

/* The frame: ucontext and siginfo on the stack, the red zone spared, everything restored. */
TEST(context)
{
	ucontext_t *uc = &last_context;
	u64 rsp;

	guest_handle(SIGUSR1, note, 0);
	(void)change_mask(SIG_SETMASK, BIT(SIGUSR2));
	__asm__ volatile("mov %%rsp, %0" : "=r"(rsp));
	raise_(SIGUSR1);
	CHECK_EQ(uc->uc_sigmask.__bits[0], BIT(SIGUSR2));
	CHECK_EQ(uc->uc_sigmask.__bits[1] | uc->uc_sigmask.__bits[2] | uc->uc_sigmask.__bits[3], 0);
	CHECK_EQ(uc->uc_mcontext.mc_len, sizeof(mcontext_t));
	CHECK_BETWEEN(uc->uc_mcontext.mc_rsp, rsp - 4096, rsp + 4096);
	CHECK_EQ(uc->uc_mcontext.mc_onstack, 0);
	CHECK(uc->uc_mcontext.mc_fpformat == _MC_FPFMT_XMM);
	CHECK(uc->uc_mcontext.mc_ownedfp == _MC_FPOWNED_FPU || uc->uc_mcontext.mc_ownedfp == _MC_FPOWNED_PCB
	    || uc->uc_mcontext.mc_ownedfp == _MC_FPOWNED_NONE);
	CHECK_EQ(uc->uc_mcontext.mc_cs & 3, 3);
	CHECK_EQ(mask_now(), BIT(SIGUSR2));
	extern char __executable_start[], etext[];
	CHECK((u64)uc->uc_mcontext.mc_rip >= (u64)__executable_start && (u64)uc->uc_mcontext.mc_rip < (u64)etext);
}

/* Where the program is at the moment of a signal does not show: registers, flags, red zone, vector registers. */
static void
dirty(int signo, siginfo_t *info, void *context)
{
	(void)info, (void)context;
	count++;
	last_signo = signo;
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0\n\tpcmpeqd %%xmm7, %%xmm7\n\tpcmpeqd %%xmm15, %%xmm15\n\tfldz\n\tfninit\n\tstd\n\tcld"
	    : : : "xmm0", "xmm7", "xmm15", "memory");
}

TEST(nothing_is_lost)
{
	struct itimerval timer = { { 0, 500 }, { 0, 500 } };
	u64 in[8], out[8];
	u32 vin[12], vout[12];

	guest_handle(SIGALRM, dirty, SA_RESTART);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &timer, NULL), 0);
	for (u64 round = 0; count < 100; round++) {
		for (int i = 0; i < 8; i++)
			in[i] = round * 0x0101010101010101UL + (u64)i;
		for (int i = 0; i < 12; i++)
			vin[i] = (u32)(round * 77 + (u64)i);
		__asm__ volatile(
		    "mov 0(%0), %%rbx\n\tmov 8(%0), %%r12\n\tmov 16(%0), %%r13\n\tmov 24(%0), %%r14\n\tmov 32(%0), %%r15\n\t"
		    "mov 40(%0), %%r8\n\tmov 48(%0), %%r9\n\tmovups 0(%2), %%xmm0\n\tmovups 16(%2), %%xmm7\n\tmovups 32(%2), %%xmm15\n\t"
		    "mov 56(%0), %%rdx\n\tmov %%rdx, -120(%%rsp)\n\tmov %%rdx, -8(%%rsp)\n\t"
		    "mov $20000, %%ecx\n1:\tdec %%ecx\n\tjnz 1b\n\t"
		    "mov %%rbx, 0(%1)\n\tmov %%r12, 8(%1)\n\tmov %%r13, 16(%1)\n\tmov %%r14, 24(%1)\n\tmov %%r15, 32(%1)\n\t"
		    "mov %%r8, 40(%1)\n\tmov %%r9, 48(%1)\n\tmovups %%xmm0, 0(%3)\n\tmovups %%xmm7, 16(%3)\n\tmovups %%xmm15, 32(%3)\n\t"
		    "cmp %%rdx, -120(%%rsp)\n\tjne 2f\n\tcmp %%rdx, -8(%%rsp)\n\tje 3f\n2:\txor %%edx, %%edx\n3:\tmov %%rdx, 56(%1)"
		    : : "S"(in), "D"(out), "a"(vin), "r"(vout)
		    : "rbx", "rcx", "rdx", "r8", "r9", "r12", "r13", "r14", "r15", "xmm0", "xmm7", "xmm15", "memory", "cc");
		CHECK(memcmp(in, out, sizeof(in)) == 0);
		CHECK(memcmp(vin, vout, sizeof(vin)) == 0);
	}
}

static void
edit(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signo, (void)info;
	uc->uc_mcontext.mc_rbx = 0x1111;
	uc->uc_mcontext.mc_r12 = 0x2222;
	uc->uc_mcontext.mc_rdx = 0x3333;
	((u32 *)uc->uc_mcontext.mc_fpstate)[40] = 0xabcdef01;	/* xmm0 in the FXSAVE image: offset 160 */
	uc->uc_sigmask.__bits[0] |= BIT(SIGWINCH);
}

/* What a handler writes into its context is so afterwards. */
static u64 changed[3] __attribute__((used));
static u32 changed_vector[4] __attribute__((used)) = { 1, 2, 3, 4 };

TEST(context_can_be_changed)
{
	guest_handle(SIGUSR1, edit, 0);
	__asm__ volatile("movups changed_vector(%%rip), %%xmm0\n\tmov $37, %%eax\n\tsyscall\n\tmov %%rbx, changed(%%rip)\n\t"
	    "mov %%r12, changed+8(%%rip)\n\tmov %%rdx, changed+16(%%rip)\n\tmovups %%xmm0, changed_vector(%%rip)"
	    : : "D"(sys(SYS_getpid)), "S"((long)SIGUSR1)
	    : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "xmm0", "memory", "cc");
	CHECK_EQ(changed[0], 0x1111);
	CHECK_EQ(changed[1], 0x2222);
	CHECK_EQ(changed[2], 0x3333);
	CHECK_EQ(changed_vector[0], 0xabcdef01);
	CHECK_EQ(changed_vector[1], 2);
	CHECK_EQ(mask_now(), BIT(SIGWINCH));
}

static void
nest(int signo, siginfo_t *info, void *context)
{
	(void)info, (void)context;
	order[count++] = signo;
	if (signo == SIGUSR1) {
		raise_(SIGUSR2);
		order[count++] = -signo;
		/* Blocked while its own handler runs. */
		CHECK_EQ(mask_now(), BIT(SIGUSR1));
		raise_(SIGUSR1);
		order[count++] = -signo;
		(void)change_mask(SIG_BLOCK, BIT(SIGHUP));
		/* The second SIGUSR1 comes after this handler, once. */
		guest_handle(SIGUSR1, note, 0);
	}
}

TEST(nested)
{
	guest_handle(SIGUSR1, nest, 0);
	guest_handle(SIGUSR2, nest, 0);
	raise_(SIGUSR1);
	CHECK_EQ(order[0], SIGUSR1);
	CHECK_EQ(order[1], SIGUSR2);
	CHECK_EQ(order[2], -SIGUSR1);
	CHECK_EQ(order[3], -SIGUSR1);
	CHECK_EQ(count, 5);
	CHECK_EQ(last_signo, SIGUSR1);
	/* A mask changed in a handler is undone by its return. */
	CHECK_EQ(mask_now(), 0);
}

static volatile u32 mask_in_handler;

static void
see_mask(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	mask_in_handler = mask_now();
	count++;
}

TEST(handler_masks)
{
	struct sigaction act;

	memset(&act, 0, sizeof(act));
	act.sa_sigaction = (void (*)(int, struct __siginfo *, void *))see_mask;
	act.sa_flags = SA_SIGINFO;
	act.sa_mask.__bits[0] = BIT(SIGHUP) | BIT(SIGCHLD) | BIT(SIGKILL) | BIT(SIGSEGV) | BIT(SIGSYS);
	CHECK_EQ(sys(SYS_sigaction, SIGUSR1, &act, NULL), 0);
	raise_(SIGUSR1);
	CHECK_EQ(mask_in_handler, BIT(SIGHUP) | BIT(SIGCHLD) | BIT(SIGUSR1) | BIT(SIGSEGV) | BIT(SIGSYS));
	act.sa_flags = SA_SIGINFO | SA_NODEFER;
	CHECK_EQ(sys(SYS_sigaction, SIGUSR1, &act, NULL), 0);
	raise_(SIGUSR1);
	CHECK_EQ(mask_in_handler, BIT(SIGHUP) | BIT(SIGCHLD) | BIT(SIGSEGV) | BIT(SIGSYS));
	CHECK_EQ(mask_now(), 0);
}

TEST(reset_hand)
{
	struct sigaction act;

	guest_handle(SIGUSR1, note, SA_RESETHAND);
	raise_(SIGUSR1);
	CHECK_EQ(count, 1);
	CHECK_EQ(sys(SYS_sigaction, SIGUSR1, NULL, &act), 0);
	CHECK_EQ(act.sa_handler, SIG_DFL);
}

TEST(sigaction)
{
	struct sigaction act, old;

	memset(&act, 0, sizeof(act));
	act.sa_sigaction = (void (*)(int, struct __siginfo *, void *))note;
	act.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK | SA_NODEFER;
	act.sa_mask.__bits[0] = BIT(SIGHUP);
	act.sa_mask.__bits[2] = 4;
	CHECK_EQ(sys(SYS_sigaction, SIGTERM, &act, NULL), 0);
	memset(&old, 0x99, sizeof(old));
	CHECK_EQ(sys(SYS_sigaction, SIGTERM, NULL, &old), 0);
	CHECK_EQ(old.sa_sigaction, act.sa_sigaction);
	CHECK_EQ(old.sa_flags, act.sa_flags);
	CHECK(memcmp(&old.sa_mask, &act.sa_mask, sizeof(sigset_t)) == 0);
	CHECK_ERR(sys(SYS_sigaction, 0, NULL, &old), EINVAL);
	CHECK_ERR(sys(SYS_sigaction, 129, NULL, &old), EINVAL);
	CHECK_ERR(sys(SYS_sigaction, -1, NULL, &old), EINVAL);
	CHECK_ERR(sys(SYS_sigaction, SIGKILL, &act, NULL), EINVAL);
	CHECK_ERR(sys(SYS_sigaction, SIGSTOP, &act, NULL), EINVAL);
	CHECK_EQ(sys(SYS_sigaction, SIGKILL, NULL, &old), 0);
	act.sa_flags = 0x1000;
	CHECK_ERR(sys(SYS_sigaction, SIGTERM, &act, NULL), EINVAL);
	CHECK_EQ(sys(SYS_sigaction, SIGTERM, NULL, &old), 0);
	CHECK_EQ(old.sa_flags, SA_SIGINFO | SA_RESTART | SA_ONSTACK | SA_NODEFER);
	/* kern_sigaction: a signal that nobody has set shows SA_RESTART; what is not a handler may have any flag, and no
	 * SA_SIGINFO; two flags are SIGCHLD's. */
	CHECK_EQ(sys(SYS_sigaction, SIGHUP, NULL, &old), 0);
	CHECK_EQ(old.sa_flags, SA_RESTART);
	act.sa_flags = 0x1000 | SA_SIGINFO | SA_ONSTACK;
	act.sa_handler = SIG_IGN;
	CHECK_EQ(sys(SYS_sigaction, SIGTERM, &act, NULL), 0);
	CHECK_EQ(sys(SYS_sigaction, SIGTERM, NULL, &old), 0);
	CHECK_EQ(old.sa_handler, SIG_IGN);
	CHECK_EQ(old.sa_flags, SA_ONSTACK);
	act.sa_sigaction = (void (*)(int, struct __siginfo *, void *))note;
	act.sa_flags = SA_NOCLDSTOP | SA_NOCLDWAIT | SA_RESETHAND | SA_SIGINFO;
	CHECK_EQ(sys(SYS_sigaction, SIGTERM, &act, NULL), 0);
	CHECK_EQ(sys(SYS_sigaction, SIGTERM, NULL, &old), 0);
	CHECK_EQ(old.sa_flags, SA_RESETHAND | SA_SIGINFO);
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGTERM), 0);
	CHECK_EQ(sys(SYS_sigaction, SIGTERM, NULL, &old), 0);
	CHECK_EQ(old.sa_handler, SIG_DFL);
	CHECK_EQ(old.sa_flags, SA_RESETHAND);
	CHECK_EQ(sys(SYS_sigaction, SIGCHLD, &act, NULL), 0);
	CHECK_EQ(sys(SYS_sigaction, SIGCHLD, NULL, &old), 0);
	CHECK_EQ(old.sa_flags, SA_NOCLDSTOP | SA_NOCLDWAIT | SA_RESETHAND | SA_SIGINFO);
}

TEST(masks)
{
	sigset_t set = { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } };

	guest_handle(SIGUSR1, note, 0);
	CHECK_EQ(change_mask(SIG_BLOCK, BIT(SIGUSR1)), 0);
	CHECK_EQ(change_mask(SIG_BLOCK, BIT(SIGHUP)), BIT(SIGUSR1));
	raise_(SIGUSR1);
	CHECK_EQ(count, 0);
	CHECK_EQ(pending_now(), BIT(SIGUSR1));
	raise_(SIGUSR1);
	CHECK_EQ(change_mask(SIG_UNBLOCK, BIT(SIGUSR1)), BIT(SIGUSR1) | BIT(SIGHUP));
	CHECK_EQ(count, 2);
	CHECK_EQ(pending_now(), 0);
	CHECK_EQ(change_mask(SIG_SETMASK, 0), BIT(SIGHUP));
	CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &set, NULL), 0);
	/* KILL and STOP cannot be blocked, all others can. */
	CHECK_EQ(mask_now(), ~(BIT(SIGKILL) | BIT(SIGSTOP)));
	CHECK_ERR(sys(SYS_sigprocmask, 99, &set, NULL), EINVAL);
	/* Without a set the first argument does not matter. */
	CHECK_EQ(sys(SYS_sigprocmask, 99, NULL, &set), 0);
	CHECK_EQ(set.__bits[1], 0xffffffff);
	CHECK_EQ(set.__bits[3], 0xffffffff);
}

/* The three that the shim itself needs are virtual for the program: blocked, pending, ignored and caught like others. */
TEST(masks_of_the_shims_own_signals)
{
	static const int own[] = { SIGSEGV, SIGBUS, SIGSYS };

	for (size_t i = 0; i < nitems(own); i++) {
		int s = own[i];
		count = 0;
		guest_handle(s, note, 0);
		CHECK_EQ(change_mask(SIG_SETMASK, BIT(s)), 0);
		raise_(s);
		CHECK_EQ(count, 0);
		CHECK_EQ(pending_now(), BIT(s));
		CHECK_OK(sys(SYS_getppid));
		struct stat st;
		CHECK_ERR(sys(SYS_fstatat, AT_FDCWD, "/", 8, 0), EFAULT);
		CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, "/", &st, 0), 0);
		CHECK_EQ(change_mask(SIG_SETMASK, 0), BIT(s));
		CHECK_EQ(count, 1);
		CHECK_EQ(last_signo, s);
		CHECK_EQ(last_info.si_code, SI_USER);
		struct sigaction act = { .sa_handler = SIG_IGN };
		CHECK_EQ(sys(SYS_sigaction, s, &act, NULL), 0);
		raise_(s);
		CHECK_OK(sys(SYS_getppid));
		CHECK_ERR(sys(SYS_fstatat, AT_FDCWD, "/", 8, 0), EFAULT);
	}
	IN_CHILD({
		/* Inherited over fork. */
		struct sigaction act;
		CHECK_EQ(sys(SYS_sigaction, SIGSYS, NULL, &act), 0);
		CHECK_EQ(act.sa_handler, SIG_IGN);
		CHECK_OK(sys(SYS_getppid));
	});
}

TEST(suspend)
{
	sigset_t none = { { 0 } };
	int parent = (int)sys(SYS_getpid);

	guest_handle(SIGUSR1, see_mask, SA_RESTART);
	(void)change_mask(SIG_SETMASK, BIT(SIGUSR1) | BIT(SIGHUP));
	int pid = guest_fork();
	if (pid == 0) {
		guest_sleep_ms(30);
		CHECK_EQ(sys(SYS_kill, parent, SIGUSR1), 0);
		guest_exit(0);
	}
	/* Always EINTR, also with SA_RESTART; the mask is back after it. */
	CHECK_ERR(sys(SYS_sigsuspend, &none), EINTR);
	CHECK_EQ(count, 1);
	CHECK_EQ(mask_in_handler, BIT(SIGUSR1));
	CHECK_EQ(mask_now(), BIT(SIGUSR1) | BIT(SIGHUP));
	CHECK_EQ(guest_wait(pid), 0);
	/* One that is pending already. */
	raise_(SIGUSR1);
	CHECK_EQ(count, 1);
	CHECK_ERR(sys(SYS_sigsuspend, &none), EINTR);
	CHECK_EQ(count, 2);
}

/* No wake-up is lost: a token goes forth and back between two processes by signals and sigsuspend alone. */
TEST(suspend_ping_pong)
{
	sigset_t none = { { 0 } };
	int parent = (int)sys(SYS_getpid);

	guest_handle(SIGUSR1, note, 0);
	(void)change_mask(SIG_SETMASK, BIT(SIGUSR1));
	int pid = guest_fork();
	int other = pid == 0 ? parent : pid;
	count = 0;
	for (int i = 0; i < 2000; i++) {
		if (pid != 0)
			CHECK_EQ(sys(SYS_kill, other, SIGUSR1), 0);
		while (count <= i)
			CHECK_ERR(sys(SYS_sigsuspend, &none), EINTR);
		if (pid == 0)
			CHECK_EQ(sys(SYS_kill, other, SIGUSR1), 0);
	}
	if (pid == 0)
		guest_exit(0);
	CHECK_EQ(guest_wait(pid), 0);
}

/* read(2) of an empty pipe is interrupted, or begins again after SA_RESTART. */
static void
interrupted_read(int flags, int signo)
{
	int ends[2], parent = (int)sys(SYS_getpid);
	char c = 0;

	count = 0;
	guest_handle(signo, note, flags);
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	int pid = guest_fork();
	if (pid == 0) {
		guest_sleep_ms(40);
		CHECK_EQ(sys(SYS_kill, parent, signo), 0);
		guest_sleep_ms(40);
		CHECK_EQ(sys(SYS_write, ends[1], "w", 1), 1);
		guest_exit(0);
	}
	long ret = sys(SYS_read, ends[0], &c, 1);
	CHECK_EQ(count, 1);
	CHECK_EQ(last_info.si_pid, pid);
	if (flags & SA_RESTART) {
		CHECK_EQ(ret, 1);
		CHECK_EQ(c, 'w');
	} else
		CHECK_EQ(ret, -EINTR);
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_EQ(sys(SYS_close, ends[0]), 0);
	CHECK_EQ(sys(SYS_close, ends[1]), 0);
}

TEST(read_is_interrupted)
{
	interrupted_read(0, SIGUSR1);
	interrupted_read(SA_RESTART, SIGUSR1);
	interrupted_read(0, SIGSEGV);
	interrupted_read(SA_RESTART, SIGSEGV);
	interrupted_read(0, SIGBUS);
	interrupted_read(SA_RESTART, SIGSYS);
}

TEST(wait_is_interrupted)
{
	for (int restart = 0; restart < 2; restart++) {
		int parent = (int)sys(SYS_getpid), status = 0;

		count = 0;
		guest_handle(SIGUSR1, note, restart ? SA_RESTART : 0);
		int pid = guest_fork();
		if (pid == 0) {
			guest_sleep_ms(40);
			CHECK_EQ(sys(SYS_kill, parent, SIGUSR1), 0);
			guest_sleep_ms(40);
			guest_exit(6);
		}
		long ret = sys(SYS_wait4, pid, &status, 0, NULL);
		CHECK_EQ(count, 1);
		if (restart)
			CHECK_EQ(ret, pid);
		else {
			CHECK_EQ(ret, -EINTR);
			status = guest_wait(pid);
		}
		CHECK_EQ(WEXITSTATUS(status), 6);
	}
}

TEST(sleep_is_interrupted)
{
	struct timespec t = { 5, 0 }, left = { 0, 0 };
	struct itimerval timer = { { 0, 0 }, { 0, 50000 } };

	guest_handle(SIGALRM, note, SA_RESTART);	/* nanosleep never restarts */
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &timer, NULL), 0);
	CHECK_ERR(sys(SYS_nanosleep, &t, &left), EINTR);
	CHECK_EQ(count, 1);
	CHECK_EQ(last_info.si_code, SI_KERNEL);
	CHECK_BETWEEN(left.tv_sec, 4, 4);
	/* The same structure for both. */
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &timer, NULL), 0);
	CHECK_ERR(sys(SYS_nanosleep, &t, &t), EINTR);
	CHECK_EQ(t.tv_sec, 4);
	/* clock_nanosleep gives EINTR as its value. */
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &timer, NULL), 0);
	CHECK_EQ(sys(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &t, &left), EINTR);
	CHECK_EQ(left.tv_sec, 4);
}

/* An ignored signal interrupts nothing; nor does SIGCHLD or SIGWINCH by default. */
TEST(ignored_signals_do_not_interrupt)
{
	int ends[2], parent = (int)sys(SYS_getpid);
	char c;
	struct sigaction act = { .sa_handler = SIG_IGN };

	CHECK_EQ(sys(SYS_sigaction, SIGUSR1, &act, NULL), 0);
	CHECK_EQ(sys(SYS_sigaction, SIGSEGV, &act, NULL), 0);
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	int pid = guest_fork();
	if (pid == 0) {
		static const int signals[] = { SIGUSR1, SIGSEGV, SIGWINCH, SIGURG, SIGCHLD, SIGINFO, SIGIO };
		for (size_t i = 0; i < nitems(signals); i++) {
			guest_sleep_ms(10);
			CHECK_EQ(sys(SYS_kill, parent, signals[i]), 0);
		}
		guest_sleep_ms(20);
		CHECK_EQ(sys(SYS_write, ends[1], "w", 1), 1);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 1);
	CHECK_EQ(guest_wait(pid), 0);
}

/* ------------------------------------------------------------------ alternate stacks */

static char *alternate;
static volatile int on_alternate, flags_in_handler;
#define ALT 65536

static void
see_stack(int signo, siginfo_t *info, void *context)
{
	stack_t now, other = { .ss_sp = alternate, .ss_size = ALT };
	u64 here = (u64)__builtin_frame_address(0);

	(void)signo, (void)info;
	on_alternate = here >= (u64)alternate && here < (u64)alternate + ALT;
	CHECK_EQ(sys(SYS_sigaltstack, NULL, &now), 0);
	flags_in_handler = now.ss_flags;
	if (on_alternate) {
		CHECK_ERR(sys(SYS_sigaltstack, &other, NULL), EPERM);
		CHECK_EQ(((ucontext_t *)context)->uc_stack.ss_sp, alternate);
		CHECK_EQ(((ucontext_t *)context)->uc_stack.ss_size, ALT);
	}
	if (count++ == 0)
		raise_(SIGUSR2);
}

TEST(alternate_stack)
{
	stack_t stack, old;

	alternate = guest_map(ALT);
	memset(&stack, 0, sizeof(stack));
	stack.ss_sp = alternate;
	stack.ss_size = ALT;
	CHECK_EQ(sys(SYS_sigaltstack, &stack, &old), 0);
	CHECK_EQ(old.ss_flags, SS_DISABLE);
	CHECK_EQ(sys(SYS_sigaltstack, NULL, &old), 0);
	CHECK_EQ(old.ss_sp, alternate);
	CHECK_EQ(old.ss_size, ALT);
	CHECK_EQ(old.ss_flags, 0);
	guest_handle(SIGUSR1, see_stack, SA_ONSTACK);
	guest_handle(SIGUSR2, see_stack, SA_ONSTACK);
	raise_(SIGUSR1);
	CHECK_EQ(count, 2);
	CHECK_EQ(on_alternate, 1);
	CHECK_EQ(flags_in_handler, SS_ONSTACK);
	/* Without SA_ONSTACK it stays on the normal one. */
	guest_handle(SIGUSR1, see_stack, 0);
	raise_(SIGUSR1);
	CHECK_EQ(on_alternate, 0);
	CHECK_EQ(flags_in_handler, 0);
	CHECK_EQ(sys(SYS_sigaltstack, NULL, &old), 0);
	CHECK_EQ(old.ss_flags, 0);
	stack.ss_size = 1024;
	CHECK_ERR(sys(SYS_sigaltstack, &stack, NULL), ENOMEM);
	stack.ss_flags = 0x10;
	stack.ss_size = ALT;
	CHECK_ERR(sys(SYS_sigaltstack, &stack, NULL), EINVAL);
	stack.ss_flags = SS_DISABLE;
	CHECK_EQ(sys(SYS_sigaltstack, &stack, NULL), 0);
	guest_handle(SIGUSR1, see_stack, SA_ONSTACK);
	raise_(SIGUSR1);
	CHECK_EQ(on_alternate, 0);
	/* A child of fork has the same one. */
	stack.ss_flags = 0;
	CHECK_EQ(sys(SYS_sigaltstack, &stack, NULL), 0);
	IN_CHILD({
		raise_(SIGUSR1);
		CHECK_EQ(on_alternate, 1);
	});
}

/* Handlers may be left by longjmp: the stack counts as in use only while rsp is on it. */
static void *jump[5];

static void
jump_out(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	count++;
	__builtin_longjmp(jump, 1);
}

TEST(left_by_longjmp)
{
	stack_t stack;

	alternate = guest_map(ALT);
	memset(&stack, 0, sizeof(stack));
	stack.ss_sp = alternate;
	stack.ss_size = ALT;
	CHECK_EQ(sys(SYS_sigaltstack, &stack, NULL), 0);
	guest_handle(SIGUSR1, jump_out, SA_ONSTACK);
	for (volatile int i = 0; i < 300; i++) {
		if (__builtin_setjmp(jump) == 0) {
			raise_(SIGUSR1);
			CHECK(0);
		}
		CHECK_EQ(count, i + 1);
		CHECK_EQ(change_mask(SIG_SETMASK, 0), BIT(SIGUSR1));
		CHECK_EQ(sys(SYS_sigaltstack, NULL, &stack), 0);
		CHECK_EQ(stack.ss_flags, 0);
	}
}

/* ------------------------------------------------------------------ storms */

static void
tick(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	count++;
}

/* A timer every 300 us: no file call may show it. */
static void
storm(int flags)
{
	struct itimerval timer = { { 0, 300 }, { 0, 300 } }, off = { { 0, 0 }, { 0, 0 } };
	char text[64], back[64];
	long until = guest_now_ms() + 400;
	struct stat st;

	guest_handle(SIGALRM, tick, flags);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &timer, NULL), 0);
	/* On a loaded machine it takes longer until a hundred have come. */
	for (int i = 0; guest_now_ms() < until || (count <= 100 && guest_now_ms() < until + 20000); i++) {
		size_t n = format(text, sizeof(text), "number %d\n", i);
		int fd = (int)CHECK_OK(sys(SYS_open, "file", O_RDWR | O_CREAT | O_TRUNC, 0644));
		CHECK_EQ(fd, 3);
		CHECK_EQ(sys(SYS_write, fd, text, n), n);
		CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
		CHECK_EQ(st.st_size, n);
		CHECK_EQ(sys(SYS_pread, fd, back, sizeof(back), 0), n);
		CHECK(memcmp(text, back, n) == 0);
		CHECK_ERR(sys(SYS_open, "missing", O_RDONLY, 0), ENOENT);
		CHECK_ERR(sys(SYS_open, 8, O_RDONLY, 0), EFAULT);
		CHECK_EQ(sys(SYS_close, fd), 0);
		void *p = guest_map(4096);
		CHECK_EQ(sys(SYS_munmap, p, 4096), 0);
		if (i % 50 == 0) {
			int pid = guest_fork();
			if (pid == 0)
				guest_exit(i & 0x7f);
			CHECK_EQ(WEXITSTATUS(guest_wait(pid)), i & 0x7f);
		}
	}
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &off, NULL), 0);
	CHECK(count > 100);
}

TEST(storm_with_restart)
{
	storm(SA_RESTART);
}

TEST(storm_without_restart)
{
	storm(0);
}

/* Two processes that send each other signals at full rate while both make syscalls. */
TEST(storm_from_another_process)
{
	int parent = (int)sys(SYS_getpid);

	guest_handle(SIGUSR1, tick, SA_RESTART);
	int pid = guest_fork();
	if (pid == 0) {
		for (int i = 0; i < 5000; i++)
			CHECK_EQ(sys(SYS_kill, parent, SIGUSR1), 0);
		guest_exit(0);
	}
	int status;
	struct stat st;
	while (sys(SYS_wait4, pid, &status, WNOHANG, NULL) == 0)
		for (int i = 0; i < 20; i++) {
			CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, ".", &st, 0), 0);
			CHECK_ERR(sys(SYS_close, 999), EBADF);
		}
	CHECK_EQ(status, 0);
	CHECK(count > 0);
}

/* ------------------------------------------------------------------ siginfo of other senders */

TEST(child_signal)
{
	guest_handle(SIGCHLD, note, SA_RESTART);
	int pid = guest_fork();
	if (pid == 0)
		guest_exit(7);
	int status = guest_wait(pid);
	while (count == 0)
		guest_sleep_ms(1);
	CHECK_EQ(WEXITSTATUS(status), 7);
	CHECK_EQ(last_info.si_signo, SIGCHLD);
	CHECK_EQ(last_info.si_code, CLD_EXITED);
	CHECK_EQ(last_info.si_pid, pid);
	CHECK_EQ(last_info.si_status, 7);
	pid = guest_fork();
	if (pid == 0)
		for (;;)
			guest_sleep_ms(1000);
	count = 0;
	CHECK_EQ(sys(SYS_kill, pid, SIGSTOP), 0);
	while (count == 0)
		guest_sleep_ms(1);
	CHECK_EQ(last_info.si_code, CLD_STOPPED);
	CHECK_EQ(last_info.si_status, SIGSTOP);
	count = 0;
	CHECK_EQ(sys(SYS_kill, pid, SIGCONT), 0);
	while (count == 0)
		guest_sleep_ms(1);
	CHECK_EQ(last_info.si_code, CLD_CONTINUED);
	CHECK_EQ(last_info.si_status, SIGCONT);
	count = 0;
	CHECK_EQ(sys(SYS_kill, pid, SIGBUS), 0);
	CHECK_EQ(WTERMSIG(guest_wait(pid)), SIGBUS);
	while (count == 0)
		guest_sleep_ms(1);
	CHECK(last_info.si_code == CLD_KILLED || last_info.si_code == CLD_DUMPED);
	CHECK_EQ(last_info.si_status, SIGBUS);
}

TEST(no_stop_notices)
{
	int status;

	guest_handle(SIGCHLD, note, SA_RESTART | SA_NOCLDSTOP);
	int pid = guest_fork();
	if (pid == 0)
		for (;;)
			guest_sleep_ms(1000);
	CHECK_EQ(sys(SYS_kill, pid, SIGSTOP), 0);
	CHECK_EQ(sys(SYS_wait4, pid, &status, WUNTRACED, NULL), pid);
	guest_sleep_ms(20);
	CHECK_EQ(count, 0);
	CHECK_EQ(sys(SYS_kill, pid, SIGKILL), 0);
	CHECK_EQ(WTERMSIG(guest_wait(pid)), SIGKILL);
}

TEST(queued_value)
{
	guest_handle(SIGUSR1, note, 0);
	CHECK_EQ(sys(SYS_sigqueue, sys(SYS_getpid), SIGUSR1, 0x123456789abcdefUL), 0);
	CHECK_EQ(count, 1);
	CHECK_EQ(last_info.si_code, SI_QUEUE);
	CHECK_EQ(last_info.si_value.sival_ptr, 0x123456789abcdefUL);
	CHECK_EQ(last_info.si_pid, sys(SYS_getpid));
	CHECK_ERR(sys(SYS_sigqueue, sys(SYS_getpid), 999, 0), EINVAL);
	CHECK_ERR(sys(SYS_sigqueue, 0x7ffffff0, SIGUSR1, 0), ESRCH);
}

TEST(to_a_thread)
{
	long id;

	guest_handle(SIGUSR1, note, 0);
	CHECK_EQ(sys(SYS_thr_self, &id), 0);
	CHECK_EQ(sys(SYS_thr_kill, id, SIGUSR1), 0);
	CHECK_EQ(count, 1);
	CHECK_EQ(last_info.si_code, SI_LWP);
	CHECK_EQ(sys(SYS_thr_kill, id, 0), 0);
	CHECK_ERR(sys(SYS_thr_kill, 0x7ffffff0, SIGUSR1), ESRCH);
	CHECK_ERR(sys(SYS_thr_kill, id, 999), EINVAL);
	CHECK_EQ(sys(SYS_thr_kill2, sys(SYS_getpid), id, SIGUSR1), 0);
	CHECK_EQ(count, 2);
	/* -1: all threads of the process but the caller; there are none. */
	CHECK_ERR(sys(SYS_thr_kill, -1L, SIGUSR1), ESRCH);
}

/* A wait for signals that takes them from the queue instead of calling a handler. */
TEST(wait_for_signals)
{
	sigset_t set = { { BIT(SIGUSR1) | BIT(SIGUSR2) } };
	siginfo_t info;
	struct timespec t = { 0, 20000000 };
	int signo = 0;

	guest_handle(SIGUSR1, note, 0);
	(void)change_mask(SIG_SETMASK, BIT(SIGUSR1) | BIT(SIGUSR2));
	CHECK_ERR(sys(SYS_sigtimedwait, &set, &info, &t), EAGAIN);
	raise_(SIGUSR1);
	CHECK_EQ(sys(SYS_sigtimedwait, &set, &info, &t), SIGUSR1);
	CHECK_EQ(info.si_signo, SIGUSR1);
	CHECK_EQ(info.si_pid, sys(SYS_getpid));
	raise_(SIGUSR2);
	CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), SIGUSR2);
	raise_(SIGUSR1);
	/* sigwait returns an error number, 0 here, and the signal by pointer. */
	CHECK_EQ(sys(SYS_sigwait, &set, &signo), 0);
	CHECK_EQ(signo, SIGUSR1);
	CHECK_EQ(count, 0);
	CHECK_EQ(pending_now(), 0);
	t.tv_nsec = 1000000000;
	CHECK_ERR(sys(SYS_sigtimedwait, &set, &info, &t), EINVAL);
}

TEST(sigreturn_with_garbage)
{
	static ucontext_t uc;

	CHECK_ERR(sys(SYS_sigreturn, 8), EFAULT);
	IN_CHILD({
		/* A context of zeroes: no valid selectors; EINVAL or a signal, never a crash of something else. */
		long ret = sys(SYS_sigreturn, &uc);
		CHECK(ret == -EINVAL);
	});
}

/* A context made by hand: sigreturn goes where it says, with the mask that it says. */
static volatile int arrived;
static void
destination(void)
{
	arrived = 1;
	CHECK_EQ(mask_now(), BIT(SIGHUP));
	say("ok %s.%s\n", GUEST_NAME, "sigreturn_by_hand");
	guest_exit(0);
}

TEST(sigreturn_by_hand)
{
	guest_handle(SIGUSR1, note, 0);
	raise_(SIGUSR1);
	last_context.uc_mcontext.mc_rip = (register_t)destination;
	last_context.uc_mcontext.mc_rsp = (register_t)((((u64)guest_map(65536) + 65536) & ~0xfUL) - 8);
	last_context.uc_sigmask.__bits[0] = BIT(SIGHUP);
	sys(SYS_sigreturn, &last_context);
	CHECK(0);
}
