/* Options of sockets: setsockopt(2), getsockopt(2). */
#include "guest.h"
#include <sys/socket.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

static int
get(int s, int level, int name)
{
	int value[8] = { 0 };
	socklen_t n = sizeof(value);

	CHECK_EQ(sys(SYS_getsockopt, s, level, name, value, &n), 0);
	CHECK_EQ(n, 4);
	return (value[0]);
}

static void
set(int s, int level, int name, int value)
{
	CHECK_EQ(sys(SYS_setsockopt, s, level, name, &value, sizeof(value)), 0);
}

/* What FreeBSD keeps as a bit is shown as that bit. */
TEST(flags)
{
	const int names[] = { SO_REUSEADDR, SO_KEEPALIVE, SO_REUSEPORT, SO_OOBINLINE, SO_DONTROUTE, SO_TIMESTAMP };
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));

	for (int i = 0; i < (int)nitems(names); i++) {
		CHECK_EQ(get(s, SOL_SOCKET, names[i]), 0);
		set(s, SOL_SOCKET, names[i], 1);
		CHECK_EQ(get(s, SOL_SOCKET, names[i]), names[i]);
		set(s, SOL_SOCKET, names[i], 0);
		CHECK_EQ(get(s, SOL_SOCKET, names[i]), 0);
	}
	int d = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, 0));
	set(d, SOL_SOCKET, SO_BROADCAST, 7);
	CHECK_EQ(get(d, SOL_SOCKET, SO_BROADCAST), SO_BROADCAST);
	CHECK_EQ(get(s, SOL_SOCKET, SO_ACCEPTCONN), 0);
	struct sockaddr_in a = { .sin_len = 16, .sin_family = AF_INET };
	CHECK_EQ(sys(SYS_bind, s, &a, sizeof(a)), 0);
	CHECK_EQ(sys(SYS_listen, s, 1), 0);
	CHECK_EQ(get(s, SOL_SOCKET, SO_ACCEPTCONN), SO_ACCEPTCONN);
}

/* Every socket keeps every flag (sosetopt), whether or not it means something to it, and what accept(2) makes has the listener's. */
TEST(flags_of_every_socket)
{
	const int kinds[][2] = { { AF_INET, SOCK_STREAM }, { AF_INET, SOCK_DGRAM }, { AF_UNIX, SOCK_STREAM },
	    { AF_UNIX, SOCK_DGRAM }, { AF_UNIX, SOCK_SEQPACKET } };
	const int names[] = { SO_DEBUG, SO_REUSEADDR, SO_KEEPALIVE, SO_DONTROUTE, SO_BROADCAST, SO_USELOOPBACK, SO_OOBINLINE,
	    SO_REUSEPORT, SO_TIMESTAMP, SO_NOSIGPIPE, SO_BINTIME };

	for (u64 i = 0; i < nitems(kinds); i++) {
		int s = (int)CHECK_OK(sys(SYS_socket, kinds[i][0], kinds[i][1], 0));

		for (u64 k = 0; k < nitems(names); k++) {
			for (u64 j = 0; j < nitems(names); j++)
				CHECK_EQ(get(s, SOL_SOCKET, names[j]), 0);
			set(s, SOL_SOCKET, names[k], 5);
			for (u64 j = 0; j < nitems(names); j++)
				CHECK_EQ(get(s, SOL_SOCKET, names[j]), j == k ? names[j] : 0);
			set(s, SOL_SOCKET, names[k], 0);
		}
	}
	int u = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_DGRAM, 0));
	set(u, SOL_SOCKET, SO_REUSEPORT_LB, 1);
	CHECK_EQ(get(u, SOL_SOCKET, SO_REUSEPORT_LB), SO_REUSEPORT_LB);
	CHECK_EQ(get(u, SOL_SOCKET, SO_REUSEPORT), 0);
	/* What is no socket says so, whatever the option. */
	int value = 1, file = (int)CHECK_OK(sys(SYS_open, "/", O_RDONLY));
	socklen_t n = sizeof(value);
	const int others[] = { SO_NO_DDP, SO_USER_COOKIE, SO_SETFIB, SO_TS_CLOCK, SO_LISTENQLEN };
	for (u64 k = 0; k < nitems(names); k++) {
		CHECK_ERR(sys(SYS_setsockopt, file, SOL_SOCKET, names[k], &value, sizeof(value)), ENOTSOCK);
		CHECK_ERR(sys(SYS_getsockopt, file, SOL_SOCKET, names[k], &value, &n), ENOTSOCK);
		CHECK_ERR(sys(SYS_setsockopt, 999, SOL_SOCKET, names[k], &value, sizeof(value)), EBADF);
	}
	for (u64 k = 0; k < 3; k++)
		CHECK_ERR(sys(SYS_setsockopt, file, SOL_SOCKET, others[k], &value, sizeof(value)), ENOTSOCK);
	for (u64 k = 2; k < nitems(others); k++)
		CHECK_ERR(sys(SYS_getsockopt, file, SOL_SOCKET, others[k], &value, &n), ENOTSOCK);
}

TEST(accepted_flags)
{
	const int names[] = { SO_DEBUG, SO_KEEPALIVE, SO_DONTROUTE, SO_BROADCAST, SO_USELOOPBACK, SO_OOBINLINE, SO_NOSIGPIPE };
	struct sockaddr_in a = { .sin_len = 16, .sin_family = AF_INET, .sin_addr = { 0x0100007f } };
	socklen_t n = sizeof(a);
	int l = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));

	for (u64 k = 0; k < nitems(names); k++)
		set(l, SOL_SOCKET, names[k], 1);
	CHECK_EQ(sys(SYS_bind, l, &a, sizeof(a)), 0);
	CHECK_EQ(sys(SYS_listen, l, 3), 0);
	CHECK_EQ(sys(SYS_getsockname, l, &a, &n), 0);
	int c = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));
	CHECK_EQ(sys(SYS_connect, c, &a, sizeof(a)), 0);
	int s = (int)CHECK_OK(sys(SYS_accept, l, NULL, NULL));
	for (u64 k = 0; k < nitems(names); k++) {
		/* Since 15 these alone (solisten_clone). */
		if (GUEST_RELEASE < 15 || (names[k] & (SO_KEEPALIVE | SO_DONTROUTE | SO_OOBINLINE | SO_NOSIGPIPE)))
			CHECK_EQ(get(s, SOL_SOCKET, names[k]), names[k]);
		CHECK_EQ(get(c, SOL_SOCKET, names[k]), 0);
	}
}

/* SO_LISTENQLIMIT, SO_LISTENQLEN, SO_LISTENINCQLEN; 0 for who does not listen (sogetopt). */
TEST(listen_queue)
{
	struct sockaddr_in a = { .sin_len = 16, .sin_family = AF_INET, .sin_addr = { 0x0100007f } };
	struct sockaddr_un u = { .sun_family = AF_UNIX, .sun_path = "queue", .sun_len = 8 };
	int in = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));
	int un = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
	socklen_t n = sizeof(a);

	CHECK_EQ(get(in, SOL_SOCKET, SO_LISTENQLIMIT), 0);
	CHECK_EQ(get(un, SOL_SOCKET, SO_LISTENQLEN), 0);
	CHECK_EQ(sys(SYS_bind, in, &a, sizeof(a)), 0);
	CHECK_EQ(sys(SYS_bind, un, &u, u.sun_len), 0);
	CHECK_EQ(sys(SYS_listen, in, 7), 0);
	CHECK_EQ(sys(SYS_listen, un, 5), 0);
	CHECK_EQ(sys(SYS_getsockname, in, &a, &n), 0);
	CHECK_EQ(get(in, SOL_SOCKET, SO_LISTENQLIMIT), 7);
	CHECK_EQ(get(un, SOL_SOCKET, SO_LISTENQLIMIT), 5);
	for (int i = 0; i < 3; i++) {
		for (int tries = 0; tries < 200 && get(in, SOL_SOCKET, SO_LISTENQLEN) != i; tries++)
			guest_sleep_ms(5);	/* the last word of a connection comes after connect(2) */
		CHECK_EQ(get(in, SOL_SOCKET, SO_LISTENQLEN), i);
		CHECK_EQ(get(un, SOL_SOCKET, SO_LISTENQLEN), i);
		CHECK_EQ(sys(SYS_connect, CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0)), &a, sizeof(a)), 0);
		CHECK_EQ(sys(SYS_connect, CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0)), &u, u.sun_len), 0);
	}
	for (int tries = 0; tries < 200 && get(in, SOL_SOCKET, SO_LISTENQLEN) != 3; tries++)
		guest_sleep_ms(5);
	CHECK_EQ(get(in, SOL_SOCKET, SO_LISTENINCQLEN), 0);
	CHECK_EQ(get(un, SOL_SOCKET, SO_LISTENINCQLEN), 0);
	CHECK_OK(sys(SYS_accept, in, NULL, NULL));
	CHECK_EQ(get(in, SOL_SOCKET, SO_LISTENQLEN), 2);
	CHECK_EQ(sys(SYS_unlink, "queue"), 0);
}

TEST(facts)
{
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, 0));
	int t = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0));

	CHECK_EQ(get(s, SOL_SOCKET, SO_TYPE), SOCK_DGRAM);
	CHECK_EQ(get(s, SOL_SOCKET, SO_DOMAIN), AF_INET);
	CHECK_EQ(get(s, SOL_SOCKET, SO_PROTOCOL), IPPROTO_UDP);
	CHECK_EQ(get(s, SOL_SOCKET, SO_ERROR), 0);
	CHECK_EQ(get(t, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	CHECK_EQ(get(t, SOL_SOCKET, SO_DOMAIN), AF_UNIX);
	int value = 1;
	CHECK_ERR(sys(SYS_setsockopt, s, SOL_SOCKET, SO_TYPE, &value, 4), ENOPROTOOPT);
}

TEST(buffers)
{
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0)), value = 0;

	set(s, SOL_SOCKET, SO_SNDBUF, 20000);
	CHECK_EQ(get(s, SOL_SOCKET, SO_SNDBUF), 20000);
	set(s, SOL_SOCKET, SO_RCVBUF, 30000);
	CHECK_EQ(get(s, SOL_SOCKET, SO_RCVBUF), 30000);
	CHECK_ERR(sys(SYS_setsockopt, s, SOL_SOCKET, SO_SNDBUF, &value, 4), EINVAL);
	set(s, SOL_SOCKET, SO_RCVLOWAT, 17);
	CHECK_EQ(get(s, SOL_SOCKET, SO_RCVLOWAT), 17);
}

TEST(linger_and_timeouts)
{
	int s[2];
	struct linger l = { 1, 5 };
	struct timeval tv = { 0, 50000 }, back;
	socklen_t n = sizeof(l);
	char c;

	int t = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));
	CHECK_EQ(sys(SYS_setsockopt, t, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	memset(&l, 0, sizeof(l));
	CHECK_EQ(sys(SYS_getsockopt, t, SOL_SOCKET, SO_LINGER, &l, &n), 0);
	CHECK_EQ(n, sizeof(l));
	CHECK_EQ(l.l_onoff, SO_LINGER);
	CHECK_EQ(l.l_linger, 5);
	CHECK_ERR(sys(SYS_setsockopt, t, SOL_SOCKET, SO_LINGER, &l, 4), EINVAL);
	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(sys(SYS_setsockopt, s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	n = sizeof(back);
	CHECK_EQ(sys(SYS_getsockopt, s[0], SOL_SOCKET, SO_RCVTIMEO, &back, &n), 0);
	CHECK_EQ(n, sizeof(back));
	CHECK_EQ(back.tv_sec, 0);
	CHECK_BETWEEN(back.tv_usec, 48000, 56000);
	long start = guest_now_ms();
	CHECK_ERR(sys(SYS_recvfrom, s[0], &c, 1, 0, NULL, NULL), EAGAIN);
	CHECK_BETWEEN(guest_now_ms() - start, 40, 2000);
}

TEST(tcp)
{
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0)), value;
	char name[16] = { 0 };
	socklen_t n = sizeof(name);

	CHECK_EQ(get(s, IPPROTO_TCP, TCP_NODELAY), 0);
	set(s, IPPROTO_TCP, TCP_NODELAY, 1);
	CHECK_NE(get(s, IPPROTO_TCP, TCP_NODELAY), 0);
	set(s, IPPROTO_TCP, TCP_KEEPIDLE, 100);
	CHECK_EQ(get(s, IPPROTO_TCP, TCP_KEEPIDLE), 100);
	set(s, IPPROTO_TCP, TCP_KEEPINTVL, 20);
	CHECK_EQ(get(s, IPPROTO_TCP, TCP_KEEPINTVL), 20);
	set(s, IPPROTO_TCP, TCP_KEEPCNT, 3);
	CHECK_EQ(get(s, IPPROTO_TCP, TCP_KEEPCNT), 3);
	set(s, IPPROTO_TCP, TCP_NOPUSH, 1);
	CHECK_NE(get(s, IPPROTO_TCP, TCP_NOPUSH), 0);
	set(s, IPPROTO_TCP, TCP_MAXUNACKTIME, 30);
	CHECK_EQ(get(s, IPPROTO_TCP, TCP_MAXUNACKTIME), 30);
	CHECK_EQ(sys(SYS_getsockopt, s, IPPROTO_TCP, TCP_CONGESTION, name, &n), 0);
	CHECK_EQ(n, strlen(name) + 1);
	CHECK(n > 3);
	value = 1;
	CHECK_ERR(sys(SYS_setsockopt, s, IPPROTO_TCP, 77, &value, 4), ENOPROTOOPT);
	CHECK_ERR(sys(SYS_setsockopt, s, IPPROTO_TCP, TCP_NODELAY, &value, 2), EINVAL);
}

TEST(tcp_state)
{
	struct tcp_info info;
	socklen_t n = sizeof(info);
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));
	struct sockaddr_in a = { .sin_len = 16, .sin_family = AF_INET };

	CHECK_EQ(sys(SYS_getsockopt, s, IPPROTO_TCP, TCP_INFO, &info, &n), 0);
	CHECK_EQ(info.tcpi_state, 0);	/* TCPS_CLOSED */
	CHECK_EQ(sys(SYS_bind, s, &a, sizeof(a)), 0);
	CHECK_EQ(sys(SYS_listen, s, 1), 0);
	n = sizeof(info);
	CHECK_EQ(sys(SYS_getsockopt, s, IPPROTO_TCP, TCP_INFO, &info, &n), 0);
	CHECK_EQ(info.tcpi_state, 1);	/* TCPS_LISTEN */
}

TEST(ip)
{
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, 0));
	struct ip_mreq group = { { 0x010000e0 | 0x25000000 }, { 0x0100007f } };

	set(s, IPPROTO_IP, IP_TTL, 33);
	CHECK_EQ(get(s, IPPROTO_IP, IP_TTL), 33);
	set(s, IPPROTO_IP, IP_TOS, 0x10);
	CHECK_EQ(get(s, IPPROTO_IP, IP_TOS), 0x10);
	set(s, IPPROTO_IP, IP_RECVDSTADDR, 1);
	CHECK_NE(get(s, IPPROTO_IP, IP_RECVDSTADDR), 0);
	set(s, IPPROTO_IP, IP_DONTFRAG, 1);
	CHECK_EQ(get(s, IPPROTO_IP, IP_DONTFRAG), 1);
	set(s, IPPROTO_IP, IP_DONTFRAG, 0);
	CHECK_EQ(get(s, IPPROTO_IP, IP_DONTFRAG), 0);
	set(s, IPPROTO_IP, IP_PORTRANGE, IP_PORTRANGE_HIGH);
	u8 ttl = 4;
	CHECK_EQ(sys(SYS_setsockopt, s, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, 1), 0);
	long joined = sys(SYS_setsockopt, s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group));
	CHECK(joined == 0 || joined == -ENODEV);	/* a loopback without multicast */
	CHECK_ERR(sys(SYS_setsockopt, s, IPPROTO_IP, 250, &ttl, 1), ENOPROTOOPT);
}

/* SO_NOSIGPIPE is kept where no other option of the socket's shows it. */
TEST(no_signal)
{
	const int kinds[][2] = { { AF_INET, SOCK_STREAM }, { AF_INET, SOCK_DGRAM }, { AF_UNIX, SOCK_STREAM },
	    { AF_UNIX, SOCK_DGRAM }, { AF_UNIX, SOCK_SEQPACKET } };
	const int others[] = { SO_BROADCAST, SO_KEEPALIVE, SO_OOBINLINE, SO_DONTROUTE };

	for (u64 i = 0; i < nitems(kinds); i++) {
		int s = (int)CHECK_OK(sys(SYS_socket, kinds[i][0], kinds[i][1], 0));

		CHECK_EQ(get(s, SOL_SOCKET, SO_NOSIGPIPE), 0);
		set(s, SOL_SOCKET, SO_NOSIGPIPE, 1);
		CHECK_EQ(get(s, SOL_SOCKET, SO_NOSIGPIPE), SO_NOSIGPIPE);
		for (u64 k = 0; k < nitems(others); k++)
			CHECK_EQ(get(s, SOL_SOCKET, others[k]), 0);
		if (kinds[i][0] == AF_INET) {
			set(s, SOL_SOCKET, SO_KEEPALIVE, 1);
			CHECK_EQ(get(s, SOL_SOCKET, SO_KEEPALIVE), SO_KEEPALIVE);
		}
		for (u64 k = 0; k < nitems(others); k++)
			set(s, SOL_SOCKET, others[k], 0);
		CHECK_EQ(get(s, SOL_SOCKET, SO_NOSIGPIPE), SO_NOSIGPIPE);
		set(s, SOL_SOCKET, SO_NOSIGPIPE, 0);
		CHECK_EQ(get(s, SOL_SOCKET, SO_NOSIGPIPE), 0);
	}
}

TEST(errors)
{
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0)), value = 1;
	int u = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
	socklen_t n = 4;

	CHECK_ERR(sys(SYS_setsockopt, 999, SOL_SOCKET, SO_REUSEADDR, &value, 4), EBADF);
	CHECK_ERR(sys(SYS_setsockopt, CHECK_OK(sys(SYS_open, "/", O_RDONLY)), SOL_SOCKET, SO_REUSEADDR, &value, 4), ENOTSOCK);
	CHECK_ERR(sys(SYS_setsockopt, s, SOL_SOCKET, SO_REUSEADDR, 8, 4), EFAULT);
	CHECK_ERR(sys(SYS_setsockopt, s, SOL_SOCKET, SO_REUSEADDR, NULL, 4), EFAULT);
	CHECK_ERR(sys(SYS_setsockopt, s, SOL_SOCKET, SO_REUSEADDR, &value, 2), EINVAL);
	CHECK_ERR(sys(SYS_setsockopt, s, SOL_SOCKET, SO_REUSEADDR, &value, -1), EINVAL);
	CHECK_ERR(sys(SYS_setsockopt, s, SOL_SOCKET, 0x2345, &value, 4), ENOPROTOOPT);
	/* Linux's SOL_SOCKET: a level that no protocol has (ip_ctloutput). */
	CHECK_ERR(sys(SYS_setsockopt, s, 1, 2, &value, 4), EINVAL);
	CHECK_ERR(sys(SYS_getsockopt, s, 1, 2, &value, &n), EINVAL);
	CHECK_ERR(sys(SYS_setsockopt, u, IPPROTO_TCP, TCP_NODELAY, &value, 4), EINVAL);
	CHECK_ERR(sys(SYS_getsockopt, s, SOL_SOCKET, SO_REUSEADDR, &value, 8), EFAULT);
	CHECK_ERR(sys(SYS_getsockopt, s, SOL_SOCKET, SO_REUSEADDR, 8, &n), EFAULT);
	CHECK_ERR(sys(SYS_getsockopt, s, SOL_SOCKET, 0x2345, &value, &n), ENOPROTOOPT);
	struct linger l = { 1, 65536 };
	struct timeval tv = { 0, 1000000 };
	CHECK_ERR(sys(SYS_setsockopt, s, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), EDOM);
	l.l_linger = -1;
	CHECK_ERR(sys(SYS_setsockopt, s, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), EDOM);
	CHECK_ERR(sys(SYS_setsockopt, s, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), EDOM);
	tv = (struct timeval){ -1, 0 };
	CHECK_ERR(sys(SYS_setsockopt, s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), EDOM);
	/* A cookie is for firewalls; nobody reads it here (sogetopt). */
	CHECK_EQ(sys(SYS_setsockopt, s, SOL_SOCKET, SO_USER_COOKIE, &value, 4), 0);
	CHECK_ERR(sys(SYS_getsockopt, s, SOL_SOCKET, SO_USER_COOKIE, &value, &n), ENOPROTOOPT);
	/* A short buffer gets what fits. */
	u8 byte = 0x55;
	n = 1;
	CHECK_EQ(sys(SYS_getsockopt, s, SOL_SOCKET, SO_TYPE, &byte, &n), 0);
	CHECK_EQ(n, 1);
	CHECK_EQ(byte, SOCK_STREAM);
}
