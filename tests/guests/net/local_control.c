/*
 * Control messages of local sockets. FreeBSD's answers: sys/kern/uipc_usrreq.c (unp_internalize, unp_externalize,
 * unp_addsockcred, unp_copy_peercred), uipc_syscalls.c (kern_recvit), unix(4), recv(2).
 */
#include "guest.h"
#include <sys/event.h>
#include <sys/socket.h>
#include <sys/sysctl.h>
#include <sys/uio.h>
#include <sys/ucred.h>
#include <sys/un.h>

static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };

/* What one recvmsg gave. */
static char control[2048], data[16];
static struct msghdr got;

static long
receive(int s, size_t room, int flags)
{
	static struct iovec iov;

	iov = (struct iovec){ data, sizeof(data) };
	memset(control, 0x55, sizeof(control));
	memset(&got, 0, sizeof(got));
	got.msg_iov = &iov;
	got.msg_iovlen = 1;
	got.msg_control = control;
	got.msg_controllen = (socklen_t)room;
	return (sys(SYS_recvmsg, s, &got, flags));
}

static long
send_control(int s, void *list, size_t size)
{
	struct iovec iov = { "m", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = size ? list : NULL,
	    .msg_controllen = (socklen_t)size };

	return (sys(SYS_sendmsg, s, &m, 0));
}

/* Adds a message to a control part; the new size. */
static size_t
add(char *list, size_t at, int type, const void *content, size_t size)
{
	struct cmsghdr *c = (struct cmsghdr *)(list + at);

	memset(c, 0, CMSG_SPACE(size));
	c->cmsg_len = (socklen_t)CMSG_LEN(size);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = type;
	if (content != NULL)
		memcpy(CMSG_DATA(c), content, size);
	return (at + CMSG_SPACE(size));
}

/* The nth message that came, checked for its type and size of content. */
static void *
message(int n, int type, size_t size)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(&got);

	for (int i = 0; i < n && c != NULL; i++)
		c = CMSG_NXTHDR(&got, c);
	CHECK(c != NULL);
	CHECK_EQ(c->cmsg_level, SOL_SOCKET);
	CHECK_EQ(c->cmsg_type, type);
	CHECK_EQ(c->cmsg_len, CMSG_LEN(size));
	return (CMSG_DATA(c));
}

static int
messages(void)
{
	int n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(&got); c != NULL; c = CMSG_NXTHDR(&got, c))
		n++;
	return (n);
}

static void
option(int s, int name, int on)
{
	CHECK_EQ(sys(SYS_setsockopt, s, SOL_LOCAL, name, &on, sizeof(on)), 0);
}

/* The lowest number that is free: nothing was left open. */
static int
lowest(void)
{
	int fd = (int)CHECK_OK(sys(SYS_dup, 0));

	CHECK_EQ(sys(SYS_close, fd), 0);
	return (fd);
}

static int
release(void)
{
	int mib[2] = { CTL_KERN, KERN_OSRELDATE }, value = 0;
	size_t n = sizeof(value);

	CHECK_EQ(sys(SYS___sysctl, mib, 2, &value, &n, NULL, 0), 0);
	return (value);
}

/* Room for credentials asks for none: the sender attaches them or they do not come. */
TEST(credentials_only_where_attached)
{
	char list[CMSG_SPACE(sizeof(struct cmsgcred))];

	for (int t = 0; t < 3; t++) {
		int s[2];

		CHECK_EQ(sys(SYS_socketpair, AF_UNIX, types[t], 0, s), 0);
		for (int i = 0; i < 6; i++) {
			int attached = i == 2 || i == 3 || i == 5;
			size_t size = attached ? add(list, 0, SCM_CREDS, NULL, sizeof(struct cmsgcred)) : 0;
			CHECK_EQ(send_control(s[0], list, size), 1);
			CHECK_EQ(receive(s[1], i == 5 ? sizeof(control) : CMSG_SPACE(sizeof(struct cmsgcred)), 0), 1);
			CHECK_EQ(got.msg_flags & MSG_CTRUNC, 0);
			if (!attached) {
				CHECK_EQ(got.msg_controllen, 0);
				continue;
			}
			CHECK_EQ(got.msg_controllen, CMSG_SPACE(sizeof(struct cmsgcred)));
			struct cmsgcred *c = message(0, SCM_CREDS, sizeof(*c));
			CHECK_EQ(c->cmcred_pid, sys(SYS_getpid));
			CHECK_EQ(c->cmcred_uid, sys(SYS_getuid));
			CHECK_EQ(c->cmcred_euid, sys(SYS_geteuid));
			CHECK_EQ(c->cmcred_gid, sys(SYS_getgid));
			CHECK_BETWEEN(c->cmcred_ngroups, 1, CMGROUP_MAX);
			CHECK_EQ(c->cmcred_groups[0], sys(SYS_getegid));
		}
	}
}

/* What is sent before the connection is accepted, which a server of descriptors sees first. */
TEST(credentials_before_accept)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "early" };
	int s = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0)), pair[2], fd, conn;
	int c = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
	char list[CMSG_SPACE(sizeof(int))];

	CHECK_EQ(sys(SYS_bind, s, &a, sizeof(a)), 0);
	CHECK_EQ(sys(SYS_listen, s, 1), 0);
	CHECK_EQ(sys(SYS_pipe2, pair, 0), 0);
	CHECK_EQ(sys(SYS_connect, c, &a, sizeof(a)), 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(send_control(c, list, add(list, 0, SCM_RIGHTS, &pair[1], sizeof(int))), 1);
	conn = (int)CHECK_OK(sys(SYS_accept, s, NULL, NULL));
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(receive(conn, 512, 0), 1);
		CHECK_EQ(got.msg_controllen, CMSG_SPACE(sizeof(int)));
		memcpy(&fd, message(0, SCM_RIGHTS, sizeof(int)), sizeof(fd));
		CHECK_EQ(sys(SYS_write, fd, "x", 1), 1);
		CHECK_EQ(sys(SYS_close, fd), 0);
	}
}

/* Attached credentials come beside descriptors, in the sender's order, with each SCM_RIGHTS apart. */
TEST(credentials_with_descriptors)
{
	char list[256];
	int fds[3], s[2], first = lowest(), one;
	size_t at;

	for (int t = 0; t < 3; t++) {
		CHECK_EQ(sys(SYS_socketpair, AF_UNIX, types[t], 0, s), 0);
		for (int i = 0; i < 3; i++)
			fds[i] = (int)CHECK_OK(sys(SYS_dup, 0));
		int next = lowest();
		at = add(list, 0, SCM_RIGHTS, fds, 2 * sizeof(int));
		at = add(list, at, SCM_CREDS, NULL, sizeof(struct cmsgcred));
		at = add(list, at, SCM_RIGHTS, &fds[2], sizeof(int));
		CHECK_EQ(send_control(s[0], list, at), 1);
		CHECK_EQ(lowest(), next);
		CHECK_EQ(receive(s[1], sizeof(control), MSG_CMSG_CLOEXEC), 1);
		CHECK_EQ(got.msg_flags & ~MSG_EOR, MSG_CMSG_CLOEXEC);	/* what was asked for comes back */
		CHECK_EQ(messages(), 3);
		CHECK_EQ(got.msg_controllen, at);
		for (int i = 0; i < 3; i++) {
			memcpy(&one, (char *)message(i == 2 ? 2 : 0, SCM_RIGHTS, i == 2 ? 4 : 8) + (i == 1 ? 4 : 0), 4);
			CHECK_EQ(sys(SYS_fcntl, one, F_GETFD, 0), FD_CLOEXEC);
			CHECK_EQ(sys(SYS_close, one), 0);
		}
		CHECK_EQ(((struct cmsgcred *)message(1, SCM_CREDS, sizeof(struct cmsgcred)))->cmcred_pid, sys(SYS_getpid));
		CHECK_EQ(lowest(), next);
		for (int i = 0; i < 3; i++)
			CHECK_EQ(sys(SYS_close, fds[i]), 0);
		CHECK_EQ(sys(SYS_close, s[0]), 0);
		CHECK_EQ(sys(SYS_close, s[1]), 0);
		CHECK_EQ(lowest(), first);
	}
}

/* The kernel fills times in, whatever the sender wrote. */
TEST(times)
{
	const int kinds[] = { SCM_TIMESTAMP, SCM_BINTIME, SCM_REALTIME, SCM_MONOTONIC };
	char list[256];
	int s[2];
	struct timespec now, up;
	size_t at = 0;
	long part[2];

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, s), 0);
	for (int i = 0; i < 4; i++)
		at = add(list, at, kinds[i], "0123456789abcdef", 16);
	CHECK_EQ(sys(SYS_clock_gettime, CLOCK_REALTIME, &now), 0);
	CHECK_EQ(sys(SYS_clock_gettime, CLOCK_MONOTONIC, &up), 0);
	CHECK_EQ(send_control(s[0], list, at), 1);
	CHECK_EQ(receive(s[1], sizeof(control), 0), 1);
	CHECK_EQ(got.msg_controllen, at);
	for (int i = 0; i < 4; i++) {
		memcpy(part, message(i, kinds[i], 16), 16);
		CHECK_BETWEEN(part[0] - (kinds[i] == SCM_MONOTONIC ? up.tv_sec : now.tv_sec), 0, kinds[i] == SCM_MONOTONIC ? 1L << 40 : 5);
		if (kinds[i] != SCM_BINTIME)
			CHECK_BETWEEN(part[1], 0, kinds[i] == SCM_TIMESTAMP ? 999999 : 999999999);
	}
}

static void
check_sockcred(int persistent, int n)
{
	struct cmsghdr *h = CMSG_FIRSTHDR(&got);
	int groups;

	CHECK(h != NULL);
	if (persistent) {
		struct sockcred2 *c = (struct sockcred2 *)CMSG_DATA(h);
		groups = c->sc_ngroups;
		message(n, SCM_CREDS2, SOCKCRED2SIZE(groups));
		CHECK_EQ(c->sc_version, 0);
		CHECK_EQ(c->sc_pid, sys(SYS_getpid));
		CHECK_EQ(c->sc_uid, sys(SYS_getuid));
		CHECK_EQ(c->sc_euid, sys(SYS_geteuid));
		CHECK_EQ(c->sc_gid, sys(SYS_getgid));
		CHECK_EQ(c->sc_egid, sys(SYS_getegid));
	} else {
		struct sockcred *c = (struct sockcred *)CMSG_DATA(h);
		groups = c->sc_ngroups;
		message(n, SCM_CREDS, SOCKCREDSIZE(groups));
		CHECK_EQ(c->sc_uid, sys(SYS_getuid));
		CHECK_EQ(c->sc_euid, sys(SYS_geteuid));
		CHECK_EQ(c->sc_gid, sys(SYS_getgid));
		CHECK_EQ(c->sc_egid, sys(SYS_getegid));
		if (release() < 1500000)
			CHECK_EQ(c->sc_groups[0], sys(SYS_getegid));
	}
	/* Since 15 the effective group is not one of them, nor of its getgroups(2); of 14's call it is the first there, too. */
	int all = (int)CHECK_OK(sys(SYS_getgroups, 0, NULL)) - (release() >= 1500000 && GUEST_RELEASE < 15);
	CHECK_EQ(groups, all > CMGROUP_MAX ? CMGROUP_MAX : all);
}

/* The socket asks. A connection tells once, to whoever receives first; datagrams, and LOCAL_CREDS_PERSISTENT, each time. */
TEST(receiver_asks)
{
	for (int persistent = 0; persistent < 2; persistent++)
		for (int t = 0; t < 3; t++) {
			int s[2], name = persistent ? LOCAL_CREDS_PERSISTENT : LOCAL_CREDS, on = 7;
			socklen_t n = sizeof(on);

			CHECK_EQ(sys(SYS_socketpair, AF_UNIX, types[t], 0, s), 0);
			CHECK_EQ(send_control(s[0], NULL, 0), 1);	/* before it was asked for */
			option(s[1], name, 1);
			CHECK_EQ(sys(SYS_getsockopt, s[1], SOL_LOCAL, name, &on, &n), 0);
			CHECK_EQ(on, 1);
			CHECK_EQ(receive(s[1], sizeof(control), 0), 1);
			CHECK_EQ(got.msg_controllen, 0);
			for (int i = 0; i < 3; i++) {
				CHECK_EQ(send_control(s[0], NULL, 0), 1);
				CHECK_EQ(receive(s[1], sizeof(control), 0), 1);
				if (i == 0 || persistent || types[t] == SOCK_DGRAM) {
					CHECK_EQ(messages(), 1);
					check_sockcred(persistent, 0);
				} else
					CHECK_EQ(got.msg_controllen, 0);
			}
			option(s[1], name, 0);
			CHECK_EQ(sys(SYS_getsockopt, s[1], SOL_LOCAL, name, &on, &n), 0);
			CHECK_EQ(on, 0);
			CHECK_EQ(send_control(s[0], NULL, 0), 1);
			CHECK_EQ(receive(s[1], sizeof(control), 0), 1);
			CHECK_EQ(got.msg_controllen, 0);
		}
}

HELPER(ask_alone)
{
	int s[2];

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	for (int persistent = 0; persistent < 2; persistent++) {
		gid_t gid = (gid_t)sys(SYS_getegid);
		int groups = release() < 1500000 ? 1 : 0;
		size_t size = persistent ? SOCKCRED2SIZE(groups) : SOCKCREDSIZE(groups);

		CHECK_EQ(sys(SYS_setgroups, groups, &gid), 0);
		option(s[1], persistent ? LOCAL_CREDS_PERSISTENT : LOCAL_CREDS, 1);
		CHECK_EQ(send_control(s[0], NULL, 0), 1);
		/* Exactly the room that is documented. */
		CHECK_EQ(receive(s[1], CMSG_SPACE(size), 0), 1);
		CHECK_EQ(got.msg_flags & MSG_CTRUNC, 0);
		CHECK_EQ(got.msg_controllen, CMSG_SPACE(size));
		message(0, persistent ? SCM_CREDS2 : SCM_CREDS, size);
		option(s[1], persistent ? LOCAL_CREDS_PERSISTENT : LOCAL_CREDS, 1);
		/* A byte less: cut off, and said so; the one that was to come has come. */
		CHECK_EQ(send_control(s[0], NULL, 0), 1);
		CHECK_EQ(receive(s[1], CMSG_SPACE(size) - 1, 0), 1);
		CHECK_EQ(got.msg_flags & MSG_CTRUNC, MSG_CTRUNC);
		CHECK_EQ(got.msg_controllen, 0);
		option(s[1], persistent ? LOCAL_CREDS_PERSISTENT : LOCAL_CREDS, 0);
	}
	guest_exit(9);
}

/* In a process of its own, since it leaves its groups. */
TEST(documented_size)
{
	if (sys(SYS_getuid) != 0)
		SKIP("a process of one group is the superuser's to make");
	int pid = guest_fork();
	if (pid == 0) {
		char *args[] = { guest_argv[0], "@ask_alone", NULL }, *env[] = { NULL };
		sys(SYS_execve, guest_argv[0], args, env);
		guest_exit(99);
	}
	CHECK_EQ(guest_wait(pid), 9 << 8);
}

/* One option excludes the other, and there are no more. */
TEST(options)
{
	int s = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0)), on = 1;
	socklen_t n = sizeof(on);

	option(s, LOCAL_CREDS, 1);
	CHECK_ERR(sys(SYS_setsockopt, s, SOL_LOCAL, LOCAL_CREDS_PERSISTENT, &on, sizeof(on)), EINVAL);
	option(s, LOCAL_CREDS, 0);
	option(s, LOCAL_CREDS_PERSISTENT, 1);
	CHECK_ERR(sys(SYS_setsockopt, s, SOL_LOCAL, LOCAL_CREDS, &on, sizeof(on)), EINVAL);
	CHECK_ERR(sys(SYS_setsockopt, s, SOL_LOCAL, 77, &on, sizeof(on)), ENOPROTOOPT);
	CHECK_ERR(sys(SYS_getsockopt, s, SOL_LOCAL, 77, &on, &n), EOPNOTSUPP);
	CHECK_ERR(sys(SYS_setsockopt, s, SOL_LOCAL, LOCAL_CREDS, &on, 2), EINVAL);
}

/* Credentials that the sender attached give way to those of LOCAL_CREDS, and follow those of LOCAL_CREDS_PERSISTENT. */
TEST(both)
{
	char list[256];
	int s[2], fd = 0;
	size_t at;

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	at = add(list, 0, SCM_CREDS, NULL, sizeof(struct cmsgcred));
	at = add(list, at, SCM_RIGHTS, &fd, sizeof(fd));
	option(s[1], LOCAL_CREDS, 1);
	CHECK_EQ(send_control(s[0], list, at), 1);
	CHECK_EQ(receive(s[1], sizeof(control), 0), 1);
	CHECK_EQ(messages(), 2);
	check_sockcred(0, 0);
	message(1, SCM_RIGHTS, 4);
	option(s[1], LOCAL_CREDS, 0);
	option(s[1], LOCAL_CREDS_PERSISTENT, 1);
	CHECK_EQ(send_control(s[0], list, at), 1);
	CHECK_EQ(receive(s[1], sizeof(control), 0), 1);
	CHECK_EQ(messages(), 3);
	check_sockcred(1, 0);
	message(1, SCM_CREDS, sizeof(struct cmsgcred));
	message(2, SCM_RIGHTS, 4);
}

/* What the listening socket asks for, the accepted one does: the first message brings it. */
TEST(inherited)
{
	for (int persistent = 0; persistent < 2; persistent++)
		for (int t = 0; t < 3; t += 2) {
			struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "inherit" };
			int s = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, types[t], 0));
			int c = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, types[t], 0)), on = 0, conn;
			int name = persistent ? LOCAL_CREDS_PERSISTENT : LOCAL_CREDS;
			socklen_t n = sizeof(on);

			sys(SYS_unlink, a.sun_path);
			CHECK_EQ(sys(SYS_bind, s, &a, sizeof(a)), 0);
			CHECK_EQ(sys(SYS_listen, s, 1), 0);
			option(s, name, 1);
			CHECK_EQ(sys(SYS_connect, c, &a, sizeof(a)), 0);
			CHECK_EQ(send_control(c, NULL, 0), 1);
			conn = (int)CHECK_OK(sys(SYS_accept, s, NULL, NULL));
			for (int i = 0; i < 3; i++) {
				CHECK_EQ(sys(SYS_getsockopt, conn, SOL_LOCAL, name, &on, &n), 0);
				if (persistent)
					CHECK_EQ(on, 1);
				CHECK_EQ(receive(conn, sizeof(control), 0), 1);
				if (i == 0 || persistent)
					check_sockcred(persistent, 0);
				else
					CHECK_EQ(got.msg_controllen, 0);
				CHECK_EQ(send_control(c, NULL, 0), 1);
			}
			CHECK_EQ(sys(SYS_getsockopt, s, SOL_LOCAL, name, &on, &n), 0);
			CHECK_EQ(on, 1);
			CHECK_EQ(sys(SYS_getsockopt, c, SOL_LOCAL, name, &on, &n), 0);
			CHECK_EQ(on, 0);
		}
}

/* A message fits whole, padding included, or not at all; what follows it does not come either, and is closed. */
TEST(cut_off)
{
	char list[256];
	int s[2], fds[2] = { 0, 1 }, next;
	size_t at;

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, s), 0);
	next = lowest();
	for (size_t room = 0; room <= 2 * CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct cmsgcred)); room++) {
		size_t part[3] = { CMSG_SPACE(4), CMSG_SPACE(sizeof(struct cmsgcred)), CMSG_SPACE(4) }, sum = 0;
		int fit = 0, one;

		at = add(list, 0, SCM_RIGHTS, fds, sizeof(int));
		at = add(list, at, SCM_CREDS, NULL, sizeof(struct cmsgcred));
		at = add(list, at, SCM_RIGHTS, fds + 1, sizeof(int));
		CHECK_EQ(send_control(s[0], list, at), 1);
		CHECK_EQ(receive(s[1], room, 0), 1);
		while (fit < 3 && sum + part[fit] <= room)
			sum += part[fit++];
		CHECK_EQ(got.msg_controllen, sum);
		CHECK_EQ(got.msg_flags & MSG_CTRUNC, fit < 3 ? MSG_CTRUNC : 0);
		if (sum < sizeof(control))
			CHECK_EQ(control[sum], 0x55);
		for (int i = 0; i < fit; i += 2) {
			memcpy(&one, message(i, SCM_RIGHTS, 4), 4);
			CHECK_EQ(sys(SYS_close, one), 0);
		}
		CHECK_EQ(lowest(), next);
	}
	/* Who gives no place at all is not told that something was there. */
	CHECK_EQ(send_control(s[0], list, at), 1);
	struct iovec iov = { data, sizeof(data) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	CHECK_EQ(sys(SYS_recvmsg, s[1], &m, 0), 1);
	CHECK_EQ(m.msg_flags, 0);
	CHECK_EQ(lowest(), next);
	/* Nor does a call that fails leave any. */
	CHECK_EQ(send_control(s[0], list, at), 1);
	m.msg_control = (void *)8;
	m.msg_controllen = 512;
	CHECK_ERR(sys(SYS_recvmsg, s[1], &m, 0), EFAULT);
	CHECK_EQ(lowest(), next);
}

/* What unp_internalize refuses. */
TEST(refused)
{
	char list[2304];
	int s[2], fds[260], next, kq;
	size_t at;
	struct cmsghdr *h = (struct cmsghdr *)list;

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	next = lowest();
	at = add(list, 0, 77, NULL, 4);
	CHECK_ERR(send_control(s[0], list, at), EINVAL);
	at = add(list, 0, SCM_CREDS, NULL, sizeof(struct cmsgcred));
	h->cmsg_level = 1;
	CHECK_ERR(send_control(s[0], list, at), EINVAL);
	h->cmsg_level = SOL_SOCKET;
	for (unsigned i = 0; i < 16; i++) {
		h->cmsg_len = i;
		CHECK_ERR(send_control(s[0], list, at), EINVAL);
	}
	h->cmsg_len = (socklen_t)at + 1;
	CHECK_ERR(send_control(s[0], list, at), EINVAL);
	h->cmsg_len = 0xfffffff0;
	CHECK_ERR(send_control(s[0], list, at), EINVAL);
	/* A rest that is no message. */
	at = add(list, 0, SCM_CREDS, NULL, sizeof(struct cmsgcred));
	memset(list + at, 0, 16);
	CHECK_ERR(send_control(s[0], list, at + 8), EINVAL);
	fds[0] = 999;
	at = add(list, 0, SCM_CREDS, NULL, sizeof(struct cmsgcred));
	at = add(list, at, SCM_RIGHTS, fds, 4);
	CHECK_ERR(send_control(s[0], list, at), EBADF);
	for (int i = 0; i < 260; i++)
		fds[i] = 0;
	at = add(list, 0, SCM_RIGHTS, fds, 255 * sizeof(int));
	CHECK_ERR(send_control(s[0], list, at), EMSGSIZE);
	CHECK_ERR(send_control(s[0], list, 2049), release() >= 1500000 ? EMSGSIZE : EINVAL);
	/* A kqueue is nobody else's. */
	kq = (int)CHECK_OK(sys(SYS_kqueue));
	at = add(list, 0, SCM_RIGHTS, &kq, 4);
	CHECK_ERR(send_control(s[0], list, at), EOPNOTSUPP);
	CHECK_EQ(sys(SYS_close, kq), 0);
	CHECK_EQ(lowest(), next);
	/* No descriptors at all is nothing. */
	at = add(list, 0, SCM_RIGHTS, NULL, 0);
	CHECK_EQ(send_control(s[0], list, at), 1);
	CHECK_EQ(receive(s[1], sizeof(control), 0), 1);
	CHECK_EQ(got.msg_controllen, 0);
}

/* Control parts of random shape, received with random room: no descriptor is left, and what comes is well formed. */
TEST(random_shapes)
{
	static const int kinds[] = { SCM_RIGHTS, SCM_RIGHTS, SCM_CREDS, SCM_TIMESTAMP, SCM_REALTIME, SCM_BINTIME, SCM_MONOTONIC, 99 };
	u64 seed = 88172645463325252UL;
	int fds[8], s[2], next;
	char list[2048];

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET, 0, s), 0);
	for (int i = 0; i < 8; i++)
		fds[i] = i % 3;
	next = lowest();
	for (int round = 0; round < 3000; round++) {
		size_t at = 0;
		int fd;

		seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
		for (u64 i = 0; i < (seed & 7); i++) {
			int kind = kinds[(seed >> (8 + 3 * i)) & 7];
			if (kind == 99 && (seed >> 60) != 0)
				kind = SCM_CREDS;
			at = add(list, at, kind, fds, kind == SCM_RIGHTS ? 4 * ((seed >> (20 + i)) & 7) : 16);
		}
		if ((seed >> 40 & 15) == 0 && at > 0)
			list[(seed >> 44) % at] ^= (char)(1 << (seed & 7));
		if ((seed >> 50 & 7) == 1)
			at -= at > 8 ? 8 : at;
		if ((seed >> 55 & 3) == 0)
			option(s[1], LOCAL_CREDS_PERSISTENT, (seed >> 57) & 1);
		if (send_control(s[0], list, at) != 1) {
			CHECK_EQ(lowest(), next);
			continue;
		}
		CHECK_EQ(receive(s[1], seed >> 52 & 511, (seed >> 51 & 1) ? MSG_CMSG_CLOEXEC : 0), 1);
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&got); c != NULL; c = CMSG_NXTHDR(&got, c)) {
			CHECK_EQ(c->cmsg_level, SOL_SOCKET);
			CHECK(c->cmsg_len >= CMSG_LEN(0));
			if (c->cmsg_type != SCM_RIGHTS)
				continue;
			for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / 4; i++) {
				memcpy(&fd, (char *)CMSG_DATA(c) + 4 * i, 4);
				CHECK_EQ(sys(SYS_close, fd), 0);
			}
		}
		CHECK_EQ(lowest(), next);
	}
}
