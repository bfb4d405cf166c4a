/* open(2), openat(2): every flag, and the errors in FreeBSD's order (sys/kern/vfs_syscalls.c, vfs_vnops.c). */
#include <sys/filio.h>
#include <sys/ioccom.h>
#include <sys/mount.h>
#include <sys/poll.h>
#include "guest.h"
#include <sys/extattr.h>

#define OPEN(path, flags) sys(SYS_open, path, flags, 0644)
#define CLOSE(fd) CHECK_EQ(sys(SYS_close, fd), 0)

TEST(access_modes)
{
	char c = 'x';
	int fd;

	guest_put("file", "abc", 3);
	fd = (int)CHECK_OK(OPEN("file", O_RDONLY));
	CHECK_EQ(sys(SYS_read, fd, &c, 1), 1);
	CHECK_EQ(c, 'a');
	CHECK_ERR(sys(SYS_write, fd, "x", 1), EBADF);
	CLOSE(fd);
	fd = (int)CHECK_OK(OPEN("file", O_WRONLY));
	CHECK_ERR(sys(SYS_read, fd, &c, 1), EBADF);
	CHECK_EQ(sys(SYS_write, fd, "x", 1), 1);
	CLOSE(fd);
	fd = (int)CHECK_OK(OPEN("file", O_RDWR));
	CHECK_EQ(sys(SYS_read, fd, &c, 1), 1);
	CHECK_EQ(c, 'x');
	CHECK_EQ(sys(SYS_write, fd, "y", 1), 1);
	CLOSE(fd);
	CHECK_ERR(OPEN("file", O_ACCMODE), EINVAL);
}

TEST(lowest_descriptor)
{
	int a = (int)CHECK_OK(OPEN("/", O_RDONLY));
	int b = (int)CHECK_OK(OPEN("/", O_RDONLY));

	CHECK_EQ(a, 3);
	CHECK_EQ(b, 4);
	CLOSE(a);
	CHECK_EQ(OPEN("/", O_RDONLY), 3);
}

TEST(create_mode)
{
	struct stat st;

	CHECK_OK(sys(SYS_umask, 027));
	CLOSE(CHECK_OK(sys(SYS_open, "a", O_CREAT | O_WRONLY, 0777)));
	CHECK_EQ(guest_stat("a", &st), 0);
	CHECK_EQ(st.st_mode, S_IFREG | 0750);
	/* The sticky bit is not for files that open makes. */
	CHECK_OK(sys(SYS_umask, 0));
	CLOSE(CHECK_OK(sys(SYS_open, "b", O_CREAT | O_WRONLY, 01666)));
	CHECK_EQ(guest_stat("b", &st), 0);
	CHECK_EQ(st.st_mode, S_IFREG | 0666);
	/* Without write permission in its mode, the descriptor can still be written. */
	int fd = (int)CHECK_OK(sys(SYS_open, "c", O_CREAT | O_WRONLY, 0400));
	CHECK_EQ(sys(SYS_write, fd, "x", 1), 1);
}

TEST(exclusive)
{
	CLOSE(CHECK_OK(OPEN("new", O_CREAT | O_EXCL | O_WRONLY)));
	CHECK_ERR(OPEN("new", O_CREAT | O_EXCL | O_WRONLY), EEXIST);
	CHECK_EQ(sys(SYS_symlink, "nowhere", "link"), 0);
	CHECK_ERR(OPEN("link", O_CREAT | O_EXCL | O_WRONLY), EEXIST);
	/* A dangling link without O_EXCL makes its target. */
	CLOSE(CHECK_OK(OPEN("link", O_CREAT | O_WRONLY)));
	struct stat st;
	CHECK_EQ(guest_stat("nowhere", &st), 0);
}

TEST(truncate)
{
	struct stat st;

	guest_put("file", "0123456789", 10);
	CLOSE(CHECK_OK(OPEN("file", O_WRONLY | O_TRUNC)));
	CHECK_EQ(guest_stat("file", &st), 0);
	CHECK_EQ(st.st_size, 0);
}

TEST(append)
{
	struct stat st;

	guest_put("file", "0123", 4);
	int a = (int)CHECK_OK(OPEN("file", O_WRONLY | O_APPEND));
	int b = (int)CHECK_OK(OPEN("file", O_WRONLY | O_APPEND));
	CHECK_EQ(sys(SYS_write, a, "aa", 2), 2);
	CHECK_EQ(sys(SYS_write, b, "bb", 2), 2);
	CHECK_EQ(sys(SYS_lseek, a, 0, SEEK_SET), 0);
	CHECK_EQ(sys(SYS_write, a, "cc", 2), 2);
	CHECK_EQ(guest_stat("file", &st), 0);
	CHECK_EQ(st.st_size, 10);
}

TEST(nofollow)
{
	guest_put("file", "", 0);
	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	CHECK_EQ(sys(SYS_symlink, "file", "link"), 0);
	CHECK_EQ(sys(SYS_symlink, "dir", "dirlink"), 0);
	/* EMLINK, where Linux says ELOOP (open(2), ERRORS). */
	CHECK_ERR(OPEN("link", O_RDONLY | O_NOFOLLOW), EMLINK);
	CHECK_ERR(OPEN("link", O_WRONLY | O_NOFOLLOW | O_TRUNC), EMLINK);
	CHECK_ERR(OPEN("link", O_WRONLY | O_NOFOLLOW | O_CREAT), EMLINK);
	CHECK_ERR(OPEN("dirlink", O_RDONLY | O_NOFOLLOW | O_DIRECTORY), EMLINK);
	CHECK_OK(OPEN("file", O_RDONLY | O_NOFOLLOW));
	CHECK_OK(OPEN("link", O_RDONLY));
	/* Links on the way are followed; a loop is ELOOP still. */
	CHECK_OK(OPEN("dirlink/.", O_RDONLY | O_NOFOLLOW));
	CHECK_EQ(sys(SYS_symlink, "loop2", "loop1"), 0);
	CHECK_EQ(sys(SYS_symlink, "loop1", "loop2"), 0);
	CHECK_ERR(OPEN("loop1", O_RDONLY), ELOOP);
	CHECK_ERR(OPEN("loop1/x", O_RDONLY | O_NOFOLLOW), ELOOP);
}

TEST(directory)
{
	char c;

	guest_put("file", "x", 1);
	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	int fd = (int)CHECK_OK(OPEN("dir", O_RDONLY | O_DIRECTORY));
	CHECK_ERR(sys(SYS_read, fd, &c, 1), EISDIR);
	CHECK_OK(OPEN("dir", O_RDONLY));
	CHECK_ERR(OPEN("file", O_RDONLY | O_DIRECTORY), ENOTDIR);
	CHECK_ERR(OPEN("dir", O_WRONLY), EISDIR);
	CHECK_ERR(OPEN("dir", O_RDWR), EISDIR);
	CHECK_ERR(OPEN("dir", O_RDONLY | O_TRUNC), EISDIR);
	CHECK_ERR(OPEN("file/", O_RDONLY), ENOTDIR);
	CHECK_ERR(OPEN("dir", O_CREAT | O_EXCL | O_RDONLY), EEXIST);
}

/* O_CREAT makes no directory and, with O_DIRECTORY, no file either. */
TEST(create_and_directory)
{
	struct stat st;

	CHECK_ERR(OPEN("missing", O_CREAT | O_EXCL | O_DIRECTORY | O_RDONLY), EINVAL);
	CHECK_ERR(OPEN("missing", O_CREAT | O_DIRECTORY | O_RDONLY), ENOENT);
	CHECK_ERR(guest_stat("missing", &st), ENOENT);
	CHECK_OK(OPEN(".", O_CREAT | O_DIRECTORY | O_RDONLY));
}

TEST(close_on_exec)
{
	int a = (int)CHECK_OK(OPEN("/", O_RDONLY | O_CLOEXEC));
	int b = (int)CHECK_OK(OPEN("/", O_RDONLY));

	CHECK_EQ(sys(SYS_fcntl, a, F_GETFD, 0), FD_CLOEXEC);
	CHECK_EQ(sys(SYS_fcntl, b, F_GETFD, 0), 0);
	CHECK_EQ(sys(SYS_fcntl, b, F_SETFD, FD_CLOEXEC), 0);
	CHECK_EQ(sys(SYS_fcntl, b, F_GETFD, 0), FD_CLOEXEC);
}

TEST(flags_read_back)
{
	int fd = (int)CHECK_OK(OPEN("file", O_RDWR | O_CREAT | O_EXCL | O_TRUNC | O_APPEND | O_NONBLOCK | O_CLOEXEC));

	/* Only what is a state of the open file comes back. */
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFL, 0) & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_ASYNC | O_CREAT | O_EXCL | O_TRUNC
	    | O_CLOEXEC), O_RDWR | O_APPEND | O_NONBLOCK);
	CHECK_EQ(sys(SYS_fcntl, fd, F_SETFL, 0), 0);
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFL, 0), O_RDWR);
	CHECK_EQ(sys(SYS_fcntl, fd, F_SETFL, O_NONBLOCK), 0);
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFL, 0), O_RDWR | O_NONBLOCK);
	fd = (int)CHECK_OK(OPEN("file", O_WRONLY | O_SYNC));
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFL, 0), O_WRONLY | O_SYNC);
	fd = (int)CHECK_OK(OPEN("file", O_RDONLY));
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFL, 0), O_RDONLY);
	fd = (int)CHECK_OK(OPEN("file", O_WRONLY | O_DSYNC));
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFL, 0), O_WRONLY | O_DSYNC);
}

/* flock(2) semantics at open: shared goes with shared, exclusive with none. */
TEST(locks_at_open)
{
	int a = (int)CHECK_OK(OPEN("file", O_RDWR | O_CREAT | O_EXLOCK));

	CHECK_ERR(OPEN("file", O_RDONLY | O_SHLOCK | O_NONBLOCK), EAGAIN);
	CHECK_ERR(OPEN("file", O_RDONLY | O_EXLOCK | O_NONBLOCK), EAGAIN);
	CLOSE(a);
	CHECK_OK(OPEN("file", O_RDONLY | O_SHLOCK));
	CHECK_OK(OPEN("file", O_RDONLY | O_SHLOCK | O_NONBLOCK));
	CHECK_ERR(OPEN("file", O_RDONLY | O_EXLOCK | O_NONBLOCK), EAGAIN);
	/* A failed attempt leaks no descriptor. */
	CHECK_EQ(OPEN("file", O_RDONLY), 5);
}

TEST(lock_waits)
{
	int ends[2];
	char c;

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	int a = (int)CHECK_OK(OPEN("file", O_RDWR | O_CREAT | O_EXLOCK));
	int pid = guest_fork();
	if (pid == 0) {
		CHECK_EQ(sys(SYS_write, ends[1], "1", 1), 1);
		CHECK_OK(OPEN("file", O_RDWR | O_EXLOCK));
		CHECK_EQ(sys(SYS_write, ends[1], "2", 1), 1);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 1);
	guest_sleep_ms(50);
	CHECK_EQ(sys(SYS_fcntl, ends[0], F_SETFL, O_NONBLOCK), 0);
	CHECK_ERR(sys(SYS_read, ends[0], &c, 1), EAGAIN);
	/* The child shares the descriptor from fork: only an unlock frees the file. */
	CHECK_EQ(sys(SYS_flock, a, LOCK_UN), 0);
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 1);
	CHECK_EQ(c, '2');
}

TEST(execute_only)
{
	char c;

	guest_put("file", "x", 1);
	CHECK_EQ(sys(SYS_chmod, "file", 0755), 0);
	int fd = (int)CHECK_OK(OPEN("file", O_EXEC));
	/* fdopen(3) asks for the mode. */
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFL, 0), O_EXEC);
	CHECK_ERR(sys(SYS_ftruncate, fd, 0), EINVAL);
	CHECK_EQ(sys(SYS_symlink, "file", "link"), 0);
	int by_link = (int)CHECK_OK(OPEN("link", O_EXEC | O_CLOEXEC));
	CHECK_EQ(sys(SYS_fcntl, by_link, F_GETFL, 0), O_EXEC);
	CHECK_EQ(sys(SYS_fcntl, by_link, F_GETFD, 0), FD_CLOEXEC);
	CHECK_ERR(sys(SYS_read, fd, &c, 1), EBADF);
	CHECK_ERR(sys(SYS_write, fd, &c, 1), EBADF);
	CHECK_ERR(OPEN("file", O_EXEC | O_WRONLY), EINVAL);
	CHECK_ERR(OPEN("file", O_EXEC | O_RDWR), EINVAL);
	CHECK_EQ(sys(SYS_chmod, "file", 0644), 0);
	CHECK_ERR(OPEN("file", O_EXEC), EACCES);
	/* On a directory it is O_SEARCH. */
	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	guest_put("dir/inner", "y", 1);
	fd = (int)CHECK_OK(OPEN("dir", O_SEARCH));
	CHECK_OK(sys(SYS_openat, fd, "inner", O_RDONLY, 0));
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFL, 0), O_EXEC);
}

/* What changes an inode asks for no access of the descriptor's (vn_chmod, vn_chown, kern_futimens, kern_futimes, kern_fchflags). */
TEST(inode_of_execute_only)
{
	struct timespec times[2] = { { 1000, 0 }, { 2000, 5000 } };
	struct timeval older[2] = { { 3000, 0 }, { 4000, 7 } };
	struct stat st;

	guest_put("file", "x", 1);
	CHECK_EQ(sys(SYS_chmod, "file", 0755), 0);
	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	for (int i = 0; i < 2; i++) {
		int fd = (int)CHECK_OK(OPEN(i ? "dir" : "file", O_EXEC));
		CHECK_EQ(sys(SYS_fchmod, fd, 0710), 0);
		CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
		CHECK_EQ(st.st_mode & ALLPERMS, 0710);
		CHECK_EQ(sys(SYS_fchown, fd, st.st_uid, st.st_gid), 0);
		CHECK_EQ(sys(SYS_fchown, fd, -1, -1), 0);
		CHECK_EQ(sys(SYS_futimens, fd, NULL), 0);
		CHECK_EQ(sys(SYS_futimens, fd, times), 0);
		CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
		CHECK_EQ(st.st_mtim.tv_sec, 2000);
		CHECK_EQ(sys(SYS_futimes, fd, older), 0);
		CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
		CHECK_EQ(st.st_atim.tv_sec, 3000);
		CHECK_EQ(st.st_mtim.tv_nsec, 7000);
		CHECK_EQ(sys(SYS_fchflags, fd, 0), 0);
	}
}

/* O_CREAT beside O_PATH and O_EXEC (vn_open_cred): who makes a file may open it, whatever its mode. */
TEST(created_without_access)
{
	static const int kinds[] = { O_PATH, O_EXEC };
	struct stat st;
	char c;

	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	for (int i = 0; i < 2; i++) {
		int lowest = (int)CHECK_OK(sys(SYS_dup, 0));
		CHECK_EQ(sys(SYS_close, lowest), 0);
		int fd = (int)CHECK_OK(sys(SYS_open, "new", kinds[i] | O_CREAT | O_CLOEXEC, 0640));
		CHECK_EQ(fd, lowest);
		CHECK_EQ(sys(SYS_fcntl, fd, F_GETFD, 0), FD_CLOEXEC);
		CHECK_EQ(sys(SYS_fcntl, fd, F_GETFL, 0) & (O_PATH | O_EXEC | O_ACCMODE), kinds[i]);
		CHECK_ERR(sys(SYS_read, fd, &c, 1), EBADF);
		CHECK_ERR(sys(SYS_write, fd, "x", 1), EBADF);
		CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
		CHECK_EQ(st.st_mode, S_IFREG | 0640);
		CHECK_ERR(sys(SYS_open, "new", kinds[i] | O_CREAT | O_EXCL, 0640), EEXIST);
		/* What is there already is opened as ever. */
		if (kinds[i] == O_EXEC)
			CHECK_ERR(sys(SYS_open, "new", O_EXEC | O_CREAT, 0640), EACCES);
		else
			CHECK_OK(sys(SYS_open, "new", O_PATH | O_CREAT, 0640));
		CHECK_ERR(sys(SYS_open, "dir", kinds[i] | O_CREAT, 0640), EISDIR);
		CHECK_ERR(sys(SYS_open, "dir", kinds[i] | O_CREAT | O_EXCL, 0640), EEXIST);
		CHECK_ERR(sys(SYS_open, "none/new", kinds[i] | O_CREAT, 0640), ENOENT);
		CHECK_ERR(sys(SYS_open, "none", kinds[i] | O_CREAT | O_DIRECTORY, 0640), ENOENT);
		CHECK_EQ(sys(SYS_unlink, "new"), 0);
		/* A link that leads nowhere is followed, unless O_EXCL or O_NOFOLLOW forbids it. */
		CHECK_EQ(sys(SYS_symlink, "dir/there", "link"), 0);
		CHECK_ERR(sys(SYS_open, "link", kinds[i] | O_CREAT | O_EXCL, 0755), EEXIST);
		CHECK_OK(sys(SYS_open, "link", kinds[i] | O_CREAT, 0755));
		CHECK_EQ(sys(SYS_unlink, "link"), 0);
		CHECK_EQ(sys(SYS_unlink, "dir/there"), 0);
		CHECK_EQ(sys(SYS_open, "new", kinds[i] | O_CREAT | O_RESOLVE_BENEATH, 0640) > 0, 1);
		CHECK_EQ(sys(SYS_unlink, "new"), 0);
	}
}

/* judge: gap, on FreeBSD F_SETFL changes the flags of such a descriptor as it does those of others (kern_fcntl) */
TEST(flags_of_execute_only)
{
	guest_put("file", "x", 1);
	CHECK_EQ(sys(SYS_chmod, "file", 0755), 0);
	int fd = (int)CHECK_OK(OPEN("file", O_EXEC));
	CHECK_EQ(sys(SYS_fcntl, fd, F_SETFL, O_NONBLOCK), 0);
	CHECK_EQ(sys(SYS_fcntl, sys(SYS_dup, fd), F_GETFL, 0), O_EXEC);
}

/* What else a descriptor of O_EXEC is good for, since it has a vnode and no access: kern_fsync, kern_posix_fadvise and
 * extattr_get_fd ask for none; kern_ioctl and kern_posix_fallocate do, and vn_mmap for what shall be read or written. */
TEST(calls_of_execute_only)
{
	struct statfs fs;
	char buf[512];
	int n;

	guest_put("file", "xyz", 3);
	CHECK_EQ(sys(SYS_chmod, "file", 0755), 0);
	int fd = (int)CHECK_OK(OPEN("file", O_EXEC)), file = (int)CHECK_OK(OPEN("file", O_RDWR));
	CHECK_EQ(sys(SYS_fsync, fd), 0);
	CHECK_EQ(sys(SYS_fdatasync, fd), 0);
	CHECK_EQ(sys(SYS_posix_fadvise, fd, 0L, 1L, POSIX_FADV_WILLNEED), 0);
	CHECK_EQ(sys(SYS_posix_fadvise, fd, 0L, 1L, 77), EINVAL);
	CHECK_EQ(sys(SYS_posix_fadvise, fd, -1L, 1L, POSIX_FADV_NORMAL), EINVAL);
	CHECK_EQ(sys(SYS_posix_fallocate, fd, 0L, 1L), EBADF);
	CHECK_EQ(sys(SYS_fcntl, fd, F_RDAHEAD, 1), 0);
	CHECK_EQ(sys(SYS_fcntl, fd, F_READAHEAD, 65536), 0);
	CHECK_ERR(sys(SYS_fcntl, fd, F_ADD_SEALS, 0), EINVAL);
	CHECK_ERR(sys(SYS_fcntl, fd, F_GET_SEALS, 0), EINVAL);
	CHECK_ERR(sys(SYS_ioctl, fd, FIONREAD, &n), EBADF);
	CHECK_ERR(sys(SYS_pread, fd, buf, 1, 0L), EBADF);
	CHECK_ERR(sys(SYS_mmap, NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0), EACCES);
	CHECK_ERR(sys(SYS_mmap, NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0), EACCES);
	CHECK_OK(sys(SYS_mmap, NULL, 4096, PROT_EXEC, MAP_PRIVATE, fd, 0));
	CHECK_OK(sys(SYS_mmap, NULL, 4096, PROT_WRITE, MAP_PRIVATE, fd, 0));
	CHECK_OK(sys(SYS_mmap, NULL, 4096, PROT_NONE, MAP_SHARED, fd, 0));
	for (int i = 0; i < 2; i++) {	/* nobody owns the input of a file */
		CHECK_ERR(sys(SYS_fcntl, i ? file : fd, F_GETOWN, 0), ENOTTY);
		CHECK_ERR(sys(SYS_fcntl, i ? file : fd, F_SETOWN, sys(SYS_getpid)), ENOTTY);
	}
	if (sys(SYS_extattr_set_fd, file, EXTATTR_NAMESPACE_USER, "of", "f", 1) == 1) {
		CHECK_EQ(sys(SYS_extattr_set_fd, fd, EXTATTR_NAMESPACE_USER, "x", "yz", 2), 2);
		CHECK_EQ(sys(SYS_extattr_get_fd, fd, EXTATTR_NAMESPACE_USER, "x", buf, 8), 2);
		CHECK_EQ(sys(SYS_extattr_list_fd, fd, EXTATTR_NAMESPACE_USER, buf, 8), 5);
		CHECK_EQ(sys(SYS_extattr_delete_fd, fd, EXTATTR_NAMESPACE_USER, "x"), 0);
	}
	CHECK_EQ(sys(SYS_fstatfs, fd, &fs), 0);
	CHECK_EQ(sys(SYS_fpathconf, fd, _PC_NAME_MAX), 255);
	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	int dir = (int)CHECK_OK(OPEN("dir", O_SEARCH));
	CHECK_EQ(sys(SYS_fsync, dir), 0);
	CHECK_ERR(sys(SYS_getdirentries, dir, buf, sizeof(buf), NULL), EBADF);
	CHECK_EQ(sys(SYS_fchdir, dir), 0);
}

/* judge: gap, on FreeBSD such a descriptor has a position, takes locks of flock(2), answers F_GETLK and polls as ready: Linux's O_PATH holds none of it */
TEST(state_of_execute_only)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	guest_put("file", "xyz", 3);
	CHECK_EQ(sys(SYS_chmod, "file", 0755), 0);
	int fd = (int)CHECK_OK(OPEN("file", O_EXEC));
	CHECK_ERR(sys(SYS_lseek, fd, 2, SEEK_SET), EBADF);
	CHECK_ERR(sys(SYS_flock, fd, LOCK_SH | LOCK_NB), EBADF);
	CHECK_ERR(sys(SYS_fcntl, fd, F_GETLK, &l), EBADF);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	CHECK_EQ(sys(SYS_poll, &p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLNVAL);
}

/* sys/fcntl.h, FKQALLOWED: what could be read may be watched by a kqueue, and F_GETFL shows that as O_RESOLVE_BENEATH. */
#define FKQALLOWED_ 0x00800000

/* kern_descrip.c, path_fileops: what a call says that finds no access, and what those say that ask before (kern_lseek,
 * kern_ftruncate, sys_flock, kern_posix_fallocate, kern_posix_fadvise, F_ADD_SEALS). */
TEST(path_only)
{
	struct stat st;
	char c;

	guest_put("file", "xyz", 3);
	int fd = (int)CHECK_OK(OPEN("file", O_PATH));
	CHECK_ERR(sys(SYS_read, fd, &c, 1), EBADF);
	CHECK_ERR(sys(SYS_write, fd, &c, 1), EBADF);
	CHECK_ERR(sys(SYS_lseek, fd, 0, SEEK_SET), ESPIPE);
	CHECK_ERR(sys(SYS_lseek, fd, 1, SEEK_CUR), ESPIPE);
	CHECK_ERR(sys(SYS_ftruncate, fd, 0), EINVAL);
	CHECK_EQ(sys(SYS_posix_fallocate, fd, 0L, 1L), ESPIPE);
	CHECK_EQ(sys(SYS_posix_fadvise, fd, 0L, 1L, POSIX_FADV_NORMAL), ESPIPE);
	CHECK_ERR(sys(SYS_flock, fd, LOCK_SH), EOPNOTSUPP);
	CHECK_ERR(sys(SYS_fcntl, fd, F_ADD_SEALS, F_SEAL_SEAL), EINVAL);
	CHECK_ERR(sys(SYS_fcntl, fd, F_GET_SEALS, 0), EINVAL);
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFL, 0), O_PATH | FKQALLOWED_);
	CHECK_ERR(sys(SYS_fcntl, fd, F_SETFL, O_NONBLOCK), EBADF);
	CHECK_ERR(sys(SYS_fchmod, fd, 0600), EBADF);
	CHECK_ERR(sys(SYS_fchown, fd, -1, -1), EBADF);
	CHECK_ERR(sys(SYS_fsync, fd), EBADF);
	CHECK_ERR(sys(SYS_mmap, NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0), ENODEV);
	CHECK_ERR(sys(SYS_fstatat, fd, NULL, &st, AT_EMPTY_PATH), EFAULT);
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_size, 3);
	/* A symbolic link can be opened itself. */
	CHECK_EQ(sys(SYS_symlink, "file", "link"), 0);
	fd = (int)CHECK_OK(OPEN("link", O_PATH | O_NOFOLLOW));
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK(S_ISLNK(st.st_mode));
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFL, 0), O_PATH | FKQALLOWED_);
	CHECK_EQ(sys(SYS_fcntl, CHECK_OK(OPEN("file", O_PATH | O_NOFOLLOW)), F_GETFL, 0), O_PATH | FKQALLOWED_);
	IN_CHILD({	/* not of what it may not read */
		CHECK_EQ(sys(SYS_chmod, "file", 0), 0);
		CHECK_EQ(sys(SYS_setresuid, 12345, 12345, 12345), sys(SYS_geteuid) == 12345 ? 0 : -EPERM);
		if (sys(SYS_geteuid) != 0)
			CHECK_EQ(sys(SYS_fcntl, CHECK_OK(OPEN("file", O_PATH)), F_GETFL, 0), O_PATH);
	});
	CHECK_EQ(sys(SYS_chmod, "file", 0644), 0);
	fd = (int)CHECK_OK(OPEN(".", O_PATH | O_DIRECTORY));
	CHECK_EQ(sys(SYS_fstatat, fd, "file", &st, 0), 0);
	CHECK_ERR(OPEN("file", O_PATH | O_DIRECTORY), ENOTDIR);
}

TEST(empty_path)
{
	struct stat st;

	CHECK_ERR(OPEN("", O_RDONLY), ENOENT);
	CHECK_ERR(OPEN("", O_RDONLY | O_CREAT), ENOENT);
	guest_put("file", "xyz", 3);
	int fd = (int)CHECK_OK(OPEN("file", O_PATH));
	int again = (int)CHECK_OK(sys(SYS_openat, fd, "", O_RDONLY | O_EMPTY_PATH, 0));
	char c;
	CHECK_EQ(sys(SYS_read, again, &c, 1), 1);
	CHECK_EQ(c, 'x');
	CHECK_ERR(sys(SYS_openat, fd, "", O_RDONLY, 0), ENOTDIR);	/* namei: where the path begins is looked at first */
	CHECK_ERR(sys(SYS_openat, OPEN(".", O_PATH), "", O_RDONLY, 0), ENOENT);
	CHECK_EQ(sys(SYS_fstatat, fd, "", &st, AT_EMPTY_PATH), 0);
	CHECK_EQ(st.st_size, 3);
	CHECK_ERR(sys(SYS_fstatat, fd, "", &st, 0), ENOTDIR);
	CHECK_ERR(sys(SYS_fstatat, OPEN(".", O_PATH), "", &st, 0), ENOENT);
}

TEST(resolve_beneath)
{
	guest_put("outside", "x", 1);
	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	CHECK_EQ(sys(SYS_mkdir, "dir/sub", 0755), 0);
	guest_put("dir/inside", "y", 1);
	CHECK_EQ(sys(SYS_symlink, "../outside", "dir/out"), 0);
	CHECK_EQ(sys(SYS_symlink, "inside", "dir/in"), 0);
	int fd = (int)CHECK_OK(OPEN("dir", O_RDONLY));
	CHECK_OK(sys(SYS_openat, fd, "inside", O_RDONLY | O_RESOLVE_BENEATH, 0));
	CHECK_OK(sys(SYS_openat, fd, "in", O_RDONLY | O_RESOLVE_BENEATH, 0));
	CHECK_OK(sys(SYS_openat, fd, "sub/../inside", O_RDONLY | O_RESOLVE_BENEATH, 0));
	CHECK_ERR(sys(SYS_openat, fd, "../outside", O_RDONLY | O_RESOLVE_BENEATH, 0), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_openat, fd, "out", O_RDONLY | O_RESOLVE_BENEATH, 0), ENOTCAPABLE);
	CHECK_ERR(sys(SYS_openat, fd, "/etc", O_RDONLY | O_RESOLVE_BENEATH, 0), ENOTCAPABLE);
}

TEST(relative_to_descriptor)
{
	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	guest_put("dir/file", "x", 1);
	guest_put("file", "y", 1);
	int dir = (int)CHECK_OK(OPEN("dir", O_RDONLY));
	int file = (int)CHECK_OK(OPEN("file", O_RDONLY));
	CHECK_OK(sys(SYS_openat, dir, "file", O_RDONLY, 0));
	CHECK_OK(sys(SYS_openat, AT_FDCWD, "dir/file", O_RDONLY, 0));
	CHECK_ERR(sys(SYS_openat, 999, "file", O_RDONLY, 0), EBADF);
	CHECK_ERR(sys(SYS_openat, -1, "file", O_RDONLY, 0), EBADF);
	CHECK_ERR(sys(SYS_openat, file, "file", O_RDONLY, 0), ENOTDIR);
	/* An absolute path does not look at the descriptor. */
	CHECK_OK(sys(SYS_openat, 999, "/", O_RDONLY, 0));
}

TEST(names)
{
	char name[5000];

	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	CLOSE(CHECK_OK(OPEN(name, O_CREAT | O_WRONLY)));
	name[255] = 'n', name[256] = '\0';
	CHECK_ERR(OPEN(name, O_CREAT | O_WRONLY), ENAMETOOLONG);
	CHECK_ERR(OPEN(name, O_RDONLY), ENAMETOOLONG);
	for (int i = 0; i < 4998; i += 2)
		name[i] = '.', name[i + 1] = '/';
	name[4998] = '.', name[4999] = '\0';
	CHECK_ERR(OPEN(name, O_RDONLY), ENAMETOOLONG);
	/* MAXPATHLEN is 1024 with the terminating zero. */
	name[1022] = '.', name[1023] = '\0';
	CHECK_OK(OPEN(name, O_RDONLY));
	CHECK_ERR(OPEN("missing", O_RDONLY), ENOENT);
	CHECK_ERR(OPEN("missing/file", O_CREAT | O_WRONLY), ENOENT);
	guest_put("file", "x", 1);
	CHECK_ERR(OPEN("file/inner", O_RDONLY), ENOTDIR);
	CHECK_ERR(OPEN("file/inner", O_CREAT | O_WRONLY), ENOTDIR);
}

TEST(fifo)
{
	CHECK_EQ(sys(SYS_mkfifo, "fifo", 0644), 0);
	CHECK_ERR(OPEN("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
	int r = (int)CHECK_OK(OPEN("fifo", O_RDONLY | O_NONBLOCK));
	int w = (int)CHECK_OK(OPEN("fifo", O_WRONLY | O_NONBLOCK));
	char c;
	CHECK_ERR(sys(SYS_read, r, &c, 1), EAGAIN);
	CHECK_EQ(sys(SYS_write, w, "z", 1), 1);
	CHECK_EQ(sys(SYS_read, r, &c, 1), 1);
	CLOSE(w);
	CHECK_EQ(sys(SYS_read, r, &c, 1), 0);
}

TEST(descriptor_limit)
{
	struct rlimit rl = { 8, 8 };

	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_NOFILE, &rl), 0);
	for (int fd = 3; fd < 8; fd++)
		CHECK_EQ(OPEN("/", O_RDONLY), fd);
	CHECK_ERR(OPEN("/", O_RDONLY), EMFILE);
	CHECK_ERR(sys(SYS_dup, 0), EMFILE);
	CHECK_ERR(sys(SYS_dup2, 0, 8), EBADF);
	int ends[2];
	CHECK_ERR(sys(SYS_pipe2, ends, 0), EMFILE);
	/* The file is not made when there is no descriptor for it. */
	struct stat st;
	CHECK_ERR(OPEN("made", O_CREAT | O_WRONLY), EMFILE);
	CHECK_EQ(sys(SYS_close, 7), 0);
	CHECK_ERR(sys(SYS_pipe2, ends, 0), EMFILE);
	CHECK_EQ(OPEN("/", O_RDONLY), 7);
	CHECK_EQ(guest_stat("/", &st), 0);
}

TEST(executable_is_busy)
{
	/* The text of a running program cannot be opened for writing. */
	char path[1100];
	int in = (int)CHECK_OK(OPEN(guest_argv[0], O_RDONLY));
	int out = (int)CHECK_OK(sys(SYS_open, "copy", O_WRONLY | O_CREAT, 0755));
	static char buffer[65536];
	long n;

	while ((n = CHECK_OK(sys(SYS_read, in, buffer, sizeof(buffer)))) > 0)
		CHECK_EQ(sys(SYS_write, out, buffer, n), n);
	CLOSE(in);
	CLOSE(out);
	CHECK_EQ(sys(SYS___getcwd, path, 1000), 0);
	format(path + strlen(path), 100, "/copy");
	char *argv[] = { path, "@try_to_write", NULL }, *env[] = { NULL };
	int pid = guest_fork();
	if (pid == 0)
		CHECK_OK(sys(SYS_execve, path, argv, env));
	CHECK_EQ(guest_wait(pid), 0);
}

HELPER(try_to_write)
{
	CHECK_ERR(OPEN("copy", O_WRONLY), ETXTBSY);
}
