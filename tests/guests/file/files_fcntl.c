/* fcntl(2), flock(2), dup and its kin, closefrom, close_range. */
#include "guest.h"

#define OPEN(path, flags) (int)CHECK_OK(sys(SYS_open, path, flags, 0644))
#define IS_OPEN(fd) (sys(SYS_fcntl, fd, F_GETFD, 0) >= 0)

TEST(duplicates)
{
	int fd = OPEN("/", O_RDONLY);

	CHECK_EQ(sys(SYS_dup, fd), 4);
	CHECK_EQ(sys(SYS_dup2, fd, 10), 10);
	CHECK_EQ(sys(SYS_dup2, fd, fd), fd);
	CHECK_EQ(sys(SYS_fcntl, fd, F_DUPFD, 20), 20);
	CHECK_EQ(sys(SYS_fcntl, fd, F_DUPFD, 20), 21);
	CHECK_EQ(sys(SYS_fcntl, 21, F_GETFD, 0), 0);
	CHECK_EQ(sys(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 30), 30);
	CHECK_EQ(sys(SYS_fcntl, 30, F_GETFD, 0), FD_CLOEXEC);
	CHECK_EQ(sys(SYS_fcntl, fd, F_DUP2FD, 40), 40);
	CHECK_EQ(sys(SYS_fcntl, 40, F_GETFD, 0), 0);
	CHECK_EQ(sys(SYS_fcntl, fd, F_DUP2FD_CLOEXEC, 41), 41);
	CHECK_EQ(sys(SYS_fcntl, 41, F_GETFD, 0), FD_CLOEXEC);
	/* Onto itself: success, the flag stays as it is. */
	CHECK_EQ(sys(SYS_fcntl, fd, F_DUP2FD, fd), fd);
	CHECK_ERR(sys(SYS_dup, 999), EBADF);
	CHECK_ERR(sys(SYS_dup2, 999, 5), EBADF);
	CHECK_ERR(sys(SYS_dup2, fd, -1), EBADF);
	CHECK_ERR(sys(SYS_dup2, fd, 0x7fffffff), EBADF);
	CHECK_ERR(sys(SYS_fcntl, fd, F_DUPFD, -1), EINVAL);
	CHECK_ERR(sys(SYS_fcntl, fd, F_DUPFD, 0x7fffffff), EINVAL);
	CHECK_ERR(sys(SYS_fcntl, fd, F_DUP2FD, -1), EBADF);
	CHECK_ERR(sys(SYS_fcntl, 999, F_DUPFD, 0), EBADF);
}

TEST(dup2_shares_the_offset)
{
	guest_put("file", "0123456789", 10);
	int fd = OPEN("file", O_RDONLY);

	CHECK_EQ(sys(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC), 0);
	CHECK_EQ(sys(SYS_dup2, fd, 9), 9);
	CHECK_EQ(sys(SYS_fcntl, 9, F_GETFD, 0), 0);
	CHECK_EQ(sys(SYS_lseek, fd, 4, SEEK_SET), 4);
	CHECK_EQ(sys(SYS_lseek, 9, 0, SEEK_CUR), 4);
}

TEST(unknown_command)
{
	CHECK_ERR(sys(SYS_fcntl, 0, 999, 0), EINVAL);
	CHECK_ERR(sys(SYS_fcntl, 999, F_GETFD, 0), EBADF);
	CHECK_ERR(sys(SYS_fcntl, 999, F_GETFL, 0), EBADF);
	/* Linux's numbers for GETLK and the like are other commands here. */
	CHECK_ERR(sys(SYS_fcntl, 0, 1030, 0), EINVAL);
}

TEST(ownership)
{
	int ends[2];

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_EQ(sys(SYS_fcntl, ends[0], F_SETOWN, sys(SYS_getpid)), 0);
	CHECK_EQ(sys(SYS_fcntl, ends[0], F_GETOWN, 0), sys(SYS_getpid));
}

static long
lock(int fd, int command, int type, off_t start, off_t length, struct flock *out)
{
	struct flock l;

	memset(&l, 0, sizeof(l));
	l.l_type = (short)type;
	l.l_whence = SEEK_SET;
	l.l_start = start;
	l.l_len = length;
	long ret = sys(SYS_fcntl, fd, command, &l);
	if (out != NULL)
		*out = l;
	return (ret);
}

TEST(record_locks)
{
	int fd = OPEN("file", O_RDWR | O_CREAT);
	struct flock l;
	int parent = (int)sys(SYS_getpid);

	CHECK_EQ(sys(SYS_write, fd, "0123456789", 10), 10);
	CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 2, 3, NULL), 0);
	CHECK_EQ(lock(fd, F_GETLK, F_WRLCK, 0, 0, &l), 0);
	CHECK_EQ(l.l_type, F_UNLCK);	/* one's own does not count */
	/* Of a free region the type is told, and nothing else (kern_lockf.c, lf_getlock). */
	struct flock unheld = { .l_start = 7, .l_len = 2, .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_pid = 9999, .l_sysid = 9998 };
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETLK, &unheld), 0);
	CHECK_EQ(unheld.l_type, F_UNLCK);
	CHECK(unheld.l_start == 7 && unheld.l_len == 2 && unheld.l_pid == 9999 && unheld.l_sysid == 9998);
	IN_CHILD({
		int other = OPEN("file", O_RDWR);
		CHECK_EQ(lock(other, F_GETLK, F_RDLCK, 0, 0, &l), 0);
		CHECK_EQ(l.l_type, F_WRLCK);
		CHECK_EQ(l.l_start, 2);
		CHECK_EQ(l.l_len, 3);
		CHECK_EQ(l.l_pid, parent);
		CHECK_EQ(l.l_whence, SEEK_SET);
		CHECK_EQ(l.l_sysid, 0);
		CHECK_ERR(lock(other, F_SETLK, F_RDLCK, 0, 0, NULL), EAGAIN);
		CHECK_EQ(lock(other, F_SETLK, F_WRLCK, 0, 2, NULL), 0);
		CHECK_EQ(lock(other, F_SETLK, F_WRLCK, 5, 0, NULL), 0);
	});
	CHECK_EQ(lock(fd, F_SETLK, F_UNLCK, 0, 0, NULL), 0);
	CHECK_EQ(lock(fd, F_SETLK, F_RDLCK, 0, 0, NULL), 0);
	IN_CHILD({
		int other = OPEN("file", O_RDWR);
		CHECK_EQ(lock(other, F_SETLK, F_RDLCK, 0, 0, NULL), 0);
		CHECK_ERR(lock(other, F_SETLK, F_WRLCK, 0, 0, NULL), EAGAIN);
	});
	CHECK_ERR(lock(fd, F_SETLK, 77, 0, 0, NULL), EINVAL);
	CHECK_ERR(lock(fd, F_SETLK, F_RDLCK, -5, 2, NULL), EINVAL);
	int readonly = OPEN("file", O_RDONLY);
	CHECK_ERR(lock(readonly, F_SETLK, F_WRLCK, 0, 0, NULL), EBADF);
	CHECK_ERR(lock(999, F_SETLK, F_WRLCK, 0, 0, NULL), EBADF);
	int ends[2];
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_ERR(lock(ends[1], F_SETLK, F_WRLCK, 0, 0, NULL), EBADF);	/* not a vnode: kern_fcntl */
}

TEST(record_lock_waits)
{
	int fd = OPEN("file", O_RDWR | O_CREAT), ends[2];
	char c;

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 0, 0, NULL), 0);
	int pid = guest_fork();
	if (pid == 0) {
		CHECK_EQ(sys(SYS_write, ends[1], "a", 1), 1);
		CHECK_EQ(lock(fd, F_SETLKW, F_WRLCK, 0, 0, NULL), 0);
		CHECK_EQ(sys(SYS_write, ends[1], "b", 1), 1);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 1);
	guest_sleep_ms(40);
	CHECK_EQ(lock(fd, F_SETLK, F_UNLCK, 0, 0, NULL), 0);
	CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 1);
	CHECK_EQ(c, 'b');
	CHECK_EQ(guest_wait(pid), 0);
}

TEST(whole_file_locks)
{
	int a = OPEN("file", O_RDWR | O_CREAT), b = OPEN("file", O_RDWR);

	CHECK_EQ(sys(SYS_flock, a, LOCK_EX), 0);
	CHECK_ERR(sys(SYS_flock, b, LOCK_EX | LOCK_NB), EAGAIN);
	CHECK_ERR(sys(SYS_flock, b, LOCK_SH | LOCK_NB), EAGAIN);
	CHECK_EQ(sys(SYS_flock, a, LOCK_SH), 0);
	CHECK_EQ(sys(SYS_flock, b, LOCK_SH | LOCK_NB), 0);
	CHECK_EQ(sys(SYS_flock, a, LOCK_UN), 0);
	CHECK_EQ(sys(SYS_flock, b, LOCK_EX | LOCK_NB), 0);
	CHECK_ERR(sys(SYS_flock, 999, LOCK_SH), EBADF);
	int ends[2];	/* FIFOs and sockets have no locks */
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_ERR(sys(SYS_flock, ends[0], LOCK_SH), EOPNOTSUPP);
	CHECK_ERR(sys(SYS_flock, a, 77 & ~(LOCK_SH | LOCK_EX | LOCK_UN)), EBADF);
}

TEST(close)
{
	int fd = OPEN("/", O_RDONLY);

	CHECK_EQ(sys(SYS_close, fd), 0);
	CHECK_ERR(sys(SYS_close, fd), EBADF);
	CHECK_ERR(sys(SYS_close, -1), EBADF);
	CHECK_ERR(sys(SYS_close, 0x7fffffff), EBADF);
}

TEST(close_range)
{
	for (int fd = 10; fd < 30; fd++)
		CHECK_EQ(sys(SYS_dup2, 0, fd), fd);
	CHECK_EQ(sys(SYS_close_range, 12, 15, 0), 0);
	for (int fd = 10; fd < 30; fd++)
		CHECK_EQ(IS_OPEN(fd), fd < 12 || fd > 15);
	CHECK_EQ(sys(SYS_close_range, 20, 22, CLOSE_RANGE_CLOEXEC), 0);
	CHECK_EQ(sys(SYS_fcntl, 21, F_GETFD, 0), FD_CLOEXEC);
	CHECK_EQ(sys(SYS_fcntl, 23, F_GETFD, 0), 0);
	CHECK_EQ(sys(SYS_close_range, 20, ~0U, 0), 0);
	for (int fd = 16; fd < 30; fd++)
		CHECK_EQ(IS_OPEN(fd), fd < 20);
	CHECK_ERR(sys(SYS_close_range, 5, 4, 0), EINVAL);
	CHECK_ERR(sys(SYS_close_range, 5, 6, 0x100), EINVAL);
	CHECK_EQ(sys(SYS_close_range, 3, ~0U, 0), 0);
	CHECK(IS_OPEN(0) && IS_OPEN(1) && IS_OPEN(2) && !IS_OPEN(3));
	/* The process still works, and can start another program. */
	CHECK_EQ(OPEN("/", O_RDONLY), 3);
}

/* closefrom(2) was a syscall of its own up to FreeBSD 12 (509). */
TEST(closefrom)
{
	CHECK_EQ(sys(SYS_dup2, 0, 10), 10);
	CHECK_EQ(sys(SYS_dup2, 0, 2000), 2000);
	CHECK_EQ(sys(509 /* freebsd12_closefrom */, 5), 0);
	CHECK(!IS_OPEN(10));
	CHECK(!IS_OPEN(2000));
	CHECK(IS_OPEN(2));
	CHECK_EQ(OPEN("/", O_RDONLY), 3);
}

TEST(table_size)
{
	struct rlimit rl;
	int most = 0;
	size_t size = sizeof(most);

	CHECK_EQ(sys(SYS_getrlimit, RLIMIT_NOFILE, &rl), 0);
	CHECK_EQ(sys(SYS___sysctlbyname, "kern.maxfilesperproc", 20, &most, &size, NULL, 0), 0);
	CHECK_EQ(sys(SYS_getdtablesize), rl.rlim_cur < (u64)most ? rl.rlim_cur : (u64)most);
}
