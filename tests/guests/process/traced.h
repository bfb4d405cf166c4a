/* What the guests of ptrace(2) share. */
#ifndef TRACED_H
#define TRACED_H

#include "guest.h"
#include <sys/ptrace.h>

#define PT(...) sys(SYS_ptrace, __VA_ARGS__)

/* In a child: be traced, and stop. */
static inline void
trace_me(void)
{
	CHECK_EQ(PT(PT_TRACE_ME, 0, 0, 0), 0);
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGSTOP), 0);
}

/* The next that is told of a tracee is a stop by this signal. */
static inline void
stops(int pid, int signo)
{
	int status = 0;

	CHECK_EQ(sys(SYS_wait4, pid, &status, 0, NULL), pid);
	CHECK(WIFSTOPPED(status));
	CHECK_EQ(WSTOPSIG(status), signo);
}

/* The same, with what its thread tells. */
static inline struct ptrace_lwpinfo
next_stop(int pid, int signo)
{
	struct ptrace_lwpinfo info;

	stops(pid, signo);
	CHECK_EQ(PT(PT_LWPINFO, pid, &info, sizeof(info)), 0);
	return (info);
}

static volatile int seen;

/* A handler that counts. */
static inline void
count(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	seen++;
}

static inline void
ends(int pid, int code)
{
	int status = guest_wait(pid);

	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), code);
}

#endif
