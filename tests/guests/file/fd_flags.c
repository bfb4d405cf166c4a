/*
 * FD_CLOFORK and FD_RESOLVE_BENEATH of FreeBSD 15 (fcntl(2), open(2); sys/kern/kern_descrip.c, vfs_lookup.c).
 */
#include "guest.h"
#include <sys/event.h>
#include <sys/socket.h>
#include <sys/un.h>

#undef O_CLOFORK
#define O_CLOFORK 0x8000000
#define CLOFORK 4
#define BENEATH 2
#undef SOCK_CLOFORK
#define SOCK_CLOFORK 0x40000000
#undef MSG_CMSG_CLOFORK
#define MSG_CMSG_CLOFORK 0x400000
#define DUPFD_CLOFORK 23
#define DUP3FD(flags) (24 | (flags) << 16)
#define RANGE_CLOFORK 8

#define GETFD(fd) sys(SYS_fcntl, fd, F_GETFD)
#define OPEN(path, flags) (int)CHECK_OK(sys(SYS_open, path, flags, 0755))

static int
osreldate(void)
{
	int mib[2] = { 1, 24 }, value = 0;
	size_t n = sizeof(value);

	CHECK_EQ(sys(SYS___sysctl, mib, 2, &value, &n, NULL, 0), 0);
	return (value);
}

static void
on_15(void)
{
	if (osreldate() < 1500000)
		ON_ANOTHER_RELEASE();
}

static int
in_child_open(int fd)
{
	int status, pid = guest_fork();

	if (pid == 0)
		guest_exit(GETFD(fd) < 0 ? 1 : 0);
	status = guest_wait(pid);
	return (status == 0);
}

TEST(clofork)
{
	int fds[20], n = 0, pair[2], kinds;

	on_15();
	fds[n++] = OPEN("a", O_RDWR | O_CREAT | O_CLOFORK);
	fds[n++] = (int)CHECK_OK(sys(SYS_openat, AT_FDCWD, "a", O_RDONLY | O_CLOFORK | O_CLOEXEC, 0));
	fds[n++] = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOFORK, 0));
	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOFORK, 0, pair), 0);
	fds[n++] = pair[0];
	fds[n++] = pair[1];
	CHECK_EQ(sys(SYS_pipe2, pair, O_CLOFORK), 0);
	fds[n++] = pair[0];
	fds[n++] = pair[1];
	fds[n++] = (int)CHECK_OK(sys(SYS_fcntl, fds[0], DUPFD_CLOFORK, 50));
	CHECK_EQ(fds[n - 1], 50);
	fds[n++] = (int)CHECK_OK(sys(SYS_fcntl, fds[0], DUP3FD(CLOFORK), 51));
	fds[n++] = (int)CHECK_OK(sys(SYS_dup2, fds[0], 600));
	CHECK_EQ(GETFD(600), 0);		/* a duplicate has it only where it was asked for */
	CHECK_EQ(sys(SYS_fcntl, 600, F_SETFD, CLOFORK), 0);
	kinds = n;
	for (int i = 0; i < kinds; i++) {
		CHECK_EQ(GETFD(fds[i]) & CLOFORK, CLOFORK);
		CHECK(!in_child_open(fds[i]));
		CHECK_EQ(GETFD(fds[i]) & CLOFORK, CLOFORK);
	}
	CHECK_EQ(GETFD(fds[1]), CLOFORK | FD_CLOEXEC);
	CHECK_EQ(sys(SYS_fcntl, fds[0], F_SETFD, FD_CLOEXEC), 0);
	CHECK_EQ(GETFD(fds[0]), FD_CLOEXEC);
	CHECK(in_child_open(fds[0]));
	/* A number that is closed has nothing left of it. */
	CHECK_EQ(sys(SYS_close, fds[1]), 0);
	CHECK_EQ(OPEN("a", O_RDONLY), fds[1]);
	CHECK_EQ(GETFD(fds[1]), 0);
	CHECK(in_child_open(fds[1]));
	CHECK_ERR(sys(SYS_fcntl, 99, F_SETFD, CLOFORK), EBADF);
	CHECK_ERR(sys(SYS_fcntl, fds[0], DUP3FD(8), 52), EINVAL);
	CHECK_ERR(sys(SYS_fcntl, 99, DUPFD_CLOFORK, 50), EBADF);
}

TEST(clofork_range)
{
	int a, b;

	on_15();
	a = OPEN("a", O_RDWR | O_CREAT);
	b = OPEN("a", O_RDWR);
	CHECK_EQ(sys(SYS_close_range, b, 200, RANGE_CLOFORK), 0);
	CHECK_EQ(GETFD(a), 0);
	CHECK_EQ(GETFD(b), CLOFORK);
	CHECK_EQ(sys(SYS_close_range, a, 200, RANGE_CLOFORK | 4), 0);
	CHECK_EQ(GETFD(a), CLOFORK | FD_CLOEXEC);
	CHECK(in_child_open(0));
	CHECK(!in_child_open(a));
	CHECK_ERR(sys(SYS_close_range, 3, 4, 16), EINVAL);
	CHECK_EQ(sys(SYS_close_range, 3, 200, 0), 0);
	CHECK_ERR(GETFD(b), EBADF);
}

static int
vfork_sees(int fd)
{
	int status, pid = (int)sys(SYS_vfork);

	if (pid == 0)
		guest_exit(GETFD(fd) < 0 ? 1 : 0);
	do
		;
	while (sys(SYS_wait4, pid, &status, 0, NULL) == -EINTR);
	return (status == 0);
}

TEST(clofork_vfork)
{
	int fd, high;

	on_15();
	fd = OPEN("a", O_RDWR | O_CREAT | O_CLOFORK);
	CHECK_EQ(sys(SYS_fcntl, fd, DUPFD_CLOFORK, 700), 700);
	high = 700;
	CHECK(!vfork_sees(fd));
	CHECK(!vfork_sees(high));
	CHECK_EQ(GETFD(fd), CLOFORK);
	CHECK_EQ(GETFD(high), CLOFORK);
	CHECK(vfork_sees(0));
}

/* Descriptors that a message brings. */
TEST(clofork_message)
{
	int pair[2], fd, *passed;
	char byte = 'x', control[64] __attribute__((aligned(8)));
	struct iovec iov = { &byte, 1 };
	struct msghdr message;
	struct cmsghdr *part = (struct cmsghdr *)control;

	on_15();
	fd = OPEN("a", O_RDWR | O_CREAT);
	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair), 0);
	memset(&message, 0, sizeof(message));
	memset(control, 0, sizeof(control));
	message.msg_iov = &iov;
	message.msg_iovlen = 1;
	message.msg_control = control;
	message.msg_controllen = 24;
	part->cmsg_len = 16 + 8;
	part->cmsg_level = SOL_SOCKET;
	part->cmsg_type = SCM_RIGHTS;
	passed = (int *)(control + 16);
	passed[0] = passed[1] = fd;
	CHECK_EQ(sys(SYS_sendmsg, pair[0], &message, 0), 1);
	message.msg_controllen = sizeof(control);
	CHECK_EQ(sys(SYS_recvmsg, pair[1], &message, MSG_CMSG_CLOFORK), 1);
	CHECK_EQ(GETFD(passed[0]), CLOFORK);
	CHECK_EQ(GETFD(passed[1]), CLOFORK);
	CHECK(!in_child_open(passed[1]));
}

static int dir;

static void
make_tree(void)
{
	CHECK_EQ(sys(SYS_mkdir, "d", 0755), 0);
	CHECK_EQ(sys(SYS_mkdir, "d/sub", 0755), 0);
	guest_put("outside", "x", 1);
	guest_put("d/inside", "x", 1);
	CHECK_EQ(sys(SYS_symlink, "../outside", "d/out"), 0);
	CHECK_EQ(sys(SYS_symlink, "inside", "d/in"), 0);
	CHECK_EQ(sys(SYS_symlink, "..", "d/up"), 0);
	dir = OPEN("d", O_RDONLY | O_DIRECTORY);
	CHECK_EQ(sys(SYS_fcntl, dir, F_SETFD, BENEATH), 0);
	CHECK_EQ(GETFD(dir), BENEATH);
}

static void
check_confined(int fd)
{
	struct stat st;
	char text[16];

	CHECK_OK(sys(SYS_openat, fd, "inside", O_RDONLY, 0));
	CHECK_OK(sys(SYS_openat, fd, "in", O_RDONLY, 0));
	CHECK_OK(sys(SYS_openat, fd, "sub/../inside", O_RDONLY, 0));
	CHECK_ERR(sys(SYS_openat, fd, "../outside", O_RDONLY, 0), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_openat, fd, "out", O_RDONLY, 0), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_openat, fd, "../new", O_RDWR | O_CREAT, 0644), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_openat, fd, "..", O_RDONLY, 0), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_fstatat, fd, "../outside", &st, 0), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_fstatat, fd, "out", &st, 0), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_fstatat, fd, "out", &st, AT_SYMLINK_NOFOLLOW), 0);
	CHECK_EQ(sys(SYS_fstatat, fd, "inside", &st, 0), 0);
	CHECK_ERR(sys(SYS_faccessat, fd, "../outside", R_OK, 0), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_fchmodat, fd, "../outside", 0600, 0), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_fchownat, fd, "../outside", -1, -1, 0), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_utimensat, fd, "../outside", NULL, 0), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_unlinkat, fd, "../outside", 0), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_unlinkat, fd, "up/outside", 0), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_mkdirat, fd, "../dir", 0755), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_mkfifoat, fd, "up/fifo", 0644), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_symlinkat, "x", fd, "../link"), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_readlinkat, fd, "../d/in", text, 16), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_readlinkat, fd, "in", text, 16), 6);
	CHECK_EQ(sys(SYS_readlinkat, fd, "sub/../in", text, 16), 6);
	CHECK_ERR(sys(SYS_renameat, fd, "inside", fd, "../moved"), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_renameat, fd, "../outside", fd, "moved"), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_linkat, fd, "../outside", fd, "linked", 0), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_linkat, fd, "inside", fd, "../linked", 0), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_mkdirat, fd, "sub/made", 0755), 0);
	CHECK_EQ(sys(SYS_renameat, fd, "sub/made", fd, "sub/moved"), 0);
	CHECK_EQ(sys(SYS_linkat, fd, "inside", fd, "sub/linked", 0), 0);
	CHECK_EQ(sys(SYS_unlinkat, fd, "sub/linked", 0), 0);
	CHECK_EQ(sys(SYS_unlinkat, fd, "sub/moved", AT_REMOVEDIR), 0);
	/* An absolute path begins nowhere, and so not here. */
	CHECK_EQ(sys(SYS_fstatat, fd, "/", &st, 0), 0);
	CHECK_ERR(sys(SYS_fchdir, fd), ENOTCAPABLE);
	CHECK_EQ(guest_stat("outside", &st), 0);
}

TEST(beneath)
{
	int other, sub;
	struct stat st;

	on_15();
	make_tree();
	check_confined(dir);
	/* It cannot be taken back; duplicates have it, and what is opened through it. */
	CHECK_EQ(sys(SYS_fcntl, dir, F_SETFD, 0), 0);
	CHECK_EQ(GETFD(dir), BENEATH);
	other = (int)CHECK_OK(sys(SYS_dup, dir));
	CHECK_EQ(GETFD(other), BENEATH);
	check_confined(other);
	sub = (int)CHECK_OK(sys(SYS_openat, dir, "sub", O_RDONLY | O_DIRECTORY, 0));
	CHECK_EQ(GETFD(sub), BENEATH);
	CHECK_ERR(sys(SYS_fstatat, sub, "../inside", &st, 0), ENOTCAPABLE);
	/* Another descriptor of the same folder has it not. */
	other = OPEN("d", O_RDONLY | O_DIRECTORY);
	CHECK_EQ(GETFD(other), 0);
	CHECK_EQ(sys(SYS_fstatat, other, "../outside", &st, 0), 0);
	IN_CHILD(check_confined(dir));
}

TEST(beneath_sockets)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s;

	on_15();
	make_tree();
	s = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
	memcpy(a.sun_path, "../sock", 8);
	a.sun_len = 2 + 8;
	CHECK_ERR(sys(SYS_bindat, dir, s, &a, 2 + 8), ENOTCAPABLE);
	memcpy(a.sun_path, "sub/sock", 9);
	a.sun_len = 2 + 9;
	CHECK_EQ(sys(SYS_bindat, dir, s, &a, 2 + 9), 0);
}

HELPER(still_confined)
{
	struct stat st;
	int fd = 9;

	CHECK_EQ(GETFD(fd), BENEATH);
	CHECK_ERR(sys(SYS_fstatat, fd, "../outside", &st, 0), ENOTCAPABLE);
}

TEST(beneath_over_exec)
{
	char *const argv[] = { guest_argv[0], "@still_confined", NULL };
	int pid;

	on_15();
	make_tree();
	CHECK_EQ(sys(SYS_dup2, dir, 9), 9);
	if ((pid = guest_fork()) == 0) {
		sys(SYS_execve, guest_argv[0], argv, guest_envp);
		guest_exit(3);
	}
	CHECK_EQ(guest_wait(pid), 0);
}

static volatile int asked, answered;

static void
other_thread(void *argument)
{
	struct stat st;

	(void)argument;
	while (!asked)
		sys(SYS_sched_yield);
	answered = (int)sys(SYS_fstatat, dir, "../outside", &st, 0);
}

TEST(beneath_in_threads)
{
	struct guest_thread thread;

	on_15();
	CHECK_EQ(sys(SYS_mkdir, "d", 0755), 0);
	guest_put("outside", "x", 1);
	dir = OPEN("d", O_RDONLY | O_DIRECTORY);
	guest_thread_start(&thread, other_thread, NULL);
	guest_sleep_ms(20);
	CHECK_EQ(sys(SYS_fcntl, dir, F_SETFD, BENEATH), 0);
	asked = 1;
	guest_thread_join(&thread);
	CHECK_EQ(answered, -ENOTCAPABLE);
}

/* Before FreeBSD 15 the flags are unknown: fcntl drops them, and what O_CLOFORK opens is inherited. */
TEST(before_15)
{
	struct stat st;
	int fd;

	if (osreldate() >= 1500000)
		ON_ANOTHER_RELEASE();
	CHECK_EQ(sys(SYS_mkdir, "d", 0755), 0);
	guest_put("outside", "x", 1);
	dir = OPEN("d", O_RDONLY | O_DIRECTORY);
	CHECK_EQ(sys(SYS_fcntl, dir, F_SETFD, BENEATH | CLOFORK), 0);
	CHECK_EQ(GETFD(dir), 0);
	CHECK_EQ(sys(SYS_fstatat, dir, "../outside", &st, 0), 0);
	fd = OPEN("a", O_RDWR | O_CREAT | O_CLOFORK);
	CHECK_EQ(GETFD(fd), 0);
	CHECK(in_child_open(fd));
	CHECK_ERR(sys(SYS_fcntl, fd, DUPFD_CLOFORK, 50), EINVAL);
	CHECK_ERR(sys(SYS_fcntl, fd, DUP3FD(CLOFORK), 50), EINVAL);
	CHECK_ERR(sys(SYS_close_range, 3, 4, RANGE_CLOFORK), EINVAL);
}
