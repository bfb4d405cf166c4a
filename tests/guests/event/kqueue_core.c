/* kqueue(2) and kevent(2): registration, EVFILT_USER, EVFILT_TIMER, errors, kqueues as descriptors. */
#include "kevents.h"
#include "asleep.h"
#include <sys/poll.h>

static void
open_kqueue(void)
{
	kq = (int)CHECK_OK(sys(SYS_kqueue));
}

/* An event of EVFILT_USER that is there. It takes two changes: filt_userattach looks for NOTE_TRIGGER in kn_fflags, which
 * kqueue_register has cleared (sys/kern/kern_event.c). */
static long
trigger(uintptr_t ident, int flags, long data, void *udata)
{
	long result = change(ident, EVFILT_USER, EV_ADD | flags, 0, data, udata);

	return (result != 0 ? result : change(ident, EVFILT_USER, 0, NOTE_TRIGGER, data, udata));
}

static void
check_event(int i, uintptr_t ident, int filter, int flags, u32 fflags, long data, void *udata)
{
	CHECK_EQ(got[i].ident, ident);
	CHECK_EQ(got[i].filter, filter);
	CHECK_EQ(got[i].flags, flags);
	CHECK_EQ(got[i].fflags, fflags);
	CHECK_EQ(got[i].data, data);
	CHECK_EQ(got[i].udata, udata);
}

TEST(errors)
{
	struct kevent kev;
	struct timespec bad[] = { { -1, 0 }, { 0, -1 }, { 0, 1000000000 } };

	open_kqueue();
	CHECK_ERR(sys(SYS_kevent, 99, NULL, 0, NULL, 0, NULL), EBADF);
	CHECK_ERR(sys(SYS_kevent, -1, NULL, 0, NULL, 0, NULL), EBADF);
	CHECK_ERR(sys(SYS_kevent, 0, NULL, 0, NULL, 0, NULL), EBADF);	/* open, and no kqueue */
	CHECK_ERR(sys(SYS_kevent, kq, 8, 1, NULL, 0, NULL), EFAULT);
	CHECK_ERR(sys(SYS_kevent, kq, NULL, 0, got, 1, 8), EFAULT);
	for (size_t i = 0; i < nitems(bad); i++)
		CHECK_ERR(sys(SYS_kevent, kq, NULL, 0, got, 1, &bad[i]), EINVAL);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, NULL, 0, NULL), 0);	/* no room: no wait */
	CHECK_ERR(change(99, EVFILT_READ, EV_ADD, 0, 0, NULL), EBADF);
	CHECK_ERR(change(-1, EVFILT_READ, EV_ADD, 0, 0, NULL), EBADF);
	CHECK_ERR(change(1, EVFILT_READ, EV_DELETE, 0, 0, NULL), ENOENT);
	CHECK_ERR(change(1, EVFILT_USER, 0, 0, 0, NULL), ENOENT);
	CHECK_ERR(change(1, EVFILT_USER, EV_ADD | EV_ENABLE | EV_DISABLE, 0, 0, NULL), EINVAL);
	CHECK_ERR(change(1, 5, EV_ADD, 0, 0, NULL), EINVAL);
	CHECK_ERR(change(7, -14, EV_ADD, 0, 0, NULL), GUEST_RELEASE >= 15 ? ENOENT : EINVAL);	/* EVFILT_JAIL: no such jail */
	CHECK_ERR(change(1, -16, EV_ADD, 0, 0, NULL), EINVAL);
	CHECK_ERR(change(1, EVFILT_AIO, EV_ADD, 0, 0, NULL), EPERM);
	CHECK_ERR(change(kq, EVFILT_READ, EV_ADD, 0, 0, NULL), EINVAL);
	/* A change with filter 0 is passed over. */
	EV_SET(&kev, 1, 0, EV_ADD, 0, 0, NULL);
	CHECK_EQ(sys(SYS_kevent, kq, &kev, 1, NULL, 0, NULL), 0);
	CHECK_EQ(sys(SYS_kqueuex, 0) > kq, 1);
	CHECK_ERR(sys(SYS_kqueuex, 2), EINVAL);
	CHECK_EQ(sys(SYS_fcntl, CHECK_OK(sys(SYS_kqueuex, KQUEUE_CLOEXEC)), F_GETFD, 0), FD_CLOEXEC);
	CHECK_EQ(sys(SYS_fcntl, kq, F_GETFD, 0), 0);
}

/* Errors are reported in the eventlist where there is room; then nothing else is. */
TEST(reported_errors)
{
	struct kevent changes[4];

	open_kqueue();
	CHECK_EQ(change(1, EVFILT_USER, EV_ADD, 0, 0, (void *)1), 0);
	EV_SET(&changes[0], 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, (void *)1);
	EV_SET(&changes[1], 99, EVFILT_READ, EV_ADD, 0, 0, (void *)2);
	EV_SET(&changes[2], 2, EVFILT_USER, EV_ADD | EV_RECEIPT, 0, 0, (void *)3);
	EV_SET(&changes[3], 3, EVFILT_USER, EV_DELETE, 0, 0, (void *)4);
	CHECK_EQ(sys(SYS_kevent, kq, changes, 4, got, 8, NULL), 3);
	check_event(0, 99, EVFILT_READ, EV_ERROR, 0, EBADF, (void *)2);
	check_event(1, 2, EVFILT_USER, EV_ERROR, 0, 0, (void *)3);
	check_event(2, 3, EVFILT_USER, EV_ERROR, 0, ENOENT, (void *)4);
	/* With room for one, the second error is the call's; and a receipt that finds no room ends it, with 0 (kqueue_kevent). */
	CHECK_EQ(sys(SYS_kevent, kq, &changes[1], 3, got, 1, NULL), 0);
	check_event(0, 99, EVFILT_READ, EV_ERROR, 0, EBADF, (void *)2);
	changes[2] = changes[3];
	CHECK_ERR(sys(SYS_kevent, kq, &changes[1], 2, got, 1, NULL), ENOENT);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].udata, (void *)1);
}

TEST(user)
{
	open_kqueue();
	/* What EV_ADD brings is kept as it is, and triggers nothing (kqueue_register, filt_userattach). */
	CHECK_EQ(change(6, EVFILT_USER, EV_ADD | EV_ONESHOT, NOTE_FFCOPY | NOTE_TRIGGER | 5, 11, (void *)1), 0);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(change(6, EVFILT_USER, EV_DELETE, 0, 0, NULL), 0);
	CHECK_EQ(change(6, EVFILT_USER, EV_ADD | EV_CLEAR, NOTE_FFCOPY | 5, 11, (void *)1), 0);
	CHECK_EQ(change(6, EVFILT_USER, 0, NOTE_TRIGGER, 12, (void *)2), 0);
	CHECK_EQ(poll_events(8), 1);
	check_event(0, 6, EVFILT_USER, EV_CLEAR, NOTE_FFCOPY | 5, 12, (void *)2);
	CHECK_EQ(change(7, EVFILT_USER, EV_ADD, 0, 11, (void *)1), 0);
	CHECK_EQ(change(7, EVFILT_USER, 0, NOTE_FFCOPY | 5, 11, (void *)1), 0);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(change(7, EVFILT_USER, 0, NOTE_TRIGGER, 12, (void *)2), 0);
	/* No EV_CLEAR: it stays. */
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(poll_events(8), 1);
		check_event(0, 7, EVFILT_USER, 0, 5, 12, (void *)2);
	}
	CHECK_EQ(change(7, EVFILT_USER, EV_CLEAR, 0, 0, (void *)3), 0);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(change(7, EVFILT_USER, EV_DELETE, 0, 0, NULL), 0);
	CHECK_ERR(change(7, EVFILT_USER, EV_DELETE, 0, 0, NULL), ENOENT);

	CHECK_EQ(change(8, EVFILT_USER, EV_ADD | EV_CLEAR, 0xf0, 0, NULL), 0);
	CHECK_EQ(change(8, EVFILT_USER, 0, NOTE_FFOR | 0x0f, 0, NULL), 0);
	CHECK_EQ(change(8, EVFILT_USER, 0, NOTE_FFAND | NOTE_TRIGGER | 0x3c, 1, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	check_event(0, 8, EVFILT_USER, EV_CLEAR, 0x3c, 1, NULL);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(change(8, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].fflags, 0x3c);
}

TEST(flags)
{
	open_kqueue();
	/* EV_ONESHOT */
	CHECK_EQ(trigger(1, EV_ONESHOT, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_ERR(change(1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL), ENOENT);
	/* EV_DISABLE and EV_ENABLE: what happened in between is kept. */
	CHECK_EQ(change(2, EVFILT_USER, EV_ADD | EV_DISABLE, 0, 0, NULL), 0);
	CHECK_EQ(change(2, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(change(2, EVFILT_USER, EV_ENABLE, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(change(2, EVFILT_USER, EV_DISABLE, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(change(2, EVFILT_USER, EV_DELETE, 0, 0, NULL), 0);
	/* EV_DISPATCH: once, then disabled, and not gone. */
	CHECK_EQ(trigger(3, EV_DISPATCH, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].flags, EV_DISPATCH);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(change(3, EVFILT_USER, EV_ENABLE, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(change(3, EVFILT_USER, EV_DELETE, 0, 0, NULL), 0);
	/* EV_KEEPUDATA */
	CHECK_EQ(change(4, EVFILT_USER, EV_ADD, 0, 0, (void *)44), 0);
	CHECK_EQ(change(4, EVFILT_USER, EV_KEEPUDATA, NOTE_TRIGGER, 0, (void *)45), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].udata, (void *)44);
	CHECK_EQ(change(4, EVFILT_USER, EV_DELETE, 0, 0, NULL), 0);
	/* EV_FORCEONESHOT: reported though nothing happened, and gone. */
	CHECK_EQ(change(5, EVFILT_USER, EV_ADD, 0, 0, NULL), 0);
	CHECK_EQ(change(5, EVFILT_USER, EV_FORCEONESHOT, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(poll_events(8), 0);
	CHECK_ERR(change(5, EVFILT_USER, EV_DELETE, 0, 0, NULL), ENOENT);
	/* The four words of ext come back. */
	struct kevent kev = { .ident = 6, .filter = EVFILT_USER, .flags = EV_ADD, .ext = { 1, 2, 3, 4 } };
	CHECK_EQ(sys(SYS_kevent, kq, &kev, 1, NULL, 0, NULL), 0);
	CHECK_EQ(change(6, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(got[0].ext[i], i + 1);
}

/* More events than room: each comes in its turn, none is lost, none comes twice in one call. */
TEST(many)
{
	u8 seen[1000];
	int total = 0;

	open_kqueue();
	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(trigger(i, EV_CLEAR, i, NULL), 0);
	while (total < 1000) {
		long n = poll_events(17);
		CHECK(n == 17 || total + n == 1000);
		for (int i = 0; i < n; i++) {
			CHECK_EQ(got[i].data, got[i].ident);
			CHECK_EQ(seen[got[i].ident]++, 0);
		}
		total += n;
	}
	CHECK_EQ(poll_events(8), 0);
	/* Level-triggered ones take turns. */
	for (int i = 0; i < 20; i++)
		CHECK_EQ(trigger(2000 + i, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(32), 20);
	memset(seen, 0, sizeof(seen));
	for (int turn = 0; turn < 2; turn++) {
		CHECK_EQ(poll_events(10), 10);
		for (int i = 0; i < 10; i++)
			seen[got[i].ident - 2000]++;
	}
	for (int i = 0; i < 20; i++)
		CHECK_EQ(seen[i], 1);
}

TEST(timer)
{
	long before = guest_now_ms();

	open_kqueue();
	CHECK_EQ(change(1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 30, (void *)9), 0);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 8, NULL), 1);
	check_event(0, 1, EVFILT_TIMER, EV_CLEAR | EV_ONESHOT, 0, 1, (void *)9);
	CHECK(guest_now_ms() - before >= 30);
	CHECK_ERR(change(1, EVFILT_TIMER, EV_DELETE, 0, 0, NULL), ENOENT);
	/* Every unit. */
	static const struct { u32 unit; long data; } units[] = { { NOTE_USECONDS, 20000 }, { NOTE_NSECONDS, 20000000 },
	    { NOTE_MSECONDS, 20 }, { 0, 20 } };
	for (size_t i = 0; i < nitems(units); i++) {
		before = guest_now_ms();
		CHECK_EQ(change(2, EVFILT_TIMER, EV_ADD | EV_ONESHOT, units[i].unit, units[i].data, NULL), 0);
		CHECK_EQ(wait_events(8, 2000), 1);
		CHECK(guest_now_ms() - before >= 19 && guest_now_ms() - before < 1000);
	}
	/* A periodic one counts. */
	CHECK_EQ(change(3, EVFILT_TIMER, EV_ADD, 0, 5, NULL), 0);
	guest_sleep_ms(52);
	CHECK_EQ(poll_events(8), 1);
	CHECK_BETWEEN(got[0].data, 5, 200);
	CHECK_EQ(got[0].flags, EV_CLEAR);
	CHECK_EQ(wait_events(8, 1000), 1);
	CHECK_EQ(change(3, EVFILT_TIMER, EV_DELETE, 0, 0, NULL), 0);
	CHECK_EQ(wait_events(8, 30), 0);
	/* An absolute one. */
	struct timespec real;
	CHECK_EQ(sys(SYS_clock_gettime, CLOCK_REALTIME, &real), 0);
	before = guest_now_ms();
	CHECK_EQ(change(4, EVFILT_TIMER, EV_ADD, NOTE_ABSTIME | NOTE_MSECONDS, real.tv_sec * 1000 + real.tv_nsec / 1000000 + 40,
	    NULL), 0);
	CHECK_EQ(wait_events(8, 2000), 1);
	CHECK(guest_now_ms() - before >= 35);
	CHECK_EQ(got[0].data, 1);
	CHECK_EQ(change(4, EVFILT_TIMER, EV_DELETE, 0, 0, NULL), 0);
	CHECK_EQ(change(4, EVFILT_TIMER, EV_ADD, NOTE_ABSTIME, 1, NULL), 0);	/* long past */
	CHECK_EQ(wait_events(8, 1000), 1);
	/* What it refuses. */
	CHECK_ERR(change(5, EVFILT_TIMER, EV_ADD, 0, -1, NULL), EINVAL);
	CHECK_ERR(change(5, EVFILT_TIMER, EV_ADD, 0x100, 1, NULL), EINVAL);
	CHECK_ERR(change(5, EVFILT_TIMER, EV_ADD, NOTE_SECONDS | NOTE_MSECONDS, 1, NULL), EINVAL);
}

/* A timer that is set anew forgets its expirations and starts over. */
TEST(timer_again)
{
	open_kqueue();
	CHECK_EQ(change(1, EVFILT_TIMER, EV_ADD, 0, 5, NULL), 0);
	guest_sleep_ms(20);
	CHECK_EQ(change(1, EVFILT_TIMER, EV_ADD, 0, 100000, NULL), 0);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(change(1, EVFILT_TIMER, EV_ADD, 0, 5, NULL), 0);
	CHECK_EQ(wait_events(8, 1000), 1);
	/* A disabled timer counts on. */
	CHECK_EQ(change(1, EVFILT_TIMER, EV_DISABLE, 0, 0, NULL), 0);
	CHECK_EQ(wait_events(8, 40), 0);
	CHECK_EQ(change(1, EVFILT_TIMER, EV_ENABLE, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK(got[0].data >= 5);
}

/* The wait itself: how long, and that an interrupted one is not begun again. */
static void
handler(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
}

static struct guest_thread threads[8];
static volatile long result;

static void
waiter(void *argument)
{
	struct kevent kev[4];
	struct timespec t = { 20, 0 };

	result = sys(SYS_kevent, kq, NULL, 0, kev, 4, argument ? &t : NULL);
	if (result == 1)
		result += 100 * kev[0].ident;
}

TEST(timeout)
{
	open_kqueue();
	long before = guest_now_ms();
	CHECK_EQ(wait_events(8, 40), 0);
	CHECK(guest_now_ms() - before >= 40);
	/* Microseconds count. */
	struct timespec t = { 0, 1000 };
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 8, &t), 0);
}

TEST(interrupted)
{
	open_kqueue();
	for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
		guest_handle(SIGUSR1, handler, flags);
		for (int timed = 0; timed < 2; timed++) {
			guest_thread_start(&threads[0], waiter, timed ? &kq : NULL);
			guest_asleep(&threads[0]);
			CHECK_EQ(sys(SYS_thr_kill, threads[0].id, SIGUSR1), 0);
			guest_thread_join(&threads[0]);
			CHECK_EQ(result, -EINTR);
		}
	}
}

/* Another thread triggers, adds and closes while one waits. */
TEST(wakeup)
{
	open_kqueue();
	CHECK_EQ(change(1, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, NULL), 0);
	guest_thread_start(&threads[0], waiter, NULL);
	guest_sleep_ms(30);
	CHECK_EQ(change(1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL), 0);
	guest_thread_join(&threads[0]);
	CHECK_EQ(result, 101);

	guest_thread_start(&threads[0], waiter, NULL);
	guest_sleep_ms(30);
	CHECK_EQ(trigger(2, EV_CLEAR, 0, NULL), 0);
	guest_thread_join(&threads[0]);
	CHECK_EQ(result, 201);

	guest_thread_start(&threads[0], waiter, NULL);
	guest_sleep_ms(30);
	CHECK_EQ(change(3, EVFILT_TIMER, EV_ADD, 0, 10, NULL), 0);
	guest_thread_join(&threads[0]);
	CHECK_EQ(result, 301);
	CHECK_EQ(change(3, EVFILT_TIMER, EV_DELETE, 0, 0, NULL), 0);

}

/* Who waits has the kqueue's file: it waits on when the descriptor is closed, and is told what happens (kqueue_close comes with
 * the last fdrop). */
TEST(closed_while_waiting)
{
	int other;

	open_kqueue();
	CHECK_EQ(change(4, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 400, NULL), 0);
	guest_thread_start(&threads[0], waiter, NULL);
	guest_asleep(&threads[0]);
	result = 0;
	CHECK_EQ(sys(SYS_close, kq), 0);
	CHECK_ERR(poll_events(8), EBADF);
	other = (int)CHECK_OK(sys(SYS_kqueue));
	CHECK_EQ(other, kq);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(result, 0);
	guest_thread_join(&threads[0]);
	CHECK_EQ(result, 401);
	CHECK_EQ(trigger(1, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
}

/* Each event of EV_CLEAR goes to one of the threads that wait. */
static volatile u32 received[100];
static volatile int served;

static void
server(void *argument)
{
	struct kevent kev[3];

	(void)argument;
	for (;;) {
		long n = CHECK_OK(sys(SYS_kevent, kq, NULL, 0, kev, 3, NULL));
		for (int i = 0; i < n; i++) {
			if (kev[i].ident == 1000)
				return;
			__atomic_fetch_add(&received[kev[i].ident], 1, __ATOMIC_SEQ_CST);
			__atomic_fetch_add(&served, 1, __ATOMIC_SEQ_CST);
		}
	}
}

TEST(servers)
{
	open_kqueue();
	for (int i = 0; i < 4; i++)
		guest_thread_start(&threads[i], server, NULL);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(trigger(i, (i & 1 ? EV_CLEAR : EV_ONESHOT), 0, NULL), 0);
	while (served < 100)
		guest_sleep_ms(1);
	guest_sleep_ms(20);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(received[i], 1);
	CHECK_EQ(trigger(1000, 0, 0, NULL), 0);
	for (int i = 0; i < 4; i++)
		guest_thread_join(&threads[i]);
}

/* The descriptor of a kqueue: poll, another kqueue, duplicates, fork. */
TEST(nested)
{
	int inner = (int)CHECK_OK(sys(SYS_kqueue)), outer = (int)CHECK_OK(sys(SYS_kqueue));
	struct pollfd one = { inner, POLLIN, 0 };

	kq = outer;
	CHECK_EQ(change(inner, EVFILT_READ, EV_ADD, 0, 0, (void *)7), 0);
	CHECK_ERR(change(inner, EVFILT_WRITE, EV_ADD, 0, 0, NULL), EINVAL);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(sys(SYS_poll, &one, 1, 0), 0);
	kq = inner;
	CHECK_EQ(trigger(1, EV_CLEAR, 0, NULL), 0);
	CHECK_EQ(sys(SYS_poll, &one, 1, 1000), 1);
	CHECK_EQ(one.revents, POLLIN);
	kq = outer;
	CHECK_EQ(poll_events(8), 1);
	check_event(0, inner, EVFILT_READ, 0, 0, 1, (void *)7);
	kq = inner;
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(sys(SYS_poll, &one, 1, 0), 0);
	CHECK_EQ(change(2, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 10, NULL), 0);
	kq = outer;
	CHECK_EQ(wait_events(8, 2000), 1);
	CHECK_EQ(sys(SYS_close, inner), 0);
	CHECK_EQ(poll_events(8), 0);
}

TEST(duplicates)
{
	open_kqueue();
	int first = kq, second = (int)CHECK_OK(sys(SYS_dup, kq));
	int third = (int)CHECK_OK(sys(SYS_fcntl, kq, F_DUPFD, 100));
	int fourth = (int)CHECK_OK(sys(SYS_dup2, kq, 120));

	CHECK_EQ(trigger(1, 0, 0, NULL), 0);
	CHECK_EQ(sys(SYS_close, first), 0);
	CHECK_ERR(poll_events(8), EBADF);
	kq = second;
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(sys(SYS_close, second), 0);
	kq = third;
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(sys(SYS_close, third), 0);
	kq = fourth;
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(trigger(2, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 2);
	CHECK_EQ(sys(SYS_dup2, 2, fourth), fourth);
	CHECK_ERR(poll_events(8), EBADF);
}

TEST(not_inherited)
{
	open_kqueue();
	CHECK_EQ(trigger(1, 0, 0, NULL), 0);
	CHECK_EQ(change(2, EVFILT_TIMER, EV_ADD, 0, 1, NULL), 0);
	int pid = guest_fork();
	if (pid == 0) {
		CHECK_ERR(poll_events(8), EBADF);
		CHECK_ERR(sys(SYS_fcntl, kq, F_GETFD, 0), EBADF);
		/* Its number is free, and a kqueue of the child's own works. */
		CHECK_EQ(sys(SYS_kqueue), kq);
		CHECK_EQ(trigger(1, 0, 0, NULL), 0);
		CHECK_EQ(poll_events(8), 1);
		guest_exit(0);
	}
	CHECK_EQ(guest_wait(pid), 0);
	guest_sleep_ms(5);
	CHECK_EQ(poll_events(8), 2);
}

/* The shim's own descriptors are not the guest's, whatever it closes and renumbers. */
TEST(hidden)
{
	int before = (int)CHECK_OK(sys(SYS_dup, 2)), file[2];

	CHECK_EQ(sys(SYS_close, before), 0);
	open_kqueue();
	CHECK_EQ(kq, before);
	CHECK_EQ(sys(SYS_pipe2, file, 0), 0);
	CHECK_EQ(change(1, EVFILT_USER, EV_ADD, 0, 0, NULL), 0);
	CHECK_EQ(change(2, EVFILT_TIMER, EV_ADD, 0, 5, NULL), 0);
	CHECK_EQ(change(file[1], EVFILT_WRITE, EV_ADD, 0, 0, NULL), 0);
	CHECK_EQ(sys(SYS_dup, 2), before + 3);
	CHECK_EQ(sys(SYS_close, before + 3), 0);
	for (int fd = before + 3; fd < 400; fd++) {
		CHECK_ERR(sys(SYS_fcntl, fd, F_GETFD, 0), EBADF);
		CHECK_EQ(sys(SYS_dup2, 2, fd), fd);
	}
	CHECK_EQ(change(1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL), 0);
	guest_sleep_ms(10);
	CHECK_EQ(poll_events(8), 3);
	CHECK_EQ(sys(SYS_freebsd12_closefrom, before + 3), 0);
	guest_sleep_ms(10);
	CHECK_EQ(poll_events(8), 3);
	CHECK_EQ(change(1, EVFILT_USER, EV_CLEAR, 0, 0, NULL), 0);
	CHECK_EQ(change(2, EVFILT_TIMER, EV_DELETE, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
}

struct old_kevent {
	uintptr_t ident;
	short filter;
	u16 flags;
	u32 fflags;
	intptr_t data;
	void *udata;
};

TEST(freebsd11)
{
	struct old_kevent old = { 5, EVFILT_USER, EV_ADD, 0, 3, (void *)4 }, list[3];

	open_kqueue();
	CHECK_EQ(sys(SYS_freebsd11_kevent, kq, &old, 1, list, 2, &now), 0);
	old.fflags = NOTE_TRIGGER;
	CHECK_EQ(sys(SYS_freebsd11_kevent, kq, &old, 1, list, 2, &now), 1);
	CHECK_EQ(list[0].ident, 5);
	CHECK_EQ(list[0].udata, (void *)4);
	old.ident = 6;
	CHECK_EQ(change(6, EVFILT_USER, EV_ADD, 0, 0, NULL), 0);
	CHECK_EQ(sys(SYS_freebsd11_kevent, kq, &old, 1, list, 2, &now), 2);
	CHECK_EQ(list[0].ident, 5);
	CHECK_EQ(list[1].ident, 6);
	old.flags = EV_DELETE;
	old.ident = 7;
	CHECK_EQ(sys(SYS_freebsd11_kevent, kq, &old, 1, list, 2, &now), 1);
	CHECK_EQ(list[0].flags, EV_ERROR);
	CHECK_EQ(list[0].data, ENOENT);
}
