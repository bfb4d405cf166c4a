/*
 * Programs whose observer (lsf --truss) gets into trouble: they must not notice. On FreeBSD truss(1) is another process, and what
 * becomes of its output is its own.
 */
#include "guest.h"

static volatile int seen[33];

static void
count(int signo, siginfo_t *info, void *context)
{
	(void)info, (void)context;
	seen[signo]++;
}

static void
many_calls(void)
{
	for (int i = 0; i < 3000; i++)
		sys(SYS_getpgrp);
}

static void __attribute__((noreturn))
done(void)
{
	guest_put("done", "done", 4);
	guest_exit(7);
}

HELPER(by_default)
{
	struct sigaction action;
	sigset_t pending;

	many_calls();
	IN_CHILD(many_calls());
	for (int signo = SIGPIPE; signo <= SIGXFSZ; signo += SIGXFSZ - SIGPIPE) {
		CHECK_EQ(sys(SYS_sigaction, signo, NULL, &action), 0);
		CHECK(action.sa_handler == SIG_DFL);
	}
	CHECK_EQ(sys(SYS_sigpending, &pending), 0);
	CHECK_EQ(pending.__bits[0], 0);
	done();
}

HELPER(with_handlers)
{
	int fds[2];

	guest_handle(SIGPIPE, count, 0);
	guest_handle(SIGXFSZ, count, 0);
	many_calls();
	CHECK_EQ(seen[SIGPIPE], 0);
	CHECK_EQ(seen[SIGXFSZ], 0);
	/* Its own signals come as ever. */
	CHECK_EQ(sys(SYS_pipe2, fds, 0), 0);
	CHECK_EQ(sys(SYS_close, fds[0]), 0);
	CHECK_ERR(sys(SYS_write, fds[1], "x", 1), EPIPE);
	CHECK_EQ(seen[SIGPIPE], 1);
	done();
}

HELPER(with_blocked_signals)
{
	sigset_t set = { { (1u << (SIGPIPE - 1)) | (1u << (SIGXFSZ - 1)) } }, pending;

	guest_handle(SIGPIPE, count, 0);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &set, NULL), 0);
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGPIPE), 0);
	many_calls();
	/* The program's own signal waits still, and no other one. */
	CHECK_EQ(sys(SYS_sigpending, &pending), 0);
	CHECK_EQ(pending.__bits[0], 1u << (SIGPIPE - 1));
	CHECK_EQ(sys(SYS_sigprocmask, SIG_UNBLOCK, &set, NULL), 0);
	CHECK_EQ(seen[SIGPIPE], 1);
	done();
}

HELPER(dies_of_its_own)
{
	int fds[2];

	many_calls();
	CHECK_EQ(sys(SYS_pipe2, fds, 0), 0);
	CHECK_EQ(sys(SYS_close, fds[0]), 0);
	guest_put("done", "done", 4);
	sys(SYS_write, fds[1], "x", 1);
}

static void
leave(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	many_calls();
	guest_exit(5);
}

/* Its data lie where standard error was. */
HELPER(other_stderr)
{
	int fd = (int)CHECK_OK(sys(SYS_open, "done", O_RDWR | O_CREAT, 0644));

	CHECK_EQ(sys(SYS_dup2, fd, 2), 2);
	CHECK_EQ(sys(SYS_write, 2, "done", 4), 4);
	many_calls();
	guest_exit(7);
}

HELPER(no_stderr)
{
	CHECK_ERR(sys(SYS_write, 2, "text", 4), EBADF);
	CHECK_EQ(sys(SYS_dup, 0), 2);
	guest_exit(7);
}

/* The next program is not traced, and does not find where the trace went. */
HELPER(executes_another)
{
	char *argv[] = { "observed", "@finds_nothing", NULL }, *envv[] = { NULL };

	many_calls();
	sys(SYS_execve, guest_argv[0], argv, envv);
	guest_exit(99);
}

HELPER(finds_nothing)
{
	many_calls();
	for (int fd = 3; fd < 1024; fd++)
		CHECK_ERR(sys(SYS_fcntl, fd, F_GETFD, 0), EBADF);
	done();
}

/* Until a signal ends it: by default, or in its handler, which makes calls of its own. */
HELPER(stays)
{
	guest_handle(SIGUSR1, count, SA_RESTART);
	if (guest_argc > 2)
		guest_handle(SIGTERM, leave, 0);
	guest_put("done", "done", 4);
	for (;;)
		many_calls();
}

HELPER(executes)
{
	char *argv[] = { "prog", NULL }, *envv[] = { NULL };
	long result = sys(SYS_execve, "prog", argv, envv);

	say("%s\n", result == -ENOEXEC ? "ENOEXEC" : "another error");
}

/* The limit that it sees is the one that it was started with. */
HELPER(limit)
{
	struct rlimit limit;

	CHECK_EQ(sys(SYS_getrlimit, RLIMIT_FSIZE, &limit), 0);
	say("%l %l\n", (long)limit.rlim_cur, (long)limit.rlim_max);
}
