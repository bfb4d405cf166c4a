/*
 * Pipes go both ways: what is written to either descriptor is read from the other (pipe(2); sys/kern/sys_pipe.c).
 */
#include "guest.h"
#include <sys/filio.h>
#include <sys/poll.h>
#include <sys/select.h>
#include <sys/uio.h>

static int ends[2];
static char data[200000];

static void
make(int flags)
{
	CHECK_EQ(sys(SYS_pipe2, ends, flags), 0);
}

static int
poll1(int fd, int events, int timeout)
{
	struct pollfd p = { .fd = fd, .events = (short)events, .revents = 0 };

	CHECK_OK(sys(SYS_poll, &p, 1, timeout));
	return ((unsigned short)p.revents);
}

static int
readable(int fd)
{
	int n = -1;

	CHECK_EQ(sys(SYS_ioctl, fd, FIONREAD, &n), 0);
	return (n);
}

/* Each direction has its own bytes. */
TEST(both_ways)
{
	char c[4];

	make(0);
	CHECK_EQ(sys(SYS_write, ends[0], "back", 4), 4);
	CHECK_EQ(sys(SYS_write, ends[1], "on", 2), 2);
	CHECK_EQ(readable(ends[0]), 2);
	CHECK_EQ(readable(ends[1]), 4);
	CHECK_EQ(sys(SYS_read, ends[1], c, 4), 4);
	CHECK_EQ(memcmp(c, "back", 4), 0);
	CHECK_EQ(sys(SYS_read, ends[0], c, 4), 2);
	CHECK_EQ(memcmp(c, "on", 2), 0);
	CHECK_EQ(readable(ends[1]), 0);
	CHECK_EQ(sys(SYS_write, ends[0], "abcd", 4), 4);
	CHECK_ERR(sys(SYS_read, ends[1], (void *)8, 4), EFAULT);
	CHECK_EQ(sys(SYS_read, ends[1], c, 4), 4);
}

/* pipe_stat: each end its own inode, the bytes that can be read, no link and no mode; both are open for both (kern_pipe). */
TEST(facts)
{
	struct stat a, b;

	make(0);
	CHECK_EQ(sys(SYS_write, ends[0], "abc", 3), 3);
	CHECK_EQ(sys(SYS_fstat, ends[0], &a), 0);
	CHECK_EQ(sys(SYS_fstat, ends[1], &b), 0);
	CHECK(a.st_ino != b.st_ino);
	CHECK_EQ(a.st_dev, b.st_dev);
	CHECK_EQ(a.st_mode, S_IFIFO);
	CHECK_EQ(a.st_nlink, 0);
	CHECK_EQ(a.st_size, 0);
	CHECK_EQ(b.st_size, 3);
	CHECK_EQ(sys(SYS_fcntl, ends[0], F_GETFL) & O_ACCMODE, O_RDWR);
	CHECK_EQ(sys(SYS_fcntl, ends[1], F_GETFL) & O_ACCMODE, O_RDWR);
	CHECK_EQ(sys(SYS_fcntl, ends[1], F_SETFL, O_NONBLOCK), 0);
	CHECK_EQ(sys(SYS_fcntl, ends[1], F_GETFL), O_RDWR | O_NONBLOCK);
	CHECK_EQ(sys(SYS_fcntl, ends[0], F_GETFL), O_RDWR);
}

TEST(vectors)
{
	struct iovec v[3] = { { data, 3 }, { data + 10, 0 }, { data + 20, 4 } };

	make(O_NONBLOCK);
	CHECK_ERR(sys(SYS_readv, ends[1], v, 3), EAGAIN);
	memcpy(data, "abc", 3);
	memcpy(data + 20, "defg", 4);
	CHECK_EQ(sys(SYS_writev, ends[0], v, 3), 7);
	memset(data, 0, 30);
	CHECK_EQ(sys(SYS_readv, ends[1], v, 3), 7);
	CHECK_EQ(memcmp(data, "abc", 3), 0);
	CHECK_EQ(memcmp(data + 20, "defg", 4), 0);
	CHECK_ERR(sys(SYS_pread, ends[1], data, 1, 0L), ESPIPE);
	CHECK_ERR(sys(SYS_pwrite, ends[0], data, 1, 0L), ESPIPE);
}

/* More than there is room for waits, or is written in part. */
TEST(full)
{
	long n, total = 0;

	make(O_NONBLOCK);
	CHECK_EQ(poll1(ends[0], POLLOUT, 0), POLLOUT);
	while ((n = sys(SYS_write, ends[0], data, 1000)) > 0)
		total += n;
	CHECK_EQ(n, -EAGAIN);
	CHECK(total >= 16000);
	CHECK_EQ(poll1(ends[0], POLLOUT, 0), 0);
	CHECK_EQ(sys(SYS_read, ends[1], data, sizeof(data)), total);
	CHECK_EQ(poll1(ends[0], POLLOUT, 0), POLLOUT);
	n = sys(SYS_write, ends[0], data, sizeof(data));
	CHECK(n > 0 && n < (long)sizeof(data));
}

TEST(waits)
{
	long n, total = 0;
	int pid;

	make(0);
	if ((pid = guest_fork()) == 0) {
		guest_sleep_ms(30);
		CHECK_EQ(sys(SYS_write, ends[0], "x", 1), 1);
		memset(data, 'y', sizeof(data));
		CHECK_EQ(sys(SYS_write, ends[0], data, sizeof(data)), (long)sizeof(data));
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_read, ends[1], data, 1), 1);
	CHECK_EQ(data[0], 'x');
	while (total < (long)sizeof(data) && (n = sys(SYS_read, ends[1], data, 7777)) > 0) {
		for (long i = 0; i < n; i++)
			CHECK_EQ(data[i], 'y');
		total += n;
	}
	CHECK_EQ(total, (long)sizeof(data));
	CHECK_EQ(guest_wait(pid), 0);
}

/* What a child wrote is there when it is gone; then comes the end. */
TEST(last_words)
{
	char c[16];
	int i;

	for (i = 0; i < 3; i++) {
		make(0);
		IN_CHILD(CHECK_EQ(sys(SYS_close, ends[1]), 0); CHECK_EQ(sys(SYS_write, ends[0], "last words", 10), 10);
		    if (i == 1) CHECK_EQ(sys(SYS_close, ends[0]), 0);
		    if (i == 2) sys(SYS_close_range, 3, 200, 0));
		CHECK_EQ(sys(SYS_close, ends[0]), 0);
		guest_sleep_ms(50);
		CHECK_EQ(sys(SYS_read, ends[1], c, 4), 4);
		CHECK_EQ(sys(SYS_read, ends[1], c, 16), 6);
		CHECK_EQ(memcmp(c, " words", 6), 0);
		CHECK_EQ(sys(SYS_read, ends[1], c, 16), 0);
		CHECK_EQ(poll1(ends[1], POLLIN | POLLOUT, -1), POLLIN | POLLHUP);
		CHECK_EQ(sys(SYS_close, ends[1]), 0);
	}
	/* Nobody is left to be waited for. */
	CHECK_ERR(sys(SYS_wait4, -1, NULL, 0, NULL), ECHILD);
}

/* An execution keeps it, too, and who is executed finds it. */
HELPER(reads)
{
	char c[4];

	CHECK_EQ(poll1(0, POLLIN, -1), POLLIN);
	CHECK_EQ(sys(SYS_read, 0, c, 4), 4);
	CHECK_EQ(memcmp(c, "exec", 4), 0);
	CHECK_EQ(sys(SYS_write, 1, "done", 4), 4);
}

TEST(over_exec)
{
	char *const argv[] = { guest_argv[0], "@reads", NULL };
	char c[4];
	int pid;

	make(0);
	if ((pid = guest_fork()) == 0) {
		/* As popen(3) with "r+": one end is standard input and output. */
		CHECK_EQ(sys(SYS_dup2, ends[1], 0), 0);
		CHECK_EQ(sys(SYS_dup2, ends[1], 1), 1);
		sys(SYS_close, ends[0]);
		sys(SYS_close, ends[1]);
		sys(SYS_execve, guest_argv[0], argv, (char *const[]){ NULL });
		guest_exit(3);
	}
	CHECK_EQ(sys(SYS_close, ends[1]), 0);
	guest_sleep_ms(20);
	CHECK_EQ(sys(SYS_write, ends[0], "exec", 4), 4);
	CHECK_EQ(sys(SYS_read, ends[0], c, 4), 4);
	CHECK_EQ(memcmp(c, "done", 4), 0);
	CHECK_EQ(guest_wait(pid), 0);
}

/* A pipe whose other end is closed: SIGPIPE and EPIPE, the end of file, POLLHUP. */
static volatile int signals;

static void
count_signal(int signo, siginfo_t *info, void *context)
{
	(void)info, (void)context;
	signals += signo == SIGPIPE;
}

TEST(widowed)
{
	char c;

	guest_handle(SIGPIPE, count_signal, 0);
	make(0);
	CHECK_EQ(sys(SYS_close, ends[1]), 0);
	CHECK_ERR(sys(SYS_write, ends[0], "x", 1), EPIPE);
	CHECK_EQ(signals, 1);
	CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 0);
	CHECK_EQ(poll1(ends[0], POLLIN | POLLOUT, -1), POLLIN | POLLHUP);
	make(0);
	CHECK_EQ(sys(SYS_write, ends[0], "x", 1), 1);
	CHECK_EQ(sys(SYS_close, ends[0]), 0);
	CHECK_ERR(sys(SYS_write, ends[1], "x", 1), EPIPE);
	CHECK_EQ(signals, 2);
	CHECK_EQ(sys(SYS_read, ends[1], &c, 1), 1);
	CHECK_EQ(sys(SYS_read, ends[1], &c, 1), 0);
}

/* Who waits is woken, by bytes, by the end, and by a signal. */
TEST(polled)
{
	int pid;
	char c;

	make(0);
	CHECK_EQ(poll1(ends[1], POLLIN, 0), 0);
	if ((pid = guest_fork()) == 0) {
		CHECK_EQ(sys(SYS_close, ends[1]), 0);
		guest_sleep_ms(30);
		CHECK_EQ(sys(SYS_write, ends[0], "x", 1), 1);
		guest_sleep_ms(60);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_close, ends[0]), 0);
	CHECK_EQ(poll1(ends[1], POLLIN, -1), POLLIN);
	CHECK_EQ(sys(SYS_read, ends[1], &c, 1), 1);
	CHECK_EQ(poll1(ends[1], POLLIN, -1), POLLIN | POLLHUP);
	CHECK_EQ(guest_wait(pid), 0);
}

TEST(selected)
{
	fd_set in, out;
	struct timeval none = { 0, 0 };
	struct timespec zero = { 0, 0 };
	sigset_t mask;
	char c;

	make(0);
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(ends[1], &in);
	FD_SET(ends[0], &out);
	CHECK_EQ(sys(SYS_select, 20, &in, &out, NULL, &none), 1);
	CHECK(!FD_ISSET(ends[1], &in));
	CHECK(FD_ISSET(ends[0], &out));
	CHECK_EQ(sys(SYS_write, ends[0], "x", 1), 1);
	FD_SET(ends[1], &in);
	FD_SET(ends[1], &out);
	CHECK_EQ(sys(SYS_select, 20, &in, &out, NULL, NULL), 3);
	memset(&mask, 0, sizeof(mask));
	CHECK_EQ(sys(SYS_pselect, 20, &in, NULL, NULL, &zero, &mask), 1);
	CHECK_EQ(sys(SYS_read, ends[1], &c, 1), 1);
	CHECK_EQ(sys(SYS_pselect, 20, &in, NULL, NULL, &zero, &mask), 0);
	CHECK(!FD_ISSET(ends[1], &in));
	/* A closed descriptor among them is an error. */
	FD_SET(ends[1], &in);
	FD_SET(19, &in);
	CHECK_ERR(sys(SYS_select, 20, &in, NULL, NULL, &none), EBADF);
}

/* A read that waits is restarted after a handler with SA_RESTART, else it ends with EINTR. */
static void
nothing(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	signals++;
}

TEST(interrupted)
{
	long me = sys(SYS_getpid);
	char c;
	int pid;

	make(0);
	guest_handle(SIGUSR1, nothing, 0);
	guest_handle(SIGUSR2, nothing, SA_RESTART);
	if ((pid = guest_fork()) == 0) {
		guest_sleep_ms(40);
		CHECK_EQ(sys(SYS_kill, me, SIGUSR1), 0);
		guest_sleep_ms(40);
		CHECK_EQ(sys(SYS_kill, me, SIGUSR2), 0);
		guest_sleep_ms(40);
		CHECK_EQ(sys(SYS_write, ends[0], "x", 1), 1);
		guest_exit(0);
	}
	CHECK_ERR(sys(SYS_read, ends[1], &c, 1), EINTR);
	CHECK_EQ(signals, 1);
	CHECK_EQ(sys(SYS_read, ends[1], &c, 1), 1);
	CHECK_EQ(signals, 2);
	CHECK_EQ(guest_wait(pid), 0);
}

/* Duplicates are ends, too, and a number that is something else afterwards is none. */
TEST(duplicates)
{
	char c;
	int file = (int)CHECK_OK(sys(SYS_open, "file", O_RDWR | O_CREAT, 0644)), other;

	make(0);
	other = (int)CHECK_OK(sys(SYS_dup, ends[1]));
	CHECK_EQ(sys(SYS_dup2, ends[0], 77), 77);
	CHECK_EQ(sys(SYS_close, ends[1]), 0);
	CHECK_EQ(sys(SYS_close, ends[0]), 0);
	CHECK_EQ(poll1(other, POLLIN, 0), 0);
	CHECK_EQ(sys(SYS_write, 77, "x", 1), 1);
	CHECK_EQ(poll1(other, POLLIN, -1), POLLIN);
	CHECK_EQ(sys(SYS_fcntl, other, F_DUPFD, 90), 90);
	CHECK_EQ(sys(SYS_read, 90, &c, 1), 1);
	CHECK_EQ(sys(SYS_dup2, file, 90), 90);
	CHECK_EQ(poll1(90, POLLIN, 0), POLLIN);
	CHECK_EQ(readable(90), 0);
	CHECK_EQ(sys(SYS_close, 90), 0);
	CHECK_EQ(sys(SYS_dup2, 90, 91), -EBADF);
}

/* A FIFO, and a file, are opened one way: the other is EBADF. */
TEST(fifos_have_one_way)
{
	int fd, file;
	char c;

	CHECK_EQ(sys(SYS_mkfifoat, AT_FDCWD, "fifo", 0600), 0);
	fd = (int)CHECK_OK(sys(SYS_open, "fifo", O_RDONLY | O_NONBLOCK, 0));
	CHECK_ERR(sys(SYS_write, fd, "x", 1), EBADF);
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFL), O_RDONLY | O_NONBLOCK);
	file = (int)CHECK_OK(sys(SYS_open, "file", O_WRONLY | O_CREAT, 0644));
	CHECK_ERR(sys(SYS_read, file, &c, 1), EBADF);
	CHECK_ERR(sys(SYS_read, 99, &c, 1), EBADF);
	CHECK_ERR(sys(SYS_write, -1, &c, 1), EBADF);
}
