/*
 * Addresses of local sockets: every call that returns one gives it as bind(2) got it. FreeBSD's sys/kern/uipc_usrreq.c
 * (uipc_bindat keeps sodupsockaddr(nam), uipc_sockaddr, uipc_peeraddr, sun_noname), uipc_syscalls.c.
 */
#include "guest.h"
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/user.h>

static int
whole_names(void)
{
	int mib[2] = { CTL_KERN, KERN_OSRELDATE }, value = 0;
	size_t n = sizeof(value);

	CHECK_EQ(sys(SYS___sysctl, mib, 2, &value, &n, NULL, 0), 0);
	return (value >= 1500000);
}

static struct sockaddr_un
name(const char *path)
{
	struct sockaddr_un a;

	memset(&a, 0, sizeof(a));
	a.sun_family = AF_UNIX;
	memcpy(a.sun_path, path, strlen(path));
	return (a);
}

static void
check(const struct sockaddr_un *got, socklen_t n, const struct sockaddr_un *bound, size_t length)
{
	CHECK_EQ(n, length);
	CHECK_EQ(got->sun_len, length);
	CHECK_EQ(got->sun_family, AF_UNIX);
	CHECK_EQ(memcmp(got->sun_path, bound->sun_path, length - 2), 0);
	for (size_t i = length - 2; i < sizeof(got->sun_path); i++)
		CHECK_EQ(got->sun_path[i], 0x55);
}

/* Bound with this length: what getsockname, getpeername, accept, recvfrom and recvmsg give. */
static void
bound_with(const char *path, size_t length)
{
	struct sockaddr_un a = name(path), b, c = name("client");
	int s = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0)), conn, peer;
	socklen_t n = sizeof(b);
	char byte;

	CHECK_EQ(sys(SYS_bind, s, &a, length), 0);
	CHECK_EQ(sys(SYS_listen, s, 1), 0);
	memset(&b, 0x55, sizeof(b));
	CHECK_EQ(sys(SYS_getsockname, s, &b, &n), 0);
	check(&b, n, &a, length);
	conn = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
	CHECK_EQ(sys(SYS_bind, conn, &c, 2 + 6 + length % 3), 0);
	CHECK_EQ(sys(SYS_connect, conn, &a, length), 0);
	memset(&b, 0x55, sizeof(b));
	CHECK_EQ(sys(SYS_getpeername, conn, &b, &n), 0);
	check(&b, n, &a, length);
	memset(&b, 0x55, sizeof(b));
	n = sizeof(b);
	peer = (int)CHECK_OK(sys(SYS_accept, s, &b, &n));
	check(&b, n, &c, 2 + 6 + length % 3);
	memset(&b, 0x55, sizeof(b));
	n = sizeof(b);
	CHECK_EQ(sys(SYS_getsockname, peer, &b, &n), 0);
	check(&b, n, &a, length);
	/* A stream names no sender, bound or not. */
	CHECK_EQ(sys(SYS_write, peer, "x", 1), 1);
	n = sizeof(b);
	CHECK_EQ(sys(SYS_recvfrom, conn, &byte, 1, 0, &b, &n), 1);
	CHECK_EQ(n, 0);
	/* Too little room: what fits. Since 15 the length that it would have. */
	for (socklen_t room = 0; room < length; room += 3) {
		n = room;
		memset(&b, 0x55, sizeof(b));
		CHECK_EQ(sys(SYS_getsockname, s, &b, &n), 0);
		CHECK_EQ(n, whole_names() ? length : room);
		CHECK_EQ(((unsigned char *)&b)[room], 0x55);
		if (room > 0)
			CHECK_EQ(b.sun_len, length);
	}
	CHECK_EQ(sys(SYS_close, peer), 0);
	CHECK_EQ(sys(SYS_close, conn), 0);
	CHECK_EQ(sys(SYS_close, s), 0);
	CHECK_EQ(sys(SYS_unlink, "client"), 0);
	CHECK_EQ(sys(SYS_unlink, path), 0);

	/* Datagrams. */
	s = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_DGRAM, 0));
	conn = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_DGRAM, 0));
	CHECK_EQ(sys(SYS_bind, s, &a, length), 0);
	CHECK_EQ(sys(SYS_bind, conn, &c, 2 + 6 + length % 3), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(sys(SYS_sendto, conn, "d", 1, 0, &a, length), 1);
		memset(&b, 0x55, sizeof(b));
		n = sizeof(b);
		if (i == 0)
			CHECK_EQ(sys(SYS_recvfrom, s, &byte, 1, 0, &b, &n), 1);
		else {
			struct iovec iov = { &byte, 1 };
			struct msghdr m = { .msg_name = &b, .msg_namelen = sizeof(b), .msg_iov = &iov, .msg_iovlen = 1 };
			CHECK_EQ(sys(SYS_recvmsg, s, &m, 0), 1);
			n = m.msg_namelen;
		}
		check(&b, n, &c, 2 + 6 + length % 3);
	}
	CHECK_EQ(sys(SYS_close, conn), 0);
	CHECK_EQ(sys(SYS_close, s), 0);
	CHECK_EQ(sys(SYS_unlink, "client"), 0);
	CHECK_EQ(sys(SYS_unlink, path), 0);
}

TEST(lengths)
{
	for (size_t nuls = 0; nuls <= 100; nuls += nuls < 6 ? 1 : 13)
		bound_with("sock", 2 + 4 + nuls);
	bound_with("sock", sizeof(struct sockaddr_un));
}

/* However the path begins. */
TEST(spellings)
{
	char here[104], path[104];
	const char *paths[] = { "s", "./s", ".//s", "..//dir/s", ".s", "././s", "././/./s", ".///s", ".////s", "d/s" };
	const char *absolute[] = { "/", "//", "///", "////", "/./", "//.//./" };

	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	CHECK_EQ(sys(SYS_chdir, "dir"), 0);
	CHECK_EQ(sys(SYS_mkdir, "d", 0755), 0);
	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		for (size_t nuls = 0; nuls < 4; nuls++)
			bound_with(paths[i], nuls == 3 ? sizeof(struct sockaddr_un) : 2 + strlen(paths[i]) + nuls);
	/* In a folder of a short name. */
	memcpy(here, "tmp/lsf-names-0000000", 22);
	for (long pid = sys(SYS_getpid), i = 20; pid != 0; pid /= 10)
		here[i--] = (char)('0' + pid % 10);
	for (unsigned i = 0; i < sizeof(absolute) / sizeof(absolute[0]); i++)
		for (size_t nuls = 0; nuls < 4; nuls++) {
			size_t at = strlen(absolute[i]);
			memcpy(path, absolute[i], at);
			memcpy(path + at, here, strlen(here) + 1);
			bound_with(path, nuls == 3 ? sizeof(struct sockaddr_un) : 2 + strlen(path) + nuls);
		}
}

/* Up to 104 bytes, which no NUL follows then. */
TEST(longest)
{
	char path[105];

	for (size_t size = 95; size <= 104; size++) {
		memset(path, 'x', size);
		path[size] = '\0';
		bound_with(path, 2 + size);
		if (size < 104)
			bound_with(path, 2 + size + 1);
		bound_with(path, sizeof(struct sockaddr_un));
	}
	struct sockaddr_un a = name("x");
	int s = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
	CHECK_ERR(sys(SYS_bind, s, &a, sizeof(a) + 1), EINVAL);
	CHECK_ERR(sys(SYS_bind, s, &a, 256), ENAMETOOLONG);
	CHECK_ERR(sys(SYS_bind, s, &a, 2), EINVAL);
	CHECK_ERR(sys(SYS_bind, s, &a, 1), EINVAL);
}

/* F_KINFO tells both names (soo_fill_kinfo). */
TEST(of_a_descriptor)
{
	struct sockaddr_un a = name("told");
	int s = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
	int c = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
	static struct kinfo_file kf;

	CHECK_EQ(sys(SYS_bind, s, &a, 2 + 4 + 1), 0);
	CHECK_EQ(sys(SYS_listen, s, 1), 0);
	CHECK_EQ(sys(SYS_connect, c, &a, 2 + 4), 0);
	kf.kf_structsize = KINFO_FILE_SIZE;
	CHECK_EQ(sys(SYS_fcntl, s, F_KINFO, &kf), 0);
	CHECK_EQ(kf.kf_type, KF_TYPE_SOCKET);
	CHECK_EQ(kf.kf_un.kf_sock.kf_sock_domain0, AF_UNIX);
	CHECK_EQ(kf.kf_un.kf_sock.kf_sock_type0, SOCK_STREAM);
	CHECK_EQ(kf.kf_un.kf_sock.kf_sock_protocol0, 0);
	CHECK_EQ(kf.kf_un.kf_sock.kf_sa_local.ss_len, 7);
	CHECK_EQ(kf.kf_un.kf_sock.kf_sa_local.ss_family, AF_UNIX);
	CHECK_STR((char *)&kf.kf_un.kf_sock.kf_sa_local + 2, "told");
	kf.kf_structsize = KINFO_FILE_SIZE;
	CHECK_EQ(sys(SYS_fcntl, c, F_KINFO, &kf), 0);
	CHECK_EQ(kf.kf_un.kf_sock.kf_sa_local.ss_len, 16);
	CHECK_EQ(kf.kf_un.kf_sock.kf_sa_peer.ss_len, 7);
	CHECK_STR((char *)&kf.kf_un.kf_sock.kf_sa_peer + 2, "told");
	kf.kf_structsize = KINFO_FILE_SIZE;
	CHECK_EQ(sys(SYS_fcntl, CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0)), F_KINFO, &kf), 0);
	CHECK_EQ(kf.kf_un.kf_sock.kf_sock_domain0, AF_INET);
	CHECK_EQ(kf.kf_un.kf_sock.kf_sock_protocol0, 6);
	CHECK_EQ(kf.kf_un.kf_sock.kf_sa_local.ss_len, 16);
}

/* sun_noname: 16 bytes; a pair's ends, a client, the sender of a datagram. */
TEST(without_a_name)
{
	struct sockaddr_un b;
	int s[2];
	socklen_t n;
	char byte;

	for (int t = 0; t < 2; t++) {
		CHECK_EQ(sys(SYS_socketpair, AF_UNIX, t ? SOCK_DGRAM : SOCK_STREAM, 0, s), 0);
		for (int i = 0; i < 2; i++) {
			memset(&b, 0x55, sizeof(b));
			n = sizeof(b);
			CHECK_EQ(sys(i ? SYS_getpeername : SYS_getsockname, s[0], &b, &n), 0);
			CHECK_EQ(n, 16);
			CHECK_EQ(b.sun_len, 16);
			CHECK_EQ(b.sun_family, AF_UNIX);
			CHECK_EQ(b.sun_path[0], 0);
			CHECK_EQ(b.sun_path[13], 0);
			CHECK_EQ(b.sun_path[14], 0x55);
		}
		CHECK_EQ(sys(SYS_write, s[0], "x", 1), 1);
		n = sizeof(b);
		CHECK_EQ(sys(SYS_recvfrom, s[1], &byte, 1, 0, &b, &n), 1);
		CHECK_EQ(n, t ? 16 : 0);
		/* A length that no size has is room enough. */
		n = (socklen_t)-1;
		CHECK_EQ(sys(SYS_getsockname, s[0], &b, &n), 0);
		CHECK_EQ(n, 16);
	}
	/* Without a place for the address its length stays as it is. */
	CHECK_EQ(sys(SYS_write, s[0], "x", 1), 1);
	n = 77;
	CHECK_EQ(sys(SYS_recvfrom, s[1], &byte, 1, 0, NULL, &n), 1);
	CHECK_EQ(n, 77);
}

/* bindat(2): the path as it was given. */
TEST(from_a_directory)
{
	struct sockaddr_un a = name("in"), b;
	int s = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0)), dir;
	socklen_t n = sizeof(b);

	CHECK_EQ(sys(SYS_mkdir, "from", 0755), 0);
	dir = (int)CHECK_OK(sys(SYS_open, "from", O_RDONLY));
	CHECK_EQ(sys(SYS_bindat, dir, s, &a, 2 + 3), 0);
	memset(&b, 0x55, sizeof(b));
	CHECK_EQ(sys(SYS_getsockname, s, &b, &n), 0);
	check(&b, n, &a, 2 + 3);
}

/* In a view that moves paths, what was bound is what comes back (test_lookup.py). */
HELPER(in_a_root)
{
	const char *paths[] = { "/libexec/s", "//libexec/s", "/libexec/.//s", "/libexec/a/../s" };

	CHECK_EQ(sys(SYS_mkdir, "/libexec/a", 0755), 0);
	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		for (size_t nuls = 0; nuls < 5; nuls++) {
			size_t length = nuls == 4 ? sizeof(struct sockaddr_un) : 2 + 10 + nuls;
			struct sockaddr_un a = name(paths[i]), plain = name("/libexec/s"), b;
			int s = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0)), c;
			socklen_t n = sizeof(b);

			CHECK_EQ(sys(SYS_bind, s, &a, nuls == 4 ? sizeof(a) : 2 + strlen(paths[i]) + nuls), 0);
			CHECK_EQ(sys(SYS_listen, s, 1), 0);
			memset(&b, 0x55, sizeof(b));
			CHECK_EQ(sys(SYS_getsockname, s, &b, &n), 0);
			check(&b, n, &plain, length);
			c = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
			CHECK_EQ(sys(SYS_connect, c, &plain, sizeof(plain)), 0);
			memset(&b, 0x55, sizeof(b));
			n = sizeof(b);
			CHECK_EQ(sys(SYS_getpeername, c, &b, &n), 0);
			check(&b, n, &plain, length);
			CHECK_EQ(sys(SYS_close, c), 0);
			CHECK_EQ(sys(SYS_close, s), 0);
			CHECK_EQ(sys(SYS_unlink, "/libexec/s"), 0);
		}
	guest_exit(9);
}

/* Bytes of any kind as addresses: an error or a name that comes back, never a crash. */
TEST(random_addresses)
{
	u64 seed = 0x2545f4914f6cdd1dUL;
	unsigned char raw[256], back[256];

	for (int round = 0; round < 2000; round++) {
		int s = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_DGRAM, 0));
		socklen_t n = sizeof(back);
		size_t length;

		seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
		length = seed >> 8 & 127;
		for (size_t i = 0; i < sizeof(raw); i++) {
			seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
			raw[i] = "./ab\0x/./"[seed % 9];
		}
		raw[1] = AF_UNIX;
		if (sys(SYS_bind, s, raw, length) == 0) {
			CHECK_EQ(sys(SYS_getsockname, s, back, &n), 0);
			CHECK_EQ(back[0], n);
			CHECK_BETWEEN(n, 3, sizeof(struct sockaddr_un));
			size_t path = 2;
			while (path < length && raw[path] != 0)
				path++;
			if (path < 70) {
				CHECK_EQ(n, length);
				CHECK_EQ(memcmp(back + 2, raw + 2, path - 2), 0);
			}
			raw[path] = 0;
			sys(SYS_unlink, raw + 2);
		}
		CHECK_EQ(sys(SYS_close, s), 0);
	}
}

/* fchmod(2) says which mode the name of a local socket is to have, and means nothing to others (soo_chmod, uipc_chmod). */
TEST(mode_before_the_name)
{
	struct sockaddr_un a = name("sock");
	struct stat st;
	int s = (int)CHECK_OK(sys(SYS_socket, PF_LOCAL, SOCK_DGRAM, 0));

	CHECK_ERR(sys(SYS_fchmod, s, 0600 | S_ISUID), EINVAL);
	CHECK_ERR(sys(SYS_fchmod, s, 0600 | S_ISVTX), EINVAL);
	sys(SYS_umask, 022);
	CHECK_EQ(sys(SYS_fchmod, s, 0766), 0);
	CHECK_EQ(sys(SYS_bind, s, &a, sizeof(a)), 0);
	CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, "sock", &st, 0), 0);
	CHECK_EQ(st.st_mode & 07777, 0744);
	CHECK_ERR(sys(SYS_fchmod, s, 0600), EINVAL);
	CHECK_ERR(sys(SYS_fchmod, CHECK_OK(sys(SYS_socket, PF_INET, SOCK_DGRAM, 0)), 0600), EINVAL);
}
