/* The calls of programs built before FreeBSD 12 (32-bit inodes): stat, directories, file systems, mknod. */
#define _WANT_FREEBSD11_STAT
#define _WANT_FREEBSD11_STATFS
#include "guest.h"
#include <sys/mount.h>

#define OLD_MKNOD 14
#define OLD_STAT 188
#define OLD_FSTAT 189
#define OLD_LSTAT 190
#define OLD_GETDIRENTRIES 196
#define OLD_GETDENTS 272
#define OLD_NSTAT 278
#define OLD_NFSTAT 279
#define OLD_NLSTAT 280
#define OLD_GETFSSTAT 395
#define OLD_STATFS 396
#define OLD_FSTATFS 397
#define OLD_FSTATAT 493
#define OLD_MKNODAT 498

/* sys/stat.h and sys/dirent.h show these two to the kernel only. */
struct nstat {
	u32 st_dev, st_ino, st_mode, st_nlink;
	uid_t st_uid;
	gid_t st_gid;
	u32 st_rdev;
	struct timespec st_atim, st_mtim, st_ctim;
	off_t st_size;
	blkcnt_t st_blocks;
	blksize_t st_blksize;
	fflags_t st_flags;
	u32 st_gen;
	struct timespec st_birthtim;
};

struct freebsd11_dirent {
	u32 d_fileno;
	u16 d_reclen;
	u8 d_type;
	u8 d_namlen;
	char d_name[256];
};

static void
compare(const struct freebsd11_stat *old, const struct stat *st)
{
	CHECK_EQ(old->st_ino, (u32)st->st_ino);
	CHECK_EQ(old->st_mode, st->st_mode);
	CHECK_EQ(old->st_nlink, st->st_nlink);
	CHECK_EQ(old->st_uid, st->st_uid);
	CHECK_EQ(old->st_gid, st->st_gid);
	CHECK_EQ(old->st_size, st->st_size);
	CHECK_EQ(old->st_blocks, st->st_blocks);
	CHECK_EQ(old->st_blksize, st->st_blksize);
	CHECK_EQ(old->st_mtim.tv_sec, st->st_mtim.tv_sec);
	CHECK_EQ(old->st_mtim.tv_nsec, st->st_mtim.tv_nsec);
	CHECK_EQ(old->st_ctim.tv_sec, st->st_ctim.tv_sec);
	CHECK_EQ(old->st_birthtim.tv_sec, st->st_birthtim.tv_sec);
	CHECK_EQ(old->st_flags, st->st_flags);
}

TEST(stat)
{
	struct freebsd11_stat old;
	struct stat st, link;

	_Static_assert(sizeof(old) == 120, "freebsd11_stat");
	guest_put("a", "hello", 5);
	CHECK_EQ(sys(SYS_symlink, "a", "s"), 0);
	CHECK_EQ(guest_stat("a", &st), 0);
	CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, "s", &link, AT_SYMLINK_NOFOLLOW), 0);
	int fd = (int)CHECK_OK(sys(SYS_open, "a", O_RDONLY, 0));
#define TRY(call, with) do { \
	memset(&old, 0x77, sizeof(old)); \
	CHECK_EQ(call, 0); \
	compare(&old, &with); \
} while (0)
	TRY(sys(OLD_STAT, "a", &old), st);
	TRY(sys(OLD_STAT, "s", &old), st);
	TRY(sys(OLD_FSTAT, fd, &old), st);
	TRY(sys(OLD_LSTAT, "a", &old), st);
	TRY(sys(OLD_LSTAT, "s", &old), link);
	TRY(sys(OLD_FSTATAT, AT_FDCWD, "s", &old, 0), st);
	TRY(sys(OLD_FSTATAT, AT_FDCWD, "s", &old, AT_SYMLINK_NOFOLLOW), link);
	CHECK_ERR(sys(OLD_STAT, "missing", &old), ENOENT);
	CHECK_ERR(sys(OLD_FSTAT, 999, &old), EBADF);
	CHECK_ERR(sys(OLD_LSTAT, "a/b", &old), ENOTDIR);
	CHECK_ERR(sys(OLD_STAT, "a", 8), EFAULT);
	CHECK_ERR(sys(OLD_STAT, 8, &old), EFAULT);
}

TEST(nothing_beyond_the_struct)
{
	struct { struct freebsd11_stat old; u64 guard[16]; } room;

	memset(&room, 0x5a, sizeof(room));
	CHECK_EQ(sys(OLD_STAT, ".", &room.old), 0);
	for (int i = 0; i < 16; i++)
		CHECK_EQ(room.guard[i], 0x5a5a5a5a5a5a5a5aUL);
}

/* struct nstat is that of NetBSD 1.x: the same values in other places. */
TEST(nstat)
{
	struct nstat st;
	struct stat now;

	guest_put("a", "hello", 5);
	CHECK_EQ(guest_stat("a", &now), 0);
	memset(&st, 0x77, sizeof(st));
	CHECK_EQ(sys(OLD_NSTAT, "a", &st), 0);
	CHECK_EQ(st.st_size, 5);
	CHECK_EQ(st.st_mode, now.st_mode);
	CHECK_EQ(st.st_nlink, 1);
	memset(&st, 0x77, sizeof(st));
	CHECK_EQ(sys(OLD_NLSTAT, "a", &st), 0);
	CHECK_EQ(st.st_size, 5);
}

/* judge: policy, FreeBSD's freebsd11_nfstat fills nothing in: it copies out where an error came, and succeeds */
TEST(nstat_of_a_descriptor)
{
	struct nstat st;

	guest_put("a", "hello", 5);
	int fd = (int)CHECK_OK(sys(SYS_open, "a", O_RDONLY, 0));
	memset(&st, 0x77, sizeof(st));
	CHECK_EQ(sys(OLD_NFSTAT, fd, &st), 0);
	CHECK_EQ(st.st_size, 5);
}

static int
count_entries(const char *buffer, long n, int *found)
{
	int count = 0;

	for (long at = 0; at < n;) {
		const struct freebsd11_dirent *d = (const void *)(buffer + at);
		CHECK(d->d_reclen >= 8 + d->d_namlen + 1 && d->d_reclen % 4 == 0 && at + d->d_reclen <= n);
		CHECK_EQ(d->d_name[d->d_namlen], 0);
		CHECK_EQ(strlen(d->d_name), d->d_namlen);
		CHECK_NE(d->d_fileno, 0);
		if (guest_starts(d->d_name, "entry-")) {
			CHECK_EQ(d->d_type, 8 /* DT_REG */);
			found[guest_number(d->d_name + 6)]++;
		} else
			CHECK_EQ(d->d_type, 4 /* DT_DIR */);
		count++;
		at += d->d_reclen;
	}
	return (count);
}

TEST(getdirentries)
{
	static char buffer[1024], name[64];
	static int found[300];
	long base, last = -1;
	int count = 0;

	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	for (int i = 0; i < 300; i++) {
		format(name, sizeof(name), "dir/entry-%d", i);
		guest_put(name, "", 0);
	}
	int fd = (int)CHECK_OK(sys(SYS_open, "dir", O_RDONLY, 0));
	long n;
	while ((n = CHECK_OK(sys(OLD_GETDIRENTRIES, fd, buffer, sizeof(buffer), &base))) > 0) {
		CHECK_NE(base, last);
		last = base;
		count += count_entries(buffer, n, found);
	}
	CHECK_EQ(count, 302);
	for (int i = 0; i < 300; i++)
		CHECK_EQ(found[i], 1);
	/* getdents is the same without the base. */
	CHECK_EQ(sys(SYS_lseek, fd, 0, SEEK_SET), 0);
	memset(found, 0, sizeof(found));
	count = 0;
	while ((n = CHECK_OK(sys(OLD_GETDENTS, fd, buffer, sizeof(buffer)))) > 0)
		count += count_entries(buffer, n, found);
	CHECK_EQ(count, 302);
	CHECK_ERR(sys(OLD_GETDIRENTRIES, 999, buffer, sizeof(buffer), &base), EBADF);
	CHECK_EQ(sys(OLD_GETDIRENTRIES, fd, buffer, sizeof(buffer), NULL), 0);
}

TEST(file_systems)
{
	struct freebsd11_statfs old, *all;
	struct statfs now;

	CHECK_EQ(sys(SYS_statfs, "/", &now), 0);
	memset(&old, 0x77, sizeof(old));
	CHECK_EQ(sys(OLD_STATFS, "/", &old), 0);
	CHECK_EQ(old.f_version, 0x20030518);
	CHECK_EQ(old.f_bsize, now.f_bsize);
	CHECK_EQ(old.f_blocks, now.f_blocks);
	CHECK_EQ(old.f_files, now.f_files);
	CHECK_STR(old.f_fstypename, now.f_fstypename);
	CHECK_STR(old.f_mntonname, now.f_mntonname);
	int fd = (int)CHECK_OK(sys(SYS_open, "/", O_RDONLY, 0));
	memset(&old, 0x77, sizeof(old));
	CHECK_EQ(sys(OLD_FSTATFS, fd, &old), 0);
	CHECK_EQ(old.f_blocks, now.f_blocks);
	CHECK_ERR(sys(OLD_STATFS, "/missing", &old), ENOENT);
	CHECK_ERR(sys(OLD_FSTATFS, 999, &old), EBADF);
	long count = CHECK_OK(sys(OLD_GETFSSTAT, NULL, 0, MNT_NOWAIT));
	CHECK(count > 0);
	all = guest_map((size_t)count * sizeof(old));
	CHECK_EQ(sys(OLD_GETFSSTAT, all, count * sizeof(old), MNT_NOWAIT), count);
	CHECK_EQ(all[0].f_version, 0x20030518);
}

TEST(mknod)
{
	struct stat st;

	CHECK_EQ(sys(OLD_MKNOD, "fifo", S_IFIFO | 0640, 0), 0);
	CHECK_EQ(guest_stat("fifo", &st), 0);
	CHECK(S_ISFIFO(st.st_mode));
	CHECK_EQ(sys(OLD_MKNODAT, AT_FDCWD, "fifo2", S_IFIFO | 0640, 0), 0);
	CHECK_EQ(guest_stat("fifo2", &st), 0);
	CHECK_ERR(sys(OLD_MKNOD, "fifo", S_IFIFO | 0640, 0), EEXIST);
	CHECK_ERR(sys(OLD_MKNOD, "file", S_IFREG | 0640, 0), EINVAL);
}

/* lseek, mmap and their kin of FreeBSD 6 have a padding argument before the offset. */
TEST(freebsd6_offsets)
{
	char c;

	guest_put("a", "0123456789", 10);
	int fd = (int)CHECK_OK(sys(SYS_open, "a", O_RDWR, 0));
	CHECK_EQ(sys(199 /* freebsd6_lseek */, fd, 0, 4, SEEK_SET), 4);
	CHECK_EQ(sys(173 /* freebsd6_pread */, fd, &c, 1, 0, 7), 1);
	CHECK_EQ(c, '7');
	CHECK_EQ(sys(174 /* freebsd6_pwrite */, fd, "x", 1, 0, 8), 1);
	CHECK_EQ(sys(SYS_pread, fd, &c, 1, 8), 1);
	CHECK_EQ(c, 'x');
	CHECK_EQ(sys(201 /* freebsd6_ftruncate */, fd, 0, 3), 0);
	struct stat st;
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_size, 3);
	CHECK_EQ(sys(200 /* freebsd6_truncate */, "a", 0, 2), 0);
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_size, 2);
}
