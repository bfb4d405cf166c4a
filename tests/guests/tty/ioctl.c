/* ioctl(2) on what is no terminal: filio(9), and requests that are not known. */
#include "guest.h"
#include <sys/disk.h>
#include <sys/filio.h>
#include <sys/sockio.h>
#include <sys/ttycom.h>

#define OPEN(path, flags) (int)CHECK_OK(sys(SYS_open, path, flags, 0644))

TEST(close_on_exec)
{
	int fd = OPEN("/", O_RDONLY);

	CHECK_EQ(sys(SYS_ioctl, fd, FIOCLEX, 0), 0);
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFD, 0), FD_CLOEXEC);
	CHECK_EQ(sys(SYS_ioctl, fd, FIONCLEX, 0), 0);
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFD, 0), 0);
	CHECK_ERR(sys(SYS_ioctl, 999, FIOCLEX, 0), EBADF);
}

TEST(pipes)
{
	int ends[2], n = 0;
	char c;

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_EQ(sys(SYS_write, ends[1], "12345", 5), 5);
	CHECK_EQ(sys(SYS_ioctl, ends[0], FIONREAD, &n), 0);
	CHECK_EQ(n, 5);
	n = 1;
	CHECK_EQ(sys(SYS_ioctl, ends[0], FIONBIO, &n), 0);
	CHECK_EQ(sys(SYS_fcntl, ends[0], F_GETFL, 0) & O_NONBLOCK, O_NONBLOCK);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 1);
	CHECK_ERR(sys(SYS_read, ends[0], &c, 1), EAGAIN);
	n = 0;
	CHECK_EQ(sys(SYS_ioctl, ends[0], FIONBIO, &n), 0);
	CHECK_EQ(sys(SYS_fcntl, ends[0], F_GETFL, 0) & O_NONBLOCK, 0);
	CHECK_ERR(sys(SYS_ioctl, ends[0], FIONREAD, 8), EFAULT);
	CHECK_ERR(sys(SYS_ioctl, ends[0], FIONWRITE, &n), ENOTTY);
}

TEST(owner)
{
	int ends[2], n = (int)sys(SYS_getpid), got = 0;

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_EQ(sys(SYS_ioctl, ends[0], FIOGETOWN, &got), 0);
	CHECK_EQ(got, 0);
	CHECK_EQ(sys(SYS_ioctl, ends[0], FIOSETOWN, &n), 0);
	CHECK_EQ(sys(SYS_ioctl, ends[0], FIOGETOWN, &got), 0);
	CHECK_EQ(got, n);
	n = -(int)sys(SYS_getpgrp);
	CHECK_EQ(sys(SYS_ioctl, ends[0], FIOSETOWN, &n), 0);
	CHECK_EQ(sys(SYS_ioctl, ends[0], FIOGETOWN, &got), 0);
	CHECK_EQ(got, n);
}

TEST(files)
{
	int fd, n = 0;
	off_t off;

	guest_put("file", "0123456789", 10);
	fd = OPEN("file", O_RDWR);
	CHECK_EQ(sys(SYS_lseek, fd, 4, SEEK_SET), 4);
	CHECK_EQ(sys(SYS_ioctl, fd, FIONREAD, &n), 0);
	CHECK_EQ(n, 6);
	off = 3;
	CHECK_EQ(sys(SYS_ioctl, fd, FIOSEEKDATA, &off), 0);
	CHECK_EQ(off, 3);
	CHECK_EQ(sys(SYS_ioctl, fd, FIOSEEKHOLE, &off), 0);
	CHECK_EQ(off, 10);
	off = 10;
	CHECK_ERR(sys(SYS_ioctl, fd, FIOSEEKDATA, &off), ENXIO);
	/* The offset of the file stays where it was. */
	CHECK_EQ(sys(SYS_lseek, fd, 0, SEEK_CUR), 4);
	CHECK_ERR(sys(SYS_ioctl, fd, FIODTYPE, &n), ENOTTY);
	CHECK_ERR(sys(SYS_ioctl, fd, DIOCGMEDIASIZE, &off), ENOTTY);
}

TEST(device_type)
{
	int n = -1;

	CHECK_EQ(sys(SYS_ioctl, OPEN("/dev/null", O_RDWR), FIODTYPE, &n), 0);
	CHECK_EQ(n, 0);		/* sys/dev/null/null.c: null_cdevsw has no flags */
	CHECK_ERR(sys(SYS_ioctl, OPEN("/dev/null", O_RDWR), FIODTYPE, 8), EFAULT);
}

TEST(unknown)
{
	int fd = OPEN("/", O_RDONLY);
	long buf[64];

	CHECK_ERR(sys(SYS_ioctl, fd, _IOR('Z', 200, long), buf), ENOTTY);
	CHECK_ERR(sys(SYS_ioctl, fd, 0, buf), ENOTTY);
	/* Linux's TCGETS and FIONREAD are no FreeBSD requests. */
	CHECK_ERR(sys(SYS_ioctl, fd, 0x5401, buf), ENOTTY);
	CHECK_ERR(sys(SYS_ioctl, fd, 0x541b, buf), ENOTTY);
	CHECK_ERR(sys(SYS_ioctl, 999, _IOR('Z', 200, long), buf), EBADF);
	CHECK_ERR(sys(SYS_ioctl, 999, FIONREAD, buf), EBADF);
	CHECK_ERR(sys(SYS_ioctl, -1, FIOCLEX, 0), EBADF);
	CHECK_ERR(sys(SYS_ioctl, fd, SIOCATMARK, buf), ENOTTY);
}

/* FIOASYNC of what has no SIGIO: a file takes it (vn_ioctl), null and zero take 0 (null_ioctl). */
TEST(async)
{
	int on = 1, off = 0, fd;

	for (int i = 0; i < 2; i++) {
		fd = (int)CHECK_OK(sys(SYS_open, i ? "/dev/zero" : "/dev/null", O_RDWR, 0));
		CHECK_ERR(sys(SYS_ioctl, fd, FIOASYNC, &on), EINVAL);
		CHECK_EQ(sys(SYS_ioctl, fd, FIOASYNC, &off), 0);
	}
	guest_put("file", "x", 1);
	fd = (int)CHECK_OK(sys(SYS_open, "file", O_RDWR, 0));
	CHECK_EQ(sys(SYS_ioctl, fd, FIOASYNC, &on), 0);
}

/* sys_ioctl asks first whether the descriptor is open for reading or writing. */
TEST(of_a_path)
{
	int n = 0;

	guest_put("file", "x", 1);
	CHECK_EQ(sys(SYS_chmod, "file", 0755), 0);
	for (int i = 0; i < 2; i++) {
		int fd = (int)CHECK_OK(sys(SYS_open, "file", i ? O_EXEC : O_PATH, 0));
		CHECK_ERR(sys(SYS_ioctl, fd, FIONWRITE, &n), EBADF);
		CHECK_ERR(sys(SYS_ioctl, fd, FIONREAD, &n), EBADF);
		CHECK_ERR(sys(SYS_ioctl, fd, _IO('x', 99), 0), EBADF);
	}
}
