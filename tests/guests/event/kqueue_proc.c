/* EVFILT_PROC's NOTE_FORK, NOTE_EXEC and NOTE_TRACK; EVFILT_SIGNAL. sys/kern/kern_event.c (filt_proc, knote_fork),
 * kern_sig.c (tdsendsignal, filt_signal). */
#include "kevents.h"

static int go[2];

/* A child that does something when it is told to. */
static int
child(void (*does)(void))
{
	char byte;

	kq = (int)CHECK_OK(sys(SYS_kqueue));
	CHECK_EQ(sys(SYS_pipe2, go, 0), 0);
	int pid = guest_fork();
	if (pid == 0) {
		CHECK_EQ(sys(SYS_read, go[0], &byte, 1), 1);
		does();
		guest_exit(5);
	}
	return (pid);
}

static void
begin(void)
{
	CHECK_EQ(sys(SYS_write, go[1], "x", 1), 1);
}

/* All events of one process by one filter until nothing more comes, as one set of notes; `of_exit` is its data then. */
static long of_exit;

static u32
all_notes(int pid)
{
	u32 notes = 0;

	for (;;) {
		long n = CHECK_OK(wait_events(1, 300));
		if (n == 0)
			return (notes);
		CHECK_EQ(got[0].filter, EVFILT_PROC);
		CHECK_EQ(got[0].udata, (void *)7);
		CHECK_EQ(got[0].ident, pid);
		if (got[0].fflags & NOTE_EXIT)
			of_exit = got[0].data;
		notes |= got[0].fflags;
	}
}

static void
forks(void)
{
	IN_CHILD({ IN_CHILD({}); });
}

TEST(fork)
{
	int pid = child(forks);

	CHECK_EQ(change(pid, EVFILT_PROC, EV_ADD, NOTE_FORK, 0, (void *)7), 0);
	CHECK_EQ(wait_events(8, 20), 0);
	begin();
	/* Once, though the child has a child of its own: NOTE_TRACK was not asked for. */
	CHECK_EQ(wait_events(8, 2000), 1);
	CHECK_EQ(got[0].ident, pid);
	CHECK_EQ(got[0].fflags, NOTE_FORK);
	CHECK_EQ(got[0].flags & ~(EV_EOF | EV_ONESHOT), EV_CLEAR);	/* it may have ended by now */
	CHECK_EQ(got[0].data, 0);
	CHECK_EQ(guest_wait(pid), 5 << 8);
	CHECK_EQ(wait_events(8, 20), 0);
	CHECK_ERR(change(pid, EVFILT_PROC, EV_ADD, NOTE_FORK, 0, (void *)7), ESRCH);
}

static void
executes(void)
{
	const char *argv[] = { guest_argv[0], "@ends", NULL }, *none[] = { NULL };

	sys(SYS_execve, "/nonexistent/program", argv, none);
	sys(SYS_execve, guest_argv[0], argv, none);
}

HELPER(ends)
{
	IN_CHILD({});
	guest_exit(6);
}

TEST(exec)
{
	int pid = child(executes);

	CHECK_EQ(change(pid, EVFILT_PROC, EV_ADD, NOTE_EXEC | NOTE_EXIT | NOTE_FORK, 0, (void *)7), 0);
	begin();
	CHECK_EQ(all_notes(pid), NOTE_EXEC | NOTE_EXIT | NOTE_FORK);
	CHECK_EQ(of_exit, 6 << 8);
	CHECK_EQ(guest_wait(pid), 6 << 8);
}

/* A family: of each descendant one event that says NOTE_CHILD and its parent, and then its own. */
TEST(track)
{
	int pid = child(forks), parents[3] = { 0 }, pids[3] = { 0 }, children = 0, exits = 0, forked = 0;

	CHECK_EQ(change(pid, EVFILT_PROC, EV_ADD, NOTE_TRACK | NOTE_EXIT | NOTE_FORK, 0, (void *)7), 0);
	begin();
	while (wait_events(1, 300) == 1) {
		CHECK_EQ(got[0].udata, (void *)7);
		CHECK_EQ(got[0].fflags & NOTE_TRACKERR, 0);
		if (got[0].fflags & NOTE_CHILD) {
			CHECK_EQ(got[0].fflags, NOTE_CHILD);
			CHECK_EQ(got[0].flags & ~EV_EOF, EV_CLEAR | EV_ONESHOT);	/* EV_EOF: it has ended already */
			CHECK(children < 2);
			parents[children] = (int)got[0].data;
			pids[children++] = (int)got[0].ident;
			continue;
		}
		if (got[0].fflags & NOTE_FORK)
			forked++;
		if (got[0].fflags & NOTE_EXIT) {
			exits++;
			if (got[0].ident == (u64)pid)
				CHECK_EQ(got[0].data, 5 << 8);
		}
	}
	CHECK_EQ(children, 2);
	CHECK_EQ(parents[0], pid);
	CHECK_EQ(parents[1], pids[0]);
	CHECK_EQ(forked, 2);
	CHECK_EQ(exits, 3);
	CHECK_EQ(guest_wait(pid), 5 << 8);
}

static void
vforks(void)
{
	long pid = sys(SYS_vfork);

	if (pid == 0)
		guest_exit(3);
	CHECK_EQ(guest_wait((int)pid), 3 << 8);
}

TEST(vfork)
{
	int pid = child(vforks);

	CHECK_EQ(change(pid, EVFILT_PROC, EV_ADD, NOTE_TRACK | NOTE_EXIT, 0, (void *)7), 0);
	begin();
	int children = 0, ended = 0;
	while (wait_events(1, 300) == 1) {
		children += got[0].fflags == NOTE_CHILD && got[0].data == pid;
		ended += got[0].fflags & NOTE_EXIT && got[0].ident != (u64)pid && got[0].data == 3 << 8;
	}
	CHECK_EQ(children, 1);
	CHECK_EQ(ended, 1);
	CHECK_EQ(guest_wait(pid), 5 << 8);
}

/* Two kqueues and two processes watch one. */
TEST(watchers)
{
	int pid = child(forks), first = kq, second = (int)CHECK_OK(sys(SYS_kqueue)), ready[2];
	char byte;

	CHECK_EQ(sys(SYS_pipe2, ready, 0), 0);
	CHECK_EQ(change(pid, EVFILT_PROC, EV_ADD, NOTE_FORK, 0, (void *)7), 0);
	kq = second;
	CHECK_EQ(change(pid, EVFILT_PROC, EV_ADD, NOTE_FORK, 0, (void *)7), 0);
	int other = guest_fork();
	if (other == 0) {
		kq = (int)CHECK_OK(sys(SYS_kqueue));
		CHECK_EQ(change(pid, EVFILT_PROC, EV_ADD, NOTE_FORK, 0, (void *)7), 0);
		CHECK_EQ(sys(SYS_write, ready[1], "x", 1), 1);
		CHECK_EQ(wait_events(8, 5000), 1);
		CHECK_EQ(got[0].fflags, NOTE_FORK);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_read, ready[0], &byte, 1), 1);
	begin();
	for (int i = 0; i < 2; i++) {
		kq = i ? second : first;
		CHECK_EQ(wait_events(8, 2000), 1);
		CHECK_EQ(got[0].fflags, NOTE_FORK);
	}
	CHECK_EQ(guest_wait(other), 0);
	CHECK_EQ(guest_wait(pid), 5 << 8);
}

/* Each send counts, whatever becomes of the signal. */
static volatile int handled;

static void
handler(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	handled++;
}

static void
send_each_way(void)
{
	int pid = (int)sys(SYS_getpid);
	long tid = 0;

	CHECK_EQ(sys(SYS_thr_self, &tid), 0);
	CHECK_EQ(sys(SYS_kill, pid, SIGUSR1), 0);
	CHECK_EQ(sys(SYS_thr_kill, tid, SIGUSR1), 0);
	CHECK_EQ(sys(SYS_sigqueue, pid, SIGUSR1, 5), 0);
	CHECK_EQ(sys(SYS_thr_kill2, pid, tid, SIGUSR1), 0);
}

TEST(signals)
{
	sigset_t set = { { 1 << (SIGUSR1 - 1) } }, out;
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	kq = (int)CHECK_OK(sys(SYS_kqueue));
	guest_handle(SIGUSR1, handler, 0);
	CHECK_EQ(change(SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, 0, (void *)7), 0);
	for (int round = 0; round < 2; round++) {
		/* caught */
		send_each_way();
		CHECK_EQ(wait_events(8, 0), 1);
		CHECK_EQ(got[0].data, 4);
		CHECK_EQ(got[0].flags, EV_CLEAR);
		CHECK_EQ(wait_events(8, 0), 0);
		/* blocked, and not again when it is delivered */
		handled = 0;
		CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &set, NULL), 0);
		send_each_way();
		CHECK_EQ(wait_events(8, 0), 1);
		CHECK_EQ(got[0].data, 4);
		send_each_way();
		CHECK_EQ(wait_events(8, 0), 1);
		CHECK_EQ(got[0].data, 4);
		CHECK_EQ(sys(SYS_sigpending, &out), 0);
		CHECK_EQ(out.__bits[0], set.__bits[0]);
		CHECK_EQ(sys(SYS_sigprocmask, SIG_UNBLOCK, &set, NULL), 0);
		CHECK(handled > 0);
		CHECK_EQ(wait_events(8, 0), 0);
	}
	/* ignored */
	CHECK_EQ(sys(SYS_sigaction, SIGUSR1, &ignore, NULL), 0);
	send_each_way();
	CHECK_EQ(wait_events(8, 0), 1);
	CHECK_EQ(got[0].data, 4);
	CHECK_EQ(wait_events(8, 0), 0);
	/* By another process, one after the other. */
	guest_handle(SIGUSR1, handler, 0);
	int pid = (int)sys(SYS_getpid);
	IN_CHILD({ CHECK_EQ(sys(SYS_kill, pid, SIGUSR1), 0); });
	CHECK_EQ(wait_events(8, 2000), 1);
	CHECK_EQ(got[0].data, 1);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &set, NULL), 0);
	IN_CHILD({ CHECK_EQ(sys(SYS_kill, pid, SIGUSR1), 0); });
	CHECK_EQ(wait_events(8, 2000), 1);
	CHECK_EQ(got[0].data, 1);
}
