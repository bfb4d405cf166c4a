/* pdfork(2), pdkill(2), pdgetpid(2), and what waits and kevent(2) say of such a child: sys/kern/sys_procdesc.c,
 * kern_exit.c (proc_to_reap, exit1), procdesc(4). */
#include "guest.h"
#include <sys/event.h>
#include <sys/poll.h>
#include <sys/procdesc.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <sys/wait.h>

static char *no_strings[] = { NULL };

/* A child that lives until it is killed, and while it does holds the writing end of `life`. */
static int life[2];

static void __attribute__((noreturn))
nap(void)
{
	for (;;)
		guest_sleep_ms(60000);
}

static int
sleeper(int flags, int *fd)
{
	char c;
	int ready[2];

	CHECK_EQ(sys(SYS_pipe2, life, 0), 0);
	CHECK_EQ(sys(SYS_pipe2, ready, 0), 0);
	int lowest = (int)CHECK_OK(sys(SYS_dup, 0));
	CHECK_EQ(sys(SYS_close, lowest), 0);
	int pid = (int)CHECK_OK(sys(SYS_pdfork, fd, flags));
	if (pid == 0) {
		CHECK_ERR(sys(SYS_fcntl, lowest, F_GETFD, 0), EBADF);	/* it has none of itself */
		CHECK_EQ(sys(SYS_write, ready[1], "r", 1), 1);
		nap();
	}
	CHECK_EQ(*fd, lowest);
	CHECK_EQ(sys(SYS_close, ready[1]), 0);
	CHECK_EQ(sys(SYS_read, ready[0], &c, 1), 1);
	CHECK_EQ(sys(SYS_close, ready[0]), 0);
	CHECK_EQ(sys(SYS_close, life[1]), 0);
	return (pid);
}

/* Whether everybody who held `life` is gone within so many milliseconds. */
static int
gone(int ms)
{
	struct pollfd one = { .fd = life[0], .events = POLLIN };

	return (sys(SYS_poll, &one, 1, ms) == 1 && (one.revents & POLLHUP) != 0);
}

TEST(what_it_is)
{
	struct stat st;
	struct kinfo_file info = { .kf_structsize = sizeof(info) };
	struct timespec now;
	int fd, pid = 0, child = sleeper(0, &fd);

	CHECK_EQ(sys(SYS_pdgetpid, fd, &pid), 0);
	CHECK_EQ(pid, child);
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFD, 0), 0);
	CHECK_EQ(sys(SYS_clock_gettime, CLOCK_REALTIME, &now), 0);
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_mode, S_IFREG | S_IRWXU);
	CHECK_EQ(st.st_uid, sys(SYS_getuid));
	CHECK_EQ(st.st_gid, sys(SYS_getgid));
	CHECK_EQ(st.st_ino, 0);
	CHECK_BETWEEN(now.tv_sec - st.st_birthtim.tv_sec, 0, 10);
	CHECK_EQ(st.st_mtim.tv_sec, st.st_birthtim.tv_sec);
	CHECK_EQ(st.st_atim.tv_nsec, st.st_mtim.tv_nsec);
	CHECK_EQ(sys(SYS_fcntl, fd, F_KINFO, &info), 0);
	CHECK_EQ(info.kf_type, KF_TYPE_PROCDESC);
	CHECK_EQ(info.kf_un.kf_proc.kf_pid, child);
	CHECK_EQ(sys(SYS_pdkill, fd, SIGTERM), 0);
	CHECK_EQ(WTERMSIG(guest_wait(child)), SIGTERM);
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_mode, S_IFREG);
	CHECK_EQ(sys(SYS_pdgetpid, fd, &pid), 0);
	CHECK_EQ(pid, child);
	CHECK_ERR(sys(SYS_pdkill, fd, SIGTERM), ESRCH);
	CHECK_ERR(sys(SYS_wait4, child, NULL, WNOHANG, NULL), ECHILD);
}

TEST(errors)
{
	int fd, pid, pipes[2], file = (int)CHECK_OK(sys(SYS_open, "file", O_RDWR | O_CREAT, 0700));
	struct kevent event;
	long kq = CHECK_OK(sys(SYS_kqueue));

	CHECK_EQ(sys(SYS_pipe2, pipes, 0), 0);
	CHECK_EQ(sys(SYS_mkfifoat, AT_FDCWD, "fifo", 0700), 0);
	int others[] = { 999, -1, pipes[0], pipes[1], file, (int)kq, (int)CHECK_OK(sys(SYS_open, "fifo", O_RDWR)) };
	for (size_t i = 0; i < nitems(others); i++) {
		CHECK_ERR(sys(SYS_pdgetpid, others[i], &pid), EBADF);
		CHECK_ERR(sys(SYS_pdkill, others[i], SIGTERM), EBADF);
	}
	EV_SET(&event, pipes[0], EVFILT_PROCDESC, EV_ADD, NOTE_EXIT, 0, NULL);
	CHECK_ERR(sys(SYS_kevent, kq, &event, 1, NULL, 0, NULL), EINVAL);
	CHECK_ERR(sys(SYS_pdfork, &fd, 0x80), EINVAL);
	CHECK_ERR(sys(SYS_pdkill, pipes[0], 200), EINVAL);
	int child = sleeper(PD_CLOEXEC, &fd);
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFD, 0), FD_CLOEXEC);
	CHECK_ERR(sys(SYS_pdgetpid, fd, 8), EFAULT);
	CHECK_EQ(sys(SYS_pdkill, fd, 0), 0);
	CHECK_EQ(sys(SYS_pdkill, fd, 100), 0);
	CHECK_EQ(WTERMSIG(guest_wait(child)), 100);
}

/* The last close kills, of whatever numbers there are. */
TEST(last_close)
{
	int fd, again, status, child = sleeper(0, &fd);

	again = (int)CHECK_OK(sys(SYS_dup, fd));
	CHECK_EQ(sys(SYS_dup2, again, 50), 50);
	CHECK_EQ(sys(SYS_close, fd), 0);
	CHECK_EQ(sys(SYS_close, again), 0);
	CHECK(!gone(100));
	CHECK_EQ(sys(SYS_wait4, child, &status, WNOHANG, NULL), 0);
	CHECK_EQ(sys(SYS_pdkill, 50, 0), 0);
	CHECK_EQ(sys(SYS_dup2, 0, 50), 50);
	CHECK(gone(5000));
	CHECK_ERR(sys(SYS_wait4, child, &status, 0, NULL), ECHILD);
	long begun = guest_now_ms(), result;
	while ((result = sys(SYS_kill, child, 0)) == 0 && guest_now_ms() - begun < 5000)
		guest_sleep_ms(5);
	CHECK_EQ(result, -ESRCH);
	/* And the closes that closefrom makes. */
	child = sleeper(0, &fd);
	CHECK_EQ(sys(SYS_close_range, fd, fd, 0), 0);
	CHECK(gone(5000));
	/* One whose child has ended: the zombie is reaped. */
	child = (int)CHECK_OK(sys(SYS_pdfork, &fd, 0));
	if (child == 0)
		guest_exit(0);
	guest_sleep_ms(50);
	CHECK_EQ(sys(SYS_close, fd), 0);
	CHECK_ERR(sys(SYS_wait4, child, &status, WNOHANG, NULL), ECHILD);
	CHECK_ERR(sys(SYS_kill, child, 0), ESRCH);
}

TEST(daemon)
{
	int fd, status, child = sleeper(PD_DAEMON, &fd);

	CHECK_EQ(sys(SYS_close, fd), 0);
	CHECK(!gone(200));
	CHECK_ERR(sys(SYS_wait4, child, &status, WNOHANG, NULL), ECHILD);	/* it is init's */
	CHECK_EQ(sys(SYS_kill, child, SIGKILL), 0);
	CHECK(gone(5000));
}

/* Who has inherited it holds it too. */
TEST(inherited)
{
	int fd, go[2], holder;
	char c;

	sleeper(0, &fd);
	CHECK_EQ(sys(SYS_pipe2, go, 0), 0);
	holder = guest_fork();
	if (holder == 0) {
		int pid = 0;
		sys(SYS_close, life[0]);
		CHECK_EQ(sys(SYS_close, go[1]), 0);
		CHECK_EQ(sys(SYS_read, go[0], &c, 1), 0);
		CHECK_EQ(sys(SYS_pdgetpid, fd, &pid), 0);
		CHECK_EQ(sys(SYS_pdkill, fd, 0), 0);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_close, fd), 0);
	CHECK(!gone(100));
	CHECK_EQ(sys(SYS_close, go[1]), 0);
	CHECK(gone(5000));
	CHECK_EQ(guest_wait(holder), 0);
}

/* A descriptor on its way through a socket is not closed. */
TEST(passed)
{
	int fd, s[2], pid = 0;
	char control[CMSG_SPACE(sizeof(int))], c = 'x';
	struct iovec iov = { &c, 1 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int child = sleeper(0, &fd);

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	header->cmsg_len = CMSG_LEN(sizeof(int));
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	CHECK_EQ(sys(SYS_sendmsg, s[0], &message, 0), 1);
	CHECK_EQ(sys(SYS_close, fd), 0);
	CHECK(!gone(100));
	int other = guest_fork();
	if (other == 0) {
		sys(SYS_close, life[0]);
		CHECK_EQ(sys(SYS_recvmsg, s[1], &message, 0), 1);
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
		CHECK_EQ(sys(SYS_pdgetpid, fd, &pid), 0);
		CHECK_EQ(pid, child);
		CHECK_EQ(sys(SYS_write, s[1], "r", 1), 1);
		nap();
	}
	CHECK_EQ(sys(SYS_read, s[0], &c, 1), 1);
	CHECK(!gone(100));
	/* However its holder ends. */
	CHECK_EQ(sys(SYS_kill, other, SIGKILL), 0);
	CHECK(gone(5000));
	CHECK_EQ(WTERMSIG(guest_wait(other)), SIGKILL);
}

TEST(holder_ends)
{
	int fd, holder, keep[2];

	for (int how = 0; how < 3; how++) {
		CHECK_EQ(sys(SYS_pipe2, keep, 0), 0);
		holder = guest_fork();
		if (holder == 0) {
			sleeper(0, &fd);
			if (how == 1)
				sys(SYS_kill, sys(SYS_getpid), SIGKILL);
			if (how == 2)
				*(volatile int *)8 = 1;
			guest_exit(0);
		}
		guest_wait(holder);
		CHECK_EQ(sys(SYS_close, keep[1]), 0);
		struct pollfd one = { .fd = keep[0], .events = POLLIN };
		CHECK_EQ(sys(SYS_poll, &one, 1, 5000), 1);
		CHECK_EQ(sys(SYS_close, keep[0]), 0);
	}
}

HELPER(look_nap)
{
	/* A program may close all that it sees. */
	CHECK_EQ(sys(SYS_close_range, 30, 4000, 0), 0);
	CHECK_EQ(sys(SYS_write, 20, "r", 1), 1);
	nap();
}

HELPER(look_exit)
{
	guest_exit(44);
}

static volatile int signals;

static void
count(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	signals++;
}

/* A child that has executed a program is no other: its parent is not told of its end, and only its number finds it. */
TEST(child_that_executes)
{
	char *napper[] = { guest_argv[0], "@look_nap", NULL }, *exiter[] = { guest_argv[0], "@look_exit", NULL };
	int fd, pid, status, ready[2];
	char c;

	CHECK_EQ(sys(SYS_pipe2, ready, 0), 0);
	CHECK_EQ(sys(SYS_dup2, ready[1], 20), 20);
	CHECK_EQ(sys(SYS_pipe2, life, 0), 0);
	pid = (int)CHECK_OK(sys(SYS_pdfork, &fd, 0));
	if (pid == 0) {
		sys(SYS_execve, guest_argv[0], napper, no_strings);
		guest_exit(1);
	}
	CHECK_EQ(sys(SYS_close, life[1]), 0);
	CHECK_EQ(sys(SYS_read, ready[0], &c, 1), 1);
	CHECK_EQ(sys(SYS_wait4, pid, &status, WNOHANG, NULL), 0);
	CHECK_EQ(sys(SYS_close, fd), 0);
	CHECK(gone(5000));
	CHECK_ERR(sys(SYS_wait4, pid, &status, WNOHANG, NULL), ECHILD);

	guest_handle(SIGCHLD, count, SA_RESTART);
	pid = (int)CHECK_OK(sys(SYS_pdfork, &fd, 0));
	if (pid == 0) {
		sys(SYS_execve, guest_argv[0], exiter, no_strings);
		guest_exit(1);
	}
	struct pollfd one = { .fd = fd, .events = POLLIN };
	while (sys(SYS_poll, &one, 1, 5000) == -EINTR)
		;
	CHECK_EQ(one.revents, POLLHUP);
	guest_sleep_ms(50);
	CHECK_EQ(signals, 0);
	/* Another child, and its signal. */
	int other = guest_fork();
	if (other == 0)
		guest_exit(7);
	CHECK_EQ(sys(SYS_wait4, -1, &status, 0, NULL), other);
	CHECK_EQ(WEXITSTATUS(status), 7);
	CHECK_EQ(signals, 1);
	CHECK_EQ(sys(SYS_wait4, pid, &status, WNOHANG, NULL), pid);
	CHECK_EQ(WEXITSTATUS(status), 44);
	CHECK_ERR(sys(SYS_wait4, pid, &status, WNOHANG, NULL), ECHILD);
	CHECK_ERR(sys(SYS_wait4, -1, &status, WNOHANG, NULL), ECHILD);
}

/* Its children are no part of it: they neither keep it from hanging up nor die with the descriptor. */
TEST(grandchild)
{
	int fd, pid, status, outlives[2];
	char c;

	CHECK_EQ(sys(SYS_pipe2, outlives, 0), 0);
	pid = (int)CHECK_OK(sys(SYS_pdfork, &fd, 0));
	if (pid == 0) {
		if (guest_fork() == 0) {
			guest_sleep_ms(400);
			CHECK_EQ(sys(SYS_write, outlives[1], "y", 1), 1);
			guest_exit(0);
		}
		guest_exit(3);
	}
	struct pollfd one = { .fd = fd, .events = POLLIN };
	long begun = guest_now_ms();
	CHECK_EQ(sys(SYS_poll, &one, 1, 5000), 1);
	CHECK(guest_now_ms() - begun < 350);
	CHECK_EQ(sys(SYS_wait4, pid, &status, WNOHANG, NULL), pid);
	CHECK_EQ(WEXITSTATUS(status), 3);
	CHECK_EQ(sys(SYS_close, fd), 0);
	CHECK_EQ(sys(SYS_read, outlives[0], &c, 1), 1);
}

TEST(poll)
{
	int status, go[2];
	char c = 0;

	CHECK_EQ(sys(SYS_pipe2, go, 0), 0);
	for (int i = 0; i < 50; i++) {
		int fd, pid = (int)CHECK_OK(sys(SYS_pdfork, &fd, 0));
		if (pid == 0) {
			if (i == 4)
				CHECK_EQ(sys(SYS_read, go[0], &c, 1), 1);
			guest_sleep_ms(i % 5);
			guest_exit(i);
		}
		struct pollfd one = { .fd = fd, .events = POLLIN | POLLOUT };
		if (i == 4) {
			CHECK_EQ(sys(SYS_poll, &one, 1, 0), 0);
			fd_set set;
			FD_ZERO(&set);
			FD_SET(fd, &set);
			CHECK_EQ(sys(SYS_write, go[1], &c, 1), 1);
			CHECK_EQ(sys(SYS_select, fd + 1, &set, NULL, NULL, NULL), 1);
		}
		CHECK_EQ(sys(SYS_poll, &one, 1, 5000), 1);
		CHECK_EQ(one.revents, POLLHUP);
		CHECK_EQ(sys(SYS_wait4, pid, &status, WNOHANG, NULL), pid);
		CHECK_EQ(WEXITSTATUS(status), i);
		CHECK_EQ(sys(SYS_close, fd), 0);
	}
}

TEST(events)
{
	struct kevent change, got;
	struct timespec five = { 5, 0 }, none = { 0, 0 };
	long kq = CHECK_OK(sys(SYS_kqueue));
	int fd, pid, status;

	for (int i = 0; i < 6; i++) {
		memset(&got, 0, sizeof(got));
		pid = (int)CHECK_OK(sys(SYS_pdfork, &fd, 0));
		if (pid == 0) {
			if (i & 1)
				nap();
			guest_exit(9);
		}
		if (i == 2)
			guest_sleep_ms(50);	/* it has ended when it is registered */
		EV_SET(&change, fd, EVFILT_PROCDESC, EV_ADD, NOTE_EXIT, 0, &change);
		CHECK_EQ(sys(SYS_kevent, kq, &change, 1, NULL, 0, NULL), 0);
		if (i & 1) {
			CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, &got, 1, &none), 0);
			CHECK_EQ(sys(SYS_pdkill, fd, SIGTERM), 0);
		}
		if (i >= 4)
			guest_wait(pid);	/* its status is the descriptor's still */
		CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, &got, 1, &five), 1);
		CHECK_EQ(got.ident, fd);
		CHECK_EQ(got.filter, EVFILT_PROCDESC);
		CHECK_EQ(got.fflags, NOTE_EXIT);
		CHECK_EQ(got.flags & (EV_EOF | EV_ONESHOT), EV_EOF | EV_ONESHOT);
		CHECK_EQ(got.data, i & 1 ? SIGTERM : 9 << 8);
		CHECK_EQ(got.udata, &change);
		if (i < 4) {
			CHECK_EQ(sys(SYS_wait4, pid, &status, WNOHANG, NULL), pid);
			CHECK_EQ(status, got.data);
		}
		CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, &got, 1, &none), 0);
		CHECK_EQ(sys(SYS_close, fd), 0);
	}
}

TEST(waits)
{
	siginfo_t info;
	int fd, status, pid = (int)CHECK_OK(sys(SYS_pdfork, &fd, 0));

	if (pid == 0)
		guest_exit(6);
	CHECK_ERR(sys(SYS_wait4, -1, &status, 0, NULL), ECHILD);
	CHECK_EQ(sys(SYS_wait6, P_PID, (long)pid, &status, WEXITED | WNOWAIT, NULL, &info), pid);
	CHECK_EQ(info.si_status, 6);
	CHECK_ERR(sys(SYS_wait4, pid, &status, WLINUXCLONE, NULL), ECHILD);
	CHECK_EQ(WEXITSTATUS(guest_wait(pid)), 6);
	CHECK_ERR(sys(SYS_wait4, pid, &status, 0, NULL), ECHILD);
	CHECK_EQ(sys(SYS_close, fd), 0);
}

/* Many, closed at all times: none is left. */
TEST(many)
{
	int status;

	for (int i = 0; i < 300; i++) {
		int fd, pid = (int)CHECK_OK(sys(SYS_pdfork, &fd, i & 1 ? PD_CLOEXEC : 0));
		if (pid == 0) {
			if (i % 3)
				guest_exit(0);
			nap();
		}
		if (i % 5 == 0)
			guest_sleep_ms(1);
		CHECK_EQ(sys(SYS_close, fd), 0);
		CHECK_ERR(sys(SYS_wait4, pid, &status, WNOHANG, NULL), ECHILD);
	}
	guest_sleep_ms(100);
	CHECK_ERR(sys(SYS_wait4, -1, &status, WNOHANG, NULL), ECHILD);
}

static volatile int stop;

static void
fork_much(void *argument)
{
	(void)argument;
	while (!stop) {
		int pid = guest_fork();
		if (pid == 0) {
			guest_sleep_ms(500);
			guest_exit(0);
		}
		guest_sleep_ms(3);
		while (sys(SYS_wait4, -1, NULL, WNOHANG, NULL) > 0)
			;
	}
}

/* A fork by another thread at the same time takes no part in it. */
TEST(among_threads)
{
	struct guest_thread t[2];
	int status;

	for (int i = 0; i < 2; i++)
		guest_thread_start(&t[i], fork_much, NULL);
	for (int i = 0; i < 300; i++) {
		int fd, pid = (int)CHECK_OK(sys(SYS_pdfork, &fd, 0));
		if (pid == 0)
			guest_exit(i & 63);
		struct pollfd one = { .fd = fd, .events = POLLIN };
		long begun = guest_now_ms();
		CHECK_EQ(sys(SYS_poll, &one, 1, 5000), 1);
		CHECK(guest_now_ms() - begun < 450);
		CHECK_EQ(sys(SYS_wait4, pid, &status, WNOHANG, NULL), pid);
		CHECK_EQ(WEXITSTATUS(status), i & 63);
		CHECK_EQ(sys(SYS_close, fd), 0);
	}
	stop = 1;
	for (int i = 0; i < 2; i++)
		guest_thread_join(&t[i]);
	while (sys(SYS_wait4, -1, NULL, 0, NULL) > 0)
		;
}

HELPER(look_held)
{
	int pid;

	CHECK_EQ(sys(SYS_pdgetpid, 60, &pid), 0);
	CHECK_ERR(sys(SYS_pdgetpid, 61, &pid), EBADF);
	CHECK_EQ(sys(SYS_pdkill, 60, 0), 0);
	CHECK_EQ(sys(SYS_wait4, pid, NULL, WNOHANG, NULL), 0);
	CHECK_EQ(sys(SYS_pdkill, 60, SIGKILL), 0);
	CHECK_EQ(WTERMSIG(guest_wait(pid)), SIGKILL);
}

/* A holder that executes a program keeps what is not to be closed then. */
TEST(holder_executes)
{
	int fd, holder = guest_fork();

	if (holder == 0) {
		char *argv[] = { guest_argv[0], "@look_held", NULL };
		sleeper(0, &fd);
		CHECK_EQ(sys(SYS_dup2, fd, 60), 60);
		CHECK_EQ(sys(SYS_close, fd), 0);
		sleeper(PD_CLOEXEC, &fd);
		sys(SYS_execve, guest_argv[0], argv, no_strings);
		guest_exit(1);
	}
	CHECK_EQ(guest_wait(holder), 0);
}

/* It is not written to (invfo_rdwr). */
TEST(written)
{
	int fd, pid = sleeper(0, &fd);

	CHECK_ERR(sys(SYS_write, fd, "x", 1), EOPNOTSUPP);
	CHECK_EQ(sys(SYS_pdkill, fd, SIGKILL), 0);
	CHECK_EQ(WTERMSIG(guest_wait(pid)), SIGKILL);
}

static void
fuzz(void)
{
	u64 seed = (u64)guest_now_ms();

	for (int i = 0; i < 400; i++) {
		u64 a[2];
		int fd = -1;
		for (int j = 0; j < 2; j++) {
			seed = seed * 6364136223846793005UL + 1442695040888963407UL;
			a[j] = seed >> 62 == 0 ? (seed >> 40) & 0x3f : seed >> 62 == 1 ? -1UL : seed >> 62 == 2 ? seed : (u64)&fd;
		}
		long pid = sys(SYS_pdfork, a[0], (seed >> 50) & 3);
		if (pid == 0)
			guest_exit(0);
		sys(SYS_pdgetpid, a[1], a[0]);
		if (a[0] > 2)
			sys(SYS_pdkill, a[0], a[1]);
		if (pid > 0)
			sys(SYS_kill, pid, SIGCONT);	/* a daemon that was stopped would stay so */
		sys(SYS_wait4, pid, NULL, WNOHANG | (int)(a[1] & 0xff), NULL);
		if (fd > 2 && i & 1)
			sys(SYS_close, fd);
		if (i % 50 == 49)
			sys(SYS_close_range, 3, 200, 0);
	}
}

TEST(bad_arguments)
{
	IN_CHILD(fuzz());
}

/* pdrfork and pdwait of FreeBSD 15.1 (pdfork(2)): a child by rfork's flags, and its end by its descriptor. */
#define PDRFORK 600
#define PDWAIT 601

TEST(calls_of_15_1)
{
	int mib[2] = { 1, 24 }, date = 0, fd = -1, status = -1;
	size_t n = sizeof(date);
	struct { struct rusage self, children; } usage;
	siginfo_t info;

	CHECK_EQ(sys(SYS___sysctl, mib, 2, &date, &n, NULL, 0), 0);
	if (date < 1501000)
		ON_ANOTHER_RELEASE();
	CHECK_ERR(sys(PDRFORK, &fd, 0, RFFDG), EINVAL);
	CHECK_ERR(sys(PDRFORK, &fd, 0, RFFDG | RFPROC), EINVAL);
	CHECK_ERR(sys(PDRFORK, &fd, 4, RFFDG | RFPROC | RFPROCDESC), EINVAL);
	int pid = (int)CHECK_OK(sys(PDRFORK, &fd, 0, RFFDG | RFPROC | RFPROCDESC));
	if (pid == 0) {
		guest_sleep_ms(20);
		guest_exit(fd == -1 ? 7 : 8);
	}
	CHECK(fd >= 0);
	CHECK_ERR(sys(PDWAIT, fd, &status, WEXITED | WNOHANG, NULL, NULL), EWOULDBLOCK);
	CHECK_EQ(sys(PDWAIT, fd, &status, WEXITED, &usage, &info), 0);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 7);
	CHECK_EQ(info.si_pid, pid);
	CHECK_EQ(info.si_status, 7);
	CHECK_EQ(info.si_code, CLD_EXITED);
	CHECK_ERR(sys(PDWAIT, fd, &status, WEXITED, NULL, NULL), ESRCH);
	CHECK_ERR(sys(PDWAIT, CHECK_OK(sys(SYS_open, "/", O_RDONLY)), &status, WEXITED, NULL, NULL), EINVAL);
	CHECK_ERR(sys(PDWAIT, 99, &status, WEXITED, NULL, NULL), EBADF);
	CHECK_ERR(sys(PDWAIT, fd, &status, 0, NULL, NULL), EINVAL);
	CHECK_EQ(sys(SYS_close, fd), 0);
	CHECK_ERR(sys(SYS_wait4, pid, NULL, 0, NULL), ECHILD);
	/* With RFCFDG the child has no descriptors. */
	CHECK_ERR(sys(PDRFORK, &fd, 0, RFCFDG | RFFDG | RFPROC | RFPROCDESC), EINVAL);
	int kept = (int)CHECK_OK(sys(SYS_open, "/", O_RDONLY));
	pid = (int)CHECK_OK(sys(PDRFORK, &fd, 0, RFCFDG | RFPROC | RFPROCDESC));
	if (pid == 0)
		guest_exit(sys(SYS_fcntl, kept, F_GETFD, 0) == -EBADF && sys(SYS_fcntl, 2, F_GETFD, 0) == -EBADF ? 7 : 8);
	CHECK_EQ(sys(PDWAIT, fd, &status, WEXITED, NULL, NULL), 0);
	CHECK_EQ(WEXITSTATUS(status), 7);
	CHECK_EQ(sys(SYS_fcntl, kept, F_GETFD, 0), 0);
}

/* With neither RFFDG nor RFCFDG both have one table: what one opens the other has; the descriptor stands for the child all the same,
 * over an execution too. */
TEST(shared_table_of_15_1)
{
	char *napper[] = { guest_argv[0], "@look_nap", NULL };
	int mib[2] = { 1, 24 }, date = 0, fd = -1, status = -1, told = -1, ready[2];
	size_t n = sizeof(date);
	char c;

	CHECK_EQ(sys(SYS___sysctl, mib, 2, &date, &n, NULL, 0), 0);
	if (date < 1501000)
		ON_ANOTHER_RELEASE();
	int lowest = (int)CHECK_OK(sys(SYS_dup, 0));
	CHECK_EQ(sys(SYS_close, lowest), 0);
	int pid = (int)CHECK_OK(sys(PDRFORK, &fd, 0, RFPROC | RFPROCDESC));
	if (pid == 0) {
		guest_sleep_ms(100);
		CHECK_EQ(sys(SYS_dup2, 2, 77), 77);
		guest_exit(fd == -1 ? 7 : 8);
	}
	CHECK_EQ(fd, lowest);
	CHECK_EQ(sys(SYS_pdgetpid, fd, &told), 0);
	CHECK_EQ(told, pid);
	CHECK_ERR(sys(PDWAIT, fd, &status, WEXITED | WNOHANG, NULL, NULL), EWOULDBLOCK);
	int next = (int)CHECK_OK(sys(SYS_dup, 0));		/* none is left of what made the child */
	CHECK_EQ(next, lowest + 1);
	CHECK_EQ(sys(SYS_close, next), 0);
	struct pollfd one = { .fd = fd, .events = POLLIN };
	CHECK_EQ(sys(SYS_poll, &one, 1, 5000), 1);
	CHECK_EQ(one.revents, POLLHUP);
	CHECK_EQ(sys(SYS_wait4, pid, &status, 0, NULL), pid);
	CHECK_EQ(WEXITSTATUS(status), 7);
	CHECK_EQ(sys(SYS_fcntl, 77, F_GETFD), 0);
	CHECK_EQ(sys(SYS_close, fd), 0);
	CHECK_ERR(sys(SYS_wait4, pid, &status, WNOHANG, NULL), ECHILD);
	/* The last close kills the child, which has the descriptor in the same table. */
	CHECK_EQ(sys(SYS_pipe2, ready, 0), 0);
	CHECK_EQ(sys(SYS_dup2, ready[1], 20), 20);
	pid = (int)CHECK_OK(sys(PDRFORK, &fd, 0, RFPROC | RFPROCDESC));
	if (pid == 0)
		nap();
	CHECK_EQ(sys(SYS_close, fd), 0);
	for (int i = 0; i < 500 && sys(SYS_kill, pid, 0) == 0; i++)
		guest_sleep_ms(10);
	CHECK_ERR(sys(SYS_kill, pid, 0), ESRCH);
	/* A child that executes a program has a table of its own then. */
	pid = (int)CHECK_OK(sys(PDRFORK, &fd, 0, RFPROC | RFPROCDESC));
	if (pid == 0) {
		sys(SYS_execve, guest_argv[0], napper, no_strings);
		guest_exit(1);
	}
	CHECK_EQ(sys(SYS_read, ready[0], &c, 1), 1);
	one.fd = fd;
	CHECK_EQ(sys(SYS_poll, &one, 1, 100), 0);
	CHECK_EQ(sys(SYS_fcntl, 77, F_GETFD), 0);
	CHECK_EQ(sys(SYS_pdkill, fd, SIGTERM), 0);
	CHECK_EQ(sys(PDWAIT, fd, &status, WEXITED, NULL, NULL), 0);
	CHECK_EQ(WTERMSIG(status), SIGTERM);
	CHECK_EQ(sys(SYS_close, fd), 0);
	/* A bad address is found when the child is there already. */
	pid = (int)sys(SYS_getpid);
	long result = sys(PDRFORK, 8, 0, RFPROC | RFPROCDESC);
	if (sys(SYS_getpid) != pid)
		guest_exit(0);
	CHECK_ERR(result, EFAULT);
}

/* RFSPAWN alone is a vfork with the caught signals at their defaults, as for rfork(2), here with a descriptor. */
static long __attribute__((noinline))
pdspawn(int *fd, int flags, volatile int *shared)
{
	long pid = sys(PDRFORK, fd, flags, RFSPAWN);

	if (pid == 0) {
		struct sigaction act;
		memset(&act, 0x55, sizeof(act));
		sys(SYS_sigaction, SIGUSR1, NULL, &act);
		shared[0] = act.sa_handler == SIG_DFL;
		shared[1] = *fd;
		sys(SYS_exit, 9);
	}
	return (pid);
}

static long __attribute__((noinline))
pdspawn_sleeps(int *fd, char **arguments)
{
	long pid = sys(PDRFORK, fd, 0, RFSPAWN);

	if (pid == 0) {
		sys(SYS_execve, arguments[0], arguments, NULL);
		sys(SYS_exit, 1);
	}
	return (pid);
}

static volatile int usr1s, chlds;

static void
counts(int signo, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	if (signo == SIGCHLD)
		chlds++;
	else
		usr1s++;
}

TEST(spawn_of_15_1)
{
	static volatile int shared[2];
	int mib[2] = { 1, 24 }, date = 0, fd = -1, status = -1;
	size_t n = sizeof(date);
	struct stat st;

	CHECK_EQ(sys(SYS___sysctl, mib, 2, &date, &n, NULL, 0), 0);
	if (date < 1501000)
		ON_ANOTHER_RELEASE();
	CHECK_ERR(sys(PDRFORK, &fd, 0, RFSPAWN | RFPROCDESC), EINVAL);
	CHECK_ERR(sys(PDRFORK, &fd, 4, RFSPAWN), EINVAL);
	guest_handle(SIGUSR1, counts, 0);
	guest_handle(SIGCHLD, counts, 0);
	int lowest = (int)CHECK_OK(sys(SYS_dup, 0));
	CHECK_EQ(sys(SYS_close, lowest), 0);
	for (int i = 0; i < 20; i++) {
		fd = -1;
		shared[0] = 0;
		long pid = CHECK_OK(pdspawn(&fd, i & 1 ? PD_CLOEXEC : 0, shared));
		CHECK_EQ(shared[0], 1);
		CHECK_EQ(shared[1], -1);
		CHECK_EQ(fd, lowest);
		CHECK_EQ(sys(SYS_fcntl, fd, F_GETFD), i & 1 ? FD_CLOEXEC : 0);
		CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
		int told = -1;
		CHECK_EQ(sys(SYS_pdgetpid, fd, &told), 0);
		CHECK_EQ(told, pid);
		CHECK_ERR(sys(SYS_wait4, -1, NULL, WNOHANG, NULL), ECHILD);	/* no wait for any child finds it */
		CHECK_EQ(sys(PDWAIT, fd, &status, WEXITED, NULL, NULL), 0);
		CHECK_EQ(WEXITSTATUS(status), 9);
		CHECK_EQ(sys(SYS_close, fd), 0);
	}
	CHECK_EQ(chlds, 0);
	/* The caught signal is caught here still. */
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGUSR1), 0);
	CHECK_EQ(usr1s, 1);
	/* One that executes, and is killed with the last close of its descriptor. */
	static char *arguments[] = { NULL, "@sleeps", NULL };
	arguments[0] = guest_argv[0];
	long pid = pdspawn_sleeps(&fd, arguments);
	CHECK_OK(pid);
	CHECK_EQ(sys(SYS_kill, pid, 0), 0);
	CHECK_EQ(sys(SYS_close, fd), 0);
	for (int i = 0; i < 200 && sys(SYS_kill, pid, 0) == 0; i++)
		guest_sleep_ms(10);
	CHECK_ERR(sys(SYS_wait4, pid, NULL, 0, NULL), ECHILD);
}

HELPER(sleeps)
{
	guest_sleep_ms(20000);
}
