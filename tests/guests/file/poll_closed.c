/* poll(2) and select(2) of what another thread closes or shuts down meanwhile. */
#include "guest.h"
#include "asleep.h"
#include <sys/event.h>
#include <sys/poll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define EVENTS (POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND)

/* What a sleeper sleeps in, for what, and what became of it. */
struct sleeper {
	struct guest_thread thread;
	int call, fd;
	int timeout;			/* milliseconds, or -1 */
	volatile long result;
	volatile int revents;
};

static void
sleep_for(void *argument)
{
	struct sleeper *s = argument;
	struct pollfd p = { .fd = s->fd, .events = EVENTS };
	struct timespec ts = { s->timeout / 1000, s->timeout % 1000 * 1000000L };
	struct timeval tv = { ts.tv_sec, ts.tv_nsec / 1000 };
	u64 mask[2] = { 0, 0 };
	fd_set set;

	memset(&set, 0, sizeof(set));
	FD_SET(s->fd, &set);
	if (s->call == 0)
		s->result = sys(SYS_poll, &p, 1, s->timeout);
	else if (s->call == 1)
		s->result = sys(SYS_ppoll, &p, 1, s->timeout < 0 ? NULL : &ts, mask);
	else if (s->call == 2)
		s->result = sys(SYS_select, s->fd + 1, &set, NULL, &set, s->timeout < 0 ? NULL : &tv);
	else
		s->result = sys(SYS_pselect, s->fd + 1, &set, NULL, &set, s->timeout < 0 ? NULL : &ts, mask);
	s->revents = p.revents;
}

static struct sleeper sleeper;

static void
falls_asleep(int call, int fd, int timeout)
{
	sleeper.call = call;
	sleeper.fd = fd;
	sleeper.timeout = timeout;
	sleeper.result = -4444;
	guest_thread_start(&sleeper.thread, sleep_for, &sleeper);
	guest_asleep(&sleeper.thread);
	CHECK_EQ(sleeper.result, -4444);
}

/* The sleeper found its descriptor closed (pollrescan, selrescan). */
static void
found_it_closed(void)
{
	guest_thread_join(&sleeper.thread);
	if (sleeper.call < 2) {
		CHECK_EQ(sleeper.result, 1);
		CHECK_EQ(sleeper.revents, POLLNVAL);
	} else
		CHECK_ERR(sleeper.result, EBADF);
}

static int
listener(int family)
{
	struct sockaddr_in a = { .sin_len = sizeof(a), .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int s = (int)CHECK_OK(sys(SYS_socket, family, SOCK_STREAM, 0));

	if (family == AF_INET)
		CHECK_EQ(sys(SYS_bind, s, &a, sizeof(a)), 0);
	CHECK_EQ(sys(SYS_listen, s, 3), 0);
	return (s);
}

static int
first_of_pipe(void)
{
	int ends[2];

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	return (ends[0]);
}

static int
first_of_pair(void)
{
	int ends[2];

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, ends), 0);
	return (ends[0]);
}

static int
made(int kind)
{
	switch (kind) {
	case 0:
		return (listener(AF_INET));
	case 1:
		return (first_of_pipe());
	case 2:
		return (first_of_pair());
	case 3:
		return ((int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, 0)));
	case 4:
		return ((int)CHECK_OK(sys(SYS_kqueue)));
	default:
		return (-1);
	}
}

/* The lowest free numbers are others: what opens a file for a moment while the number is closed does not get it. */
#define HOLES 4

static int
above_holes(int (*make)(int), int argument)
{
	int holes[HOLES], fd;

	for (int i = 0; i < HOLES; i++)
		holes[i] = (int)CHECK_OK(sys(SYS_dup, 0));
	fd = make(argument);
	for (int i = 0; i < HOLES; i++)
		CHECK_EQ(sys(SYS_close, holes[i]), 0);
	return (fd);
}

static int
something(int kind)
{
	return (above_holes(made, kind));
}

static int
duplicate(int fd)
{
	return ((int)CHECK_OK(sys(SYS_dup, fd)));
}

TEST(closed)
{
	int fd;

	for (int kind = 0; (fd = something(kind)) >= 0; kind++)
		for (int call = 0; call < 4; call++) {
			if (call)
				fd = something(kind);
			falls_asleep(call, fd, -1);
			CHECK_EQ(sys(SYS_close, fd), 0);
			found_it_closed();
		}
}

/* Closed by dup2(2), close_range(2) and closefrom(2): the sleeper looks at what the number is now. */
TEST(closed_otherwise)
{
	struct pollfd p;
	int fd, ends[2];

	fd = something(2);
	CHECK_EQ(sys(SYS_fcntl, fd, F_DUP2FD, 900), 900);
	CHECK_EQ(sys(SYS_close, fd), 0);
	falls_asleep(0, 900, -1);
	CHECK_EQ(sys(SYS_close_range, 900, 901, 0), 0);
	found_it_closed();
	fd = something(2);
	falls_asleep(2, fd, -1);
	CHECK_EQ(sys(SYS_close_range, 3, ~0U, 0), 0);
	found_it_closed();
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_EQ(sys(SYS_write, ends[1], "x", 1), 1);
	fd = something(2);
	falls_asleep(0, fd, 20000);
	CHECK_EQ(sys(SYS_dup2, ends[0], fd), fd);
	guest_thread_join(&sleeper.thread);
	CHECK_EQ(sleeper.result, 1);
	CHECK_EQ(sleeper.revents, POLLIN | POLLRDNORM);
	p.fd = fd;
	p.events = POLLIN;
	CHECK_EQ(sys(SYS_poll, &p, 1, 0), 1);
}

/* Another descriptor keeps the file, and its sleeper asleep: what happens to it later shows that the number is closed. */
TEST(kept_by_another)
{
	int ends[2], other;

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, ends), 0);
	for (int call = 0; call < 4; call++) {
		other = above_holes(duplicate, ends[0]);
		falls_asleep(call, other, -1);
		CHECK_EQ(sys(SYS_close, other), 0);
		guest_sleep_ms(60);
		CHECK_EQ(sleeper.result, -4444);
		CHECK_EQ(sys(SYS_write, ends[1], "x", 1), 1);
		found_it_closed();
		CHECK_EQ(sys(SYS_read, ends[0], &other, 1), 1);
	}
}

/* Others' descriptors of the same remainder, and files that are read meanwhile, disturb nobody; the time runs on. */
TEST(others_sleep_on)
{
	struct timespec before, after;
	int fd = something(2), other = 64 + fd;

	for (int call = 0; call < 4; call++) {
		CHECK_EQ(sys(SYS_clock_gettime, CLOCK_MONOTONIC, &before), 0);
		falls_asleep(call, fd, 400);
		for (int i = 0; i < 20; i++) {
			CHECK_EQ(sys(SYS_dup2, 1, other), other);
			CHECK_EQ(sys(SYS_close, other), 0);
			guest_sleep_ms(2);
		}
		guest_thread_join(&sleeper.thread);
		CHECK_EQ(sleeper.result, 0);
		CHECK_EQ(sys(SYS_clock_gettime, CLOCK_MONOTONIC, &after), 0);
		i64 ms = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
		CHECK(ms >= 399 && ms < 8000);
	}
}

/* The child of a fork, and of a vfork, has no sleepers, and disturbs none. */
TEST(children)
{
	int fd = something(2), pid;

	falls_asleep(0, fd, 500);
	for (int i = 0; i < 2; i++) {
		pid = (int)CHECK_OK(sys(i ? SYS_vfork : SYS_fork));
		if (pid == 0) {
			sys(SYS_close, fd);
			guest_exit(0);
		}
		CHECK_EQ(guest_wait(pid), 0);
	}
	CHECK_EQ(sleeper.result, -4444);
	guest_thread_join(&sleeper.thread);
	CHECK_EQ(sleeper.result, 0);
}

/* What has another descriptor stays, and goes with the last one: then who sleeps for the first finds that closed. */
TEST(the_last_of_several)
{
	int fd, others[2];

	for (int call = 0; call < 4; call++)
		for (int kind = 0; kind < 4; kind++) {
			fd = something(kind);
			others[0] = (int)CHECK_OK(sys(SYS_fcntl, fd, F_DUPFD, 40));
			others[1] = (int)CHECK_OK(sys(SYS_fcntl, fd, F_DUPFD, 50));
			falls_asleep(call, fd, -1);
			CHECK_EQ(sys(SYS_close, call & 1 ? others[0] : fd), 0);
			CHECK_EQ(sys(SYS_close, call & 1 ? fd : others[0]), 0);
			guest_asleep(&sleeper.thread);
			CHECK_EQ(sleeper.result, -4444);
			CHECK_EQ(sys(SYS_close, others[1]), 0);
			found_it_closed();
		}
}

static volatile int may_close;

static void
closes(void *argument)
{
	while (!may_close)
		;
	sys(SYS_close, *(int *)argument);
}

/* Whoever closes the last one, of several threads at once. */
TEST(all_at_once)
{
	struct guest_thread threads[3];
	int fds[3];

	for (int round = 0; round < 40; round++) {
		fds[0] = something(round & 3);
		fds[1] = (int)CHECK_OK(sys(SYS_fcntl, fds[0], F_DUPFD, 40));
		fds[2] = (int)CHECK_OK(sys(SYS_fcntl, fds[0], F_DUPFD, 50));
		may_close = 0;
		for (int i = 0; i < 3; i++)
			guest_thread_start(&threads[i], closes, &fds[i]);
		falls_asleep(round & 1 ? 2 : 0, fds[0], -1);
		may_close = 1;
		for (int i = 0; i < 3; i++)
			guest_thread_join(&threads[i]);
		guest_thread_join(&sleeper.thread);
		CHECK(sleeper.result == (round & 1 ? -EBADF : 1) || sleeper.result == 1);
	}
}

/* What listens and is shut down wakes who waits for it, and before the next wait is ready too (tcp_usr_shutdown). */
TEST(shut_down)
{
	for (int call = 0; call < 4; call++)
		for (int before = 0; before < 2; before++) {
			int s = something(0);

			if (!before)
				falls_asleep(call, s, -1);
			CHECK_ERR(sys(SYS_shutdown, s, SHUT_RDWR), ENOTCONN);
			if (before) {
				sleeper.call = call;
				sleeper.fd = s;
				sleeper.timeout = -1;
				sleep_for(&sleeper);
			} else
				guest_thread_join(&sleeper.thread);
			CHECK(sleeper.result > 0);
			CHECK_EQ(sys(SYS_close, s), 0);
		}
}

/* The next accept is told of it, and the socket listens on (solisten_dequeue), with as many places as before. */
TEST(listens_on)
{
	struct sockaddr_in a = { .sin_len = sizeof(a), .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	u32 size = sizeof(a);
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0)), client, got = 0, one = 1;

	CHECK_EQ(sys(SYS_setsockopt, s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	CHECK_EQ(sys(SYS_bind, s, &a, sizeof(a)), 0);
	CHECK_EQ(sys(SYS_listen, s, 3), 0);
	CHECK_EQ(sys(SYS_getsockname, s, &a, &size), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_ERR(sys(SYS_shutdown, s, i & 1 ? SHUT_RD : SHUT_RDWR), ENOTCONN);
		CHECK_ERR(sys(SYS_accept, s, NULL, NULL), ECONNABORTED);
		client = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));
		CHECK_EQ(sys(SYS_connect, client, &a, sizeof(a)), 0);
		CHECK_OK(sys(SYS_accept, s, NULL, NULL));
		size = sizeof(got);
		CHECK_EQ(sys(SYS_getsockopt, s, SOL_SOCKET, SO_LISTENQLIMIT, &got, &size), 0);
		CHECK_EQ(got, 3);
		CHECK_EQ(sys(SYS_fcntl, s, F_SETFL, O_NONBLOCK), 0);
		CHECK_ERR(sys(SYS_accept, s, NULL, NULL), EAGAIN);
	}
}
