/* read, write and their kin, lseek, truncate, pipes. */
#include "guest.h"
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/filio.h>

#define OPEN(path, flags) (int)CHECK_OK(sys(SYS_open, path, flags, 0644))

TEST(read_write)
{
	char buffer[16];
	int fd = OPEN("file", O_RDWR | O_CREAT);

	CHECK_EQ(sys(SYS_write, fd, "hello", 5), 5);
	CHECK_EQ(sys(SYS_read, fd, buffer, 16), 0);
	CHECK_EQ(sys(SYS_lseek, fd, 0, SEEK_SET), 0);
	CHECK_EQ(sys(SYS_read, fd, buffer, 2), 2);
	CHECK_EQ(sys(SYS_read, fd, buffer, 16), 3);
	CHECK(memcmp(buffer, "llo", 3) == 0);
	CHECK_EQ(sys(SYS_read, fd, buffer, 0), 0);
	CHECK_EQ(sys(SYS_write, fd, buffer, 0), 0);
	CHECK_ERR(sys(SYS_read, 999, buffer, 1), EBADF);
	CHECK_ERR(sys(SYS_write, -1, buffer, 1), EBADF);
	/* More than IOSIZE_MAX is EINVAL. */
	long ret = sys(SYS_read, fd, buffer, ~0UL);
	CHECK_EQ(ret, -EINVAL);
	ret = sys(SYS_write, fd, buffer, 1UL << 63);
	CHECK_EQ(ret, -EINVAL);
}

TEST(positioned)
{
	char buffer[16];
	int fd = OPEN("file", O_RDWR | O_CREAT), ends[2];

	CHECK_EQ(sys(SYS_pwrite, fd, "abcdef", 6, 4), 6);
	CHECK_EQ(sys(SYS_lseek, fd, 0, SEEK_CUR), 0);
	CHECK_EQ(sys(SYS_pread, fd, buffer, 16, 6), 4);
	CHECK(memcmp(buffer, "cdef", 4) == 0);
	CHECK_EQ(sys(SYS_pread, fd, buffer, 4, 0), 4);
	CHECK(memcmp(buffer, "\0\0\0\0", 4) == 0);
	CHECK_EQ(sys(SYS_pread, fd, buffer, 4, 100), 0);
	CHECK_ERR(sys(SYS_pread, fd, buffer, 1, -1L), EINVAL);
	CHECK_ERR(sys(SYS_pwrite, fd, buffer, 1, -1L), EINVAL);
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_ERR(sys(SYS_pread, ends[0], buffer, 1, 0), ESPIPE);
	CHECK_ERR(sys(SYS_pwrite, ends[1], buffer, 1, 0), ESPIPE);
}

TEST(vectors)
{
	char a[3], b[4], c[8];
	struct iovec out[3] = { { "one", 3 }, { "", 0 }, { "two!", 4 } };
	struct iovec in[3] = { { a, 3 }, { b, 4 }, { c, 8 } };
	int fd = OPEN("file", O_RDWR | O_CREAT);

	CHECK_EQ(sys(SYS_writev, fd, out, 3), 7);
	CHECK_EQ(sys(SYS_lseek, fd, 0, SEEK_SET), 0);
	CHECK_EQ(sys(SYS_readv, fd, in, 3), 7);
	CHECK(memcmp(a, "one", 3) == 0 && memcmp(b, "two!", 4) == 0);
	CHECK_EQ(sys(SYS_pwritev, fd, out, 3, 3), 7);
	CHECK_EQ(sys(SYS_preadv, fd, in, 2, 3), 7);
	CHECK(memcmp(a, "one", 3) == 0 && memcmp(b, "two!", 4) == 0);
	CHECK_EQ(sys(SYS_readv, fd, in, 0), 0);
	CHECK_ERR(sys(SYS_readv, fd, in, 1025), EINVAL);
	CHECK_ERR(sys(SYS_writev, fd, out, -1), EINVAL);
	CHECK_ERR(sys(SYS_preadv, fd, in, 1, -1L), EINVAL);
	struct iovec huge[2] = { { a, 1UL << 62 }, { b, 1UL << 62 } };
	long ret = sys(SYS_readv, fd, huge, 2);
	CHECK_EQ(ret, -EINVAL);	/* as a huge read */
}

TEST(seek)
{
	int fd = OPEN("file", O_RDWR | O_CREAT), ends[2];
	struct stat st;

	CHECK_EQ(sys(SYS_write, fd, "0123456789", 10), 10);
	CHECK_EQ(sys(SYS_lseek, fd, 3, SEEK_SET), 3);
	CHECK_EQ(sys(SYS_lseek, fd, 2, SEEK_CUR), 5);
	CHECK_EQ(sys(SYS_lseek, fd, -1, SEEK_END), 9);
	CHECK_EQ(sys(SYS_lseek, fd, 100, SEEK_END), 110);
	CHECK_ERR(sys(SYS_lseek, fd, -1L, SEEK_SET), EINVAL);
	CHECK_ERR(sys(SYS_lseek, fd, -200L, SEEK_CUR), EINVAL);
	CHECK_ERR(sys(SYS_lseek, fd, 0, 77), EINVAL);
	CHECK_ERR(sys(SYS_lseek, 999, 0, SEEK_SET), EBADF);
	CHECK_EQ(sys(SYS_lseek, fd, 0, SEEK_CUR), 110);
	/* Beyond 4 GB. */
	CHECK_EQ(sys(SYS_lseek, fd, 0x123456789L, SEEK_SET), 0x123456789L);
	CHECK_EQ(sys(SYS_write, fd, "x", 1), 1);
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_size, 0x12345678aL);
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_ERR(sys(SYS_lseek, ends[0], 0, SEEK_SET), ESPIPE);
	CHECK_ERR(sys(SYS_lseek, fd, 0x7fffffffffffffffL, SEEK_END), EOVERFLOW);
}

TEST(seek_data_and_holes)
{
	int fd = OPEN("file", O_RDWR | O_CREAT);

	CHECK_EQ(sys(SYS_ftruncate, fd, 1 << 20), 0);
	CHECK_EQ(sys(SYS_pwrite, fd, "x", 1, 512 * 1024), 1);
	long data = sys(SYS_lseek, fd, 0, SEEK_DATA);
	CHECK(data == 0 || data == 512 * 1024);	/* 0 where the file system knows no holes */
	CHECK_BETWEEN(sys(SYS_lseek, fd, 512 * 1024, SEEK_HOLE), 512 * 1024 + 1, 1 << 20);
	CHECK_ERR(sys(SYS_lseek, fd, 1 << 20, SEEK_DATA), ENXIO);
	CHECK_ERR(sys(SYS_lseek, fd, 2 << 20, SEEK_HOLE), ENXIO);
}

TEST(truncate)
{
	struct stat st;
	char c[4];
	int fd;

	guest_put("file", "0123456789", 10);
	CHECK_EQ(sys(SYS_truncate, "file", 4), 0);
	CHECK_EQ(guest_stat("file", &st), 0);
	CHECK_EQ(st.st_size, 4);
	fd = OPEN("file", O_RDWR);
	CHECK_EQ(sys(SYS_ftruncate, fd, 8), 0);
	CHECK_EQ(sys(SYS_pread, fd, c, 4, 4), 4);
	CHECK(memcmp(c, "\0\0\0\0", 4) == 0);
	CHECK_ERR(sys(SYS_truncate, "file", -1L), EINVAL);
	CHECK_ERR(sys(SYS_ftruncate, fd, -1L), EINVAL);
	CHECK_ERR(sys(SYS_truncate, "missing", 0), ENOENT);
	CHECK_ERR(sys(SYS_truncate, ".", 0), EISDIR);
	CHECK_ERR(sys(SYS_ftruncate, 999, 0), EBADF);
	fd = OPEN("file", O_RDONLY);
	CHECK_ERR(sys(SYS_ftruncate, fd, 0), EINVAL);
	int ends[2];
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_ERR(sys(SYS_ftruncate, ends[1], 0), EINVAL);
}

TEST(pipes)
{
	int ends[2];
	char buffer[8];

	CHECK_EQ(sys(SYS_pipe2, ends, O_NONBLOCK | O_CLOEXEC), 0);
	CHECK_EQ(ends[0], 3);
	CHECK_EQ(ends[1], 4);
	CHECK_EQ(sys(SYS_fcntl, ends[0], F_GETFD, 0), FD_CLOEXEC);
	CHECK_EQ(sys(SYS_fcntl, ends[0], F_GETFL, 0) & O_NONBLOCK, O_NONBLOCK);
	CHECK_ERR(sys(SYS_read, ends[0], buffer, 8), EAGAIN);
	CHECK_EQ(sys(SYS_write, ends[1], "abc", 3), 3);
	int waiting = 0;
	CHECK_EQ(sys(SYS_ioctl, ends[0], FIONREAD, &waiting), 0);
	CHECK_EQ(waiting, 3);
	CHECK_EQ(sys(SYS_read, ends[0], buffer, 8), 3);
	CHECK_EQ(sys(SYS_close, ends[1]), 0);
	CHECK_EQ(sys(SYS_read, ends[0], buffer, 8), 0);
	CHECK_ERR(sys(SYS_pipe2, ends, O_APPEND), EINVAL);
	CHECK_ERR(sys(SYS_pipe2, ends, 0x40000000), EINVAL);
}

static volatile int got_sigpipe;

static void
on_sigpipe(int signo, siginfo_t *info, void *context)
{
	(void)info, (void)context;
	got_sigpipe = signo;
}

TEST(broken_pipe)
{
	int ends[2];

	guest_handle(SIGPIPE, on_sigpipe, 0);
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_EQ(sys(SYS_close, ends[0]), 0);
	CHECK_ERR(sys(SYS_write, ends[1], "x", 1), EPIPE);
	CHECK_EQ(got_sigpipe, SIGPIPE);
	IN_CHILD({
		struct sigaction act = { .sa_handler = SIG_IGN };
		CHECK_EQ(sys(SYS_sigaction, SIGPIPE, &act, NULL), 0);
		CHECK_ERR(sys(SYS_write, ends[1], "x", 1), EPIPE);
	});
	int pid = guest_fork();
	if (pid == 0) {
		struct sigaction act = { .sa_handler = SIG_DFL };
		CHECK_EQ(sys(SYS_sigaction, SIGPIPE, &act, NULL), 0);
		sys(SYS_write, ends[1], "x", 1);
		guest_exit(3);
	}
	int status = guest_wait(pid);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGPIPE);
}

TEST(large_transfers)
{
	size_t size = 3 << 20;
	u32 *data = guest_map(size), *back = guest_map(size);
	int ends[2];

	for (size_t i = 0; i < size / 4; i++)
		data[i] = (u32)i * 2654435761u;
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	int pid = guest_fork();
	if (pid == 0) {
		CHECK_EQ(sys(SYS_write, ends[1], data, size), size);
		guest_exit(0);
	}
	for (size_t n = 0; n < size;)
		n += (size_t)CHECK_OK(sys(SYS_read, ends[0], (char *)back + n, size - n));
	CHECK(memcmp(data, back, size) == 0);
	CHECK_EQ(guest_wait(pid), 0);
}

TEST(sync_calls)
{
	int fd = OPEN("file", O_RDWR | O_CREAT), ends[2];

	CHECK_EQ(sys(SYS_write, fd, "x", 1), 1);
	CHECK_EQ(sys(SYS_fsync, fd), 0);
	CHECK_EQ(sys(SYS_fdatasync, fd), 0);
	CHECK_ERR(sys(SYS_fsync, 999), EBADF);
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_ERR(sys(SYS_fsync, ends[0]), EINVAL);
}

/* kern_fsync (vfs_syscalls.c) wants a vnode and nothing else; devfs_fsync does nothing for what is no disk. */
TEST(sync_of_what_is_no_file)
{
	int device = OPEN("/dev/null", O_WRONLY), fifo, ends[2];
	int master = (int)sys(SYS_posix_openpt, O_RDWR | O_NOCTTY);

	CHECK_EQ(sys(SYS_fsync, device), 0);
	CHECK_EQ(sys(SYS_fdatasync, device), 0);
	CHECK_EQ(sys(SYS_mkfifo, "fifo", 0600), 0);
	fifo = OPEN("fifo", O_RDWR);
	CHECK_EQ(sys(SYS_fsync, fifo), 0);
	CHECK_EQ(sys(SYS_fdatasync, fifo), 0);
	if (master != -EAGAIN)
		CHECK_ERR(sys(SYS_fsync, CHECK_OK(master)), EINVAL);
	CHECK_EQ(sys(SYS_socketpair, PF_LOCAL, SOCK_STREAM, 0, ends), 0);
	CHECK_ERR(sys(SYS_fsync, ends[0]), EINVAL);
	CHECK_ERR(sys(SYS_fdatasync, ends[0]), EINVAL);
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_ERR(sys(SYS_fdatasync, ends[1]), EINVAL);
}

TEST(advice_and_allocation)
{
	int fd = OPEN("file", O_RDWR | O_CREAT);
	struct stat st;

	/* posix_fadvise and posix_fallocate return the error instead of setting errno. */
	CHECK_EQ(sys(SYS_posix_fadvise, fd, 0, 100, POSIX_FADV_SEQUENTIAL), 0);
	CHECK_EQ(sys(SYS_posix_fadvise, fd, 0, 100, 77), EINVAL);
	CHECK_EQ(sys(SYS_posix_fadvise, 999, 0, 100, POSIX_FADV_NORMAL), EBADF);
	CHECK_EQ(sys(SYS_posix_fallocate, fd, 0, 5000), 0);
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_size, 5000);
	CHECK_EQ(sys(SYS_posix_fallocate, fd, 0, 0), EINVAL);
	CHECK_EQ(sys(SYS_posix_fallocate, 999, 0, 10), EBADF);
}

TEST(nonblocking_ioctls)
{
	int ends[2], on = 1, off = 0;
	char c;

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_EQ(sys(SYS_ioctl, ends[0], FIONBIO, &on), 0);
	CHECK_ERR(sys(SYS_read, ends[0], &c, 1), EAGAIN);
	CHECK_EQ(sys(SYS_fcntl, ends[0], F_GETFL, 0) & O_NONBLOCK, O_NONBLOCK);
	CHECK_EQ(sys(SYS_ioctl, ends[0], FIONBIO, &off), 0);
	CHECK_EQ(sys(SYS_fcntl, ends[0], F_GETFL, 0) & O_NONBLOCK, 0);
	CHECK_EQ(sys(SYS_ioctl, ends[0], FIOCLEX, 0), 0);
	CHECK_EQ(sys(SYS_fcntl, ends[0], F_GETFD, 0), FD_CLOEXEC);
	CHECK_EQ(sys(SYS_ioctl, ends[0], FIONCLEX, 0), 0);
	CHECK_EQ(sys(SYS_fcntl, ends[0], F_GETFD, 0), 0);
	CHECK_ERR(sys(SYS_ioctl, 999, FIONBIO, &on), EBADF);
	CHECK_ERR(sys(SYS_ioctl, ends[0], 0x40087468 /* TIOCGWINSZ */, &on), ENOTTY);
}

TEST(copy_file_range)
{
	char buffer[16];
	off_t from = 2, to = 1;

	guest_put("a", "0123456789", 10);
	int a = OPEN("a", O_RDONLY), b = OPEN("b", O_RDWR | O_CREAT);
	CHECK_EQ(sys(SYS_copy_file_range, a, &from, b, &to, 4, 0), 4);
	CHECK_EQ(from, 6);
	CHECK_EQ(to, 5);
	CHECK_EQ(sys(SYS_pread, b, buffer, 16, 0), 5);
	CHECK(memcmp(buffer, "\0002345", 5) == 0);
	CHECK_ERR(sys(SYS_copy_file_range, a, &from, b, &to, 4, 77), EINVAL);
	CHECK_ERR(sys(SYS_copy_file_range, 999, &from, b, &to, 4, 0), EBADF);
}

/* What lies beyond the data of a file is not looked at (uiomove), nor is an address at which there is nothing to do. */
TEST(sizes_beyond_memory)
{
	char buffer[16];
	int fd = OPEN("f", O_RDWR | O_CREAT), ends[2];
	char *far = (char *)0x7ffffffff000 + 100;

	CHECK_EQ(sys(SYS_write, fd, "hello", 5), 5);
	CHECK_EQ(sys(SYS_pread, fd, buffer, 0x7fffffffffffffff, 0), 5);
	CHECK(memcmp(buffer, "hello", 5) == 0);
	CHECK_EQ(sys(SYS_lseek, fd, 2, SEEK_SET), 2);
	CHECK_EQ(sys(SYS_read, fd, buffer, 0x7fffffffffffffff), 3);
	CHECK_EQ(sys(SYS_read, fd, NULL, 0x7fffffffffffffff), 0);
	for (int bit = 0; bit < 63; bit++)
		CHECK_EQ(sys(SYS_pread, fd, buffer, 1L << bit, 4), 1);
	CHECK_ERR(sys(SYS_pwrite, fd, buffer, 0x7fffffffffffffff, 0), EFAULT);
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_EQ(sys(SYS_write, ends[1], "xy", 2), 2);
	CHECK_EQ(sys(SYS_read, ends[0], buffer, 0x7fffffffffffffff), 2);
	CHECK_EQ(sys(SYS_write, fd, far, 0), 0);
	CHECK_EQ(sys(SYS_read, fd, far, 0), 0);
	CHECK_EQ(sys(SYS_pwrite, fd, far, 0, 0), 0);
	CHECK_ERR(sys(SYS_pread, fd, 8, 0x7fffffffffffffff, 0), EFAULT);
}

/* No transfer is larger than SSIZE_MAX, the pieces of a vector together: sys_read in sys/kern/sys_generic.c, copyinuio. */
TEST(sizes_beyond_all)
{
	static char buffer[16];
	struct iovec pieces[2] = { { buffer, 0x7fffffffffffffff }, { buffer, 1 } };
	int fd = OPEN("f", O_RDWR | O_CREAT);

	CHECK_ERR(sys(SYS_read, fd, buffer, 1UL << 63), EINVAL);
	CHECK_ERR(sys(SYS_write, fd, buffer, -1L), EINVAL);
	CHECK_ERR(sys(SYS_pread, fd, buffer, 1UL << 63, 0), EINVAL);
	CHECK_ERR(sys(SYS_pwrite, fd, buffer, 1UL << 63, 0), EINVAL);
	CHECK_ERR(sys(SYS_readv, fd, pieces, 2), EINVAL);
	CHECK_ERR(sys(SYS_writev, fd, pieces, 2), EINVAL);
	CHECK_ERR(sys(SYS_pwritev, fd, pieces, 2, 0), EINVAL);
	CHECK_ERR(sys(SYS_write, fd, (char *)8, 4), EFAULT);
	CHECK_ERR(sys(SYS_writev, fd, (void *)8, 1), EFAULT);
}
