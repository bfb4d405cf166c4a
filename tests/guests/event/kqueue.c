/* kqueue(2), kevent(2). */
#include "guest.h"
#include <sys/event.h>
#include <sys/socket.h>

static struct timespec zero;

static long
wait_events(int kq, struct kevent *events, int n, long ms)
{
	struct timespec t = { ms / 1000, (ms % 1000) * 1000000 };

	return (sys(SYS_kevent, kq, NULL, 0, events, n, ms < 0 ? NULL : &t));
}

static long
change(int kq, u64 ident, int filter, int flags, u32 fflags, i64 data, void *udata)
{
	struct kevent ev;

	EV_SET(&ev, ident, (short)filter, (u16)flags, fflags, data, udata);
	return (sys(SYS_kevent, kq, &ev, 1, NULL, 0, NULL));
}

TEST(pipe_read)
{
	int ends[2], kq = (int)CHECK_OK(sys(SYS_kqueue));
	struct kevent ev[4];

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_EQ(change(kq, (u64)ends[0], EVFILT_READ, EV_ADD, 0, 0, (void *)0x1234567890ab), 0);
	CHECK_EQ(wait_events(kq, ev, 4, 0), 0);
	long before = guest_now_ms();
	CHECK_EQ(wait_events(kq, ev, 4, 30), 0);
	CHECK_BETWEEN(guest_now_ms() - before, 29, 500);
	CHECK_EQ(sys(SYS_write, ends[1], "hello", 5), 5);
	memset(ev, 0x77, sizeof(ev));
	CHECK_EQ(wait_events(kq, ev, 4, -1), 1);
	CHECK_EQ(ev[0].ident, ends[0]);
	CHECK_EQ(ev[0].filter, EVFILT_READ);
	CHECK_EQ(ev[0].data, 5);
	CHECK_EQ(ev[0].udata, 0x1234567890ab);
	CHECK_EQ(ev[0].flags & (EV_EOF | EV_ERROR), 0);
	CHECK_EQ(ev[0].fflags, 0);
	CHECK_EQ(*(u32 *)&ev[1], 0x77777777);
	/* Level-triggered: it comes again. */
	CHECK_EQ(wait_events(kq, ev, 4, 0), 1);
	char c[8];
	CHECK_EQ(sys(SYS_read, ends[0], c, 8), 5);
	CHECK_EQ(wait_events(kq, ev, 4, 0), 0);
	/* The end. */
	CHECK_EQ(sys(SYS_write, ends[1], "xy", 2), 2);
	CHECK_EQ(sys(SYS_close, ends[1]), 0);
	CHECK_EQ(wait_events(kq, ev, 4, -1), 1);
	CHECK_EQ(ev[0].flags & EV_EOF, EV_EOF);
	CHECK_EQ(ev[0].data, 2);
}

TEST(pipe_write)
{
	int ends[2], kq = (int)CHECK_OK(sys(SYS_kqueue));
	struct kevent ev[4];
	static char full[65536];

	CHECK_EQ(sys(SYS_pipe2, ends, O_NONBLOCK), 0);
	CHECK_EQ(change(kq, (u64)ends[1], EVFILT_WRITE, EV_ADD, 0, 0, NULL), 0);
	CHECK_EQ(wait_events(kq, ev, 4, 0), 1);
	CHECK_EQ(ev[0].filter, EVFILT_WRITE);
	CHECK(ev[0].data >= 512);
	while (sys(SYS_write, ends[1], full, sizeof(full)) > 0)
		;
	CHECK_EQ(wait_events(kq, ev, 4, 0), 0);
	CHECK_OK(sys(SYS_read, ends[0], full, sizeof(full)));
	CHECK_EQ(wait_events(kq, ev, 4, 1000), 1);
	CHECK_EQ(sys(SYS_close, ends[0]), 0);
	CHECK_EQ(wait_events(kq, ev, 4, 1000), 1);
	CHECK_EQ(ev[0].flags & EV_EOF, EV_EOF);
}

TEST(both_directions)
{
	int s[2], kq = (int)CHECK_OK(sys(SYS_kqueue));
	struct kevent ev[4], changes[2];

	CHECK_EQ(sys(SYS_socketpair, PF_LOCAL, SOCK_STREAM, 0, s), 0);
	EV_SET(&changes[0], s[0], EVFILT_READ, EV_ADD, 0, 0, (void *)1);
	EV_SET(&changes[1], s[0], EVFILT_WRITE, EV_ADD, 0, 0, (void *)2);
	CHECK_EQ(sys(SYS_kevent, kq, changes, 2, NULL, 0, NULL), 0);
	CHECK_EQ(wait_events(kq, ev, 4, 0), 1);
	CHECK_EQ(ev[0].filter, EVFILT_WRITE);
	CHECK_EQ(ev[0].udata, 2);
	CHECK_EQ(sys(SYS_write, s[1], "abc", 3), 3);
	CHECK_EQ(wait_events(kq, ev, 4, 0), 2);
	CHECK_EQ(ev[0].filter + ev[1].filter, EVFILT_READ + EVFILT_WRITE);
	int r = ev[0].filter == EVFILT_READ ? 0 : 1;
	CHECK_EQ(ev[r].data, 3);
	CHECK_EQ(ev[r].udata, 1);
	/* Room for one at a time: none is lost. */
	CHECK_EQ(wait_events(kq, ev, 1, 0), 1);
	CHECK_EQ(change(kq, (u64)s[0], EVFILT_WRITE, EV_DELETE, 0, 0, NULL), 0);
	CHECK_EQ(wait_events(kq, ev, 4, 0), 1);
	CHECK_EQ(ev[0].filter, EVFILT_READ);
}

TEST(flags)
{
	int ends[2], kq = (int)CHECK_OK(sys(SYS_kqueue));
	struct kevent ev[4];

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	/* EV_CLEAR: once for each change of state. */
	CHECK_EQ(change(kq, (u64)ends[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, NULL), 0);
	CHECK_EQ(sys(SYS_write, ends[1], "a", 1), 1);
	CHECK_EQ(wait_events(kq, ev, 4, 100), 1);
	CHECK_EQ(wait_events(kq, ev, 4, 0), 0);
	CHECK_EQ(sys(SYS_write, ends[1], "b", 1), 1);
	CHECK_EQ(wait_events(kq, ev, 4, 100), 1);
	CHECK_EQ(ev[0].data, 2);
	/* EV_ONESHOT: once, then it is gone. */
	CHECK_EQ(change(kq, (u64)ends[0], EVFILT_READ, EV_DELETE, 0, 0, NULL), 0);
	CHECK_ERR(change(kq, (u64)ends[0], EVFILT_READ, EV_DELETE, 0, 0, NULL), ENOENT);
	CHECK_EQ(change(kq, (u64)ends[0], EVFILT_READ, EV_ADD | EV_ONESHOT, 0, 0, NULL), 0);
	CHECK_EQ(wait_events(kq, ev, 4, 100), 1);
	CHECK_EQ(wait_events(kq, ev, 4, 0), 0);
	CHECK_ERR(change(kq, (u64)ends[0], EVFILT_READ, EV_DELETE, 0, 0, NULL), ENOENT);
	/* EV_DISPATCH: once, then disabled until EV_ENABLE. */
	CHECK_EQ(change(kq, (u64)ends[0], EVFILT_READ, EV_ADD | EV_DISPATCH, 0, 0, NULL), 0);
	CHECK_EQ(wait_events(kq, ev, 4, 100), 1);
	CHECK_EQ(wait_events(kq, ev, 4, 0), 0);
	CHECK_EQ(change(kq, (u64)ends[0], EVFILT_READ, EV_ENABLE, 0, 0, NULL), 0);
	CHECK_EQ(wait_events(kq, ev, 4, 100), 1);
	CHECK_EQ(change(kq, (u64)ends[0], EVFILT_READ, EV_DELETE, 0, 0, NULL), 0);
	/* EV_DISABLE. */
	CHECK_EQ(change(kq, (u64)ends[0], EVFILT_READ, EV_ADD | EV_DISABLE, 0, 0, NULL), 0);
	CHECK_EQ(wait_events(kq, ev, 4, 0), 0);
	CHECK_EQ(change(kq, (u64)ends[0], EVFILT_READ, EV_ENABLE, 0, 0, NULL), 0);
	CHECK_EQ(wait_events(kq, ev, 4, 100), 1);
}

/* EV_RECEIPT and errors in the list of changes come back as events with EV_ERROR. */
TEST(receipts_and_errors)
{
	int ends[2], kq = (int)CHECK_OK(sys(SYS_kqueue));
	struct kevent ev[4], changes[3];

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	EV_SET(&changes[0], ends[0], EVFILT_READ, EV_ADD | EV_RECEIPT, 0, 0, NULL);
	EV_SET(&changes[1], 999, EVFILT_READ, EV_ADD, 0, 0, (void *)5);
	EV_SET(&changes[2], ends[0], EVFILT_WRITE, EV_DELETE, 0, 0, NULL);
	CHECK_EQ(sys(SYS_kevent, kq, changes, 3, ev, 4, NULL), 3);
	CHECK_EQ(ev[0].flags & EV_ERROR, EV_ERROR);
	CHECK_EQ(ev[0].data, 0);
	CHECK_EQ(ev[1].flags & EV_ERROR, EV_ERROR);
	CHECK_EQ(ev[1].data, EBADF);
	CHECK_EQ(ev[1].ident, 999);
	CHECK_EQ(ev[1].udata, 5);
	CHECK_EQ(ev[2].data, ENOENT);
	/* Without room for events the first error is the call's. */
	CHECK_ERR(sys(SYS_kevent, kq, &changes[1], 1, NULL, 0, NULL), EBADF);
	CHECK_ERR(change(kq, (u64)ends[0], 99, EV_ADD, 0, 0, NULL), EINVAL);
	CHECK_ERR(change(kq, (u64)ends[0], -99, EV_ADD, 0, 0, NULL), EINVAL);
	CHECK_ERR(sys(SYS_kevent, 999, NULL, 0, ev, 4, &zero), EBADF);
	CHECK_ERR(sys(SYS_kevent, ends[0], NULL, 0, ev, 4, &zero), EBADF);
	struct timespec bad = { 0, 1000000000 };
	CHECK_ERR(sys(SYS_kevent, kq, NULL, 0, ev, 4, &bad), EINVAL);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, NULL, 0, NULL), 0);
}

TEST(user_events)
{
	int kq = (int)CHECK_OK(sys(SYS_kqueue));
	struct kevent ev[4];

	CHECK_EQ(change(kq, 7, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, (void *)70), 0);
	CHECK_EQ(wait_events(kq, ev, 4, 0), 0);
	CHECK_EQ(change(kq, 7, EVFILT_USER, 0, NOTE_TRIGGER | NOTE_FFCOPY | 0x15, 33, (void *)71), 0);
	CHECK_EQ(wait_events(kq, ev, 4, -1), 1);
	CHECK_EQ(ev[0].ident, 7);
	CHECK_EQ(ev[0].filter, EVFILT_USER);
	CHECK_EQ(ev[0].fflags, 0x15);
	CHECK_EQ(ev[0].data, 33);
	CHECK_EQ(wait_events(kq, ev, 4, 0), 0);
	/* Operations on the flags. */
	CHECK_EQ(change(kq, 8, EVFILT_USER, EV_ADD, NOTE_FFCOPY | 0xf0, 0, NULL), 0);
	CHECK_EQ(change(kq, 8, EVFILT_USER, 0, NOTE_FFOR | 0x0f, 0, NULL), 0);
	CHECK_EQ(change(kq, 8, EVFILT_USER, 0, NOTE_FFAND | 0x3c | NOTE_TRIGGER, 0, NULL), 0);
	CHECK_EQ(wait_events(kq, ev, 4, -1), 1);
	CHECK_EQ(ev[0].fflags, 0x3c);
	CHECK_EQ(wait_events(kq, ev, 4, 0), 1);
	CHECK_EQ(change(kq, 8, EVFILT_USER, EV_DELETE, 0, 0, NULL), 0);
	CHECK_EQ(wait_events(kq, ev, 4, 0), 0);
	CHECK_ERR(change(kq, 99, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL), ENOENT);
}

static volatile int shared_kq;

static void
trigger_later(void *unused)
{
	(void)unused;
	guest_sleep_ms(30);
	CHECK_EQ(change(shared_kq, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL), 0);
}

/* As Go's runtime breaks its poller: from another thread, while one waits without a timeout. */
TEST(woken_by_another_thread)
{
	struct guest_thread t;
	struct kevent ev[4];

	shared_kq = (int)CHECK_OK(sys(SYS_kqueue));
	CHECK_EQ(change(shared_kq, 1, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, NULL), 0);
	guest_thread_start(&t, trigger_later, NULL);
	CHECK_EQ(wait_events(shared_kq, ev, 4, -1), 1);
	CHECK_EQ(ev[0].filter, EVFILT_USER);
	guest_thread_join(&t);
}

TEST(added_while_waiting)
{
	struct guest_thread t;
	struct kevent ev[4];
	extern void add_later(void *);

	shared_kq = (int)CHECK_OK(sys(SYS_kqueue));
	guest_thread_start(&t, add_later, NULL);
	CHECK_EQ(wait_events(shared_kq, ev, 4, 5000), 1);
	CHECK_EQ(ev[0].filter, EVFILT_READ);
	guest_thread_join(&t);
}

void
add_later(void *unused)
{
	int ends[2];

	(void)unused;
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_EQ(sys(SYS_write, ends[1], "x", 1), 1);
	guest_sleep_ms(30);
	CHECK_EQ(change(shared_kq, (u64)ends[0], EVFILT_READ, EV_ADD, 0, 0, NULL), 0);
}

TEST(timers)
{
	int kq = (int)CHECK_OK(sys(SYS_kqueue));
	struct kevent ev[4];
	static const struct { u32 unit; i64 data; } units[] = { { 0, 30 }, { NOTE_MSECONDS, 30 }, { NOTE_USECONDS, 30000 },
		{ NOTE_NSECONDS, 30000000 } };

	for (size_t i = 0; i < nitems(units); i++) {
		long before = guest_now_ms();
		CHECK_EQ(change(kq, 5, EVFILT_TIMER, EV_ADD | EV_ONESHOT, units[i].unit, units[i].data, (void *)9), 0);
		CHECK_EQ(wait_events(kq, ev, 4, -1), 1);
		CHECK_BETWEEN(guest_now_ms() - before, 29, 500);
		CHECK_EQ(ev[0].ident, 5);
		CHECK_EQ(ev[0].filter, EVFILT_TIMER);
		CHECK_EQ(ev[0].data, 1);
		CHECK_EQ(ev[0].udata, 9);
		CHECK_EQ(wait_events(kq, ev, 4, 40), 0);
	}
	/* Periodic; data counts the expirations since the last time. */
	CHECK_EQ(change(kq, 6, EVFILT_TIMER, EV_ADD, NOTE_MSECONDS, 10, NULL), 0);
	guest_sleep_ms(55);
	CHECK_EQ(wait_events(kq, ev, 4, -1), 1);
	CHECK_BETWEEN(ev[0].data, 4, 30);
	CHECK_EQ(wait_events(kq, ev, 4, -1), 1);
	CHECK_EQ(change(kq, 6, EVFILT_TIMER, EV_DELETE, 0, 0, NULL), 0);
	CHECK_EQ(wait_events(kq, ev, 4, 30), 0);
	/* Absolute. */
	struct timespec now;
	CHECK_EQ(sys(SYS_clock_gettime, CLOCK_REALTIME, &now), 0);
	i64 at = now.tv_sec * 1000 + now.tv_nsec / 1000000 + 40;
	CHECK_EQ(change(kq, 7, EVFILT_TIMER, EV_ADD, NOTE_ABSTIME | NOTE_MSECONDS, at, NULL), 0);
	long before = guest_now_ms();
	CHECK_EQ(wait_events(kq, ev, 4, 2000), 1);
	CHECK_BETWEEN(guest_now_ms() - before, 20, 500);
	CHECK_ERR(change(kq, 8, EVFILT_TIMER, EV_ADD, 0, -1, NULL), EINVAL);
	CHECK_ERR(change(kq, 8, EVFILT_TIMER, EV_ADD, 0x100, 1, NULL), EINVAL);
}

TEST(descriptor_goes)
{
	int ends[2], kq = (int)CHECK_OK(sys(SYS_kqueue));
	struct kevent ev[4];

	/* A closed descriptor takes its events with it. */
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_EQ(sys(SYS_write, ends[1], "x", 1), 1);
	CHECK_EQ(change(kq, (u64)ends[0], EVFILT_READ, EV_ADD, 0, 0, NULL), 0);
	CHECK_EQ(wait_events(kq, ev, 4, 0), 1);
	CHECK_EQ(sys(SYS_close, ends[0]), 0);
	CHECK_EQ(wait_events(kq, ev, 4, 0), 0);
	/* The number comes again for another file: nothing is left of the first. */
	CHECK_EQ(sys(SYS_open, "/dev/null", O_RDONLY, 0), ends[0]);
	CHECK_EQ(wait_events(kq, ev, 4, 0), 0);
}

TEST(files_are_ready)
{
	int kq = (int)CHECK_OK(sys(SYS_kqueue));
	struct kevent ev[4];

	guest_put("file", "0123456789", 10);
	int fd = (int)CHECK_OK(sys(SYS_open, "file", O_RDONLY, 0));
	CHECK_EQ(sys(SYS_lseek, fd, 4, SEEK_SET), 4);
	CHECK_EQ(change(kq, (u64)fd, EVFILT_READ, EV_ADD, 0, 0, NULL), 0);
	CHECK_EQ(wait_events(kq, ev, 4, 0), 1);
	CHECK_EQ(ev[0].data, 6);
}

TEST(not_inherited)
{
	int kq = (int)CHECK_OK(sys(SYS_kqueue));

	/* A child of fork has no kqueue under this number. */
	IN_CHILD({
		struct kevent ev[1];
		CHECK_ERR(wait_events(kq, ev, 1, 0), EBADF);
		CHECK_EQ(sys(SYS_kqueue), kq);
	});
	struct kevent ev[1];
	CHECK_EQ(wait_events(kq, ev, 1, 0), 0);
	CHECK_EQ(sys(SYS_fcntl, kq, F_GETFD, 0), 0);
	struct stat st;
	CHECK_EQ(sys(SYS_fstat, kq, &st), 0);
	CHECK(S_ISFIFO(st.st_mode));
}

static volatile int signalled;

static void
on_signal(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	signalled++;
}

TEST(interrupted)
{
	int kq = (int)CHECK_OK(sys(SYS_kqueue));
	struct kevent ev[1];
	struct itimerval timer = { { 0, 0 }, { 0, 30000 } };

	/* kevent never restarts. */
	guest_handle(SIGALRM, on_signal, SA_RESTART);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &timer, NULL), 0);
	CHECK_ERR(wait_events(kq, ev, 1, -1), EINTR);
	CHECK_EQ(signalled, 1);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &timer, NULL), 0);
	CHECK_ERR(wait_events(kq, ev, 1, 5000), EINTR);
}

/* The 32-byte struct kevent of FreeBSD 11 and before (363). */
struct freebsd11_kevent {
	u64 ident;
	short filter;
	u16 flags;
	u32 fflags;
	i64 data;
	void *udata;
};

TEST(old_layout)
{
	int ends[2], kq = (int)CHECK_OK(sys(SYS_kqueue));
	struct freebsd11_kevent ev[2], add;

	_Static_assert(sizeof(add) == 32, "freebsd11_kevent");
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	memset(&add, 0, sizeof(add));
	add.ident = (u64)ends[0];
	add.filter = EVFILT_READ;
	add.flags = EV_ADD;
	add.udata = (void *)77;
	CHECK_EQ(sys(SYS_write, ends[1], "abc", 3), 3);
	CHECK_EQ(sys(363, kq, &add, 1, ev, 2, NULL), 1);
	CHECK_EQ(ev[0].ident, ends[0]);
	CHECK_EQ(ev[0].data, 3);
	CHECK_EQ(ev[0].udata, 77);
}

TEST(of_signals_and_processes)
{
	int kq = (int)CHECK_OK(sys(SYS_kqueue));
	struct kevent ev[2];
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	/* EVFILT_SIGNAL counts, also what is ignored. */
	CHECK_EQ(sys(SYS_sigaction, SIGUSR1, &ignore, NULL), 0);
	CHECK_EQ(change(kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, 0, NULL), 0);
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGUSR1), 0);
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGUSR1), 0);
	CHECK_EQ(wait_events(kq, ev, 2, 1000), 1);
	CHECK_EQ(ev[0].ident, SIGUSR1);
	CHECK_EQ(ev[0].data, 2);
	int pid = guest_fork();
	if (pid == 0) {
		guest_sleep_ms(40);
		guest_exit(3);
	}
	CHECK_EQ(change(kq, (u64)pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0, NULL), 0);
	CHECK_EQ(wait_events(kq, ev, 2, 5000), 1);
	CHECK_EQ(ev[0].filter, EVFILT_PROC);
	CHECK_EQ(ev[0].fflags, NOTE_EXIT);
	CHECK_EQ(WEXITSTATUS(ev[0].data), 3);
	CHECK_EQ(WEXITSTATUS(guest_wait(pid)), 3);
}
