/* Asks for each name of lsf/freebsd/tables/options.master in turn what it gives, and compares that with the table. The list
 * OPTIONS is made of the table by tests/test_options.py: X(kind, name, state, errno). */
#include "guest.h"
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/event.h>
#include <sys/extattr.h>
#include <sys/kenv.h>
#include <sys/procctl.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <x86/procctl.h>
#include OPTIONS_HEADER

enum { DONE, PARTIAL, IGNORED, REFUSED };

static u8 room[512] __attribute__((aligned(16)));
static int failures;

static void
tell(const char *kind, const char *name, int state, long want, long got, int ok)
{
	if (ok)
		return;
	failures++;
	warn_("%s %s: got %d, want %s %d\n", kind, name, (int)got, state == REFUSED ? "error" : "no", (int)want);
}

static void
expect(const char *kind, const char *name, int state, long want, long got)
{
	tell(kind, name, state, want, got, state == REFUSED ? got == -want
	    : got != -EINVAL && got != -ENOPROTOOPT && got != -EOPNOTSUPP && got != -ENOSYS && got != -ENOTTY);
}

static int
socket_of(int domain, int type)
{
	int fd = (int)sys(SYS_socket, domain, type, 0);
	CHECK(fd >= 0);
	return fd;
}

static int
is_unknown(long result)
{
	return result == -ENOPROTOOPT || result == -EOPNOTSUPP;
}

/* One of the sockets knows the option for reading or for writing (what it says of the value does not matter), or all refuse it. */
static void
expect_option(const char *kind, const char *name, int state, long want, const int *fds, int n, int level, int option)
{
	long get = 0, set = 0;
	int known = 0, refused = 1;

	for (int i = 0; i < n; i++) {
		u32 size = sizeof(room);
		get = sys(SYS_getsockopt, fds[i], level, option, room, &size);
		memset(room, 0, sizeof(room));
		set = sys(SYS_setsockopt, fds[i], level, option, room, 4);
		known |= !is_unknown(get) || !is_unknown(set);
		refused &= set == -want || get == -want;
	}
	tell(kind, name, state, want, set, state == REFUSED ? refused : known);
}

TEST(sockets)
{
	int inet[3] = { socket_of(AF_INET, SOCK_STREAM), socket_of(AF_INET, SOCK_DGRAM), -1 };
	int inet6[2] = { socket_of(AF_INET6, SOCK_STREAM), socket_of(AF_INET6, SOCK_DGRAM) };
	int local[2];
	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, local), 0);
#define X(kind, name, state, error) expect_option(#kind, #name, state, error, fds, n, level, name);
	{ int *fds = inet, n = 2, level = SOL_SOCKET; OPTIONS_so }
	{ int *fds = local, n = 1, level = 0; OPTIONS_local }
	{ int *fds = inet, n = 2, level = IPPROTO_IP; OPTIONS_ip }
	{ int *fds = inet6, n = 2, level = IPPROTO_IPV6; OPTIONS_ipv6 }
	{ int *fds = inet, n = 1, level = IPPROTO_TCP; OPTIONS_tcp }
	{ int *fds = inet + 1, n = 1, level = IPPROTO_UDP; OPTIONS_udp }
#undef X
	CHECK_EQ(failures, 0);
}

static long
socket_result(int domain, int type)
{
	long got = sys(SYS_socket, domain, type, 0);
	if (!FAILED(got))
		sys(SYS_close, got);
	return got;
}

TEST(kinds_of_sockets)
{
#define X(kind, name, state, error) expect(#kind, #name, state, error, socket_result(name, SOCK_RAW));
	OPTIONS_domain
#undef X
#define X(kind, name, state, error) \
	if (name <= 10) expect(#kind, #name, state, error, socket_result(name == SOCK_SEQPACKET ? AF_UNIX : AF_INET, name)); \
	else expect(#kind, #name, state, error, socket_result(AF_INET, SOCK_STREAM | name));
	OPTIONS_type
#undef X
	CHECK_EQ(failures, 0);
}

TEST(commands)
{
	int fd = (int)sys(SYS_open, "file", O_RDWR | O_CREAT, 0600), ends[2];	/* a file's input has no owner, a pipe's has */

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK(fd >= 0);
#define X(kind, name, state, error) expect(#kind, #name, state, error, \
	name == F_KINFO || name == F_ADD_SEALS || name == F_GET_SEALS ? 0 : \
	sys(SYS_fcntl, name == F_GETOWN || name == F_SETOWN ? ends[0] : fd, name, 0));
	OPTIONS_fcntl
#undef X
#define X(kind, name, state, error) if (state == REFUSED) expect(#kind, #name, state, error, sys(SYS_rfork, RFPROC | RFFDG | name));
	OPTIONS_rfork
#undef X
#define X(kind, name, state, error) expect(#kind, #name, state, error, sys(SYS_wait6, name, 0, NULL, WNOHANG | WEXITED, NULL, NULL));
	OPTIONS_idtype
#undef X
#define X(kind, name, state, error) if (state == REFUSED) expect(#kind, #name, state, error, sys(SYS_sysarch, name, room));
	OPTIONS_sysarch
#undef X
#define X(kind, name, state, error) expect(#kind, #name, state, error, name == KENV_GET && state == PARTIAL ? 0 : sys(SYS_kenv, name, "x", room, 8));
	OPTIONS_kenv
#undef X
	memset(room, 0, sizeof(room));
#define X(kind, name, state, error) if (state == REFUSED || !(name & 1)) { room[0] = name == PROC_SPROTECT; \
	expect(#kind, #name, state, error, name >= PROC_REAP_ACQUIRE && name <= PROC_REAP_KILL ? 0 : sys(SYS_procctl, P_PID, 0, name, room)); }
	OPTIONS_procctl
#undef X
#define X(kind, name, state, error) expect(#kind, #name, state, error, sys(SYS_extattr_get_fd, fd, name, "x", room, 8));
	OPTIONS_extattr
#undef X
	long segment = sys(SYS_shmget, IPC_PRIVATE, 4096, IPC_CREAT | 0600);
	CHECK(segment >= 0);
#define X(kind, name, state, error) if (state == REFUSED) expect(#kind, #name, state, error, sys(SYS_shmctl, segment, name, room));
	OPTIONS_shm
#undef X
	CHECK_EQ(sys(SYS_shmctl, segment, IPC_RMID, NULL), 0);
	CHECK_EQ(failures, 0);
}

TEST(numbers)
{
	struct timespec t;
	struct rlimit limit;
	long p = sys(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0);
	int fd = (int)sys(SYS_open, ".", O_RDONLY), tty = (int)sys(SYS_posix_openpt, O_RDWR | O_NOCTTY), ends[2];
	CHECK(!FAILED(p));
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
#define X(kind, name, state, error) expect(#kind, #name, state, error, sys(SYS_madvise, p, 4096, name));
	OPTIONS_madvise
#undef X
#define X(kind, name, state, error) expect(#kind, #name, state, error, sys(SYS_minherit, p, 4096, name));
	OPTIONS_minherit
#undef X
#define X(kind, name, state, error) expect(#kind, #name, state, error, sys(SYS_clock_getres, name, &t));
	OPTIONS_clock
#undef X
#define X(kind, name, state, error) expect(#kind, #name, state, error, sys(SYS_getrlimit, name, &limit));
	OPTIONS_rlimit
#undef X
#define X(kind, name, state, error) expect(#kind, #name, state, error, name == _PC_MAX_CANON || name == _PC_MAX_INPUT || name == _PC_VDISABLE \
	? (tty < 0 ? 0 : sys(SYS_fpathconf, tty, name)) : sys(SYS_fpathconf, fd, name));
	OPTIONS_pathconf
#undef X
	CHECK_EQ(failures, 0);
}

TEST(filters)
{
	struct kevent change = { .ident = 1, .flags = EV_ADD | EV_RECEIPT }, got;
	long kq = sys(SYS_kqueue);
	CHECK(kq >= 0);
#define X(kind, name, state, error) change.filter = name; memset(&got, 0, sizeof(got)); \
	CHECK_EQ(sys(SYS_kevent, kq, &change, 1, &got, 1, NULL), 1); \
	if (state == REFUSED) expect(#kind, #name, state, error, -(long)got.data);
	OPTIONS_filter
#undef X
	CHECK_EQ(failures, 0);
}
