/* kevent(2) on the ends of pipes, both of which can be read and written (sys/kern/sys_pipe.c: pipe_kqfilter, filt_piperead,
 * filt_pipewrite). */
#include "kevents.h"

static int fds[2];
static char data[100];

static void
open_all(void)
{
	kq = (int)CHECK_OK(sys(SYS_kqueue));
	CHECK_EQ(sys(SYS_pipe2, fds, O_NONBLOCK), 0);
}

/* The event of a filter on a descriptor among those that came, or NULL. */
static struct kevent *
find(long n, int fd, int filter)
{
	for (long i = 0; i < n; i++)
		if ((int)got[i].ident == fd && got[i].filter == filter)
			return (&got[i]);
	return (NULL);
}

/* Waits until the filter reports, which other events may precede. */
static struct kevent *
await(int fd, int filter)
{
	struct kevent *event;

	for (int i = 0; i < 10; i++)
		if ((event = find(wait_events(8, 2000), fd, filter)) != NULL)
			return (event);
	return (NULL);
}

static void
add_all(int flags)
{
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(change(fds[i], EVFILT_READ, EV_ADD | flags, 0, 0, NULL), 0);
		CHECK_EQ(change(fds[i], EVFILT_WRITE, EV_ADD | flags, 0, 0, NULL), 0);
	}
}

/* As Go's runtime watches: everything, by edges. What another process writes the less usual way is told. */
TEST(edges)
{
	struct kevent *event;
	int pid;

	open_all();
	add_all(EV_CLEAR);
	CHECK_EQ(poll_events(8), 2);
	CHECK(find(2, fds[0], EVFILT_WRITE) != NULL);
	CHECK(find(2, fds[1], EVFILT_WRITE) != NULL);
	CHECK(find(2, fds[0], EVFILT_WRITE)->data >= 512);
	CHECK_EQ(poll_events(8), 0);
	for (int i = 0; i < 2; i++) {
		if ((pid = guest_fork()) == 0) {
			guest_sleep_ms(30);
			CHECK_EQ(sys(SYS_write, fds[0], "hello", 5), 5);
			guest_sleep_ms(100);
			guest_exit(0);
		}
		event = await(fds[1], EVFILT_READ);
		CHECK(event != NULL);
		CHECK_EQ(event->data, 5);
		CHECK_EQ(event->flags, EV_CLEAR);
		CHECK_EQ(sys(SYS_read, fds[1], data, 100), 5);
		CHECK_EQ(guest_wait(pid), 0);
	}
	CHECK_EQ(sys(SYS_close, fds[0]), 0);
	event = await(fds[1], EVFILT_READ);
	CHECK(event != NULL);
	CHECK(event->flags & EV_EOF);
	CHECK_EQ(event->data, 0);
}

TEST(levels)
{
	struct kevent *event;
	int pid;

	open_all();
	CHECK_EQ(change(fds[1], EVFILT_READ, EV_ADD, 0, 0, (void *)7), 0);
	CHECK_EQ(poll_events(8), 0);
	if ((pid = guest_fork()) == 0) {
		guest_sleep_ms(30);
		CHECK_EQ(sys(SYS_write, fds[0], "hello", 5), 5);
		guest_exit(0);
	}
	CHECK_EQ(wait_events(8, 2000), 1);
	CHECK_EQ(guest_wait(pid), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(poll_events(8), 1);
		CHECK_EQ(got[0].filter, EVFILT_READ);
		CHECK_EQ(got[0].data, 5);
		CHECK_EQ(got[0].udata, (void *)7);
	}
	CHECK_EQ(sys(SYS_read, fds[1], data, 3), 3);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].data, 2);
	CHECK_EQ(sys(SYS_read, fds[1], data, 3), 2);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(change(fds[1], EVFILT_READ, EV_DISABLE, 0, 0, NULL), 0);
	CHECK_EQ(sys(SYS_write, fds[0], "x", 1), 1);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(change(fds[1], EVFILT_READ, EV_ENABLE, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(change(fds[1], EVFILT_READ, EV_DELETE, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(change(fds[0], EVFILT_WRITE, EV_ADD, 0, 0, NULL), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(poll_events(8), 1);
		CHECK_EQ(got[0].filter, EVFILT_WRITE);
	}
	while (sys(SYS_write, fds[0], data, 100) > 0)
		;
	CHECK_EQ(poll_events(8), 0);
	while (sys(SYS_read, fds[1], data, 100) > 0)
		;
	event = await(fds[0], EVFILT_WRITE);
	CHECK(event != NULL && event->data >= 512);
}

/* The first descriptor can be written to from the beginning, and each time it is asked. */
TEST(room)
{
	open_all();
	CHECK_EQ(change(fds[0], EVFILT_WRITE, EV_ADD, 0, 0, NULL), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(wait_events(8, 1000), 1);
		CHECK_EQ(got[0].ident, fds[0]);
		CHECK_EQ(got[0].flags, 0);
		CHECK(got[0].data >= 512);
	}
	CHECK_EQ(sys(SYS_close, fds[1]), 0);
	CHECK_EQ(wait_events(8, 1000), 1);
	CHECK(got[0].flags & EV_EOF);
	/* Nobody is there to be watched (pipe_kqfilter). */
	CHECK_EQ(poll_events(8), 0);
	CHECK_ERR(change(fds[0], EVFILT_WRITE, EV_ADD, 0, 0, NULL), EPIPE);
}

TEST(once)
{
	open_all();
	CHECK_EQ(change(fds[0], EVFILT_WRITE, EV_ADD | EV_ONESHOT, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(change(fds[0], EVFILT_WRITE, EV_ADD | EV_DISPATCH, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(change(fds[0], EVFILT_WRITE, EV_ENABLE, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(change(fds[1], EVFILT_READ, EV_ADD | EV_ONESHOT, 0, 0, NULL), 0);
	CHECK_EQ(sys(SYS_write, fds[0], "x", 1), 1);
	CHECK_EQ(wait_events(8, 1000), 1);
	CHECK_EQ(got[0].ident, fds[1]);
	CHECK_EQ(poll_events(8), 0);
}
