/*
 * Netlink sockets: what they say of requests that fail, what comes beside a message, families of NETLINK_GENERIC, and sockets that came
 * from elsewhere. FreeBSD's sys/netlink/netlink_domain.c, netlink_generic.c, netlink_route.c, netlink_message_writer.c; netlink(4),
 * genetlink(4).
 */
#include "guest.h"
#include <sys/event.h>
#include <sys/filio.h>
#include <sys/poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <netinet/in.h>
#include <netlink/netlink.h>
#include <netlink/netlink_generic.h>
#include <netlink/netlink_route.h>

static u8 answer[65536];
static int length;

static int
netlink(int protocol)
{
	return ((int)CHECK_OK(sys(SYS_socket, AF_NETLINK, SOCK_RAW, protocol)));
}

static struct {
	struct nlmsghdr head;
	u8 body[64];
} request;

static u32 sequence = 1000;

/* Begins a request with a body of so many bytes, which are 0. */
static void
begin(int type, int flags, u32 body)
{
	memset(&request, 0, sizeof(request));
	request.head = (struct nlmsghdr){ .nlmsg_len = (u32)sizeof(request.head) + body, .nlmsg_type = (u16)type,
	    .nlmsg_flags = (u16)(NLM_F_REQUEST | flags), .nlmsg_seq = ++sequence };
}

static void
add(int type, const void *data, u32 size)
{
	struct nlattr *a = (struct nlattr *)((u8 *)&request + request.head.nlmsg_len);

	a->nla_len = (u16)(4 + size);
	a->nla_type = (u16)type;
	memcpy(a + 1, data, size);
	request.head.nlmsg_len += NLA_ALIGN(4 + size);
}

/* Sends it, and takes the whole answer; its first message. */
static struct nlmsghdr *
asked(int s)
{
	struct pollfd p = { .fd = s, .events = POLLIN };
	struct nlmsghdr *m = (struct nlmsghdr *)answer;

	CHECK_EQ(sys(SYS_sendto, s, &request, request.head.nlmsg_len, 0, NULL, 0), request.head.nlmsg_len);
	CHECK_EQ(sys(SYS_poll, &p, 1, 5000), 1);
	memset(answer, 0, 512);
	length = (int)CHECK_OK(sys(SYS_recvfrom, s, answer, sizeof(answer), 0, NULL, NULL));
	CHECK(length >= (int)sizeof(*m) && (int)m->nlmsg_len <= length);
	CHECK_EQ(m->nlmsg_seq, sequence);
	return (m);
}

/* The data of an attribute among `size` bytes of them, or NULL. */
static void *
attribute(void *first, long size, int type, int *told)
{
	for (u8 *p = first; size >= 4;) {
		struct nlattr *a = (struct nlattr *)p;

		CHECK(a->nla_len >= 4 && a->nla_len <= size);
		if ((a->nla_type & NLA_TYPE_MASK) == type) {
			*told = a->nla_len - 4;
			return (a + 1);
		}
		p += NLA_ALIGN(a->nla_len);
		size -= NLA_ALIGN(a->nla_len);
	}
	return (NULL);
}

static void
set(int s, int option)
{
	int on = 1;

	CHECK_EQ(sys(SYS_setsockopt, s, SOL_NETLINK, option, &on, sizeof(on)), 0);
}

/* The answer is this error; with these words, or none. */
static void
fails(int s, int error, int capped, const char *words)
{
	struct nlmsghdr *m = asked(s);
	struct nlmsgerr *e = (struct nlmsgerr *)(m + 1);
	u32 whole = sizeof(*m) + 4 + (capped ? (u32)sizeof(*m) : NLMSG_ALIGN(request.head.nlmsg_len));
	int size = 0;
	char *text;

	CHECK_EQ(m->nlmsg_type, NLMSG_ERROR);
	CHECK_EQ(e->error, error);
	CHECK_EQ(memcmp(&e->msg, &request, capped ? sizeof(*m) : request.head.nlmsg_len), 0);
	CHECK_EQ(m->nlmsg_flags, (capped ? NLM_F_CAPPED : 0) | (words != NULL ? NLM_F_ACK_TLVS : 0));
	if (words == NULL) {
		CHECK_EQ(m->nlmsg_len, whole);
		return;
	}
	text = attribute((u8 *)m + whole, m->nlmsg_len - whole, NLMSGERR_ATTR_MSG, &size);
	CHECK(text != NULL);
	CHECK_EQ(size, strlen(words) + 1);
	CHECK_EQ(memcmp(text, words, (u64)size), 0);
}

static void
no_such_type(void)
{
	begin(255, 0, sizeof(struct ifinfomsg));
	add(143, "some random string", 19);
}

TEST(words_of_errors)
{
	int s = netlink(NETLINK_ROUTE);

	no_such_type();
	fails(s, ENOTSUP, 0, NULL);
	set(s, NETLINK_EXT_ACK);
	no_such_type();
	fails(s, ENOTSUP, 0, "unknown message type: 255");
	begin(RTM_GETRULE, 0, 12);
	fails(s, ENOTSUP, 0, "unknown message type: 34");
	begin(0x7eee, 0, 0);
	fails(s, ENOTSUP, 0, "unknown message type: 32494");
	/* What Linux would say of it is not FreeBSD's. */
	begin(RTM_GETLINK, 0, sizeof(struct ifinfomsg));
	add(IFLA_IFNAME, "nothing0", 9);
	CHECK_EQ(((struct nlmsgerr *)(asked(s) + 1))->error, ENODEV);
	CHECK_EQ(((struct nlmsghdr *)answer)->nlmsg_flags & NLM_F_ACK_TLVS, 0);
	set(s, NETLINK_CAP_ACK);
	no_such_type();
	fails(s, ENOTSUP, 1, "unknown message type: 255");
	begin(RTM_GETROUTE, 0, sizeof(struct rtmsg));
	request.body[0] = AF_INET;
	fails(s, EINVAL, 1, "No RTA_DST supplied");
	begin(RTM_GETNEIGH, 0, sizeof(struct ndmsg));
	request.body[0] = AF_INET;
	add(NDA_DST, "\177\0\0\3", 4);
	fails(s, EINVAL, 1, "has NDA_DST but no ifindex provided");
	/* Nobody has made a nexthop. */
	begin(RTM_GETNEXTHOP, NLM_F_DUMP, 8);
	fails(s, ESRCH, 1, NULL);
}

/* Who may not change the network is told that. */
TEST(changes_of_a_user)
{
	const int types[] = { RTM_NEWLINK, RTM_DELLINK, RTM_NEWADDR, RTM_DELADDR, RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWNEIGH, RTM_DELNEIGH,
	    RTM_NEWNEXTHOP, RTM_DELNEXTHOP };
	int pid;

	if ((pid = guest_fork()) == 0) {
		if (sys(SYS_geteuid) == 0)
			CHECK_EQ(sys(SYS_setresuid, 1001, 1001, 1001), 0);
		int s = netlink(NETLINK_ROUTE);

		set(s, NETLINK_EXT_ACK);
		for (u64 i = 0; i < nitems(types); i++) {
			begin(types[i], NLM_F_ACK, 16);
			fails(s, EPERM, 0, NULL);
		}
		guest_exit(0);
	}
	CHECK_EQ(guest_wait(pid), 0);
}

static void
one_link(void)
{
	begin(RTM_GETLINK, 0, sizeof(struct ifinfomsg));
	add(IFLA_IFNAME, "lo0", 4);
}

/* A socket has no port before it is bound, by whatever. */
TEST(ports)
{
	struct sockaddr_nl name = { .nl_len = sizeof(name), .nl_family = AF_NETLINK }, got;
	socklen_t n = sizeof(got);
	u32 pid = (u32)sys(SYS_getpid);
	int s = netlink(NETLINK_ROUTE);

	one_link();
	CHECK_EQ(asked(s)->nlmsg_pid, 0);
	CHECK_EQ(sys(SYS_getsockname, s, &got, &n), 0);
	CHECK_EQ(got.nl_pid, 0);
	CHECK_EQ(sys(SYS_bind, s, &name, sizeof(name)), 0);
	CHECK_EQ(sys(SYS_getsockname, s, &got, &n), 0);
	CHECK_EQ(got.nl_pid, pid);
	CHECK_EQ(got.nl_family, AF_NETLINK);
	one_link();
	CHECK_EQ(asked(s)->nlmsg_pid, pid);
	no_such_type();
	CHECK_EQ(((struct nlmsgerr *)(asked(s) + 1))->msg.nlmsg_pid, pid);
	CHECK_ERR(sys(SYS_getpeername, s, &got, &n), EOPNOTSUPP);
	s = netlink(NETLINK_ROUTE);
	CHECK_ERR(sys(SYS_bind, s, &name, sizeof(name) - 4), EINVAL);
	name.nl_pid = pid;
	CHECK_ERR(sys(SYS_bind, s, &name, sizeof(name)), EADDRINUSE);
	name.nl_pid = 0;
	CHECK_ERR(sys(SYS_connect, s, &name, sizeof(name)), EISCONN);
	CHECK_EQ(sys(SYS_bind, s, &name, sizeof(name)), 0);
	n = sizeof(got);
	CHECK_EQ(sys(SYS_getsockname, s, &got, &n), 0);
	CHECK(got.nl_pid != 0 && got.nl_pid != pid);
}

struct told {
	struct nlattr head;
	u32 value;
};

/* NETLINK_MSG_INFO: from whose socket. */
TEST(message_info)
{
	union {
		struct cmsghdr head;
		u8 room[CMSG_SPACE(2 * sizeof(struct told))];
	} control;
	struct iovec in = { answer, sizeof(answer) };
	struct msghdr m = { .msg_iov = &in, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	struct told *t = (struct told *)CMSG_DATA(&control.head);
	int s = netlink(NETLINK_ROUTE), value = -1;
	socklen_t n = sizeof(value);

	CHECK_EQ(sys(SYS_getsockopt, s, SOL_NETLINK, NETLINK_MSG_INFO, &value, &n), 0);
	CHECK_EQ(value, 0);
	one_link();
	CHECK_EQ(sys(SYS_write, s, &request, request.head.nlmsg_len), request.head.nlmsg_len);
	CHECK(sys(SYS_recvmsg, s, &m, 0) > 100);
	CHECK_EQ(m.msg_controllen, 0);
	set(s, NETLINK_MSG_INFO);
	CHECK_EQ(sys(SYS_getsockopt, s, SOL_NETLINK, NETLINK_MSG_INFO, &value, &n), 0);
	CHECK_EQ(value, 1);
	CHECK_EQ(sys(SYS_write, s, &request, request.head.nlmsg_len), request.head.nlmsg_len);
	m.msg_controllen = sizeof(control);
	CHECK(sys(SYS_recvmsg, s, &m, 0) > 100);
	CHECK_EQ(m.msg_flags & MSG_CTRUNC, 0);
	CHECK_EQ(m.msg_controllen, sizeof(control));
	CHECK_EQ(control.head.cmsg_level, SOL_NETLINK);
	CHECK_EQ(control.head.cmsg_type, NETLINK_MSG_INFO);
	CHECK_EQ(control.head.cmsg_len, CMSG_LEN(2 * sizeof(struct told)));
	CHECK_EQ(t[0].head.nla_len, 8);
	CHECK_EQ(t[0].head.nla_type, NLMSGINFO_ATTR_PROCESS_ID);
	CHECK_EQ(t[0].value, sys(SYS_getpid));
	CHECK_EQ(t[1].head.nla_type, NLMSGINFO_ATTR_PORT_ID);
	CHECK_EQ(t[1].value, 0);
	/* There is none to send. */
	in.iov_base = &request;
	in.iov_len = request.head.nlmsg_len;
	CHECK_ERR(sys(SYS_sendmsg, s, &m, 0), EINVAL);
}

/* What waits to be read, and to be sent. */
TEST(readable)
{
	int s = netlink(NETLINK_ROUTE), waits = -1, kq = (int)CHECK_OK(sys(SYS_kqueue));
	struct pollfd p = { .fd = s, .events = POLLIN };
	struct kevent event = { .ident = (u64)s, .filter = EVFILT_READ, .flags = EV_ADD };
	struct timespec now = { 0, 0 };

	CHECK_EQ(sys(SYS_ioctl, s, FIONREAD, &waits), 0);
	CHECK_EQ(waits, 0);
	one_link();
	CHECK_EQ(sys(SYS_write, s, &request, request.head.nlmsg_len), request.head.nlmsg_len);
	CHECK_EQ(sys(SYS_poll, &p, 1, 5000), 1);
	CHECK_EQ(sys(SYS_ioctl, s, FIONREAD, &waits), 0);
	CHECK(waits > 100);
	CHECK_EQ(sys(SYS_kevent, kq, &event, 1, &event, 1, NULL), 1);
	CHECK_EQ(event.filter, EVFILT_READ);
	CHECK_EQ(event.data, waits);
	CHECK_EQ(sys(SYS_read, s, answer, sizeof(answer)), waits);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, &event, 1, &now), 0);
	CHECK_EQ(((struct nlmsghdr *)answer)->nlmsg_type, RTM_NEWLINK);
	CHECK_EQ(sys(SYS_ioctl, s, FIONREAD, &waits), 0);
	CHECK_EQ(waits, 0);
	waits = -1;
	CHECK_EQ(sys(SYS_ioctl, s, FIONWRITE, &waits), 0);
	CHECK_EQ(waits, 0);
	CHECK_ERR(sys(SYS_ioctl, s, FIONREAD, 8), EFAULT);
}

static void
family(const char *name, int id)
{
	u16 number = (u16)id;

	begin(GENL_ID_CTRL, name == NULL && id == 0 ? NLM_F_DUMP : 0, GENL_HDRLEN);
	((struct genlmsghdr *)request.body)->cmd = CTRL_CMD_GETFAMILY;
	if (name != NULL)
		add(CTRL_ATTR_FAMILY_NAME, name, (u32)strlen(name) + 1);
	if (id != 0)
		add(CTRL_ATTR_FAMILY_ID, &number, 2);
}

static void
is_control(struct nlmsghdr *m)
{
	struct genlmsghdr *g = (struct genlmsghdr *)(m + 1);
	long size = m->nlmsg_len - (long)sizeof(*m) - (long)GENL_HDRLEN;
	void *given[CTRL_ATTR_MAX + 1], *inner, *value;
	int sizes[CTRL_ATTR_MAX + 1], n = 0;

	CHECK_EQ(m->nlmsg_type, GENL_ID_CTRL);
	CHECK_EQ(g->cmd, CTRL_CMD_NEWFAMILY);
	CHECK_EQ(g->version, 2);
	for (int i = CTRL_ATTR_FAMILY_ID; i <= CTRL_ATTR_MCAST_GROUPS; i++) {
		given[i] = attribute(g + 1, size, i, &sizes[i]);
		CHECK(given[i] != NULL);
	}
	CHECK_EQ(sizes[CTRL_ATTR_FAMILY_ID], 2);
	CHECK_EQ(*(u16 *)given[CTRL_ATTR_FAMILY_ID], GENL_ID_CTRL);
	CHECK_EQ(sizes[CTRL_ATTR_FAMILY_NAME], 7);
	CHECK_EQ(memcmp(given[CTRL_ATTR_FAMILY_NAME], "nlctrl", 7), 0);
	CHECK_EQ(*(u32 *)given[CTRL_ATTR_VERSION], 2);
	CHECK_EQ(*(u32 *)given[CTRL_ATTR_HDRSIZE], 0);
	CHECK_EQ(*(u32 *)given[CTRL_ATTR_MAXATTR], CTRL_ATTR_MAX);
	inner = attribute(given[CTRL_ATTR_OPS], sizes[CTRL_ATTR_OPS], 1, &n);
	CHECK(inner != NULL);
	value = attribute(inner, n, CTRL_ATTR_OP_ID, &n);
	CHECK(value != NULL);
	CHECK_EQ(*(u32 *)value, CTRL_CMD_GETFAMILY);
	inner = attribute(given[CTRL_ATTR_MCAST_GROUPS], sizes[CTRL_ATTR_MCAST_GROUPS], 1, &n);
	CHECK(inner != NULL);
	value = attribute(inner, n, CTRL_ATTR_MCAST_GRP_NAME, &n);
	CHECK(value != NULL);
	CHECK_EQ(memcmp(value, "notify", 7), 0);
}

TEST(families)
{
	int s = netlink(NETLINK_GENERIC), group = 48, size = 0, found = 0;
	struct nlmsghdr *m;

	family("nlctrl", 0);
	is_control(asked(s));
	family(NULL, GENL_ID_CTRL);
	is_control(asked(s));
	family("nlctrl", GENL_ID_CTRL);
	is_control(asked(s));
	family("no-such-family", 0);
	CHECK_EQ(asked(s)->nlmsg_type, NLMSG_ERROR);
	CHECK_EQ(((struct nlmsgerr *)(answer + sizeof(*m)))->error, ENOENT);
	family("nlctrl", 99);
	CHECK_EQ(asked(s)->nlmsg_type, NLMSG_ERROR);
	CHECK_EQ(((struct nlmsgerr *)(answer + sizeof(*m)))->error, ENOENT);
	/* All of them, which are followed by an end. */
	family(NULL, 0);
	for (m = asked(s); m->nlmsg_type != NLMSG_DONE;) {
		CHECK_EQ(m->nlmsg_flags & NLM_F_MULTI, NLM_F_MULTI);
		char *name = attribute((u8 *)(m + 1) + GENL_HDRLEN, m->nlmsg_len - (long)sizeof(*m) - (long)GENL_HDRLEN,
		    CTRL_ATTR_FAMILY_NAME, &size);
		if (name != NULL && memcmp(name, "nlctrl", 7) == 0) {
			is_control(m);
			found++;
		}
		m = (struct nlmsghdr *)((u8 *)m + NLMSG_ALIGN(m->nlmsg_len));
		if ((u8 *)m >= answer + length) {
			length = (int)CHECK_OK(sys(SYS_recvfrom, s, answer, sizeof(answer), 0, NULL, NULL));
			m = (struct nlmsghdr *)answer;
		}
	}
	CHECK_EQ(found, 1);
	begin(GENL_ID_CTRL, 0, GENL_HDRLEN);
	request.body[0] = CTRL_CMD_GETPOLICY;
	fails(s, ENOTSUP, 0, NULL);
	begin(GENL_MIN_ID + 19, 0, GENL_HDRLEN);
	fails(s, ENOTSUP, 0, NULL);
	begin(GENL_ID_CTRL, 0, 0);
	fails(s, EINVAL, 0, NULL);
	begin(GENL_ID_CTRL, 0, GENL_HDRLEN);
	request.body[0] = CTRL_CMD_GETFAMILY;
	add(CTRL_ATTR_FAMILY_NAME, "nlctrl", 6);
	CHECK_EQ(((struct nlmsgerr *)(asked(s) + 1))->error, EINVAL);
	CHECK_EQ(sys(SYS_setsockopt, s, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)), 0);
}

/* A socket that this image has not made. */
static void
is_netlink(int s)
{
	one_link();
	CHECK_EQ(sys(SYS_write, s, &request, request.head.nlmsg_len), request.head.nlmsg_len);
	CHECK(sys(SYS_read, s, answer, sizeof(answer)) > 100);
	CHECK_EQ(((struct nlmsghdr *)answer)->nlmsg_type, RTM_NEWLINK);
	CHECK_EQ(memcmp(answer + sizeof(struct nlmsghdr) + sizeof(struct ifinfomsg) + 4, "lo0", 4), 0);
}

HELPER(inherited)
{
	is_netlink(20);
	guest_exit(0);
}

TEST(over_exec)
{
	char *const argv[] = { guest_argv[0], "@inherited", NULL };
	int pid;

	CHECK_EQ(sys(SYS_dup2, netlink(NETLINK_ROUTE), 20), 20);
	if ((pid = guest_fork()) == 0) {
		sys(SYS_execve, guest_argv[0], argv, guest_envp);
		guest_exit(3);
	}
	CHECK_EQ(guest_wait(pid), 0);
}

TEST(received)
{
	union {
		struct cmsghdr head;
		u8 room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec byte = { "x", 1 };
	struct msghdr m = { .msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	char c;
	int pair[2], pid;

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair), 0);
	if ((pid = guest_fork()) == 0) {
		byte.iov_base = &c;
		CHECK_EQ(sys(SYS_recvmsg, pair[1], &m, 0), 1);
		CHECK_EQ(control.head.cmsg_type, SCM_RIGHTS);
		is_netlink(*(int *)CMSG_DATA(&control.head));
		guest_exit(0);
	}
	memset(&control, 0, sizeof(control));
	control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
	*(int *)CMSG_DATA(&control.head) = netlink(NETLINK_ROUTE);
	CHECK_EQ(sys(SYS_sendmsg, pair[0], &m, 0), 1);
	CHECK_EQ(guest_wait(pid), 0);
}

/* Anything at all may be sent, and the kernel's words be asked for. */
/* judge: own, random bytes */
TEST(garbage)
{
	static u8 bytes[600];
	u64 seed = 88172645463325252UL;

	for (int kind = 0; kind < 2; kind++) {
		int s = (int)CHECK_OK(sys(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, kind ? NETLINK_GENERIC : NETLINK_ROUTE)), waits;

		set(s, NETLINK_EXT_ACK);
		set(s, NETLINK_MSG_INFO);
		for (int i = 0; i < 2000; i++) {
			struct nlmsghdr *m = (struct nlmsghdr *)bytes;

			for (u64 k = 0; k < sizeof(bytes); k++) {
				seed ^= seed << 13;
				seed ^= seed >> 7;
				seed ^= seed << 17;
				bytes[k] = (u8)seed;
			}
			if (i & 3) {
				m->nlmsg_len &= 0x7f;
				m->nlmsg_type = kind ? GENL_ID_CTRL : (u16)(16 + m->nlmsg_type % 120);
				m->nlmsg_flags |= NLM_F_REQUEST;
				if (i & 1)
					bytes[16] = CTRL_CMD_GETFAMILY;
			}
			sys(SYS_sendto, s, bytes, (u64)(i % 600), 0, NULL, 0);
			CHECK_EQ(sys(SYS_ioctl, s, FIONREAD, &waits), 0);
			while (sys(SYS_recvfrom, s, answer, sizeof(answer), 0, NULL, NULL) > 0)
				;
		}
		sys(SYS_close, s);
	}
	int s = netlink(NETLINK_GENERIC);
	family("nlctrl", 0);
	is_control(asked(s));
	is_netlink(netlink(NETLINK_ROUTE));
}
