/*
 * Transfers that fail: the errno of each kind of socket, and whether SIGPIPE comes. FreeBSD's sys/kern/uipc_socket.c
 * (sousrsend, sosend_generic, sosend_dgram), uipc_usrreq.c (uipc_sosend_dgram, uipc_lock_peer, unp_drop),
 * uipc_syscalls.c (kern_sendit), sys_generic.c (dofilewrite), sys_socket.c, kern_sendfile.c.
 */
#include "guest.h"
#include <aio.h>
#include <sys/socket.h>
#include <sys/sysctl.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <netinet/in.h>

static volatile int pipes, thread;

static void
on_pipe(int signo __attribute__((unused)), siginfo_t *info __attribute__((unused)), void *uc __attribute__((unused)))
{
	long id = 0;

	sys(SYS_thr_self, &id);
	thread = (int)id;
	pipes++;
}

enum { WRITE, WRITEV, SEND, SENDMSG, WAYS };

static long
transfer(int way, int fd, int flags)
{
	struct iovec iov[2] = { { "a", 1 }, { "b", 1 } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };

	switch (way) {
	case WRITE:
		return (sys(SYS_write, fd, "ab", 2));
	case WRITEV:
		return (sys(SYS_writev, fd, iov, 2));
	case SEND:
		return (sys(SYS_sendto, fd, "ab", 2, flags, NULL, 0));
	default:
		return (sys(SYS_sendmsg, fd, &m, flags));
	}
}

/* Every way gives this errno, and so many signals each time; MSG_NOSIGNAL and SO_NOSIGPIPE prevent them. */
static void
fails(int fd, int error, int signals)
{
	int on = 1;

	for (int way = 0; way < WAYS; way++) {
		pipes = 0;
		CHECK_ERR(transfer(way, fd, 0), error);
		CHECK_EQ(pipes, signals);
		if (way >= SEND) {
			CHECK_ERR(transfer(way, fd, MSG_NOSIGNAL), error);
			CHECK_EQ(pipes, signals);
		}
	}
	CHECK_EQ(sys(SYS_setsockopt, fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on)), 0);
	pipes = 0;
	for (int way = 0; way < WAYS; way++)
		CHECK_ERR(transfer(way, fd, 0), error);
	CHECK_EQ(pipes, 0);
	on = 0;
	CHECK_EQ(sys(SYS_setsockopt, fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on)), 0);
	CHECK_ERR(transfer(WRITE, fd, 0), error);
	CHECK_EQ(pipes, signals);
	/* A thread that blocks it has it pending, or has not. */
	sigset_t set = { { 1u << (SIGPIPE - 1) } }, pending;
	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &set, NULL), 0);
	for (int way = 0; way < WAYS; way++)
		CHECK_ERR(transfer(way, fd, 0), error);
	CHECK_EQ(sys(SYS_sigpending, &pending), 0);
	CHECK_EQ(pending.__bits[0] & set.__bits[0], signals ? set.__bits[0] : 0);
	pipes = 0;
	CHECK_EQ(sys(SYS_sigprocmask, SIG_UNBLOCK, &set, NULL), 0);
	CHECK_BETWEEN(pipes, signals, signals * WAYS);	/* FreeBSD queues each, Linux keeps one */
	guest_handle(SIGPIPE, (void (*)(int, siginfo_t *, void *))SIG_IGN, 0);
	for (int way = 0; way < WAYS; way++)
		CHECK_ERR(transfer(way, fd, 0), error);
	guest_handle(SIGPIPE, on_pipe, 0);
}

static int
inet_socket(int type)
{
	return ((int)CHECK_OK(sys(SYS_socket, AF_INET, type, 0)));
}

static struct sockaddr_in
loopback(int port)
{
	struct sockaddr_in a;

	memset(&a, 0, sizeof(a));
	a.sin_len = sizeof(a);
	a.sin_family = AF_INET;
	a.sin_port = (u16)port;
	a.sin_addr.s_addr = 0x0100007f;
	return (a);
}

/* Both ends of a TCP connection. */
static void
connection(int ends[2])
{
	struct sockaddr_in a = loopback(0);
	socklen_t n = sizeof(a);
	int s = inet_socket(SOCK_STREAM);

	CHECK_EQ(sys(SYS_bind, s, &a, sizeof(a)), 0);
	CHECK_EQ(sys(SYS_listen, s, 1), 0);
	CHECK_EQ(sys(SYS_getsockname, s, &a, &n), 0);
	ends[0] = inet_socket(SOCK_STREAM);
	CHECK_EQ(sys(SYS_connect, ends[0], &a, sizeof(a)), 0);
	ends[1] = (int)CHECK_OK(sys(SYS_accept, s, NULL, NULL));
	CHECK_EQ(sys(SYS_close, s), 0);
}

TEST(tcp_not_connected)
{
	int s = inet_socket(SOCK_STREAM), six;
	struct sockaddr_in a = loopback(0);
	char c;

	guest_handle(SIGPIPE, on_pipe, 0);
	fails(s, ENOTCONN, 0);
	CHECK_ERR(sys(SYS_read, s, &c, 1), ENOTCONN);
	CHECK_EQ(sys(SYS_bind, s, &a, sizeof(a)), 0);
	fails(s, ENOTCONN, 0);
	CHECK_EQ(sys(SYS_listen, s, 1), 0);
	fails(s, ENOTCONN, 0);
	six = (int)sys(SYS_socket, AF_INET6, SOCK_STREAM, 0);
	if (six >= 0)
		fails(six, ENOTCONN, 0);
	CHECK_ERR(sys(SYS_shutdown, inet_socket(SOCK_STREAM), SHUT_WR), ENOTCONN);
}

/* With the default action nothing ends the process, after exec either. */
HELPER(write_to_four)
{
	for (int way = 0; way < WAYS; way++)
		CHECK_ERR(transfer(way, 4, 0), ENOTCONN);
	guest_exit(9);
}

TEST(tcp_default_action)
{
	IN_CHILD({
		int s = inet_socket(SOCK_STREAM);
		for (int way = 0; way < WAYS; way++)
			CHECK_ERR(transfer(way, s, 0), ENOTCONN);
	});
	int pid = guest_fork();
	if (pid == 0) {
		char *args[] = { guest_argv[0], "@write_to_four", NULL }, *env[] = { NULL };
		CHECK_EQ(sys(SYS_dup2, inet_socket(SOCK_STREAM), 4), 4);
		sys(SYS_execve, guest_argv[0], args, env);
		guest_exit(99);
	}
	CHECK_EQ(guest_wait(pid), 9 << 8);
}

TEST(tcp_closed)
{
	int ends[2];

	guest_handle(SIGPIPE, on_pipe, 0);
	connection(ends);
	CHECK_EQ(sys(SYS_shutdown, ends[0], SHUT_WR), 0);
	fails(ends[0], EPIPE, 1);
	/* The peer is gone: the first write is answered by a reset, those that follow find a closed socket. */
	connection(ends);
	CHECK_EQ(sys(SYS_close, ends[1]), 0);
	CHECK_EQ(sys(SYS_write, ends[0], "x", 1), 1);
	for (int i = 0; i < 200; i++) {
		if (sys(SYS_write, ends[0], "x", 1) == -EPIPE)
			break;
		guest_sleep_ms(5);
	}
	fails(ends[0], EPIPE, 1);
}

TEST(local_connections)
{
	const int types[] = { SOCK_STREAM, SOCK_SEQPACKET };
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "listens" };
	int s[2];
	char c;

	guest_handle(SIGPIPE, on_pipe, 0);
	for (int t = 0; t < 2; t++) {
		s[0] = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, types[t], 0));
		fails(s[0], ENOTCONN, 0);
		CHECK_ERR(sys(SYS_read, s[0], &c, 1), ENOTCONN);
		CHECK_ERR(sys(SYS_recvfrom, s[0], &c, 1, 0, NULL, NULL), ENOTCONN);
		struct iovec iov = { &c, 1 };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
		CHECK_ERR(sys(SYS_readv, s[0], &iov, 1), ENOTCONN);
		CHECK_ERR(sys(SYS_recvmsg, s[0], &m, 0), ENOTCONN);
		CHECK_ERR(sys(SYS_listen, s[0], 1), EDESTADDRREQ);
		CHECK_EQ(sys(SYS_bind, s[0], &a, sizeof(a)), 0);
		CHECK_EQ(sys(SYS_listen, s[0], 1), 0);
		CHECK_EQ(sys(SYS_unlink, a.sun_path), 0);
		fails(s[0], ENOTCONN, 0);
		CHECK_EQ(sys(SYS_socketpair, AF_UNIX, types[t], 0, s), 0);
		CHECK_ERR(sys(SYS_listen, s[0], 1), EINVAL);
		CHECK_EQ(sys(SYS_close, s[1]), 0);
		fails(s[0], EPIPE, 1);
		CHECK_EQ(sys(SYS_socketpair, AF_UNIX, types[t], 0, s), 0);
		CHECK_EQ(sys(SYS_shutdown, s[0], SHUT_WR), 0);
		fails(s[0], EPIPE, 1);
		CHECK_EQ(sys(SYS_socketpair, AF_UNIX, types[t], 0, s), 0);
		CHECK_EQ(sys(SYS_shutdown, s[1], SHUT_RD), 0);
		fails(s[0], EPIPE, 1);
	}
}

/* An address does not matter to a local stream that is connected, and connects none; urgent data it has not. */
TEST(local_addresses)
{
	const int types[] = { SOCK_STREAM, SOCK_SEQPACKET };
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "other" };
	int l = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0)), s[2];
	struct iovec iov = { "m", 1 };
	struct msghdr m = { .msg_name = &a, .msg_namelen = sizeof(a), .msg_iov = &iov, .msg_iovlen = 1 };
	char buf[4];

	CHECK_EQ(sys(SYS_bind, l, &a, sizeof(a)), 0);
	CHECK_EQ(sys(SYS_listen, l, 1), 0);
	for (int t = 0; t < 2; t++) {
		CHECK_ERR(sys(SYS_sendto, CHECK_OK(sys(SYS_socket, AF_UNIX, types[t], 0)), "x", 1, 0, &a, sizeof(a)), ENOTCONN);
		CHECK_ERR(sys(SYS_sendmsg, CHECK_OK(sys(SYS_socket, AF_UNIX, types[t], 0)), &m, 0), ENOTCONN);
		CHECK_EQ(sys(SYS_socketpair, AF_UNIX, types[t], 0, s), 0);
		CHECK_EQ(sys(SYS_sendto, s[0], "x", 1, 0, &a, sizeof(a)), 1);
		CHECK_EQ(sys(SYS_read, s[1], buf, 4), 1);
		CHECK_EQ(sys(SYS_sendmsg, s[0], &m, 0), 1);
		CHECK_EQ(sys(SYS_read, s[1], buf, 4), 1);
		CHECK_ERR(sys(SYS_sendto, s[0], "x", 1, MSG_OOB, NULL, 0), EOPNOTSUPP);
		m.msg_name = NULL;
		CHECK_ERR(sys(SYS_sendmsg, s[0], &m, MSG_OOB), EOPNOTSUPP);
		m.msg_name = &a;
	}
}

/* shutdown(2) of what is not connected (uipc_shutdown, soshutdown). */
TEST(shut_alone)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "alone" };
	int s;

	for (int how = SHUT_RD; how <= SHUT_RDWR; how++) {
		s = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
		CHECK_ERR(sys(SYS_shutdown, s, how), ENOTCONN);
		CHECK_EQ(sys(SYS_bind, s, &a, sizeof(a)), 0);
		CHECK_ERR(sys(SYS_shutdown, s, how), ENOTCONN);
		CHECK_EQ(sys(SYS_listen, s, 1), 0);
		CHECK_ERR(sys(SYS_shutdown, s, how), ENOTCONN);
		CHECK_EQ(sys(SYS_unlink, a.sun_path), 0);
		CHECK_ERR(sys(SYS_shutdown, CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_DGRAM, 0)), how), ENOTCONN);
		CHECK_ERR(sys(SYS_shutdown, inet_socket(SOCK_STREAM), how), ENOTCONN);
		CHECK_ERR(sys(SYS_shutdown, inet_socket(SOCK_DGRAM), how), ENOTCONN);
	}
	/* One that listens, of whatever family, is shut down and says so all the same (tcp_usr_shutdown). */
	int listener = inet_socket(SOCK_STREAM);
	CHECK_EQ(sys(SYS_listen, listener, 1), 0);
	CHECK_ERR(sys(SYS_shutdown, listener, SHUT_RDWR), ENOTCONN);
	CHECK_ERR(sys(SYS_shutdown, s, 3), EINVAL);
	CHECK_ERR(sys(SYS_shutdown, s, -1), EINVAL);
	CHECK_ERR(sys(SYS_shutdown, 999, SHUT_RD), EBADF);
	CHECK_ERR(sys(SYS_shutdown, CHECK_OK(sys(SYS_open, "/", O_RDONLY)), SHUT_RD), ENOTSOCK);
	/* A datagram socket is shut down all the same. */
	guest_handle(SIGPIPE, on_pipe, 0);
	s = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_DGRAM, 0));
	CHECK_ERR(sys(SYS_shutdown, s, SHUT_RDWR), ENOTCONN);
	char c;
	CHECK_EQ(sys(SYS_read, s, &c, 1), 0);
}

static volatile long accepted;

static void
wait_for_a_connection(void *listener)
{
	accepted = sys(SYS_accept, (long)listener, NULL, NULL);
}

/* Who accepts is told that the listener was shut down (solisten_dequeue), before and while it waits; not of SHUT_WR. */
TEST(accept_of_what_is_shut)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "shut" };
	static struct guest_thread t;
	int s;

	for (int local = 0; local < 2; local++)
		for (int how = SHUT_RD; how <= SHUT_RDWR; how++)
			for (int waits = 0; waits < 2; waits++) {
				s = local ? (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0)) : inet_socket(SOCK_STREAM);
				CHECK_ERR(sys(SYS_accept, s, NULL, NULL), EINVAL);
				if (local)
					CHECK_EQ(sys(SYS_bind, s, &a, sizeof(a)), 0);
				CHECK_EQ(sys(SYS_listen, s, 1), 0);
				if (how == SHUT_WR) {
					CHECK_EQ(sys(SYS_fcntl, s, F_SETFL, O_NONBLOCK), 0);
					CHECK_ERR(sys(SYS_shutdown, s, how), ENOTCONN);
					CHECK_ERR(sys(SYS_accept, s, NULL, NULL), EAGAIN);
				} else if (waits) {
					guest_thread_start(&t, wait_for_a_connection, (void *)(long)s);
					guest_sleep_ms(30);
					CHECK_ERR(sys(SYS_shutdown, s, how), ENOTCONN);
					guest_thread_join(&t);
					CHECK_ERR(accepted, ECONNABORTED);
				} else {
					CHECK_ERR(sys(SYS_shutdown, s, how), ENOTCONN);
					CHECK_ERR(sys(SYS_accept4, s, NULL, NULL, 0), ECONNABORTED);
				}
				CHECK_EQ(sys(SYS_close, s), 0);
				if (local)
					CHECK_EQ(sys(SYS_unlink, a.sun_path), 0);
			}
}

TEST(local_datagrams)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "gone" };
	int s[2];

	guest_handle(SIGPIPE, on_pipe, 0);
	s[0] = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_DGRAM, 0));
	fails(s[0], EDESTADDRREQ, 0);
	CHECK_ERR(sys(SYS_sendto, s[0], "x", 1, 0, &a, sizeof(a)), ENOENT);
	s[1] = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_DGRAM, 0));
	CHECK_EQ(sys(SYS_bind, s[1], &a, sizeof(a)), 0);
	CHECK_EQ(sys(SYS_close, s[1]), 0);
	CHECK_ERR(sys(SYS_sendto, s[0], "x", 1, 0, &a, sizeof(a)), ECONNREFUSED);
	/* A connected one hears of it once, and is not connected then. */
	for (int way = 0; way < WAYS; way++) {
		CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, s), 0);
		CHECK_EQ(sys(SYS_close, s[1]), 0);
		CHECK_ERR(transfer(way, s[0], 0), ECONNRESET);
		CHECK_ERR(transfer(way, s[0], 0), EDESTADDRREQ);
	}
	CHECK_EQ(pipes, 0);
	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, s), 0);
	CHECK_EQ(sys(SYS_shutdown, s[0], SHUT_WR), 0);
	fails(s[0], EPIPE, 1);
}

TEST(udp)
{
	int s = inet_socket(SOCK_DGRAM);
	struct sockaddr_in a = loopback(0x3905);
	struct sockaddr_un other = { .sun_family = AF_UNIX, .sun_path = "x" };
	struct iovec iov = { "x", 1 };
	struct msghdr m = { .msg_name = &other, .msg_namelen = sizeof(a), .msg_iov = &iov, .msg_iovlen = 1 };

	/* An address of another family (udp_send). */
	CHECK_ERR(sys(SYS_sendto, s, "x", 1, 0, &other, sizeof(a)), EAFNOSUPPORT);
	CHECK_ERR(sys(SYS_sendmsg, s, &m, 0), EAFNOSUPPORT);

	guest_handle(SIGPIPE, on_pipe, 0);
	fails(s, EDESTADDRREQ, 0);
	CHECK_EQ(sys(SYS_connect, s, &a, sizeof(a)), 0);
	CHECK_EQ(sys(SYS_shutdown, s, SHUT_WR), 0);
	fails(s, EPIPE, 1);
}

/* A pipe without a reader: the signal is the writing thread's. */
TEST(pipes_too)
{
	int ends[2];
	long id = 0;

	guest_handle(SIGPIPE, on_pipe, 0);
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_EQ(sys(SYS_close, ends[0]), 0);
	CHECK_ERR(sys(SYS_write, ends[1], "x", 1), EPIPE);
	CHECK_EQ(pipes, 1);
	sys(SYS_thr_self, &id);
	CHECK_EQ(thread, id);
	IN_CHILD({
		guest_handle(SIGPIPE, (void (*)(int, siginfo_t *, void *))SIG_IGN, 0);
		CHECK_ERR(sys(SYS_write, ends[1], "x", 1), EPIPE);
	});
	int pid = guest_fork();
	if (pid == 0) {
		guest_handle(SIGPIPE, (void (*)(int, siginfo_t *, void *))SIG_DFL, 0);
		sys(SYS_write, ends[1], "x", 1);
		guest_exit(0);
	}
	CHECK_EQ(guest_wait(pid), SIGPIPE);
	/* As for a datagram that FreeBSD signals and Linux does not. */
	pid = guest_fork();
	if (pid == 0) {
		guest_handle(SIGPIPE, (void (*)(int, siginfo_t *, void *))SIG_DFL, 0);
		CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, ends), 0);
		CHECK_EQ(sys(SYS_shutdown, ends[0], SHUT_WR), 0);
		sys(SYS_write, ends[0], "x", 1);
		guest_exit(0);
	}
	CHECK_EQ(guest_wait(pid), SIGPIPE);
}

/* sendfile(2) tells by its errno alone. */
TEST(files)
{
	int ends[2], file = (int)CHECK_OK(sys(SYS_open, "file", O_RDWR | O_CREAT, 0600));
	off_t sent;

	CHECK_EQ(sys(SYS_write, file, "content", 7), 7);
	for (int local = 0; local < 2; local++)
		IN_CHILD({
			if (local)
				CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, ends), 0);
			else
				connection(ends);
			CHECK_EQ(sys(SYS_shutdown, ends[0], SHUT_WR), 0);
			long ret = sys(SYS_sendfile, file, ends[0], 0, 7, NULL, &sent);
			CHECK(ret == -EPIPE || (ret == 0 && local && GUEST_RELEASE >= 15));	/* uipc_sendfile_wait does not look */
			int alone = (int)CHECK_OK(sys(SYS_socket, local ? AF_UNIX : AF_INET, SOCK_STREAM, 0));
			CHECK_ERR(sys(SYS_sendfile, file, alone, 0, 7,
			    NULL, &sent), ENOTCONN);
		});
}

TEST(peer_of_datagrams)
{
	int s[2];
	char cred[128];
	socklen_t n = sizeof(cred);

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, s), 0);
	CHECK_ERR(sys(SYS_getsockopt, s[0], SOL_LOCAL, LOCAL_PEERCRED, cred, &n), EINVAL);
	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET, 0, s), 0);
	CHECK_EQ(sys(SYS_getsockopt, s[0], SOL_LOCAL, LOCAL_PEERCRED, cred, &n), 0);
	CHECK_ERR(sys(SYS_getsockopt, CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_SEQPACKET, 0)), SOL_LOCAL, LOCAL_PEERCRED, cred,
	    &n), ENOTCONN);
}
