/* POSIX message queues: kmq_*, with notification and kevent. */
#include "guest.h"
#include <sys/event.h>
#include <sys/mqueue.h>
#include <sys/poll.h>

static volatile int count, signo_seen, code_seen, mqd_seen;
static volatile long value_seen, thread_seen;
static volatile int woken;

static void
notified(int signo, siginfo_t *info, void *context)
{
	long self = 0;

	(void)context;
	sys(SYS_thr_self, &self);
	signo_seen = signo;
	code_seen = info->si_code;
	mqd_seen = info->si_mqd;
	value_seen = (long)info->si_value.sival_ptr;
	thread_seen = self;
	__atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
}

static void
note(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	woken++;
}

static char name[64];
static const struct mq_attr small = { .mq_maxmsg = 3, .mq_msgsize = 16 };
static char text[16384];

/* A queue that no other run has, or the end of the case where Linux has no queues. */
static int
make(int flags)
{
	format(name, sizeof(name), "/lsf-test-%d-%l", (int)sys(SYS_getpid), guest_now_ms());
	long fd = sys(SYS_kmq_open, name, flags | O_CREAT | O_EXCL, 0600, &small);
	if (fd == -ENOSYS)
		SKIP("this kernel has no POSIX message queues");
	return ((int)CHECK_OK(fd));
}

static void
wait_for(int n)
{
	for (int i = 0; i < 10000 && __atomic_load_n(&count, __ATOMIC_SEQ_CST) < n; i++)
		guest_sleep_ms(1);
	CHECK_EQ(count, n);
}

TEST(messages)
{
	struct mq_attr attr;
	u32 prio = 0;
	int fd = make(O_RDWR);

	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(sys(SYS_kmq_setattr, fd, NULL, &attr), 0);
	CHECK(attr.mq_flags == 0 && attr.mq_maxmsg == 3 && attr.mq_msgsize == 16 && attr.mq_curmsgs == 0);
	CHECK_EQ(sys(SYS_kmq_timedsend, fd, "low", 4, 1, NULL), 0);
	CHECK_EQ(sys(SYS_kmq_timedsend, fd, "high", 5, 63, NULL), 0);
	CHECK_EQ(sys(SYS_kmq_timedsend, fd, "", 0, 2, NULL), 0);
	CHECK_EQ(sys(SYS_kmq_setattr, fd, NULL, &attr), 0);
	CHECK_EQ(attr.mq_curmsgs, 3);
	CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, sizeof(text), &prio, NULL), 5);
	CHECK_STR(text, "high");
	CHECK_EQ(prio, 63);
	CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, 16, &prio, NULL), 0);
	CHECK_EQ(prio, 2);
	CHECK_ERR(sys(SYS_kmq_timedreceive, fd, text, 15, &prio, NULL), EMSGSIZE);
	/* By another process, which opens it anew. */
	IN_CHILD({
		int mine = (int)CHECK_OK(sys(SYS_kmq_open, name, O_RDONLY, 0, NULL));
		CHECK_EQ(sys(SYS_kmq_timedreceive, mine, text, 16, NULL, NULL), 4);
		CHECK_STR(text, "low");
		CHECK_ERR(sys(SYS_kmq_timedsend, mine, "x", 1, 0, NULL), EBADF);
	});
	CHECK_ERR(sys(SYS_kmq_timedsend, fd, "x", 1, 64, NULL), EINVAL);
	CHECK_ERR(sys(SYS_kmq_timedsend, fd, text, 17, 0, NULL), EMSGSIZE);
	CHECK_ERR(sys(SYS_kmq_timedsend, fd, 8, 3, 0, NULL), EFAULT);
	CHECK_ERR(sys(SYS_kmq_timedsend, 99, "x", 1, 0, NULL), EBADF);
	CHECK_ERR(sys(SYS_kmq_timedsend, 99, "x", 1, 64, NULL), EBADF);
	CHECK_ERR(sys(SYS_kmq_timedsend, 1, "x", 1, 0, NULL), EBADF);
	CHECK_ERR(sys(SYS_kmq_setattr, 1, NULL, &attr), EBADF);
	attr.mq_flags = O_APPEND;
	CHECK_ERR(sys(SYS_kmq_setattr, fd, &attr, NULL), EINVAL);
	CHECK_ERR(sys(SYS_kmq_setattr, fd, 8, NULL), EFAULT);
	CHECK_ERR(sys(SYS_kmq_setattr, fd, NULL, 8), EFAULT);
	CHECK_EQ(sys(SYS_kmq_unlink, name), 0);
	CHECK_ERR(sys(SYS_kmq_unlink, name), ENOENT);
	CHECK_ERR(sys(SYS_kmq_open, name, O_RDWR, 0, NULL), ENOENT);
	CHECK_EQ(sys(SYS_close, fd), 0);
}

TEST(names)
{
	struct mq_attr attr = { .mq_maxmsg = 0, .mq_msgsize = 1 };
	int fd = make(O_RDONLY | O_NONBLOCK);

	CHECK_ERR(sys(SYS_kmq_open, name, O_RDWR | O_CREAT | O_EXCL, 0600, &small), EEXIST);
	CHECK_ERR(sys(SYS_kmq_open, name, 3, 0600, NULL), EINVAL);
	CHECK_ERR(sys(SYS_kmq_open, "/", O_RDWR | O_CREAT, 0600, NULL), EINVAL);
	CHECK_ERR(sys(SYS_kmq_open, "/a/b", O_RDWR | O_CREAT, 0600, NULL), EINVAL);
	CHECK_ERR(sys(SYS_kmq_open, 8, O_RDWR, 0600, NULL), EFAULT);
	CHECK_ERR(sys(SYS_kmq_open, name, O_RDWR | O_CREAT, 0600, &attr), EINVAL);
	attr = (struct mq_attr){ .mq_maxmsg = 1, .mq_msgsize = 16385 };
	CHECK_ERR(sys(SYS_kmq_open, name, O_RDWR | O_CREAT, 0600, &attr), EINVAL);
	CHECK_ERR(sys(SYS_kmq_open, name, O_RDWR | O_CREAT, 0600, 8), EFAULT);
	memset(text, 'x', 300);
	text[0] = '/', text[299] = '\0';
	CHECK_ERR(sys(SYS_kmq_open, text, O_RDWR | O_CREAT, 0600, NULL), ENAMETOOLONG);
	/* O_NONBLOCK, which is another number on Linux. */
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFL), O_RDONLY | O_NONBLOCK);
	CHECK_ERR(sys(SYS_kmq_timedreceive, fd, text, 16, NULL, NULL), EAGAIN);
	CHECK_EQ(sys(SYS_kmq_setattr, fd, NULL, &attr), 0);
	CHECK_EQ(attr.mq_flags, O_NONBLOCK);
	attr.mq_flags = 0;
	struct mq_attr old;
	CHECK_EQ(sys(SYS_kmq_setattr, fd, &attr, &old), 0);
	CHECK_EQ(old.mq_flags, O_NONBLOCK);
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFL), O_RDONLY);
	CHECK_EQ(sys(SYS_kmq_unlink, name), 0);
	/* The default sizes are FreeBSD's. */
	fd = (int)CHECK_OK(sys(SYS_kmq_open, name, O_RDWR | O_CREAT, 0600, NULL));
	CHECK_EQ(sys(SYS_kmq_unlink, name), 0);
	CHECK_EQ(sys(SYS_kmq_setattr, fd, NULL, &attr), 0);
	CHECK(attr.mq_maxmsg == 10 && attr.mq_msgsize == 1024);
}

TEST(waits)
{
	struct timespec until;
	struct itimerval soon = { { 0, 0 }, { 0, 30000 } };
	int fd = make(O_RDWR);

	CHECK_EQ(sys(SYS_kmq_unlink, name), 0);
	CHECK_EQ(sys(SYS_clock_gettime, CLOCK_REALTIME, &until), 0);
	until.tv_nsec += 20000000;
	if (until.tv_nsec >= 1000000000)
		until.tv_sec++, until.tv_nsec -= 1000000000;
	CHECK_ERR(sys(SYS_kmq_timedreceive, fd, text, 16, NULL, &until), ETIMEDOUT);
	CHECK_ERR(sys(SYS_kmq_timedreceive, fd, text, 16, NULL, 8), EFAULT);
	/* A bad time is only looked at by one that has to wait. */
	until.tv_nsec = 1000000000;
	CHECK_ERR(sys(SYS_kmq_timedreceive, fd, text, 16, NULL, &until), EINVAL);
	CHECK_EQ(sys(SYS_kmq_timedsend, fd, "x", 1, 0, &until), 0);
	CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, 16, NULL, &until), 1);
	guest_handle(SIGALRM, note, 0);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &soon, NULL), 0);
	CHECK_ERR(sys(SYS_kmq_timedreceive, fd, text, 16, NULL, NULL), EINTR);
	CHECK_EQ(woken, 1);
	guest_handle(SIGALRM, note, SA_RESTART);
	int pid = guest_fork();
	if (pid == 0) {
		guest_sleep_ms(150);
		guest_exit(sys(SYS_kmq_timedsend, fd, "later", 6, 0, NULL) == 0 ? 0 : 1);
	}
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &soon, NULL), 0);
	CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, 16, NULL, NULL), 6);
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_EQ(woken, 2);
	/* A full queue. */
	for (int i = 0; i < 3; i++)
		CHECK_EQ(sys(SYS_kmq_timedsend, fd, "x", 1, 0, NULL), 0);
	until.tv_nsec = 0;
	CHECK_ERR(sys(SYS_kmq_timedsend, fd, "x", 1, 0, &until), ETIMEDOUT);
}

static void
signal_with(int fd, int signo)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = signo };

	count = 0;
	event.sigev_value.sival_ptr = (void *)(0x1234567800UL + (u64)signo);
	guest_handle(signo, notified, SA_RESTART);
	CHECK_EQ(sys(SYS_kmq_notify, fd, &event), 0);
	CHECK_ERR(sys(SYS_kmq_notify, fd, &event), EBUSY);
	guest_sleep_ms(10);
	CHECK_EQ(count, 0);
	IN_CHILD({
		CHECK_EQ(sys(SYS_kmq_timedsend, fd, "x", 1, 0, NULL), 0);
	});
	wait_for(1);
	CHECK_EQ(signo_seen, signo);
	CHECK_EQ(code_seen, SI_MESGQ);
	CHECK_EQ(mqd_seen, fd);
	CHECK_EQ(value_seen, 0x1234567800UL + (u64)signo);
	/* Once only. */
	CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, 16, NULL, NULL), 1);
	CHECK_EQ(sys(SYS_kmq_timedsend, fd, "x", 1, 0, NULL), 0);
	guest_sleep_ms(10);
	CHECK_EQ(count, 1);
	/* At once where a message is there. */
	CHECK_EQ(sys(SYS_kmq_notify, fd, &event), 0);
	wait_for(2);
	CHECK_EQ(mqd_seen, fd);
	CHECK_EQ(sys(SYS_kmq_notify, fd, &event), 0);
	wait_for(3);
	CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, 16, NULL, NULL), 1);
	/* Taken back. */
	CHECK_EQ(sys(SYS_kmq_notify, fd, &event), 0);
	CHECK_EQ(sys(SYS_kmq_notify, fd, NULL), 0);
	CHECK_EQ(sys(SYS_kmq_timedsend, fd, "x", 1, 0, NULL), 0);
	CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, 16, NULL, NULL), 1);
	guest_sleep_ms(10);
	CHECK_EQ(count, 3);
}

TEST(notify)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = 0 };
	int fd = make(O_RDWR);

	CHECK_EQ(sys(SYS_kmq_unlink, name), 0);
	signal_with(fd, SIGUSR1);
	signal_with(fd, 70);
	/* Signals that Linux has no number for. */
	signal_with(fd, 50);
	signal_with(fd, 110);
	CHECK_ERR(sys(SYS_kmq_notify, fd, &event), EINVAL);
	event.sigev_signo = 129;
	CHECK_ERR(sys(SYS_kmq_notify, fd, &event), EINVAL);
	event = (struct sigevent){ .sigev_notify = SIGEV_KEVENT };
	CHECK_ERR(sys(SYS_kmq_notify, fd, &event), EINVAL);
	event.sigev_notify = SIGEV_NONE;
	CHECK_EQ(sys(SYS_kmq_notify, fd, &event), 0);
	CHECK_ERR(sys(SYS_kmq_notify, fd, &event), EBUSY);
	CHECK_ERR(sys(SYS_kmq_notify, 1, &event), EBADF);
	CHECK_ERR(sys(SYS_kmq_notify, 1, NULL), EBADF);
	CHECK_ERR(sys(SYS_kmq_notify, fd, 8), EFAULT);
}

static volatile int end;

static void
idle(void *argument)
{
	(void)argument;
	while (!__atomic_load_n(&end, __ATOMIC_ACQUIRE))
		guest_sleep_ms(1);
}

TEST(notify_thread)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID };
	struct guest_thread t;
	long other = 0;
	static const int signals[] = { SIGUSR2, 33 /* SIGLIBRT */, 120 };
	int fd = make(O_RDWR);

	CHECK_EQ(sys(SYS_kmq_unlink, name), 0);
	guest_thread_start(&t, idle, NULL);
	while ((other = __atomic_load_n(&t.id, __ATOMIC_ACQUIRE)) == 0)
		;
	for (int i = 0; i < 3; i++) {
		count = 0;
		guest_handle(signals[i], notified, 0);
		event.sigev_signo = signals[i];
		event._sigev_un._threadid = (int)other;
		event.sigev_value.sival_int = 7 + i;
		CHECK_EQ(sys(SYS_kmq_notify, fd, &event), 0);
		IN_CHILD({
			CHECK_EQ(sys(SYS_kmq_timedsend, fd, "x", 1, 0, NULL), 0);
		});
		wait_for(1);
		CHECK_EQ(signo_seen, signals[i]);
		CHECK_EQ(thread_seen, other);
		CHECK_EQ(code_seen, SI_MESGQ);
		CHECK_EQ(mqd_seen, fd);
		CHECK_EQ(value_seen, 7 + i);
		CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, 16, NULL, NULL), 1);
	}
	__atomic_store_n(&end, 1, __ATOMIC_RELEASE);
	guest_thread_join(&t);
}

/* The signal goes to a thread that waits, and must not end this thread's call. */
TEST(notify_is_quiet)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = 100 };
	int fds[2], fd = make(O_RDWR);
	char byte;

	CHECK_EQ(sys(SYS_kmq_unlink, name), 0);
	CHECK_EQ(sys(SYS_pipe2, fds, 0), 0);
	u64 mask[2] = { 0, 1UL << (100 - 65) };
	guest_handle(100, notified, 0);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, mask, NULL), 0);
	CHECK_EQ(sys(SYS_kmq_notify, fd, &event), 0);
	int pid = guest_fork();
	if (pid == 0) {
		guest_sleep_ms(30);
		CHECK_EQ(sys(SYS_kmq_timedsend, fd, "x", 1, 0, NULL), 0);
		guest_sleep_ms(60);
		guest_exit(sys(SYS_write, fds[1], "y", 1) == 1 ? 0 : 1);
	}
	CHECK_EQ(sys(SYS_read, fds[0], &byte, 1), 1);
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_EQ(count, 0);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_UNBLOCK, mask, NULL), 0);
	wait_for(1);
	CHECK_EQ(signo_seen, 100);
	CHECK_EQ(mqd_seen, fd);
}

TEST(events)
{
	struct kevent kev[2], got[4];
	const struct timespec now = { 0, 0 };
	int kq = (int)CHECK_OK(sys(SYS_kqueue)), fd = make(O_RDWR);
	struct pollfd p = { fd, POLLIN | POLLOUT, 0 };

	CHECK_EQ(sys(SYS_kmq_unlink, name), 0);
	EV_SET(&kev[0], fd, EVFILT_READ, EV_ADD, 0, 0, NULL);
	EV_SET(&kev[1], fd, EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0, NULL);
	CHECK_EQ(sys(SYS_kevent, kq, kev, 2, NULL, 0, NULL), 0);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, &now), 1);
	CHECK_EQ(got[0].filter, EVFILT_WRITE);
	CHECK_EQ(got[0].data, 0);	/* sys/kern/uipc_mqueue.c: filt_mqread and filt_mqwrite say no number */
	CHECK_EQ(sys(SYS_poll, &p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLOUT);
	kev[1].flags = EV_DELETE;
	CHECK_EQ(sys(SYS_kevent, kq, &kev[1], 1, NULL, 0, NULL), 0);
	for (int i = 1; i <= 3; i++) {
		CHECK_EQ(sys(SYS_kmq_timedsend, fd, "x", 1, 0, NULL), 0);
		CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, &now), 1);
		CHECK_EQ(got[0].ident, fd);
		CHECK_EQ(got[0].filter, EVFILT_READ);
		CHECK_EQ(got[0].data, 0);
	}
	EV_SET(&kev[1], fd, EVFILT_WRITE, EV_ADD, 0, 0, NULL);
	CHECK_EQ(sys(SYS_kevent, kq, &kev[1], 1, NULL, 0, NULL), 0);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, &now), 1);
	CHECK_EQ(sys(SYS_kmq_timedreceive, fd, text, 16, NULL, NULL), 1);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, &now), 2);
	int i = got[0].filter == EVFILT_WRITE ? 0 : 1;
	CHECK_EQ(got[i].filter, EVFILT_WRITE);
	CHECK_EQ(got[1 - i].filter, EVFILT_READ);
}

/* What other calls say of the descriptor: mqueueops. */
TEST(descriptor)
{
	int fd = make(O_RDWR), other = (int)CHECK_OK(sys(SYS_kmq_open, name, O_RDONLY, 0, NULL));
	struct flock l = { .l_type = F_RDLCK };
	struct stat st;

	CHECK_EQ(sys(SYS_kmq_unlink, name), 0);
	CHECK_EQ(sys(SYS_kmq_timedsend, fd, "x", 1, 0, NULL), 0);
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_mode, S_IFIFO | 0600);
	CHECK_EQ(st.st_size, 0);
	CHECK_EQ(st.st_nlink, 0);
	CHECK_EQ(st.st_uid, sys(SYS_geteuid));
	CHECK_ERR(sys(SYS_write, fd, "x", 1), EOPNOTSUPP);
	CHECK_ERR(sys(SYS_write, other, "x", 1), EBADF);
	CHECK_ERR(sys(SYS_lseek, fd, 0, SEEK_SET), ESPIPE);
	CHECK_ERR(sys(SYS_flock, fd, 1 /* LOCK_SH */), EOPNOTSUPP);
	CHECK_ERR(sys(SYS_fcntl, fd, F_GETLK, &l), EBADF);
}
