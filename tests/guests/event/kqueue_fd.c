/* kevent(2) on descriptors: EVFILT_READ and EVFILT_WRITE on pipes and files, and what closing does. */
#include "kevents.h"
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <netinet/in.h>

static int fds[2];
static char data[1 << 20];

static void
open_all(void)
{
	kq = (int)CHECK_OK(sys(SYS_kqueue));
	CHECK_EQ(sys(SYS_pipe2, fds, O_NONBLOCK), 0);
}

TEST(read_level)
{
	open_all();
	CHECK_EQ(change(fds[0], EVFILT_READ, EV_ADD, 0, 0, (void *)5), 0);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(sys(SYS_write, fds[1], data, 10), 10);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(poll_events(8), 1);
		CHECK_EQ(got[0].ident, fds[0]);
		CHECK_EQ(got[0].filter, EVFILT_READ);
		CHECK_EQ(got[0].flags, 0);
		CHECK_EQ(got[0].data, 10);
		CHECK_EQ(got[0].udata, (void *)5);
	}
	CHECK_EQ(sys(SYS_read, fds[0], data, 4), 4);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].data, 6);
	CHECK_EQ(sys(SYS_read, fds[0], data, 10), 6);
	CHECK_EQ(poll_events(8), 0);
	/* The end: with what is left, and then without. */
	CHECK_EQ(sys(SYS_write, fds[1], data, 3), 3);
	CHECK_EQ(sys(SYS_close, fds[1]), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].flags, EV_EOF);
	CHECK_EQ(got[0].data, 3);
	CHECK_EQ(sys(SYS_read, fds[0], data, 10), 3);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].flags, EV_EOF);
	CHECK_EQ(got[0].data, 0);
}

TEST(read_edge)
{
	open_all();
	CHECK_EQ(sys(SYS_write, fds[1], data, 10), 10);
	CHECK_EQ(change(fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].flags, EV_CLEAR);
	CHECK_EQ(got[0].data, 10);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(sys(SYS_write, fds[1], data, 5), 5);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].data, 15);
	CHECK_EQ(poll_events(8), 0);
	/* Adding again looks again. */
	CHECK_EQ(change(fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(sys(SYS_close, fds[1]), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].flags, EV_CLEAR | EV_EOF);
	CHECK_EQ(poll_events(8), 0);
}

TEST(flags)
{
	open_all();
	CHECK_EQ(sys(SYS_write, fds[1], data, 10), 10);
	CHECK_EQ(change(fds[0], EVFILT_READ, EV_ADD | EV_ONESHOT, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].data, 10);
	CHECK_EQ(poll_events(8), 0);
	CHECK_ERR(change(fds[0], EVFILT_READ, EV_DELETE, 0, 0, NULL), ENOENT);

	CHECK_EQ(change(fds[0], EVFILT_READ, EV_ADD | EV_DISPATCH, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(sys(SYS_write, fds[1], data, 10), 10);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(change(fds[0], EVFILT_READ, EV_ENABLE, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].data, 20);
	CHECK_EQ(change(fds[0], EVFILT_READ, EV_DELETE, 0, 0, NULL), 0);

	CHECK_EQ(change(fds[0], EVFILT_READ, EV_ADD | EV_DISABLE, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(change(fds[0], EVFILT_READ, EV_ENABLE, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(change(fds[0], EVFILT_READ, EV_DISABLE, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(sys(SYS_close, fds[1]), 0);
	CHECK_EQ(poll_events(8), 0);	/* the end of a disabled one is not seen either */
	CHECK_EQ(change(fds[0], EVFILT_READ, EV_ENABLE, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
}

/* The low-water mark of a socket: below it there is no event, and waiting for it does not spin (filt_soread). A pipe has none
 * (filt_piperead). */
TEST(lowat)
{
	struct rusage before, after;
	int pair[2];

	open_all();
	CHECK_EQ(change(fds[0], EVFILT_READ, EV_ADD, NOTE_LOWAT, 10, NULL), 0);
	CHECK_EQ(sys(SYS_write, fds[1], data, 9), 9);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(change(fds[0], EVFILT_READ, EV_DELETE, 0, 0, NULL), 0);

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair), 0);
	CHECK_EQ(change(pair[0], EVFILT_READ, EV_ADD, NOTE_LOWAT, 10, NULL), 0);
	CHECK_EQ(sys(SYS_write, pair[1], data, 9), 9);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(sys(SYS_getrusage, RUSAGE_SELF, &before), 0);
	CHECK_EQ(wait_events(8, 300), 0);
	CHECK_EQ(sys(SYS_getrusage, RUSAGE_SELF, &after), 0);
	CHECK((after.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_utime.tv_sec - before.ru_stime.tv_sec) * 1000000 +
	    after.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_utime.tv_usec - before.ru_stime.tv_usec < 150000);
	CHECK_EQ(sys(SYS_write, pair[1], data, 1), 1);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(wait_events(8, 1000), 1);
		CHECK_EQ(got[0].data, 10);
	}
	CHECK_EQ(sys(SYS_read, pair[0], data, 5), 5);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(sys(SYS_write, pair[1], data, 20), 20);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].data, 25);
}

TEST(write_filter)
{
	open_all();
	CHECK_EQ(change(fds[1], EVFILT_WRITE, EV_ADD, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].filter, EVFILT_WRITE);
	long room = got[0].data;
	CHECK(room >= PIPE_BUF);
	CHECK_EQ(sys(SYS_write, fds[1], data, 1000), 1000);
	CHECK_EQ(poll_events(8), 1);
	CHECK(got[0].data < room);
	while (sys(SYS_write, fds[1], data, sizeof(data)) > 0)
		;
	CHECK_EQ(poll_events(8), 0);
	while (sys(SYS_read, fds[0], data, sizeof(data)) > 0)
		;
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(sys(SYS_close, fds[0]), 0);
	/* Once: pipeclose clears the list of those who watch (knlist_clear). And then nobody is there to be watched (pipe_kqfilter). */
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].flags, EV_EOF | EV_ONESHOT);
	CHECK_EQ(poll_events(8), 0);
	CHECK_ERR(change(fds[1], EVFILT_WRITE, EV_DELETE, 0, 0, NULL), ENOENT);
	CHECK_ERR(change(fds[1], EVFILT_WRITE, EV_ADD, 0, 0, NULL), EPIPE);
}

TEST(write_edge)
{
	open_all();
	CHECK_EQ(change(fds[1], EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(poll_events(8), 0);
	while (sys(SYS_write, fds[1], data, sizeof(data)) > 0)
		;
	CHECK_EQ(poll_events(8), 0);
	while (sys(SYS_read, fds[0], data, sizeof(data)) > 0)
		;
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(poll_events(8), 0);
}

static volatile int done;

static void
writer(void *argument)
{
	for (long i = 0; i < (long)argument; i++) {
		long n;
		do
			n = sys(SYS_write, fds[1], data, 100);
		while (n == -EAGAIN);
		CHECK(n > 0);
	}
	done = 1;
	CHECK_EQ(sys(SYS_close, fds[1]), 0);
}

/* Edges while another thread writes: all that was written is seen. */
TEST(stream)
{
	struct guest_thread thread;
	long total = 0;

	open_all();
	CHECK_EQ(change(fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, NULL), 0);
	guest_thread_start(&thread, writer, (void *)20000);
	for (int end = 0; !end;) {
		CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 8, NULL), 1);
		end = got[0].flags & EV_EOF;
		for (;;) {
			long n = sys(SYS_read, fds[0], data, 4096);
			if (n == -EAGAIN)
				break;
			CHECK(n >= 0);
			total += n;
			if (n == 0)
				break;
		}
	}
	guest_thread_join(&thread);
	CHECK(done);
	CHECK_EQ(total, 2000000);
}

TEST(files)
{
	guest_put("file", "0123456789", 10);
	int fd = (int)CHECK_OK(sys(SYS_open, "file", O_RDWR));

	open_all();
	CHECK_EQ(change(fd, EVFILT_READ, EV_ADD, 0, 0, NULL), 0);
	CHECK_EQ(change(fd, EVFILT_WRITE, EV_ADD, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 2);
	CHECK_EQ(got[0].filter == EVFILT_READ ? got[0].data : got[1].data, 10);
	CHECK_EQ(change(fd, EVFILT_WRITE, EV_DELETE, 0, 0, NULL), 0);
	CHECK_EQ(sys(SYS_read, fd, data, 4), 4);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].data, 6);
	CHECK_EQ(got[0].flags, 0);
	CHECK_EQ(sys(SYS_read, fd, data, 10), 6);
	CHECK_EQ(poll_events(8), 0);
	/* It grows: tail -f. */
	int other = (int)CHECK_OK(sys(SYS_open, "file", O_WRONLY | O_APPEND));
	CHECK_EQ(sys(SYS_write, other, "abc", 3), 3);
	CHECK_EQ(wait_events(8, 2000), 1);
	CHECK_EQ(got[0].data, 3);
	CHECK_EQ(sys(SYS_read, fd, data, 10), 3);
	CHECK_EQ(poll_events(8), 0);
	/* Beyond the end the difference is negative. */
	CHECK_EQ(sys(SYS_lseek, fd, 20, SEEK_SET), 20);
	CHECK_EQ(sys(SYS_write, other, "d", 1), 1);
	CHECK_EQ(wait_events(8, 2000), 1);
	CHECK_EQ(got[0].data, -6);
}

TEST(null)
{
	int null = (int)CHECK_OK(sys(SYS_open, "/dev/null", O_RDWR));

	open_all();
	CHECK_EQ(change(null, EVFILT_WRITE, EV_ADD, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].data, 0);
}

/* A descriptor that is closed takes its events with it, though a duplicate keeps the pipe alive. */
TEST(closed)
{
	open_all();
	int copy = (int)CHECK_OK(sys(SYS_dup, fds[0]));

	CHECK_EQ(sys(SYS_write, fds[1], data, 10), 10);
	CHECK_EQ(change(fds[0], EVFILT_READ, EV_ADD, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(sys(SYS_close, fds[0]), 0);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(change(copy, EVFILT_READ, EV_ADD, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].ident, copy);
	/* dup2 onto it does the same. */
	int again = (int)CHECK_OK(sys(SYS_dup, copy));
	CHECK_EQ(sys(SYS_dup2, 2, copy), copy);
	CHECK_EQ(poll_events(8), 0);
	CHECK_ERR(change(copy, EVFILT_READ, EV_DELETE, 0, 0, NULL), ENOENT);
	/* And closefrom. */
	CHECK_EQ(change(again, EVFILT_READ, EV_ADD, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(sys(SYS_dup2, again, 50), 50);
	CHECK_EQ(sys(SYS_close_range, again, again, 0), 0);
	CHECK_EQ(poll_events(8), 0);
}

/* A number that is used anew is a new descriptor. */
TEST(reused)
{
	open_all();
	CHECK_EQ(change(fds[0], EVFILT_READ, EV_ADD, 0, 0, (void *)1), 0);
	CHECK_EQ(sys(SYS_close, fds[0]), 0);
	int other[2];
	CHECK_EQ(sys(SYS_pipe2, other, 0), 0);
	CHECK_EQ(other[0], fds[0]);
	CHECK_EQ(sys(SYS_write, other[1], data, 10), 10);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(change(other[0], EVFILT_READ, EV_ADD, 0, 0, (void *)2), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].udata, (void *)2);
}

/* What the child of a fork closes is still open in its parent. */
TEST(fork_closes)
{
	open_all();
	CHECK_EQ(change(fds[0], EVFILT_READ, EV_ADD, 0, 0, NULL), 0);
	IN_CHILD({
		CHECK_EQ(sys(SYS_close, fds[0]), 0);
		CHECK_EQ(sys(SYS_freebsd12_closefrom, 3), 0);
	});
	CHECK_EQ(sys(SYS_write, fds[1], data, 10), 10);
	CHECK_EQ(poll_events(8), 1);
}

/* Both filters and two kqueues on one descriptor are apart. */
TEST(apart)
{
	open_all();
	int first = kq, second = (int)CHECK_OK(sys(SYS_kqueue));

	CHECK_EQ(change(fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, NULL), 0);
	kq = second;
	CHECK_EQ(change(fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, NULL), 0);
	CHECK_EQ(sys(SYS_write, fds[1], data, 10), 10);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(poll_events(8), 0);
	kq = first;
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(poll_events(8), 0);
}

/* As many as fit are reported in one call, each once (kern_event.c, kqueue_scan): 200 pipes that can be read and 200 that
 * can be written, with room for all, for some, and in turns. */
TEST(many_at_once)
{
	static struct kevent many[512];
	static u8 seen[2048];
	int ends[200][2];
	struct rlimit files = { 1024, 1024 };

	CHECK_EQ(sys(SYS_getrlimit, RLIMIT_NOFILE, &files), 0);
	if (files.rlim_cur < 500) {
		files.rlim_cur = files.rlim_max;
		sys(SYS_setrlimit, RLIMIT_NOFILE, &files);
	}
	if (files.rlim_cur < 500)
		SKIP("too few descriptors are allowed");
	kq = (int)CHECK_OK(sys(SYS_kqueue));
	for (int i = 0; i < 200; i++) {
		CHECK_EQ(sys(SYS_pipe2, ends[i], O_NONBLOCK), 0);
		CHECK_EQ(sys(SYS_write, ends[i][1], "abc", i % 3 + 1), i % 3 + 1);
		CHECK_EQ(change(ends[i][0], EVFILT_READ, EV_ADD, 0, 0, NULL), 0);
		CHECK_EQ(change(ends[i][1], EVFILT_WRITE, EV_ADD, 0, 0, NULL), 0);
	}
	for (int round = 0; round < 3; round++) {
		CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, many, 512, &now), 400);
		memset(seen, 0, sizeof(seen));
		for (int i = 0; i < 400; i++) {
			CHECK_EQ(seen[many[i].ident]++, 0);
			if (many[i].filter == EVFILT_READ)
				CHECK_BETWEEN(many[i].data, 1, 3);
		}
	}
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, many, 150, &now), 150);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, many, 64, &now), 64);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, many, 65, &now), 65);
	/* Edges: each comes once, whatever fits into a call. */
	int total = 0;
	for (int i = 0; i < 200; i++) {
		CHECK_EQ(change(ends[i][1], EVFILT_WRITE, EV_DELETE, 0, 0, NULL), 0);
		CHECK_EQ(change(ends[i][0], EVFILT_READ, EV_DELETE, 0, 0, NULL), 0);
		CHECK_EQ(change(ends[i][0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, NULL), 0);
	}
	memset(seen, 0, sizeof(seen));
	for (int room = 70; total < 200; room += 13) {
		long n = CHECK_OK(sys(SYS_kevent, kq, NULL, 0, many, room, &now));
		CHECK(n == room || total + n == 200);
		for (int i = 0; i < n; i++)
			CHECK_EQ(seen[many[i].ident]++, 0);
		total += (int)n;
	}
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, many, 512, &now), 0);
}

/* A socket is asked what it is until that is known: one that listens only after it was added, and one that has data. */
TEST(listens_later)
{
	struct sockaddr_in at = { .sin_len = sizeof(at), .sin_family = AF_INET, .sin_addr.s_addr = 0x0100007f };
	u32 length = sizeof(at);
	int a = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0)), b = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0)), c;

	kq = (int)CHECK_OK(sys(SYS_kqueue));
	CHECK_EQ(sys(SYS_bind, a, &at, sizeof(at)), 0);
	CHECK_EQ(change(a, EVFILT_READ, EV_ADD, 0, 0, NULL), 0);
	poll_events(8);
	CHECK_EQ(sys(SYS_listen, a, 5), 0);
	CHECK_EQ(sys(SYS_getsockname, a, &at, &length), 0);
	CHECK_EQ(sys(SYS_connect, b, &at, sizeof(at)), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(wait_events(8, 2000), 1);
		CHECK_EQ(got[0].ident, a);
		CHECK_EQ(got[0].data, 1);
	}
	c = (int)CHECK_OK(sys(SYS_accept, a, NULL, NULL));
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(change(c, EVFILT_READ, EV_ADD, 0, 0, NULL), 0);
	CHECK_EQ(change(c, EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].filter, EVFILT_WRITE);
	CHECK(got[0].data > 2048);
	for (int i = 1; i < 4; i++) {
		CHECK_EQ(sys(SYS_write, b, "abc", 3), 3);
		for (int tries = 0; tries < 100; tries++) {	/* it comes when it comes */
			guest_sleep_ms(20);
			CHECK_EQ(wait_events(8, 2000), 1);
			if (got[0].data == 3 * i)
				break;
		}
		CHECK_EQ(got[0].data, 3 * i);
	}
}

/* What a socket is known to be by one filter holds for the other, and ends with the descriptor: a local socket under the number
 * of one of TCP is a local socket (SO_KEEPALIVE is no LOCAL_CREDS), and a listener tells how many wait whatever changed meanwhile.
 * sys/kern/uipc_socket.c (filt_soread, filt_sowrite). */
TEST(kinds)
{
	struct sockaddr_in at = { .sin_len = sizeof(at), .sin_family = AF_INET, .sin_addr.s_addr = 0x0100007f };
	u32 length = sizeof(at);
	int listener = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)), ends[2], pair[2], on = 1, value = 7;
	int udp = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, 0));

	kq = (int)CHECK_OK(sys(SYS_kqueue));
	CHECK_EQ(sys(SYS_bind, listener, &at, sizeof(at)), 0);
	CHECK_EQ(sys(SYS_listen, listener, 5), 0);
	CHECK_EQ(sys(SYS_getsockname, listener, &at, &length), 0);
	CHECK_EQ(change(listener, EVFILT_READ, EV_ADD, 0, 0, NULL), 0);
	for (int i = 0; i < 2; i++) {
		ends[i] = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));
		CHECK_EQ(sys(SYS_connect, ends[i], &at, sizeof(at)), 0);
		CHECK_EQ(wait_events(8, 2000), 1);
		CHECK_EQ(got[0].data, i + 1);
	}
	for (int i = 0; i < 2; i++) {
		struct kevent kev;

		EV_SET(&kev, fds[0], EVFILT_USER, EV_ADD, 0, 0, NULL);
		CHECK_EQ(sys(SYS_kevent, kq, &kev, 1, got, 8, &now), 1);
		CHECK_EQ(got[0].data, 2 - i);
		CHECK_OK(sys(SYS_accept, listener, NULL, NULL));
	}
	CHECK_EQ(poll_events(8), 0);

	CHECK_EQ(change(ends[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, NULL), 0);
	CHECK_EQ(change(ends[0], EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].filter, EVFILT_WRITE);
	CHECK_EQ(sys(SYS_setsockopt, ends[0], SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)), 0);
	length = sizeof(value);
	CHECK_EQ(sys(SYS_getsockopt, ends[0], SOL_SOCKET, SO_KEEPALIVE, &value, &length), 0);
	CHECK_EQ(value, SO_KEEPALIVE);
	CHECK_EQ(sys(SYS_close, ends[0]), 0);
	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair), 0);
	CHECK_EQ(pair[0], ends[0]);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(sys(SYS_setsockopt, pair[0], SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)), 0);
		length = sizeof(value);
		value = 7;
		CHECK_EQ(sys(SYS_getsockopt, pair[0], SOL_LOCAL, LOCAL_CREDS, &value, &length), 0);
		CHECK_EQ(value, 0);
		CHECK_EQ(change(pair[0], EVFILT_READ, EV_ADD, 0, 0, NULL), 0);
		CHECK_EQ(change(pair[0], EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0, NULL), 0);
	}

	CHECK_EQ(change(pair[0], EVFILT_WRITE, EV_DELETE, 0, 0, NULL), 0);
	CHECK_EQ(change(udp, EVFILT_WRITE, EV_ADD | EV_ONESHOT, 0, 0, NULL), 0);
	CHECK_EQ(change(udp, EVFILT_READ, EV_ADD, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].ident, udp);
	CHECK_EQ(got[0].filter, EVFILT_WRITE);
	CHECK_EQ(poll_events(8), 0);
}

/* Events that did not fit into a call are judged when they are taken: one of two sockets that could be written to is full by
 * then. sys/kern/kern_event.c (kqueue_scan asks the filter of each knote). */
TEST(judged_when_taken)
{
	static char bytes[4096];
	int first[2], second[2], *full;
	struct kevent change[2], got[2];
	struct timespec now = { 0, 0 };
	long kq = CHECK_OK(sys(SYS_kqueue));

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, first), 0);
	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, second), 0);
	EV_SET(&change[0], first[0], EVFILT_WRITE, EV_ADD, 0, 0, 0);
	EV_SET(&change[1], second[0], EVFILT_WRITE, EV_ADD, 0, 0, 0);
	CHECK_EQ(sys(SYS_kevent, kq, change, 2, NULL, 0, NULL), 0);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 1, &now), 1);
	full = (int)got[0].ident == first[0] ? second : first;
	while (sys(SYS_write, full[0], bytes, sizeof(bytes)) > 0)
		continue;
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 2, &now), 1);
	CHECK(got[0].ident != (u64)full[0]);
	/* It comes back when there is room. */
	while (sys(SYS_read, full[1], bytes, sizeof(bytes)) > 0)
		continue;
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 2, &now), 2);
}

#define PIPES 64
static int pipes[PIPES][2];
static volatile long shared_kq, takers_end, empty_events, messages_read;

static void
take(void *argument)
{
	struct timespec soon = { 0, 5000000 };
	struct kevent events[7];
	char byte;

	(void)argument;
	while (!takers_end) {
		long n = sys(SYS_kevent, shared_kq, NULL, 0, events, 7, &soon);
		for (long i = 0; i < n; i++) {
			if (events[i].data == 0)
				__sync_fetch_and_add(&empty_events, 1);
			else if (sys(SYS_read, events[i].ident, &byte, 1) == 1)
				__sync_fetch_and_add(&messages_read, 1);
			EV_SET(&events[i], events[i].ident, EVFILT_READ, EV_ENABLE, 0, 0, 0);
			sys(SYS_kevent, shared_kq, &events[i], 1, NULL, 0, NULL);
		}
	}
}

/* Threads in one kqueue, each of which disables what it is told (EV_DISPATCH), reads it and enables it again: none is told
 * of what another one has read. */
TEST(taken_by_threads)
{
	static struct guest_thread takers[3];
	struct kevent change;
	int lost = 0, round;

	shared_kq = CHECK_OK(sys(SYS_kqueue));
	for (int i = 0; i < PIPES; i++) {
		CHECK_EQ(sys(SYS_pipe2, pipes[i], O_NONBLOCK), 0);
		EV_SET(&change, pipes[i][0], EVFILT_READ, EV_ADD | EV_DISPATCH, 0, 0, 0);
		CHECK_EQ(sys(SYS_kevent, shared_kq, &change, 1, NULL, 0, NULL), 0);
	}
	for (int i = 0; i < 3; i++)
		guest_thread_start(&takers[i], take, NULL);
	for (round = 0; round < 60 && !lost; round++) {
		for (int i = 0; i < PIPES; i++)
			CHECK_EQ(sys(SYS_write, pipes[i][1], "m", 1), 1);
		for (int wait = 0; messages_read < (round + 1) * PIPES && wait < 2000; wait++)
			guest_sleep_ms(1);
		lost = messages_read < (round + 1) * PIPES;
	}
	takers_end = 1;
	for (int i = 0; i < 3; i++)
		guest_thread_join(&takers[i]);
	CHECK_EQ(lost, 0);
	CHECK_EQ(messages_read, round * PIPES);
	CHECK_EQ(empty_events, 0);
}

/* A descriptor of O_PATH is watched if its file may be read (sys/kern/vfs_vnops.c, vn_open_vnode and vn_kqfilter_opath): its
 * offset is 0. FIFOs never are. */
TEST(path_only)
{
	guest_put("file", "0123456789", 10);
	CHECK_EQ(sys(SYS_mkfifoat, AT_FDCWD, "fifo", 0600), 0);
	int fd = (int)CHECK_OK(sys(SYS_open, "file", O_PATH)), fifo = (int)CHECK_OK(sys(SYS_open, "fifo", O_PATH));

	open_all();
	CHECK_EQ(change(fd, EVFILT_READ, EV_ADD, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].data, 10);
	CHECK_EQ(change(fd, EVFILT_READ, EV_DELETE, 0, 0, NULL), 0);
	CHECK_EQ(change(fd, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_ATTRIB, 0, NULL), 0);
	CHECK_EQ(sys(SYS_chmod, "file", 0600), 0);
	CHECK_EQ(wait_events(8, 2000), 1);
	CHECK_EQ(got[0].fflags, NOTE_ATTRIB);
	CHECK_ERR(change(fifo, EVFILT_READ, EV_ADD, 0, 0, NULL), EBADF);
	CHECK_ERR(change(fifo, EVFILT_VNODE, EV_ADD, NOTE_ATTRIB, 0, NULL), EBADF);
}

/* The error of a connection stands in fflags, and is read(2)'s afterwards too. sys/kern/uipc_socket.c (filt_soread). */
TEST(socket_errors)
{
	struct sockaddr_in at = { .sin_len = sizeof(at), .sin_family = AF_INET, .sin_addr.s_addr = 0x0100007f };
	struct linger hard = { 1, 0 };
	u32 length = sizeof(at);
	int listener = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));

	kq = (int)CHECK_OK(sys(SYS_kqueue));
	CHECK_EQ(sys(SYS_bind, listener, &at, sizeof(at)), 0);
	CHECK_EQ(sys(SYS_listen, listener, 5), 0);
	CHECK_EQ(sys(SYS_getsockname, listener, &at, &length), 0);
	for (int side = 0; side < 2; side++) {
		int client = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));
		CHECK_EQ(sys(SYS_connect, client, &at, sizeof(at)), 0);
		int server = (int)CHECK_OK(sys(SYS_accept, listener, NULL, NULL));
		int resets = side ? client : server, watched = side ? server : client;

		CHECK_EQ(change(watched, EVFILT_READ, EV_ADD, 0, 0, NULL), 0);
		CHECK_EQ(sys(SYS_setsockopt, resets, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
		CHECK_EQ(sys(SYS_close, resets), 0);
		CHECK_EQ(wait_events(8, 2000), 1);
		CHECK_EQ(got[0].flags, EV_EOF);
		CHECK_EQ(got[0].fflags, ECONNRESET);
		CHECK_ERR(sys(SYS_read, watched, data, 10), ECONNRESET);
		CHECK_EQ(sys(SYS_close, watched), 0);
	}
	CHECK_EQ(sys(SYS_close, listener), 0);
	int refused = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	long ret = sys(SYS_connect, refused, &at, sizeof(at));
	if (ret == -ECONNREFUSED)
		return;		/* the answer was quicker than the call's end */
	CHECK_EQ(ret, -EINPROGRESS);
	CHECK_EQ(change(refused, EVFILT_WRITE, EV_ADD, 0, 0, NULL), 0);
	CHECK_EQ(wait_events(8, 2000), 1);
	CHECK_EQ(got[0].flags & EV_EOF, EV_EOF);
	CHECK_EQ(got[0].fflags, ECONNREFUSED);
}

/* Who has shut down its own side is told that nothing can be written any more, and of no error (filt_sowrite, and
 * uipc_filt_sowrite of 15): those that watch already, by an edge too, and those that come later. */
static void
shut_side(int fd)
{
	CHECK_EQ(change(fd, EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].flags & EV_EOF, 0);
	CHECK_EQ(poll_events(8), 0);
	CHECK_EQ(sys(SYS_shutdown, fd, SHUT_WR), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].ident, (u64)fd);
	CHECK_EQ(got[0].filter, EVFILT_WRITE);
	CHECK_EQ(got[0].flags & EV_EOF, EV_EOF);
	CHECK_EQ(got[0].fflags, 0);
	CHECK_EQ(change(fd, EVFILT_WRITE, EV_DELETE, 0, 0, NULL), 0);
	CHECK_EQ(change(fd, EVFILT_WRITE, EV_ADD, 0, 0, NULL), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(poll_events(8), 1);
		CHECK_EQ(got[0].flags & EV_EOF, EV_EOF);
		CHECK_EQ(got[0].fflags, 0);
	}
	CHECK_EQ(change(fd, EVFILT_WRITE, EV_DELETE, 0, 0, NULL), 0);
}

TEST(own_end_of_writing)
{
	struct sockaddr_in at = { .sin_len = sizeof(at), .sin_family = AF_INET, .sin_addr.s_addr = 0x0100007f };
	u32 length = sizeof(at);
	int ends[2], listener = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));
	int client = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));
	char c;

	kq = (int)CHECK_OK(sys(SYS_kqueue));
	CHECK_EQ(sys(SYS_bind, listener, &at, sizeof(at)), 0);
	CHECK_EQ(sys(SYS_listen, listener, 5), 0);
	CHECK_EQ(sys(SYS_getsockname, listener, &at, &length), 0);
	CHECK_EQ(sys(SYS_connect, client, &at, sizeof(at)), 0);
	int server = (int)CHECK_OK(sys(SYS_accept, listener, NULL, NULL));
	shut_side(client);
	CHECK_EQ(sys(SYS_read, server, &c, 1), 0);
	CHECK_EQ(sys(SYS_write, server, "x", 1), 1);
	CHECK_EQ(sys(SYS_read, client, &c, 1), 1);
	CHECK_EQ(change(server, EVFILT_WRITE, EV_ADD, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].flags & EV_EOF, 0);		/* the other side may still write */
	CHECK_EQ(change(server, EVFILT_WRITE, EV_DELETE, 0, 0, NULL), 0);
	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, ends), 0);
	shut_side(ends[0]);
	CHECK_EQ(sys(SYS_read, ends[1], &c, 1), 0);
	CHECK_EQ(change(ends[1], EVFILT_WRITE, EV_ADD, 0, 0, NULL), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].flags & EV_EOF, 0);
}

/* That one socket was shut down so tells nothing of others: a connection that is refused keeps its error for SO_ERROR, and one that was
 * watched before it was made can be written to. */
TEST(others_ends_of_writing)
{
	struct sockaddr_in at = { .sin_len = sizeof(at), .sin_family = AF_INET, .sin_addr.s_addr = 0x0100007f };
	u32 length = sizeof(at), size = sizeof(int);
	int ends[2], error = -1, listener = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));
	int refused = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	int client = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));

	kq = (int)CHECK_OK(sys(SYS_kqueue));
	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, ends), 0);
	CHECK_EQ(sys(SYS_shutdown, ends[0], SHUT_WR), 0);
	CHECK_EQ(sys(SYS_bind, listener, &at, sizeof(at)), 0);
	CHECK_EQ(sys(SYS_getsockname, listener, &at, &length), 0);
	/* FreeBSD's loopback may refuse before the call is over. */
	long refusal = sys(SYS_connect, refused, &at, sizeof(at));
	if (refusal != -ECONNREFUSED) {
		CHECK_EQ(refusal, -EINPROGRESS);
		CHECK_EQ(change(refused, EVFILT_WRITE, EV_ADD, 0, 0, NULL), 0);
		GUEST_UNTIL(poll_events(8) == 1);
		CHECK_EQ(got[0].flags & EV_EOF, EV_EOF);
		CHECK_EQ(got[0].fflags, ECONNREFUSED);
		CHECK_EQ(sys(SYS_getsockopt, refused, SOL_SOCKET, SO_ERROR, &error, &size), 0);
		CHECK_EQ(error, ECONNREFUSED);
	}
	CHECK_EQ(sys(SYS_close, refused), 0);
	CHECK_EQ(sys(SYS_listen, listener, 5), 0);
	CHECK_EQ(change(client, EVFILT_WRITE, EV_ADD, 0, 0, NULL), 0);
	CHECK_EQ(sys(SYS_connect, client, &at, sizeof(at)), 0);
	CHECK_EQ(poll_events(8), 1);
	CHECK_EQ(got[0].ident, (u64)client);
	CHECK_EQ(got[0].flags & EV_EOF, 0);
}
