/* procctl, process descriptors, scheduling, processor sets, and small calls about processes. */
#include "guest.h"
#include <sys/cpuset.h>
#include <sys/procctl.h>
#include <sys/procdesc.h>
#include <sys/rtprio.h>
#include <sys/sched.h>
#include <sys/sysctl.h>
#include <sys/uuid.h>
#include <sys/domainset.h>

static void
nap(void)
{
	for (;;)
		guest_sleep_ms(1000);
}

/* An orphan comes to the reaper, which sees it, can signal it, and waits for it. */
TEST(reaper)
{
	struct procctl_reaper_status status;
	struct procctl_reaper_pidinfo info[8];
	struct procctl_reaper_pids pids = { .rp_count = 8, .rp_pids = info };
	struct procctl_reaper_kill kill = { .rk_sig = SIGKILL };
	int me = (int)sys(SYS_getpid), word, ends[2], orphan;

	CHECK_EQ(sys(SYS_procctl, P_PID, 0, PROC_REAP_STATUS, &status), 0);
	CHECK_EQ(status.rs_flags & REAPER_STATUS_OWNED, 0);
	CHECK_ERR(sys(SYS_procctl, P_PID, me, PROC_REAP_RELEASE, NULL), EINVAL);
	CHECK_EQ(sys(SYS_procctl, P_PID, me, PROC_REAP_ACQUIRE, NULL), 0);
	CHECK_ERR(sys(SYS_procctl, P_PID, me, PROC_REAP_ACQUIRE, NULL), EBUSY);
	CHECK_EQ(sys(SYS_procctl, P_PID, 0, PROC_REAP_STATUS, &status), 0);
	CHECK_EQ(status.rs_flags & REAPER_STATUS_OWNED, REAPER_STATUS_OWNED);
	CHECK_EQ(status.rs_reaper, me);
	CHECK_EQ(status.rs_children, 0);
	CHECK_EQ(status.rs_descendants, 0);
	CHECK_EQ(status.rs_pid, -1);

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	int child = guest_fork();
	if (child == 0) {
		int grandchild = guest_fork();
		if (grandchild == 0)
			nap();
		CHECK_EQ(sys(SYS_write, ends[1], &grandchild, 4), 4);
		nap();
	}
	CHECK_EQ(sys(SYS_read, ends[0], &orphan, 4), 4);
	CHECK_EQ(sys(SYS_procctl, P_PID, me, PROC_REAP_STATUS, &status), 0);
	CHECK_EQ(status.rs_children, 1);
	CHECK_EQ(status.rs_descendants, 2);
	CHECK_EQ(status.rs_pid, child);
	memset(info, 0, sizeof(info));
	CHECK_EQ(sys(SYS_procctl, P_PID, me, PROC_REAP_GETPIDS, &pids), 0);
	int seen = 0;
	for (int i = 0; i < 8 && (info[i].pi_flags & REAPER_PIDINFO_VALID) != 0; i++) {
		CHECK_EQ(info[i].pi_subtree, child);
		if (info[i].pi_pid == child) {
			seen |= 1;
			CHECK((info[i].pi_flags & REAPER_PIDINFO_CHILD) != 0);
		}
		if (info[i].pi_pid == orphan) {
			seen |= 2;
			CHECK((info[i].pi_flags & REAPER_PIDINFO_CHILD) == 0);
		}
	}
	CHECK_EQ(seen, 3);
	CHECK_EQ(sys(SYS_kill, child, SIGKILL), 0);
	CHECK_EQ(WTERMSIG(guest_wait(child)), SIGKILL);
	/* Now ours. */
	CHECK_EQ(sys(SYS_procctl, P_PID, me, PROC_REAP_KILL, &kill), 0);
	CHECK_EQ(kill.rk_killed, 1);
	CHECK_EQ(sys(SYS_wait4, -1, &word, 0, NULL), orphan);
	CHECK_EQ(WTERMSIG(word), SIGKILL);
	CHECK_ERR(sys(SYS_procctl, P_PID, me, PROC_REAP_KILL, &kill), ESRCH);
	kill.rk_sig = 0;
	CHECK_ERR(sys(SYS_procctl, P_PID, me, PROC_REAP_KILL, &kill), EINVAL);
	CHECK_EQ(sys(SYS_procctl, P_PID, me, PROC_REAP_RELEASE, NULL), 0);
}

HELPER(status_after_exec)
{
	struct procctl_reaper_status st;
	long parent = sys(SYS_getppid);

	CHECK_EQ(sys(SYS_procctl, P_PID, parent, PROC_REAP_STATUS, &st), 0);
	CHECK_EQ(st.rs_flags & (REAPER_STATUS_OWNED | REAPER_STATUS_REALINIT), REAPER_STATUS_OWNED);
	guest_exit(0);
}

/* Of another process, and of one that is no reaper: its reaper's. */
TEST(reaper_of_others)
{
	struct procctl_reaper_status st;
	struct procctl_reaper_pidinfo info[8];
	struct procctl_reaper_pids pids = { .rp_count = nitems(info), .rp_pids = info };
	const char *argv[] = { guest_argv[0], "@status_after_exec", NULL };
	int ends[2], grandchild = 0;
	char c;

	int parent = (int)sys(SYS_getpid);
	CHECK_EQ(sys(SYS_procctl, P_PID, 0, PROC_REAP_ACQUIRE, NULL), 0);
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	int child = guest_fork();
	if (child == 0) {
		int me = (int)sys(SYS_getpid);
		for (int i = 0; i < 2; i++) {
			CHECK_EQ(sys(SYS_procctl, P_PID, i == 0 ? parent : me, PROC_REAP_STATUS, &st), 0);
			CHECK_EQ(st.rs_flags & (REAPER_STATUS_OWNED | REAPER_STATUS_REALINIT), i == 0 ? REAPER_STATUS_OWNED : 0);
			CHECK_EQ(st.rs_reaper, parent);
			CHECK_EQ(st.rs_children, 1);
			CHECK_EQ(st.rs_descendants, 1);
			CHECK_EQ(st.rs_pid, me);
		}
		CHECK_ERR(sys(SYS_procctl, P_PID, parent, PROC_REAP_RELEASE, NULL), EPERM);
		grandchild = guest_fork();
		if (grandchild == 0) {
			CHECK_EQ(sys(SYS_close, ends[1]), 0);
			sys(SYS_read, ends[0], &c, 1);
			nap();
		}
		CHECK_EQ(sys(SYS_write, ends[1], &grandchild, sizeof(grandchild)), sizeof(grandchild));
		guest_exit(0);
	}
	CHECK_EQ(guest_wait(child), 0);
	/* The orphan is the reaper's now, and its subtree the one of the child that is gone. */
	memset(info, 0, sizeof(info));
	CHECK_EQ(sys(SYS_procctl, P_PID, parent, PROC_REAP_GETPIDS, &pids), 0);
	CHECK(info[0].pi_flags & REAPER_PIDINFO_VALID && info[0].pi_flags & REAPER_PIDINFO_CHILD);
	CHECK(!(info[1].pi_flags & REAPER_PIDINFO_VALID));
	CHECK_EQ(info[0].pi_subtree, child);
	CHECK_NE(info[0].pi_pid, child);
	CHECK_EQ(sys(SYS_kill, info[0].pi_pid, SIGKILL), 0);
	CHECK_EQ(WTERMSIG(guest_wait(info[0].pi_pid)), SIGKILL);
	/* kept over exec */
	IN_CHILD({
		CHECK_EQ(sys(SYS_procctl, P_PID, 0, PROC_REAP_ACQUIRE, NULL), 0);
		int reader = guest_fork();
		if (reader == 0) {
			sys(SYS_execve, guest_argv[0], argv, guest_envp);
			guest_exit(9);
		}
		CHECK_EQ(guest_wait(reader), 0);
	});
	CHECK_ERR(sys(SYS_procctl, P_PID, 0x3ffffff, PROC_REAP_STATUS, &st), ESRCH);
}

TEST(reaper_kills_a_subtree)
{
	struct procctl_reaper_kill kill = { .rk_sig = SIGTERM, .rk_flags = REAPER_KILL_SUBTREE };
	int one, two, status;

	CHECK_EQ(sys(SYS_procctl, P_PID, 0, PROC_REAP_ACQUIRE, NULL), 0);
	if ((one = guest_fork()) == 0)
		nap();
	if ((two = guest_fork()) == 0)
		nap();
	kill.rk_subtree = one;
	CHECK_EQ(sys(SYS_procctl, P_PID, 0, PROC_REAP_KILL, &kill), 0);
	CHECK_EQ(kill.rk_killed, 1);
	CHECK_EQ(kill.rk_fpid, -1);
	CHECK_EQ(sys(SYS_wait4, -1, &status, 0, NULL), one);
	CHECK_EQ(WTERMSIG(status), SIGTERM);
	kill.rk_flags = 3;
	CHECK_ERR(sys(SYS_procctl, P_PID, 0, PROC_REAP_KILL, &kill), EINVAL);
	CHECK_EQ(sys(SYS_kill, two, SIGTERM), 0);
	CHECK_EQ(guest_wait(two), SIGTERM);
}

/* judge: policy, FreeBSD's reap_kill_children says ESRCH although it has sent the signal */
TEST(reaper_kills_its_children)
{
	struct procctl_reaper_kill kill = { .rk_sig = SIGTERM, .rk_flags = REAPER_KILL_CHILDREN };
	int one;

	CHECK_EQ(sys(SYS_procctl, P_PID, 0, PROC_REAP_ACQUIRE, NULL), 0);
	if ((one = guest_fork()) == 0)
		nap();
	CHECK_EQ(sys(SYS_procctl, P_PID, 0, PROC_REAP_KILL, &kill), 0);
	CHECK_EQ(kill.rk_killed, 1);
	CHECK_EQ(guest_wait(one), SIGTERM);
}

TEST(properties)
{
	int value = 77;

#define GET(command) ({ CHECK_EQ(sys(SYS_procctl, P_PID, 0, command, &value), 0); value; })
#define SET(command, to) (value = (to), sys(SYS_procctl, P_PID, 0, command, &value))
	CHECK_EQ(GET(PROC_TRACE_STATUS), 0);
	CHECK_EQ(SET(PROC_TRACE_CTL, PROC_TRACE_CTL_DISABLE), 0);
	CHECK_EQ(GET(PROC_TRACE_STATUS), -1);
	CHECK_EQ(SET(PROC_TRACE_CTL, PROC_TRACE_CTL_ENABLE), 0);
	CHECK_EQ(GET(PROC_TRACE_STATUS), 0);
	CHECK_ERR(SET(PROC_TRACE_CTL, 9), EINVAL);
	CHECK_EQ(GET(PROC_TRAPCAP_STATUS), PROC_TRAPCAP_CTL_DISABLE);
	CHECK_EQ(SET(PROC_TRAPCAP_CTL, PROC_TRAPCAP_CTL_ENABLE), 0);
	CHECK_EQ(GET(PROC_TRAPCAP_STATUS), PROC_TRAPCAP_CTL_ENABLE);
	CHECK_EQ(GET(PROC_ASLR_STATUS) & 7, PROC_ASLR_NOFORCE);
	CHECK_EQ(SET(PROC_ASLR_CTL, PROC_ASLR_FORCE_DISABLE), 0);
	/* beside PROC_ASLR_ACTIVE, which tells of this program's addresses */
	CHECK_EQ(GET(PROC_ASLR_STATUS) & 7, PROC_ASLR_FORCE_DISABLE);
	CHECK_ERR(SET(PROC_ASLR_CTL, 4), EINVAL);
	CHECK_EQ(GET(PROC_PROTMAX_STATUS), PROC_PROTMAX_NOFORCE);
	CHECK_EQ(GET(PROC_STACKGAP_STATUS), PROC_STACKGAP_ENABLE | PROC_STACKGAP_ENABLE_EXEC);
	CHECK_EQ(SET(PROC_STACKGAP_CTL, PROC_STACKGAP_DISABLE), 0);
	CHECK_EQ(GET(PROC_STACKGAP_STATUS), PROC_STACKGAP_DISABLE | PROC_STACKGAP_ENABLE_EXEC);
	CHECK_ERR(SET(PROC_STACKGAP_CTL, PROC_STACKGAP_ENABLE), EINVAL);
	CHECK_EQ(GET(PROC_WXMAP_STATUS), 0);
	CHECK_EQ(GET(PROC_PDEATHSIG_STATUS), 0);
	CHECK_EQ(SET(PROC_PDEATHSIG_CTL, SIGUSR1), 0);
	CHECK_EQ(GET(PROC_PDEATHSIG_STATUS), SIGUSR1);
	CHECK_ERR(SET(PROC_PDEATHSIG_CTL, 200), EINVAL);
	IN_CHILD({
		CHECK_EQ(GET(PROC_NO_NEW_PRIVS_STATUS), PROC_NO_NEW_PRIVS_DISABLE);
		CHECK_ERR(SET(PROC_NO_NEW_PRIVS_CTL, PROC_NO_NEW_PRIVS_DISABLE), EINVAL);
		CHECK_EQ(SET(PROC_NO_NEW_PRIVS_CTL, PROC_NO_NEW_PRIVS_ENABLE), 0);
		CHECK_EQ(GET(PROC_NO_NEW_PRIVS_STATUS), PROC_NO_NEW_PRIVS_ENABLE);
	});
	CHECK_ERR(sys(SYS_procctl, P_PID, 0, 99, &value), EINVAL);
	CHECK_ERR(sys(SYS_procctl, P_PID, 0, PROC_TRACE_CTL, 8), EFAULT);
	CHECK_ERR(sys(SYS_procctl, P_PID, 0x7ffffff0, PROC_TRACE_STATUS, &value), ESRCH);
	CHECK_ERR(sys(SYS_procctl, P_PGID, 0, PROC_ASLR_STATUS, &value), EINVAL);
}

/* The death of the parent is told. */
TEST(death_of_the_parent)
{
	int ends[2], value = SIGKILL;
	char c;

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	int middle = guest_fork();
	if (middle == 0) {
		if (guest_fork() == 0) {
			CHECK_EQ(sys(SYS_procctl, P_PID, 0, PROC_PDEATHSIG_CTL, &value), 0);
			CHECK_EQ(sys(SYS_write, ends[1], "r", 1), 1);
			nap();
		}
		CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 1);
		guest_exit(0);
	}
	CHECK_EQ(guest_wait(middle), 0);
	/* The last writer is gone with the grandchild. */
	CHECK_EQ(sys(SYS_close, ends[1]), 0);
	CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 0);
}

TEST(process_descriptor)
{
	int fd = -1, pid = 0, status;

	long child = CHECK_OK(sys(SYS_pdfork, &fd, 0));
	if (child == 0)
		nap();
	CHECK(fd >= 3);
	CHECK_EQ(sys(SYS_pdgetpid, fd, &pid), 0);
	CHECK_EQ(pid, child);
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFD, 0), 0);
	/* It does not come by itself, only by its number. */
	CHECK_ERR(sys(SYS_wait4, -1, &status, WNOHANG, NULL), ECHILD);
	CHECK_EQ(sys(SYS_wait4, child, &status, WNOHANG, NULL), 0);
	CHECK_EQ(sys(SYS_pdkill, fd, SIGTERM), 0);
	CHECK_EQ(sys(SYS_wait4, child, &status, 0, NULL), child);
	CHECK_EQ(WTERMSIG(status), SIGTERM);
	CHECK_ERR(sys(SYS_pdkill, fd, SIGTERM), ESRCH);
	CHECK_ERR(sys(SYS_pdgetpid, 1, &pid), EBADF);
	CHECK_ERR(sys(SYS_pdgetpid, 999, &pid), EBADF);
	CHECK_ERR(sys(SYS_pdkill, 999, SIGTERM), EBADF);
	CHECK_ERR(sys(SYS_pdfork, &fd, 0x80), EINVAL);
	child = CHECK_OK(sys(SYS_pdfork, &fd, PD_CLOEXEC | PD_DAEMON));
	if (child == 0)
		guest_exit(3);
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFD, 0), FD_CLOEXEC);
	CHECK_EQ(WEXITSTATUS(guest_wait((int)child)), 3);
}

/* Without RFFDG the child has the same descriptors, with RFCFDG none. */
TEST(rfork_descriptors)
{
	long pid = CHECK_OK(sys(SYS_rfork, RFPROC));
	if (pid == 0) {
		CHECK_OK(sys(SYS_open, "/dev/null", O_RDONLY, 0));
		guest_exit(0);
	}
	CHECK_EQ(guest_wait((int)pid), 0);
	CHECK_OK(sys(SYS_fcntl, 3, F_GETFD, 0));
	pid = CHECK_OK(sys(SYS_rfork, RFPROC | RFCFDG));
	if (pid == 0) {
		for (int fd = 0; fd < 10; fd++)
			if (sys(SYS_fcntl, fd, F_GETFD, 0) != -EBADF)
				guest_exit(1);
		guest_exit(0);
	}
	CHECK_EQ(guest_wait((int)pid), 0);
	CHECK_OK(sys(SYS_fcntl, 0, F_GETFD, 0));
	CHECK_ERR(sys(SYS_rfork, RFPROC | RFFDG | RFTSIGFLAGS(SIGUSR1)), EINVAL);
	CHECK_ERR(sys(SYS_rfork, RFPROC | RFFDG | RFTSIGZMB | RFTSIGFLAGS(200)), EINVAL);
}

static int beside[2];

/* Without RFPROC the process itself is changed: its descriptors are its own, or none (fork_norfproc). What it would share it has by itself. */
TEST(rfork_itself)
{
	static const int alone[] = { 0, RFMEM, RFTHREAD, RFSIGSHARE, RFNOWAIT, RFLINUXTHPN, RFTSIGZMB | RFTSIGFLAGS(SIGUSR1), RFFDG };

	for (size_t i = 0; i < nitems(alone); i++)
		CHECK_EQ(sys(SYS_rfork, alone[i]), 0);
	CHECK_ERR(sys(SYS_rfork, RFFDG | RFCFDG), EINVAL);
	CHECK_ERR(sys(SYS_rfork, RFTSIGFLAGS(SIGUSR1)), EINVAL);
	/* A child that shares them has its own from then on. */
	long pid = CHECK_OK(sys(SYS_rfork, RFPROC));
	if (pid == 0) {
		CHECK_EQ(sys(SYS_rfork, RFFDG), 0);
		CHECK_EQ(sys(SYS_close, 0), 0);
		guest_exit(0);
	}
	CHECK_EQ(guest_wait((int)pid), 0);
	CHECK_OK(sys(SYS_fcntl, 0, F_GETFD, 0));
	pid = guest_fork();
	if (pid == 0) {
		CHECK_EQ(sys(SYS_rfork, RFCFDG), 0);
		guest_exit(sys(SYS_fcntl, 0, F_GETFD, 0) == -EBADF && sys(SYS_fcntl, 2, F_GETFD, 0) == -EBADF ? 0 : 1);
	}
	CHECK_EQ(guest_wait((int)pid), 0);
}

/* judge: gap, a child with one of these shares memory or handlers with its parent, or ends with its peers (fork1) */
TEST(rfork_refused)
{
	static const int refused_[] = { RFMEM, RFMEM | RFSIGSHARE, RFMEM | RFTHREAD, RFMEM | RFFDG, RFSIGSHARE | RFFDG };

	for (size_t i = 0; i < nitems(refused_); i++)
		CHECK_ERR(sys(SYS_rfork, RFPROC | refused_[i]), EINVAL);
	CHECK_ERR(sys(SYS_wait4, -1, NULL, 0, NULL), ECHILD);
}

static void
unshares(void *argument)
{
	(void)argument;
	CHECK_EQ(sys(SYS_rfork, RFFDG), 0);
	CHECK_EQ(sys(SYS_pipe2, beside, 0), 0);
}

/* They are the process's, not the thread's. */
TEST(rfork_of_a_thread)
{
	static struct guest_thread thread;
	char c;

	guest_thread_start(&thread, unshares, NULL);
	guest_thread_join(&thread);
	CHECK_EQ(sys(SYS_write, beside[1], "x", 1), 1);
	CHECK_EQ(sys(SYS_read, beside[0], &c, 1), 1);
}

static volatile int got_signal;

static void
on_signal(int signo, siginfo_t *info, void *context)
{
	(void)info, (void)context;
	got_signal = signo;
}

static volatile int child_signals;

static void
note_child_signal(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)context;
	CHECK_EQ(info->si_code, SI_KERNEL);
	child_signals++;
}

TEST(rfork_exit_signal)
{
	guest_handle(SIGUSR1, on_signal, 0);
	/* Another signal than SIGCHLD: not found by -1. */
	long pid = CHECK_OK(sys(SYS_rfork, RFPROC | RFFDG | RFTSIGZMB | RFTSIGFLAGS(SIGUSR1)));
	if (pid == 0)
		guest_exit(9);
	for (int i = 0; i < 500 && got_signal == 0; i++)
		guest_sleep_ms(10);
	CHECK_EQ(got_signal, SIGUSR1);
	CHECK_ERR(sys(SYS_wait4, -1, NULL, WNOHANG, NULL), ECHILD);
	CHECK_ERR(sys(SYS_wait4, pid, NULL, 0, NULL), ECHILD);		/* not by its number either: kern_exit.c, proc_to_reap */
	int status = 0;
	CHECK_EQ(sys(SYS_wait4, pid, &status, WLINUXCLONE, NULL), pid);
	CHECK_EQ(WEXITSTATUS(status), 9);
}

static volatile int told_code, told_pid, told_count;

static void
on_told(int signo, siginfo_t *info, void *context)
{
	(void)context;
	got_signal = signo;
	told_code = info->si_code;
	told_pid = info->si_pid;
	told_count++;
}

/* The exit status of a child that ends with another signal than SIGCHLD. */
static int
wait_apart(long pid)
{
	int status = 0;
	long got;

	do
		got = sys(SYS_wait4, pid, &status, WLINUXCLONE, NULL);
	while (got == -EINTR);
	CHECK_EQ(got, pid);
	return (WEXITSTATUS(status));
}

/* A signal that is otherwise one of faults is none when it comes from the end of a child (exit1 in kern_exit.c:
 * kern_psignal, that is SI_KERNEL), wherever the parent is then. */
/* A child that ends with SIGUSR1, and is waited for with WLINUXCLONE alone. */
TEST(rfork_linux_thread)
{
	int status;

	guest_handle(SIGUSR1, note_child_signal, 0);
	long pid = CHECK_OK(sys(SYS_rfork, RFPROC | RFFDG | RFLINUXTHPN));
	if (pid == 0)
		guest_exit(3);
	for (int i = 0; i < 2000 && child_signals == 0; i++)
		guest_sleep_ms(1);
	CHECK_EQ(child_signals, 1);
	CHECK_ERR(sys(SYS_wait4, -1, &status, WNOHANG, NULL), ECHILD);
	CHECK_EQ(sys(SYS_wait4, -1, &status, WLINUXCLONE, NULL), pid);
	CHECK_EQ(status, 3 << 8);
}

TEST(rfork_exit_signal_of_faults)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGUSR2 };

	for (int i = 0; i < 60; i++) {
		int signo = signals[i % 6];

		guest_handle(signo, on_told, 0);
		got_signal = 0;
		told_count = 0;
		long pid = CHECK_OK(sys(SYS_rfork, RFPROC | RFFDG | RFTSIGZMB | RFTSIGFLAGS(signo)));
		if (pid == 0)
			guest_exit(9);
		for (long until = guest_now_ms() + 10000; got_signal == 0 && guest_now_ms() < until;)
			CHECK_OK(i & 1 ? sys(SYS_getppid) : sys(SYS_issetugid));
		CHECK_EQ(got_signal, signo);
		CHECK_EQ(told_code, SI_KERNEL);
		CHECK_EQ(told_pid, 0);
		CHECK_EQ(told_count, 1);
		CHECK_EQ(wait_apart(pid), 9);
	}
	/* Blocked, it waits; without a handler it ends the parent. */
	IN_CHILD({
		sigset_t all = { { ~0U, ~0U, ~0U, ~0U } }, none = { { 0 } };
		CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &all, NULL), 0);
		guest_handle(SIGSEGV, on_told, 0);
		got_signal = 0;
		int pid = (int)CHECK_OK(sys(SYS_rfork, RFPROC | RFFDG | RFTSIGZMB | RFTSIGFLAGS(SIGSEGV)));
		if (pid == 0)
			guest_exit(9);
		CHECK_EQ(wait_apart(pid), 9);
		CHECK_EQ(got_signal, 0);
		CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &none, NULL), 0);
		CHECK_EQ(got_signal, SIGSEGV);
	});
}

TEST(scheduling)
{
	struct sched_param param = { 77 };
	struct timespec t;

	CHECK_EQ(sys(SYS_sched_getscheduler, 0), SCHED_OTHER);
	CHECK_EQ(sys(SYS_sched_getparam, 0, &param), 0);
	CHECK_NE(param.sched_priority, 77);
	CHECK_EQ(sys(SYS_sched_get_priority_max, SCHED_FIFO), 31);
	CHECK_EQ(sys(SYS_sched_get_priority_min, SCHED_FIFO), 0);
	CHECK_EQ(sys(SYS_sched_get_priority_max, SCHED_RR), 31);
	CHECK_ERR(sys(SYS_sched_get_priority_max, 9), EINVAL);
	CHECK_ERR(sys(SYS_sched_get_priority_min, 0), EINVAL);
	CHECK_EQ(sys(SYS_sched_rr_get_interval, 0, &t), 0);
	CHECK_BETWEEN(t.tv_nsec, 1, 999999999);
	CHECK_ERR(sys(SYS_sched_getscheduler, 0x7ffffff0), ESRCH);
	CHECK_ERR(sys(SYS_sched_getparam, 0, 8), EFAULT);
	CHECK_EQ(sys(SYS_sched_yield), 0);
	CHECK_EQ(sys(SYS_yield), 0);
	CHECK_EQ(sys(SYS_sched_setparam, 0, &param), 0);
	param.sched_priority = 224 - PUSER;
	CHECK_ERR(sys(SYS_sched_setparam, 0, &param), EINVAL);
	if (sys(SYS_geteuid) != 0) {
		CHECK_ERR(sys(SYS_sched_setscheduler, 0, SCHED_OTHER, &param), EPERM);
		return;
	}
	CHECK_ERR(sys(SYS_sched_setscheduler, 0, 9, &param), EINVAL);
	IN_CHILD({
		/* A container may be denied real time. */
		param.sched_priority = 5;
		long ret = sys(SYS_sched_setscheduler, 0, SCHED_RR, &param);
		if (ret != -EPERM) {
			CHECK_EQ(ret, 0);
			CHECK_EQ(sys(SYS_sched_getscheduler, 0), SCHED_RR);
			param.sched_priority = 0;
			CHECK_EQ(sys(SYS_sched_getparam, 0, &param), 0);
			CHECK_EQ(param.sched_priority, 5);
			struct rtprio rtp;
			CHECK_EQ(sys(SYS_rtprio, RTP_LOOKUP, 0, &rtp), 0);
			CHECK_EQ(rtp.type, RTP_PRIO_REALTIME);
			CHECK_EQ(rtp.prio, 26);
			param.sched_priority = 32;
			CHECK_ERR(sys(SYS_sched_setscheduler, 0, SCHED_FIFO, &param), EINVAL);
		}
	});
}

TEST(rtprio)
{
	struct rtprio rtp = { 77, 77 };

	CHECK_EQ(sys(SYS_rtprio, RTP_LOOKUP, 0, &rtp), 0);
	CHECK_EQ(rtp.type, RTP_PRIO_NORMAL);
	CHECK_EQ(sys(SYS_rtprio_thread, RTP_LOOKUP, 0, &rtp), 0);
	CHECK_EQ(rtp.type, RTP_PRIO_NORMAL);
	CHECK_EQ(sys(SYS_rtprio, RTP_SET, 0, &rtp), 0);
	IN_CHILD({
		rtp.type = RTP_PRIO_IDLE;
		rtp.prio = 31;
		CHECK_EQ(sys(SYS_rtprio, RTP_SET, 0, &rtp), 0);
		CHECK_EQ(sys(SYS_rtprio, RTP_LOOKUP, 0, &rtp), 0);
		CHECK_EQ(rtp.type, RTP_PRIO_IDLE);
	});
	rtp.type = RTP_PRIO_IDLE, rtp.prio = 32;
	CHECK_ERR(sys(SYS_rtprio, RTP_SET, 0, &rtp), EINVAL);
	rtp.type = 99;
	CHECK_ERR(sys(SYS_rtprio, RTP_SET, 0, &rtp), EINVAL);
	CHECK_ERR(sys(SYS_rtprio, 7, 0, &rtp), EINVAL);
	CHECK_ERR(sys(SYS_rtprio, RTP_LOOKUP, 0, 8), EFAULT);
	CHECK_ERR(sys(SYS_rtprio, RTP_LOOKUP, 0x7ffffff0, &rtp), ESRCH);
}

static int
bits(const u8 *mask, size_t n)
{
	int count = 0;

	for (size_t i = 0; i < n; i++)
		count += __builtin_popcount(mask[i]);
	return (count);
}

TEST(processors)
{
	u8 mask[256], one[256], back[256];
	int ncpu = 0, set = -1, policy = 0;
	size_t n = sizeof(ncpu);

	memset(mask, 0xee, sizeof(mask));
	CHECK_EQ(sys(SYS_cpuset_getaffinity, CPU_LEVEL_WHICH, CPU_WHICH_PID, -1, 128, mask), 0);
	CHECK_EQ(mask[128], 0xee);
	int usable = bits(mask, 128);
	CHECK(usable >= 1);
	CHECK_EQ(sys(SYS___sysctlbyname, "hw.ncpu", 7, &ncpu, &n, NULL, 0), 0);
	CHECK(ncpu >= usable);
	/* A longer set is filled up, a set without room refused. */
	memset(mask, 0xee, sizeof(mask));
	CHECK_EQ(sys(SYS_cpuset_getaffinity, CPU_LEVEL_WHICH, CPU_WHICH_TID, -1, 256, mask), 0);
	CHECK_EQ(bits(mask, 256), usable);
	CHECK_ERR(sys(SYS_cpuset_getaffinity, CPU_LEVEL_WHICH, CPU_WHICH_PID, -1, 0, mask), ERANGE);
	CHECK_ERR(sys(SYS_cpuset_getaffinity, 9, CPU_WHICH_PID, -1, 128, mask), EINVAL);
	CHECK_ERR(sys(SYS_cpuset_getaffinity, CPU_LEVEL_WHICH, 99, -1, 128, mask), EINVAL);
	CHECK_ERR(sys(SYS_cpuset_getaffinity, CPU_LEVEL_WHICH, CPU_WHICH_PID, 0x7ffffff0, 128, mask), ESRCH);
	CHECK_ERR(sys(SYS_cpuset_getaffinity, CPU_LEVEL_WHICH, CPU_WHICH_PID, -1, 128, 8), EFAULT);
	/* Bound to the first one. */
	memset(one, 0, sizeof(one));
	for (int i = 0; i < 1024; i++)
		if (mask[i / 8] & 1 << i % 8) {
			one[i / 8] = (u8)(1 << i % 8);
			break;
		}
	IN_CHILD({
		CHECK_EQ(sys(SYS_cpuset_setaffinity, CPU_LEVEL_WHICH, CPU_WHICH_PID, -1, 128, one), 0);
		CHECK_EQ(sys(SYS_cpuset_getaffinity, CPU_LEVEL_WHICH, CPU_WHICH_TID, -1, 128, back), 0);
		CHECK(memcmp(one, back, 128) == 0);
		int cpu = (int)CHECK_OK(sys(SYS_sched_getcpu));
		CHECK((one[cpu / 8] & 1 << cpu % 8) != 0);
	});
	memset(one, 0, sizeof(one));
	CHECK_ERR(sys(SYS_cpuset_setaffinity, CPU_LEVEL_WHICH, CPU_WHICH_PID, -1, 128, one), EDEADLK);
	one[127] = 0x80;
	CHECK_ERR(sys(SYS_cpuset_setaffinity, CPU_LEVEL_WHICH, CPU_WHICH_PID, -1, 128, one), EINVAL);	/* not of its set */
	one[200] = 1;
	CHECK_ERR(sys(SYS_cpuset_setaffinity, CPU_LEVEL_WHICH, CPU_WHICH_PID, -1, 256, one), EINVAL);
	CHECK_EQ(sys(SYS_cpuset_getid, CPU_LEVEL_CPUSET, CPU_WHICH_PID, -1, &set), 0);
	CHECK_EQ(set, 1);
	CHECK_EQ(sys(SYS_cpuset_getid, CPU_LEVEL_ROOT, CPU_WHICH_PID, -1, &set), 0);
	CHECK_EQ(set, 0);
	CHECK_EQ(sys(SYS_cpuset, &set), 0);
	int again;
	CHECK_EQ(sys(SYS_cpuset_getid, CPU_LEVEL_CPUSET, CPU_WHICH_PID, -1, &again), 0);
	CHECK_EQ(set, again);
	CHECK_EQ(sys(SYS_cpuset_setid, CPU_WHICH_PID, -1, 1), 0);
	CHECK_ERR(sys(SYS_cpuset_setid, CPU_WHICH_PID, -1, 4242), ESRCH);
	memset(mask, 0xee, sizeof(mask));
	CHECK_EQ(sys(SYS_cpuset_getdomain, CPU_LEVEL_WHICH, CPU_WHICH_PID, -1, 32, mask, &policy), 0);
	CHECK_EQ(bits(mask, 32), 1);
	CHECK_BETWEEN(policy, 1, DOMAINSET_POLICY_MAX);
	CHECK_EQ(sys(SYS_cpuset_setdomain, CPU_LEVEL_WHICH, CPU_WHICH_PID, -1, 32, mask, policy), 0);
	mask[0] = 2;
	CHECK_ERR(sys(SYS_cpuset_setdomain, CPU_LEVEL_WHICH, CPU_WHICH_PID, -1, 32, mask, policy), EINVAL);
}

TEST(uuids)
{
	struct uuid made[50];

	CHECK_EQ(sys(SYS_uuidgen, made, 50), 0);
	for (int i = 0; i < 50; i++) {
		CHECK_EQ(made[i].time_hi_and_version >> 12, 1);
		CHECK_EQ(made[i].clock_seq_hi_and_reserved & 0xc0, 0x80);
		for (int k = 0; k < i; k++)
			CHECK(memcmp(&made[i], &made[k], sizeof(made[0])) != 0);
	}
	CHECK_ERR(sys(SYS_uuidgen, made, 0), EINVAL);
	CHECK_ERR(sys(SYS_uuidgen, made, 2049), EINVAL);
	CHECK_ERR(sys(SYS_uuidgen, 8, 1), EFAULT);
}

TEST(aborted_with_a_reason)
{
	void *args[1] = { NULL };

	int pid = guest_fork();
	if (pid == 0) {
		CHECK_EQ(sys(SYS_close, 2), 0);
		sys(SYS_abort2, "a test wants it", 1, args);
	}
	CHECK_EQ(WTERMSIG(guest_wait(pid)), SIGABRT);
	pid = guest_fork();
	if (pid == 0)
		sys(SYS_abort2, "too many", 17, args);
	CHECK_EQ(WTERMSIG(guest_wait(pid)), SIGKILL);
}

TEST(small_answers)
{
	char text[64];
	struct rlimit rl;

	CHECK_EQ(sys(SYS_getloginclass, text, sizeof(text)), 0);
	CHECK_STR(text, "default");
	CHECK_ERR(sys(SYS_getloginclass, text, 3), ERANGE);
	CHECK_EQ(sys(SYS_getrlimit, RLIMIT_NOFILE, &rl), 0);
	/* no larger than kern.maxfilesperproc, either */
	CHECK_BETWEEN(sys(SYS_getdtablesize), 1, rl.rlim_cur < 0x7fffffff ? rl.rlim_cur : 0x7fffffff);
	CHECK_EQ(sys(SYS_setfib, 0), 0);
	CHECK_ERR(sys(SYS_setfib, 1), EINVAL);
	CHECK_ERR(sys(SYS_kldfind, "nothing"), ENOENT);
	CHECK_ERR(sys(SYS_kenv, 0, "no.such.variable", text, sizeof(text)), ENOENT);
}

/* judge: policy, LSF shows no kernel file and an empty environment that nobody changes */
TEST(no_kernel_to_see)
{
	CHECK_EQ(sys(SYS_kldnext, 0), 0);
	CHECK_EQ(sys(SYS_kenv, 3, NULL, NULL, 0), 0);
	CHECK_ERR(sys(SYS_kenv, 1, "a", "b", 2), EPERM);
}

TEST(usage_of_limits)
{
	rlim_t before = 0, after = 0;

	CHECK_EQ(sys(589, RLIMIT_NOFILE, 0, &before), 0);
	CHECK(before >= 3);
	CHECK_OK(sys(SYS_open, "/dev/null", O_RDONLY, 0));
	CHECK_EQ(sys(589, RLIMIT_NOFILE, 0, &after), 0);
	CHECK_EQ(after, before + 1);
	CHECK_EQ(sys(589, RLIMIT_VMEM, 0, &before), 0);
	guest_map(64 * PAGE_SIZE);
	CHECK_EQ(sys(589, RLIMIT_VMEM, 0, &after), 0);
	CHECK(after >= before + 64 * PAGE_SIZE);
	CHECK_EQ(sys(589, RLIMIT_DATA, 0, &before), 0);
	CHECK_BETWEEN(before, 0, 1 << 20);	/* the program's own data, on FreeBSD */
	CHECK_EQ(sys(589, RLIMIT_CPU, 0, &before), 0);
	CHECK_ERR(sys(589, RLIMIT_FSIZE, 0, &before), ENXIO);
	CHECK_ERR(sys(589, 16, 0, &before), EINVAL);
	CHECK_ERR(sys(589, RLIMIT_NOFILE, 9, &before), EINVAL);
}

TEST(login_name_is_kept)
{
	char name[64];

	if (sys(SYS_geteuid) != 0) {
		CHECK_ERR(sys(SYS_setlogin, "somebody"), EPERM);
		return;
	}
	CHECK_EQ(sys(SYS_setlogin, "somebody"), 0);
	CHECK_EQ(sys(SYS_getlogin, name, sizeof(name)), 0);
	CHECK_STR(name, "somebody");
	IN_CHILD({
		CHECK_EQ(sys(SYS_getlogin, name, sizeof(name)), 0);
		CHECK_STR(name, "somebody");
	});
	CHECK_ERR(sys(SYS_setlogin, "a name that is longer than thirty-two characters"), EINVAL);
	CHECK_ERR(sys(SYS_setlogin, 8), EFAULT);
	CHECK_ERR(sys(SYS_getlogin, name, 4), ERANGE);
}

/* kcmp(2), since FreeBSD 14.1: 0 where both have the same. */
TEST(kcmp)
{
	int pid = sys(SYS_getpid), child, fd, other;

	fd = sys(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY);
	other = sys(SYS_openat, AT_FDCWD, "/dev/zero", O_RDONLY);
	CHECK_EQ(sys(SYS_kcmp, pid, pid, KCMP_FILE, fd, sys(SYS_dup, fd)), 0);
	CHECK(sys(SYS_kcmp, pid, pid, KCMP_FILE, fd, other) != 0);
	CHECK_EQ(sys(SYS_kcmp, pid, pid, KCMP_VM, 0, 0), 0);
	CHECK_EQ(sys(SYS_kcmp, pid, pid, KCMP_FILES, 0, 0), 0);
	CHECK_EQ(sys(SYS_kcmp, pid, pid, KCMP_SIGHAND, 0, 0), 0);
	child = guest_fork();
	if (child == 0) {
		guest_sleep_ms(10000);
		guest_exit(0);
	}
	CHECK(sys(SYS_kcmp, pid, child, KCMP_VM, 0, 0) > 0);
	CHECK(sys(SYS_kcmp, pid, child, KCMP_FILES, 0, 0) > 0);
	CHECK_EQ(sys(SYS_kcmp, pid, child, KCMP_FILE, fd, fd), 0);
	CHECK_EQ(sys(SYS_kill, child, SIGKILL), 0);
	guest_wait(child);
	CHECK_ERR(sys(SYS_kcmp, pid, pid, 99, 0, 0), EINVAL);
	CHECK_ERR(sys(SYS_kcmp, pid, pid, KCMP_FILE, fd, 900), EBADF);
	CHECK_ERR(sys(SYS_kcmp, pid, 0x7ffffff0, KCMP_VM, 0, 0), ESRCH);
}
