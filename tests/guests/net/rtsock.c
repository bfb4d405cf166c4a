/* Routing sockets: RTM_GET, and what changes. FreeBSD's sys/net/rtsock.c (rts_attach, rts_send), route(4). */
#include "guest.h"
#include <sys/poll.h>
#include <sys/socket.h>
#include <sys/sockio.h>
#include <net/if.h>
#include <net/if_dl.h>
#include <net/route.h>
#include <netinet/in.h>

#define LOOPBACK 0x0100007f
#define SIZE(sa) ((sa)->sa_len ? ((sa)->sa_len + 7) & ~7 : 8)

struct request {
	struct rt_msghdr head;
	union {
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		u8 room[128];
	};
};

static u8 answer[4096];

/* The address of a message for this bit, or NULL. */
static struct sockaddr *
address(struct rt_msghdr *m, int which)
{
	u8 *at = (u8 *)(m + 1);

	for (int bit = 1; bit < 1 << RTAX_MAX; bit <<= 1) {
		if (!(m->rtm_addrs & bit))
			continue;
		if (bit == which)
			return ((struct sockaddr *)at);
		at += SIZE((struct sockaddr *)at);
		CHECK(at <= (u8 *)m + m->rtm_msglen);
	}
	return (NULL);
}

static void
question(struct request *q, u32 to)
{
	memset(q, 0, sizeof(*q));
	q->head.rtm_version = RTM_VERSION;
	q->head.rtm_type = RTM_GET;
	q->head.rtm_seq = 77;
	q->head.rtm_addrs = RTA_DST | RTA_IFP;		/* as route(8) asks */
	q->in = (struct sockaddr_in){ .sin_len = 16, .sin_family = AF_INET, .sin_addr = { to } };
	((struct sockaddr_dl *)(q->room + 16))->sdl_len = sizeof(struct sockaddr_dl);
	((struct sockaddr_dl *)(q->room + 16))->sdl_family = AF_LINK;
	q->head.rtm_msglen = sizeof(q->head) + 16 + 56;
}

TEST(get)
{
	int s = (int)CHECK_OK(sys(SYS_socket, PF_ROUTE, SOCK_RAW, 0));
	struct request q;
	struct rt_msghdr *m = (struct rt_msghdr *)answer;
	struct sockaddr from;
	socklen_t n = sizeof(from);

	question(&q, LOOPBACK);
	CHECK_EQ(sys(SYS_write, s, &q, q.head.rtm_msglen), q.head.rtm_msglen);
	struct pollfd p = { .fd = s, .events = POLLIN };
	CHECK_EQ(sys(SYS_poll, &p, 1, 2000), 1);
	CHECK_EQ(sys(SYS_read, s, answer, sizeof(answer)), m->rtm_msglen);
	CHECK_EQ(m->rtm_version, RTM_VERSION);
	CHECK_EQ(m->rtm_type, RTM_GET);
	CHECK_EQ(m->rtm_seq, 77);
	CHECK_EQ(m->rtm_pid, sys(SYS_getpid));
	CHECK_EQ(m->rtm_errno, 0);
	CHECK_EQ(m->rtm_flags & (RTF_UP | RTF_DONE | RTF_HOST | RTF_GATEWAY), RTF_UP | RTF_DONE | RTF_HOST);
	CHECK(m->rtm_index > 0);
	CHECK(m->rtm_rmx.rmx_mtu > 1000);
	CHECK_EQ(((struct sockaddr_in *)address(m, RTA_DST))->sin_addr.s_addr, LOOPBACK);
	CHECK_EQ(address(m, RTA_GATEWAY)->sa_family, AF_LINK);
	struct sockaddr_dl *dl = (struct sockaddr_dl *)address(m, RTA_IFP);
	CHECK(dl != NULL);
	CHECK_EQ(dl->sdl_family, AF_LINK);
	CHECK_EQ(dl->sdl_index, m->rtm_index);
	CHECK_EQ(dl->sdl_nlen, 3);
	CHECK_EQ(memcmp(dl->sdl_data, "lo0", 3), 0);
	/* By the calls of sockets, too; the interface is told to who asks for it on FreeBSD, to everybody on LSF. */
	q.head.rtm_seq = 78;
	q.head.rtm_addrs = RTA_DST;
	q.head.rtm_msglen = sizeof(q.head) + 16;
	CHECK_EQ(sys(SYS_sendto, s, &q, q.head.rtm_msglen, 0, NULL, 0), q.head.rtm_msglen);
	CHECK_EQ(sys(SYS_recvfrom, s, answer, sizeof(answer), 0, &from, &n), m->rtm_msglen);
	CHECK_EQ(m->rtm_seq, 78);
	CHECK_EQ(n, 2);
	CHECK_EQ(from.sa_len, 2);
	CHECK_EQ(from.sa_family, PF_ROUTE);
	CHECK_ERR(sys(SYS_recvfrom, s, answer, sizeof(answer), MSG_DONTWAIT, NULL, NULL), EAGAIN);
}

TEST(get_of_six)
{
	int s = (int)CHECK_OK(sys(SYS_socket, PF_ROUTE, SOCK_RAW, AF_INET6));
	struct request q;
	struct rt_msghdr *m = (struct rt_msghdr *)answer;

	question(&q, 0);
	q.in6 = (struct sockaddr_in6){ .sin6_len = 28, .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	q.head.rtm_addrs = RTA_DST;
	q.head.rtm_msglen = sizeof(q.head) + 32;
	long ret = sys(SYS_write, s, &q, q.head.rtm_msglen);
	if (ret == -ESRCH || ret == -ENETUNREACH)
		SKIP("no IPv6 here");
	CHECK_EQ(ret, q.head.rtm_msglen);
	CHECK_EQ(sys(SYS_read, s, answer, sizeof(answer)), m->rtm_msglen);
	CHECK_EQ(m->rtm_type, RTM_GET);
	CHECK_EQ(address(m, RTA_DST)->sa_family, AF_INET6);
	CHECK_EQ(memcmp(&((struct sockaddr_in6 *)address(m, RTA_DST))->sin6_addr, &q.in6.sin6_addr, 16), 0);
}

TEST(refused)
{
	int s = (int)CHECK_OK(sys(SYS_socket, PF_ROUTE, SOCK_RAW | SOCK_NONBLOCK, 0)), value = 0;
	struct request q;
	socklen_t n = sizeof(value);

	CHECK_ERR(sys(SYS_socket, PF_ROUTE, SOCK_STREAM, 0), EPROTOTYPE);
	CHECK_EQ(sys(SYS_getsockopt, s, SOL_SOCKET, SO_USELOOPBACK, &value, &n), 0);
	CHECK_EQ(value, SO_USELOOPBACK);
	question(&q, LOOPBACK);
	q.head.rtm_version = 3;
	CHECK_ERR(sys(SYS_write, s, &q, q.head.rtm_msglen), EPROTONOSUPPORT);
	q.head.rtm_version = RTM_VERSION;
	CHECK_ERR(sys(SYS_write, s, &q, q.head.rtm_msglen - 1), EINVAL);
	CHECK_ERR(sys(SYS_write, s, &q, 10), EINVAL);
	q.head.rtm_addrs = 0;
	CHECK_ERR(sys(SYS_write, s, &q, q.head.rtm_msglen), EINVAL);
	q.head.rtm_addrs = RTA_DST;
	q.in.sin_family = AF_UNIX;
	CHECK_ERR(sys(SYS_write, s, &q, q.head.rtm_msglen), EAFNOSUPPORT);
	/* A prefix that no route has. */
	question(&q, LOOPBACK);
	q.head.rtm_addrs = RTA_DST | RTA_NETMASK;
	((struct sockaddr_in *)(q.room + 16))->sin_len = 16;
	((struct sockaddr_in *)(q.room + 16))->sin_family = AF_INET;
	((struct sockaddr_in *)(q.room + 16))->sin_addr.s_addr = 0xf0ffffff;
	q.head.rtm_msglen = sizeof(q.head) + 32;
	CHECK_ERR(sys(SYS_write, s, &q, q.head.rtm_msglen), ESRCH);
	/* FreeBSD sends the question back, too. */
	while (sys(SYS_read, s, answer, sizeof(answer)) > 0)
		CHECK_EQ(((struct rt_msghdr *)answer)->rtm_type, RTM_GET);
}

/* judge: policy, LSF changes no routes: by a user FreeBSD does not, either */
TEST(nothing_is_changed)
{
	int s = (int)CHECK_OK(sys(SYS_socket, PF_ROUTE, SOCK_RAW | SOCK_NONBLOCK, 0));
	struct request q;

	question(&q, LOOPBACK);
	q.head.rtm_type = RTM_ADD;
	CHECK_ERR(sys(SYS_write, s, &q, q.head.rtm_msglen), sys(SYS_geteuid) == 0 ? EOPNOTSUPP : EPERM);
	CHECK_ERR(sys(SYS_read, s, answer, sizeof(answer)), EAGAIN);
}

/* judge: own, random bytes, at some of which a kernel stops (15.0) */
TEST(garbage)
{
	int s = (int)CHECK_OK(sys(SYS_socket, PF_ROUTE, SOCK_RAW | SOCK_NONBLOCK, 0));
	static u8 bytes[600];
	u64 seed = 88172645463325252UL;

	for (int i = 0; i < 2000; i++) {
		for (u64 k = 0; k < sizeof(bytes); k++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			bytes[k] = (u8)seed;
		}
		struct rt_msghdr *m = (struct rt_msghdr *)bytes;
		m->rtm_msglen = (u16)(i % 600);
		m->rtm_version = RTM_VERSION;
		m->rtm_type = RTM_GET;
		if (i & 1)
			m->rtm_addrs = i & 0xff;
		if (i & 2)
			bytes[sizeof(*m)] = 16, bytes[sizeof(*m) + 1] = i & 4 ? AF_INET : AF_INET6;
		long ret = sys(SYS_write, s, bytes, (u64)(i % 600));
		CHECK(ret == i % 600 || (ret < 0 && ret > -100));
		while (sys(SYS_read, s, answer, sizeof(answer)) > 0)
			;
	}
}

/* What changes: in a network of one's own, where the loopback comes up. */
HELPER(told)
{
	int s = (int)CHECK_OK(sys(SYS_socket, PF_ROUTE, SOCK_RAW | SOCK_NONBLOCK, 0)), link = 0, new = 0, route = 0;
	int d = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, 0));
	struct ifreq r;
	struct rt_msghdr *m = (struct rt_msghdr *)answer;

	memset(&r, 0, sizeof(r));
	memcpy(r.ifr_name, "lo0", 4);
	CHECK_EQ(sys(SYS_ioctl, d, SIOCGIFFLAGS, &r), 0);
	if (r.ifr_flags & IFF_UP)
		SKIP("the loopback is up, as it is outside of a network of its own");
	r.ifr_flags |= IFF_UP;
	CHECK_EQ(sys(SYS_ioctl, d, SIOCSIFFLAGS, &r), 0);
	struct pollfd p = { .fd = s, .events = POLLIN };
	while ((!link || !new || !route) && sys(SYS_poll, &p, 1, 5000) == 1) {
		long n = sys(SYS_read, s, answer, sizeof(answer));

		if (n == -EAGAIN)
			continue;	/* of something that has no counterpart */
		CHECK_EQ(n, m->rtm_msglen);
		CHECK_EQ(m->rtm_version, RTM_VERSION);
		if (m->rtm_type == RTM_IFINFO) {
			CHECK_EQ(((struct if_msghdr *)m)->ifm_addrs, 0);
			link += ((struct if_msghdr *)m)->ifm_flags & IFF_UP ? 1 : 0;
		} else if (m->rtm_type == RTM_NEWADDR) {
			struct ifa_msghdr *a = (struct ifa_msghdr *)m;
			u8 *at = (u8 *)(a + 1);

			CHECK_EQ(a->ifam_addrs & (RTA_NETMASK | RTA_IFP | RTA_IFA), RTA_NETMASK | RTA_IFP | RTA_IFA);
			at += SIZE((struct sockaddr *)at);
			CHECK_EQ(memcmp(((struct sockaddr_dl *)at)->sdl_data, "lo0", 3), 0);
			at += SIZE((struct sockaddr *)at);
			new += ((struct sockaddr_in *)at)->sin_addr.s_addr == LOOPBACK;
		} else {
			CHECK_EQ(m->rtm_type, RTM_ADD);
			CHECK_EQ(m->rtm_flags & (RTF_UP | RTF_DONE), RTF_UP | RTF_DONE);
			route += address(m, RTA_DST)->sa_family == AF_INET;
		}
	}
	CHECK(link > 0);
	CHECK(new > 0);
	CHECK(route > 0);
}

/* A socket that another image made. */
HELPER(inherited)
{
	struct rt_msghdr *m = (struct rt_msghdr *)answer;
	struct request q;

	question(&q, LOOPBACK);
	CHECK_EQ(sys(SYS_write, 20, &q, q.head.rtm_msglen), q.head.rtm_msglen);
	CHECK_EQ(sys(SYS_read, 20, answer, sizeof(answer)), m->rtm_msglen);
	CHECK_EQ(m->rtm_type, RTM_GET);
	CHECK_EQ(m->rtm_seq, 77);
	guest_exit(0);
}

TEST(over_exec)
{
	char *const argv[] = { guest_argv[0], "@inherited", NULL };
	int pid;

	CHECK_EQ(sys(SYS_dup2, CHECK_OK(sys(SYS_socket, PF_ROUTE, SOCK_RAW, 0)), 20), 20);
	if ((pid = guest_fork()) == 0) {
		sys(SYS_execve, guest_argv[0], argv, guest_envp);
		guest_exit(3);
	}
	CHECK_EQ(guest_wait(pid), 0);
}
