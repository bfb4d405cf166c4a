/* Descriptors without a file: timerfd, eventfd; kevent on them; exterrctl. Those of inotify: inotify.c. */
#include "guest.h"
#include <sys/event.h>
#include <sys/eventfd.h>
#include <sys/poll.h>
#include <sys/specialfd.h>
#include <sys/timerfd.h>
#include <sys/user.h>

/* FreeBSD 15 */
#ifndef SYS_exterrctl
#define SYS_exterrctl 592
#endif

static const struct timespec now = { 0, 0 };

static int
eventfd_(unsigned value, int flags)
{
	struct specialfd_eventfd request = { value, flags };

	return ((int)sys(SYS___specialfd, SPECIALFD_EVENTFD, &request, sizeof(request)));
}

static struct itimerspec
spec(long first_ms, long every_ms)
{
	struct itimerspec s = { { every_ms / 1000, every_ms % 1000 * 1000000 }, { first_ms / 1000, first_ms % 1000 * 1000000 } };

	return (s);
}

TEST(eventfd)
{
	u64 value = 0;
	struct stat st;
	struct pollfd p;
	struct { unsigned initval; int flags; int more; } longer = { 0 };
	int fd = (int)CHECK_OK(eventfd_(3, EFD_NONBLOCK | EFD_CLOEXEC));

	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFL), O_RDWR | O_NONBLOCK);
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_mode, S_IFIFO);
	CHECK_ERR(sys(SYS_read, fd, &value, 7), EINVAL);
	CHECK_EQ(sys(SYS_read, fd, &value, 8), 8);
	CHECK_EQ(value, 3);
	CHECK_ERR(sys(SYS_read, fd, &value, 8), EAGAIN);
	p = (struct pollfd){ fd, POLLIN | POLLOUT, 0 };
	CHECK_EQ(sys(SYS_poll, &p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLOUT);
	value = ~0UL;
	CHECK_ERR(sys(SYS_write, fd, &value, 8), EINVAL);
	value = ~0UL - 1;
	CHECK_EQ(sys(SYS_write, fd, &value, 8), 8);
	value = 1;
	CHECK_ERR(sys(SYS_write, fd, &value, 8), EAGAIN);
	p = (struct pollfd){ fd, POLLIN | POLLOUT, 0 };
	CHECK_EQ(sys(SYS_poll, &p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN);
	int semaphore = (int)CHECK_OK(eventfd_(2, EFD_SEMAPHORE | EFD_NONBLOCK));
	CHECK_EQ(sys(SYS_fcntl, semaphore, F_GETFD), 0);
	CHECK_EQ(sys(SYS_read, semaphore, &value, 8), 8);
	CHECK_EQ(value, 1);
	CHECK_EQ(sys(SYS_read, semaphore, &value, 8), 8);
	CHECK_ERR(sys(SYS_read, semaphore, &value, 8), EAGAIN);
	CHECK_ERR(eventfd_(0, 2), EINVAL);
	CHECK_ERR(eventfd_(0, 0x800), EINVAL);
	CHECK_ERR(sys(SYS___specialfd, SPECIALFD_EVENTFD, &longer, sizeof(longer)), EINVAL);
	CHECK_ERR(sys(SYS___specialfd, SPECIALFD_EVENTFD, 8, sizeof(struct specialfd_eventfd)), EFAULT);
	CHECK_ERR(sys(SYS___specialfd, 0, &longer, 8), EINVAL);
	CHECK_ERR(sys(SYS___specialfd, 9, &longer, 8), EINVAL);
	struct kinfo_file info = { .kf_structsize = sizeof(info) };
	CHECK_EQ(sys(SYS_fcntl, fd, F_KINFO, &info), 0);
	CHECK_EQ(info.kf_type, KF_TYPE_EVENTFD);
}

static int waited_for;

static void
wait_for_event(void *argument)
{
	u64 value = 0;

	waited_for = sys(SYS_read, *(int *)argument, &value, 8) == 8 ? (int)value : -1;
}

TEST(eventfd_wakes)
{
	struct guest_thread t;
	u64 value = 42;
	int fd = (int)CHECK_OK(eventfd_(0, 0));

	guest_thread_start(&t, wait_for_event, &fd);
	guest_sleep_ms(20);
	CHECK_EQ(sys(SYS_write, fd, &value, 8), 8);
	guest_thread_join(&t);
	CHECK_EQ(waited_for, 42);
}

TEST(eventfd_kevent)
{
	struct kevent kev[2], got[4];
	u64 value = 5;
	int kq = (int)CHECK_OK(sys(SYS_kqueue)), fd = (int)CHECK_OK(eventfd_(0, EFD_NONBLOCK));

	EV_SET(&kev[0], fd, EVFILT_READ, EV_ADD, 0, 0, NULL);
	EV_SET(&kev[1], fd, EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0, NULL);
	CHECK_EQ(sys(SYS_kevent, kq, kev, 2, NULL, 0, NULL), 0);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, &now), 1);
	CHECK_EQ(got[0].filter, EVFILT_WRITE);
	CHECK_EQ(got[0].data, ~0UL - 1);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, &now), 0);
	kev[1].flags = EV_DELETE;
	CHECK_EQ(sys(SYS_kevent, kq, &kev[1], 1, NULL, 0, NULL), 0);
	CHECK_EQ(sys(SYS_write, fd, &value, 8), 8);
	value = 0x100000007;
	CHECK_EQ(sys(SYS_write, fd, &value, 8), 8);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, &now), 1);
		CHECK_EQ(got[0].ident, fd);
		CHECK_EQ(got[0].filter, EVFILT_READ);
		CHECK_EQ(got[0].flags, 0);
		CHECK_EQ(got[0].data, 0x10000000c);
	}
	CHECK_EQ(sys(SYS_read, fd, &value, 8), 8);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, &now), 0);
	/* An edge for each write. */
	kev[0].flags = EV_DELETE;
	CHECK_EQ(sys(SYS_kevent, kq, &kev[0], 1, NULL, 0, NULL), 0);
	kev[0].flags = EV_ADD | EV_CLEAR;
	CHECK_EQ(sys(SYS_kevent, kq, &kev[0], 1, NULL, 0, NULL), 0);
	for (u64 i = 1; i < 4; i++) {
		value = 1;
		CHECK_EQ(sys(SYS_write, fd, &value, 8), 8);
		CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, NULL), 1);
		CHECK_EQ(got[0].data, i);
		CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, &now), 0);
	}
}

TEST(timerfd)
{
	struct itimerspec set = spec(5, 10), old, current;
	struct stat st;
	u64 count = 0;
	int fd = (int)CHECK_OK(sys(SYS_timerfd_create, CLOCK_MONOTONIC, TFD_CLOEXEC));

	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	/* timerfd_stat: no type, no size, the owner, and how many have it. */
	CHECK_EQ(st.st_mode, 0);
	CHECK_EQ(st.st_nlink, 1);
	CHECK_EQ(st.st_size + st.st_blocks + (i64)st.st_dev, 0);
	CHECK_EQ(st.st_blksize, 4096);
	CHECK_EQ(st.st_uid, sys(SYS_geteuid));
	CHECK_EQ(st.st_gid, sys(SYS_getegid));
	CHECK_EQ(sys(SYS_timerfd_gettime, fd, &current), 0);
	CHECK_EQ(current.it_value.tv_sec | current.it_value.tv_nsec | current.it_interval.tv_nsec, 0);
	CHECK_EQ(sys(SYS_timerfd_settime, fd, 0, &set, NULL), 0);
	CHECK_EQ(sys(SYS_timerfd_gettime, fd, &current), 0);
	CHECK_EQ(current.it_interval.tv_nsec, 10000000);
	CHECK_BETWEEN(current.it_value.tv_nsec, 1, 10000000);
	for (u64 total = 0; total < 3; total += count) {
		CHECK_EQ(sys(SYS_read, fd, &count, 8), 8);
		CHECK(count >= 1);
	}
	CHECK_ERR(sys(SYS_read, fd, &count, 4), EINVAL);
	/* What was set comes back; then it is off. */
	set = spec(0, 0);
	CHECK_EQ(sys(SYS_timerfd_settime, fd, 0, &set, &old), 0);
	CHECK_EQ(old.it_interval.tv_nsec, 10000000);
	CHECK_EQ(sys(SYS_fcntl, fd, F_SETFL, O_NONBLOCK), 0);
	CHECK_ERR(sys(SYS_read, fd, &count, 8), EAGAIN);
	/* At a time. */
	int real = (int)CHECK_OK(sys(SYS_timerfd_create, CLOCK_REALTIME, TFD_NONBLOCK));
	CHECK_EQ(sys(SYS_clock_gettime, CLOCK_REALTIME, &set.it_value), 0);
	set.it_value.tv_sec -= 5;
	CHECK_EQ(sys(SYS_timerfd_settime, real, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &set, NULL), 0);
	struct pollfd p = { real, POLLIN, 0 };
	CHECK_EQ(sys(SYS_poll, &p, 1, 10000), 1);
	CHECK_EQ(sys(SYS_read, real, &count, 8), 8);
	CHECK_EQ(count, 1);
	CHECK_OK(sys(SYS_timerfd_create, CLOCK_UPTIME, 0));
	struct kinfo_file info = { .kf_structsize = sizeof(info) };
	CHECK_EQ(sys(SYS_fcntl, fd, F_KINFO, &info), 0);
	CHECK_EQ(info.kf_type, KF_TYPE_TIMERFD);
}

TEST(timerfd_errors)
{
	struct itimerspec set = spec(5, 0), current;
	int fd = (int)CHECK_OK(sys(SYS_timerfd_create, CLOCK_MONOTONIC, 0)), other = eventfd_(0, 0);

	CHECK_ERR(sys(SYS_timerfd_create, CLOCK_VIRTUAL, 0), EINVAL);
	CHECK_ERR(sys(SYS_timerfd_create, 1, 0), EINVAL);		/* Linux's CLOCK_MONOTONIC */
	CHECK_ERR(sys(SYS_timerfd_create, CLOCK_REALTIME, 0x800), EINVAL);
	CHECK_ERR(sys(SYS_timerfd_settime, fd, 4, &set, NULL), EINVAL);
	CHECK_ERR(sys(SYS_timerfd_settime, fd, 0, NULL, NULL), EFAULT);
	CHECK_ERR(sys(SYS_timerfd_settime, -1, 0, &set, NULL), EBADF);
	CHECK_ERR(sys(SYS_timerfd_settime, other, 0, &set, NULL), EINVAL);
	CHECK_ERR(sys(SYS_timerfd_gettime, other, &current), EINVAL);
	CHECK_ERR(sys(SYS_timerfd_gettime, 99, &current), EBADF);
	CHECK_ERR(sys(SYS_timerfd_gettime, fd, 8), EFAULT);
	set.it_value.tv_nsec = 1000000000;
	CHECK_ERR(sys(SYS_timerfd_settime, fd, 0, &set, NULL), EINVAL);
	set = spec(5, 0);
	set.it_interval.tv_sec = -1;
	CHECK_ERR(sys(SYS_timerfd_settime, fd, 0, &set, NULL), EINVAL);
}

TEST(timerfd_kevent)
{
	struct itimerspec set = spec(5, 5);
	struct kevent kev, got[4];
	u64 count;
	int kq = (int)CHECK_OK(sys(SYS_kqueue)), fd = (int)CHECK_OK(sys(SYS_timerfd_create, CLOCK_MONOTONIC, TFD_NONBLOCK));

	EV_SET(&kev, fd, EVFILT_WRITE, EV_ADD, 0, 0, NULL);
	CHECK_ERR(sys(SYS_kevent, kq, &kev, 1, NULL, 0, NULL), EINVAL);
	EV_SET(&kev, fd, EVFILT_READ, EV_ADD, 0, 0, NULL);
	CHECK_EQ(sys(SYS_kevent, kq, &kev, 1, NULL, 0, NULL), 0);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, &now), 0);
	CHECK_EQ(sys(SYS_timerfd_settime, fd, 0, &set, NULL), 0);
	guest_sleep_ms(30);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, NULL), 1);
	CHECK_EQ(got[0].ident, fd);
	CHECK(got[0].data >= 2);
	CHECK_EQ(sys(SYS_read, fd, &count, 8), 8);
	CHECK(count >= (u64)got[0].data);
	/* Each expiration is an edge, read or not. */
	kev.flags = EV_DELETE;
	CHECK_EQ(sys(SYS_kevent, kq, &kev, 1, NULL, 0, NULL), 0);
	kev.flags = EV_ADD | EV_CLEAR;
	CHECK_EQ(sys(SYS_kevent, kq, &kev, 1, NULL, 0, NULL), 0);
	long before = 0;
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, NULL), 1);
		CHECK(got[0].data > before);
		before = got[0].data;
	}
}

TEST(exterrctl)
{
	struct { u32 ver, error, rest[44]; } more = { 0x10010002, 0, { 0 } };

	if (GUEST_RELEASE < 15)
		ON_ANOTHER_RELEASE();
	CHECK_ERR(sys(SYS_exterrctl, 2, 0, NULL), EINVAL);		/* EXTERRCTL_DISABLE */
	CHECK_ERR(sys(SYS_exterrctl, 1, 0, 8), EFAULT);
	CHECK_ERR(sys(SYS_exterrctl, 1, 2, &more), EINVAL);
	more.ver = 1;
	CHECK_ERR(sys(SYS_exterrctl, 1, 0, &more), EINVAL);
	more.ver = 0x10010002;
	CHECK_EQ(sys(SYS_exterrctl, 1, 0, &more), 0);			/* EXTERRCTL_ENABLE */
	CHECK_ERR(sys(SYS_exterrctl, 1, 0, &more), EBUSY);
	CHECK_EQ(sys(SYS_exterrctl, 1, 1, &more), 0);			/* EXTERRCTLF_FORCE */
	IN_CHILD({
		CHECK_ERR(sys(SYS_exterrctl, 1, 0, &more), EBUSY);
	});
	CHECK_ERR(sys(SYS_close, -1), EBADF);
	CHECK_EQ(more.error, 0);
	CHECK_ERR(sys(SYS_exterrctl, 3, 0, NULL), EINVAL);
	CHECK_EQ(sys(SYS_exterrctl, 2, 0, NULL), 0);
	CHECK_ERR(sys(SYS_exterrctl, 2, 0, NULL), EINVAL);
}
