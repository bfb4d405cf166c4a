/* poll(2), ppoll(2), select(2), pselect(2). */
#include "guest.h"
#include <sys/poll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/event.h>

#define OPEN(path, flags) (int)CHECK_OK(sys(SYS_open, path, flags, 0644))

static int
poll1(int fd, int events, int timeout, int *revents)
{
	struct pollfd p = { .fd = fd, .events = (short)events, .revents = 0x7777 };
	int n = (int)sys(SYS_poll, &p, 1, timeout);

	*revents = (unsigned short)p.revents;
	CHECK_EQ(p.fd, fd);
	CHECK_EQ(p.events, (short)events);
	return (n);
}

TEST(pipe)
{
	int ends[2], r;
	char c;

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_EQ(poll1(ends[0], POLLIN, 0, &r), 0);
	CHECK_EQ(r, 0);
	CHECK_EQ(poll1(ends[1], POLLOUT | POLLWRNORM, 0, &r), 1);
	CHECK_EQ(r, POLLOUT);
	CHECK_EQ(sys(SYS_write, ends[1], "ab", 2), 2);
	CHECK_EQ(poll1(ends[0], POLLIN | POLLRDNORM, -1, &r), 1);
	CHECK_EQ(r, POLLIN | POLLRDNORM);
	CHECK_EQ(poll1(ends[0], POLLRDNORM, 0, &r), 1);
	CHECK_EQ(r, POLLRDNORM);
	CHECK_EQ(sys(SYS_close, ends[1]), 0);
	/* With the writer gone: data and the end; after the data still POLLIN, since a read does not block. */
	CHECK_EQ(poll1(ends[0], POLLIN, 0, &r), 1);
	CHECK_EQ(r, POLLIN | POLLHUP);
	CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 1);
	CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 1);
	CHECK_EQ(poll1(ends[0], POLLIN, -1, &r), 1);
	CHECK_EQ(r, POLLIN | POLLHUP);
	CHECK_EQ(poll1(ends[0], 0, -1, &r), 1);
	CHECK_EQ(r, POLLHUP);
}

/* The end that writes says POLLHUP (and not POLLOUT with it) when nobody reads, where Linux says POLLERR. */
TEST(pipe_without_reader)
{
	int ends[2], r;

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_EQ(sys(SYS_close, ends[0]), 0);
	CHECK_EQ(poll1(ends[1], POLLOUT, -1, &r), 1);
	CHECK_EQ(r, POLLHUP);
}

TEST(files)
{
	int r;

	guest_put("file", "x", 1);
	CHECK_EQ(poll1(OPEN("file", O_RDWR), POLLIN | POLLOUT | POLLRDNORM, -1, &r), 1);
	CHECK_EQ(r, POLLIN | POLLOUT | POLLRDNORM);
	CHECK_EQ(poll1(OPEN("/dev/null", O_RDWR), POLLIN | POLLOUT, -1, &r), 1);
	CHECK_EQ(r, POLLIN | POLLOUT);
}

TEST(bad_descriptors)
{
	struct pollfd p[3] = { { 999, POLLIN, 0 }, { -1, POLLIN, 77 }, { 1, POLLOUT, 0 } };
	int r;

	CHECK_EQ(poll1(999, POLLIN, -1, &r), 1);
	CHECK_EQ(r, POLLNVAL);
	/* The shim's own descriptors are none. */
	for (int fd = 100; fd < 300; fd++) {
		CHECK_EQ(poll1(fd, POLLIN, 0, &r), 1);
		CHECK_EQ(r, POLLNVAL);
	}
	CHECK_EQ(sys(SYS_close, 999), -EBADF);
	CHECK(sys(SYS_poll, p, 3, 0) >= 1);
	CHECK_EQ(p[0].revents, POLLNVAL);
	CHECK_EQ(p[1].revents, 0);
}

TEST(arguments)
{
	struct pollfd p = { 0, POLLIN, 0 };
	struct timespec bad[] = { { -1, 0 }, { 0, -1 }, { 0, 1000000000 } }, zero = { 0, 0 };

	CHECK_ERR(sys(SYS_poll, &p, 1, -2), EINVAL);
	CHECK_ERR(sys(SYS_poll, 8, 1, 0), EFAULT);
	CHECK_EQ(sys(SYS_poll, NULL, 0, 0), 0);
	CHECK_ERR(sys(SYS_poll, &p, ~0U, 0), EINVAL);
	for (int i = 0; i < 3; i++)
		CHECK_ERR(sys(SYS_ppoll, NULL, 0, &bad[i], NULL), EINVAL);
	CHECK_ERR(sys(SYS_ppoll, NULL, 0, 8, NULL), EFAULT);
	CHECK_ERR(sys(SYS_ppoll, NULL, 0, &zero, 8), EFAULT);
	CHECK_EQ(sys(SYS_ppoll, NULL, 0, &zero, NULL), 0);
}

TEST(timeout)
{
	struct timespec t = { 0, 60000000 };
	int ends[2], r;
	long start = guest_now_ms();

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_EQ(poll1(ends[0], POLLIN, 60, &r), 0);
	CHECK_BETWEEN(guest_now_ms() - start, 59, 2000);
	CHECK_EQ(r, 0);
	start = guest_now_ms();
	CHECK_EQ(sys(SYS_ppoll, NULL, 0, &t, NULL), 0);
	CHECK_BETWEEN(guest_now_ms() - start, 59, 2000);
	CHECK_EQ(t.tv_nsec, 60000000);	/* the time that is left is not told */
}

/* More descriptors than a small buffer takes. */
TEST(many)
{
	static struct pollfd p[500];
	int ends[2];

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	for (int i = 0; i < 500; i++) {
		p[i].fd = i == 77 || i == 499 ? ends[1] : ends[0];
		p[i].events = i == 77 || i == 499 ? POLLIN | POLLOUT : POLLIN;
		p[i].revents = 0x5a;
	}
	CHECK_EQ(sys(SYS_poll, p, 500, -1), 2);
	for (int i = 0; i < 500; i++)
		CHECK_EQ(p[i].revents, i == 77 || i == 499 ? POLLOUT : 0);
	/* Either end of a pipe can be written to. */
	for (int i = 0; i < 500; i++)
		p[i].events = POLLIN | POLLOUT;
	CHECK_EQ(sys(SYS_poll, p, 500, -1), 500);
	for (int i = 0; i < 500; i++)
		CHECK_EQ(p[i].revents, POLLOUT);
}

TEST(socket_pair)
{
	int s[2], r;
	char c;

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(poll1(s[0], POLLIN | POLLOUT, 0, &r), 1);
	CHECK_EQ(r, POLLOUT);
	CHECK_EQ(sys(SYS_write, s[1], "x", 1), 1);
	CHECK_EQ(poll1(s[0], POLLIN, -1, &r), 1);
	CHECK_EQ(r, POLLIN);
	CHECK_EQ(sys(SYS_read, s[0], &c, 1), 1);
	CHECK_EQ(sys(SYS_shutdown, s[1], 1 /* SHUT_WR */), 0);
	CHECK_EQ(poll1(s[0], POLLIN | 0x4000 /* POLLRDHUP */, -1, &r), 1);
	CHECK_EQ(r, POLLIN | 0x4000);
	CHECK_EQ(sys(SYS_close, s[1]), 0);
	CHECK_EQ(poll1(s[0], POLLIN, -1, &r), 1);
	CHECK_EQ(r, POLLIN | POLLHUP);
}

static volatile int handled;
static volatile u32 mask_in_handler;

static void
on_signal(int signo, siginfo_t *info, void *context)
{
	(void)info;
	handled = signo;
	mask_in_handler = ((ucontext_t *)context)->uc_sigmask.__bits[0];
}

static void
alarm_in(int ms)
{
	struct itimerval it = { { 0, 0 }, { ms / 1000, (ms % 1000) * 1000 } };

	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &it, NULL), 0);
}

/* A handler ends all four with EINTR, SA_RESTART or not, and nothing is written. */
TEST(interrupted)
{
	int ends[2];
	struct pollfd p;
	struct timeval tv = { 20, 0 };
	struct timespec ts = { 20, 0 };
	fd_set set;

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	for (int restart = 0; restart < 2; restart++)
		for (int call = 0; call < 4; call++) {
			handled = 0;
			guest_handle(SIGALRM, on_signal, restart ? SA_RESTART : 0);
			p.fd = ends[0], p.events = POLLIN, p.revents = 0x5555;
			memset(&set, 0, sizeof(set));
			set.__fds_bits[0] = 1UL << ends[0];
			alarm_in(30);
			if (call == 0)
				CHECK_ERR(sys(SYS_poll, &p, 1, 20000), EINTR);
			else if (call == 1)
				CHECK_ERR(sys(SYS_ppoll, &p, 1, &ts, NULL), EINTR);
			else if (call == 2)
				CHECK_ERR(sys(SYS_select, ends[0] + 1, &set, NULL, NULL, &tv), EINTR);
			else
				CHECK_ERR(sys(SYS_pselect, ends[0] + 1, &set, NULL, NULL, &ts, NULL), EINTR);
			CHECK_EQ(handled, SIGALRM);
			CHECK_EQ(p.revents, 0x5555);
			CHECK_EQ(set.__fds_bits[0], 1UL << ends[0]);
		}
	CHECK_EQ(tv.tv_sec, 20);
	CHECK_EQ(ts.tv_sec, 20);
}

/* The mask of ppoll and pselect lets through what is blocked outside; the handler runs, and the old mask is back. */
TEST(mask_of_the_wait)
{
	u32 block[4] = { 1u << (SIGALRM - 1) | 1u << (SIGUSR1 - 1) }, none[4] = { 0 }, now[4];
	u32 alarm_only[4] = { ~(1u << (SIGALRM - 1)), ~0u, ~0u, ~0u };
	struct timespec ts = { 20, 0 }, zero = { 0, 0 };

	guest_handle(SIGALRM, on_signal, SA_RESTART);
	guest_handle(SIGUSR1, on_signal, SA_RESTART);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, block, NULL), 0);
	/* Pending before the wait: it ends at once. */
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGUSR1), 0);
	CHECK_EQ(handled, 0);
	CHECK_ERR(sys(SYS_ppoll, NULL, 0, &ts, none), EINTR);
	CHECK_EQ(handled, SIGUSR1);
	CHECK_EQ(mask_in_handler, block[0]);	/* what sigreturn restores */
	/* One that comes during it. */
	handled = 0;
	alarm_in(30);
	CHECK_ERR(sys(SYS_pselect, 0, NULL, NULL, NULL, &ts, alarm_only), EINTR);
	CHECK_EQ(handled, SIGALRM);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, NULL, now), 0);
	CHECK_EQ(now[0], block[0]);
	/* What the wait's mask blocks too stays pending. */
	handled = 0;
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGUSR1), 0);
	CHECK_EQ(sys(SYS_pselect, 0, NULL, NULL, NULL, &zero, alarm_only), 0);
	CHECK_EQ(handled, 0);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, none, NULL), 0);
	CHECK_EQ(handled, SIGUSR1);
}

TEST(select)
{
	int ends[2];
	fd_set in, out, ex;
	struct timeval zero = { 0, 0 };

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
#define SETS do { \
	memset(&in, 0, sizeof(in)), memset(&out, 0, sizeof(out)), memset(&ex, 0, sizeof(ex)); \
	in.__fds_bits[0] = 1UL << ends[0]; \
	out.__fds_bits[0] = 1UL << ends[1]; \
	ex.__fds_bits[0] = 1UL << ends[0]; \
} while (0)
	SETS;
	CHECK_EQ(sys(SYS_select, 10, &in, &out, &ex, NULL), 1);
	CHECK_EQ(in.__fds_bits[0], 0);
	CHECK_EQ(out.__fds_bits[0], 1UL << ends[1]);
	CHECK_EQ(ex.__fds_bits[0], 0);
	CHECK_EQ(sys(SYS_write, ends[1], "x", 1), 1);
	SETS;
	CHECK_EQ(sys(SYS_select, 10, &in, &out, &ex, &zero), 2);
	CHECK_EQ(in.__fds_bits[0], 1UL << ends[0]);
	SETS;
	CHECK_EQ(sys(SYS_select, ends[1], &in, &out, &ex, &zero), 1);
	CHECK_EQ(out.__fds_bits[0], 1UL << ends[1] & 0);
	/* A closed descriptor. */
	memset(&in, 0, sizeof(in));
	in.__fds_bits[0] = 1UL << 40;
	CHECK_ERR(sys(SYS_select, 41, &in, NULL, NULL, &zero), EBADF);
	CHECK_ERR(sys(SYS_select, -1, NULL, NULL, NULL, &zero), EINVAL);
	CHECK_ERR(sys(SYS_select, 10, 8, NULL, NULL, &zero), EFAULT);
	CHECK_ERR(sys(SYS_select, 0, NULL, NULL, NULL, 8), EFAULT);
	struct timeval bad[] = { { -1, 0 }, { 0, -1 }, { 0, 1000000 } };
	for (int i = 0; i < 3; i++)
		CHECK_ERR(sys(SYS_select, 0, NULL, NULL, NULL, &bad[i]), EINVAL);
	struct timespec badspec[] = { { -1, 0 }, { 0, -1000 }, { 0, 1000000000 } };
	for (int i = 0; i < 3; i++)
		CHECK_ERR(sys(SYS_pselect, 0, NULL, NULL, NULL, &badspec[i], NULL), EINVAL);
	/* Whole microseconds count (TIMESPEC_TO_TIMEVAL in sys_pselect). */
	struct timespec small[] = { { 0, -1 }, { 0, -999 }, { 0, 999 } };
	for (int i = 0; i < 3; i++)
		CHECK_EQ(sys(SYS_pselect, 0, NULL, NULL, NULL, &small[i], NULL), 0);
}

TEST(select_times_out)
{
	int ends[2];
	fd_set in;
	struct timeval tv = { 0, 50000 };
	struct timespec ts = { 0, 50000000 };

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	memset(&in, 0, sizeof(in));
	in.__fds_bits[0] = 1UL << ends[0];
	long start = guest_now_ms();
	CHECK_EQ(sys(SYS_select, ends[0] + 1, &in, NULL, NULL, &tv), 0);
	CHECK_BETWEEN(guest_now_ms() - start, 49, 2000);
	CHECK_EQ(in.__fds_bits[0], 0);
	CHECK_EQ(tv.tv_usec, 50000);	/* Linux counts it down */
	start = guest_now_ms();
	CHECK_EQ(sys(SYS_pselect, 0, NULL, NULL, NULL, &ts, NULL), 0);
	CHECK_BETWEEN(guest_now_ms() - start, 49, 2000);
	CHECK_EQ(ts.tv_nsec, 50000000);
}
