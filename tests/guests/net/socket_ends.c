/*
 * What a socket takes over from the one that listens, what shutdown(2) drops, what a look shows, and who makes no connection. FreeBSD's
 * sys/kern/uipc_socket.c (solisten_clone, sorflush), uipc_usrreq.c (uipc_shutdown, unp_dispose), netinet/tcp_usrreq.c (tcp_connect).
 */
#include "guest.h"
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <netinet/in.h>

static struct sockaddr_in loopback;

/* A TCP socket that listens on a port of the loopback; `loopback` is its address. */
static int
listener(void)
{
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));
	socklen_t n = sizeof(loopback);

	loopback = (struct sockaddr_in){ .sin_len = sizeof(loopback), .sin_family = AF_INET, .sin_addr.s_addr = 0x0100007f };
	CHECK_EQ(sys(SYS_bind, s, &loopback, sizeof(loopback)), 0);
	CHECK_EQ(sys(SYS_getsockname, s, &loopback, &n), 0);
	CHECK_EQ(sys(SYS_listen, s, 5), 0);
	return (s);
}

static void
set(int s, int option, int value)
{
	CHECK_EQ(sys(SYS_setsockopt, s, SOL_SOCKET, option, &value, sizeof(value)), 0);
}

static int
get(int s, int option)
{
	int value = -1;
	socklen_t n = sizeof(value);

	CHECK_EQ(sys(SYS_getsockopt, s, SOL_SOCKET, option, &value, &n), 0);
	return (value);
}

/* What a connection takes over. */
TEST(options_of_accepted)
{
	const int always[] = { SO_KEEPALIVE, SO_OOBINLINE, SO_DONTROUTE, SO_NOSIGPIPE }, before_15[] = { SO_DEBUG, SO_BROADCAST, SO_USELOOPBACK };
	int s = listener(), c, a;

	for (u64 i = 0; i < nitems(always); i++)
		set(s, always[i], 1);
	for (u64 i = 0; i < nitems(before_15); i++)
		set(s, before_15[i], 1);
	c = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));
	CHECK_EQ(sys(SYS_connect, c, &loopback, sizeof(loopback)), 0);
	a = (int)CHECK_OK(sys(SYS_accept, s, NULL, NULL));
	for (u64 i = 0; i < nitems(always); i++)
		CHECK_EQ(get(a, always[i]) != 0, 1);
	for (u64 i = 0; i < nitems(before_15); i++)
		CHECK_EQ(get(a, before_15[i]) != 0, GUEST_RELEASE < 15);
	for (u64 i = 0; i < nitems(before_15); i++)
		CHECK_EQ(get(s, before_15[i]) != 0, 1);
}

/* A member of a group that shares connections out makes none. */
TEST(balanced)
{
	int p = listener(), s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));

	set(s, SO_REUSEPORT_LB, 1);
	CHECK_EQ(get(s, SO_REUSEPORT_LB) != 0, 1);
	CHECK_EQ(get(s, SO_REUSEPORT), 0);
	if (GUEST_RELEASE >= 15) {
		CHECK_ERR(sys(SYS_connect, s, &loopback, sizeof(loopback)), EOPNOTSUPP);
		CHECK_ERR(sys(SYS_sendto, s, "x", 1, 0, &loopback, sizeof(loopback)), EOPNOTSUPP);
	}
	set(s, SO_REUSEPORT_LB, 0);
	CHECK_EQ(get(s, SO_REUSEPORT_LB), 0);
	set(s, SO_REUSEPORT, 1);
	CHECK_EQ(get(s, SO_REUSEPORT_LB), 0);
	CHECK_EQ(get(s, SO_REUSEPORT) != 0, 1);
	CHECK_EQ(sys(SYS_connect, s, &loopback, sizeof(loopback)), 0);
	CHECK_EQ(sys(SYS_close, p), 0);
}

/* What is sent to an address makes the connection. */
TEST(connects_by_sending)
{
	int l = listener(), s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0)), a;
	char c[8];

	CHECK_ERR(sys(SYS_sendto, s, "abc", 3, MSG_NOSIGNAL, NULL, 0), ENOTCONN);
	CHECK_EQ(sys(SYS_sendto, s, "abc", 3, 0, &loopback, sizeof(loopback)), 3);
	a = (int)CHECK_OK(sys(SYS_accept, l, NULL, NULL));
	CHECK_EQ(sys(SYS_recvfrom, a, c, sizeof(c), 0, NULL, NULL), 3);
	CHECK_EQ(memcmp(c, "abc", 3), 0);
	CHECK_EQ(sys(SYS_sendto, s, "de", 2, 0, NULL, 0), 2);
	CHECK_EQ(sys(SYS_recvfrom, a, c, sizeof(c), 0, NULL, NULL), 2);
	CHECK_ERR(sys(SYS_sendto, l, "x", 1, MSG_NOSIGNAL, &loopback, sizeof(loopback)), ENOTCONN);
	/* And MSG_EOF ends it. */
	s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));
	CHECK_EQ(sys(SYS_sendto, s, "fg", 2, MSG_EOF, &loopback, sizeof(loopback)), 2);
	a = (int)CHECK_OK(sys(SYS_accept, l, NULL, NULL));
	CHECK_EQ(sys(SYS_recvfrom, a, c, sizeof(c), MSG_WAITALL, NULL, NULL), 2);
	CHECK_EQ(sys(SYS_recvfrom, a, c, sizeof(c), 0, NULL, NULL), 0);
}

/* What waits when receiving is shut down is dropped. */
TEST(shutdown_drops)
{
	const int types[] = { SOCK_STREAM, SOCK_DGRAM };
	char c[8];
	int s[2], l, how;

	for (u64 i = 0; i < nitems(types); i++) {
		for (how = SHUT_RD; how <= SHUT_RDWR; how += SHUT_RDWR) {
			CHECK_EQ(sys(SYS_socketpair, AF_UNIX, types[i], 0, s), 0);
			CHECK_EQ(sys(SYS_sendto, s[0], "abc", 3, 0, NULL, 0), 3);
			CHECK_EQ(sys(SYS_sendto, s[0], "def", 3, 0, NULL, 0), 3);
			CHECK_EQ(sys(SYS_shutdown, s[1], how), 0);
			CHECK_EQ(sys(SYS_recvfrom, s[1], c, sizeof(c), MSG_DONTWAIT, NULL, NULL), 0);
		}
		/* What is sent before the sender's own shutdown is read. */
		CHECK_EQ(sys(SYS_socketpair, AF_UNIX, types[i], 0, s), 0);
		CHECK_EQ(sys(SYS_sendto, s[0], "abc", 3, 0, NULL, 0), 3);
		CHECK_EQ(sys(SYS_shutdown, s[1], SHUT_WR), 0);
		CHECK_EQ(sys(SYS_recvfrom, s[1], c, sizeof(c), MSG_DONTWAIT, NULL, NULL), 3);
	}
	l = listener();
	s[0] = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));
	CHECK_EQ(sys(SYS_connect, s[0], &loopback, sizeof(loopback)), 0);
	s[1] = (int)CHECK_OK(sys(SYS_accept, l, NULL, NULL));
	CHECK_EQ(sys(SYS_sendto, s[0], "abc", 3, 0, NULL, 0), 3);
	CHECK_EQ(sys(SYS_recvfrom, s[1], c, 1, 0, NULL, NULL), 1);
	CHECK_EQ(sys(SYS_shutdown, s[1], SHUT_RD), 0);
	CHECK_EQ(sys(SYS_recvfrom, s[1], c, sizeof(c), 0, NULL, NULL), 0);
	CHECK_EQ(sys(SYS_sendto, s[1], "xy", 2, 0, NULL, 0), 2);
	CHECK_EQ(sys(SYS_recvfrom, s[0], c, sizeof(c), 0, NULL, NULL), 2);
}

/* Of what does not come any more nothing is told, either: the header says so. */
TEST(message_at_the_end)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	char data[8], control[64];

	for (size_t i = 0; i < nitems(types); i++) {
		struct iovec part = { data, sizeof(data) };
		struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control), .msg_flags = 0x7fff };
		int s[2];
		CHECK_EQ(sys(SYS_socketpair, AF_UNIX, types[i], 0, s), 0);
		CHECK_EQ(sys(SYS_shutdown, s[1], SHUT_RD), 0);
		CHECK_EQ(sys(SYS_recvmsg, s[1], &message, 0), 0);
		CHECK_EQ(message.msg_controllen, 0);
		CHECK_EQ(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC), 0);
	}
}

static int
lowest(void)
{
	int fd = (int)CHECK_OK(sys(SYS_dup, 1));

	sys(SYS_close, fd);
	return (fd);
}

/* Who only looks at a message gets no descriptor of it. */
TEST(look_at_rights)
{
	const int types[] = { SOCK_STREAM, SOCK_DGRAM };
	union {
		struct cmsghdr head;
		u8 room[CMSG_SPACE(sizeof(int))];
	} control;
	char c;
	struct iovec byte = { &c, 1 };
	struct msghdr m = { .msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	int s[2], before;

	for (u64 i = 0; i < nitems(types); i++) {
		CHECK_EQ(sys(SYS_socketpair, AF_UNIX, types[i], 0, s), 0);
		memset(&control, 0, sizeof(control));
		control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
		*(int *)CMSG_DATA(&control.head) = 1;
		c = 'x';
		m.msg_controllen = CMSG_LEN(sizeof(int));
		CHECK_EQ(sys(SYS_sendmsg, s[0], &m, 0), 1);
		before = lowest();
		c = 0;
		m.msg_controllen = sizeof(control);
		CHECK_EQ(sys(SYS_recvmsg, s[1], &m, MSG_PEEK), 1);
		CHECK_EQ(c, 'x');
		CHECK_EQ(lowest(), before);
		m.msg_controllen = sizeof(control);
		CHECK_EQ(sys(SYS_recvmsg, s[1], &m, 0), 1);
		CHECK_EQ(control.head.cmsg_type, SCM_RIGHTS);
		CHECK_EQ(*(int *)CMSG_DATA(&control.head), before);
		CHECK(lowest() > before);
	}
}

/* What is sent and received is counted. */
TEST(messages_counted)
{
	struct rusage before, after;
	struct iovec byte = { "z", 1 };
	struct msghdr m = { .msg_iov = &byte, .msg_iovlen = 1 };
	char c[8];
	int s[2];

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(sys(SYS_getrusage, RUSAGE_SELF, &before), 0);
	CHECK_EQ(sys(SYS_sendto, s[0], "abc", 3, 0, NULL, 0), 3);
	CHECK_EQ(sys(SYS_sendmsg, s[0], &m, 0), 1);
	CHECK_EQ(sys(SYS_sendto, s[0], "abc", 3, 0, NULL, 0), 3);
	CHECK_EQ(sys(SYS_recvfrom, s[1], c, 3, 0, NULL, NULL), 3);
	byte.iov_base = c;
	CHECK_EQ(sys(SYS_recvmsg, s[1], &m, 0), 1);
	CHECK_ERR(sys(SYS_recvfrom, s[0], c, 3, MSG_DONTWAIT, NULL, NULL), EAGAIN);
	CHECK_EQ(sys(SYS_getrusage, RUSAGE_SELF, &after), 0);
	CHECK_EQ(after.ru_msgsnd, before.ru_msgsnd + 3);
	CHECK_EQ(after.ru_msgrcv, before.ru_msgrcv + 2);
	CHECK_EQ(sys(SYS_getrusage, RUSAGE_THREAD, &after), 0);
	CHECK_EQ(after.ru_msgsnd, before.ru_msgsnd + 3);
}
