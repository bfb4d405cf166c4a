/* statfs(2), fstatfs(2), getfsstat(2). */
#include "guest.h"
#include <sys/mount.h>

static void
plausible(const struct statfs *fs)
{
	CHECK_EQ(fs->f_version, STATFS_VERSION);
	CHECK(fs->f_bsize > 0 && (fs->f_bsize & (fs->f_bsize - 1)) == 0);
	CHECK(fs->f_iosize > 0);
	CHECK(fs->f_bfree <= fs->f_blocks);
	CHECK(fs->f_bavail <= (int64_t)fs->f_blocks);
	CHECK_BETWEEN(strlen(fs->f_fstypename), 1, MFSNAMELEN - 1);
	CHECK_BETWEEN(strlen(fs->f_mntonname), 1, MNAMELEN - 1);
	CHECK(strlen(fs->f_mntfromname) < MNAMELEN);
	CHECK_EQ(fs->f_mntonname[0], '/');
	CHECK_BETWEEN(fs->f_namemax, 12, 1024);
	CHECK((fs->f_flags & ~0x00000000ffffffffUL) == 0);
}

TEST(of_a_path_and_a_descriptor)
{
	struct statfs a, b;

	memset(&a, 0x66, sizeof(a));
	CHECK_EQ(sys(SYS_statfs, ".", &a), 0);
	plausible(&a);
	int fd = (int)CHECK_OK(sys(SYS_open, ".", O_RDONLY, 0));
	memset(&b, 0x11, sizeof(b));
	CHECK_EQ(sys(SYS_fstatfs, fd, &b), 0);
	plausible(&b);
	CHECK_STR(a.f_fstypename, b.f_fstypename);
	CHECK_STR(a.f_mntonname, b.f_mntonname);
	CHECK_STR(a.f_mntfromname, b.f_mntfromname);
	CHECK_EQ(a.f_blocks, b.f_blocks);
	CHECK_EQ(a.f_bsize, b.f_bsize);
	CHECK_EQ(a.f_fsid.val[0], b.f_fsid.val[0]);
	CHECK_EQ(a.f_fsid.val[1], b.f_fsid.val[1]);
}

TEST(errors)
{
	struct statfs fs;

	guest_put("file", "", 0);
	CHECK_ERR(sys(SYS_statfs, "missing", &fs), ENOENT);
	CHECK_ERR(sys(SYS_statfs, "file/x", &fs), ENOTDIR);
	CHECK_ERR(sys(SYS_fstatfs, 999, &fs), EBADF);
	CHECK_ERR(sys(SYS_statfs, ".", 8), EFAULT);
	CHECK_ERR(sys(SYS_statfs, 8, &fs), EFAULT);
	int ends[2];
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_ERR(sys(SYS_fstatfs, ends[0], &fs), EINVAL);
}

TEST(all_file_systems)
{
	long count = CHECK_OK(sys(SYS_getfsstat, NULL, 0, MNT_NOWAIT));
	CHECK(count >= 1);
	struct statfs *all = guest_map((size_t)(count + 2) * sizeof(*all));

	CHECK_EQ(sys(SYS_getfsstat, all, (count + 2) * sizeof(*all), MNT_NOWAIT), count);
	int root = 0;
	for (long i = 0; i < count; i++) {
		plausible(&all[i]);
		root += guest_strcmp(all[i].f_mntonname, "/") == 0;
	}
	CHECK(root >= 1);
	/* A smaller buffer takes what fits; a part of a struct is no struct. */
	memset(all, 0x5a, 2 * sizeof(*all));
	CHECK_EQ(sys(SYS_getfsstat, all, sizeof(*all), MNT_WAIT), 1);
	CHECK_EQ(*(u32 *)&all[1], 0x5a5a5a5a);
	CHECK_EQ(sys(SYS_getfsstat, all, sizeof(*all) - 1, MNT_WAIT), 0);
	CHECK_ERR(sys(SYS_getfsstat, all, sizeof(*all), 77), EINVAL);
	CHECK_ERR(sys(SYS_getfsstat, 8, sizeof(*all), MNT_NOWAIT), EFAULT);
}
