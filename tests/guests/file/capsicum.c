/*
 * Rights of descriptors: cap_rights_limit(2), cap_fcntls_limit(2), cap_ioctls_limit(2), rights(4); sys/kern/sys_capability.c, and for
 * each call the place where it looks its descriptor up (fget, getsock, getvnode, namei).
 */
#include "guest.h"
#include <sys/capsicum.h>
#include <sys/event.h>
#include <sys/extattr.h>
#include <sys/filio.h>
#include <sys/poll.h>
#include <sys/procdesc.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/sysctl.h>
#include <sys/ttycom.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/user.h>

#define WORD0 (1UL << 57)
#define WORD1 (1UL << 58)
#define OPEN(path, flags) (int)CHECK_OK(sys(SYS_open, path, flags, 0644))

static cap_rights_t
rights_of(int fd)
{
	cap_rights_t rights = { { 0, 0 } };

	CHECK_EQ(sys(SYS___cap_rights_get, 0, fd, &rights), 0);
	return (rights);
}

static long
limit(int fd, u64 first, u64 second)
{
	cap_rights_t rights = { { first | WORD0, second | WORD1 } };

	return (sys(SYS_cap_rights_limit, fd, &rights));
}

/* A duplicate with these rights. */
static int
limited(int fd, u64 first, u64 second)
{
	int copy = (int)CHECK_OK(sys(SYS_dup, fd));

	CHECK_EQ(limit(copy, first, second), 0);
	return (copy);
}

static int
file_of(const char *name)
{
	int fd = OPEN(name, O_RDWR | O_CREAT | O_TRUNC);

	CHECK_EQ(sys(SYS_write, fd, "0123456789", 10), 10);
	CHECK_EQ(sys(SYS_lseek, fd, 0, SEEK_SET), 0);
	return (fd);
}

TEST(rights_get_and_limit)
{
	int fd = file_of("f"), fd2;
	cap_rights_t rights = rights_of(fd);
	u32 fcntls = 0;

	/* CAP_ALL: all that the release knows. */
	CHECK(rights.cr_rights[0] == CAP_ALL0 && rights.cr_rights[1] == CAP_ALL1);
	CHECK_EQ(sys(SYS_cap_fcntls_get, fd, &fcntls), 0);
	CHECK_EQ(fcntls, CAP_FCNTL_ALL);
	CHECK_EQ(sys(SYS_cap_ioctls_get, fd, NULL, 0), CAP_IOCTLS_ALL);
	/* Limiting to everything changes nothing. */
	CHECK_EQ(limit(fd, CAP_ALL0, CAP_ALL1), 0);
	CHECK_EQ(sys(SYS_read, fd, &rights, 1), 1);

	CHECK_EQ(limit(fd, CAP_READ | CAP_SEEK | CAP_FSTAT, CAP_EVENT), 0);
	rights = rights_of(fd);
	CHECK_EQ(rights.cr_rights[0], CAP_READ | CAP_SEEK | CAP_FSTAT);
	CHECK_EQ(rights.cr_rights[1], CAP_EVENT);
	/* Without CAP_FCNTL and CAP_IOCTL nothing is left of theirs. */
	CHECK_EQ(sys(SYS_cap_fcntls_get, fd, &fcntls), 0);
	CHECK_EQ(fcntls, 0);
	CHECK_EQ(sys(SYS_cap_ioctls_get, fd, NULL, 0), 0);
	CHECK_ERR(limit(fd, CAP_READ | CAP_WRITE, 0), ENOTCAPABLE);
	fd2 = (int)CHECK_OK(sys(SYS_dup, fd));
	CHECK_EQ(limit(fd2, CAP_READ, 0), 0);
	CHECK_EQ(rights_of(fd).cr_rights[0], CAP_READ | CAP_SEEK | CAP_FSTAT);
	CHECK_EQ(rights_of(fd2).cr_rights[0], CAP_READ);
	CHECK_EQ(limit(fd2, 0, 0), 0);
	CHECK_ERR(sys(SYS_read, fd2, &rights, 1), ENOTCAPABLE);
	/* Closed, and the number used anew: none of that is left. */
	CHECK_EQ(sys(SYS_close, fd2), 0);
	CHECK_EQ(OPEN("f", O_RDONLY), fd2);
	CHECK_EQ(rights_of(fd2).cr_rights[0], CAP_ALL0);
	/* dup2 takes them along, over those of its target. */
	CHECK_EQ(sys(SYS_dup2, fd2, fd), fd);
	CHECK_EQ(rights_of(fd).cr_rights[0], CAP_ALL0);
	CHECK_EQ(limit(fd, CAP_READ, 0), 0);
	CHECK_EQ(sys(SYS_dup2, fd, fd2), fd2);
	CHECK_EQ(rights_of(fd2).cr_rights[0], CAP_READ);
	CHECK_EQ(rights_of((int)CHECK_OK(sys(SYS_fcntl, fd, F_DUPFD, 40))).cr_rights[0], CAP_READ);
	CHECK_EQ(rights_of((int)CHECK_OK(sys(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 600))).cr_rights[0], CAP_READ);
	CHECK_EQ(rights_of((int)CHECK_OK(sys(SYS_fcntl, fd, F_DUP2FD, 50))).cr_rights[0], CAP_READ);
}

TEST(bad_rights)
{
	int fd = file_of("f");
	u64 wrong[][2] = {
		{ 0, 0 },			/* no mark of any word */
		{ WORD0, WORD0 }, { WORD1, WORD1 }, { WORD0 | WORD1, WORD1 },
		{ WORD0 | 1UL << 62, WORD1 },	/* version 1 */
		{ WORD0 | 3UL << 62, WORD1 },
		{ WORD0, WORD1 | 1UL << 62 },
		{ WORD0 | 1UL << 50, WORD1 },	/* rights that nobody knows */
		{ WORD0, WORD1 | 1UL << 40 },
	};
	cap_rights_t rights;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		CHECK_ERR(sys(SYS_cap_rights_limit, fd, wrong[i]), EINVAL);
	CHECK_ERR(sys(SYS_cap_rights_limit, fd, 0), EFAULT);
	CHECK_ERR(sys(SYS_cap_rights_limit, fd, 8), EFAULT);
	CHECK_ERR(limit(-1, CAP_READ, 0), EBADF);
	CHECK_ERR(limit(999, CAP_READ, 0), EBADF);
	CHECK_ERR(limit(0x7fffffff, CAP_READ, 0), EBADF);
	CHECK_ERR(limit(250, CAP_READ, 0), EBADF);
	CHECK_ERR(sys(SYS___cap_rights_get, 1, fd, &rights), EINVAL);
	CHECK_ERR(sys(SYS___cap_rights_get, -1, fd, &rights), EINVAL);
	CHECK_ERR(sys(SYS___cap_rights_get, 0, 999, &rights), EBADF);
	CHECK_ERR(sys(SYS___cap_rights_get, 0, fd, 0), EFAULT);
	CHECK_ERR(sys(SYS_cap_fcntls_limit, fd, 1), EINVAL);
	CHECK_ERR(sys(SYS_cap_fcntls_limit, 999, CAP_FCNTL_GETFL), EBADF);
	CHECK_ERR(sys(SYS_cap_fcntls_get, fd, 0), EFAULT);
	CHECK_ERR(sys(SYS_cap_ioctls_limit, fd, NULL, 257), EINVAL);
	CHECK_ERR(sys(SYS_cap_ioctls_limit, fd, 8, 1), EFAULT);
	CHECK_ERR(sys(SYS_cap_ioctls_limit, 999, NULL, 0), EBADF);
	CHECK_ERR(sys(SYS_cap_ioctls_get, 999, NULL, 0), EBADF);
	CHECK_EQ(rights_of(fd).cr_rights[0], CAP_ALL0);
}

/* Each call with the rights that it needs, and with all others. */
TEST(files)
{
	int fd = file_of("f"), with, without;
	struct stat st;
	struct iovec iov = { &st, 1 };
	struct timespec ts[2] = { { 1, 0 }, { 1, 0 } };
	struct sockaddr name = { .sa_len = 16, .sa_family = AF_INET };	/* what is passed is looked at before the rights */
	socklen_t length = sizeof(name);
	u64 all = CAP_ALL0 & ~WORD0;
#define NEEDS(right, ...) do { \
	with = limited(fd, right, 0); \
	without = limited(fd, all & ~((right) & ~(u64)CAP_LOOKUP & ~WORD0) , 0); \
	{ int fd_ = with; CHECK_NE(__VA_ARGS__, -ENOTCAPABLE); } \
	{ int fd_ = without; CHECK_ERR(__VA_ARGS__, ENOTCAPABLE); } \
	CHECK_EQ(sys(SYS_close, with), 0); \
	CHECK_EQ(sys(SYS_close, without), 0); \
} while (0)

	NEEDS(CAP_READ, sys(SYS_read, fd_, &st, 1));
	NEEDS(CAP_READ, sys(SYS_readv, fd_, &iov, 1));
	NEEDS(CAP_WRITE, sys(SYS_write, fd_, "x", 1));
	NEEDS(CAP_WRITE, sys(SYS_writev, fd_, &iov, 1));
	NEEDS(CAP_PREAD, sys(SYS_pread, fd_, &st, 1, 0));
	NEEDS(CAP_PREAD, sys(SYS_preadv, fd_, &iov, 1, 0));
	NEEDS(CAP_PWRITE, sys(SYS_pwrite, fd_, "x", 1, 0));
	NEEDS(CAP_PWRITE, sys(SYS_pwritev, fd_, &iov, 1, 0));
	NEEDS(CAP_SEEK, sys(SYS_lseek, fd_, 0, SEEK_SET));
	NEEDS(CAP_FSTAT, sys(SYS_fstat, fd_, &st));
	NEEDS(CAP_FSYNC, sys(SYS_fsync, fd_));
	NEEDS(CAP_FSYNC, sys(SYS_fdatasync, fd_));
	NEEDS(CAP_FTRUNCATE, sys(SYS_ftruncate, fd_, 10));
	NEEDS(CAP_FCHMOD, sys(SYS_fchmod, fd_, 0600));
	NEEDS(CAP_FCHOWN, sys(SYS_fchown, fd_, -1, -1));
	NEEDS(CAP_FCHFLAGS, sys(SYS_fchflags, fd_, 0));
	NEEDS(CAP_FUTIMES, sys(SYS_futimens, fd_, ts));
	NEEDS(CAP_FLOCK, sys(SYS_flock, fd_, LOCK_SH));
	NEEDS(CAP_FPATHCONF, sys(SYS_fpathconf, fd_, _PC_NAME_MAX));
	NEEDS(CAP_FSTATFS, sys(SYS_fstatfs, fd_, 8));
	NEEDS(CAP_FCHDIR, sys(SYS_fchdir, fd_));
	NEEDS(CAP_FEXECVE, sys(SYS_fexecve, fd_, guest_argv, guest_envp));
	NEEDS(CAP_ACCEPT, sys(SYS_accept, fd_, NULL, NULL));
	NEEDS(CAP_BIND, sys(SYS_bind, fd_, &name, 16));
	NEEDS(CAP_CONNECT, sys(SYS_connect, fd_, &name, 16));
	NEEDS(CAP_LISTEN, sys(SYS_listen, fd_, 1));
	NEEDS(CAP_SHUTDOWN, sys(SYS_shutdown, fd_, 0));
	NEEDS(CAP_GETSOCKNAME, sys(SYS_getsockname, fd_, &name, &length));
	NEEDS(CAP_GETPEERNAME, sys(SYS_getpeername, fd_, &name, &length));
	NEEDS(CAP_GETSOCKOPT, sys(SYS_getsockopt, fd_, SOL_SOCKET, SO_TYPE, NULL, NULL));
	NEEDS(CAP_SETSOCKOPT, sys(SYS_setsockopt, fd_, SOL_SOCKET, SO_DEBUG, NULL, 0));
	NEEDS(CAP_READ, sys(SYS_recvfrom, fd_, NULL, 0, 0, NULL, NULL));
	NEEDS(CAP_WRITE, sys(SYS_sendto, fd_, NULL, 0, 0, NULL, 0));
	/* posix_fallocate tells its error as its value. */
	with = limited(fd, CAP_WRITE, 0);
	CHECK_EQ(sys(SYS_posix_fallocate, with, 0, 1), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_posix_fallocate, limited(fd, CAP_PWRITE, 0), 0, 1), 0);
	/* posix_fadvise and what duplicates or closes needs none. */
	with = limited(fd, 0, 0);
	CHECK_EQ(sys(SYS_posix_fadvise, with, 0, 1, 0), 0);
	CHECK_OK(sys(SYS_dup, with));
	CHECK_EQ(sys(SYS_fcntl, with, F_GETFD), 0);
	CHECK_EQ(sys(SYS_fcntl, with, F_SETFD, FD_CLOEXEC), 0);
	/* An indirect call is checked as what it stands for. */
	CHECK_ERR(sys(SYS_syscall, SYS_read, with, &st, 1), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_close, with), 0);
	/* The other words' rights. */
	with = limited(fd, 0, CAP_EXTATTR_GET);
	CHECK_NE(sys(SYS_extattr_get_fd, with, EXTATTR_NAMESPACE_USER, "n", NULL, 0), -ENOTCAPABLE);
	CHECK_ERR(sys(SYS_extattr_set_fd, with, EXTATTR_NAMESPACE_USER, "n", "v", 1), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_extattr_list_fd, with, EXTATTR_NAMESPACE_USER, NULL, 0), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_extattr_delete_fd, with, EXTATTR_NAMESPACE_USER, "n"), ENOTCAPABLE);
}

TEST(copying)
{
	int from = file_of("f"), to = OPEN("g", O_RDWR | O_CREAT), pair[2];
	off_t at = 0;

	CHECK_EQ(sys(SYS_copy_file_range, limited(from, CAP_READ, 0), NULL, limited(to, CAP_WRITE, 0), NULL, 3, 0), 3);
	CHECK_ERR(sys(SYS_copy_file_range, limited(from, CAP_READ, 0), &at, to, NULL, 3, 0), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_copy_file_range, limited(from, CAP_PREAD, 0), &at, to, NULL, 3, 0), 3);
	at = 0;
	CHECK_ERR(sys(SYS_copy_file_range, from, NULL, limited(to, CAP_WRITE, 0), &at, 3, 0), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair), 0);
	CHECK_ERR(sys(SYS_sendfile, limited(from, CAP_READ, 0), pair[0], 0, 1, NULL, NULL), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_sendfile, from, limited(pair[0], CAP_READ, 0), 0, 1, NULL, NULL), ENOTCAPABLE);
}

TEST(fcntls)
{
	int fd = file_of("f"), a = limited(fd, CAP_FCNTL | CAP_READ, 0);
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	u32 fcntls = 0;

	CHECK_EQ(sys(SYS_cap_fcntls_get, a, &fcntls), 0);
	CHECK_EQ(fcntls, CAP_FCNTL_ALL);
	CHECK_OK(sys(SYS_fcntl, a, F_GETFL));
	CHECK_ERR(sys(SYS_fcntl, a, F_GETLK, &lock), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_fcntl, limited(fd, CAP_FLOCK, 0), F_SETLK, &lock), 0);
	CHECK_EQ(sys(SYS_cap_fcntls_limit, a, CAP_FCNTL_SETFL | CAP_FCNTL_GETOWN), 0);
	CHECK_ERR(sys(SYS_fcntl, a, F_GETFL), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_fcntl, a, F_SETFL, 0), 0);
	CHECK_ERR(sys(SYS_fcntl, a, F_SETOWN, 0), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_cap_fcntls_limit, a, CAP_FCNTL_GETFL), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_cap_fcntls_limit, a, 0), 0);
	CHECK_ERR(sys(SYS_fcntl, a, F_SETFL, 0), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_fcntl, limited(fd, CAP_READ, 0), F_GETFL), ENOTCAPABLE);
	/* The fcntls of a descriptor with all rights can be limited, too. */
	CHECK_EQ(sys(SYS_cap_fcntls_limit, fd, CAP_FCNTL_GETFL), 0);
	CHECK_OK(sys(SYS_fcntl, fd, F_GETFL));
	CHECK_ERR(sys(SYS_fcntl, fd, F_SETFL, 0), ENOTCAPABLE);
	CHECK_EQ(rights_of(fd).cr_rights[0], CAP_ALL0);
}

TEST(ioctls)
{
	int fd = file_of("f"), n = 0;
	u64 some[2] = { FIONREAD, FIOCLEX }, more[3] = { FIONREAD, FIOCLEX, TIOCGWINSZ }, seen[4] = { 7, 7, 7, 7 };

	CHECK_EQ(sys(SYS_cap_ioctls_limit, fd, some, 2), 0);
	CHECK_EQ(sys(SYS_cap_ioctls_get, fd, seen, 4), 2);
	CHECK(seen[0] == FIONREAD && seen[1] == FIOCLEX && seen[2] == 7);
	seen[1] = 7;
	CHECK_EQ(sys(SYS_cap_ioctls_get, fd, seen, 1), 2);
	CHECK_EQ(seen[1], 7);
	CHECK_EQ(sys(SYS_ioctl, fd, FIONREAD, &n), 0);
	CHECK_EQ(sys(SYS_ioctl, fd, FIOCLEX, 0), 0);
	CHECK_ERR(sys(SYS_ioctl, fd, FIONCLEX, 0), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_ioctl, fd, TIOCGWINSZ, seen), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_cap_ioctls_limit, fd, more, 3), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_cap_ioctls_limit, fd, &more[2], 1), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_cap_ioctls_limit, fd, some, 1), 0);
	CHECK_ERR(sys(SYS_ioctl, fd, FIOCLEX, 0), ENOTCAPABLE);
	n = (int)CHECK_OK(sys(SYS_dup, fd));
	CHECK_ERR(sys(SYS_ioctl, n, FIOCLEX, 0), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_cap_ioctls_limit, fd, NULL, 0), 0);
	CHECK_ERR(sys(SYS_ioctl, fd, FIONREAD, &n), ENOTCAPABLE);
	fd = file_of("g");
	CHECK_EQ(limit(fd, CAP_READ, CAP_IOCTL), 0);
	CHECK_EQ(sys(SYS_cap_ioctls_get, fd, NULL, 0), CAP_IOCTLS_ALL);
	CHECK_EQ(limit(fd, CAP_READ, 0), 0);
	CHECK_ERR(sys(SYS_ioctl, fd, FIONREAD, &n), ENOTCAPABLE);
}

TEST(mappings)
{
	int fd = file_of("f"), r, w;
	char *at;
#define MAP(fd, prot, how) sys(SYS_mmap, NULL, 4096, prot, how, fd, 0)

	r = limited(fd, CAP_MMAP_R, 0);
	CHECK_OK(MAP(r, PROT_NONE, MAP_SHARED));
	at = (char *)CHECK_OK(MAP(r, PROT_READ, MAP_SHARED));
	CHECK_ERR(MAP(r, PROT_READ | PROT_WRITE, MAP_SHARED), ENOTCAPABLE);
	CHECK_ERR(MAP(r, PROT_READ | PROT_EXEC, MAP_SHARED), ENOTCAPABLE);
	/* Nor can mprotect give what the descriptor has not. */
	CHECK_ERR(sys(SYS_mprotect, at, 4096, PROT_READ | PROT_WRITE), EACCES);
	CHECK_ERR(sys(SYS_mprotect, at, 4096, PROT_READ | PROT_EXEC), EACCES);
	CHECK_EQ(sys(SYS_mprotect, at, 4096, PROT_NONE), 0);
	/* Writing to a private mapping writes to no file. */
	at = (char *)CHECK_OK(MAP(r, PROT_READ | PROT_WRITE, MAP_PRIVATE));
	at[0] = 1;
	w = limited(fd, CAP_MMAP_RW, 0);
	CHECK_OK(MAP(w, PROT_READ | PROT_WRITE, MAP_SHARED));
	CHECK_ERR(MAP(limited(fd, CAP_READ | CAP_SEEK, 0), PROT_READ, MAP_SHARED), ENOTCAPABLE);
	CHECK_ERR(MAP(limited(fd, CAP_MMAP, 0), PROT_READ, MAP_PRIVATE), ENOTCAPABLE);
	CHECK_OK(sys(SYS_mmap, NULL, 4096, PROT_READ, MAP_ANON | MAP_PRIVATE, -1, 0));
}

TEST(waiting)
{
	int pair[2], quiet, kq = (int)CHECK_OK(sys(SYS_kqueue)), change, wait;
	struct pollfd fds = { 0, POLLIN | POLLOUT, 0 };
	fd_set set;
	struct timeval none = { 0, 0 };
	struct kevent kev;

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair), 0);
	quiet = limited(pair[0], CAP_READ | CAP_WRITE, 0);
	fds.fd = quiet;
	CHECK_EQ(sys(SYS_poll, &fds, 1, 0), 1);
	CHECK_EQ(fds.revents, POLLNVAL);
	fds.fd = limited(pair[0], 0, CAP_EVENT);
	CHECK_EQ(sys(SYS_poll, &fds, 1, 0), 1);
	CHECK_EQ(fds.revents, POLLOUT);
	FD_ZERO(&set);
	FD_SET(quiet, &set);
	CHECK_ERR(sys(SYS_select, quiet + 1, NULL, &set, NULL, &none), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_select, quiet, NULL, &set, NULL, &none), 0);
	EV_SET(&kev, quiet, EVFILT_WRITE, EV_ADD, 0, 0, NULL);
	CHECK_ERR(sys(SYS_kevent, kq, &kev, 1, NULL, 0, NULL), ENOTCAPABLE);
	EV_SET(&kev, fds.fd, EVFILT_WRITE, EV_ADD, 0, 0, NULL);
	change = limited(kq, 0, CAP_KQUEUE_CHANGE);
	wait = limited(kq, 0, CAP_KQUEUE_EVENT);
	CHECK_ERR(sys(SYS_kevent, wait, &kev, 1, NULL, 0, NULL), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_kevent, change, &kev, 1, NULL, 0, NULL), 0);
	CHECK_ERR(sys(SYS_kevent, change, NULL, 0, &kev, 1, NULL), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_kevent, wait, NULL, 0, &kev, 1, NULL), 1);
}

TEST(directories)
{
	int root, dir, fd;
	struct stat st;
	u64 look = CAP_LOOKUP | CAP_READ;

	CHECK_EQ(sys(SYS_mkdir, "d", 0755), 0);
	CHECK_EQ(sys(SYS_mkdir, "d/sub", 0755), 0);
	CHECK_EQ(sys(SYS_close, OPEN("d/file", O_CREAT | O_RDWR)), 0);
	CHECK_EQ(sys(SYS_close, OPEN("outside", O_CREAT | O_RDWR)), 0);
	CHECK_EQ(sys(SYS_symlink, "../outside", "d/out"), 0);
	CHECK_EQ(sys(SYS_symlink, "sub/../file", "d/in"), 0);
	CHECK_EQ(sys(SYS_symlink, "/", "d/root"), 0);
	root = OPEN("d", O_RDONLY | O_DIRECTORY);
	dir = limited(root, look | CAP_FSTAT, 0);
	/* What is opened there has what the directory has. */
	fd = (int)CHECK_OK(sys(SYS_openat, dir, "file", O_RDONLY));
	CHECK_EQ(rights_of(fd).cr_rights[0], look | CAP_FSTAT);
	CHECK_ERR(sys(SYS_write, fd, "x", 1), ENOTCAPABLE);
	/* What that asks for by its flags. */
	CHECK_ERR(sys(SYS_openat, dir, "file", O_RDWR), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_openat, dir, "new", O_RDONLY | O_CREAT, 0644), ENOTCAPABLE);
	CHECK_OK(sys(SYS_openat, limited(root, look | CAP_CREATE, 0), "new", O_RDONLY | O_CREAT, 0644));
	CHECK_ERR(sys(SYS_openat, limited(root, look | CAP_WRITE, 0), "file", O_WRONLY), ENOTCAPABLE);
	CHECK_OK(sys(SYS_openat, limited(root, look | CAP_WRITE | CAP_SEEK, 0), "file", O_WRONLY));
	CHECK_OK(sys(SYS_openat, limited(root, look | CAP_WRITE, 0), "file", O_WRONLY | O_APPEND));
	CHECK_ERR(sys(SYS_openat, limited(root, look | CAP_WRITE, 0), "file", O_WRONLY | O_TRUNC), ENOTCAPABLE);
	CHECK_OK(sys(SYS_openat, limited(root, look | CAP_WRITE | CAP_FTRUNCATE, 0), "file", O_WRONLY | O_TRUNC));
	CHECK_ERR(sys(SYS_openat, limited(root, look | CAP_WRITE | CAP_SEEK, 0), "file", O_WRONLY | O_SYNC), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_openat, dir, "file", O_RDONLY | O_SHLOCK), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_openat, limited(root, CAP_READ, 0), "file", O_RDONLY), ENOTCAPABLE);
	/* No path leaves it; .. is allowed as far as it does not. */
	CHECK_OK(sys(SYS_openat, dir, "sub/../file", O_RDONLY));
	CHECK_OK(sys(SYS_openat, dir, "in", O_RDONLY));
	CHECK_ERR(sys(SYS_openat, dir, "..", O_RDONLY), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_openat, dir, "../outside", O_RDONLY), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_openat, dir, "sub/../../d/file", O_RDONLY), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_openat, dir, "out", O_RDONLY), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_openat, dir, "root", O_RDONLY), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_fstatat, dir, "out", &st, 0), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_fstatat, dir, "out", &st, AT_SYMLINK_NOFOLLOW), 0);
	CHECK_EQ(sys(SYS_fstatat, dir, "file", &st, 0), 0);
	CHECK_EQ(sys(SYS_faccessat, dir, "file", R_OK, 0), 0);
	CHECK_ERR(sys(SYS_faccessat, dir, "../outside", R_OK, 0), ENOTCAPABLE);
	/* An absolute path begins nowhere, outside capability mode. */
	CHECK_OK(sys(SYS_openat, dir, "/", O_RDONLY | O_DIRECTORY));
	/* A number that is none is EBADF, as ever. */
	CHECK_ERR(sys(SYS_openat, 999, "file", O_RDONLY), EBADF);
	/* Each of the others. */
	CHECK_ERR(sys(SYS_mkdirat, dir, "m", 0755), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_mkdirat, limited(root, CAP_MKDIRAT, 0), "m", 0755), 0);
	CHECK_ERR(sys(SYS_mkdirat, limited(root, CAP_MKDIRAT, 0), "../m", 0755), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_symlinkat, "x", dir, "l"), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_symlinkat, "x", limited(root, CAP_SYMLINKAT, 0), "l"), 0);
	CHECK_ERR(sys(SYS_readlinkat, limited(root, CAP_READ, 0), "l", &st, 1), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_readlinkat, limited(root, CAP_LOOKUP, 0), "l", &st, 1), 1);
	CHECK_ERR(sys(SYS_unlinkat, dir, "l", 0), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_unlinkat, limited(root, CAP_UNLINKAT, 0), "l", 0), 0);
	CHECK_ERR(sys(SYS_fchmodat, dir, "file", 0600, 0), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_fchmodat, limited(root, CAP_FCHMODAT, 0), "file", 0600, 0), 0);
	CHECK_ERR(sys(SYS_fchownat, dir, "file", -1, -1, 0), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_utimensat, dir, "file", NULL, 0), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_utimensat, limited(root, CAP_FUTIMESAT, 0), "file", NULL, 0), 0);
	CHECK_ERR(sys(SYS_mkfifoat, dir, "p", 0644), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_mkfifoat, limited(root, CAP_MKFIFOAT, 0), "p", 0644), 0);
	CHECK_ERR(sys(SYS_linkat, limited(root, CAP_LINKAT_TARGET, 0), "file", root, "h", 0), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_linkat, root, "file", limited(root, CAP_LINKAT_SOURCE, 0), "h", 0), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_linkat, limited(root, CAP_LINKAT_SOURCE, 0), "file", limited(root, CAP_LINKAT_TARGET, 0), "h", 0), 0);
	CHECK_ERR(sys(SYS_renameat, limited(root, CAP_RENAMEAT_TARGET, 0), "h", root, "i"), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_renameat, root, "h", limited(root, CAP_RENAMEAT_SOURCE, 0), "i"), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_renameat, limited(root, CAP_RENAMEAT_SOURCE, 0), "h", limited(root, CAP_RENAMEAT_TARGET, 0), "i"), 0);
	/* To replace what is there is to unlink it. */
	CHECK_ERR(sys(SYS_renameat, root, "i", limited(root, CAP_RENAMEAT_TARGET, 0), "new"), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_renameat, root, "i", limited(root, CAP_RENAMEAT_TARGET | CAP_UNLINKAT, 0), "new"), 0);
}

static void
pass(int to, const int *fds, int count)
{
	char control[CMSG_SPACE(4 * 8)] __attribute__((aligned(8))) = { 0 };
	struct iovec iov = { "m", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = (socklen_t)CMSG_SPACE(4 * (size_t)count) };
	struct cmsghdr *c = (void *)control;

	c->cmsg_len = (socklen_t)CMSG_LEN(4 * (size_t)count);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(c), fds, 4 * (size_t)count);
	CHECK_EQ(sys(SYS_sendmsg, to, &m, 0), 1);
}

/* Returns how many came. */
static int
passed(int from, int *fds, int room)
{
	char control[CMSG_SPACE(4 * 8)] __attribute__((aligned(8))) = { 0 }, data[4];
	struct iovec iov = { data, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = (socklen_t)CMSG_SPACE(4 * (size_t)room) };
	struct cmsghdr *c = (void *)control;
	int count;

	CHECK_EQ(sys(SYS_recvmsg, from, &m, 0), 1);
	if (m.msg_controllen == 0)
		return (0);
	count = (int)((c->cmsg_len - CMSG_LEN(0)) / 4);
	memcpy(fds, CMSG_DATA(c), 4 * (size_t)count);
	return (count);
}

TEST(passed_on)
{
	int fd = file_of("f"), pair[2], out[3], in[8], status, pid;
	u64 cmds[3] = { FIONREAD, FIOCLEX, TIOCGWINSZ }, seen[4];
	u32 fcntls;

	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair), 0);
	out[0] = limited(fd, CAP_READ | CAP_FCNTL, CAP_IOCTL);
	CHECK_EQ(sys(SYS_cap_fcntls_limit, out[0], CAP_FCNTL_GETFL), 0);
	CHECK_EQ(sys(SYS_cap_ioctls_limit, out[0], cmds, 3), 0);
	out[1] = fd;
	out[2] = limited(fd, CAP_FSTAT, 0);
	pid = guest_fork();
	if (pid == 0) {
		CHECK_EQ(passed(pair[1], in, 8), 3);
		CHECK_EQ(rights_of(in[0]).cr_rights[0], CAP_READ | CAP_FCNTL);
		CHECK_EQ(rights_of(in[0]).cr_rights[1], CAP_IOCTL);
		CHECK_EQ(sys(SYS_cap_fcntls_get, in[0], &fcntls), 0);
		CHECK_EQ(fcntls, CAP_FCNTL_GETFL);
		CHECK_EQ(sys(SYS_cap_ioctls_get, in[0], seen, 4), 3);
		CHECK(seen[0] == FIONREAD && seen[1] == FIOCLEX && seen[2] == TIOCGWINSZ);
		CHECK_EQ(rights_of(in[1]).cr_rights[0], CAP_ALL0);
		CHECK_EQ(rights_of(in[2]).cr_rights[0], CAP_FSTAT);
		CHECK_ERR(sys(SYS_write, in[0], "x", 1), ENOTCAPABLE);
		CHECK_EQ(sys(SYS_write, in[1], "x", 1), 1);
		/* No descriptor came besides. */
		CHECK_ERR(sys(SYS_fcntl, in[2] + 1, F_GETFD), EBADF);
		guest_exit(0);
	}
	pass(pair[0], out, 3);
	status = guest_wait(pid);
	CHECK_EQ(status, 0);
	/* Without room for it, it is gone. */
	pass(pair[0], out, 1);
	CHECK_EQ(passed(pair[1], in, 0), 0);
	CHECK_EQ(OPEN("f", O_RDONLY), out[2] + 1);
	CHECK_EQ(rights_of(out[2] + 1).cr_rights[0], CAP_ALL0);
}

/* /dev/fd/N is a duplicate. */
TEST(opened_by_name)
{
	int fd = file_of("f"), copy;
	char name[32];

	CHECK_EQ(limit(fd, CAP_READ | CAP_FCNTL, 0), 0);
	format(name, sizeof(name), "/dev/fd/%d", fd);
	copy = (int)CHECK_OK(sys(SYS_open, name, O_RDONLY));
	CHECK_EQ(rights_of(copy).cr_rights[0], CAP_READ | CAP_FCNTL);
}

/* By whatever path: what is opened has the rights of the descriptor, and truncate(2) asks for CAP_EXTATTR_SET (fdesc_setattr). */
TEST(opened_by_other_names)
{
	int fd = file_of("f"), folder, copy;
	char name[32], byte;

	CHECK_EQ(limit(fd, CAP_READ | CAP_SEEK | CAP_FSTAT, 0), 0);
	format(name, sizeof(name), "/dev/fd/%d", fd);
	CHECK_EQ(sys(SYS_symlink, name, "link"), 0);
	CHECK_EQ(sys(SYS_symlink, "link", "link2"), 0);
	copy = OPEN("link2", O_RDWR);
	CHECK_ERR(sys(SYS_pwrite, copy, "x", 1, 0L), ENOTCAPABLE);
	CHECK_EQ(rights_of(copy).cr_rights[0], CAP_READ | CAP_SEEK | CAP_FSTAT);
	CHECK_EQ(sys(SYS_read, copy, &byte, 1), 1);
	copy = OPEN("link", O_RDWR | O_TRUNC);
	CHECK_ERR(sys(SYS_write, copy, "x", 1), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_truncate, "link", 0L), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_truncate, name, 0L), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_lseek, fd, 0L, SEEK_END), 10);
	format(name, sizeof(name), "/dev/./fd/../fd/%d", fd);
	CHECK_ERR(sys(SYS_write, OPEN(name, O_RDWR), "x", 1), ENOTCAPABLE);
	folder = OPEN("/dev", O_RDONLY | O_DIRECTORY);
	format(name, sizeof(name), "fd/%d", fd);
	CHECK_ERR(sys(SYS_write, CHECK_OK(sys(SYS_openat, folder, name, O_RDWR)), "x", 1), ENOTCAPABLE);
	/* Another file, and another descriptor of the same one, are as ever. */
	CHECK_EQ(rights_of(OPEN("f", O_RDWR)).cr_rights[0], CAP_ALL0);
	copy = OPEN("f", O_RDWR);
	format(name, sizeof(name), "fd/%d", copy);
	CHECK_EQ(rights_of((int)CHECK_OK(sys(SYS_openat, folder, name, O_RDWR))).cr_rights[0], CAP_ALL0);
	/* A folder's name leads no further. */
	fd = OPEN(".", O_RDONLY | O_DIRECTORY);
	CHECK_EQ(limit(fd, CAP_READ | CAP_LOOKUP, 0), 0);
	format(name, sizeof(name), "/dev/fd/%d/f", fd);
	CHECK_ERR(sys(SYS_open, name, O_RDWR), ENOTDIR);
}

#define MANY 64

static volatile u32 over;
static char many_stacks[MANY][4096] __attribute__((aligned(16)));
static long many_ids[MANY];

static void
waits(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&over, __ATOMIC_SEQ_CST))
		sys(SYS__umtx_op, &over, UMTX_OP_WAIT_UINT, 0, NULL, NULL);
	sys(SYS_thr_exit, NULL);
}

static void
limits(void *arg)
{
	int fd;

	(void)arg;
	while (!__atomic_load_n(&over, __ATOMIC_SEQ_CST)) {
		fd = (int)sys(SYS_dup, 2);
		limit(fd, CAP_READ, 0);
		sys(SYS_close, fd);
	}
	sys(SYS_thr_exit, NULL);
}

static void
many(int fd)
{
	int i;

	for (i = 0; i < MANY; i++) {
		struct thr_param param = { .start_func = i == 0 ? limits : waits, .stack_base = many_stacks[i],
		    .stack_size = sizeof(many_stacks[i]), .child_tid = &many_ids[i] };

		CHECK_EQ(sys(SYS_thr_new, &param, sizeof(param)), 0);
	}
	CHECK_EQ(limit(fd, CAP_READ, 0), 0);
	CHECK_ERR(sys(SYS_write, fd, "x", 1), ENOTCAPABLE);
	__atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
}

/* A thread that limits descriptors while others come to be, in several processes: it is a race. */
TEST(beside_new_threads)
{
	int fd = file_of("f"), i;
	int pid;

	for (i = 0; i < 8; i++) {
		pid = guest_fork();
		if (pid == 0) {
			many(fd);
			guest_exit(0);
		}
		CHECK_EQ(guest_wait(pid), 0);
	}
}

TEST(accepted)
{
	struct sockaddr_un name = { .sun_len = sizeof(name), .sun_family = AF_UNIX, .sun_path = "s" };
	int s = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0)), c = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0)), a;

	CHECK_EQ(sys(SYS_bind, s, &name, sizeof(name)), 0);
	CHECK_EQ(sys(SYS_listen, s, 5), 0);
	CHECK_EQ(sys(SYS_connect, c, &name, sizeof(name)), 0);
	CHECK_EQ(limit(s, CAP_ACCEPT | CAP_READ, 0), 0);
	a = (int)CHECK_OK(sys(SYS_accept, s, NULL, NULL));
	CHECK_EQ(rights_of(a).cr_rights[0], CAP_ACCEPT | CAP_READ);
	CHECK_ERR(sys(SYS_write, a, "x", 1), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_write, c, "x", 1), 1);
	CHECK_EQ(sys(SYS_read, a, &name, 1), 1);
	/* Who names an address connects. */
	c = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_DGRAM, 0));
	CHECK_ERR(sys(SYS_sendto, limited(c, CAP_SEND, 0), "x", 1, 0, &name, sizeof(name)), ENOTCAPABLE);
	CHECK_NE(sys(SYS_sendto, limited(c, CAP_SEND | CAP_CONNECT, 0), "x", 1, 0, &name, sizeof(name)), -ENOTCAPABLE);
}

TEST(beneath_sockets)
{
	struct sockaddr_un name = { .sun_len = sizeof(name), .sun_family = AF_UNIX, .sun_path = "s" };
	struct sockaddr_un away = { .sun_len = sizeof(name), .sun_family = AF_UNIX, .sun_path = "../s" };
	int s = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0)), dir;

	CHECK_EQ(sys(SYS_mkdir, "d", 0755), 0);
	dir = OPEN("d", O_RDONLY);
	CHECK_ERR(sys(SYS_bindat, limited(dir, CAP_LOOKUP, 0), s, &name, sizeof(name)), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_bindat, limited(dir, CAP_BINDAT, 0), s, &away, sizeof(away)), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_bindat, dir, limited(s, CAP_CONNECT, 0), &name, sizeof(name)), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_bindat, limited(dir, CAP_BINDAT, 0), limited(s, CAP_BIND, 0), &name, sizeof(name)), 0);
	CHECK_EQ(sys(SYS_listen, s, 1), 0);
	s = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
	CHECK_ERR(sys(SYS_connectat, limited(dir, CAP_BINDAT, 0), s, &name, sizeof(name)), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_connectat, limited(dir, CAP_CONNECTAT, 0), s, &name, sizeof(name)), 0);
}

/* Descriptors that this image was executed with: what was limited is. */
HELPER(inherited)
{
	u64 seen[4];
	u32 fcntls = 0;

	CHECK_EQ(rights_of(20).cr_rights[0], CAP_READ | CAP_FCNTL);
	CHECK_EQ(sys(SYS_cap_fcntls_get, 20, &fcntls), 0);
	CHECK_EQ(fcntls, CAP_FCNTL_GETOWN);
	CHECK_EQ(sys(SYS_cap_ioctls_get, 20, seen, 4), 2);
	CHECK_EQ(seen[1], FIOCLEX);
	CHECK_ERR(sys(SYS_write, 20, "x", 1), ENOTCAPABLE);
	CHECK_EQ(rights_of(21).cr_rights[0], CAP_ALL0);
	CHECK_EQ(rights_of(900).cr_rights[0], CAP_FSTAT);
	CHECK_ERR(sys(SYS_fcntl, 22, F_GETFD), EBADF);
	/* The number that was close-on-exec, and 23, in which what they are limited to might have come. */
	CHECK_EQ(OPEN("f", O_RDONLY), 3);
	CHECK_EQ(sys(SYS_dup2, 3, 22), 22);
	CHECK_EQ(rights_of(22).cr_rights[0], CAP_ALL0);
	guest_exit(0);
}

TEST(over_exec)
{
	int fd = file_of("f"), status, pid, vfork;
	u64 cmds[2] = { FIONREAD, FIOCLEX };
	char *args[] = { guest_argv[0], "@inherited", NULL };

	for (vfork = 0; vfork < 2; vfork++) {
		pid = vfork ? (int)CHECK_OK(sys(SYS_rfork, RFPROC | RFFDG)) : guest_fork();
		if (pid == 0) {
			sys(SYS_dup2, fd, 20);
			sys(SYS_dup2, fd, 21);
			sys(SYS_dup2, fd, 22);
			sys(SYS_dup2, fd, 900);
			CHECK_EQ(limit(20, CAP_READ | CAP_FCNTL, CAP_IOCTL), 0);
			CHECK_EQ(limit(22, CAP_READ, 0), 0);
			CHECK_EQ(limit(900, CAP_FSTAT, 0), 0);
			CHECK_EQ(sys(SYS_cap_fcntls_limit, 20, CAP_FCNTL_GETOWN), 0);
			CHECK_EQ(sys(SYS_cap_ioctls_limit, 20, cmds, 2), 0);
			CHECK_EQ(sys(SYS_fcntl, 22, F_SETFD, FD_CLOEXEC), 0);
			sys(SYS_close, fd);
			sys(SYS_execve, guest_argv[0], args, guest_envp);
			guest_exit(9);
		}
		status = guest_wait(pid);
		CHECK_EQ(status, 0);
	}
}

/* A child of vfork has descriptors of its own, and what it limits is its. */
TEST(in_vfork)
{
	int fd = file_of("f"), other = limited(fd, CAP_READ | CAP_FSTAT, 0), pid, status;

	pid = (int)sys(SYS_vfork);
	if (pid == 0) {
		if (limit(fd, CAP_READ, 0) != 0 || limit(other, CAP_FSTAT, 0) != 0 || rights_of(other).cr_rights[0] != CAP_FSTAT)
			guest_exit(1);
		guest_exit(sys(SYS_write, fd, "x", 1) == -ENOTCAPABLE ? 0 : 2);
	}
	CHECK_OK(pid);
	status = guest_wait(pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(rights_of(fd).cr_rights[0], CAP_ALL0);
	CHECK_EQ(rights_of(other).cr_rights[0], CAP_READ | CAP_FSTAT);
	CHECK_EQ(sys(SYS_write, fd, "x", 1), 1);
}

TEST(told_by_filedesc)
{
	static char records[65536];
	int fd = limited(file_of("f"), CAP_READ | CAP_FSTAT, 0), mib[4] = { CTL_KERN, KERN_PROC, KERN_PROC_FILEDESC, 0 }, found = 0, pid;
	int ends[2];

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	pid = guest_fork();
	if (pid == 0) {
		sys(SYS_read, ends[0], records, 1);
		guest_exit(0);
	}
	for (int who = 0; who < 2; who++) {
		size_t size = sizeof(records);

		mib[3] = who ? pid : (int)sys(SYS_getpid);
		CHECK_EQ(sys(SYS___sysctl, mib, 4, records, &size, NULL, 0), 0);
		for (size_t at = 0; at < size;) {
			struct kinfo_file *kf = (void *)&records[at];

			if (kf->kf_fd == fd) {
				CHECK_EQ(kf->kf_cap_rights.cr_rights[0], CAP_READ | CAP_FSTAT);
				found++;
			} else if (kf->kf_fd == 0)
				CHECK_EQ(kf->kf_cap_rights.cr_rights[0], CAP_ALL0);
			at += (size_t)kf->kf_structsize;
		}
	}
	CHECK_EQ(found, 2);
	CHECK_EQ(sys(SYS_write, ends[1], "x", 1), 1);
	guest_wait(pid);
}

TEST(process_descriptors)
{
	int fd = -1, pid, value = 0, quiet;

	pid = (int)CHECK_OK(sys(SYS_pdfork, &fd, 0));
	if (pid == 0)
		for (;;)
			sys(SYS_sigsuspend, &(sigset_t){ { 0 } });
	quiet = limited(fd, 0, CAP_PDGETPID);
	CHECK_EQ(sys(SYS_pdgetpid, quiet, &value), 0);
	CHECK_EQ(value, pid);
	CHECK_ERR(sys(SYS_pdkill, quiet, SIGKILL), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_pdgetpid, limited(fd, 0, CAP_PDKILL), &value), ENOTCAPABLE);
	CHECK_EQ(sys(SYS_pdkill, limited(fd, 0, CAP_PDKILL), SIGKILL), 0);
}

static u64 seed;

static u64
random_(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed);
}

/* Words of rights: nearly right ones, and any. */
static u64
words(int i)
{
	u64 mark = i ? WORD1 : WORD0, all = i ? CAP_ALL1 : CAP_ALL0;

	switch (random_() % 8) {
	case 0:
		return (random_());
	case 1:
		return (mark | 1UL << (random_() % 64));
	case 2:
		return (random_() & all);
	case 3:
		return (all);
	default:
		return (mark | (random_() & random_() & all));
	}
}

/* Whatever is asked with whatever pointers: no descriptor gains a right, and the answers are those that there can be. */
TEST(random_calls)
{
	int base = file_of("f"), fd, other;
	cap_rights_t have[8], now;
	u64 page = (u64)CHECK_OK(sys(SYS_mmap, NULL, 8192, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0)), list[300];
	long result;

	CHECK_EQ(sys(SYS_mprotect, page + 4096, 4096, PROT_NONE), 0);
	seed = (u64)sys(SYS_getpid) * 0x9e3779b97f4a7c15UL | 1;
	for (int i = 0; i < 8; i++) {
		CHECK_EQ(sys(SYS_dup2, base, 40 + i), 40 + i);
		have[i] = rights_of(40 + i);
	}
	for (int i = 0; i < 20000; i++) {
		int which = (int)(random_() % 8), to = (int)(random_() % 8);
		u64 at = random_() % 4 == 0 ? page + 4096 - random_() % 24 : random_() % 16 == 0 ? random_() : page;

		fd = 40 + which;
		other = 40 + to;
		if (at == page || at > page + 4072)
			for (u64 k = 0; k < 2 && at + 8 * k + 8 <= page + 4096; k++)
				*(u64 *)(at + 8 * k) = words((int)k);
		switch (random_() % 8) {
		case 0:
			result = sys(SYS_cap_rights_limit, random_() % 32 == 0 ? (long)random_() : fd, at);
			CHECK(result == 0 || result == -EINVAL || result == -EFAULT || result == -EBADF || result == -ENOTCAPABLE);
			break;
		case 1:
			result = sys(SYS___cap_rights_get, random_() % 4 == 0 ? (long)random_() : 0, fd, at);
			CHECK(result == 0 || result == -EINVAL || result == -EFAULT);
			break;
		case 2:
			for (size_t k = 0; k < nitems(list); k++)
				list[k] = random_() % 64;
			result = sys(SYS_cap_ioctls_limit, fd, random_() % 4 ? (u64)list : at, random_() % 300);
			CHECK(result == 0 || result == -EINVAL || result == -EFAULT || result == -ENOTCAPABLE);
			break;
		case 3:
			result = sys(SYS_cap_ioctls_get, fd, random_() % 2 ? (u64)list : at, random_() % 300);
			CHECK(result >= 0 || result == -EFAULT);
			break;
		case 4:
			result = sys(SYS_cap_fcntls_limit, fd, random_() % 4 ? random_() & CAP_FCNTL_ALL : random_());
			CHECK(result == 0 || result == -EINVAL || result == -ENOTCAPABLE);
			break;
		case 5:
			CHECK_EQ(sys(SYS_dup2, fd, other), other);
			have[to] = have[which];
			break;
		case 6:
			if (random_() % 16 == 0) {
				CHECK_EQ(sys(SYS_dup2, base, fd), fd);
				have[which] = rights_of(base);
			}
			break;
		default:
			result = sys(SYS_read, fd, at, 1);
			CHECK(result == 0 || result == 1 || result == -EFAULT || result == -ENOTCAPABLE);
			if (result == -ENOTCAPABLE)
				CHECK((have[which].cr_rights[0] & CAP_READ) != CAP_READ);
		}
		now = rights_of(fd);
		CHECK_EQ(now.cr_rights[0] & ~have[which].cr_rights[0], 0);
		CHECK_EQ(now.cr_rights[1] & ~have[which].cr_rights[1], 0);
		have[which] = now;
	}
}
