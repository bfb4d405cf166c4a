/* Names and attributes: links, rename, unlink, directories, modes, times, access, stat. */
#include "guest.h"

#define OPEN(path, flags) (int)CHECK_OK(sys(SYS_open, path, flags, 0644))

static struct stat
stat_of(const char *path, int flags)
{
	struct stat st;

	memset(&st, 0x5a, sizeof(st));
	CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, path, &st, flags), 0);
	return (st);
}

static int
exists(const char *path)
{
	struct stat st;
	long ret = sys(SYS_fstatat, AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW);

	CHECK(ret == 0 || ret == -ENOENT);
	return (ret == 0);
}

TEST(rename)
{
	guest_put("a", "a", 1);
	guest_put("b", "bb", 2);
	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	CHECK_EQ(sys(SYS_mkdir, "dir/sub", 0755), 0);
	CHECK_EQ(sys(SYS_mkdir, "empty", 0755), 0);
	CHECK_EQ(sys(SYS_rename, "a", "b"), 0);
	CHECK(!exists("a"));
	CHECK_EQ(stat_of("b", 0).st_size, 1);
	CHECK_ERR(sys(SYS_rename, "missing", "x"), ENOENT);
	CHECK_ERR(sys(SYS_rename, "b", "dir"), EISDIR);
	CHECK_ERR(sys(SYS_rename, "dir", "b"), ENOTDIR);
	CHECK_ERR(sys(SYS_rename, "empty", "dir"), ENOTEMPTY);
	CHECK_ERR(sys(SYS_rename, "dir", "dir/sub/inner"), EINVAL);
	CHECK_EQ(sys(SYS_rename, "empty", "empty2"), 0);
	CHECK_EQ(sys(SYS_rename, "b", "b"), 0);
	CHECK(exists("b"));
	int fd = OPEN("dir", O_RDONLY);
	CHECK_EQ(sys(SYS_renameat, AT_FDCWD, "b", fd, "moved"), 0);
	CHECK(exists("dir/moved"));
	CHECK_ERR(sys(SYS_renameat, 999, "b", fd, "moved"), EBADF);
	CHECK_ERR(sys(SYS_rename, "dir/moved", "dir/moved/x"), ENOTDIR);
}

/* link(2) follows a symbolic link, where Linux's does not. */
TEST(link)
{
	guest_put("a", "a", 1);
	CHECK_EQ(sys(SYS_link, "a", "b"), 0);
	CHECK_EQ(stat_of("a", 0).st_nlink, 2);
	CHECK_EQ(stat_of("a", 0).st_ino, stat_of("b", 0).st_ino);
	CHECK_ERR(sys(SYS_link, "a", "b"), EEXIST);
	CHECK_ERR(sys(SYS_link, "missing", "c"), ENOENT);
	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	CHECK_ERR(sys(SYS_link, "dir", "c"), EPERM);
	CHECK_EQ(sys(SYS_symlink, "a", "s"), 0);
	CHECK_EQ(sys(SYS_link, "s", "c"), 0);
	CHECK(S_ISREG(stat_of("c", AT_SYMLINK_NOFOLLOW).st_mode));
	CHECK_EQ(stat_of("a", 0).st_nlink, 3);
	/* linkat says which it wants. */
	CHECK_EQ(sys(SYS_linkat, AT_FDCWD, "s", AT_FDCWD, "d", 0), 0);
	CHECK(S_ISLNK(stat_of("d", AT_SYMLINK_NOFOLLOW).st_mode));
	CHECK_EQ(sys(SYS_linkat, AT_FDCWD, "s", AT_FDCWD, "e", AT_SYMLINK_FOLLOW), 0);
	CHECK(S_ISREG(stat_of("e", AT_SYMLINK_NOFOLLOW).st_mode));
	CHECK_ERR(sys(SYS_linkat, AT_FDCWD, "a", AT_FDCWD, "f", 0x100000), EINVAL);
}

TEST(unlink)
{
	guest_put("a", "a", 1);
	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	CHECK_EQ(sys(SYS_mkdir, "dir/sub", 0755), 0);
	CHECK_EQ(sys(SYS_unlink, "a"), 0);
	CHECK_ERR(sys(SYS_unlink, "a"), ENOENT);
	/* EPERM, where Linux says EISDIR. */
	CHECK_ERR(sys(SYS_unlink, "dir"), EPERM);
	CHECK_ERR(sys(SYS_unlinkat, AT_FDCWD, "dir", 0), EPERM);
	CHECK_ERR(sys(SYS_unlinkat, AT_FDCWD, "dir", AT_REMOVEDIR), ENOTEMPTY);
	CHECK_ERR(sys(SYS_rmdir, "dir"), ENOTEMPTY);
	CHECK_EQ(sys(SYS_unlinkat, AT_FDCWD, "dir/sub", AT_REMOVEDIR), 0);
	CHECK_EQ(sys(SYS_rmdir, "dir"), 0);
	guest_put("a", "a", 1);
	CHECK_ERR(sys(SYS_rmdir, "a"), ENOTDIR);
	CHECK_ERR(sys(SYS_rmdir, "."), EINVAL);
	CHECK_ERR(sys(SYS_unlinkat, AT_FDCWD, "a", AT_REMOVEDIR), ENOTDIR);
	CHECK_ERR(sys(SYS_unlinkat, AT_FDCWD, "a", 0x40000), EINVAL);
	CHECK_EQ(sys(SYS_symlink, "a", "s"), 0);
	CHECK_EQ(sys(SYS_unlink, "s"), 0);
	CHECK(exists("a"));
}

TEST(unlink_while_open)
{
	char c;

	guest_put("a", "a", 1);
	int fd = OPEN("a", O_RDONLY);
	CHECK_EQ(sys(SYS_unlink, "a"), 0);
	struct stat st;
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_nlink, 0);
	CHECK_EQ(sys(SYS_read, fd, &c, 1), 1);
}

/* funlinkat: only if the name still is that file, else EDEADLK. */
TEST(funlinkat)
{
	guest_put("a", "a", 1);
	guest_put("b", "b", 1);
	int fd = OPEN("a", O_RDONLY);
	CHECK_ERR(sys(SYS_funlinkat, AT_FDCWD, "b", fd, 0), EDEADLK);
	CHECK(exists("b"));
	CHECK_EQ(sys(SYS_funlinkat, AT_FDCWD, "a", fd, 0), 0);
	CHECK(!exists("a"));
	CHECK_EQ(sys(SYS_funlinkat, AT_FDCWD, "b", FD_NONE, 0), 0);
}

TEST(symbolic_links)
{
	char buffer[64];

	memset(buffer, 'z', sizeof(buffer));
	CHECK_EQ(sys(SYS_symlink, "some/where", "s"), 0);
	CHECK_EQ(sys(SYS_readlink, "s", buffer, sizeof(buffer)), 10);
	CHECK(memcmp(buffer, "some/wherez", 11) == 0);	/* no zero is written */
	CHECK_EQ(sys(SYS_readlink, "s", buffer, 4), 4);
	CHECK_ERR(sys(SYS_symlink, "x", "s"), EEXIST);
	CHECK_ERR(sys(SYS_readlink, ".", buffer, 4), EINVAL);
	CHECK_ERR(sys(SYS_readlink, "missing", buffer, 4), ENOENT);
	int fd = OPEN(".", O_RDONLY);
	CHECK_EQ(sys(SYS_symlinkat, "t", fd, "u"), 0);
	CHECK_EQ(sys(SYS_readlinkat, fd, "u", buffer, 64), 1);
	CHECK(S_ISLNK(stat_of("u", AT_SYMLINK_NOFOLLOW).st_mode));
	CHECK_EQ(stat_of("s", AT_SYMLINK_NOFOLLOW).st_size, 10);
}

TEST(directories)
{
	CHECK_EQ(sys(SYS_umask, 022), 022);
	CHECK_EQ(sys(SYS_mkdir, "a", 0777), 0);
	CHECK_EQ(stat_of("a", 0).st_mode, S_IFDIR | 0755);
	CHECK_ERR(sys(SYS_mkdir, "a", 0777), EEXIST);
	CHECK_ERR(sys(SYS_mkdir, "x/y", 0777), ENOENT);
	CHECK_EQ(sys(SYS_mkdir, "b/", 0700), 0);
	int fd = OPEN("a", O_RDONLY);
	CHECK_EQ(sys(SYS_mkdirat, fd, "c", 01777), 0);
	CHECK_EQ(stat_of("a/c", 0).st_mode, S_IFDIR | 0755);	/* kern_mkdirat: ACCESSPERMS, no sticky bit */
	CHECK_EQ(sys(SYS_rmdir, "a/c"), 0);
}

TEST(modes)
{
	guest_put("a", "a", 1);
	CHECK_EQ(sys(SYS_symlink, "a", "s"), 0);
	CHECK_EQ(sys(SYS_chmod, "a", 0640), 0);
	CHECK_EQ(stat_of("a", 0).st_mode, S_IFREG | 0640);
	CHECK_EQ(sys(SYS_chmod, "s", 0600), 0);
	CHECK_EQ(stat_of("a", 0).st_mode, S_IFREG | 0600);
	int fd = OPEN("a", O_RDONLY);
	CHECK_EQ(sys(SYS_fchmod, fd, 0444), 0);
	CHECK_EQ(stat_of("a", 0).st_mode, S_IFREG | 0444);
	CHECK_EQ(sys(SYS_fchmodat, AT_FDCWD, "a", 0555, 0), 0);
	CHECK_EQ(stat_of("a", 0).st_mode, S_IFREG | 0555);
	CHECK_EQ(sys(SYS_fchmodat, AT_FDCWD, "a", 0511, AT_SYMLINK_NOFOLLOW), 0);
	CHECK_EQ(stat_of("a", 0).st_mode, S_IFREG | 0511);
	CHECK_ERR(sys(SYS_fchmodat, AT_FDCWD, "a", 0555, 0x40000), EINVAL);
	CHECK_ERR(sys(SYS_chmod, "missing", 0555), ENOENT);
	CHECK_ERR(sys(SYS_fchmod, 999, 0555), EBADF);
	CHECK_EQ(sys(SYS_chmod, "a", 06755), 0);
	CHECK_EQ(stat_of("a", 0).st_mode, S_IFREG | 06755);
}

TEST(owners)
{
	long uid = sys(SYS_getuid), gid = sys(SYS_getgid);

	guest_put("a", "a", 1);
	CHECK_EQ(sys(SYS_symlink, "missing", "s"), 0);
	CHECK_EQ(sys(SYS_chown, "a", uid, gid), 0);
	CHECK_EQ(sys(SYS_chown, "a", -1, -1), 0);
	CHECK_EQ(stat_of("a", 0).st_uid, uid);
	CHECK_EQ(stat_of("a", 0).st_gid, gid);
	CHECK_ERR(sys(SYS_chown, "s", uid, gid), ENOENT);
	CHECK_EQ(sys(SYS_lchown, "s", uid, gid), 0);
	CHECK_EQ(sys(SYS_fchownat, AT_FDCWD, "s", uid, gid, AT_SYMLINK_NOFOLLOW), 0);
	CHECK_ERR(sys(SYS_fchownat, AT_FDCWD, "a", uid, gid, 0x40000), EINVAL);
	int fd = OPEN("a", O_RDONLY);
	CHECK_EQ(sys(SYS_fchown, fd, uid, -1), 0);
	CHECK_ERR(sys(SYS_fchown, 999, uid, -1), EBADF);
}

TEST(access)
{
	guest_put("a", "a", 1);
	CHECK_EQ(sys(SYS_chmod, "a", 0644), 0);
	CHECK_EQ(sys(SYS_access, "a", F_OK), 0);
	CHECK_EQ(sys(SYS_access, "a", R_OK | W_OK), 0);
	CHECK_ERR(sys(SYS_access, "a", X_OK), EACCES);	/* not for root either */
	CHECK_ERR(sys(SYS_access, "missing", F_OK), ENOENT);
	CHECK_ERR(sys(SYS_access, "a", 8), EINVAL);
	CHECK_ERR(sys(SYS_access, "a/b", F_OK), ENOTDIR);
	CHECK_EQ(sys(SYS_eaccess, "a", R_OK), 0);
	CHECK_ERR(sys(SYS_eaccess, "a", X_OK), EACCES);
	CHECK_EQ(sys(SYS_faccessat, AT_FDCWD, "a", R_OK, 0), 0);
	CHECK_EQ(sys(SYS_faccessat, AT_FDCWD, "a", R_OK, AT_EACCESS), 0);
	CHECK_ERR(sys(SYS_faccessat, AT_FDCWD, "a", R_OK, 0x40000), EINVAL);
	CHECK_EQ(sys(SYS_symlink, "missing", "s"), 0);
	CHECK_ERR(sys(SYS_faccessat, AT_FDCWD, "s", F_OK, 0), ENOENT);
	CHECK_EQ(sys(SYS_faccessat, AT_FDCWD, "s", F_OK, AT_SYMLINK_NOFOLLOW), 0);
	CHECK_ERR(sys(SYS_faccessat, 999, "a", R_OK, 0), EBADF);
}

TEST(times)
{
	struct timespec t[2] = { { 1000000000, 123456789 }, { 1100000000, 987654321 } };
	struct timeval v[2] = { { 900000000, 111111 }, { 950000000, 222222 } };
	struct stat st;

	guest_put("a", "a", 1);
	CHECK_EQ(sys(SYS_symlink, "a", "s"), 0);
	CHECK_EQ(sys(SYS_utimensat, AT_FDCWD, "a", t, 0), 0);
	st = stat_of("a", 0);
	CHECK_EQ(st.st_atim.tv_sec, 1000000000);
	CHECK_EQ(st.st_atim.tv_nsec, 123456789);
	CHECK_EQ(st.st_mtim.tv_sec, 1100000000);
	CHECK_EQ(st.st_mtim.tv_nsec, 987654321);
	/* UTIME_NOW is -1 and UTIME_OMIT -2 here. */
	t[0].tv_nsec = UTIME_OMIT;
	t[1].tv_nsec = UTIME_NOW;
	CHECK_EQ(sys(SYS_utimensat, AT_FDCWD, "a", t, 0), 0);
	st = stat_of("a", 0);
	CHECK_EQ(st.st_atim.tv_sec, 1000000000);
	CHECK(st.st_mtim.tv_sec > 1500000000);
	t[0].tv_nsec = 1000000000;
	CHECK_ERR(sys(SYS_utimensat, AT_FDCWD, "a", t, 0), EINVAL);
	t[0].tv_nsec = -3;
	CHECK_ERR(sys(SYS_utimensat, AT_FDCWD, "a", t, 0), EINVAL);
	CHECK_ERR(sys(SYS_utimensat, AT_FDCWD, "a", NULL, 0x40000), EINVAL);
	CHECK_EQ(sys(SYS_utimensat, AT_FDCWD, "a", NULL, 0), 0);
	CHECK(stat_of("a", 0).st_atim.tv_sec > 1500000000);
	/* Of the link itself. */
	struct timespec u[2] = { { 5, 0 }, { 6, 0 } };
	CHECK_EQ(sys(SYS_utimensat, AT_FDCWD, "s", u, AT_SYMLINK_NOFOLLOW), 0);
	CHECK_EQ(stat_of("s", AT_SYMLINK_NOFOLLOW).st_mtim.tv_sec, 6);
	CHECK(stat_of("a", 0).st_mtim.tv_sec > 1500000000);
	int fd = OPEN("a", O_RDONLY);
	CHECK_EQ(sys(SYS_futimens, fd, u), 0);
	CHECK_EQ(stat_of("a", 0).st_atim.tv_sec, 5);
	CHECK_EQ(sys(SYS_futimens, fd, NULL), 0);
	CHECK(stat_of("a", 0).st_atim.tv_sec > 1500000000);
	CHECK_EQ(sys(SYS_utimes, "a", v), 0);
	st = stat_of("a", 0);
	CHECK_EQ(st.st_atim.tv_sec, 900000000);
	CHECK_EQ(st.st_atim.tv_nsec, 111111000);
	CHECK_EQ(st.st_mtim.tv_nsec, 222222000);
	CHECK_EQ(sys(SYS_lutimes, "s", v), 0);
	CHECK_EQ(stat_of("s", AT_SYMLINK_NOFOLLOW).st_mtim.tv_sec, 950000000);
	CHECK_EQ(sys(SYS_futimes, fd, v), 0);
	CHECK_EQ(sys(SYS_futimesat, AT_FDCWD, "a", v), 0);
	v[0].tv_usec = 1000000;
	CHECK_ERR(sys(SYS_utimes, "a", v), EINVAL);
}

TEST(stat_fields)
{
	struct stat st, viafd, vialink;

	guest_put("a", "hello", 5);
	CHECK_EQ(sys(SYS_link, "a", "b"), 0);
	CHECK_EQ(sys(SYS_symlink, "a", "s"), 0);
	st = stat_of("a", 0);
	CHECK_EQ(st.st_mode, S_IFREG | 0644);
	CHECK_EQ(st.st_nlink, 2);
	CHECK_EQ(st.st_uid, sys(SYS_geteuid));
	CHECK_EQ(st.st_gid, sys(SYS_getegid));
	CHECK_EQ(st.st_size, 5);
#if GUEST_RELEASE >= 15
	CHECK_EQ(st.st_bsdflags, 0);
#else
	CHECK_EQ(st.st_padding0, 0);
#endif
	CHECK_EQ(st.st_padding1, 0);
	CHECK_EQ(st.st_flags, 0);
	CHECK_BETWEEN(st.st_blocks, 0, 64);
	CHECK(st.st_blksize >= 512 && (st.st_blksize & (st.st_blksize - 1)) == 0);
	CHECK(st.st_ino != 0);
	for (size_t i = 0; i < sizeof(st.st_spare) / sizeof(st.st_spare[0]); i++)
		CHECK_EQ(st.st_spare[i], 0);
	struct timespec now;
	CHECK_EQ(sys(SYS_clock_gettime, CLOCK_REALTIME, &now), 0);
	CHECK_BETWEEN(st.st_mtim.tv_sec, now.tv_sec - 60, now.tv_sec);
	CHECK_BETWEEN(st.st_ctim.tv_sec, now.tv_sec - 60, now.tv_sec);
	/* The birth time is known or, as FreeBSD does where it is not, -1 or 0. */
	CHECK(st.st_birthtim.tv_sec == -1 || st.st_birthtim.tv_sec == 0
	    || (st.st_birthtim.tv_sec >= now.tv_sec - 60 && st.st_birthtim.tv_sec <= now.tv_sec));
	int fd = OPEN("a", O_RDONLY);
	memset(&viafd, 0x33, sizeof(viafd));
	CHECK_EQ(sys(SYS_fstat, fd, &viafd), 0);
	CHECK(memcmp(&st, &viafd, sizeof(st)) == 0);
	vialink = stat_of("s", 0);
	CHECK_EQ(vialink.st_ino, st.st_ino);
	vialink = stat_of("s", AT_SYMLINK_NOFOLLOW);
	CHECK(S_ISLNK(vialink.st_mode));
	CHECK_EQ(vialink.st_size, 1);
	CHECK_EQ(st.st_dev, vialink.st_dev);
	CHECK_ERR(sys(SYS_fstatat, AT_FDCWD, "a", &st, 0x40000), EINVAL);
	CHECK_ERR(sys(SYS_fstatat, AT_FDCWD, "missing", &st, 0), ENOENT);
	CHECK_ERR(sys(SYS_fstatat, fd, "x", &st, 0), ENOTDIR);
	CHECK_ERR(sys(SYS_fstatat, 999, "a", &st, 0), EBADF);
	CHECK_ERR(sys(SYS_fstat, 999, &st), EBADF);
}

TEST(stat_of_devices_and_pipes)
{
	struct stat st = stat_of("/dev/null", 0);
	int ends[2];

	CHECK(S_ISCHR(st.st_mode));
	CHECK_NE(st.st_rdev, NODEV);
	CHECK_NE(st.st_rdev, stat_of("/dev/zero", 0).st_rdev);
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_EQ(sys(SYS_write, ends[1], "abc", 3), 3);
	CHECK_EQ(sys(SYS_fstat, ends[0], &st), 0);
	CHECK(S_ISFIFO(st.st_mode));
	CHECK(S_ISDIR(stat_of(".", 0).st_mode));
	CHECK_EQ(sys(SYS_mkfifo, "fifo", 0600), 0);
	CHECK(S_ISFIFO(stat_of("fifo", 0).st_mode));
	CHECK_ERR(sys(SYS_mkfifo, "fifo", 0600), EEXIST);
	CHECK_EQ(sys(SYS_mkfifoat, AT_FDCWD, "fifo2", 0600), 0);
	CHECK_EQ(sys(SYS_mknodat, AT_FDCWD, "fifo3", S_IFIFO | 0600, 0), 0);
	CHECK(S_ISFIFO(stat_of("fifo3", 0).st_mode));
	CHECK_ERR(sys(SYS_mknodat, AT_FDCWD, "file", S_IFREG | 0600, 0), EINVAL);
}

/* kern_mknodat asks for the privilege before it looks at the path, and has no VNOVAL for a device. */
TEST(mknod_of_a_user)
{
	if (sys(SYS_geteuid) == 0) {
		CHECK_ERR(sys(SYS_mknodat, AT_FDCWD, "device", S_IFCHR | 0600, -1L), EINVAL);
		CHECK_EQ(sys(SYS_chmod, ".", 0777), 0);
		CHECK_EQ(sys(SYS_setresuid, 12345, 12345, 12345), 0);
	}
	CHECK_ERR(sys(SYS_mknodat, AT_FDCWD, "device", S_IFCHR | 0600, 0L), EPERM);
	CHECK_ERR(sys(SYS_mknodat, AT_FDCWD, ".", S_IFBLK | 0600, 1L), EPERM);
	CHECK_ERR(sys(SYS_mknodat, AT_FDCWD, "missing/x", S_IFCHR | 0600, 0L), EPERM);
	CHECK_ERR(sys(SYS_mknodat, AT_FDCWD, "white", S_IFWHT, 0L), EPERM);
	CHECK_ERR(sys(SYS_mknodat, AT_FDCWD, "file", S_IFREG | 0600, 0L), EINVAL);
	CHECK_EQ(sys(SYS_mknodat, AT_FDCWD, "fifo", S_IFIFO | 0600, 0L), 0);
}

TEST(current_directory)
{
	char path[1024], again[1024];

	/* __getcwd returns 0, not a length (vfs_cache.c). */
	CHECK_EQ(sys(SYS___getcwd, path, sizeof(path)), 0);
	CHECK_EQ(path[0], '/');
	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	CHECK_EQ(sys(SYS_chdir, "dir"), 0);
	CHECK_EQ(sys(SYS___getcwd, again, sizeof(again)), 0);
	CHECK_EQ(strlen(again), strlen(path) + 4);
	CHECK_STR(again + strlen(path), "/dir");
	/* ENOMEM by vfs_cache.c, ERANGE by getcwd(3). */
	long ret = sys(SYS___getcwd, again, strlen(path) + 4);
	CHECK(ret == -ENOMEM || ret == -ERANGE);
	CHECK_ERR(sys(SYS___getcwd, again, 1), EINVAL);
	int fd = OPEN("..", O_RDONLY);
	CHECK_EQ(sys(SYS_fchdir, fd), 0);
	CHECK_EQ(sys(SYS___getcwd, again, sizeof(again)), 0);
	CHECK_STR(again, path);
	guest_put("file", "", 0);
	CHECK_ERR(sys(SYS_chdir, "file"), ENOTDIR);
	CHECK_ERR(sys(SYS_chdir, "missing"), ENOENT);
	CHECK_ERR(sys(SYS_fchdir, OPEN("file", O_RDONLY)), ENOTDIR);
	CHECK_ERR(sys(SYS_fchdir, 999), EBADF);
	/* A directory that is gone has no name. */
	CHECK_EQ(sys(SYS_chdir, "dir"), 0);
	CHECK_EQ(sys(SYS_rmdir, "../dir"), 0);
	CHECK_ERR(sys(SYS___getcwd, again, sizeof(again)), ENOENT);
	CHECK_ERR(sys(SYS_open, "x", O_CREAT | O_WRONLY, 0644), ENOENT);
}

TEST(umask)
{
	CHECK_OK(sys(SYS_umask, 0123));
	CHECK_EQ(sys(SYS_umask, 022), 0123);
	CHECK_EQ(sys(SYS_umask, 07777), 022);
	/* All of ALLPERMS is kept here (sys_umask), only 0777 on Linux. */
	CHECK_EQ(sys(SYS_umask, 022) & 0777, 0777);
}

TEST(path_limits)
{
	struct stat st;

	CHECK_BETWEEN(sys(SYS_pathconf, ".", _PC_NAME_MAX), 255, 1024);
	CHECK_EQ(sys(SYS_pathconf, ".", _PC_PATH_MAX), 1024);
	CHECK_BETWEEN(sys(SYS_pathconf, ".", _PC_LINK_MAX), 8, 0x7fffffffffffL);
	int ends[2];
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_EQ(sys(SYS_fpathconf, ends[0], _PC_PIPE_BUF), 512);
	CHECK_ERR(sys(SYS_pathconf, ".", 999), EINVAL);
	CHECK_ERR(sys(SYS_fpathconf, 999, 4), EBADF);
	CHECK_ERR(sys(SYS_pathconf, "missing", 4), ENOENT);
	CHECK_EQ(guest_stat(".", &st), 0);
}

/* File flags (chflags): clearing nothing is success (files_flags.c has the rest). */
TEST(file_flags)
{
	guest_put("a", "a", 1);
	CHECK_EQ(sys(SYS_chflags, "a", 0), 0);
	CHECK_ERR(sys(SYS_chflags, "missing", 0), ENOENT);
	int fd = OPEN("a", O_RDONLY);
	CHECK_EQ(sys(SYS_fchflags, fd, 0), 0);
	CHECK_ERR(sys(SYS_fchflags, 999, 0), EBADF);
	CHECK_EQ(sys(SYS_lchflags, "a", 0), 0);
	CHECK_EQ(sys(SYS_chflagsat, AT_FDCWD, "a", 0, 0), 0);
}

/* A slash behind a symbolic link: every call follows it. */
TEST(slash_behind_a_link)
{
	char path[64];

	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	CHECK_EQ(sys(SYS_symlink, "new", "dir/link"), 0);
	CHECK_EQ(sys(SYS_mkdir, "dir/link/", 0755), 0);
	CHECK(S_ISDIR(stat_of("dir/new", 0).st_mode));
	CHECK(S_ISLNK(stat_of("dir/link", AT_SYMLINK_NOFOLLOW).st_mode));
	CHECK_ERR(sys(SYS_mkdir, "dir/link/", 0755), EEXIST);
	CHECK_ERR(sys(SYS_mkdir, "dir/link", 0755), EEXIST);
	CHECK_ERR(sys(SYS_readlink, "dir/link/", path, sizeof(path)), EINVAL);
	/* Through two links, the second one from the top. */
	CHECK_EQ(sys(SYS_symlink, "dir/link//", "other"), 0);
	CHECK_ERR(sys(SYS_rmdir, "other"), ENOTDIR);
	CHECK_EQ(sys(SYS_rmdir, "other//"), 0);
	CHECK(!exists("dir/new"));
	CHECK(exists("dir/link"));
	CHECK_ERR(sys(SYS_rmdir, "other/"), ENOENT);
	CHECK_EQ(sys(SYS_mkdir, "other/", 0755), 0);
	CHECK_EQ(sys(SYS_rename, "dir/link/", "moved"), 0);
	CHECK(S_ISDIR(stat_of("moved", AT_SYMLINK_NOFOLLOW).st_mode));
	CHECK_EQ(sys(SYS_rename, "moved", "other/"), 0);
	CHECK(S_ISDIR(stat_of("dir/new", AT_SYMLINK_NOFOLLOW).st_mode));
	CHECK_EQ(sys(SYS_renameat, OPEN("dir", O_RDONLY), "link/", AT_FDCWD, "moved"), 0);
	CHECK(!exists("dir/new"));
	/* To a file: no directory. */
	guest_put("dir/new", "x", 1);
	CHECK_ERR(sys(SYS_rmdir, "dir/link/"), ENOTDIR);
	CHECK_ERR(sys(SYS_unlink, "dir/link/"), ENOTDIR);
	CHECK_ERR(sys(SYS_rename, "dir/link/", "x"), ENOTDIR);
	CHECK(exists("dir/link") && exists("dir/new"));
	CHECK_EQ(sys(SYS_symlink, "loop", "loop"), 0);
	CHECK_ERR(sys(SYS_mkdir, "loop/", 0755), ELOOP);
	CHECK_EQ(sys(SYS_symlink, "moved", "last"), 0);
	CHECK_ERR(sys(SYS_unlink, "last/"), EPERM);
	CHECK(exists("last"));
}

/* A path has 1,023 bytes at most: namei in sys/kern/vfs_lookup.c. What a symbolic link holds, too (kern_symlinkat). */
TEST(longest_paths)
{
	static char path[1025];
	struct stat st;
	int i, fd;

	guest_put("f", "x", 1);
	for (i = 0; i < 1022; i += 2) {
		path[i] = '.';
		path[i + 1] = '/';
	}
	path[1022] = 'f';
	CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, path, &st, 0), 0);
	fd = OPEN(path, O_RDONLY);
	CHECK_EQ(sys(SYS_close, fd), 0);
	CHECK_EQ(sys(SYS_symlink, path, "at-most"), 0);
	path[1022] = '/';
	path[1023] = 'f';
	CHECK_ERR(sys(SYS_fstatat, AT_FDCWD, path, &st, 0), ENAMETOOLONG);
	CHECK_ERR(sys(SYS_open, path, O_RDONLY, 0), ENAMETOOLONG);
	CHECK_ERR(sys(SYS_openat, AT_FDCWD, path, O_RDONLY, 0), ENAMETOOLONG);
	CHECK_ERR(sys(SYS_access, path, 0), ENAMETOOLONG);
	CHECK_ERR(sys(SYS_chmod, path, 0600), ENAMETOOLONG);
	CHECK_ERR(sys(SYS_chdir, path), ENAMETOOLONG);
	CHECK_ERR(sys(SYS_truncate, path, 0), ENAMETOOLONG);
	CHECK_ERR(sys(SYS_symlink, path, "too-long"), ENAMETOOLONG);
	CHECK_ERR(sys(SYS_link, "f", path), ENAMETOOLONG);
	CHECK_ERR(sys(SYS_rename, "f", path), ENAMETOOLONG);
	CHECK_ERR(sys(SYS_unlink, path), ENAMETOOLONG);
	CHECK(exists("f") && !exists("too-long"));
	/* An address that is none says so, wherever the string lies on its page. */
	CHECK_ERR(sys(SYS_chdir, (char *)8), EFAULT);
	for (i = 1; i <= 17; i++) {
		char *page = guest_map(2 * 4096);

		CHECK_EQ(sys(SYS_munmap, page + 4096, 4096), 0);
		page[4095] = 'f';
		CHECK_ERR(sys(SYS_access, page + 4096 - i, 0), i == 1 ? EFAULT : ENOENT);
		CHECK_EQ(sys(SYS_munmap, page, 4096), 0);
	}
}

/* Slashes alone have no last name to remove: vfs_lookup_degenerate. */
TEST(root_is_not_removed)
{
	CHECK_ERR(sys(SYS_unlink, "/"), EISDIR);
	CHECK_ERR(sys(SYS_unlink, "///"), EISDIR);
	CHECK_ERR(sys(SYS_rmdir, "/"), EISDIR);
	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	CHECK_ERR(sys(SYS_unlink, "dir"), EPERM);
}

/* O_PATH: no call that is for the file itself takes it (getvnode); chflags of what the file has, by who may not change it. */
TEST(flags_of_others)
{
	int fd, pid;

	guest_put("f", "x", 1);
	fd = OPEN("f", O_PATH);
	CHECK_ERR(sys(SYS_fchflags, fd, 0), EBADF);
	CHECK_EQ(sys(SYS_chflags, "f", 0), 0);
	if (sys(SYS_geteuid) != 0)
		return;
	pid = guest_fork();
	if (pid == 0) {
		CHECK_EQ(sys(SYS_chmod, ".", 0777), 0);
		CHECK_EQ(sys(SYS_setuid, 65534), 0);
		CHECK_ERR(sys(SYS_chflags, "f", 0), EPERM);
		sys(SYS_exit, 0);
	}
	CHECK_EQ(guest_wait(pid), 0);
}

/* The file of a descriptor is root's to link (kern_linkat: PRIV_VFS_FHOPEN), and where to does not matter to others. */
TEST(link_of_an_open_file_by_a_user)
{
	guest_put("f", "x", 1);
	int fd = OPEN("f", O_PATH);
	CHECK_EQ(sys(SYS_chmod, ".", 0777), 0);
	if (sys(SYS_geteuid) == 0)
		CHECK_EQ(sys(SYS_setuid, 65534), 0);
	CHECK_ERR(sys(SYS_linkat, fd, "", AT_FDCWD, "g", AT_EMPTY_PATH), EPERM);
	CHECK_ERR(sys(SYS_linkat, fd, "", AT_FDCWD, "none/g", AT_EMPTY_PATH), EPERM);
	CHECK_ERR(sys(SYS_linkat, 99, "", AT_FDCWD, "g", AT_EMPTY_PATH), EBADF);
}

/* An empty path is looked up nowhere: ENOENT; but that it would begin at what is no folder is said first (cache_fplookup_dirfd). */
TEST(empty_path_at_a_file)
{
	struct timespec times[2] = { { 1, 0 }, { 1, 0 } };
	struct stat st;
	char c[8];
	int where[3];

	guest_put("file", "x", 1);
	where[0] = OPEN("file", O_RDONLY);
	where[1] = OPEN(".", O_RDONLY | O_DIRECTORY);
	where[2] = AT_FDCWD;
	for (int i = 0; i < 3; i++) {
		int at = where[i], error = i ? ENOENT : ENOTDIR;

		CHECK_ERR(sys(SYS_openat, at, "", O_RDONLY), error);
		CHECK_ERR(sys(SYS_fstatat, at, "", &st, 0), error);
		CHECK_ERR(sys(SYS_faccessat, at, "", F_OK, 0), error);
		CHECK_ERR(sys(SYS_faccessat, at, "", F_OK, AT_EACCESS), error);
		CHECK_ERR(sys(SYS_fchmodat, at, "", 0600, 0), error);
		CHECK_ERR(sys(SYS_fchownat, at, "", -1, -1, 0), error);
		CHECK_ERR(sys(SYS_utimensat, at, "", times, 0), error);
		CHECK_ERR(sys(SYS_chflagsat, at, "", 0UL, 0), error);
		CHECK_ERR(sys(SYS_readlinkat, at, "", c, sizeof(c)), EINVAL);	/* of the file itself */
		CHECK_ERR(sys(SYS_mkdirat, at, "", 0755), error);
		CHECK_ERR(sys(SYS_mkfifoat, at, "", 0600), error);
		CHECK_ERR(sys(SYS_mknodat, at, "", S_IFIFO | 0600, 0UL), error);
		CHECK_ERR(sys(SYS_symlinkat, "x", at, ""), error);
		CHECK_ERR(sys(SYS_unlinkat, at, "", 0), error);
		CHECK_ERR(sys(SYS_linkat, at, "", AT_FDCWD, "other", 0), error);
		CHECK_ERR(sys(SYS_linkat, AT_FDCWD, "file", at, "", 0), error);
		CHECK_ERR(sys(SYS_renameat, at, "", AT_FDCWD, "other"), error);
		CHECK_ERR(sys(SYS_renameat, AT_FDCWD, "file", at, ""), error);
	}
	CHECK_EQ(guest_stat("file", &st), 0);
}
