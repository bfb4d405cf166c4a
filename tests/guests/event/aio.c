/* POSIX asynchronous I/O: aio_*, lio_listio, EVFILT_AIO and EVFILT_LIO. */
#include "guest.h"
#include <sys/aio.h>
#include <sys/event.h>
#include <sys/socket.h>
#include <sys/uio.h>

static const struct timespec now = { 0, 0 };
static const struct timespec while_ = { 20, 0 };
static char big[1 << 20], back[1 << 20];

static struct aiocb
request(int fd, void *buffer, size_t size, off_t offset)
{
	struct aiocb cb;

	memset(&cb, 0, sizeof(cb));
	cb.aio_fildes = fd;
	cb.aio_buf = buffer;
	cb.aio_nbytes = size;
	cb.aio_offset = offset;
	cb.aio_sigevent.sigev_notify = SIGEV_NONE;
	return (cb);
}

static int
file(void)
{
	return ((int)CHECK_OK(sys(SYS_open, "data", O_RDWR | O_CREAT | O_TRUNC, 0644)));
}

static void
wait_until_done(struct aiocb *cb)
{
	const struct aiocb *list[1] = { cb };

	while (sys(SYS_aio_error, cb) == EINPROGRESS)
		CHECK_EQ(sys(SYS_aio_suspend, list, 1, &while_), 0);
}

TEST(files)
{
	char data[16] = "";
	int fd = file();
	struct aiocb cb = request(fd, "0123456789", 10, 5), other = request(fd, data, 16, 7);

	CHECK_ERR(sys(SYS_aio_return, &cb), EINVAL);
	CHECK_EQ(sys(SYS_aio_error, &cb), EINVAL);
	CHECK_EQ(sys(SYS_aio_write, &cb), 0);
	wait_until_done(&cb);
	CHECK_EQ(sys(SYS_aio_error, &cb), 0);
	CHECK_EQ(sys(SYS_aio_cancel, fd, &cb), AIO_ALLDONE);
	CHECK_EQ(sys(SYS_aio_return, &cb), 10);
	CHECK_ERR(sys(SYS_aio_return, &cb), EINVAL);
	CHECK_EQ(sys(SYS_aio_error, &cb), EINVAL);
	CHECK_EQ(sys(SYS_aio_read, &other), 0);
	wait_until_done(&other);
	CHECK_EQ(sys(SYS_aio_return, &other), 8);
	CHECK_EQ(memcmp(data, "23456789", 8), 0);
	/* The descriptor's own offset has not moved. At the end there is nothing. */
	CHECK_EQ(sys(SYS_lseek, fd, 0, SEEK_CUR), 0);
	other.aio_offset = 100;
	CHECK_EQ(sys(SYS_aio_read, &other), 0);
	wait_until_done(&other);
	CHECK_EQ(sys(SYS_aio_return, &other), 0);
	/* Vectors. */
	struct iovec out[2] = { { "ab", 2 }, { "cde", 3 } }, in[3] = { { data, 1 }, { data + 8, 2 }, { data + 12, 4 } };
	cb = request(fd, out, 2, 0);
	CHECK_EQ(sys(SYS_aio_writev, &cb), 0);
	wait_until_done(&cb);
	CHECK_EQ(sys(SYS_aio_return, &cb), 5);
	cb = request(fd, in, 3, 0);
	memset(data, 0, sizeof(data));
	CHECK_EQ(sys(SYS_aio_readv, &cb), 0);
	wait_until_done(&cb);
	CHECK_EQ(sys(SYS_aio_return, &cb), 7);
	CHECK(data[0] == 'a' && data[8] == 'b' && data[9] == 'c' && data[12] == 'd' && data[15] == '1');
	/* To disk, and into memory. */
	cb = request(fd, NULL, 0, 0);
	CHECK_EQ(sys(SYS_aio_fsync, O_SYNC, &cb), 0);
	wait_until_done(&cb);
	CHECK_EQ(sys(SYS_aio_return, &cb), 0);
	CHECK_EQ(sys(SYS_aio_fsync, O_DSYNC, &cb), 0);
	wait_until_done(&cb);
	CHECK_EQ(sys(SYS_aio_return, &cb), 0);
	CHECK_ERR(sys(SYS_aio_fsync, O_RDWR, &cb), EINVAL);
	cb = request(-1, data, 16, 0);
	CHECK_EQ(sys(SYS_aio_mlock, &cb), 0);
	wait_until_done(&cb);
	CHECK_EQ(sys(SYS_aio_return, &cb), 0);
	cb = request(-1, (void *)0x10000, 16, 0);
	CHECK_EQ(sys(SYS_aio_mlock, &cb), 0);
	wait_until_done(&cb);
	CHECK_EQ(sys(SYS_aio_error, &cb), ENOMEM);
	CHECK_ERR(sys(SYS_aio_return, &cb), ENOMEM);
}

TEST(errors)
{
	char data[16];
	int fd = file(), fds[2], s[2];
	int reader = (int)CHECK_OK(sys(SYS_open, "data", O_RDONLY));
	struct aiocb cb = request(99, data, 16, 0);

	CHECK_EQ(sys(SYS_pipe2, fds, 0), 0);
	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_ERR(sys(SYS_aio_read, &cb), EBADF);
	CHECK_EQ(sys(SYS_aio_error, &cb), EBADF);
	CHECK_ERR(sys(SYS_aio_return, &cb), EINVAL);
	cb = request(reader, data, 16, 0);
	CHECK_ERR(sys(SYS_aio_write, &cb), EBADF);
	cb = request(fd, data, 16, -1);
	CHECK_ERR(sys(SYS_aio_read, &cb), EINVAL);
	cb = request(s[0], data, 16, -1);
	CHECK_ERR(sys(SYS_aio_read, &cb), EINVAL);
	/* Only files and sockets, as long as vfs.aio.enable_unsafe is 0. */
	cb = request(fds[0], data, 16, 0);
	CHECK_ERR(sys(SYS_aio_read, &cb), EOPNOTSUPP);
	CHECK_EQ(sys(SYS_aio_error, &cb), EOPNOTSUPP);
	CHECK_ERR(sys(SYS_aio_fsync, O_SYNC, &cb), EINVAL);
	cb = request(s[0], NULL, 0, 0);
	CHECK_ERR(sys(SYS_aio_fsync, O_SYNC, &cb), EINVAL);
	cb = request(fd, data, 0x8000000000000000, 0);
	CHECK_ERR(sys(SYS_aio_read, &cb), EINVAL);
	cb = request(fd, data, 16, 0);
	cb.aio_sigevent.sigev_notify = 77;
	CHECK_ERR(sys(SYS_aio_read, &cb), EINVAL);
	CHECK_EQ(sys(SYS_aio_error, &cb), EINVAL);
	cb.aio_sigevent.sigev_notify = SIGEV_SIGNAL;
	CHECK_ERR(sys(SYS_aio_read, &cb), EINVAL);
	cb.aio_sigevent.sigev_notify = SIGEV_KEVENT;
	cb.aio_sigevent.sigev_notify_kqueue = 1;
	CHECK_ERR(sys(SYS_aio_read, &cb), EBADF);
	cb.aio_sigevent.sigev_notify_kqueue = (int)CHECK_OK(sys(SYS_kqueue));
	cb.aio_sigevent.sigev_notify_kevent_flags = EV_ADD;
	CHECK_ERR(sys(SYS_aio_read, &cb), EINVAL);
	CHECK_ERR(sys(SYS_aio_read, 8), EFAULT);
	struct sysret of_nothing = guest_syscall(SYS_aio_error, 8, 0, 0, 0, 0, 0);
	CHECK(of_nothing.value == (u64)-1 && !of_nothing.failed);	/* vfs_aio.c, kern_aio_error: fuword fails */
	CHECK_ERR(sys(SYS_aio_return, 8), EINVAL);
	struct iovec many[2] = { { data, 1 }, { data, 0x8000000000000000 } };
	cb = request(fd, many, 2, 0);
	CHECK_ERR(sys(SYS_aio_readv, &cb), EINVAL);
	cb = request(fd, many, 1025, 0);
	CHECK_ERR(sys(SYS_aio_readv, &cb), EINVAL);
	cb = request(fd, (void *)8, 2, 0);
	CHECK_ERR(sys(SYS_aio_readv, &cb), EFAULT);
	/* A bad buffer is found when the work is done. */
	CHECK_EQ(sys(SYS_write, fd, "0123", 4), 4);
	cb = request(fd, (void *)8, 4, 0);
	CHECK_EQ(sys(SYS_aio_read, &cb), 0);
	wait_until_done(&cb);
	CHECK_EQ(sys(SYS_aio_error, &cb), EFAULT);
	CHECK_ERR(sys(SYS_aio_return, &cb), EFAULT);
	CHECK_ERR(sys(SYS_aio_cancel, 99, NULL), EBADF);
	CHECK_EQ(sys(SYS_aio_cancel, fd, NULL), AIO_ALLDONE);
	int listener = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
	struct { u8 len, family; char path[30]; } name = { sizeof(name), AF_UNIX, "listener" };
	CHECK_EQ(sys(SYS_bind, listener, &name, sizeof(name)), 0);
	CHECK_EQ(sys(SYS_listen, listener, 1), 0);
	cb = request(listener, data, 4, 0);
	CHECK_ERR(sys(SYS_aio_read, &cb), EINVAL);
}

static volatile int count, signo_seen, code_seen, error_seen;
static volatile long value_seen, thread_seen;
static struct aiocb *volatile signalled;

static void
done(int signo, siginfo_t *info, void *context)
{
	long self = 0;

	(void)context;
	sys(SYS_thr_self, &self);
	signo_seen = signo;
	code_seen = info->si_code;
	value_seen = (long)info->si_value.sival_ptr;
	thread_seen = self;
	if (signalled != NULL)
		error_seen = (int)sys(SYS_aio_error, signalled);
	__atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
}

static void
wait_for(int n)
{
	for (int i = 0; i < 10000 && __atomic_load_n(&count, __ATOMIC_SEQ_CST) < n; i++)
		guest_sleep_ms(1);
	CHECK_EQ(count, n);
}

static volatile int end;

static void
idle(void *argument)
{
	(void)argument;
	while (!__atomic_load_n(&end, __ATOMIC_ACQUIRE))
		guest_sleep_ms(1);
}

TEST(signals)
{
	static const int signals[] = { SIGUSR1, 70, 110 };
	struct guest_thread t;
	long other;
	char data[4];
	int fd = file(), s[2];

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	guest_thread_start(&t, idle, NULL);
	while ((other = __atomic_load_n(&t.id, __ATOMIC_ACQUIRE)) == 0)
		;
	for (int i = 0; i < 12; i++) {
		struct aiocb cb = request(i & 1 ? s[0] : fd, i & 1 ? data : "abcd", 4, 0);
		int signo = signals[i / 4];
		cb.aio_sigevent.sigev_notify = i & 2 ? SIGEV_THREAD_ID : SIGEV_SIGNAL;
		cb.aio_sigevent.sigev_signo = signo;
		cb.aio_sigevent._sigev_un._threadid = (int)other;
		cb.aio_sigevent.sigev_value.sival_ptr = &cb;
		signalled = &cb;
		count = 0;
		error_seen = -1;
		guest_handle(signo, done, SA_RESTART);
		CHECK_EQ(sys(i & 1 ? SYS_aio_read : SYS_aio_write, &cb), 0);
		if (i & 1)
			CHECK_EQ(sys(SYS_write, s[1], "wxyz", 4), 4);
		wait_for(1);
		CHECK_EQ(signo_seen, signo);
		CHECK_EQ(code_seen, SI_ASYNCIO);
		CHECK_EQ(value_seen, (long)&cb);
		CHECK_EQ(error_seen, 0);
		if (i & 2)
			CHECK_EQ(thread_seen, other);
		CHECK_EQ(sys(SYS_aio_return, &cb), 4);
		signalled = NULL;
	}
	end = 1;
	guest_thread_join(&t);
}

TEST(socket_reads)
{
	char data[3][8] = { "" };
	int s[2];
	struct timespec soon = { 0, 10000000 };

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	struct aiocb a = request(s[0], data[0], 3, 0), b = request(s[0], data[1], 3, 0), c = request(s[0], data[2], 8, 0);
	const struct aiocb *list[3] = { &b, NULL, &a };
	/* What is there is taken at once. */
	CHECK_EQ(sys(SYS_write, s[1], "xy", 2), 2);
	CHECK_EQ(sys(SYS_aio_read, &a), 0);
	wait_until_done(&a);
	CHECK_EQ(sys(SYS_aio_return, &a), 2);
	/* The rest comes in the order of the requests. */
	CHECK_EQ(sys(SYS_aio_read, &a), 0);
	CHECK_EQ(sys(SYS_aio_read, &b), 0);
	CHECK_EQ(sys(SYS_aio_read, &c), 0);
	CHECK_EQ(sys(SYS_aio_error, &a), EINPROGRESS);
	CHECK_ERR(sys(SYS_aio_return, &a), EINVAL);
	CHECK_ERR(sys(SYS_aio_suspend, list, 3, &soon), EAGAIN);
	CHECK_EQ(sys(SYS_write, s[1], "abcde", 5), 5);
	CHECK_EQ(sys(SYS_aio_suspend, list, 3, NULL), 0);
	wait_until_done(&a);
	wait_until_done(&b);
	CHECK_EQ(sys(SYS_aio_return, &a), 3);
	CHECK_EQ(sys(SYS_aio_return, &b), 2);
	CHECK_EQ(memcmp(data[0], "abc", 3), 0);
	CHECK_EQ(memcmp(data[1], "de", 2), 0);
	CHECK_EQ(sys(SYS_aio_error, &c), EINPROGRESS);
	/* A request outlives its descriptor, and its number. */
	CHECK_EQ(sys(SYS_close, s[0]), 0);
	CHECK_EQ(sys(SYS_open, "/dev/null", O_RDONLY), s[0]);
	CHECK_EQ(sys(SYS_write, s[1], "rest", 4), 4);
	wait_until_done(&c);
	CHECK_EQ(sys(SYS_aio_return, &c), 4);
	CHECK_EQ(memcmp(data[2], "rest", 4), 0);
	/* Nothing is left to wait for. */
	CHECK_EQ(sys(SYS_aio_suspend, list, 3, NULL), 0);
	CHECK_EQ(sys(SYS_aio_suspend, list, 0, NULL), 0);
	CHECK_ERR(sys(SYS_aio_suspend, list, -1, NULL), EINVAL);
	CHECK_ERR(sys(SYS_aio_suspend, 8, 1, NULL), EFAULT);
	soon.tv_nsec = 1000000000;
	CHECK_ERR(sys(SYS_aio_suspend, list, 1, &soon), EINVAL);
	/* The socket is gone now that the request is: the peer sees the end. */
	CHECK_EQ(sys(SYS_read, s[1], data[0], 1), 0);
}

TEST(socket_writes)
{
	int s[2];
	size_t got = 0;
	struct iovec parts[3] = { { big, 1 }, { big + 1, 300000 }, { big + 300001, sizeof(big) - 300001 } };

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 31 + i / 977);
	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	struct aiocb cb = request(s[0], parts, 3, 0);
	CHECK_EQ(sys(SYS_aio_writev, &cb), 0);
	CHECK_EQ(sys(SYS_aio_error, &cb), EINPROGRESS);
	while (got < sizeof(big))
		got += (size_t)CHECK_OK(sys(SYS_read, s[1], back + got, sizeof(back) - got));
	wait_until_done(&cb);
	CHECK_EQ(sys(SYS_aio_return, &cb), sizeof(big));
	CHECK_EQ(memcmp(big, back, sizeof(big)), 0);
	CHECK_EQ(parts[0].iov_len, 1);
	/* Nobody reads any more. */
	guest_handle(SIGPIPE, done, 0);
	CHECK_EQ(sys(SYS_close, s[1]), 0);
	cb = request(s[0], big, 4, 0);
	CHECK_EQ(sys(SYS_aio_write, &cb), 0);
	wait_until_done(&cb);
	CHECK_EQ(sys(SYS_aio_error, &cb), EPIPE);
	CHECK_ERR(sys(SYS_aio_return, &cb), EPIPE);
	wait_for(1);
	CHECK_EQ(signo_seen, SIGPIPE);
}

TEST(cancel)
{
	char data[8];
	int s[2];

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	struct aiocb a = request(s[0], data, 8, 0), b = request(s[0], data, 8, 0), c = request(s[1], data, 8, 0);
	CHECK_EQ(sys(SYS_aio_read, &a), 0);
	CHECK_EQ(sys(SYS_aio_read, &b), 0);
	CHECK_EQ(sys(SYS_aio_read, &c), 0);
	CHECK_EQ(sys(SYS_aio_cancel, s[0], &b), AIO_CANCELED);
	CHECK_EQ(sys(SYS_aio_error, &b), ECANCELED);
	CHECK_ERR(sys(SYS_aio_return, &b), ECANCELED);
	CHECK_EQ(sys(SYS_aio_cancel, s[0], &b), AIO_ALLDONE);
	CHECK_EQ(sys(SYS_aio_error, &a), EINPROGRESS);
	CHECK_EQ(sys(SYS_aio_cancel, s[0], NULL), AIO_CANCELED);
	CHECK_ERR(sys(SYS_aio_return, &a), ECANCELED);
	CHECK_EQ(sys(SYS_aio_error, &c), EINPROGRESS);
	/* What was cancelled takes nothing. */
	CHECK_EQ(sys(SYS_write, s[1], "12", 2), 2);
	guest_sleep_ms(10);
	CHECK_EQ(sys(SYS_read, s[0], data, 8), 2);
}

/* soo_aio_cancel: a write of which part was sent ends with that, and aio_cancel says that it could not take it back. */
TEST(cancel_of_what_has_begun)
{
	int s[2];

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	struct aiocb cb = request(s[0], big, sizeof(big), 0);
	CHECK_EQ(sys(SYS_aio_write, &cb), 0);
	CHECK(sys(SYS_read, s[1], back, 100) == 100);
	CHECK_EQ(sys(SYS_aio_error, &cb), EINPROGRESS);
	CHECK_EQ(sys(SYS_aio_cancel, s[0], &cb), AIO_NOTCANCELED);
	CHECK_EQ(sys(SYS_aio_error, &cb), 0);
	CHECK_BETWEEN(sys(SYS_aio_return, &cb), 100, sizeof(big) - 1);
}

TEST(waitcomplete)
{
	char data[8];
	int fd = file(), s[2];
	struct timespec soon = { 0, 10000000 }, bad = { 0, -1 };

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	struct aiocb a = request(s[0], data, 8, 0), b = request(fd, "abc", 3, 0), c = request(fd, (void *)8, 3, 0);
	struct aiocb *which = &c;
	CHECK_ERR(sys(SYS_aio_waitcomplete, &which, &now), EAGAIN);
	CHECK_EQ(which, NULL);
	CHECK_EQ(sys(SYS_aio_read, &a), 0);
	CHECK_ERR(sys(SYS_aio_waitcomplete, &which, &soon), EAGAIN);
	CHECK_ERR(sys(SYS_aio_waitcomplete, &which, &bad), EINVAL);
	CHECK_ERR(sys(SYS_aio_waitcomplete, &which, 8), EFAULT);
	CHECK_EQ(sys(SYS_aio_write, &b), 0);
	CHECK_EQ(sys(SYS_aio_waitcomplete, &which, NULL), 3);
	CHECK_EQ(which, &b);
	CHECK_ERR(sys(SYS_aio_return, &b), EINVAL);
	CHECK_EQ(sys(SYS_aio_read, &c), 0);
	CHECK_ERR(sys(SYS_aio_waitcomplete, &which, NULL), EFAULT);
	CHECK_EQ(which, &c);
	int pid = guest_fork();
	if (pid == 0) {
		/* Requests are not inherited. */
		CHECK_EQ(sys(SYS_aio_error, &a), EINVAL);
		CHECK_ERR(sys(SYS_aio_waitcomplete, &which, &now), EAGAIN);
		struct aiocb mine = request(fd, "x", 1, 0);
		CHECK_EQ(sys(SYS_aio_write, &mine), 0);
		CHECK_EQ(sys(SYS_aio_waitcomplete, &which, NULL), 1);
		guest_sleep_ms(30);
		guest_exit(sys(SYS_write, s[1], "hello", 5) == 5 ? 0 : 1);
	}
	CHECK_EQ(sys(SYS_aio_waitcomplete, &which, NULL), 5);
	CHECK_EQ(which, &a);
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_EQ(memcmp(data, "hello", 5), 0);
}

TEST(kevent)
{
	char data[8];
	int fd = file(), s[2], kq = (int)CHECK_OK(sys(SYS_kqueue));
	struct kevent kev, got[4];

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	struct aiocb a = request(s[0], data, 8, 0), b = request(fd, "abc", 3, 0), c = request(fd, (void *)8, 3, 0);
	a.aio_sigevent.sigev_notify = b.aio_sigevent.sigev_notify = c.aio_sigevent.sigev_notify = SIGEV_KEVENT;
	a.aio_sigevent.sigev_notify_kqueue = b.aio_sigevent.sigev_notify_kqueue = c.aio_sigevent.sigev_notify_kqueue = kq;
	a.aio_sigevent.sigev_value.sival_ptr = (void *)0x1111222233334444;
	b.aio_sigevent.sigev_notify_kevent_flags = EV_ONESHOT;
	CHECK_EQ(sys(SYS_aio_read, &a), 0);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, &now), 0);
	CHECK_EQ(sys(SYS_aio_write, &b), 0);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, NULL), 1);
	CHECK_EQ(got[0].ident, &b);
	CHECK_EQ(got[0].filter, EVFILT_AIO);
	CHECK_EQ(got[0].flags, EV_EOF | EV_ONESHOT);
	CHECK_EQ(got[0].data, 0);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, &now), 0);
	CHECK_EQ(sys(SYS_aio_return, &b), 3);
	CHECK_EQ(sys(SYS_write, s[1], "12345", 5), 5);
	/* It stays until the result is fetched. */
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, NULL), 1);
		CHECK_EQ(got[0].ident, &a);
		CHECK_EQ(got[0].flags, EV_EOF);
		CHECK_EQ(got[0].udata, 0x1111222233334444);
	}
	CHECK_EQ(sys(SYS_aio_return, &a), 5);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, &now), 0);
	/* The error is in data. */
	CHECK_EQ(sys(SYS_aio_read, &c), 0);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, NULL), 1);
	CHECK_EQ(got[0].ident, &c);
	CHECK_EQ(got[0].data, EFAULT);
	CHECK_ERR(sys(SYS_aio_return, &c), EFAULT);
	/* A program cannot make one, but it can take one away. */
	EV_SET(&kev, (uintptr_t)&a, EVFILT_AIO, EV_ADD, 0, 0, NULL);
	CHECK_ERR(sys(SYS_kevent, kq, &kev, 1, NULL, 0, NULL), EPERM);
	CHECK_EQ(sys(SYS_aio_read, &a), 0);
	kev.flags = EV_DELETE;
	CHECK_EQ(sys(SYS_kevent, kq, &kev, 1, NULL, 0, NULL), 0);
	CHECK_EQ(sys(SYS_write, s[1], "12345", 5), 5);
	wait_until_done(&a);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, &now), 0);
	CHECK_EQ(sys(SYS_aio_return, &a), 5);
	/* The kqueue goes before the request. */
	CHECK_EQ(sys(SYS_aio_read, &a), 0);
	CHECK_EQ(sys(SYS_close, kq), 0);
	CHECK_EQ(sys(SYS_write, s[1], "12345", 5), 5);
	wait_until_done(&a);
	CHECK_EQ(sys(SYS_aio_return, &a), 5);
}

TEST(lists)
{
	char data[8], more[8];
	int fd = file(), s[2], kq = (int)CHECK_OK(sys(SYS_kqueue));
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct kevent got[4];

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	struct aiocb a = request(fd, "abc", 3, 0), b = request(s[0], data, 8, 0), c = request(fd, "", 0, 0);
	struct aiocb d = request(fd, "x", 1, 9), *list[5] = { &a, NULL, &b, &c, &d };
	struct iovec vector = { "x", 1 };
	a.aio_lio_opcode = LIO_WRITE;
	b.aio_lio_opcode = LIO_READ;
	c.aio_lio_opcode = LIO_NOP;
	d.aio_lio_opcode = LIO_WRITEV;
	d.aio_iov = &vector;
	d.aio_iovcnt = 1;
	/* All of them are waited for. */
	int pid = guest_fork();
	if (pid == 0) {
		guest_sleep_ms(30);
		guest_exit(sys(SYS_write, s[1], "123", 3) == 3 ? 0 : 1);
	}
	CHECK_EQ(sys(SYS_lio_listio, LIO_WAIT, list, 5, NULL), 0);
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_EQ(sys(SYS_aio_return, &a), 3);
	CHECK_EQ(sys(SYS_aio_return, &b), 3);
	CHECK_EQ(sys(SYS_aio_error, &c), 0);
	CHECK_ERR(sys(SYS_aio_return, &c), EINVAL);
	CHECK_EQ(sys(SYS_aio_return, &d), 1);
	/* One signal when all are done. */
	guest_handle(SIGUSR1, done, SA_RESTART);
	event.sigev_value.sival_int = 99;
	CHECK_EQ(sys(SYS_lio_listio, LIO_NOWAIT, list, 5, &event), 0);
	guest_sleep_ms(10);
	CHECK_EQ(count, 0);
	CHECK_EQ(sys(SYS_write, s[1], "123", 3), 3);
	wait_for(1);
	CHECK_EQ(code_seen, SI_ASYNCIO);
	CHECK_EQ(value_seen, 99);
	CHECK_EQ(sys(SYS_aio_return, &a), 3);
	CHECK_EQ(sys(SYS_aio_return, &b), 3);
	CHECK_EQ(sys(SYS_aio_return, &d), 1);
	/* An event instead. */
	event = (struct sigevent){ .sigev_notify = SIGEV_KEVENT, .sigev_notify_kqueue = kq };
	event.sigev_value.sival_ptr = (void *)77;
	CHECK_EQ(sys(SYS_lio_listio, LIO_NOWAIT, list, 5, &event), 0);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, &now), 0);
	CHECK_EQ(sys(SYS_write, s[1], "123", 3), 3);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, NULL), 1);
	CHECK_EQ(got[0].filter, EVFILT_LIO);
	CHECK_EQ(got[0].ident, list);
	CHECK_EQ(got[0].udata, 77);
	CHECK_EQ(sys(SYS_aio_return, &a), 3);
	CHECK_EQ(sys(SYS_aio_return, &b), 3);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, &now), 1);
	CHECK_EQ(sys(SYS_aio_return, &d), 1);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, &now), 0);
	/* One that cannot be taken is told of; the others are done. */
	b = request(99, more, 8, 0);
	b.aio_lio_opcode = LIO_READ;
	CHECK_ERR(sys(SYS_lio_listio, LIO_WAIT, list, 5, NULL), EIO);
	CHECK_EQ(sys(SYS_aio_error, &b), EBADF);
	CHECK_EQ(sys(SYS_aio_return, &a), 3);
	CHECK_EQ(sys(SYS_aio_return, &d), 1);
	a.aio_lio_opcode = 0x100;
	CHECK_ERR(sys(SYS_lio_listio, LIO_WAIT, list, 1, NULL), EIO);
	CHECK_EQ(sys(SYS_aio_error, &a), EINVAL);
	CHECK_EQ(sys(SYS_lio_listio, LIO_NOWAIT, list, 0, NULL), 0);
	CHECK_ERR(sys(SYS_lio_listio, 2, list, 1, NULL), EINVAL);
	CHECK_ERR(sys(SYS_lio_listio, LIO_WAIT, list, -1, NULL), EINVAL);
	CHECK_ERR(sys(SYS_lio_listio, LIO_WAIT, 8, 1, NULL), EFAULT);
	CHECK_ERR(sys(SYS_lio_listio, LIO_NOWAIT, list, 1, 8), EFAULT);
	event.sigev_notify = SIGEV_SIGNAL;
	event.sigev_signo = 0;
	CHECK_ERR(sys(SYS_lio_listio, LIO_NOWAIT, list, 1, &event), EINVAL);
}

/* The struct of FreeBSD 6: its sigevent lies before the operation. */
TEST(freebsd6)
{
	struct {
		int fildes;
		off_t offset;
		void *buf;
		size_t nbytes;
		int notify, signo;
		void *value;
		int opcode, prio;
		long status, error;
		void *info;
	} cb = { file(), 0, "abc", 3, SIGEV_SIGNAL, SIGUSR1, (void *)5, LIO_WRITE, 0, 0, 0, 0 }, *list[1] = { &cb };
	char data[8] = "";

	guest_handle(SIGUSR1, done, SA_RESTART);
	CHECK_EQ(sys(319, &cb), 0);
	wait_for(1);
	CHECK_EQ(sys(SYS_aio_return, &cb), 3);
	cb.notify = SIGEV_NONE;
	cb.buf = data;
	CHECK_EQ(sys(318, &cb), 0);
	while (sys(SYS_aio_error, &cb) == EINPROGRESS)
		guest_sleep_ms(1);
	CHECK_EQ(sys(SYS_aio_return, &cb), 3);
	CHECK_STR(data, "abc");
	cb.opcode = LIO_READ;
	CHECK_EQ(sys(320, LIO_WAIT, list, 1, NULL), 0);
	CHECK_EQ(sys(SYS_aio_return, &cb), 3);
	cb.notify = SIGEV_THREAD_ID;
	CHECK_ERR(sys(318, &cb), EINVAL);
}

TEST(many)
{
	static struct aiocb cb[257];
	static char data[257];
	int s[2];
	struct aiocb *which;

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	struct rlimit limit = { 2000, 2000 };
	sys(SYS_setrlimit, RLIMIT_NOFILE, &limit);
	for (int i = 0; i < 256; i++) {
		cb[i] = request(s[0], &data[i], 1, 0);
		CHECK_EQ(sys(SYS_aio_read, &cb[i]), 0);
	}
	cb[256] = request(s[0], &data[256], 1, 0);
	CHECK_ERR(sys(SYS_aio_read, &cb[256]), EAGAIN);
	CHECK_EQ(sys(SYS_aio_error, &cb[256]), EAGAIN);
	for (int i = 0; i < 256; i++)
		big[i] = (char)i;
	CHECK_EQ(sys(SYS_write, s[1], big, 256), 256);
	for (int i = 0; i < 256; i++) {
		CHECK_EQ(sys(SYS_aio_waitcomplete, &which, NULL), 1);
		CHECK_EQ(which, &cb[i]);
		CHECK_EQ((u8)data[i], i);
	}
}

/* Nothing that the guest does to descriptors reaches those of the requests. */
TEST(descriptors)
{
	char data[8];
	int s[2], peer;

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	peer = (int)CHECK_OK(sys(SYS_dup2, s[1], 7));
	struct aiocb cb = request(s[0], data, 8, 0);
	CHECK_EQ(sys(SYS_aio_read, &cb), 0);
	for (int fd = 240; fd < 270; fd++) {
		CHECK_ERR(sys(SYS_close, fd), EBADF);
		CHECK_ERR(sys(SYS_fcntl, fd, F_GETFD), EBADF);
	}
	CHECK_EQ(sys(SYS_close_range, 8, 1000, 0), 0);
	for (int fd = 245; fd < 260; fd++)
		CHECK_EQ(sys(SYS_dup2, 2, fd), fd);
	CHECK_EQ(sys(SYS_write, peer, "123", 3), 3);
	wait_until_done(&cb);
	CHECK_EQ(sys(SYS_aio_return, &cb), 3);
	cb = request(s[0], data, 8, 0);
	CHECK_EQ(sys(SYS_aio_read, &cb), 0);
	CHECK_EQ(sys(SYS_write, peer, "12", 2), 2);
	wait_until_done(&cb);
	CHECK_EQ(sys(SYS_aio_return, &cb), 2);
}

HELPER(says_hello)
{
	say("hello\n");
}

/* What a process does at its end it does with requests under way too. */
TEST(ends)
{
	char data[8], *argv[] = { guest_argv[0], "@says_hello", NULL };
	int s[2], fds[2];

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(sys(SYS_pipe2, fds, 0), 0);
	struct aiocb cb = request(s[0], data, 8, 0);
	IN_CHILD({
		CHECK_EQ(sys(SYS_aio_read, &cb), 0);
	});
	int pid = guest_fork();
	if (pid == 0) {
		CHECK_EQ(sys(SYS_aio_read, &cb), 0);
		sys(SYS_dup2, fds[1], 1);
		guest_exit((int)-sys(SYS_execve, guest_argv[0], argv, guest_envp));
	}
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_EQ(sys(SYS_read, fds[0], data, 8), 6);
	CHECK_EQ(memcmp(data, "hello\n", 6), 0);
	/* The last thread of the guest is the last one. */
	IN_CHILD({
		long state = 0;
		CHECK_EQ(sys(SYS_aio_read, &cb), 0);
		CHECK_EQ(sys(SYS_thr_exit, &state), 0);
		CHECK_ERR(sys(SYS_thr_kill, -1, 0), ESRCH);
	});
	/* A signal for the process comes to the guest, not to the thread that serves requests. */
	guest_handle(SIGUSR2, done, 0);
	CHECK_EQ(sys(SYS_aio_read, &cb), 0);
	u64 mask[2] = { 1UL << (SIGUSR2 - 1), 0 };
	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, mask, NULL), 0);
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGUSR2), 0);
	guest_sleep_ms(10);
	CHECK_EQ(count, 0);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_UNBLOCK, mask, NULL), 0);
	CHECK_EQ(count, 1);
}
