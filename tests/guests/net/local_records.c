/*
 * Records and datagrams of local sockets, as each release has them: SEQPACKET with MSG_EOR, a queue that is full, a peer that
 * closes. FreeBSD's sys/kern/uipc_usrreq.c (13: uipc_send and sbappendaddr; 14: uipc_sosend_dgram; 15:
 * uipc_sosend_stream_or_seqpacket), uipc_socket.c (soreceive_generic), unix(4).
 */
#include "guest.h"
#include <sys/poll.h>
#include <sys/socket.h>
#include <sys/sysctl.h>
#include <sys/uio.h>
#include <sys/un.h>

static int
osreldate(void)
{
	int value = 0;
	size_t size = sizeof(value);

	CHECK_EQ(sys(SYS___sysctlbyname, "kern.osreldate", 14, &value, &size, NULL, 0), 0);
	return (value);
}

static u64
number(const char *name)
{
	u64 value = 0;
	size_t size = sizeof(value);

	CHECK_EQ(sys(SYS___sysctlbyname, name, strlen(name), &value, &size, NULL, 0), 0);
	CHECK_EQ(size, sizeof(value));
	return (value);
}

static void
pair(int type, int s[2])
{
	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, type, 0, s), 0);
}

/* recvmsg into `size` bytes: the length, and the flags that came. */
static long
take(int s, void *to, int size, int flags, int *told)
{
	struct iovec iov = { to, (size_t)size };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	long n = sys(SYS_recvmsg, s, &m, flags);

	*told = m.msg_flags;
	return (n);
}

static int
type_of(int s)
{
	int value = 0;
	socklen_t n = sizeof(value);

	CHECK_EQ(sys(SYS_getsockopt, s, SOL_SOCKET, SO_TYPE, &value, &n), 0);
	return (value);
}

TEST(records)
{
	int s[2], told;
	char b[64];

	pair(SOCK_SEQPACKET, s);
	CHECK_EQ(type_of(s[0]), SOCK_SEQPACKET);
	CHECK_EQ(type_of((int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_SEQPACKET, 0))), SOCK_SEQPACKET);
	CHECK_EQ(type_of((int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0))), SOCK_STREAM);
	CHECK_EQ(sys(SYS_sendto, s[0], "abc", 3, MSG_EOR, NULL, 0), 3);
	CHECK_EQ(sys(SYS_sendto, s[0], "defg", 4, MSG_EOR, NULL, 0), 4);
	CHECK_EQ(sys(SYS_sendto, s[0], "h", 1, MSG_EOR, NULL, 0), 1);
	CHECK_EQ(take(s[1], b, 64, MSG_PEEK, &told), 3);
	CHECK_EQ(told & MSG_EOR, MSG_EOR);
	CHECK_EQ(take(s[1], b, 64, 0, &told), 3);
	CHECK_EQ(told, MSG_EOR);
	CHECK_EQ(memcmp(b, "abc", 3), 0);
	/* Who does not ask gets the record all the same, and no more than that. */
	CHECK_EQ(sys(SYS_read, s[1], b, 64), 4);
	CHECK_EQ(memcmp(b, "defg", 4), 0);
	CHECK_EQ(take(s[1], b, 64, 0, &told), 1);
	CHECK_EQ(told, MSG_EOR);
	CHECK_ERR(sys(SYS_recvfrom, s[1], b, 64, MSG_DONTWAIT, NULL, NULL), EAGAIN);
	/* No stream, for sendfile(2) either (kern_sendfile.c, sendfile_getsock). */
	int file = (int)CHECK_OK(sys(SYS_open, "file", O_RDWR | O_CREAT, 0600));
	CHECK_ERR(sys(SYS_sendfile, file, s[0], 0, 0, NULL, NULL), EINVAL);
	CHECK_EQ(sys(SYS_close, file), 0);
	/* Nothing is left behind of what carried the mark. */
	CHECK_EQ(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0), s[1] + 3);
}

/* What a short read leaves: lost before 15 (PR_ATOMIC), kept since. */
TEST(short_reads)
{
	int s[2], told;
	char b[64];

	pair(SOCK_SEQPACKET, s);
	CHECK_EQ(sys(SYS_sendto, s[0], "abcdef", 6, MSG_EOR, NULL, 0), 6);
	CHECK_EQ(sys(SYS_sendto, s[0], "gh", 2, MSG_EOR, NULL, 0), 2);
	CHECK_EQ(take(s[1], b, 2, 0, &told), 2);
	if (osreldate() >= 1500000) {
		CHECK_EQ(told, 0);
		CHECK_EQ(take(s[1], b, 64, 0, &told), 4);
		CHECK_EQ(memcmp(b, "cdef", 4), 0);
		CHECK_EQ(told, MSG_EOR);
	} else
		CHECK_EQ(told & MSG_TRUNC, MSG_TRUNC);
	CHECK_EQ(take(s[1], b, 64, 0, &told), 2);
	CHECK_EQ(memcmp(b, "gh", 2), 0);
	CHECK_EQ(told, MSG_EOR);
}

/* The same by the calls that are not told of records: none reads over the end of one. */
TEST(short_reads_untold)
{
	int s[2], told;
	char b[64];
	struct iovec iov[2] = { { b, 1 }, { b + 1, 2 } };

	if (osreldate() < 1500000)
		return;
	pair(SOCK_SEQPACKET, s);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(sys(SYS_sendto, s[0], "abcdef", 6, MSG_EOR, NULL, 0), 6);
	CHECK_EQ(sys(SYS_read, s[1], b, 2), 2);
	CHECK_EQ(sys(SYS_recvfrom, s[1], b, 3, MSG_PEEK, NULL, NULL), 3);
	CHECK_EQ(memcmp(b, "cde", 3), 0);
	CHECK_EQ(sys(SYS_readv, s[1], iov, 2), 3);
	CHECK_EQ(memcmp(b, "cde", 3), 0);
	CHECK_EQ(sys(SYS_recvfrom, s[1], b, 64, 0, NULL, NULL), 1);
	CHECK_EQ(sys(SYS_recvfrom, s[1], b, 4, 0, NULL, NULL), 4);
	CHECK_EQ(take(s[1], b, 64, MSG_PEEK, &told), 2);
	CHECK_EQ(told & MSG_EOR, MSG_EOR);
	CHECK_EQ(sys(SYS_read, s[1], b, 64), 2);
	CHECK_EQ(take(s[1], b, 5, 0, &told), 5);
	CHECK_EQ(told, 0);
	CHECK_EQ(take(s[1], b, 1, 0, &told), 1);
	CHECK_EQ(told, MSG_EOR);
	CHECK_ERR(sys(SYS_recvfrom, s[1], b, 64, MSG_DONTWAIT, NULL, NULL), EAGAIN);
	/* A copy of the descriptor goes on where the other was. */
	CHECK_EQ(sys(SYS_sendto, s[0], "abcdef", 6, MSG_EOR, NULL, 0), 6);
	CHECK_EQ(sys(SYS_write, s[0], "gh", 2), 2);
	CHECK_EQ(sys(SYS_read, s[1], b, 4), 4);
	CHECK_EQ(sys(SYS_read, CHECK_OK(sys(SYS_dup, s[1])), b, 64), 2);
	CHECK_EQ(sys(SYS_read, s[1], b, 64), 2);
}

/* Records come as they were sent to a reader that waits; 15 may break one where the buffer was full, and goes on with the rest. */
TEST(records_at_once)
{
	static char big[20000];
	int s[2], told, count = 0;

	pair(SOCK_SEQPACKET, s);
	long pid = sys(SYS_fork);
	if (pid == 0) {
		for (int i = 0; i < 2000; i++)
			if (sys(SYS_sendto, s[1], big, 100 + i * 4, MSG_EOR, NULL, 0) != 100 + i * 4)
				sys(SYS_exit, 1);
		sys(SYS_exit, 0);
	}
	CHECK_EQ(sys(SYS_close, s[1]), 0);
	long got = 0;
	for (long n; (n = take(s[0], big, sizeof(big), 0, &told)) > 0;) {
		got += n;
		CHECK(told == MSG_EOR || (told == 0 && GUEST_RELEASE >= 15));
		if (told == MSG_EOR) {
			CHECK_EQ(got, 100 + count * 4);
			got = 0;
			count++;
		}
	}
	CHECK_EQ(count, 2000);
	CHECK_EQ(guest_wait(pid), 0);
}

/* Without MSG_EOR each message is a record, and since 15 none is. */
TEST(without_end)
{
	int s[2], told;
	char b[64];

	pair(SOCK_SEQPACKET, s);
	CHECK_EQ(sys(SYS_sendto, s[0], "abc", 3, 0, NULL, 0), 3);
	CHECK_EQ(sys(SYS_write, s[0], "def", 3), 3);
	CHECK_EQ(sys(SYS_sendto, s[0], "ghi", 3, MSG_EOR, NULL, 0), 3);
	CHECK_EQ(sys(SYS_write, s[0], "j", 1), 1);
	if (osreldate() >= 1500000) {
		CHECK_EQ(take(s[1], b, 64, 0, &told), 9);
		CHECK_EQ(told, MSG_EOR);
		CHECK_EQ(memcmp(b, "abcdefghi", 9), 0);
	} else {
		for (int i = 0; i < 3; i++) {
			CHECK_EQ(take(s[1], b, 64, 0, &told), 3);
			CHECK_EQ(told, i == 2 ? MSG_EOR : 0);
		}
	}
	CHECK_EQ(take(s[1], b, 64, 0, &told), 1);
	CHECK_EQ(told, 0);
}

/* A record of several pieces, with descriptors. */
TEST(record_with_descriptors)
{
	static char big[6000], back[8000];
	struct {
		struct cmsghdr head;
		u8 pad[4];
		int fd;
		int end;
	} rights = { { CMSG_LEN(4), SOL_SOCKET, SCM_RIGHTS }, { 0 }, 0, 0 }, got;
	struct iovec out[3] = { { big, 4000 }, { big + 4000, 2000 }, { NULL, 0 } }, in = { back, sizeof(back) };
	struct msghdr m = { .msg_iov = out, .msg_iovlen = 3, .msg_control = &rights, .msg_controllen = CMSG_SPACE(4) };
	int s[2], done = 0;
	struct stat st;

	pair(SOCK_SEQPACKET, s);
	for (int i = 0; i < 6000; i++)
		big[i] = (char)(i * 7);
	rights.fd = (int)CHECK_OK(sys(SYS_open, "/", O_RDONLY));
	CHECK_EQ(sys(SYS_sendmsg, s[0], &m, MSG_EOR), 6000);
	m = (struct msghdr){ .msg_iov = &in, .msg_iovlen = 1, .msg_control = &got, .msg_controllen = sizeof(got) };
	/* A record may come in parts where it is a stream; what came with it came first. */
	CHECK_EQ(done = (int)sys(SYS_recvmsg, s[1], &m, MSG_WAITALL), m.msg_flags & MSG_EOR ? 6000 : done);
	CHECK_EQ(m.msg_controllen, CMSG_SPACE(4));
	CHECK_EQ(got.head.cmsg_type, SCM_RIGHTS);
	CHECK_EQ(got.head.cmsg_len, CMSG_LEN(4));
	CHECK_EQ(sys(SYS_fstat, got.fd, &st), 0);
	CHECK(S_ISDIR(st.st_mode));
	while (!(m.msg_flags & MSG_EOR)) {
		in = (struct iovec){ back + done, sizeof(back) - (size_t)done };
		m.msg_controllen = sizeof(got);
		done += (int)CHECK_OK(sys(SYS_recvmsg, s[1], &m, 0));
		CHECK_EQ(m.msg_controllen, 0);
	}
	CHECK_EQ(done, 6000);
	CHECK_EQ(memcmp(big, back, 6000), 0);
	/* The same of one byte. */
	m = (struct msghdr){ .msg_iov = &in, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = CMSG_SPACE(4) };
	in = (struct iovec){ big, 1 };
	CHECK_EQ(sys(SYS_sendmsg, s[0], &m, MSG_EOR), 1);
	m.msg_control = &got;
	m.msg_controllen = sizeof(got);
	in = (struct iovec){ back, 64 };
	CHECK_EQ(sys(SYS_recvmsg, s[1], &m, 0), 1);
	CHECK_EQ(m.msg_flags & (MSG_EOR | MSG_CTRUNC), MSG_EOR);
	CHECK_EQ(m.msg_controllen, CMSG_SPACE(4));
	/* Bad vectors, and too many. */
	m.msg_control = NULL;
	m.msg_iov = (void *)8;
	CHECK_ERR(sys(SYS_sendmsg, s[0], &m, MSG_EOR), EFAULT);
	m.msg_iov = &in;
	m.msg_iovlen = 1025;
	CHECK_ERR(sys(SYS_sendmsg, s[0], &m, MSG_EOR), EMSGSIZE);
}

/* connect, accept and what comes of them. */
TEST(listener)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "records", .sun_len = 10 }, from;
	socklen_t n = sizeof(from);
	int l = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_SEQPACKET, 0)), on = 1, told;
	char b[16];

	CHECK_EQ(sys(SYS_bind, l, &a, a.sun_len), 0);
	CHECK_EQ(sys(SYS_setsockopt, l, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on)), 0);
	CHECK_EQ(sys(SYS_listen, l, 2), 0);
	int stream = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_DGRAM, 0));
	CHECK_ERR(sys(SYS_connect, stream, &a, a.sun_len), EPROTOTYPE);
	int c = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_SEQPACKET, 0));
	CHECK_EQ(sys(SYS_connect, c, &a, a.sun_len), 0);
	int s = (int)CHECK_OK(sys(SYS_accept, l, NULL, NULL));
	CHECK_EQ(type_of(s), SOCK_SEQPACKET);
	CHECK_EQ(sys(SYS_sendto, s, "abc", 3, MSG_EOR, NULL, 0), 3);
	CHECK_EQ(take(c, b, 16, 0, &told), 3);
	CHECK_EQ(told, MSG_EOR);
	CHECK_EQ(sys(SYS_close, c), 0);
	CHECK_EQ(sys(SYS_recvfrom, s, b, 1, 0, &from, &n), 0);
	/* The accepted socket has SO_NOSIGPIPE of the one that listens: this process lives on. */
	CHECK_ERR(sys(SYS_sendto, s, "abc", 3, MSG_EOR, NULL, 0), EPIPE);
	CHECK_ERR(sys(SYS_write, s, "abc", 3), EPIPE);
	CHECK_EQ(sys(SYS_unlink, "records"), 0);
}

/* A peer that closes without having read all: the end of the file, and no error (unp_disconnect). */
TEST(unread)
{
	const int types[] = { SOCK_STREAM, SOCK_SEQPACKET };
	char c;
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	for (int way = 0; way < 5; way++)
		for (int t = 0; t < 2; t++) {
			int s[2], value = 7;
			socklen_t n = sizeof(value);

			pair(types[t], s);
			CHECK_EQ(sys(SYS_write, s[0], "lost", 4), 4);
			CHECK_EQ(sys(SYS_write, s[1], "k", 1), 1);
			CHECK_EQ(sys(SYS_close, s[1]), 0);
			struct pollfd p = { .fd = s[0], .events = POLLIN };
			CHECK_EQ(sys(SYS_poll, &p, 1, 1000), 1);
			CHECK_EQ(p.revents, POLLIN | POLLHUP);
			CHECK_EQ(sys(SYS_read, s[0], &c, 1), 1);
			if (way == 0)
				CHECK_EQ(sys(SYS_read, s[0], &c, 1), 0);
			else if (way == 1)
				CHECK_EQ(sys(SYS_readv, s[0], &iov, 1), 0);
			else if (way == 2)
				CHECK_EQ(sys(SYS_recvfrom, s[0], &c, 1, 0, NULL, NULL), 0);
			else if (way == 3)
				CHECK_EQ(sys(SYS_recvmsg, s[0], &m, 0), 0);
			else {
				CHECK_EQ(sys(SYS_getsockopt, s[0], SOL_SOCKET, SO_ERROR, &value, &n), 0);
				CHECK_EQ(value, 0);
			}
			CHECK_EQ(sys(SYS_read, s[0], &c, 1), 0);
			CHECK_EQ(sys(SYS_close, s[0]), 0);
		}
}

/* A queue that is full: nobody waits. Of a non-blocking socket 14 says EAGAIN. */
TEST(full_queue)
{
	static char b[1000];
	const int flags[] = { 0, MSG_DONTWAIT, 0 };

	for (int i = 0; i < 3; i++) {
		int s[2], count = 0;
		long n, start = guest_now_ms();
		struct timeval tv = { 7, 0 };
		socklen_t size = sizeof(tv);

		pair(SOCK_DGRAM, s);
		CHECK_EQ(sys(SYS_getsockopt, s[0], SOL_SOCKET, SO_SNDTIMEO, &tv, &size), 0);
		CHECK_EQ(tv.tv_sec, 0);
		CHECK_EQ(tv.tv_usec, 0);
		tv.tv_sec = 1000;
		CHECK_EQ(sys(SYS_setsockopt, s[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), 0);
		if (i == 2)
			CHECK_EQ(sys(SYS_fcntl, s[0], F_SETFL, O_NONBLOCK), 0);
		while ((n = sys(SYS_sendto, s[0], b, sizeof(b), flags[i], NULL, 0)) == sizeof(b))
			count++;
		CHECK(count >= 4);
		CHECK_ERR(n, i == 2 && osreldate() >= 1400000 && osreldate() < 1500000 ? EAGAIN : ENOBUFS);
		CHECK(guest_now_ms() - start < 5000);
		CHECK_EQ(sys(SYS_read, s[1], b, sizeof(b)), sizeof(b));
		CHECK_EQ(sys(SYS_sendto, s[0], b, sizeof(b), flags[i], NULL, 0), sizeof(b));
	}
	/* A stream's answer is another. */
	int s[2];
	long n;
	pair(SOCK_STREAM, s);
	CHECK_EQ(sys(SYS_fcntl, s[0], F_SETFL, O_NONBLOCK), 0);
	while ((n = sys(SYS_sendto, s[0], b, sizeof(b), 0, NULL, 0)) > 0)
		;
	CHECK_ERR(n, EAGAIN);
}

TEST(longest)
{
	static char b[70000];
	struct iovec iov[2] = { { b, 8000 }, { b, 193 } };
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "longest", .sun_len = 10 };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
	int s[2];

	CHECK_EQ(number("net.local.dgram.maxdgram"), 8192);
	CHECK_EQ(number("net.local.dgram.recvspace"), 16384);
	CHECK_EQ(number("net.local.stream.sendspace"), osreldate() >= 1500000 ? 65536 : 8192);
	CHECK_EQ(number("net.local.stream.recvspace"), osreldate() >= 1500000 ? 65536 : 8192);
	CHECK_EQ(number("net.local.seqpacket.maxseqpacket"), osreldate() >= 1500000 ? 65536 : 8192);
	CHECK_EQ(number("net.local.seqpacket.recvspace"), osreldate() >= 1500000 ? 65536 : 8192);
	pair(SOCK_DGRAM, s);
	CHECK_EQ(sys(SYS_sendto, s[0], b, 8192, 0, NULL, 0), 8192);
	CHECK_EQ(sys(SYS_read, s[1], b, sizeof(b)), 8192);
	CHECK_ERR(sys(SYS_sendto, s[0], b, 8193, 0, NULL, 0), EMSGSIZE);
	CHECK_ERR(sys(SYS_sendmsg, s[0], &m, 0), EMSGSIZE);
	iov[1].iov_len = 192;
	CHECK_EQ(sys(SYS_sendmsg, s[0], &m, 0), 8192);
	int named = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_DGRAM, 0));
	CHECK_EQ(sys(SYS_bind, named, &a, a.sun_len), 0);
	CHECK_ERR(sys(SYS_sendto, CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_DGRAM, 0)), b, 8193, 0, &a, a.sun_len), EMSGSIZE);
	CHECK_EQ(sys(SYS_unlink, "longest"), 0);
	pair(SOCK_STREAM, s);
	CHECK_EQ(sys(SYS_sendto, s[0], b, 10000, 0, NULL, 0), 10000);
}
