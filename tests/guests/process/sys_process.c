/* ptrace(2): sys/kern/sys_process.c, kern_sig.c (ptracestop), subr_syscall.c, amd64/amd64/ptrace_machdep.c. */
#include "traced.h"
#include <machine/reg.h>
#include <sys/user.h>
#include <sys/sysctl.h>
#include <machine/psl.h>

/* The next stop of a tracee is by this signal, and its thread says so. */
static struct ptrace_lwpinfo
signal_stop(int pid, int signo)
{
	struct ptrace_lwpinfo info = next_stop(pid, signo);

	CHECK_EQ(info.pl_event, PL_EVENT_SIGNAL);
	return (info);
}

/* The stop of PT_ATTACH, which since 15 no thread reports (debug.ptrace_attach_transparent). */
static void
attached(int pid)
{
	struct ptrace_lwpinfo info;

	stops(pid, SIGSTOP);
	CHECK_EQ(PT(PT_LWPINFO, pid, &info, sizeof(info)), 0);
	CHECK_EQ(info.pl_event, GUEST_RELEASE >= 15 ? PL_EVENT_NONE : PL_EVENT_SIGNAL);
	if (GUEST_RELEASE < 15)
		CHECK_EQ(info.pl_siginfo.si_signo, SIGSTOP);
}

static void
go_on(int pid, int signo)
{
	CHECK_EQ(PT(PT_CONTINUE, pid, 1, signo), 0);
}

/* A child that is traced and has stopped; it goes on behind. */
#define TRACED(pid, ...) do { \
	(pid) = guest_fork(); \
	if ((pid) == 0) { \
		trace_me(); \
		__VA_ARGS__; \
		guest_exit(0); \
	} \
	struct ptrace_lwpinfo first = signal_stop((pid), SIGSTOP); \
	CHECK_EQ(first.pl_flags, PL_FLAG_SI); \
	CHECK_EQ(first.pl_siginfo.si_signo, SIGSTOP); \
} while (0)

TEST(stops_are_waited_for_once)
{
	int pid, status;
	siginfo_t info;

	TRACED(pid, guest_exit(7));
	CHECK_EQ(sys(SYS_wait4, pid, &status, WNOHANG, NULL), 0);
	go_on(pid, 0);
	ends(pid, 7);
	CHECK_ERR(PT(PT_CONTINUE, pid, 1, 0), ESRCH);

	TRACED(pid, sys(SYS_kill, sys(SYS_getpid), SIGUSR1));
	go_on(pid, 0);
	/* A look at it leaves it. */
	CHECK_EQ(sys(SYS_wait6, P_PID, pid, &status, WTRAPPED | WNOWAIT, NULL, &info), pid);
	CHECK_EQ(info.si_code, CLD_TRAPPED);
	CHECK_EQ(info.si_status, SIGUSR1);
	CHECK_ERR(PT(PT_CONTINUE, pid, 1, 0), EBUSY);
	CHECK_EQ(sys(SYS_wait6, P_PID, pid, &status, WTRAPPED, NULL, &info), pid);
	CHECK_EQ(status, W_STOPCODE(SIGUSR1));
	go_on(pid, 0);
	ends(pid, 0);
}

TEST(a_stop_is_told_by_sigchld)
{
	int pid;

	seen = 0;
	guest_handle(SIGCHLD, count, 0);
	pid = guest_fork();
	if (pid == 0) {
		trace_me();
		guest_exit(0);
	}
	for (int i = 0; i < 500 && seen == 0; i++)
		guest_sleep_ms(10);
	CHECK_EQ(seen, 1);
	signal_stop(pid, SIGSTOP);
	go_on(pid, 0);
	ends(pid, 0);
	CHECK_BETWEEN(seen, 1, 2);
}

TEST(signals_are_dropped_passed_and_replaced)
{
	struct ptrace_lwpinfo info;
	int pid, status;

	TRACED(pid, {
		seen = 0;
		guest_handle(SIGUSR1, count, 0);
		guest_handle(SIGUSR2, count, 0);
		for (int i = 1; i <= 3; i++) {
			sys(SYS_kill, sys(SYS_getpid), SIGUSR1);
			CHECK_EQ(seen, i - 1);
		}
		guest_exit(seen);
	});
	go_on(pid, 0);
	info = signal_stop(pid, SIGUSR1);
	CHECK_EQ(info.pl_siginfo.si_pid, pid);
	go_on(pid, 0);
	signal_stop(pid, SIGUSR1);
	go_on(pid, SIGUSR1);
	signal_stop(pid, SIGUSR1);
	go_on(pid, SIGUSR2);
	ends(pid, 2);

	/* One that is ignored does not stop it, one with its default action does, and may be left out. */
	TRACED(pid, {
		sys(SYS_kill, sys(SYS_getpid), SIGWINCH);
		sys(SYS_kill, sys(SYS_getpid), SIGTERM);
		sys(SYS_kill, sys(SYS_getpid), SIGTERM);
	});
	go_on(pid, 0);
	signal_stop(pid, SIGTERM);
	go_on(pid, 0);
	signal_stop(pid, SIGTERM);
	go_on(pid, SIGTERM);
	status = guest_wait(pid);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGTERM);
}

/* kern_sig.c (tdsigwakeup), kern_time.c, sys_process.c: what sleeps is woken when a signal is sent, and whether it is made again was said by SA_RESTART then,
 * though the tracer drops the signal. A sigsuspend goes on. */
TEST(a_dropped_signal_has_ended_the_call)
{
	int pid, pipes[2];

	CHECK_EQ(sys(SYS_pipe2, pipes, 0), 0);
	TRACED(pid, {
		char c;
		sigset_t none = { { 0 } };
		struct timespec moment = { 10, 0 };

		guest_handle(SIGUSR1, count, 0);
		guest_handle(SIGUSR2, count, SA_RESTART);
		CHECK_ERR(sys(SYS_read, pipes[0], &c, 1), EINTR);
		CHECK_ERR(sys(SYS_nanosleep, &moment, NULL), EINTR);
		CHECK_EQ(sys(SYS_read, pipes[0], &c, 1), 1);
		CHECK_EQ(seen, 0);
		CHECK_ERR(sys(SYS_sigsuspend, &none), EINTR);
		CHECK_EQ(seen, 1);
		guest_exit(5);
	});
	go_on(pid, 0);
	for (int i = 0; i < 5; i++) {
		/* read, nanosleep; read again; sigsuspend, twice */
		static const int sent[] = { SIGUSR1, SIGUSR2, SIGUSR2, SIGUSR1, SIGUSR1 };

		guest_sleep_ms(100);
		CHECK_EQ(sys(SYS_kill, pid, sent[i]), 0);
		signal_stop(pid, sent[i]);
		if (i == 2)
			CHECK_EQ(sys(SYS_write, pipes[1], "x", 1), 1);
		go_on(pid, i == 4 ? SIGUSR1 : 0);
	}
	ends(pid, 5);
}

static int __attribute__((noinline))
answer(int number)
{
	__asm__ volatile("" : "+r"(number));
	return (number + 1);
}

TEST(breakpoints_steps_and_registers)
{
	struct ptrace_lwpinfo info;
	struct ptrace_io_desc io;
	struct reg regs;
	u8 was, trap = 0xcc;
	int pid;

	TRACED(pid, guest_exit(answer(1)));
	io.piod_op = PIOD_READ_I;
	io.piod_offs = (void *)answer;
	io.piod_addr = &was;
	io.piod_len = 1;
	CHECK_EQ(PT(PT_IO, pid, &io, 0), 0);
	CHECK_EQ(io.piod_len, 1);
	CHECK_EQ(was, *(u8 *)answer);
	io.piod_op = PIOD_WRITE_I;
	io.piod_addr = &trap;
	CHECK_EQ(PT(PT_IO, pid, &io, 0), 0);
	CHECK_EQ(*(u8 *)answer, was);		/* its own memory, not ours */
	go_on(pid, 0);
	info = signal_stop(pid, SIGTRAP);
	CHECK_EQ(info.pl_siginfo.si_code, TRAP_BRKPT);
	CHECK_EQ(PT(PT_GETREGS, pid, &regs, 0), 0);
	CHECK_EQ(regs.r_rip, (u64)answer + 1);
	CHECK_EQ(regs.r_rdi, 1);
	io.piod_addr = &was;
	CHECK_EQ(PT(PT_IO, pid, &io, 0), 0);
	regs.r_rip = (u64)answer;
	regs.r_rdi = 40;
	CHECK_EQ(PT(PT_SETREGS, pid, &regs, 0), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(PT(PT_STEP, pid, 1, 0), 0);
		info = signal_stop(pid, SIGTRAP);
		CHECK_EQ(info.pl_siginfo.si_code, TRAP_TRACE);
		CHECK_EQ(PT(PT_GETREGS, pid, &regs, 0), 0);
		CHECK_EQ(regs.r_rflags & PSL_T, 0);
		CHECK(regs.r_rip > (u64)answer || i > 0);
	}
	regs.r_rflags ^= PSL_IOPL;
	CHECK_ERR(PT(PT_SETREGS, pid, &regs, 0), EINVAL);
	go_on(pid, 0);
	ends(pid, 41);
}

/* One step is one instruction, and a call is one. */
TEST(a_step_over_a_call)
{
	static const char code[] = "\x31\xff\xb8\x14\x00\x00\x00\x0f\x05\x89\xc7\x90";	/* xor edi,edi; mov eax,20; syscall; mov edi,eax */
	static const int lengths[] = { 2, 5, 2, 2 };
	struct reg regs;
	u64 at;
	int pid;
	char *text = guest_map(PAGE_SIZE);

	memcpy(text, code, sizeof(code));
	CHECK_EQ(sys(SYS_mprotect, text, PAGE_SIZE, PROT_READ | PROT_EXEC), 0);
	TRACED(pid, guest_exit(1));
	CHECK_EQ(PT(PT_GETREGS, pid, &regs, 0), 0);
	regs.r_rip = at = (u64)text;
	CHECK_EQ(PT(PT_SETREGS, pid, &regs, 0), 0);
	for (size_t i = 0; i < nitems(lengths); i++) {
		CHECK_EQ(PT(PT_STEP, pid, 1, 0), 0);
		signal_stop(pid, SIGTRAP);
		at += (u64)lengths[i];
		CHECK_EQ(PT(PT_GETREGS, pid, &regs, 0), 0);
		CHECK_EQ(regs.r_rip, at);
	}
	CHECK_EQ(regs.r_rdi, (u64)pid);
	CHECK_EQ(PT(PT_KILL, pid, 0, 0), 0);
	CHECK_EQ(WTERMSIG(guest_wait(pid)), SIGKILL);
}

TEST(vector_registers)
{
	struct fpreg fp;
	struct ptrace_xstate_info about;
	static u8 state[16384];
	int pid;

	TRACED(pid, {
		u64 low;
		__asm__ volatile("movq %1, %%xmm7\n\tint3\n\tmovq %%xmm7, %0" : "=r"(low) : "r"(0x1122334455667788UL) : "xmm7");
		guest_exit(low == 0x0102030405060708UL ? 3 : 4);
	});
	go_on(pid, 0);
	signal_stop(pid, SIGTRAP);
	CHECK_EQ(PT(PT_GETFPREGS, pid, &fp, 0), 0);
	CHECK_EQ(*(u64 *)&fp.fpr_xacc[7], 0x1122334455667788UL);
	*(u64 *)&fp.fpr_xacc[7] = 0x0102030405060708UL;
	CHECK_EQ(PT(PT_SETFPREGS, pid, &fp, 0), 0);
	CHECK_EQ(PT(PT_GETXSTATE_INFO, pid, &about, sizeof(about)), 0);
	CHECK_BETWEEN(about.xsave_len, 576, sizeof(state));
	CHECK_EQ(about.xsave_mask & 3, 3);
	CHECK_ERR(PT(PT_GETXSTATE_INFO, pid, &about, 4), EINVAL);
	CHECK_EQ(PT(PT_GETXSTATE, pid, state, 0), 0);
	CHECK_EQ(memcmp(state + 160 + 7 * 16, &fp.fpr_xacc[7], 8), 0);
	CHECK_EQ(PT(PT_SETXSTATE, pid, state, about.xsave_len), 0);
	CHECK_ERR(PT(PT_SETXSTATE, pid, state, 100), EINVAL);
	go_on(pid, 0);
	ends(pid, 3);
}

/* judge: policy, 15.0 forgets what a tracer has changed when it lets the tracee go on (PT_CONTINUE clears TDB_USERWR); the manual says that it counts */
TEST(calls_are_shown_and_changed)
{
	struct ptrace_lwpinfo info;
	struct ptrace_sc_ret ret;
	struct reg regs;
	register_t args[8];
	int pid, status;

	TRACED(pid, {
		CHECK_EQ(sys(SYS_dup2, 1000000, 5), 77);
		guest_exit(9);
	});
	CHECK_ERR(PT(PT_GET_SC_RET, pid, &ret, sizeof(ret)), EINVAL);
	CHECK_EQ(PT(PT_SYSCALL, pid, 1, 0), 0);
	info = signal_stop(pid, SIGTRAP);
	CHECK_EQ(info.pl_flags & (PL_FLAG_SCE | PL_FLAG_SCX | PL_FLAG_SI), PL_FLAG_SCE);
	CHECK_EQ(info.pl_syscall_code, SYS_dup2);
	CHECK_EQ(info.pl_syscall_narg, 2);
	CHECK_EQ(PT(PT_GET_SC_ARGS, pid, args, sizeof(args)), 0);
	CHECK_EQ(args[0], 1000000);
	CHECK_EQ(args[1], 5);
	go_on(pid, 0);
	info = signal_stop(pid, SIGTRAP);
	CHECK_EQ(info.pl_flags & (PL_FLAG_SCE | PL_FLAG_SCX), PL_FLAG_SCX);
	CHECK_EQ(PT(PT_GET_SC_RET, pid, &ret, sizeof(ret)), 0);
	CHECK_EQ(ret.sr_error, EBADF);
	CHECK_EQ(PT(PT_GETREGS, pid, &regs, 0), 0);
	CHECK_EQ(regs.r_rax, EBADF);
	CHECK(regs.r_rflags & PSL_C);
	regs.r_rax = 77;
	regs.r_rflags &= ~(u64)PSL_C;
	CHECK_EQ(PT(PT_SETREGS, pid, &regs, 0), 0);
	CHECK_EQ(PT(PT_TO_SCE, pid, 1, 0), 0);
	/* exit(9) becomes exit(11). */
	info = signal_stop(pid, SIGTRAP);
	CHECK_EQ(info.pl_syscall_code, SYS_exit);
	CHECK_EQ(PT(PT_GETREGS, pid, &regs, 0), 0);
	CHECK_EQ(regs.r_rax, SYS_exit);
	CHECK_EQ(regs.r_rdi, 9);
	regs.r_rdi = 11;
	CHECK_EQ(PT(PT_SETREGS, pid, &regs, 0), 0);
	go_on(pid, 0);
	CHECK_EQ(sys(SYS_wait4, pid, &status, 0, NULL), pid);
	CHECK_EQ(status, W_EXITCODE(11, 0));
}

TEST(event_masks)
{
	int pid, mask = -1;

	TRACED(pid, (void)0);
	CHECK_EQ(PT(PT_GET_EVENT_MASK, pid, &mask, sizeof(mask)), 0);
	CHECK_EQ(mask, PTRACE_EXEC);
	CHECK_ERR(PT(PT_GET_EVENT_MASK, pid, &mask, 8), EINVAL);
	mask = 0x1000;
	CHECK_ERR(PT(PT_SET_EVENT_MASK, pid, &mask, sizeof(mask)), EINVAL);
	mask = PTRACE_LWP | PTRACE_FORK;
	CHECK_EQ(PT(PT_SET_EVENT_MASK, pid, &mask, sizeof(mask)), 0);
	CHECK_EQ(PT(PT_LWP_EVENTS, pid, 0, 0), 0);
	CHECK_EQ(PT(PT_GET_EVENT_MASK, pid, &mask, sizeof(mask)), 0);
	CHECK_EQ(mask, PTRACE_FORK);
	go_on(pid, 0);
	ends(pid, 0);
}

TEST(attach_and_detach)
{
	struct ptrace_lwpinfo info;
	struct kinfo_proc about;
	int mib[] = { CTL_KERN, KERN_PROC, KERN_PROC_PID, 0 }, pipes[2], status;
	size_t size = sizeof(about);
	char c;

	CHECK_EQ(sys(SYS_pipe2, pipes, 0), 0);
	int pid = guest_fork();
	if (pid == 0) {
		CHECK_EQ(sys(SYS_close, pipes[1]), 0);
		CHECK_EQ(sys(SYS_read, pipes[0], &c, 1), 1);
		guest_exit(6);
	}
	guest_sleep_ms(20);
	CHECK_ERR(PT(PT_CONTINUE, pid, 1, 0), EPERM);
	CHECK_EQ(PT(PT_ATTACH, pid, 0, 0), 0);
	CHECK_ERR(PT(PT_ATTACH, pid, 0, 0), EBUSY);
	attached(pid);
	mib[3] = pid;
	CHECK_EQ(sys(SYS___sysctl, mib, 4, &about, &size, NULL, 0), 0);
	CHECK_EQ(about.ki_flag & P_TRACED, P_TRACED);
	CHECK_EQ(about.ki_tracer, sys(SYS_getpid));
	CHECK_EQ(about.ki_stat, SSTOP);
	CHECK_EQ(PT(PT_DETACH, pid, 1, 0), 0);
	CHECK_ERR(PT(PT_LWPINFO, pid, &info, sizeof(info)), EPERM);
	/* Once more, and let go with a stop, which is now one of job control. */
	CHECK_EQ(PT(PT_ATTACH, pid, 0, 0), 0);
	attached(pid);
	if (GUEST_RELEASE >= 15) {
		go_on(pid, 0);
		CHECK_EQ(sys(SYS_kill, pid, SIGSTOP), 0);
		signal_stop(pid, SIGSTOP);	/* one that a thread has got, and may have back */
	}
	CHECK_EQ(PT(PT_DETACH, pid, 1, SIGSTOP), 0);
	CHECK_EQ(sys(SYS_wait4, pid, &status, WUNTRACED, NULL), pid);
	CHECK_EQ(status, W_STOPCODE(SIGSTOP));
	CHECK_EQ(sys(SYS_kill, pid, SIGCONT), 0);
	CHECK_EQ(sys(SYS_write, pipes[1], "x", 1), 1);
	ends(pid, 6);
}

/* One that blocks all signals and waits for them all stops, and what it waits for comes to it afterwards. */
TEST(attach_to_who_waits_for_signals)
{
	u32 all[4] = { ~0u, ~0u, ~0u, ~0u };
	int got = 0, status;

	int pid = guest_fork();
	if (pid == 0) {
		CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, all, NULL), 0);
		/* EINTR is what FreeBSD says to one that was attached to; libc asks again. */
		while (sys(SYS_sigwait, all, &got) == EINTR)
			;
		guest_exit(got);
	}
	guest_sleep_ms(20);
	CHECK_EQ(PT(PT_ATTACH, pid, 0, 0), 0);
	CHECK_EQ(sys(SYS_wait4, pid, &status, 0, NULL), pid);
	CHECK_EQ(status, W_STOPCODE(SIGSTOP));
	CHECK_EQ(PT(PT_DETACH, pid, 1, 0), 0);
	guest_sleep_ms(20);
	CHECK_EQ(sys(SYS_kill, pid, SIGUSR1), 0);
	ends(pid, SIGUSR1);
}

/* Of many who want to trace it one may, and the others are told so. */
TEST(one_tracer_alone)
{
	int start[2], tried[2], over[2], others[4], traced, status;
	char c;

	for (int round = 0; round < 8; round++) {
		int pid = guest_fork();
		if (pid == 0)
			for (;;)
				guest_sleep_ms(1000);
		CHECK_EQ(sys(SYS_pipe2, start, 0), 0);
		CHECK_EQ(sys(SYS_pipe2, tried, 0), 0);
		CHECK_EQ(sys(SYS_pipe2, over, 0), 0);
		for (size_t i = 0; i < nitems(others); i++) {
			others[i] = guest_fork();
			if (others[i] != 0)
				continue;
			CHECK_EQ(sys(SYS_close, start[1]), 0);
			CHECK_EQ(sys(SYS_close, over[1]), 0);
			CHECK_EQ(sys(SYS_read, start[0], &c, 1), 0);
			long result = PT(PT_ATTACH, pid, 0, 0);
			CHECK_EQ(sys(SYS_write, tried[1], "x", 1), 1);
			if (result != 0) {
				CHECK_EQ(result, -EBUSY);
				guest_exit(1);
			}
			attached(pid);
			CHECK_EQ(sys(SYS_read, over[0], &c, 1), 0);
			CHECK_EQ(PT(PT_DETACH, pid, 1, 0), 0);
			guest_exit(0);
		}
		CHECK_EQ(sys(SYS_close, start[1]), 0);
		for (size_t i = 0; i < nitems(others); i++)
			CHECK_EQ(sys(SYS_read, tried[0], &c, 1), 1);
		CHECK_EQ(sys(SYS_close, over[1]), 0);
		traced = 0;
		for (size_t i = 0; i < nitems(others); i++) {
			status = guest_wait(others[i]);
			CHECK(WIFEXITED(status));
			traced += WEXITSTATUS(status) == 0;
		}
		CHECK_EQ(traced, 1);
		CHECK_EQ(sys(SYS_kill, pid, SIGKILL), 0);
		CHECK_EQ(sys(SYS_wait4, pid, &status, 0, NULL), pid);
		CHECK_EQ(sys(SYS_close, start[0]), 0);
		CHECK_EQ(sys(SYS_close, tried[0]), 0);
		CHECK_EQ(sys(SYS_close, tried[1]), 0);
		CHECK_EQ(sys(SYS_close, over[0]), 0);
	}
}

/* A fault's signal that is blocked is so no more, and stops it; one that is sent waits. */
TEST(a_step_while_sigtrap_is_blocked)
{
	sigset_t set = { { 1 << (SIGTRAP - 1) } }, was;
	int pid;

	TRACED(pid, {
		CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &set, NULL), 0);
		CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGTRAP), 0);
		CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGUSR1), 0);
		CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, NULL, &was), 0);
		guest_exit(was.__bits[0] & 1 << (SIGTRAP - 1) ? 1 : 8);
	});
	go_on(pid, 0);
	signal_stop(pid, SIGUSR1);
	CHECK_EQ(PT(PT_STEP, pid, 1, 0), 0);
	signal_stop(pid, SIGTRAP);
	go_on(pid, 0);
	signal_stop(pid, SIGTRAP);		/* the one that was sent, which nothing blocks now */
	go_on(pid, 0);
	ends(pid, 8);
}

static volatile int running;

static void
sleep_on(void *unused)
{
	(void)unused;
	__atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
	for (;;)
		guest_sleep_ms(5);
}

/* A process that was let go and is traced again at once, while its threads are still waking. */
TEST(attached_again_and_again)
{
	static struct guest_thread many[12];
	struct reg regs;
	lwpid_t lwps[16];
	int ready[2];
	char c;

	CHECK_EQ(sys(SYS_pipe2, ready, 0), 0);
	int pid = guest_fork();
	if (pid == 0) {
		for (size_t i = 0; i < nitems(many); i++)
			guest_thread_start(&many[i], sleep_on, NULL);
		while (running < (int)nitems(many))
			sys(SYS_sched_yield);
		CHECK_EQ(sys(SYS_write, ready[1], "x", 1), 1);
		sleep_on(NULL);
	}
	CHECK_EQ(sys(SYS_read, ready[0], &c, 1), 1);
	for (int i = 0; i < 60; i++) {
		CHECK_EQ(PT(PT_ATTACH, pid, 0, 0), 0);
		attached(pid);
		CHECK_EQ(PT(PT_GETLWPLIST, pid, lwps, nitems(lwps)), nitems(many) + 1);
		for (size_t j = 0; j <= nitems(many); j++) {
			CHECK_EQ(PT(PT_GETREGS, lwps[j], &regs, 0), 0);
			CHECK_NE(regs.r_rip, 0);
		}
		CHECK_EQ(PT(PT_DETACH, pid, 1, 0), 0);
	}
	CHECK_EQ(sys(SYS_kill, pid, SIGKILL), 0);
	CHECK_EQ(WTERMSIG(guest_wait(pid)), SIGKILL);
}

/* A grandchild, which is nobody's zombie for us: its end comes by the tracer's wait, and its parent's only then. */
TEST(a_stranger_s_end)
{
	int to[2], from[2], pid = 0, status;
	char c = 0;

	CHECK_EQ(sys(SYS_pipe2, to, 0), 0);
	CHECK_EQ(sys(SYS_pipe2, from, 0), 0);
	int parent = guest_fork();
	if (parent == 0) {
		int child = guest_fork();
		if (child == 0) {
			CHECK_EQ(sys(SYS_read, to[0], &c, 1), 1);
			guest_exit(13);
		}
		CHECK_EQ(sys(SYS_write, from[1], &child, sizeof(child)), sizeof(child));
		ends(child, 13);
		guest_exit(1);
	}
	CHECK_EQ(sys(SYS_read, from[0], &pid, sizeof(pid)), sizeof(pid));
	CHECK_EQ(PT(PT_ATTACH, pid, 0, 0), 0);
	attached(pid);
	go_on(pid, 0);
	CHECK_EQ(sys(SYS_write, to[1], "x", 1), 1);
	CHECK_EQ(sys(SYS_wait4, pid, &status, 0, NULL), pid);
	CHECK_EQ(status, W_EXITCODE(13, 0));
	ends(parent, 1);
}

TEST(forks_are_followed)
{
	struct ptrace_lwpinfo info;
	int pid, child = 0, status;

	TRACED(pid, {
		int own = guest_fork();
		if (own == 0)
			guest_exit(21);
		guest_exit(WEXITSTATUS(guest_wait(own)) == 21 ? 22 : 23);
	});
	CHECK_EQ(PT(PT_FOLLOW_FORK, pid, 0, 1), 0);
	go_on(pid, 0);
	for (int i = 0; i < 2; i++) {
		int who = (int)sys(SYS_wait4, -1, &status, 0, NULL);
		CHECK(WIFSTOPPED(status));
		CHECK_EQ(PT(PT_LWPINFO, who, &info, sizeof(info)), 0);
		if (who == pid) {
			CHECK_EQ(WSTOPSIG(status), SIGTRAP);
			CHECK_EQ(info.pl_flags & (PL_FLAG_FORKED | PL_FLAG_SCX), PL_FLAG_FORKED | PL_FLAG_SCX);
			CHECK(child == 0 || child == info.pl_child_pid);
			child = info.pl_child_pid;
		} else {
			CHECK_EQ(WSTOPSIG(status), SIGSTOP);
			CHECK_EQ(info.pl_flags & PL_FLAG_CHILD, PL_FLAG_CHILD);
			CHECK(child == 0 || child == who);
			child = who;
		}
		CHECK_EQ(info.pl_syscall_code, SYS_fork);
	}
	go_on(pid, 0);
	go_on(child, 0);
	CHECK_EQ(sys(SYS_wait4, -1, &status, 0, NULL), child);
	CHECK_EQ(status, W_EXITCODE(21, 0));
	ends(pid, 22);
}

HELPER(executed)
{
	guest_exit(31);
}

TEST(exec_stops_before_the_first_instruction)
{
	struct ptrace_lwpinfo info;
	struct reg regs;
	const char *argv[] = { guest_argv[0], "@executed", NULL };
	int pid, mask = 0;

	for (int i = 0; i < 2; i++) {
		TRACED(pid, sys(SYS_execve, argv[0], argv, NULL));
		if (i == 1)
			CHECK_EQ(PT(PT_SET_EVENT_MASK, pid, &mask, sizeof(mask)), 0);
		go_on(pid, 0);
		if (i == 0) {
			info = signal_stop(pid, SIGTRAP);
			CHECK_EQ(info.pl_flags & (PL_FLAG_EXEC | PL_FLAG_SCX), PL_FLAG_EXEC | PL_FLAG_SCX);
			CHECK_EQ(PT(PT_GETREGS, pid, &regs, 0), 0);
			CHECK_EQ(regs.r_rdi & 7, 0);
			CHECK_EQ((int)PT(PT_READ_D, pid, regs.r_rdi, 0), 2);	/* argc */
			go_on(pid, 0);
		}
		ends(pid, 31);
	}
}

static void
compute(void *argument)
{
	volatile int *stop = argument;

	__atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
	while (*stop == 0)
		sys(SYS_sched_yield);
}

TEST(threads)
{
	static volatile int stop;
	struct ptrace_lwpinfo info;
	lwpid_t lwps[4] = { 0 };
	int pid;

	TRACED(pid, {
		static struct guest_thread one, two;
		guest_thread_start(&one, compute, (void *)&stop);
		guest_thread_start(&two, compute, (void *)&stop);
		while (running < 2)
			sys(SYS_sched_yield);
		sys(SYS_kill, sys(SYS_getpid), SIGUSR1);
		stop = 1;
		guest_thread_join(&one);
		guest_thread_join(&two);
		guest_exit(17);
	});
	CHECK_EQ(PT(PT_GETNUMLWPS, pid, 0, 0), 1);
	CHECK_EQ(PT(PT_LWP_EVENTS, pid, 0, 1), 0);
	go_on(pid, 0);
	for (int i = 0; i < 2; i++) {
		info = signal_stop(pid, SIGTRAP);
		CHECK_EQ(info.pl_flags & PL_FLAG_BORN, PL_FLAG_BORN);
		go_on(pid, 0);
	}
	signal_stop(pid, SIGUSR1);
	CHECK_EQ(PT(PT_GETNUMLWPS, pid, 0, 0), 3);
	CHECK_EQ(PT(PT_GETLWPLIST, pid, lwps, 2), 2);
	CHECK_EQ(PT(PT_GETLWPLIST, pid, lwps, 4), 3);
	CHECK_ERR(PT(PT_GETLWPLIST, pid, lwps, 0), EINVAL);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(PT(PT_LWPINFO, lwps[i], &info, sizeof(info)), 0);
		CHECK_EQ(info.pl_lwpid, lwps[i]);
		CHECK_NE(info.pl_lwpid, pid);
		for (int j = 0; j < i; j++)
			CHECK_NE(lwps[i], lwps[j]);
	}
	CHECK_EQ(PT(PT_SUSPEND, lwps[1], 0, 0), 0);
	CHECK_EQ(PT(PT_LWP_EVENTS, pid, 0, 0), 0);
	go_on(pid, 0);
	guest_sleep_ms(30);
	/* It waits for the one that is suspended. */
	int status;
	CHECK_EQ(sys(SYS_wait4, pid, &status, WNOHANG, NULL), 0);
	CHECK_EQ(sys(SYS_kill, pid, SIGSTOP), 0);
	signal_stop(pid, SIGSTOP);
	CHECK_EQ(PT(PT_RESUME, lwps[1], 0, 0), 0);
	go_on(pid, 0);
	ends(pid, 17);
}

TEST(maps)
{
	struct ptrace_vm_entry entry;
	char path[MAXPATHLEN];
	int pid, found = 0, named = 0;
	long stamp;

	TRACED(pid, (void)0);
	stamp = PT(PT_VM_TIMESTAMP, pid, 0, 0);
	CHECK(stamp >= 0);
	memset(&entry, 0, sizeof(entry));
	for (;;) {
		entry.pve_path = path;
		entry.pve_pathlen = sizeof(path);
		long result = PT(PT_VM_ENTRY, pid, &entry, 0);
		if (result == -ENOENT)
			break;
		CHECK_EQ(result, 0);
		CHECK(entry.pve_end > entry.pve_start);
		if (entry.pve_start <= (u64)answer && (u64)answer <= entry.pve_end) {
			found++;
			named += entry.pve_pathlen > 1;
			CHECK(entry.pve_prot & PROT_EXEC);
		}
		/* Nothing of what is not FreeBSD's. */
		CHECK(entry.pve_start < 0x6ffff0000000 || entry.pve_start >= 0x701030800000);
	}
	CHECK_EQ(found, 1);
	CHECK_EQ(named, 1);
	entry.pve_entry = 0;
	entry.pve_path = path;
	entry.pve_pathlen = 1;
	CHECK_ERR(PT(PT_VM_ENTRY, pid, 8, 0), EFAULT);
	go_on(pid, 0);
	ends(pid, 0);
}

TEST(wrong_requests)
{
	struct ptrace_lwpinfo info;
	struct ptrace_io_desc io;
	struct reg regs;
	int pid, me = (int)sys(SYS_getpid), word = 0;

	CHECK_ERR(PT(PT_ATTACH, me, 0, 0), EINVAL);
	CHECK_ERR(PT(PT_ATTACH, 0x7fffff00, 0, 0), ESRCH);
	CHECK_ERR(PT(PT_CONTINUE, 0x7fffff00, 1, 0), ESRCH);
	CHECK_ERR(PT(PT_CONTINUE, me, 1, 0), EPERM);
	CHECK_ERR(PT(PT_LWPINFO, -1, &info, sizeof(info)), ESRCH);
	pid = guest_fork();
	if (pid == 0)
		guest_exit(0);
	siginfo_t dead;
	CHECK_EQ(sys(SYS_wait6, P_PID, pid, NULL, WEXITED | WNOWAIT, NULL, &dead), pid);
	CHECK_ERR(PT(PT_ATTACH, pid, 0, 0), ESRCH);
	CHECK_ERR(PT(PT_CONTINUE, pid, 1, 0), ESRCH);
	ends(pid, 0);

	TRACED(pid, {
		CHECK_ERR(PT(PT_TRACE_ME, 0, 0, 0), EBUSY);
		guest_exit(2);
	});
	int other = guest_fork();
	if (other == 0) {
		CHECK_ERR(PT(PT_ATTACH, pid, 0, 0), EBUSY);
		CHECK_ERR(PT(PT_CONTINUE, pid, 1, 0), EBUSY);
		guest_exit(0);
	}
	ends(other, 0);
	CHECK_ERR(PT(999, pid, 0, 0), EINVAL);
	CHECK_ERR(PT(PT_CONTINUE, pid, 1, 129), EINVAL);
	CHECK_ERR(PT(PT_CONTINUE, pid, 1, -1), EINVAL);
	CHECK_ERR(PT(PT_LWPINFO, pid, &info, 0), EINVAL);
	CHECK_ERR(PT(PT_LWPINFO, pid, &info, sizeof(info) + 1), EINVAL);
	CHECK_ERR(PT(PT_LWPINFO, pid, 8, sizeof(info)), EFAULT);
	CHECK_ERR(PT(PT_GETREGS, pid, 8, 0), EFAULT);
	CHECK_ERR(PT(PT_SETREGS, pid, 8, 0), EFAULT);
	CHECK_ERR(PT(PT_IO, pid, 8, 0), EFAULT);
	io.piod_op = 9;
	io.piod_offs = &word;
	io.piod_addr = &word;
	io.piod_len = 4;
	CHECK_ERR(PT(PT_IO, pid, &io, 0), EINVAL);
	io.piod_op = PIOD_READ_D;
	io.piod_len = (size_t)-1;
	CHECK_ERR(PT(PT_IO, pid, &io, 0), EINVAL);
	io.piod_len = 4;
	io.piod_offs = (void *)8;
	CHECK_ERR(PT(PT_IO, pid, &io, 0), EFAULT);
	io.piod_offs = (void *)0x6ffff0000000;
	CHECK_ERR(PT(PT_IO, pid, &io, 0), EFAULT);
	io.piod_offs = &word;
	io.piod_addr = (void *)8;
	CHECK_ERR(PT(PT_IO, pid, &io, 0), EFAULT);
	CHECK_ERR(PT(PT_READ_D, pid, 8, 0), ENOMEM);
	CHECK_ERR(PT(PT_WRITE_D, pid, 8, 0), ENOMEM);
	/* A place to go on where no code is. */
	CHECK_EQ(PT(PT_GETREGS, pid, &regs, 0), 0);
	CHECK_EQ(PT(PT_CONTINUE, pid, 0x6ffff0000000, 0), 0);
	CHECK_ERR(PT(PT_GETREGS, pid, &regs, 0), EBUSY);
	struct ptrace_lwpinfo fault;
	int status;
	CHECK_EQ(sys(SYS_wait4, pid, &status, 0, NULL), pid);
	CHECK(WIFSTOPPED(status));
	CHECK(WSTOPSIG(status) == SIGSEGV || WSTOPSIG(status) == SIGBUS);
	CHECK_EQ(PT(PT_LWPINFO, pid, &fault, sizeof(fault)), 0);
	CHECK_EQ(PT(PT_SETREGS, pid, &regs, 0), 0);
	go_on(pid, 0);
	ends(pid, 2);
}

/* Its tracer ends, and a tracee with it. */
TEST(the_tracer_s_end)
{
	int pipes[2], pid = 0;
	char c;

	for (int i = 0; i < 4; i++) {
		CHECK_EQ(sys(SYS_pipe2, pipes, 0), 0);
		int tracer = guest_fork();
		if (tracer == 0) {
			TRACED(pid, for (;;) guest_sleep_ms(1000));
			if (i >= 2)
				go_on(pid, 0);
			CHECK_EQ(sys(SYS_write, pipes[1], "x", 1), 1);
			if (i & 1)
				sys(SYS_kill, sys(SYS_getpid), SIGKILL);
			guest_exit(0);
		}
		CHECK_EQ(sys(SYS_close, pipes[1]), 0);
		CHECK_EQ(sys(SYS_read, pipes[0], &c, 1), 1);
		guest_wait(tracer);
		CHECK_EQ(sys(SYS_read, pipes[0], &c, 1), 0);	/* nobody has it open any more */
		CHECK_EQ(sys(SYS_close, pipes[0]), 0);
	}
}
