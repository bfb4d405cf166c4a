/* thr_wake(2) of the own thread: its next interruptible sleep ends with EINTR, whatever it waits for. A call that does not
 * sleep leaves that to the next one. sys/kern/kern_thr.c (sys_thr_wake, kern_thr_suspend), subr_sleepqueue.c
 * (sleepq_check_ast_sc_locked), kern_sig.c (kern_sigsuspend), kern_umtx.c (do_lock_umutex), kern_fork.c (do_fork). */
#include "guest.h"
#include <sys/event.h>
#include <sys/ipc.h>
#include <sys/mqueue.h>
#include <sys/msg.h>
#include <sys/poll.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/_semaphore.h>
#include <aio.h>

static long self_;
static struct timespec minute = { 60, 0 };

static void
wake_self(void)
{
	CHECK_EQ(sys(SYS_thr_self, &self_), 0);
	CHECK_EQ(sys(SYS_thr_wake, self_), 0);
}

/* The sleep ends with EINTR, and soon. */
#define ENDS(...) do { \
	long begun_ = guest_now_ms(); \
	wake_self(); \
	CHECK_ERR(__VA_ARGS__, EINTR); \
	CHECK(guest_now_ms() - begun_ < 10000); \
} while (0)

/* The call does not sleep and gives what it always does; the sleep after it ends. */
#define LEAVES(expression, value) do { \
	wake_self(); \
	CHECK_EQ(expression, value); \
	CHECK_ERR(sys(SYS_nanosleep, &minute, NULL), EINTR); \
} while (0)

TEST(time)
{
	struct timespec left = { 0, 0 }, until, none = { 0, 0 }, little = { 0, 20000000 };

	ENDS(sys(SYS_nanosleep, &minute, &left));
	CHECK_BETWEEN(left.tv_sec, 50, 60);
	ENDS(sys(SYS_clock_nanosleep, CLOCK_REALTIME, 0, &minute, NULL) == EINTR ? -EINTR : 0);
	CHECK_EQ(sys(SYS_clock_gettime, CLOCK_MONOTONIC, &until), 0);
	until.tv_sec += 60;
	ENDS(sys(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR ? -EINTR : 0);
	LEAVES(sys(SYS_nanosleep, &none, NULL), 0);
	/* Once: the next sleep is as ever. */
	long begun = guest_now_ms();
	CHECK_EQ(sys(SYS_nanosleep, &little, NULL), 0);
	CHECK(guest_now_ms() - begun >= 19);
	/* Twice is once. */
	wake_self();
	ENDS(sys(SYS_nanosleep, &minute, NULL));
	CHECK_EQ(sys(SYS_nanosleep, &little, NULL), 0);
}

TEST(umtx)
{
	struct _umtx_time limit = { ._timeout = { 60, 0 }, ._clockid = CLOCK_MONOTONIC };
	struct umutex mutex;
	struct ucond cond;
	struct urwlock lock;
	struct _usem2 sem;
	u32 word = 0;
	long wide = 0;
	void *size = (void *)sizeof(limit);

	ENDS(sys(SYS__umtx_op, &wide, UMTX_OP_WAIT, 0, NULL, NULL));
	ENDS(sys(SYS__umtx_op, &word, UMTX_OP_WAIT_UINT, 0, NULL, NULL));
	ENDS(sys(SYS__umtx_op, &word, UMTX_OP_WAIT_UINT_PRIVATE, 0, NULL, &minute));
	LEAVES(sys(SYS__umtx_op, &word, UMTX_OP_WAIT_UINT_PRIVATE, 1, NULL, NULL), 0);
	memset(&mutex, 0, sizeof(mutex));
	mutex.m_owner = 1000001;
	ENDS(sys(SYS__umtx_op, &mutex, UMTX_OP_MUTEX_LOCK, 0, size, &limit));
	ENDS(sys(SYS__umtx_op, &mutex, UMTX_OP_MUTEX_WAIT, 0, NULL, NULL));
	memset(&mutex, 0, sizeof(mutex));
	memset(&cond, 0, sizeof(cond));
	mutex.m_owner = (u32)self_;
	ENDS(sys(SYS__umtx_op, &cond, UMTX_OP_CV_WAIT, 0, &mutex, NULL));
	CHECK_EQ(mutex.m_owner & ~UMUTEX_CONTESTED, 0);
	memset(&lock, 0, sizeof(lock));
	lock.rw_state = URWLOCK_WRITE_OWNER;
	ENDS(sys(SYS__umtx_op, &lock, UMTX_OP_RW_RDLOCK, 0, size, &limit));
	ENDS(sys(SYS__umtx_op, &lock, UMTX_OP_RW_WRLOCK, 0, size, &limit));
	memset(&sem, 0, sizeof(sem));
	ENDS(sys(SYS__umtx_op, &sem, UMTX_OP_SEM2_WAIT, 0, NULL, NULL));
	ENDS(sys(SYS__umtx_op, &sem, UMTX_OP_SEM2_WAIT, 0, size, &limit));
	sem._count = 1;
	LEAVES(sys(SYS__umtx_op, &sem, UMTX_OP_SEM2_WAIT, 0, NULL, NULL), 0);
}

static void
unlock_late(void *argument)
{
	struct umutex *mutex = argument;

	guest_sleep_ms(100);
	__atomic_store_n(&mutex->m_owner, UMUTEX_UNOWNED, __ATOMIC_SEQ_CST);
	sys(SYS__umtx_op, mutex, UMTX_OP_MUTEX_WAKE2, mutex->m_flags, NULL, NULL);
}

/* A mutex is no place to end in: EINTR becomes ERESTART, and the call is made anew. */
TEST(mutex)
{
	struct guest_thread t;
	static struct umutex mutex;
	struct timespec little = { 0, 20000000 };

	mutex.m_owner = 1000001 | UMUTEX_CONTESTED;
	guest_thread_start(&t, unlock_late, &mutex);
	wake_self();
	CHECK_EQ(sys(SYS__umtx_op, &mutex, UMTX_OP_MUTEX_LOCK, 0, NULL, NULL), 0);
	CHECK_EQ(mutex.m_owner & ~UMUTEX_CONTESTED, (u32)self_);
	CHECK_EQ(sys(SYS_nanosleep, &little, NULL), 0);
	guest_thread_join(&t);
}

TEST(files)
{
	int p[2], full[2], a, b, kq = (int)CHECK_OK(sys(SYS_kqueue));
	char page[4096];
	struct iovec iov = { page, 1 };
	struct flock lock = { .l_type = F_WRLCK };
	struct timespec none = { 0, 0 };
	struct pollfd one;
	struct kevent event;

	CHECK_EQ(sys(SYS_pipe2, p, 0), 0);
	CHECK_EQ(sys(SYS_pipe2, full, O_NONBLOCK), 0);
	memset(page, 0, sizeof(page));
	while (sys(SYS_write, full[1], page, sizeof(page)) > 0)
		;
	CHECK_EQ(sys(SYS_fcntl, full[1], F_SETFL, 0), 0);
	ENDS(sys(SYS_read, p[0], page, 1));
	ENDS(sys(SYS_readv, p[0], &iov, 1));
	ENDS(sys(SYS_write, full[1], page, 1));
	ENDS(sys(SYS_writev, full[1], &iov, 1));
	one = (struct pollfd){ .fd = p[0], .events = POLLIN };
	ENDS(sys(SYS_poll, &one, 1, -1));
	ENDS(sys(SYS_poll, &one, 1, 60000));
	ENDS(sys(SYS_ppoll, &one, 1, &minute, NULL));
	LEAVES(sys(SYS_poll, &one, 1, 0), 0);
	fd_set set;
	FD_ZERO(&set);
	FD_SET(p[0], &set);
	struct timeval limit = { 60, 0 };
	ENDS(sys(SYS_select, p[0] + 1, &set, NULL, NULL, &limit));
	FD_SET(p[0], &set);
	ENDS(sys(SYS_pselect, p[0] + 1, &set, NULL, NULL, NULL, NULL));
	ENDS(sys(SYS_kevent, kq, NULL, 0, &event, 1, NULL));
	ENDS(sys(SYS_kevent, kq, NULL, 0, &event, 1, &minute));
	LEAVES(sys(SYS_kevent, kq, NULL, 0, &event, 1, &none), 0);
	CHECK_EQ(sys(SYS_write, p[1], "abcdefgh", 8), 8);
	LEAVES(sys(SYS_read, p[0], page, 1), 1);
	LEAVES(sys(SYS_poll, &one, 1, -1), 1);
	LEAVES(sys(SYS_readv, p[0], &iov, 1), 1);
	LEAVES(sys(SYS_getpid), sys(SYS_getpid));
	a = (int)CHECK_OK(sys(SYS_open, "lock", O_RDWR | O_CREAT, 0600));
	b = (int)CHECK_OK(sys(SYS_open, "lock", O_RDWR));
	CHECK_EQ(sys(SYS_flock, a, LOCK_EX), 0);
	ENDS(sys(SYS_flock, b, LOCK_EX));
	LEAVES(sys(SYS_flock, b, LOCK_EX | LOCK_NB), -EAGAIN);
	CHECK_EQ(sys(SYS_flock, a, LOCK_UN), 0);
	LEAVES(sys(SYS_fcntl, a, F_SETLKW, &lock), 0);
	int child = guest_fork();
	if (child == 0) {
		ENDS(sys(SYS_fcntl, a, F_SETLKW, &lock));
		guest_exit(0);
	}
	CHECK_EQ(guest_wait(child), 0);
	CHECK_EQ(sys(SYS_mkfifoat, AT_FDCWD, "fifo", 0600), 0);
	ENDS(sys(SYS_open, "fifo", O_RDONLY));
}

TEST(sockets)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_len = sizeof(name), .sun_path = "socket" };
	int s[2], listening = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
	char page[4096];
	struct iovec iov = { page, sizeof(page) };
	struct msghdr message;

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(sys(SYS_bind, listening, &name, sizeof(name)), 0);
	CHECK_EQ(sys(SYS_listen, listening, 1), 0);
	ENDS(sys(SYS_accept, listening, NULL, NULL));
	ENDS(sys(SYS_accept4, listening, NULL, NULL, SOCK_CLOEXEC));
	ENDS(sys(SYS_recvfrom, s[0], page, 1, 0, NULL, NULL));
	memset(&message, 0, sizeof(message));
	message.msg_iov = &iov;
	message.msg_iovlen = 1;
	ENDS(sys(SYS_recvmsg, s[0], &message, 0));
	ENDS(sys(SYS_read, s[0], page, 1));
	LEAVES(sys(SYS_recvfrom, s[0], page, 1, MSG_DONTWAIT, NULL, NULL), -EAGAIN);
	while (sys(SYS_sendto, s[0], page, sizeof(page), MSG_DONTWAIT, NULL, 0) > 0)
		;
	ENDS(sys(SYS_sendto, s[0], page, sizeof(page), 0, NULL, 0));
	ENDS(sys(SYS_sendmsg, s[0], &message, 0));
}

TEST(children)
{
	siginfo_t info;
	int status, pid = guest_fork();

	if (pid == 0) {
		for (;;)
			guest_sleep_ms(60000);
	}
	ENDS(sys(SYS_wait4, pid, &status, 0, NULL));
	ENDS(sys(SYS_wait4, -1, &status, 0, NULL));
	ENDS(sys(SYS_wait6, P_PID, (long)pid, &status, WEXITED, NULL, &info));
	LEAVES(sys(SYS_wait4, pid, &status, WNOHANG, NULL), 0);
	CHECK_EQ(sys(SYS_kill, pid, SIGKILL), 0);
	CHECK_EQ(guest_wait(pid), SIGKILL);
	LEAVES(sys(SYS_wait4, pid, &status, 0, NULL), -ECHILD);
}

static volatile int handled;

static void
note(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	handled++;
}

static void
signal_late(void *argument)
{
	guest_sleep_ms(100);
	CHECK_EQ(sys(SYS_thr_kill, (long)argument, SIGUSR1), 0);
}

/* sigsuspend sleeps on until a signal is handled. */
TEST(signals)
{
	sigset_t usr2 = { { 1U << (SIGUSR2 - 1) } }, all = { { ~0U, ~0U, ~0U, ~0U } }, none = { { 0 } };
	siginfo_t info;
	int got;
	struct guest_thread t;

	wake_self();
	CHECK_ERR(sys(SYS_sigtimedwait, &usr2, &info, &minute), EINTR);
	ENDS(sys(SYS_sigwaitinfo, &usr2, &info));
	ENDS(-sys(SYS_sigwait, &usr2, &got));
	guest_handle(SIGUSR1, note, 0);
	guest_thread_start(&t, signal_late, (void *)self_);
	wake_self();
	CHECK_ERR(sys(SYS_sigsuspend, &none), EINTR);
	CHECK_EQ(handled, 1);
	guest_thread_join(&t);
	/* No mask keeps it away. */
	CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &all, NULL), 0);
	ENDS(sys(SYS_nanosleep, &minute, NULL));
	ENDS(sys(SYS_kevent, (int)CHECK_OK(sys(SYS_kqueue)), NULL, 0, &(struct kevent){ 0 }, 1, NULL));
}

static void
wake_in_handler(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	handled++;
	wake_self();
}

/* A handler with SA_RESTART: the call that it interrupted begins anew, and ends. So libthr cancels. */
TEST(from_a_handler)
{
	struct guest_thread t;
	int p[2];
	char c;

	CHECK_EQ(sys(SYS_pipe2, p, 0), 0);
	CHECK_EQ(sys(SYS_thr_self, &self_), 0);
	guest_handle(SIGUSR1, wake_in_handler, SA_RESTART);
	for (int i = 0; i < 3; i++) {
		guest_thread_start(&t, signal_late, (void *)self_);
		CHECK_ERR(sys(SYS_read, p[0], &c, 1), EINTR);
		guest_thread_join(&t);
		guest_thread_start(&t, signal_late, (void *)self_);
		int child = guest_fork();
		if (child == 0) {
			guest_sleep_ms(60000);
			guest_exit(0);
		}
		CHECK_ERR(sys(SYS_wait4, child, NULL, 0, NULL), EINTR);
		guest_thread_join(&t);
		CHECK_EQ(sys(SYS_kill, child, SIGKILL), 0);
		(void)guest_wait(child);
	}
	CHECK_EQ(handled, 6);
}

TEST(system_v)
{
	struct sembuf down = { 0, -1, 0 };
	struct { long type; char text[8]; } message;
	long semaphores = sys(SYS_semget, IPC_PRIVATE, 1, IPC_CREAT | 0600), queue;

	if (semaphores == -ENOSYS)
		SKIP("this kernel has no System V IPC");
	CHECK_OK(semaphores);
	queue = CHECK_OK(sys(SYS_msgget, IPC_PRIVATE, IPC_CREAT | 0600));
	wake_self();
	long first = sys(SYS_semop, semaphores, &down, 1);
	wake_self();
	long second = sys(SYS_msgrcv, queue, &message, 8, 0, 0);
	wake_self();
	long third = sys(SYS_msgrcv, queue, &message, 8, 0, IPC_NOWAIT);
	long fourth = sys(SYS_nanosleep, &minute, NULL);
	CHECK_EQ(sys(SYS___semctl, semaphores, 0, IPC_RMID, NULL), 0);
	CHECK_EQ(sys(SYS_msgctl, queue, IPC_RMID, NULL), 0);
	CHECK_ERR(first, EINTR);
	CHECK_ERR(second, EINTR);
	CHECK_ERR(third, ENOMSG);
	CHECK_ERR(fourth, EINTR);
}

TEST(posix_queues)
{
	static const struct mq_attr small = { .mq_maxmsg = 1, .mq_msgsize = 16 };
	char name[64], text[16];
	semid_t sem;
	struct timespec until;

	CHECK_EQ(sys(SYS_ksem_init, &sem, 0), 0);
	ENDS(sys(SYS_ksem_wait, sem));
	CHECK_EQ(sys(SYS_clock_gettime, CLOCK_REALTIME, &until), 0);
	until.tv_sec += 60;
	ENDS(sys(SYS_ksem_timedwait, sem, &until));
	LEAVES(sys(SYS_ksem_trywait, sem), -EAGAIN);
	format(name, sizeof(name), "/lsf-test-%d-%l", (int)sys(SYS_getpid), guest_now_ms());
	long mq = sys(SYS_kmq_open, name, O_RDWR | O_CREAT | O_EXCL, 0600, &small);
	if (mq == -ENOSYS)
		SKIP("this kernel has no POSIX message queues");
	CHECK_OK(mq);
	CHECK_EQ(sys(SYS_kmq_unlink, name), 0);
	ENDS(sys(SYS_kmq_timedreceive, mq, text, sizeof(text), NULL, NULL));
	ENDS(sys(SYS_kmq_timedreceive, mq, text, sizeof(text), NULL, &until));
	LEAVES(sys(SYS_kmq_timedsend, mq, "a", 1, 0, NULL), 0);
	ENDS(sys(SYS_kmq_timedsend, mq, "b", 1, 0, NULL));
}

TEST(aio)
{
	int s[2];
	char c;
	struct aiocb job, *done, *list[1] = { &job };

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	memset(&job, 0, sizeof(job));
	job.aio_fildes = s[0];
	job.aio_buf = &c;
	job.aio_nbytes = 1;
	job.aio_lio_opcode = LIO_READ;
	job.aio_sigevent.sigev_notify = SIGEV_NONE;
	CHECK_EQ(sys(SYS_aio_read, &job), 0);
	ENDS(sys(SYS_aio_suspend, list, 1, NULL));
	ENDS(sys(SYS_aio_suspend, list, 1, &minute));
	ENDS(sys(SYS_aio_waitcomplete, &done, NULL));
	CHECK_EQ(sys(SYS_write, s[1], "x", 1), 1);
	wake_self();
	while (sys(SYS_aio_error, &job) == EINPROGRESS)
		sys(SYS_sched_yield);
	CHECK_EQ(sys(SYS_aio_suspend, list, 1, NULL), 0);
	CHECK_EQ(sys(SYS_aio_return, &job), 1);
	CHECK_ERR(sys(SYS_nanosleep, &minute, NULL), EINTR);
}

static void
sleep_a_little(void *argument)
{
	struct timespec little = { 0, 20000000 };

	*(long *)argument = sys(SYS_nanosleep, &little, NULL);
}

/* thr_suspend takes it and gives 0; no other thread and no child has it. */
TEST(whose)
{
	struct guest_thread t;
	struct timespec little = { 0, 20000000 }, none = { 0, 0 };
	long result = -1;

	wake_self();
	CHECK_EQ(sys(SYS_thr_suspend, NULL), 0);
	CHECK_ERR(sys(SYS_thr_suspend, &little), ETIMEDOUT);
	CHECK_ERR(sys(SYS_thr_suspend, &none), ETIMEDOUT);
	wake_self();
	IN_CHILD(CHECK_EQ(sys(SYS_nanosleep, &little, NULL), 0));	/* its wait4 has ended with EINTR once */
	CHECK_EQ(sys(SYS_nanosleep, &little, NULL), 0);
	wake_self();
	guest_thread_start(&t, sleep_a_little, &result);
	CHECK_ERR(sys(SYS_nanosleep, &minute, NULL), EINTR);
	guest_thread_join(&t);
	CHECK_EQ(result, 0);
	/* Another thread's thr_wake is for thr_suspend alone, and counts before it. */
	guest_thread_start(&t, sleep_a_little, &result);
	CHECK_EQ(sys(SYS_thr_wake, t.id), 0);
	guest_thread_join(&t);
	CHECK_EQ(result, 0);
	CHECK_ERR(sys(SYS_thr_wake, -1L), ESRCH);
	CHECK_ERR(sys(SYS_thr_wake, 0), ESRCH);
	CHECK_ERR(sys(SYS_thr_wake, 0x7fffffffffffffffL), ESRCH);
}

/* Bad arguments of every kind while it is set: an error, or EINTR of a sleep that began, never a hang or a lost register. */
TEST(bad_arguments)
{
	static const int calls[] = { SYS_read, SYS_write, SYS_readv, SYS_poll, SYS_ppoll, SYS_select, SYS_nanosleep,
	    SYS_clock_nanosleep, SYS_kevent, SYS_wait4, SYS_wait6, SYS_recvfrom, SYS_recvmsg, SYS_accept, SYS_connect,
	    SYS__umtx_op, SYS_sigtimedwait, SYS_semop, SYS_msgrcv, SYS_aio_suspend, SYS_flock, SYS_fcntl, SYS_thr_suspend,
	    SYS_getpid, SYS_ksem_wait, SYS_kmq_timedreceive };
	u64 seed = (u64)guest_now_ms();

	IN_CHILD({
		for (int i = 0; i < 3000; i++) {
			u64 arg[6];
			wake_self();
			for (int j = 0; j < 6; j++) {
				seed = seed * 6364136223846793005UL + 1442695040888963407UL;
				arg[j] = seed >> 60 < 4 ? 0 : seed >> 60 < 8 ? (seed >> 40) & 0x1f : seed >> 60 < 12 ? -1UL : seed;
			}
			arg[0] = arg[0] <= 2 ? 77 : arg[0];	/* not the harness's own pipes */
			sys(calls[(seed >> 33) % (sizeof(calls) / sizeof(calls[0]))], arg[0], arg[1], arg[2], arg[3], arg[4],
			    arg[5]);
		}
	});
}
