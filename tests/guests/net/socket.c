/* Sockets: making, naming, connecting, sending, receiving; addresses with sa_len; what comes with a message. */
#include "guest.h"
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/ucred.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <sys/ioccom.h>
#include <sys/filio.h>

#define LOOPBACK 0x0100007f

static struct sockaddr_in
inet(u16 port)
{
	struct sockaddr_in a;

	memset(&a, 0, sizeof(a));
	a.sin_len = sizeof(a);
	a.sin_family = AF_INET;
	a.sin_port = port;
	a.sin_addr.s_addr = LOOPBACK;
	return (a);
}

static struct sockaddr_un
local(const char *path)
{
	struct sockaddr_un a;

	memset(&a, 0, sizeof(a));
	a.sun_family = AF_UNIX;
	memcpy(a.sun_path, path, strlen(path) + 1);
	a.sun_len = (u8)(2 + strlen(path) + 1);
	return (a);
}

/* A listening TCP socket; its port in *port. */
static int
listener(u16 *port)
{
	struct sockaddr_in a = inet(0);
	socklen_t n = sizeof(a);
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));

	CHECK_EQ(sys(SYS_bind, s, &a, sizeof(a)), 0);
	CHECK_EQ(sys(SYS_listen, s, 5), 0);
	CHECK_EQ(sys(SYS_getsockname, s, &a, &n), 0);
	CHECK_EQ(n, 16);
	CHECK_EQ(a.sin_len, 16);
	CHECK_EQ(a.sin_family, AF_INET);
	CHECK_NE(a.sin_port, 0);
	*port = a.sin_port;
	return (s);
}

/* The two ends of a TCP connection. */
static void
connection(int ends[2])
{
	u16 port;
	int s = listener(&port);
	struct sockaddr_in a = inet(port);

	ends[0] = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));
	CHECK_EQ(sys(SYS_connect, ends[0], &a, sizeof(a)), 0);
	ends[1] = (int)CHECK_OK(sys(SYS_accept, s, NULL, NULL));
	CHECK_EQ(sys(SYS_close, s), 0);
}

TEST(create)
{
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

	CHECK_EQ(sys(SYS_fcntl, s, F_GETFD, 0), FD_CLOEXEC);
	CHECK_EQ(sys(SYS_fcntl, s, F_GETFL, 0), O_RDWR | O_NONBLOCK);
	CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_SEQPACKET, 0));
	CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, IPPROTO_UDP));
	CHECK_ERR(sys(SYS_socket, 10 /* Linux's AF_INET6 */, SOCK_STREAM, 0), EAFNOSUPPORT);
	CHECK_ERR(sys(SYS_socket, 0, SOCK_STREAM, 0), EAFNOSUPPORT);
	CHECK_ERR(sys(SYS_socket, 999, SOCK_STREAM, 0), EAFNOSUPPORT);
	CHECK_ERR(sys(SYS_socket, AF_DIVERT, SOCK_RAW, 0), EAFNOSUPPORT);	/* ipdivert(4) is not loaded */
	CHECK_ERR(sys(SYS_socket, AF_INET, 77, 0), EPROTOTYPE);
	CHECK_ERR(sys(SYS_socket, AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
}

TEST(pairs)
{
	int s[2];
	char buf[16];

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(sys(SYS_sendto, s[0], "stream", 6, 0, NULL, 0), 6);
	CHECK_EQ(sys(SYS_recvfrom, s[1], buf, 3, MSG_PEEK, NULL, NULL), 3);
	CHECK_EQ(sys(SYS_recvfrom, s[1], buf, sizeof(buf), 0, NULL, NULL), 6);
	CHECK_EQ(memcmp(buf, "stream", 6), 0);
	CHECK_ERR(sys(SYS_recvfrom, s[1], buf, 1, MSG_DONTWAIT, NULL, NULL), EAGAIN);
	CHECK_EQ(sys(SYS_shutdown, s[0], SHUT_WR), 0);
	CHECK_EQ(sys(SYS_read, s[1], buf, 1), 0);
	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, s), 0);
	CHECK_EQ(sys(SYS_fcntl, s[1], F_GETFD, 0), FD_CLOEXEC);
	CHECK_EQ(sys(SYS_write, s[0], "one", 3), 3);
	CHECK_EQ(sys(SYS_write, s[0], "two", 3), 3);
	CHECK_EQ(sys(SYS_read, s[1], buf, sizeof(buf)), 3);
	CHECK_ERR(sys(SYS_socketpair, AF_INET, SOCK_STREAM, 0, s), EOPNOTSUPP);
	CHECK_ERR(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, 8), EFAULT);
}

TEST(local_names)
{
	struct sockaddr_un a = local("sock"), b;
	socklen_t n = sizeof(b);
	int s = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0)), c, d;
	char buf[8];

	CHECK_EQ(sys(SYS_getsockname, s, &b, &n), 0);
	CHECK_EQ(n, 16);
	CHECK_EQ(b.sun_len, 16);
	CHECK_EQ(b.sun_family, AF_UNIX);
	CHECK_EQ(sys(SYS_bind, s, &a, a.sun_len), 0);
	CHECK_ERR(sys(SYS_bind, CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0)), &a, a.sun_len), EADDRINUSE);
	CHECK_EQ(sys(SYS_listen, s, 1), 0);
	memset(&b, 0x55, sizeof(b));
	n = sizeof(b);
	CHECK_EQ(sys(SYS_getsockname, s, &b, &n), 0);
	CHECK_EQ(n, b.sun_len);
	CHECK_EQ(b.sun_len >= 6 && b.sun_len <= 7, 1);
	CHECK_EQ(b.sun_family, AF_UNIX);
	CHECK_EQ(memcmp(b.sun_path, "sock", 4), 0);
	c = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
	CHECK_EQ(sys(SYS_connect, c, &a, a.sun_len), 0);
	n = sizeof(b);
	d = (int)CHECK_OK(sys(SYS_accept, s, &b, &n));
	CHECK_EQ(n, 16);
	CHECK_EQ(b.sun_family, AF_UNIX);
	CHECK_EQ(sys(SYS_write, c, "hi", 2), 2);
	CHECK_EQ(sys(SYS_read, d, buf, 8), 2);
	n = sizeof(b);
	CHECK_EQ(sys(SYS_getpeername, c, &b, &n), 0);
	CHECK_EQ(memcmp(b.sun_path, "sock", 4), 0);
	/* A length that cuts the address cuts what comes back, too. */
	n = 4;
	memset(&b, 0x55, sizeof(b));
	CHECK_EQ(sys(SYS_getpeername, c, &b, &n), 0);
	CHECK_EQ(n, GUEST_RELEASE >= 15 ? 7 : 4);	/* since 15 the whole length is told, as POSIX has it */
	CHECK_EQ(b.sun_path[1], 'o');
	CHECK_EQ(b.sun_path[2], 0x55);
	a = local("none");
	CHECK_ERR(sys(SYS_connect, CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0)), &a, a.sun_len), ENOENT);
	CHECK_EQ(sys(SYS_close, s), 0);
	a = local("sock");
	CHECK_ERR(sys(SYS_connect, CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0)), &a, a.sun_len), ECONNREFUSED);
	a = local("");
	CHECK_ERR(sys(SYS_bind, CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0)), &a, 2), EINVAL);
	CHECK_ERR(sys(SYS_bind, CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0)), &a, 300), ENAMETOOLONG);
	CHECK_ERR(sys(SYS_bind, CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0)), 8, 16), EFAULT);
}

TEST(local_datagrams)
{
	struct sockaddr_un a = local("first"), b = local("second"), from;
	socklen_t n = sizeof(from);
	int s = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_DGRAM, 0));
	int t = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_DGRAM, 0));
	char buf[8];

	CHECK_EQ(sys(SYS_bind, s, &a, a.sun_len), 0);
	CHECK_EQ(sys(SYS_bind, t, &b, b.sun_len), 0);
	CHECK_EQ(sys(SYS_sendto, s, "x", 1, 0, &b, b.sun_len), 1);
	memset(&from, 0, sizeof(from));
	CHECK_EQ(sys(SYS_recvfrom, t, buf, 8, 0, &from, &n), 1);
	CHECK_EQ(from.sun_family, AF_UNIX);
	CHECK_EQ(memcmp(from.sun_path, "first", 5), 0);
	CHECK_EQ(n, from.sun_len);
}

TEST(paths_from_a_directory)
{
	struct sockaddr_un a = local("inside");
	struct stat st;
	int s = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
	int c = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0));

	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	int dir = (int)CHECK_OK(sys(SYS_open, "dir", O_RDONLY));
	CHECK_EQ(sys(SYS_bindat, dir, s, &a, a.sun_len), 0);
	CHECK_EQ(guest_stat("dir/inside", &st), 0);
	CHECK_EQ(sys(SYS_listen, s, 1), 0);
	CHECK_EQ(sys(SYS_connectat, dir, c, &a, a.sun_len), 0);
	CHECK_ERR(sys(SYS_connectat, AT_FDCWD, CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0)), &a, a.sun_len), ENOENT);
}

TEST(tcp)
{
	u16 port;
	int s = listener(&port), c, d;
	struct sockaddr_in a = inet(port), peer;
	socklen_t n = sizeof(peer);
	char buf[16];

	c = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));
	CHECK_ERR(sys(SYS_getpeername, c, &peer, &n), ENOTCONN);
	CHECK_EQ(sys(SYS_connect, c, &a, sizeof(a)), 0);
	CHECK_ERR(sys(SYS_connect, c, &a, sizeof(a)), EISCONN);
	memset(&peer, 0x55, sizeof(peer));
	d = (int)CHECK_OK(sys(SYS_accept, s, &peer, &n));
	CHECK_EQ(n, 16);
	CHECK_EQ(peer.sin_len, 16);
	CHECK_EQ(peer.sin_family, AF_INET);
	CHECK_EQ(peer.sin_addr.s_addr, LOOPBACK);
	CHECK_EQ(sys(SYS_sendto, c, "hello", 5, MSG_NOSIGNAL, NULL, 0), 5);
	n = sizeof(peer);
	CHECK_EQ(sys(SYS_recvfrom, d, buf, 5, MSG_WAITALL, &peer, &n), 5);
	CHECK_EQ(n, 0);		/* a stream tells no sender */
	CHECK_EQ(sys(SYS_sendto, c, "end", 3, MSG_EOF, NULL, 0), 3);
	CHECK_EQ(sys(SYS_read, d, buf, 3), 3);
	CHECK_EQ(sys(SYS_read, d, buf, 3), 0);
	CHECK_ERR(sys(SYS_accept, d, NULL, NULL), EINVAL);
	CHECK_ERR(sys(SYS_accept, 999, NULL, NULL), EBADF);
	CHECK_ERR(sys(SYS_accept, CHECK_OK(sys(SYS_open, "/", O_RDONLY)), NULL, NULL), ENOTSOCK);
	CHECK_ERR(sys(SYS_accept, s, &peer, 8), EFAULT);
	CHECK_EQ(sys(SYS_close, s), 0);
	c = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));
	CHECK_ERR(sys(SYS_connect, c, &a, sizeof(a)), ECONNREFUSED);
	CHECK_ERR(sys(SYS_connect, CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0)), &a, 12), EINVAL);
}

/* An address of another family (uipc_bindat, unp_connectat, tcp_usr_connect, udp_bind), and a second name. */
TEST(wrong_addresses)
{
	struct sockaddr_in a = inet(0), none = inet(0);
	struct sockaddr_un u = local("one"), v = local("two");
	int t = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));
	int d = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, 0));
	int s = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0));

	none.sin_family = AF_UNSPEC;
	for (int i = 0; i < 2; i++) {
		CHECK_ERR(sys(i ? SYS_bind : SYS_connect, t, &u, u.sun_len), EAFNOSUPPORT);
		CHECK_ERR(sys(i ? SYS_bind : SYS_connect, t, &u, sizeof(a)), EAFNOSUPPORT);
		CHECK_ERR(sys(i ? SYS_bind : SYS_connect, d, &u, sizeof(u)), EAFNOSUPPORT);
		CHECK_ERR(sys(i ? SYS_bind : SYS_connect, s, &a, sizeof(a)), EAFNOSUPPORT);
		CHECK_ERR(sys(i ? SYS_bind : SYS_connect, s, &none, sizeof(none)), EAFNOSUPPORT);
	}
	none.sin_addr.s_addr = 0;
	CHECK_EQ(sys(SYS_bind, d, &none, sizeof(none)), 0);
	CHECK_EQ(sys(SYS_bind, s, &u, u.sun_len), 0);
	CHECK_ERR(sys(SYS_bind, s, &u, u.sun_len), EINVAL);
	CHECK_ERR(sys(SYS_bind, s, &v, v.sun_len), EINVAL);
	CHECK_ERR(sys(SYS_bind, CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0)), &u, u.sun_len), EADDRINUSE);
	CHECK_ERR(sys(SYS_socket, AF_UNIX, SOCK_RAW, 0), EPROTOTYPE);
	CHECK_ERR(sys(SYS_socketpair, AF_UNIX, SOCK_RAW, 0, &t), EPROTOTYPE);
}

/* accept(2) hands O_NONBLOCK of the listening socket on; accept4(2) sets what its flags say. */
TEST(accept_flags)
{
	u16 port;
	int s = listener(&port), c, d;
	struct sockaddr_in a = inet(port);

	CHECK_EQ(sys(SYS_fcntl, s, F_SETFL, O_NONBLOCK), 0);
	CHECK_ERR(sys(SYS_accept, s, NULL, NULL), EAGAIN);
	for (int i = 0; i < 3; i++) {
		c = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));
		CHECK_EQ(sys(SYS_connect, c, &a, sizeof(a)), 0);
	}
	d = (int)CHECK_OK(sys(SYS_accept, s, NULL, NULL));
	CHECK_EQ(sys(SYS_fcntl, d, F_GETFL, 0) & O_NONBLOCK, O_NONBLOCK);
	d = (int)CHECK_OK(sys(SYS_accept4, s, NULL, NULL, SOCK_CLOEXEC));
	CHECK_EQ(sys(SYS_fcntl, d, F_GETFL, 0) & O_NONBLOCK, 0);
	CHECK_EQ(sys(SYS_fcntl, d, F_GETFD, 0), FD_CLOEXEC);
	d = (int)CHECK_OK(sys(SYS_accept4, s, NULL, NULL, SOCK_NONBLOCK));
	CHECK_EQ(sys(SYS_fcntl, d, F_GETFL, 0) & O_NONBLOCK, O_NONBLOCK);
	CHECK_EQ(sys(SYS_fcntl, d, F_GETFD, 0), 0);
	CHECK_ERR(sys(SYS_accept4, s, NULL, NULL, 1), EINVAL);
}

TEST(connect_without_waiting)
{
	u16 port;
	int s = listener(&port), c, error = -1;
	struct sockaddr_in a = inet(port);
	socklen_t n = sizeof(error);
	long ret;

	c = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	ret = sys(SYS_connect, c, &a, sizeof(a));
	CHECK(ret == 0 || ret == -EINPROGRESS);
	CHECK_OK(sys(SYS_accept, s, NULL, NULL));
	CHECK_EQ(sys(SYS_getsockopt, c, SOL_SOCKET, SO_ERROR, &error, &n), 0);
	CHECK_EQ(error, 0);
	CHECK_EQ(sys(SYS_close, s), 0);
	c = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	ret = sys(SYS_connect, c, &a, sizeof(a));
	if (ret == -EINPROGRESS) {
		guest_sleep_ms(20);
		CHECK_EQ(sys(SYS_getsockopt, c, SOL_SOCKET, SO_ERROR, &error, &n), 0);
		CHECK_EQ(error, ECONNREFUSED);
	} else
		CHECK_EQ(ret, -ECONNREFUSED);
}

TEST(udp)
{
	struct sockaddr_in a = inet(0), b = inet(0), from;
	socklen_t n = sizeof(a);
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, 0));
	int t = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, 0));
	char buf[16];

	CHECK_EQ(sys(SYS_bind, s, &a, sizeof(a)), 0);
	CHECK_EQ(sys(SYS_getsockname, s, &a, &n), 0);
	CHECK_EQ(sys(SYS_bind, t, &b, sizeof(b)), 0);
	n = sizeof(b);
	CHECK_EQ(sys(SYS_getsockname, t, &b, &n), 0);
	a.sin_len = 0;		/* FreeBSD takes the length from the argument */
	CHECK_EQ(sys(SYS_sendto, t, "datagram", 8, 0, &a, sizeof(a)), 8);
	memset(&from, 0x55, sizeof(from));
	n = sizeof(from);
	CHECK_EQ(sys(SYS_recvfrom, s, buf, sizeof(buf), 0, &from, &n), 8);
	CHECK_EQ(n, 16);
	CHECK_EQ(memcmp(&from, &b, 8), 0);
	/* What does not fit is cut off; recvmsg says so. */
	CHECK_EQ(sys(SYS_sendto, t, "datagram", 8, 0, &a, sizeof(a)), 8);
	struct iovec iov = { buf, 4 };
	struct msghdr m = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1 };
	CHECK_EQ(sys(SYS_recvmsg, s, &m, 0), 4);
	CHECK_EQ(m.msg_flags, MSG_TRUNC);
	CHECK_EQ(m.msg_namelen, 16);
	CHECK_EQ(from.sin_port, b.sin_port);
	CHECK_EQ(sys(SYS_connect, t, &a, sizeof(a)), 0);
	CHECK_EQ(sys(SYS_write, t, "x", 1), 1);
	CHECK_EQ(sys(SYS_read, s, buf, 8), 1);
	CHECK_ERR(sys(SYS_sendto, s, "x", 1, 0, NULL, 0), EDESTADDRREQ);
}

/* An address of IPv4 is none for a socket of IPv6 alone, which they are at first (udp6_send, udp6_connect, tcp6_usr_connect). */
TEST(ipv6_alone)
{
	struct sockaddr_in6 a = { .sin6_len = sizeof(a), .sin6_family = AF_INET6, .sin6_port = 0x0f27 };
	struct iovec iov = { "x", 1 };
	struct msghdr message = { .msg_name = &a, .msg_namelen = sizeof(a), .msg_iov = &iov, .msg_iovlen = 1 };
	int s = (int)sys(SYS_socket, AF_INET6, SOCK_DGRAM, 0), none = 0;

	if (s == -EAFNOSUPPORT)
		SKIP("no IPv6 here");
	a.sin6_addr.s6_addr[10] = a.sin6_addr.s6_addr[11] = 0xff;
	a.sin6_addr.s6_addr[12] = 127;
	a.sin6_addr.s6_addr[15] = 1;
	CHECK_ERR(sys(SYS_sendto, s, "x", 1, 0, &a, sizeof(a)), EINVAL);
	CHECK_ERR(sys(SYS_sendmsg, s, &message, 0), EINVAL);
	CHECK_ERR(sys(SYS_connect, s, &a, sizeof(a)), EINVAL);
	int t = (int)CHECK_OK(sys(SYS_socket, AF_INET6, SOCK_STREAM, 0));
	CHECK_ERR(sys(SYS_connect, t, &a, sizeof(a)), EINVAL);
	CHECK_EQ(sys(SYS_setsockopt, s, IPPROTO_IPV6, IPV6_V6ONLY, &none, sizeof(none)), 0);
	CHECK_EQ(sys(SYS_sendto, s, "x", 1, 0, &a, sizeof(a)), 1);
}

TEST(ipv6)
{
	struct sockaddr_in6 a;
	struct sockaddr_in four = inet(0);
	socklen_t n = sizeof(a);
	int s = (int)sys(SYS_socket, AF_INET6, SOCK_STREAM, 0), value = -1, t;

	if (s == -EAFNOSUPPORT)
		SKIP("no IPv6 here");
	CHECK(s >= 0);
	n = sizeof(value);
	CHECK_EQ(sys(SYS_getsockopt, s, IPPROTO_IPV6, IPV6_V6ONLY, &value, &n), 0);
	CHECK_EQ(value, 1);
	memset(&a, 0, sizeof(a));
	a.sin6_len = sizeof(a);
	a.sin6_family = AF_INET6;
	CHECK_EQ(sys(SYS_bind, s, &a, sizeof(a)), 0);
	n = sizeof(a);
	CHECK_EQ(sys(SYS_getsockname, s, &a, &n), 0);
	CHECK_EQ(n, 28);
	CHECK_EQ(a.sin6_len, 28);
	CHECK_EQ(a.sin6_family, AF_INET6);
	CHECK_EQ(sys(SYS_listen, s, 1), 0);
	/* The same port of IPv4 is free. */
	four.sin_port = a.sin6_port;
	four.sin_addr.s_addr = 0;
	t = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));
	CHECK_EQ(sys(SYS_bind, t, &four, sizeof(four)), 0);
	CHECK_EQ(sys(SYS_listen, t, 1), 0);
	n = sizeof(value);
	CHECK_EQ(sys(SYS_getsockopt, s, SOL_SOCKET, SO_DOMAIN, &value, &n), 0);
	CHECK_EQ(value, AF_INET6);
}

static void
send_descriptors(int s, const int *fds, int count)
{
	char control[256];
	struct iovec iov = { "f", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
	    .msg_controllen = (socklen_t)CMSG_SPACE(sizeof(int) * count) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	memset(control, 0, sizeof(control));
	c->cmsg_len = (socklen_t)CMSG_LEN(sizeof(int) * count);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
	CHECK_EQ(sys(SYS_sendmsg, s, &m, 0), 1);
}

/* A control buffer of any size, with or without room for credentials. */
static int
receive_descriptors(int s, int *fds, size_t room, int flags, int *message_flags)
{
	char control[512], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = (socklen_t)room };
	struct cmsghdr *c;
	int count = 0;

	CHECK_EQ(sys(SYS_recvmsg, s, &m, flags), 1);
	*message_flags = m.msg_flags;
	if (m.msg_controllen >= sizeof(*c)) {
		c = CMSG_FIRSTHDR(&m);
		CHECK_EQ(c->cmsg_level, SOL_SOCKET);
		CHECK_EQ(c->cmsg_type, SCM_RIGHTS);
		count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), sizeof(int) * count);
	}
	return (count);
}

TEST(pass_descriptors)
{
	int s[2], ends[2], got[16], flags;
	char c;

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	send_descriptors(s[0], ends, 2);
	CHECK_EQ(receive_descriptors(s[1], got, CMSG_SPACE(8), 0, &flags), 2);
	CHECK_EQ(flags, 0);
	CHECK_EQ(sys(SYS_fcntl, got[0], F_GETFD, 0), 0);
	CHECK_EQ(sys(SYS_write, got[1], "p", 1), 1);
	CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 1);
	CHECK_EQ(c, 'p');
	/* With much room, close-on-exec. */
	send_descriptors(s[0], ends, 1);
	CHECK_EQ(receive_descriptors(s[1], got, 400, MSG_CMSG_CLOEXEC, &flags), 1);
	CHECK_EQ(flags, MSG_CMSG_CLOEXEC);	/* soreceive gives the flags of the call back */
	CHECK_EQ(sys(SYS_fcntl, got[0], F_GETFD, 0), FD_CLOEXEC);
	/* No room: the message says so, and no descriptor is left behind. */
	int next = (int)CHECK_OK(sys(SYS_dup, 0));
	CHECK_EQ(sys(SYS_close, next), 0);
	send_descriptors(s[0], ends, 2);
	CHECK_EQ(receive_descriptors(s[1], got, 0, 0, &flags), 0);
	CHECK_EQ(flags, MSG_CTRUNC);
	CHECK_EQ(sys(SYS_dup, 0), next);
	int bad[1] = { 999 };
	char control[CMSG_SPACE(4)];
	struct iovec iov = { "f", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	memset(control, 0, sizeof(control));
	h->cmsg_len = CMSG_LEN(4);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(h), bad, 4);
	CHECK_ERR(sys(SYS_sendmsg, s[0], &m, 0), EBADF);
	h->cmsg_type = 77;
	CHECK_ERR(sys(SYS_sendmsg, s[0], &m, 0), EINVAL);
	m.msg_controllen = 4;
	CHECK_ERR(sys(SYS_sendmsg, s[0], &m, 0), EINVAL);
	m.msg_iovlen = 2000;
	m.msg_control = NULL;
	CHECK_ERR(sys(SYS_sendmsg, s[0], &m, 0), EMSGSIZE);
	CHECK_ERR(sys(SYS_sendmsg, s[0], 8, 0), EFAULT);
}

/* SCM_CREDS: the kernel says who the sender is. */
TEST(credentials)
{
	int s[2];
	char control[CMSG_SPACE(sizeof(struct cmsgcred))], byte;
	struct iovec iov = { "c", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	struct cmsgcred cred;

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	int parent = (int)sys(SYS_getpid);
	memset(control, 0, sizeof(control));
	h->cmsg_len = CMSG_LEN(sizeof(struct cmsgcred));
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_CREDS;
	CHECK_EQ(sys(SYS_sendmsg, s[0], &m, 0), 1);
	IN_CHILD({
		iov.iov_base = &byte;
		memset(control, 0, sizeof(control));
		CHECK_EQ(sys(SYS_recvmsg, s[1], &m, 0), 1);
		CHECK_EQ(m.msg_controllen, sizeof(control));
		CHECK_EQ(h->cmsg_len, CMSG_LEN(sizeof(struct cmsgcred)));
		CHECK_EQ(h->cmsg_type, SCM_CREDS);
		memcpy(&cred, CMSG_DATA(h), sizeof(cred));
		CHECK_EQ(cred.cmcred_pid, parent);
		CHECK_EQ(cred.cmcred_uid, sys(SYS_getuid));
		CHECK_EQ(cred.cmcred_euid, sys(SYS_geteuid));
		CHECK_EQ(cred.cmcred_gid, sys(SYS_getgid));
		CHECK(cred.cmcred_ngroups >= 1);
	});
}

/* LOCAL_CREDS: the receiver asks, a stream is told once; LOCAL_CREDS_PERSISTENT: each time. */
TEST(local_credentials)
{
	for (int persistent = 0; persistent < 2; persistent++) {
		int s[2], on = 1;
		char control[256], byte;
		struct iovec iov = { &byte, 1 };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
		struct cmsghdr *h;
		socklen_t n = sizeof(on);

		CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
		int option = persistent ? LOCAL_CREDS_PERSISTENT : LOCAL_CREDS;
		CHECK_EQ(sys(SYS_setsockopt, s[1], SOL_LOCAL, option, &on, sizeof(on)), 0);
		on = 0;
		CHECK_EQ(sys(SYS_getsockopt, s[1], SOL_LOCAL, option, &on, &n), 0);
		CHECK_EQ(on, 1);
		for (int i = 0; i < 2; i++) {
			CHECK_EQ(sys(SYS_write, s[0], "x", 1), 1);
			m.msg_control = control;
			m.msg_controllen = i == 0 ? sizeof(control) : 96;
			CHECK_EQ(sys(SYS_recvmsg, s[1], &m, 0), 1);
			if (i == 1 && !persistent) {
				CHECK_EQ(m.msg_controllen, 0);
				break;
			}
			CHECK(m.msg_controllen >= CMSG_SPACE(0));
			h = CMSG_FIRSTHDR(&m);
			CHECK_EQ(h->cmsg_type, persistent ? SCM_CREDS2 : SCM_CREDS);
			if (persistent) {
				struct sockcred2 *c2 = (struct sockcred2 *)CMSG_DATA(h);
				CHECK_EQ(c2->sc_pid, sys(SYS_getpid));
				CHECK_EQ(c2->sc_euid, sys(SYS_geteuid));
			} else
				CHECK_EQ(((struct sockcred *)CMSG_DATA(h))->sc_uid, sys(SYS_getuid));
		}
	}
}

TEST(peer_credentials)
{
	int s[2];
	struct xucred cred;
	socklen_t n = sizeof(cred);

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(sys(SYS_getsockopt, s[0], SOL_LOCAL, LOCAL_PEERCRED, &cred, &n), 0);
	CHECK_EQ(n, sizeof(cred));
	CHECK_EQ(cred.cr_version, XUCRED_VERSION);
	CHECK_EQ(cred.cr_uid, sys(SYS_geteuid));
	CHECK_EQ(cred.cr_pid, sys(SYS_getpid));
	CHECK(cred.cr_ngroups >= 1);
	CHECK_EQ(cred.cr_groups[0], sys(SYS_getegid));
	n = sizeof(cred);
	int t = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
	CHECK_ERR(sys(SYS_getsockopt, t, SOL_LOCAL, LOCAL_PEERCRED, &cred, &n), ENOTCONN);
}

/* The address that a datagram was sent to, and sending from an address. */
TEST(destination_address)
{
	struct sockaddr_in a = inet(0);
	socklen_t n = sizeof(a);
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, 0)), on = 1;
	char control[CMSG_SPACE(4)], buf[4];
	struct iovec iov = { buf, 4 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	u32 to;

	CHECK_EQ(sys(SYS_bind, s, &a, sizeof(a)), 0);
	CHECK_EQ(sys(SYS_getsockname, s, &a, &n), 0);
	CHECK_EQ(sys(SYS_setsockopt, s, IPPROTO_IP, IP_RECVDSTADDR, &on, sizeof(on)), 0);
	CHECK_EQ(sys(SYS_sendto, s, "x", 1, 0, &a, sizeof(a)), 1);
	CHECK_EQ(sys(SYS_recvmsg, s, &m, 0), 1);
	CHECK_EQ(m.msg_controllen, CMSG_SPACE(4));
	CHECK_EQ(CMSG_FIRSTHDR(&m)->cmsg_level, IPPROTO_IP);
	CHECK_EQ(CMSG_FIRSTHDR(&m)->cmsg_type, IP_RECVDSTADDR);
	CHECK_EQ(CMSG_FIRSTHDR(&m)->cmsg_len, CMSG_LEN(4));
	memcpy(&to, CMSG_DATA(CMSG_FIRSTHDR(&m)), 4);
	CHECK_EQ(to, LOOPBACK);
}

static volatile int pipes;

static void
on_pipe(int signo __attribute__((unused)), siginfo_t *info __attribute__((unused)), void *uc __attribute__((unused)))
{
	pipes++;
}

TEST(broken_pipe)
{
	int s[2];

	guest_handle(SIGPIPE, on_pipe, 0);
	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(sys(SYS_close, s[1]), 0);
	CHECK_ERR(sys(SYS_sendto, s[0], "x", 1, 0, NULL, 0), EPIPE);
	CHECK_EQ(pipes, 1);
	CHECK_ERR(sys(SYS_write, s[0], "x", 1), EPIPE);
	CHECK_EQ(pipes, 2);
	CHECK_ERR(sys(SYS_sendto, s[0], "x", 1, MSG_NOSIGNAL, NULL, 0), EPIPE);
	CHECK_EQ(pipes, 2);
}

HELPER(write_to_three)
{
	CHECK_ERR(sys(SYS_write, 3, "x", 1), EPIPE);
	CHECK_ERR(sys(SYS_sendto, 3, "x", 1, 0, NULL, 0), EPIPE);
	guest_exit(9);
}

/* SO_NOSIGPIPE: no signal, for write either, in no process that has the socket. */
TEST(no_broken_pipe)
{
	int s[2], on = 1, dup;
	socklen_t n = sizeof(on);

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(sys(SYS_setsockopt, s[0], SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on)), 0);
	on = 0;
	CHECK_EQ(sys(SYS_getsockopt, s[0], SOL_SOCKET, SO_NOSIGPIPE, &on, &n), 0);
	CHECK_EQ(on, SO_NOSIGPIPE);
	on = -1;
	CHECK_EQ(sys(SYS_getsockopt, s[0], SOL_SOCKET, SO_BROADCAST, &on, &n), 0);
	CHECK_EQ(on, 0);
	CHECK_EQ(sys(SYS_close, s[1]), 0);
	dup = (int)CHECK_OK(sys(SYS_dup, s[0]));
	/* The default action would end this process. */
	CHECK_ERR(sys(SYS_sendto, dup, "x", 1, 0, NULL, 0), EPIPE);
	CHECK_ERR(sys(SYS_write, dup, "x", 1), EPIPE);
	IN_CHILD(CHECK_ERR(sys(SYS_write, s[0], "x", 1), EPIPE));
	int pid = guest_fork();
	if (pid == 0) {
		char *args[] = { guest_argv[0], "@write_to_three", NULL }, *env[] = { NULL };
		CHECK_EQ(sys(SYS_dup2, s[0], 3), 3);
		sys(SYS_execve, guest_argv[0], args, env);
		guest_exit(99);
	}
	CHECK_EQ(guest_wait(pid), 9 << 8);
	/* Another socket still does. */
	pid = guest_fork();
	if (pid == 0) {
		CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
		CHECK_EQ(sys(SYS_close, s[1]), 0);
		sys(SYS_write, s[0], "x", 1);
		guest_exit(0);
	}
	CHECK_EQ(guest_wait(pid), SIGPIPE);
}

static void
on_alarm(int signo __attribute__((unused)), siginfo_t *info __attribute__((unused)), void *uc __attribute__((unused)))
{
	pipes++;
}

static void
alarm_in(long us)
{
	struct itimerval t = { { 0, 0 }, { us / 1000000, us % 1000000 } };

	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &t, NULL), 0);
}

/* A signal ends a wait with EINTR, or with SA_RESTART the call goes on. */
TEST(interrupted)
{
	int s[2];
	u16 port;
	char c;

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s), 0);
	guest_handle(SIGALRM, on_alarm, 0);
	alarm_in(30000);
	CHECK_ERR(sys(SYS_recvfrom, s[0], &c, 1, 0, NULL, NULL), EINTR);
	CHECK_EQ(pipes, 1);
	alarm_in(30000);
	CHECK_ERR(sys(SYS_accept, listener(&port), NULL, NULL), EINTR);
	CHECK_EQ(pipes, 2);
	guest_handle(SIGALRM, on_alarm, SA_RESTART);
	int pid = guest_fork();
	if (pid == 0) {
		guest_sleep_ms(100);
		CHECK_EQ(sys(SYS_write, s[1], "y", 1), 1);
		guest_exit(0);
	}
	alarm_in(30000);
	CHECK_EQ(sys(SYS_recvfrom, s[0], &c, 1, 0, NULL, NULL), 1);
	CHECK_EQ(pipes, 3);
	CHECK_EQ(guest_wait(pid), 0);
}

TEST(requests)
{
	int ends[2], n = -1;

	connection(ends);
	CHECK_EQ(sys(SYS_write, ends[0], "12345", 5), 5);
	for (int i = 0; i < 200 && n != 5; i++) {
		CHECK_EQ(sys(SYS_ioctl, ends[1], FIONREAD, &n), 0);
		guest_sleep_ms(1);
	}
	CHECK_EQ(n, 5);
	CHECK_EQ(sys(SYS_ioctl, ends[0], FIONWRITE, &n), 0);
	CHECK_BETWEEN(n, 0, 5);
	CHECK_EQ(sys(SYS_ioctl, ends[0], FIONSPACE, &n), 0);
	CHECK_BETWEEN(n, 1000, 100000000);
	n = 1;
	CHECK_EQ(sys(SYS_ioctl, ends[0], FIONBIO, &n), 0);
	CHECK_ERR(sys(SYS_read, ends[0], &n, 1), EAGAIN);
}

/* TCP has no multicast (tcp_usr_bind, tcp_usr_connect). */
TEST(multicast_is_no_stream)
{
	struct sockaddr_in to = { .sin_len = sizeof(to), .sin_family = AF_INET, .sin_addr = { 0xe0 } };
	struct sockaddr_in6 to6 = { .sin6_len = sizeof(to6), .sin6_family = AF_INET6, .sin6_port = 9 };
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0)), u = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, 0)), s6;

	CHECK_ERR(sys(SYS_bind, s, &to, sizeof(to)), EAFNOSUPPORT);
	CHECK_ERR(sys(SYS_connect, s, &to, sizeof(to)), EAFNOSUPPORT);
	CHECK_EQ(sys(SYS_bind, u, &to, sizeof(to)), 0);
	s6 = (int)sys(SYS_socket, AF_INET6, SOCK_STREAM, 0);
	to6.sin6_addr.s6_addr[0] = 0xff;
	if (s6 >= 0)
		CHECK_ERR(sys(SYS_connect, s6, &to6, sizeof(to6)), EAFNOSUPPORT);
}
