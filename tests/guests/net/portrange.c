/* Where a port comes from that bind(2) chooses: IP_PORTRANGE, IPV6_PORTRANGE (sys/netinet/in_pcb.c, in_pcb_lport_dest). */
#include "guest.h"
#include <sys/socket.h>
#include <sys/sysctl.h>
#include <netinet/in.h>

static int
number(const char *name)
{
	int value = -1;
	size_t size = sizeof(value);

	CHECK_EQ(sys(SYS___sysctlbyname, name, strlen(name), &value, &size, NULL, 0), 0);
	CHECK_EQ(size, sizeof(value));
	return (value);
}

/* A socket with this range; 0 for none set. */
static int
ranged(int type, int range)
{
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, type, 0)), back = 7;
	socklen_t n = sizeof(back);

	CHECK_EQ(sys(SYS_setsockopt, s, IPPROTO_IP, IP_PORTRANGE, &range, sizeof(range)), 0);
	CHECK_EQ(sys(SYS_getsockopt, s, IPPROTO_IP, IP_PORTRANGE, &back, &n), 0);
	CHECK_EQ(back, range);
	CHECK_EQ(n, 4);
	return (s);
}

/* Binds to a port that the kernel chooses; the port, or -errno. */
static int
bound(int s)
{
	struct sockaddr_in a = { .sin_len = 16, .sin_family = AF_INET, .sin_addr = { 0x0100007f } };
	socklen_t n = sizeof(a);
	int error = (int)sys(SYS_bind, s, &a, sizeof(a));

	if (error != 0)
		return (error);
	CHECK_EQ(sys(SYS_getsockname, s, &a, &n), 0);
	return (a.sin_port >> 8 | (a.sin_port & 0xff) << 8);
}

TEST(high)
{
	for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++)
		for (int i = 0; i < 5; i++)
			CHECK_BETWEEN(bound(ranged(type, IP_PORTRANGE_HIGH)), number("net.inet.ip.portrange.hifirst"),
			    number("net.inet.ip.portrange.hilast"));
	CHECK_EQ(number("net.inet.ip.portrange.hifirst"), IPPORT_HIFIRSTAUTO);
	CHECK_EQ(number("net.inet.ip.portrange.hilast"), IPPORT_HILASTAUTO);
}

/* bindresvport(3). No two get the same port, whether or not they would share one. */
TEST(low)
{
	int ports[20], one = 1;

	CHECK_EQ(number("net.inet.ip.portrange.lowfirst"), IPPORT_RESERVED - 1);
	CHECK_EQ(number("net.inet.ip.portrange.lowlast"), IPPORT_RESERVEDSTART);
	for (int i = 0; i < 20; i++) {
		int s = ranged(SOCK_STREAM, IP_PORTRANGE_LOW), back = 0;
		socklen_t n = sizeof(back);

		if (i & 1)
			CHECK_EQ(sys(SYS_setsockopt, s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
		ports[i] = bound(s);
		if (ports[i] == -EPERM && sys(SYS_geteuid) != 0)
			return;
		CHECK_BETWEEN(ports[i], IPPORT_RESERVEDSTART, IPPORT_RESERVED - 1);
		for (int k = 0; k < i; k++)
			CHECK_NE(ports[i], ports[k]);
		CHECK_EQ(sys(SYS_getsockopt, s, SOL_SOCKET, SO_REUSEADDR, &back, &n), 0);
		CHECK_EQ(back, i & 1 ? SO_REUSEADDR : 0);
	}
	/* A second name there is not. */
	int s = ranged(SOCK_STREAM, IP_PORTRANGE_LOW);
	CHECK(bound(s) > 0);
	CHECK_ERR(bound(s), EINVAL);
}

/* connect(2) chooses by it, too (in_pcbconnect). */
TEST(low_by_connect)
{
	struct sockaddr_in a = { .sin_len = 16, .sin_family = AF_INET, .sin_addr = { 0x0100007f } };
	socklen_t n = sizeof(a);
	int server = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0)), s;

	CHECK_EQ(sys(SYS_bind, server, &a, sizeof(a)), 0);
	CHECK_EQ(sys(SYS_listen, server, 5), 0);
	CHECK_EQ(sys(SYS_getsockname, server, &a, &n), 0);
	for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
		struct sockaddr_in b = a;
		s = ranged(type, IP_PORTRANGE_LOW);
		int error = (int)sys(SYS_connect, s, &b, sizeof(b));
		if (error != 0 && sys(SYS_geteuid) != 0)
			return;
		CHECK_EQ(error, 0);
		n = sizeof(b);
		CHECK_EQ(sys(SYS_getsockname, s, &b, &n), 0);
		CHECK_BETWEEN(b.sin_port >> 8 | (b.sin_port & 0xff) << 8, IPPORT_RESERVEDSTART, IPPORT_RESERVED - 1);
	}
	/* One that has its port keeps it. */
	s = ranged(SOCK_STREAM, IP_PORTRANGE_LOW);
	int port = bound(s);
	struct sockaddr_in b = a;
	CHECK_EQ(sys(SYS_connect, s, &b, sizeof(b)), 0);
	n = sizeof(b);
	CHECK_EQ(sys(SYS_getsockname, s, &b, &n), 0);
	CHECK_EQ(b.sin_port >> 8 | (b.sin_port & 0xff) << 8, port);
}

/* Users have no reserved ports, where Linux gives them none. */
TEST(low_of_a_user)
{
	if (sys(SYS_geteuid) != 0)
		SKIP("root alone can become a user");
	if (number("net.inet.ip.portrange.reservedhigh") != IPPORT_RESERVED - 1)
		SKIP("this machine has given ports away");
	CHECK_EQ(sys(SYS_setuid, 65534), 0);
	CHECK_ERR(bound(ranged(SOCK_STREAM, IP_PORTRANGE_LOW)), EPERM);	/* in_pcb_lport_dest asks priv_check_cred itself */
	CHECK_ERR(bound(ranged(SOCK_DGRAM, IP_PORTRANGE_LOW)), EPERM);
	CHECK(bound(ranged(SOCK_STREAM, IP_PORTRANGE_HIGH)) > 0);
}

TEST(of_default)
{
	int s = ranged(SOCK_STREAM, IP_PORTRANGE_HIGH), value = IP_PORTRANGE_DEFAULT;
	socklen_t n = sizeof(value);

	CHECK_EQ(sys(SYS_setsockopt, s, IPPROTO_IP, IP_PORTRANGE, &value, sizeof(value)), 0);
	CHECK_EQ(sys(SYS_getsockopt, s, IPPROTO_IP, IP_PORTRANGE, &value, &n), 0);
	CHECK_EQ(value, IP_PORTRANGE_DEFAULT);
	CHECK_BETWEEN(bound(s), number("net.inet.ip.portrange.first"), number("net.inet.ip.portrange.last"));
	value = 3;
	CHECK_ERR(sys(SYS_setsockopt, s, IPPROTO_IP, IP_PORTRANGE, &value, sizeof(value)), EINVAL);
	value = -1;
	CHECK_ERR(sys(SYS_setsockopt, s, IPPROTO_IP, IP_PORTRANGE, &value, sizeof(value)), EINVAL);
	CHECK_EQ(number("net.inet.ip.portrange.reservedlow"), 0);
	CHECK_EQ(number("net.inet.ip.portrange.randomized"), 1);
}

/* A port that is named is taken, whatever the range. */
TEST(named)
{
	struct sockaddr_in a = { .sin_len = 16, .sin_family = AF_INET, .sin_addr = { 0x0100007f } };
	socklen_t n = sizeof(a);
	int s = ranged(SOCK_DGRAM, IP_PORTRANGE_HIGH);
	int port = bound((int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0)));

	a.sin_port = (u16)(port >> 8 | port << 8);
	CHECK_EQ(sys(SYS_bind, s, &a, sizeof(a)), 0);
	CHECK_EQ(sys(SYS_getsockname, s, &a, &n), 0);
	CHECK_EQ(a.sin_port, (u16)(port >> 8 | port << 8));
}

TEST(six)
{
	struct sockaddr_in6 a = { .sin6_len = 28, .sin6_family = AF_INET6 };
	socklen_t n = sizeof(a);
	long s = sys(SYS_socket, AF_INET6, SOCK_DGRAM, 0);
	int value = IPV6_PORTRANGE_HIGH;

	if (s == -EAFNOSUPPORT)
		SKIP("no IPv6 here");
	CHECK_OK(s);
	CHECK_EQ(sys(SYS_setsockopt, s, IPPROTO_IPV6, IPV6_PORTRANGE, &value, sizeof(value)), 0);
	value = 0;
	n = sizeof(value);
	CHECK_EQ(sys(SYS_getsockopt, s, IPPROTO_IPV6, IPV6_PORTRANGE, &value, &n), 0);
	CHECK_EQ(value, IPV6_PORTRANGE_HIGH);
	CHECK_EQ(sys(SYS_bind, s, &a, sizeof(a)), 0);
	n = sizeof(a);
	CHECK_EQ(sys(SYS_getsockname, s, &a, &n), 0);
	CHECK_BETWEEN(a.sin6_port >> 8 | (a.sin6_port & 0xff) << 8, IPPORT_HIFIRSTAUTO, IPPORT_HILASTAUTO);
	value = 5;
	CHECK_ERR(sys(SYS_setsockopt, s, IPPROTO_IPV6, IPV6_PORTRANGE, &value, sizeof(value)), EINVAL);
	/* The other level is not this family's (ip6_ctloutput). */
	value = IP_PORTRANGE_LOW;
	CHECK_ERR(sys(SYS_setsockopt, s, IPPROTO_IP, IP_PORTRANGE, &value, sizeof(value)), EINVAL);
	CHECK_ERR(sys(SYS_setsockopt, ranged(SOCK_DGRAM, 0), IPPROTO_IPV6, IPV6_PORTRANGE, &value, sizeof(value)), EINVAL);
}
