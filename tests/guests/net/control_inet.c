/*
 * What comes with a datagram because the socket has asked for it: where it was sent to, by which interface it came, when, with
 * which TTL (sys/netinet/ip_input.c, ip_savecontrol; udp_usrreq.c, udp_append; ip(4), udp(4), getsockopt(2)).
 */
#include "guest.h"
#include <sys/socket.h>
#include <sys/uio.h>
#include <net/if.h>
#include <net/if_dl.h>
#include <net/if_types.h>
#include <netinet/in.h>

struct answer {
	u8 control[1024];
	u32 length;
	int flags;
};

static struct sockaddr_in to;

/* An address of the loopback's: all that begin with 127 are on Linux, on FreeBSD those that it was given. */
static u32
own(u32 wanted)
{
	struct sockaddr_in a = { .sin_len = 16, .sin_family = AF_INET, .sin_addr = { wanted } };
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, 0));
	long ret = sys(SYS_bind, s, &a, sizeof(a));

	CHECK_EQ(sys(SYS_close, s), 0);
	return (ret == 0 ? wanted : 0x0100007f);
}

static int
receiver(void)
{
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, 0));
	socklen_t n = sizeof(to);

	to = (struct sockaddr_in){ .sin_len = 16, .sin_family = AF_INET, .sin_addr = { own(0x0200007f) } };
	CHECK_EQ(sys(SYS_bind, s, &to, sizeof(to)), 0);
	CHECK_EQ(sys(SYS_getsockname, s, &to, &n), 0);
	return (s);
}

static int
get(int s, int level, int name)
{
	int value = -1;
	socklen_t n = sizeof(value);

	CHECK_EQ(sys(SYS_getsockopt, s, level, name, &value, &n), 0);
	return (value);
}

static void
set(int s, int level, int name, int value)
{
	CHECK_EQ(sys(SYS_setsockopt, s, level, name, &value, sizeof(value)), 0);
}

/* Sends a datagram to `s` and takes it. */
static void
datagram(int s, struct answer *a, u32 room)
{
	int c = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, 0));
	char byte = 'x';
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = a->control, .msg_controllen = room };

	set(c, IPPROTO_IP, IP_TTL, 37);
	set(c, IPPROTO_IP, IP_TOS, 0x10);
	CHECK_EQ(sys(SYS_sendto, c, "y", 1, 0, &to, sizeof(to)), 1);
	CHECK_EQ(sys(SYS_close, c), 0);
	memset(a->control, 0x5a, sizeof(a->control));
	CHECK_EQ(sys(SYS_recvmsg, s, &m, 0), 1);
	CHECK_EQ(byte, 'y');
	a->length = m.msg_controllen;
	a->flags = m.msg_flags;
}

/* The data of the message of this kind, which must be there once, or -1: then not at all. */
static void *
message(struct answer *a, int level, int type, int size)
{
	void *found = NULL;

	for (u32 at = 0; at + sizeof(struct cmsghdr) <= a->length;) {
		struct cmsghdr *c = (struct cmsghdr *)(a->control + at);

		CHECK(c->cmsg_len >= CMSG_LEN(0) && at + c->cmsg_len <= a->length);
		if (c->cmsg_level == level && c->cmsg_type == type) {
			CHECK(found == NULL);
			CHECK_EQ(c->cmsg_len, CMSG_LEN(size));
			found = CMSG_DATA(c);
		}
		at += _ALIGN(c->cmsg_len);
	}
	CHECK_EQ(found != NULL, size >= 0);
	return (found);
}

TEST(destination)
{
	struct answer a;
	int s = receiver();

	datagram(s, &a, sizeof(a.control));
	CHECK_EQ(a.length, 0);
	CHECK_EQ(get(s, IPPROTO_IP, IP_RECVDSTADDR), 0);
	set(s, IPPROTO_IP, IP_RECVDSTADDR, 1);
	CHECK_EQ(get(s, IPPROTO_IP, IP_RECVDSTADDR), 1);
	CHECK_EQ(get(s, IPPROTO_IP, IP_RECVIF), 0);
	datagram(s, &a, sizeof(a.control));
	CHECK_EQ(memcmp(message(&a, IPPROTO_IP, IP_RECVDSTADDR, 4), &to.sin_addr, 4), 0);
	message(&a, IPPROTO_IP, IP_RECVIF, -1);
	/* The same message names the sender's own address. */
	struct sockaddr_in from = { .sin_len = 16, .sin_family = AF_INET };
	socklen_t n = sizeof(from);
	char byte = 'z';
	struct iovec iov = { &byte, 1 };
	struct {
		struct cmsghdr head;
		u8 pad[4];
		u32 address;
		u8 end[4];
	} source = { { CMSG_LEN(4), IPPROTO_IP, IP_SENDSRCADDR }, { 0 }, own(0x0500007f), { 0 } };
	struct msghdr m = { .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &source,
	    .msg_controllen = CMSG_SPACE(4) };
	int c = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, 0));
	CHECK_EQ(sys(SYS_bind, c, &from, sizeof(from)), 0);
	CHECK_EQ(sys(SYS_sendmsg, c, &m, 0), 1);
	CHECK_EQ(sys(SYS_recvfrom, s, &byte, 1, 0, &from, &n), 1);
	CHECK_EQ(from.sin_addr.s_addr, source.address);
}

/* A whole sockaddr_dl, with the name, and no destination unless asked. */
TEST(interface)
{
	struct answer a;
	int s = receiver();
	struct sockaddr_dl *dl;

	set(s, IPPROTO_IP, IP_RECVIF, 1);
	CHECK_EQ(get(s, IPPROTO_IP, IP_RECVIF), 1);
	CHECK_EQ(get(s, IPPROTO_IP, IP_RECVDSTADDR), 0);
	datagram(s, &a, sizeof(a.control));
	dl = message(&a, IPPROTO_IP, IP_RECVIF, 56);
	CHECK_EQ(dl->sdl_len, 56);
	CHECK_EQ(dl->sdl_family, AF_LINK);
	CHECK(dl->sdl_index > 0);
	CHECK_EQ(dl->sdl_type, IFT_LOOP);
	CHECK_EQ(dl->sdl_nlen, 3);
	CHECK_EQ(memcmp(dl->sdl_data, "lo0", 3), 0);
	message(&a, IPPROTO_IP, IP_RECVDSTADDR, -1);
	set(s, IPPROTO_IP, IP_RECVDSTADDR, 1);
	datagram(s, &a, sizeof(a.control));
	message(&a, IPPROTO_IP, IP_RECVIF, 56);
	message(&a, IPPROTO_IP, IP_RECVDSTADDR, 4);
	set(s, IPPROTO_IP, IP_RECVIF, 0);
	datagram(s, &a, sizeof(a.control));
	message(&a, IPPROTO_IP, IP_RECVIF, -1);
	message(&a, IPPROTO_IP, IP_RECVDSTADDR, 4);
	set(s, IPPROTO_IP, IP_RECVDSTADDR, 0);
	datagram(s, &a, sizeof(a.control));
	CHECK_EQ(a.length, 0);
}

TEST(original_destination)
{
	struct answer a;
	int s = receiver();
	struct sockaddr_in *in;

	CHECK_EQ(get(s, IPPROTO_IP, IP_ORIGDSTADDR), 0);
	set(s, IPPROTO_IP, IP_ORIGDSTADDR, 1);
	CHECK_EQ(get(s, IPPROTO_IP, IP_ORIGDSTADDR), 1);
	datagram(s, &a, sizeof(a.control));
	in = message(&a, IPPROTO_IP, IP_ORIGDSTADDR, sizeof(*in));
	CHECK_EQ(in->sin_len, 16);
	CHECK_EQ(in->sin_family, AF_INET);
	CHECK_EQ(in->sin_port, to.sin_port);
	CHECK_EQ(in->sin_addr.s_addr, to.sin_addr.s_addr);
}

TEST(original_destination_of_six)
{
	struct sockaddr_in6 own = { .sin6_len = 28, .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT }, *in;
	socklen_t n = sizeof(own);
	struct answer a;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = a.control, .msg_controllen = sizeof(a.control) };
	long s = sys(SYS_socket, AF_INET6, SOCK_DGRAM, 0);

	if (s < 0 || sys(SYS_bind, s, &own, sizeof(own)) != 0)
		SKIP("no IPv6 here");
	CHECK_EQ(sys(SYS_getsockname, s, &own, &n), 0);
	set((int)s, IPPROTO_IPV6, IPV6_ORIGDSTADDR, 1);
	CHECK_EQ(sys(SYS_sendto, s, "y", 1, 0, &own, sizeof(own)), 1);
	CHECK_EQ(sys(SYS_recvmsg, s, &m, 0), 1);
	a.length = m.msg_controllen;
	in = message(&a, IPPROTO_IPV6, IPV6_ORIGDSTADDR, sizeof(*in));
	CHECK_EQ(in->sin6_len, 28);
	CHECK_EQ(in->sin6_family, AF_INET6);
	CHECK_EQ(in->sin6_port, own.sin6_port);
	CHECK_EQ(memcmp(&in->sin6_addr, &own.sin6_addr, 16), 0);
}

TEST(ttl_and_tos)
{
	struct answer a;
	int s = receiver();

	set(s, IPPROTO_IP, IP_RECVTTL, 1);
	set(s, IPPROTO_IP, IP_RECVTOS, 1);
	datagram(s, &a, sizeof(a.control));
	CHECK_EQ(*(u8 *)message(&a, IPPROTO_IP, IP_RECVTTL, 1), 37);
	CHECK_EQ(*(u8 *)message(&a, IPPROTO_IP, IP_RECVTOS, 1), 0x10);
	/* What does not fit is left out, with all that follows. */
	datagram(s, &a, CMSG_SPACE(1));
	CHECK_EQ(a.length, CMSG_SPACE(1));
	CHECK_EQ(a.flags & MSG_CTRUNC, MSG_CTRUNC);
}

static void
clock_between(const struct timespec *from, const struct timespec *till, u64 seconds, u64 nanoseconds)
{
	u64 got = seconds * 1000000000 + nanoseconds;

	/* A clock that ticks, and one that is set, may be a little off. */
	CHECK_BETWEEN(got, (u64)from->tv_sec * 1000000000 + (u64)from->tv_nsec - 20000000,
	    (u64)till->tv_sec * 1000000000 + (u64)till->tv_nsec + 20000000);
}

TEST(times)
{
	static const struct {
		int clock, type, of;
	} kinds[] = { { SO_TS_REALTIME_MICRO, SCM_TIMESTAMP, CLOCK_REALTIME }, { SO_TS_BINTIME, SCM_BINTIME, CLOCK_REALTIME },
		{ SO_TS_REALTIME, SCM_REALTIME, CLOCK_REALTIME }, { SO_TS_MONOTONIC, SCM_MONOTONIC, CLOCK_MONOTONIC } };
	struct answer a;
	struct timespec before, after;

	for (int i = 0; i < 4; i++) {
		int s = receiver();
		u64 *time;

		CHECK_EQ(get(s, SOL_SOCKET, SO_TS_CLOCK), SO_TS_REALTIME_MICRO);
		set(s, SOL_SOCKET, SO_TS_CLOCK, kinds[i].clock);
		CHECK_EQ(get(s, SOL_SOCKET, SO_TS_CLOCK), kinds[i].clock);
		/* The clock alone asks for nothing. */
		CHECK_EQ(get(s, SOL_SOCKET, SO_TIMESTAMP), 0);
		datagram(s, &a, sizeof(a.control));
		CHECK_EQ(a.length, 0);
		set(s, SOL_SOCKET, SO_TIMESTAMP, 1);
		CHECK_EQ(get(s, SOL_SOCKET, SO_TIMESTAMP), SO_TIMESTAMP);
		CHECK_EQ(get(s, SOL_SOCKET, SO_BINTIME), 0);
		CHECK_EQ(get(s, SOL_SOCKET, SO_TS_CLOCK), kinds[i].clock);
		CHECK_EQ(sys(SYS_clock_gettime, kinds[i].of, &before), 0);
		datagram(s, &a, sizeof(a.control));
		CHECK_EQ(sys(SYS_clock_gettime, kinds[i].of, &after), 0);
		time = message(&a, SOL_SOCKET, kinds[i].type, 16);
		CHECK_EQ(a.length, CMSG_SPACE(16));
		if (kinds[i].type == SCM_TIMESTAMP)
			clock_between(&before, &after, time[0], time[1] * 1000);
		else if (kinds[i].type == SCM_BINTIME)
			clock_between(&before, &after, time[0], (time[1] >> 32) * 1000000000 >> 32);
		else
			clock_between(&before, &after, time[0], time[1]);
		set(s, SOL_SOCKET, SO_TIMESTAMP, 0);
		CHECK_EQ(get(s, SOL_SOCKET, SO_TIMESTAMP), 0);
		datagram(s, &a, sizeof(a.control));
		CHECK_EQ(a.length, 0);
	}
	int s = receiver(), bad = 4;
	CHECK_ERR(sys(SYS_setsockopt, s, SOL_SOCKET, SO_TS_CLOCK, &bad, sizeof(bad)), EINVAL);
	bad = -1;
	CHECK_ERR(sys(SYS_setsockopt, s, SOL_SOCKET, SO_TS_CLOCK, &bad, sizeof(bad)), EINVAL);
}

/* SO_BINTIME is one more, whatever the clock. */
TEST(bintime)
{
	struct answer a;
	int s = receiver();
	u64 *binary, *time;

	set(s, SOL_SOCKET, SO_BINTIME, 1);
	CHECK_EQ(get(s, SOL_SOCKET, SO_BINTIME), SO_BINTIME);
	CHECK_EQ(get(s, SOL_SOCKET, SO_TIMESTAMP), 0);
	datagram(s, &a, sizeof(a.control));
	message(&a, SOL_SOCKET, SCM_BINTIME, 16);
	message(&a, SOL_SOCKET, SCM_TIMESTAMP, -1);
	set(s, SOL_SOCKET, SO_TIMESTAMP, 1);
	CHECK_EQ(get(s, SOL_SOCKET, SO_TIMESTAMP), SO_TIMESTAMP);
	datagram(s, &a, sizeof(a.control));
	binary = message(&a, SOL_SOCKET, SCM_BINTIME, 16);
	time = message(&a, SOL_SOCKET, SCM_TIMESTAMP, 16);
	CHECK_EQ(binary[0], time[0]);
	CHECK_BETWEEN((binary[1] >> 32) * 1000000 >> 32, time[1] - 5000, time[1] + 5000);	/* taken one after the other */
	set(s, SOL_SOCKET, SO_TS_CLOCK, SO_TS_MONOTONIC);
	datagram(s, &a, sizeof(a.control));
	message(&a, SOL_SOCKET, SCM_BINTIME, 16);
	message(&a, SOL_SOCKET, SCM_MONOTONIC, 16);
	set(s, SOL_SOCKET, SO_BINTIME, 0);
	CHECK_EQ(get(s, SOL_SOCKET, SO_BINTIME), 0);
	CHECK_EQ(get(s, SOL_SOCKET, SO_TIMESTAMP), SO_TIMESTAMP);
	datagram(s, &a, sizeof(a.control));
	message(&a, SOL_SOCKET, SCM_BINTIME, -1);
	message(&a, SOL_SOCKET, SCM_MONOTONIC, 16);
}

/* TCP keeps the option and tells no times. */
TEST(stream)
{
	struct sockaddr_in a = { .sin_len = 16, .sin_family = AF_INET, .sin_addr = { 0x0100007f } };
	socklen_t n = sizeof(a);
	int l = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0)), c, s;
	u8 control[256], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };

	set(l, SOL_SOCKET, SO_TIMESTAMP, 1);
	set(l, SOL_SOCKET, SO_TS_CLOCK, SO_TS_REALTIME);
	CHECK_EQ(sys(SYS_bind, l, &a, sizeof(a)), 0);
	CHECK_EQ(sys(SYS_listen, l, 1), 0);
	CHECK_EQ(sys(SYS_getsockname, l, &a, &n), 0);
	c = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));
	CHECK_EQ(sys(SYS_connect, c, &a, sizeof(a)), 0);
	s = (int)CHECK_OK(sys(SYS_accept, l, NULL, NULL));
	/* What is accepted has not the listener's clock, and since 15 none of the option, either (solisten_clone, sonewconn). */
	CHECK_EQ(get(s, SOL_SOCKET, SO_TIMESTAMP), GUEST_RELEASE < 15 ? SO_TIMESTAMP : 0);
	CHECK_EQ(get(s, SOL_SOCKET, SO_TS_CLOCK), SO_TS_REALTIME_MICRO);
	CHECK_EQ(sys(SYS_sendto, c, "y", 1, 0, NULL, 0), 1);
	CHECK_EQ(sys(SYS_recvmsg, s, &m, 0), 1);
	CHECK_EQ(m.msg_controllen, 0);
}
