/* chflags(2), chmod(2), lchmod(2): FreeBSD sys/ufs/ufs/ufs_vnops.c (ufs_setattr, ufs_chmod, ufs_remove, ufs_rename). */
#include "guest.h"
#include <sys/socket.h>
#include <sys/un.h>

#define OPEN(path, flags) (int)CHECK_OK(sys(SYS_open, path, flags, 0644))

TEST(flags_that_linux_has)
{
	struct stat st;
	int fd;

	guest_put("a", "a", 1);
	long ret = sys(SYS_chflags, "a", UF_NODUMP);
	if (ret == -EOPNOTSUPP)
		SKIP("this file system keeps no flags");
	CHECK_EQ(ret, 0);
	CHECK_EQ(guest_stat("a", &st), 0);
	CHECK_EQ(st.st_flags, UF_NODUMP);
	fd = OPEN("a", O_RDONLY);
	CHECK_EQ(sys(SYS_fchflags, fd, 0), 0);
	CHECK_EQ(guest_stat("a", &st), 0);
	CHECK_EQ(st.st_flags, 0);
	CHECK_EQ(sys(SYS_chflagsat, AT_FDCWD, "a", UF_NODUMP, AT_SYMLINK_NOFOLLOW), 0);
	CHECK_EQ(sys(SYS_lchflags, "a", 0), 0);
	ret = sys(SYS_chflags, "a", SF_IMMUTABLE);
	if (ret == 0) {
		CHECK_EQ(guest_stat("a", &st), 0);
		CHECK_EQ(st.st_flags, SF_IMMUTABLE);
		CHECK_ERR(sys(SYS_unlink, "a"), EPERM);
		CHECK_EQ(sys(SYS_chflags, "a", 0), 0);
	} else
		CHECK_EQ(ret, -EPERM);
	CHECK_EQ(sys(SYS_unlink, "a"), 0);
}

/* The user's immutable flag and the superuser's are told apart, and each is taken away by its own name. */
TEST(flags_of_user_and_superuser)
{
	struct stat st;
	int fd;

	guest_put("a", "a", 1);
	long ret = sys(SYS_chflags, "a", UF_IMMUTABLE);
	if (ret == -EOPNOTSUPP || ret == -EPERM)
		SKIP("this file system, or this user, has no immutable files");
	CHECK_EQ(ret, 0);
	CHECK_EQ(guest_stat("a", &st), 0);
	if (st.st_flags == SF_IMMUTABLE) {
		CHECK_EQ(sys(SYS_chflags, "a", 0), 0);
		SKIP("no trusted attributes here: the flag counts as the superuser's");
	}
	CHECK_EQ(st.st_flags, UF_IMMUTABLE);
	CHECK_ERR(sys(SYS_unlink, "a"), EPERM);
	fd = OPEN("a", O_RDONLY);
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_flags, UF_IMMUTABLE);
	CHECK_EQ(sys(SYS_fchflags, fd, SF_IMMUTABLE | UF_NODUMP), 0);
	CHECK_EQ(guest_stat("a", &st), 0);
	CHECK_EQ(st.st_flags, SF_IMMUTABLE | UF_NODUMP);
	CHECK_EQ(sys(SYS_chflags, "a", SF_IMMUTABLE | UF_IMMUTABLE), 0);
	CHECK_EQ(guest_stat("a", &st), 0);
	CHECK_EQ(st.st_flags, SF_IMMUTABLE | UF_IMMUTABLE);
	CHECK_EQ(sys(SYS_chflags, "a", UF_APPEND), 0);
	CHECK_EQ(guest_stat("a", &st), 0);
	CHECK_EQ(st.st_flags, UF_APPEND);
	CHECK_ERR(sys(SYS_open, "a", O_RDWR), EPERM);
	CHECK_EQ(sys(SYS_chflags, "a", 0), 0);
	CHECK_EQ(guest_stat("a", &st), 0);
	CHECK_EQ(st.st_flags, 0);
	CHECK_EQ(sys(SYS_unlink, "a"), 0);
}

/* The flags that Linux lacks are kept, shown by every stat, and change one by one (ufs_setattr). */
TEST(flags_that_linux_lacks)
{
	static const u32 flags[] = { UF_HIDDEN, UF_SYSTEM, UF_ARCHIVE, UF_OFFLINE, UF_OPAQUE, UF_READONLY, UF_REPARSE, UF_SPARSE,
		UF_HIDDEN | UF_NODUMP, UF_HIDDEN | UF_ARCHIVE | UF_SYSTEM };
	struct stat st;

	guest_put("a", "a", 1);
	if (sys(SYS_chflags, "a", UF_NODUMP | UF_HIDDEN) == -EOPNOTSUPP)
		SKIP("this file system has no attributes, or none of the user's");
	int fd = OPEN("a", O_RDWR);
	for (size_t i = 0; i < nitems(flags); i++) {
		CHECK_EQ(sys(SYS_chflags, "a", flags[i]), 0);
		CHECK_EQ(guest_stat("a", &st), 0);
		CHECK_EQ(st.st_flags, flags[i]);
		CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
		CHECK_EQ(st.st_flags, flags[i]);
		CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, "a", &st, AT_SYMLINK_NOFOLLOW), 0);
		CHECK_EQ(st.st_flags, flags[i]);
	}
	CHECK_EQ(sys(SYS_write, fd, "b", 1), 1);
	CHECK_EQ(sys(SYS_fchflags, fd, UF_NODUMP), 0);
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_flags, UF_NODUMP);
	CHECK_EQ(sys(SYS_fchflags, fd, 0), 0);
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_flags, 0);
	CHECK_EQ(sys(SYS_mkdir, "d", 0755), 0);
	CHECK_EQ(sys(SYS_chflags, "d", UF_HIDDEN), 0);
	CHECK_EQ(guest_stat("d", &st), 0);
	CHECK_EQ(st.st_flags, UF_HIDDEN);
	/* A new file has none, one that is linked and renamed keeps them. */
	guest_put("d/b", "b", 1);
	CHECK_EQ(guest_stat("d/b", &st), 0);
	CHECK_EQ(st.st_flags, 0);
	CHECK_EQ(sys(SYS_chflags, "d/b", UF_OFFLINE), 0);
	CHECK_EQ(sys(SYS_link, "d/b", "c"), 0);
	CHECK_EQ(sys(SYS_rename, "d/b", "e"), 0);
	CHECK_EQ(guest_stat("c", &st), 0);
	CHECK_EQ(st.st_flags, UF_OFFLINE);
	CHECK_EQ(guest_stat("e", &st), 0);
	CHECK_EQ(st.st_flags, UF_OFFLINE);
}

TEST(flags_that_are_none)
{
	guest_put("a", "a", 1);
	CHECK_EQ(sys(SYS_mkfifo, "p", 0644), 0);
	CHECK_EQ(sys(SYS_symlink, "missing", "s"), 0);
	CHECK_ERR(sys(SYS_chflags, "a", 0x40), EOPNOTSUPP);
	CHECK_ERR(sys(SYS_chflags, "a", 0x4000), EOPNOTSUPP);
	CHECK_ERR(sys(SYS_chflags, "a", 1UL << 40), EOPNOTSUPP);
	CHECK_EQ(sys(SYS_chflags, "p", 0), 0);
	CHECK_ERR(sys(SYS_chflags, "s", 0), ENOENT);
	CHECK_EQ(sys(SYS_lchflags, "s", 0), 0);
	CHECK_ERR(sys(SYS_chflagsat, AT_FDCWD, "a", 0, 0x40000), EINVAL);
	/* A snapshot is made by the file system alone. */
	CHECK_ERR(sys(SYS_chflags, "a", SF_SNAPSHOT), EPERM);
}

/* ufs_remove, ufs_rmdir and ufs_rename: EPERM for a file that must not be unlinked, as source and as target. It can be
 * written, linked and given other attributes. */
TEST(no_unlink)
{
	static const u32 flags[] = { UF_NOUNLINK, SF_NOUNLINK };
	struct stat st;

	for (size_t i = 0; i < nitems(flags); i++) {
		guest_put("a", "a", 1);
		guest_put("b", "b", 1);
		CHECK_EQ(sys(SYS_mkdir, "d", 0755), 0);
		long ret = sys(SYS_chflags, "a", flags[i]);
		if (ret == -EOPNOTSUPP)
			SKIP("this file system has no attributes, or none of the user's");
		if (sys(SYS_geteuid) != 0 && flags[i] == SF_NOUNLINK) {
			CHECK_EQ(ret, -EPERM);
			break;
		}
		CHECK_EQ(ret, 0);
		CHECK_EQ(sys(SYS_chflags, "d", flags[i]), 0);
		CHECK_EQ(guest_stat("a", &st), 0);
		CHECK_EQ(st.st_flags, flags[i]);
		CHECK_ERR(sys(SYS_unlink, "a"), EPERM);
		CHECK_ERR(sys(SYS_unlinkat, AT_FDCWD, "a", 0), EPERM);
		CHECK_ERR(sys(SYS_unlinkat, AT_FDCWD, "a", AT_RESOLVE_BENEATH), EPERM);
		CHECK_ERR(sys(SYS_funlinkat, AT_FDCWD, "a", FD_NONE, 0), EPERM);
		CHECK_ERR(sys(SYS_rename, "a", "c"), EPERM);
		CHECK_ERR(sys(SYS_rename, "b", "a"), EPERM);
		CHECK_ERR(sys(SYS_renameat, AT_FDCWD, "a", AT_FDCWD, "c"), EPERM);
		CHECK_ERR(sys(SYS_rmdir, "d"), EPERM);
		CHECK_ERR(sys(SYS_rename, "d", "e"), EPERM);
		guest_put("d/inner", "x", 1);
		CHECK_EQ(sys(SYS_unlink, "d/inner"), 0);
		CHECK_EQ(sys(SYS_chmod, "a", 0600), 0);
		CHECK_EQ(sys(SYS_truncate, "a", 0), 0);
		/* Its other name is as safe. */
		CHECK_EQ(sys(SYS_link, "a", "l"), 0);
		CHECK_ERR(sys(SYS_unlink, "l"), EPERM);
		CHECK_EQ(sys(SYS_chflags, "a", 0), 0);
		CHECK_EQ(sys(SYS_chflags, "d", 0), 0);
		CHECK_EQ(sys(SYS_unlink, "l"), 0);
		CHECK_EQ(sys(SYS_unlink, "a"), 0);
		CHECK_EQ(sys(SYS_rmdir, "d"), 0);
	}
}

/* An owner's flag is kept of a file that the owner may not write to, too, and its mode stays. */
TEST(flags_of_a_read_only_file)
{
	struct stat st;

	if (sys(SYS_geteuid) == 0) {
		CHECK_EQ(sys(SYS_chmod, ".", 0777), 0);
		CHECK_EQ(sys(SYS_setresuid, 12345, 12345, 12345), 0);
	}
	guest_put("a", "a", 1);
	CHECK_EQ(sys(SYS_chmod, "a", 0444), 0);
	long ret = sys(SYS_chflags, "a", UF_HIDDEN);
	if (ret == -EOPNOTSUPP)
		SKIP("this file system has no attributes, or none of the user's");
	CHECK_EQ(ret, 0);
	CHECK_EQ(guest_stat("a", &st), 0);
	CHECK_EQ(st.st_flags, UF_HIDDEN);
	CHECK_EQ(st.st_mode, S_IFREG | 0444);
	/* The superuser's flags are not an owner's to set. */
	CHECK_ERR(sys(SYS_chflags, "a", UF_HIDDEN | SF_ARCHIVED), EPERM);
	CHECK_ERR(sys(SYS_chflags, "a", SF_IMMUTABLE), EPERM);
}

/* An owner may set the user's flags: ufs_setattr refuses only the superuser's, and files that have one of those, and files
 * of others. Where the owner cannot on Linux, it is the file system that lacks them. */
/* judge: policy, the owner of a file may set no flags on Linux; EOPNOTSUPP is what programs forgive */
TEST(flags_of_an_owner)
{
	static const u32 flags[] = { UF_IMMUTABLE, UF_APPEND, UF_IMMUTABLE | UF_NODUMP };
	struct stat st;

	guest_put("roots", "a", 1);
	CHECK_EQ(sys(SYS_chmod, "roots", 0666), 0);
	if (sys(SYS_geteuid) == 0) {
		CHECK_EQ(sys(SYS_chmod, ".", 0777), 0);
		CHECK_EQ(sys(SYS_setresuid, 12345, 12345, 12345), 0);
		CHECK_ERR(sys(SYS_chflags, "roots", UF_IMMUTABLE), EPERM);
	}
	guest_put("mine", "a", 1);
	int fd = OPEN("mine", O_RDONLY);
	for (size_t i = 0; i < nitems(flags); i++) {
		CHECK_ERR(sys(SYS_chflags, "mine", flags[i]), EOPNOTSUPP);
		CHECK_ERR(sys(SYS_lchflags, "mine", flags[i]), EOPNOTSUPP);
		CHECK_ERR(sys(SYS_fchflags, fd, flags[i]), EOPNOTSUPP);
	}
	CHECK_ERR(sys(SYS_chflags, "mine", SF_IMMUTABLE), EPERM);
	CHECK_EQ(guest_stat("mine", &st), 0);
	CHECK_EQ(st.st_flags, 0);
	CHECK_EQ(sys(SYS_unlink, "mine"), 0);
}

/* A link has a mode of its own (lchmod(2)): it is kept where Linux lets it be, which is for root, and asked for in vain and
 * without an error elsewhere. The target's stays. */
TEST(mode_of_a_link)
{
	struct stat st, before;
	u32 user = (u32)sys(SYS_geteuid);

	guest_put("file", "x", 1);
	CHECK_EQ(sys(SYS_chmod, "file", 0640), 0);
	CHECK_EQ(sys(SYS_symlink, "file", "link"), 0);
	CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, "link", &before, AT_SYMLINK_NOFOLLOW), 0);
	CHECK_EQ(sys(SYS_lchmod, "link", 0700), 0);
	CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
	CHECK(st.st_mode == (S_IFLNK | 0700) || st.st_mode == before.st_mode);
	int kept = st.st_mode != before.st_mode;
	int fd = OPEN("link", O_PATH | O_NOFOLLOW);
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_mode, kept ? S_IFLNK | 0700 : before.st_mode);
	CHECK_EQ(sys(SYS_fstatat, fd, "", &st, AT_EMPTY_PATH), 0);
	CHECK_EQ(st.st_mode, kept ? S_IFLNK | 0700 : before.st_mode);
	CHECK_EQ(sys(SYS_fchmodat, AT_FDCWD, "link", 0755, AT_SYMLINK_NOFOLLOW), 0);
	CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
	CHECK_EQ(st.st_mode, kept ? S_IFLNK | 0755 : before.st_mode);
	CHECK_EQ(sys(SYS_lchmod, "link", 0777), 0);
	CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
	CHECK_EQ(st.st_mode & ALLPERMS, 0777);
	CHECK_EQ(guest_stat("file", &st), 0);
	CHECK_EQ(st.st_mode, S_IFREG | 0640);
	CHECK_ERR(sys(SYS_lchmod, "missing", 0700), ENOENT);
	if (user == 0) {
		CHECK_EQ(sys(SYS_chmod, ".", 0777), 0);
		CHECK_EQ(sys(SYS_setresuid, 12345, 12345, 12345), 0);
		CHECK_ERR(sys(SYS_lchmod, "link", 0700), EPERM);
		CHECK_EQ(sys(SYS_symlink, "file", "mine"), 0);
		CHECK_EQ(sys(SYS_lchmod, "mine", 0700), 0);
		CHECK_ERR(sys(SYS_lchmod, "mine", 01700), EFTYPE);
	}
}

/* ufs_chown: both set-id bits go from what a user gives to another group, whatever it is. */
TEST(set_ids_of_what_is_given_away)
{
	static const char *const names[] = { "file", "dir", "fifo", "plain" };
	gid_t groups[] = { 12345, 54321 };
	struct stat st;

	if (sys(SYS_geteuid) != 0)
		SKIP("needs root, to be in two groups");
	CHECK_EQ(sys(SYS_chmod, ".", 0777), 0);
	CHECK_EQ(sys(SYS_chown, ".", -1, 12345), 0);	/* what is made there has the folder's group on FreeBSD */
	CHECK_EQ(sys(SYS_setgroups, 2, groups), 0);
	CHECK_EQ(sys(SYS_setresgid, 12345, 12345, 12345), 0);
	CHECK_EQ(sys(SYS_setresuid, 12345, 12345, 12345), 0);
	guest_put("file", "x", 1);
	guest_put("plain", "x", 1);
	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	CHECK_EQ(sys(SYS_mkfifo, "fifo", 0755), 0);
	for (size_t i = 0; i < nitems(names); i++) {
		u32 mode = i == 3 ? 06644 : 06755;	/* "plain": its group may not execute it */
		CHECK_EQ(sys(SYS_chmod, names[i], mode), 0);
		CHECK_EQ(sys(SYS_chown, names[i], 12345, 12345), 0);	/* has it already */
		CHECK_EQ(sys(SYS_chown, names[i], -1, -1), 0);
		CHECK_EQ(guest_stat(names[i], &st), 0);
		CHECK_EQ(st.st_mode & ALLPERMS, mode);
		CHECK_EQ(sys(SYS_chown, names[i], -1, 54321), 0);
		CHECK_EQ(guest_stat(names[i], &st), 0);
		CHECK_EQ(st.st_gid, 54321);
		CHECK_EQ(st.st_mode & ALLPERMS, mode & 0777);
		CHECK_EQ(sys(SYS_chmod, names[i], mode), 0);
		CHECK_EQ(sys(SYS_lchown, names[i], 12345, 12345), 0);
		CHECK_EQ(guest_stat(names[i], &st), 0);
		CHECK_EQ(st.st_mode & ALLPERMS, mode & 0777);
	}
}

/* ufs_chmod: the sticky bit of what is no directory is root's to set, the set-group-id bit is for members of the group. */
TEST(mode_bits_of_a_user)
{
	struct stat st;

	if (sys(SYS_geteuid) == 0) {
		CHECK_EQ(sys(SYS_chmod, ".", 0777), 0);
		CHECK_EQ(sys(SYS_chown, ".", -1, 12345), 0);
		guest_put("foreign", "x", 1);
		CHECK_EQ(sys(SYS_chown, "foreign", 12345, 4321), 0);
		CHECK_EQ(sys(SYS_chmod, "foreign", 01644), 0);
		CHECK_EQ(sys(SYS_setgroups, 0, NULL), 0);
		CHECK_EQ(sys(SYS_setresgid, 12345, 12345, 12345), 0);
		CHECK_EQ(sys(SYS_setresuid, 12345, 12345, 12345), 0);
		CHECK_ERR(sys(SYS_chmod, "foreign", 02755), EPERM);
		CHECK_EQ(guest_stat("foreign", &st), 0);
		CHECK_EQ(st.st_mode, S_IFREG | 01644);
		CHECK_EQ(sys(SYS_chmod, "foreign", 0600), 0);
	}
	guest_put("mine", "x", 1);
	int fd = OPEN("mine", O_RDONLY);
	CHECK_ERR(sys(SYS_chmod, "mine", 01644), EFTYPE);
	CHECK_ERR(sys(SYS_fchmod, fd, 01644), EFTYPE);
	CHECK_ERR(sys(SYS_fchmodat, AT_FDCWD, "mine", 01644, 0), EFTYPE);
	CHECK_ERR(sys(SYS_fchmodat, AT_FDCWD, "mine", 01644, AT_SYMLINK_NOFOLLOW), EFTYPE);
	CHECK_EQ(sys(SYS_chmod, "mine", 06755), 0);
	CHECK_EQ(guest_stat("mine", &st), 0);
	CHECK_EQ(st.st_mode, S_IFREG | 06755);
	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	CHECK_EQ(sys(SYS_chmod, "dir", 01777), 0);
	CHECK_ERR(sys(SYS_chmod, "/", 01777), EPERM);
}

/* What is no file has flags, too: kept, shown by every stat, and three pairs of them keep it where it is (ufs_remove, ufs_rename, ufs_link). */
TEST(flags_of_special_files)
{
	static const char *const names[] = { "fifo", "device", "socket", "link" };
	static const u32 held[] = { UF_IMMUTABLE, UF_APPEND, UF_NOUNLINK, SF_IMMUTABLE, SF_APPEND, SF_NOUNLINK };
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "socket" };
	struct stat st;
	int made = 0;

	un.sun_len = sizeof(un);
	if (sys(SYS_geteuid) != 0)
		SKIP("root's to keep");
	CHECK_EQ(sys(SYS_mkfifo, "fifo", 0644), 0);
	made += sys(SYS_mknodat, AT_FDCWD, "device", S_IFCHR | 0600, 0x103UL) == 0;
	made += sys(SYS_bind, sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0), &un, sizeof(un)) == 0;
	CHECK_EQ(sys(SYS_symlink, "fifo", "link"), 0);
	CHECK_EQ(made, 2);
	for (size_t i = 0; i < nitems(names); i++) {
		CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, names[i], &st, AT_SYMLINK_NOFOLLOW), 0);
		CHECK_EQ(st.st_flags, 0);
		long ret = sys(SYS_lchflags, names[i], UF_NODUMP | UF_HIDDEN | SF_ARCHIVED);
		if (ret == -EOPNOTSUPP)
			SKIP("this file system keeps no such attributes");
		CHECK_EQ(ret, 0);
		CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, names[i], &st, AT_SYMLINK_NOFOLLOW), 0);
		CHECK_EQ(st.st_flags, UF_NODUMP | UF_HIDDEN | SF_ARCHIVED);
		int dir = (int)CHECK_OK(sys(SYS_open, ".", O_RDONLY | O_DIRECTORY));
		CHECK_EQ(sys(SYS_fstatat, dir, names[i], &st, AT_SYMLINK_NOFOLLOW), 0);
		CHECK_EQ(st.st_flags, UF_NODUMP | UF_HIDDEN | SF_ARCHIVED);
		CHECK_ERR(sys(SYS_lchflags, names[i], 0x40), EOPNOTSUPP);
		for (size_t j = 0; j < nitems(held); j++) {
			CHECK_EQ(sys(SYS_chflagsat, dir, names[i], held[j], AT_SYMLINK_NOFOLLOW), 0);
			CHECK_ERR(sys(SYS_unlink, names[i]), EPERM);
			CHECK_ERR(sys(SYS_unlinkat, dir, names[i], 0), EPERM);
			CHECK_ERR(sys(SYS_rename, names[i], "other"), EPERM);
			guest_put("file", "x", 1);
			CHECK_ERR(sys(SYS_renameat, dir, "file", dir, names[i]), EPERM);
			CHECK_ERR(sys(SYS_rename, "missing", names[i]), ENOENT);
			ret = sys(SYS_linkat, dir, names[i], dir, "second", 0);
			CHECK_EQ(ret, held[j] == UF_NOUNLINK || held[j] == SF_NOUNLINK ? 0 : -EPERM);
			if (ret == 0)
				CHECK_EQ(sys(SYS_lchflags, "second", 0), 0);
			if (ret == 0)
				CHECK_EQ(sys(SYS_unlink, "second"), 0);
		}
		/* Who is no superuser may not take the superuser's flags away, nor see a device's changed (setfflags). */
		CHECK_EQ(sys(SYS_lchflags, names[i], SF_ARCHIVED | SF_NOUNLINK), 0);
		IN_CHILD({
			CHECK_EQ(sys(SYS_setresuid, 1234, 1234, 1234), 0);
			CHECK_ERR(sys(SYS_lchflags, names[i], 0), EPERM);
			CHECK_ERR(sys(SYS_lchflags, names[i], UF_NODUMP), EPERM);
			CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, names[i], &st, AT_SYMLINK_NOFOLLOW), 0);
			CHECK_EQ(st.st_flags, SF_ARCHIVED | SF_NOUNLINK);
		});
		CHECK_EQ(sys(SYS_lchflags, names[i], 0), 0);
		CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, names[i], &st, AT_SYMLINK_NOFOLLOW), 0);
		CHECK_EQ(st.st_flags, 0);
		CHECK_EQ(sys(SYS_rename, names[i], "other"), 0);
		CHECK_EQ(sys(SYS_unlink, "other"), 0);
		CHECK_EQ(sys(SYS_close, dir), 0);
	}
}

/* By descriptor: the FIFO's flags, and not those of a pipe, which has none. */
TEST(flags_of_an_open_fifo)
{
	struct stat st;

	if (sys(SYS_geteuid) != 0)
		SKIP("root's to keep");
	CHECK_EQ(sys(SYS_mkfifo, "fifo", 0644), 0);
	int fd = (int)CHECK_OK(sys(SYS_open, "fifo", O_RDONLY | O_NONBLOCK));
	long ret = sys(SYS_fchflags, fd, UF_OFFLINE);
	if (ret == -EOPNOTSUPP)
		SKIP("this file system keeps no such attributes");
	CHECK_EQ(ret, 0);
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_flags, UF_OFFLINE);
	CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, "fifo", &st, 0), 0);
	CHECK_EQ(st.st_flags, UF_OFFLINE);
	CHECK_EQ(sys(SYS_fchflags, fd, 0), 0);
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_flags, 0);
}

/* A time of modification before the birth is the time of birth, too (setutimes). */
TEST(born_when_modified)
{
	struct timespec times[2] = { { 100, 7 }, { 200, 8 } }, later[2] = { { 4000000000, 0 }, { 4000000000, 0 } };
	struct stat st;

	guest_put("file", "x", 1);
	CHECK_EQ(guest_stat("file", &st), 0);
	if (st.st_birthtim.tv_sec == -1)
		SKIP("this file system tells no time of birth");
	time_t born = st.st_birthtim.tv_sec;
	CHECK_EQ(sys(SYS_utimensat, AT_FDCWD, "file", later, 0), 0);
	CHECK_EQ(guest_stat("file", &st), 0);
	CHECK_EQ(st.st_birthtim.tv_sec, born);
	CHECK_EQ(sys(SYS_utimensat, AT_FDCWD, "file", times, 0), 0);
	CHECK_EQ(guest_stat("file", &st), 0);
	CHECK_EQ(st.st_birthtim.tv_sec, 200);
	CHECK_EQ(st.st_birthtim.tv_nsec, 8);
}

/* What keeps a name keeps it also from who has no descriptor free. */
TEST(held_without_a_descriptor)
{
	static const char *const names[] = { "file", "fifo" };
	struct rlimit limit;

	if (sys(SYS_geteuid) != 0)
		SKIP("root's to keep");
	guest_put("file", "x", 1);
	CHECK_EQ(sys(SYS_mkfifo, "fifo", 0644), 0);
	int dir = (int)CHECK_OK(sys(SYS_open, ".", O_RDONLY | O_DIRECTORY));
	for (int i = 0; i < 2; i++) {
		long ret = sys(SYS_lchflags, names[i], UF_NOUNLINK);
		if (ret == -EOPNOTSUPP)
			SKIP("this file system keeps no such attributes");
		CHECK_EQ(ret, 0);
	}
	CHECK_EQ(sys(SYS_getrlimit, RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = (rlim_t)dir + 1;
	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_NOFILE, &limit), 0);
	CHECK_ERR(sys(SYS_dup, dir), EMFILE);
	for (int i = 0; i < 2; i++) {
		CHECK_ERR(sys(SYS_unlinkat, dir, names[i], 0), EPERM);
		CHECK_ERR(sys(SYS_unlink, names[i]), EPERM);
		CHECK_ERR(sys(SYS_renameat, dir, names[i], dir, "other"), EPERM);
	}
	limit.rlim_cur = limit.rlim_max;
	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_NOFILE, &limit), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(sys(SYS_lchflags, names[i], 0), 0);
		CHECK_EQ(sys(SYS_unlinkat, dir, names[i], 0), 0);
	}
}
