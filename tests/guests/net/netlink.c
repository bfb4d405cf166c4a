/*
 * Netlink: interfaces, addresses, routes and neighbours, asked for and told of. FreeBSD's sys/netlink/netlink_domain.c, netlink_io.c,
 * netlink/route/{iface,rt,neigh}.c; netlink(4), rtnetlink(4).
 */
#include "guest.h"
#include <sys/poll.h>
#include <sys/socket.h>
#include <sys/sockio.h>
#include <sys/uio.h>
#include <net/if.h>
#include <net/if_types.h>
#include <netinet/in.h>
#include <netlink/netlink.h>
#include <netlink/netlink_route.h>

#define LOOPBACK 0x0100007f
#define FREEBSD_RTF_UP 1	/* <net/route.h> and netlink's headers exclude each other */
#define FREEBSD_RTF_HOST 4

static u8 answer[65536];
static int length, at;

static int
netlink(int type)
{
	return ((int)CHECK_OK(sys(SYS_socket, AF_NETLINK, type, NETLINK_ROUTE)));
}

struct question {
	struct nlmsghdr head;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg address;
		struct rtmsg route;
		struct ndmsg neighbour;
	};
	struct {
		struct nlattr head;
		u8 data[16];
	} attribute;
};

static u32 sequence = 100;

/* Sends a question with a body of this size; with an attribute where `type` is not 0. */
static void
ask(int s, struct question *q, int message, int flags, u32 body, int type, const void *data, u32 size)
{
	q->head.nlmsg_len = (u32)sizeof(q->head) + body;
	q->head.nlmsg_type = (u16)message;
	q->head.nlmsg_flags = (u16)(NLM_F_REQUEST | flags);
	q->head.nlmsg_seq = ++sequence;
	q->head.nlmsg_pid = 0;
	if (type != 0) {
		struct nlattr *a = (struct nlattr *)((u8 *)&q->head + q->head.nlmsg_len);

		a->nla_len = (u16)(4 + size);
		a->nla_type = (u16)type;
		memcpy(a + 1, data, size);
		q->head.nlmsg_len += NLA_ALIGN(4 + size);
	}
	CHECK_EQ(sys(SYS_sendto, s, q, q->head.nlmsg_len, 0, NULL, 0), q->head.nlmsg_len);
	length = at = 0;
}

/* The next message of an answer. */
static struct nlmsghdr *
next(int s)
{
	struct nlmsghdr *m;

	if (at >= length) {
		struct pollfd p = { .fd = s, .events = POLLIN };	/* it comes when it comes */
		CHECK_EQ(sys(SYS_poll, &p, 1, 5000), 1);
		length = (int)CHECK_OK(sys(SYS_recvfrom, s, answer, sizeof(answer), 0, NULL, NULL));
		at = 0;
	}
	m = (struct nlmsghdr *)(answer + at);
	CHECK(m->nlmsg_len >= sizeof(*m) && at + (int)m->nlmsg_len <= length);
	at += (int)NLMSG_ALIGN(m->nlmsg_len);
	return (m);
}

/* The data of an attribute behind a body of this size, or NULL; *size gets how much it is. */
static void *
attribute(struct nlmsghdr *m, u32 body, int type, int *size)
{
	u8 *end = (u8 *)m + m->nlmsg_len;

	for (u8 *p = (u8 *)(m + 1) + body; p + 4 <= end;) {
		struct nlattr *a = (struct nlattr *)p;

		CHECK(a->nla_len >= 4 && p + a->nla_len <= end);
		if ((a->nla_type & NLA_TYPE_MASK) == type) {
			*size = a->nla_len - 4;
			return (a + 1);
		}
		p += NLA_ALIGN(a->nla_len);
	}
	return (NULL);
}

/* Of an attribute that must be there with this size. */
static void *
given(struct nlmsghdr *m, u32 body, int type, int size)
{
	int got = -1;
	void *data = attribute(m, body, type, &got);

	CHECK(data != NULL);
	CHECK_EQ(got, size);
	return (data);
}

static void
loopback_link(struct nlmsghdr *m)
{
	struct ifinfomsg *i = (struct ifinfomsg *)(m + 1);

	CHECK_EQ(m->nlmsg_type, RTM_NEWLINK);
	CHECK_EQ(i->ifi_family, AF_UNSPEC);
	CHECK_EQ(i->ifi_type, IFT_LOOP);
	CHECK_EQ(i->ifi_flags & IFF_LOOPBACK, IFF_LOOPBACK);
	CHECK_EQ(memcmp(given(m, sizeof(*i), IFLA_IFNAME, 4), "lo0", 4), 0);
	CHECK(*(u32 *)given(m, sizeof(*i), IFLA_MTU, 4) > 1000);
	CHECK_EQ(*(u8 *)given(m, sizeof(*i), IFLA_OPERSTATE, 1), i->ifi_flags & IFF_UP ? IF_OPER_UP : IF_OPER_DOWN);
	CHECK_EQ((i->ifi_flags & IFF_LOWER_UP) != 0, (i->ifi_flags & IFF_UP) != 0);
	given(m, sizeof(*i), IFLA_STATS64, sizeof(struct rtnl_link_stats64));
}

TEST(links)
{
	int s = netlink(SOCK_RAW), found = 0, index = 0;
	struct question q;
	struct nlmsghdr *m;

	/* Who names none gets all, whether it says NLM_F_DUMP or not. */
	for (int flags = 0; flags <= NLM_F_DUMP; flags += NLM_F_DUMP) {
		memset(&q, 0, sizeof(q));
		ask(s, &q, RTM_GETLINK, flags, sizeof(q.link), 0, NULL, 0);
		for (found = 0; (m = next(s))->nlmsg_type != NLMSG_DONE;) {
			CHECK_EQ(m->nlmsg_type, RTM_NEWLINK);
			CHECK_EQ(m->nlmsg_flags & NLM_F_MULTI, NLM_F_MULTI);
			CHECK_EQ(m->nlmsg_seq, sequence);
			if (((struct ifinfomsg *)(m + 1))->ifi_type == IFT_LOOP) {
				loopback_link(m);
				index = ((struct ifinfomsg *)(m + 1))->ifi_index;
				found++;
			}
		}
		CHECK_EQ(*(int *)(m + 1), 0);
		CHECK_EQ(found, 1);
	}
	/* One, by name or number. */
	memset(&q, 0, sizeof(q));
	ask(s, &q, RTM_GETLINK, NLM_F_DUMP, sizeof(q.link), IFLA_IFNAME, "lo0", 4);
	m = next(s);
	loopback_link(m);
	CHECK_EQ(m->nlmsg_flags & NLM_F_MULTI, 0);
	memset(&q, 0, sizeof(q));
	q.link.ifi_index = index;
	ask(s, &q, RTM_GETLINK, NLM_F_ACK, sizeof(q.link), 0, NULL, 0);
	loopback_link(next(s));
	m = next(s);
	CHECK_EQ(m->nlmsg_type, NLMSG_ERROR);
	CHECK_EQ(((struct nlmsgerr *)(m + 1))->error, 0);
	CHECK_EQ(((struct nlmsgerr *)(m + 1))->msg.nlmsg_type, RTM_GETLINK);
	/* Linux's name is nobody's. Errors are positive. */
	memset(&q, 0, sizeof(q));
	ask(s, &q, RTM_GETLINK, 0, sizeof(q.link), IFLA_IFNAME, "lo", 3);
	m = next(s);
	CHECK_EQ(m->nlmsg_type, NLMSG_ERROR);
	CHECK_EQ(((struct nlmsgerr *)(m + 1))->error, ENODEV);
	CHECK_EQ(((struct nlmsgerr *)(m + 1))->msg.nlmsg_seq, sequence);
}

TEST(addresses)
{
	int s = netlink(SOCK_DGRAM), found = 0, index = 0;
	struct question q;
	struct nlmsghdr *m;

	for (int pass = 0; pass < 3; pass++) {
		memset(&q, 0, sizeof(q));
		q.address.ifa_family = pass == 1 ? AF_INET : 0;
		q.address.ifa_index = pass == 2 ? (u32)index : 0;
		ask(s, &q, RTM_GETADDR, NLM_F_DUMP, sizeof(q.address), 0, NULL, 0);
		for (found = 0; (m = next(s))->nlmsg_type != NLMSG_DONE;) {
			struct ifaddrmsg *i = (struct ifaddrmsg *)(m + 1);
			int size = i->ifa_family == AF_INET ? 4 : 16;

			CHECK_EQ(m->nlmsg_type, RTM_NEWADDR);
			CHECK(i->ifa_family == AF_INET || (i->ifa_family == AF_INET6 && pass != 1));
			given(m, sizeof(*i), IFA_ADDRESS, size);
			if (pass == 2)
				CHECK_EQ(i->ifa_index, index);
			if (i->ifa_family == AF_INET && *(u32 *)given(m, sizeof(*i), IFA_LOCAL, 4) == LOOPBACK) {
				CHECK_EQ(i->ifa_prefixlen, 8);
				CHECK_EQ(i->ifa_scope, RT_SCOPE_HOST);
				CHECK_EQ(memcmp(given(m, sizeof(*i), IFA_LABEL, 4), "lo0", 4), 0);
				CHECK_EQ(*(u32 *)given(m, sizeof(*i), IFA_FLAGS, 4), 0);
				index = (int)i->ifa_index;
				found = 1;
			}
		}
		CHECK_EQ(found, 1);
	}
}

TEST(routes)
{
	int s = netlink(SOCK_RAW), found = 0, size = 0;
	struct question q;
	struct nlmsghdr *m;
	u32 own = LOOPBACK;

	memset(&q, 0, sizeof(q));
	ask(s, &q, RTM_GETROUTE, NLM_F_DUMP, sizeof(q.route), 0, NULL, 0);
	while ((m = next(s))->nlmsg_type != NLMSG_DONE) {
		struct rtmsg *r = (struct rtmsg *)(m + 1);

		CHECK_EQ(m->nlmsg_type, RTM_NEWROUTE);
		CHECK(r->rtm_family == AF_INET || r->rtm_family == AF_INET6);
		CHECK_EQ(r->rtm_table, 0);
		CHECK_EQ(*(u32 *)given(m, sizeof(*r), RTA_TABLE, 4), 0);
		CHECK_EQ(*(u32 *)given(m, sizeof(*r), NL_RTA_RTFLAGS, 4) & FREEBSD_RTF_UP, 0);	/* netstat(1) adds it */
		if (r->rtm_family == AF_INET && *(u32 *)given(m, sizeof(*r), RTA_DST, 4) == LOOPBACK) {
			CHECK_EQ(r->rtm_dst_len, 32);
			CHECK_EQ(*(u32 *)given(m, sizeof(*r), NL_RTA_RTFLAGS, 4) & FREEBSD_RTF_HOST, FREEBSD_RTF_HOST);
			CHECK(*(u32 *)given(m, sizeof(*r), RTA_OIF, 4) > 0);
			found = 1;
		}
	}
	CHECK(found);
	/* The one that leads to an address. */
	memset(&q, 0, sizeof(q));
	q.route.rtm_family = AF_INET;
	q.route.rtm_dst_len = 32;
	ask(s, &q, RTM_GETROUTE, 0, sizeof(q.route), RTA_DST, &own, 4);
	m = next(s);
	CHECK_EQ(m->nlmsg_type, RTM_NEWROUTE);
	CHECK_EQ(m->nlmsg_flags & NLM_F_MULTI, 0);
	CHECK_EQ(*(u32 *)given(m, sizeof(struct rtmsg), RTA_DST, 4), LOOPBACK);
	CHECK(attribute(m, sizeof(struct rtmsg), RTA_GATEWAY, &size) == NULL);
	/* None asked for. */
	memset(&q, 0, sizeof(q));
	q.route.rtm_family = AF_INET;
	ask(s, &q, RTM_GETROUTE, 0, sizeof(q.route), 0, NULL, 0);
	m = next(s);
	CHECK_EQ(m->nlmsg_type, NLMSG_ERROR);
	CHECK_EQ(((struct nlmsgerr *)(m + 1))->error, EINVAL);
}

TEST(neighbours)
{
	int s = netlink(SOCK_RAW);
	struct question q;
	struct nlmsghdr *m;

	u32 nobody = 0x0300007f;

	memset(&q, 0, sizeof(q));
	q.neighbour.ndm_family = AF_INET;
	q.neighbour.ndm_ifindex = 1;
	ask(s, &q, RTM_GETNEIGH, 0, sizeof(q.neighbour), NDA_DST, &nobody, 4);
	m = next(s);
	CHECK_EQ(m->nlmsg_type, NLMSG_ERROR);
	CHECK_EQ(((struct nlmsgerr *)(m + 1))->error, ESRCH);
	/* Who names none gets all, whether it says NLM_F_DUMP or not. */
	memset(&q, 0, sizeof(q));
	ask(s, &q, RTM_GETNEIGH, 0, sizeof(q.neighbour), 0, NULL, 0);
	while ((m = next(s))->nlmsg_type != NLMSG_DONE) {
		struct ndmsg *n = (struct ndmsg *)(m + 1);

		CHECK_EQ(m->nlmsg_type, RTM_NEWNEIGH);
		CHECK(n->ndm_family == AF_INET || n->ndm_family == AF_INET6);
		CHECK(n->ndm_ifindex > 0);
		CHECK_EQ(n->ndm_state & ~0x1f, 0);
		given(m, sizeof(*n), NDA_DST, n->ndm_family == AF_INET ? 4 : 16);
	}
}

/* Every way to send and to take a message; addresses; several questions at once. */
TEST(ways)
{
	struct sockaddr_nl name = { .nl_len = 7 };
	socklen_t n = sizeof(name);
	struct question q[2];
	struct iovec out[3] = { { q, 20 }, { (u8 *)q + 20, 12 }, { &q[1], 32 } }, in[2] = { { answer, 100 }, { answer + 100, 60000 } };
	struct msghdr m = { .msg_iov = out, .msg_iovlen = 3 };
	int s = netlink(SOCK_RAW);

	memset(q, 0, sizeof(q));
	for (int i = 0; i < 2; i++) {
		q[i].head = (struct nlmsghdr){ 32, RTM_GETLINK, NLM_F_REQUEST, 7 + (u32)i, 0 };
		q[i].link.ifi_index = 1;
	}
	for (int way = 0; way < 6; way++) {
		u32 first = 7;

		if (way == 0)
			CHECK_EQ(sys(SYS_write, s, q, 32), 32);
		else if (way == 1)
			CHECK_EQ(sys(SYS_writev, s, out, 2), 32);
		else
			CHECK_EQ(sys(SYS_sendmsg, s, &m, 0), 64);
		struct pollfd p = { .fd = s, .events = POLLIN };
		CHECK_EQ(sys(SYS_poll, &p, 1, 2000), 1);
		CHECK_EQ(sys(SYS_recvfrom, s, answer, 16, MSG_PEEK, NULL, NULL), 16);
		CHECK_EQ(((struct nlmsghdr *)answer)->nlmsg_seq, 7);
		for (u32 end = way < 2 ? 8 : 9; first < end;) {
			struct msghdr got = { .msg_name = &name, .msg_namelen = sizeof(name), .msg_iov = in, .msg_iovlen = 2 };
			long size = way == 0 ? sys(SYS_read, s, answer, 60000) : way == 1 ? sys(SYS_readv, s, in, 2) :
			    way == 2 ? sys(SYS_recvfrom, s, answer, 60000, 0, &name, &n) : sys(SYS_recvmsg, s, &got, 0);

			CHECK(size > 100);
			/* FreeBSD answers questions that came together together. */
			for (long from = 0; from < size; from += NLMSG_ALIGN(((struct nlmsghdr *)(answer + from))->nlmsg_len), first++) {
				loopback_link((struct nlmsghdr *)(answer + from));
				CHECK_EQ(((struct nlmsghdr *)(answer + from))->nlmsg_seq, first);
			}
			if (way >= 2) {
				CHECK_EQ(name.nl_len, sizeof(name));
				CHECK_EQ(name.nl_family, AF_NETLINK);
				CHECK_EQ(name.nl_pid, 0);
			}
		}
		CHECK_ERR(sys(SYS_recvfrom, s, answer, 60000, MSG_DONTWAIT, NULL, NULL), EAGAIN);
	}
	/* What does not fit is lost, and told. */
	CHECK_EQ(sys(SYS_write, s, q, 32), 32);
	in[0].iov_len = 40;
	struct msghdr cut = { .msg_iov = in, .msg_iovlen = 1 };
	CHECK_EQ(sys(SYS_recvmsg, s, &cut, 0), 40);
	CHECK_EQ(cut.msg_flags & MSG_TRUNC, MSG_TRUNC);
	CHECK_ERR(sys(SYS_recvfrom, s, answer, 60000, MSG_DONTWAIT, NULL, NULL), EAGAIN);
	n = sizeof(name);
	CHECK_EQ(sys(SYS_getsockname, s, &name, &n), 0);
	CHECK_EQ(n, sizeof(name));
	CHECK_EQ(name.nl_family, AF_NETLINK);
	CHECK_EQ(name.nl_len, sizeof(name));
	/* A copy of the descriptor is the same socket; a file is none. */
	int copy = (int)CHECK_OK(sys(SYS_dup, s)), file = (int)CHECK_OK(sys(SYS_open, "/", O_RDONLY));
	CHECK_EQ(sys(SYS_write, copy, q, 32), 32);
	CHECK(sys(SYS_read, copy, answer, 60000) > 100);
	loopback_link((struct nlmsghdr *)answer);
	CHECK_ERR(sys(SYS_read, file, answer, 10), EISDIR);
	CHECK_ERR(sys(SYS_write, s, (void *)8, 32), EFAULT);
	CHECK_EQ(sys(SYS_write, s, q, 32), 32);
	CHECK_ERR(sys(SYS_read, s, (void *)8, 60000), EFAULT);
	CHECK_ERR(sys(SYS_write, s, q, 8), ENOBUFS);
	/* A child has it as well. */
	long pid = sys(SYS_fork);
	if (pid == 0) {
		CHECK_EQ(sys(SYS_write, s, q, 32), 32);
		CHECK(sys(SYS_read, s, answer, 60000) > 100);
		loopback_link((struct nlmsghdr *)answer);
		sys(SYS_exit, 0);
	}
	CHECK_EQ(guest_wait(pid), 0);
}

TEST(refused)
{
	int s = netlink(SOCK_RAW | SOCK_NONBLOCK), value = 1;
	socklen_t n = sizeof(value);

	CHECK_ERR(sys(SYS_socket, AF_NETLINK, SOCK_STREAM, NETLINK_ROUTE), EPROTOTYPE);
	CHECK_ERR(sys(SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_AUDIT), EPROTONOSUPPORT);
	CHECK_ERR(sys(SYS_socket, AF_NETLINK, SOCK_RAW, 9999), EINVAL);
	CHECK_EQ(sys(SYS_setsockopt, s, SOL_NETLINK, NETLINK_EXT_ACK, &value, sizeof(value)), 0);
	CHECK_EQ(sys(SYS_getsockopt, s, SOL_NETLINK, NETLINK_EXT_ACK, &value, &n), 0);
	CHECK_EQ(value, 1);
	CHECK_EQ(sys(SYS_setsockopt, s, SOL_NETLINK, NETLINK_CAP_ACK, &value, sizeof(value)), 0);
	value = RTNLGRP_IPV4_ROUTE;
	CHECK_EQ(sys(SYS_setsockopt, s, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &value, sizeof(value)), 0);
	CHECK_EQ(sys(SYS_getsockopt, s, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, &value, &n), 0);
	CHECK_EQ(value, 1 << (RTNLGRP_IPV4_ROUTE - 1));
	value = 0;
	CHECK_ERR(sys(SYS_setsockopt, s, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &value, sizeof(value)), ERANGE);
	CHECK_ERR(sys(SYS_setsockopt, s, SOL_NETLINK, NETLINK_RX_RING, &value, sizeof(value)), ENOPROTOOPT);
	CHECK_ERR(sys(SYS_getsockopt, s, SOL_NETLINK, NETLINK_PKTINFO, &value, &n), ENOPROTOOPT);
}

/* judge: policy, LSF changes no network */
TEST(nothing_is_changed)
{
	int s = netlink(SOCK_RAW | SOCK_NONBLOCK);
	struct question q;
	struct nlmsghdr *m;

	const int types[] = { RTM_NEWLINK, RTM_NEWADDR, RTM_DELADDR, RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWNEIGH, RTM_GETRULE };
	for (u64 i = 0; i < nitems(types); i++) {
		memset(&q, 0, sizeof(q));
		ask(s, &q, types[i], NLM_F_ACK, 16, 0, NULL, 0);
		m = next(s);
		CHECK_EQ(m->nlmsg_type, NLMSG_ERROR);
		CHECK_EQ(m->nlmsg_seq, sequence);
		CHECK_EQ(((struct nlmsgerr *)(m + 1))->error, EOPNOTSUPP);
		CHECK_EQ(((struct nlmsgerr *)(m + 1))->msg.nlmsg_type, types[i]);
	}
}

/* Anything at all may be sent. */
/* judge: own, random bytes */
TEST(garbage)
{
	int s = netlink(SOCK_RAW | SOCK_NONBLOCK);
	static u8 bytes[600];
	u64 seed = 88172645463325252UL;

	for (int i = 0; i < 3000; i++) {
		for (u64 k = 0; k < sizeof(bytes); k++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			bytes[k] = (u8)seed;
		}
		struct nlmsghdr *m = (struct nlmsghdr *)bytes;
		if (i & 1) {
			m->nlmsg_len &= 0x7f;
			m->nlmsg_type = (u16)(16 + m->nlmsg_type % 100);
			m->nlmsg_flags |= NLM_F_REQUEST;
		}
		long ret = sys(SYS_sendto, s, bytes, (u64)(i % 600), 0, NULL, 0);
		CHECK(ret == i % 600 || ret == -ENOBUFS || ret == -EINVAL || ret == -EAGAIN);
		while (sys(SYS_recvfrom, s, answer, sizeof(answer), 0, NULL, NULL) > 0)
			;
	}
	struct question q;
	memset(&q, 0, sizeof(q));
	q.link.ifi_index = 1;
	ask(s, &q, RTM_GETLINK, 0, sizeof(q.link), 0, NULL, 0);
	loopback_link(next(s));
}

/* What changes is told to its groups: in a network of one's own, where the loopback comes up. */
HELPER(told)
{
	int s = netlink(SOCK_RAW | SOCK_NONBLOCK), link = 0, address = 0;
	struct sockaddr_nl groups = { .nl_len = sizeof(groups), .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR };
	int d = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, 0));
	struct ifreq r;
	struct nlmsghdr *m;

	memset(&r, 0, sizeof(r));
	memcpy(r.ifr_name, "lo0", 4);
	CHECK_EQ(sys(SYS_ioctl, d, SIOCGIFFLAGS, &r), 0);
	if (r.ifr_flags & IFF_UP)
		SKIP("the loopback is up, as it is outside of a network of its own");
	CHECK_EQ(sys(SYS_bind, s, &groups, sizeof(groups)), 0);
	r.ifr_flags |= IFF_UP;
	CHECK_EQ(sys(SYS_ioctl, d, SIOCSIFFLAGS, &r), 0);
	struct pollfd p = { .fd = s, .events = POLLIN };
	while ((!link || !address) && sys(SYS_poll, &p, 1, 5000) == 1) {
		long n = sys(SYS_recvfrom, s, answer, sizeof(answer), 0, NULL, NULL);

		m = (struct nlmsghdr *)answer;
		if (n == -EAGAIN)
			continue;	/* of something that has no counterpart */
		CHECK(n >= (long)sizeof(*m));
		if (m->nlmsg_type == RTM_NEWLINK) {
			loopback_link(m);
			link += ((struct ifinfomsg *)(m + 1))->ifi_flags & IFF_UP ? 1 : 0;
		} else {
			CHECK_EQ(m->nlmsg_type, RTM_NEWADDR);
			CHECK_EQ(*(u32 *)given(m, sizeof(struct ifaddrmsg), IFA_LOCAL, 4), LOOPBACK);
			address++;
		}
	}
	CHECK(link > 0);
	CHECK(address > 0);
}

/* Of a release that has none (before 13.2). */
HELPER(absent)
{
	CHECK_ERR(sys(SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), EAFNOSUPPORT);
	CHECK_OK(sys(SYS_socket, PF_ROUTE, SOCK_RAW, 0));
}
