/*
 * What an ordinary user may not become and may not give away: EPERM, whatever number it names. FreeBSD: sys/kern/kern_prot.c,
 * sys/ufs/ufs/ufs_vnops.c (ufs_chown), setuid(2), setreuid(2), setresuid(2), getgroups(2), chown(2).
 *
 * tests/test_users.py runs these in every view too, where Linux calls most numbers invalid.
 */
#include "guest.h"

#define SETGROUPS 80		/* the first group is the effective one */
#define SETGROUPS_15 (GUEST_RELEASE >= 15 ? 596 : SETGROUPS)	/* there it is not in the list */

static const u32 FOREIGN[] = { 0, 1, 999, 4242, 65533, 65534, 65535, 0x7fffffff, 0xfffffffe };

/* Root becomes a user; a user stays what it is. */
static void
be_a_user(void)
{
	if (sys(SYS_geteuid) != 0)
		return;
	CHECK_EQ(sys(SYS_chmod, ".", 0777), 0);
	CHECK_EQ(sys(SYS_chown, ".", -1, 12345), 0);	/* what is made there has the folder's group on FreeBSD */
	CHECK_EQ(sys(SETGROUPS, 0, NULL), 0);
	CHECK_EQ(sys(SYS_setresgid, 12345, 12345, 12345), 0);
	CHECK_EQ(sys(SYS_setresuid, 12345, 12345, 12345), 0);
}

static void
check_ids(u32 real, u32 effective, u32 saved)
{
	u32 r, e, s;

	CHECK_EQ(sys(SYS_getresuid, &r, &e, &s), 0);
	CHECK(r == real && e == effective && s == saved);
}

TEST(become)
{
	gid_t groups[2];

	be_a_user();
	u32 uid = (u32)sys(SYS_getuid), gid = (u32)sys(SYS_getgid);
	for (size_t i = 0; i < nitems(FOREIGN); i++) {
		u32 id = FOREIGN[i];
		if (id == uid || id == gid)
			continue;
		CHECK_ERR(sys(SYS_setuid, id), EPERM);
		CHECK_ERR(sys(SYS_setgid, id), EPERM);
		CHECK_ERR(sys(SYS_seteuid, id), EPERM);
		CHECK_ERR(sys(SYS_setegid, id), EPERM);
		CHECK_ERR(sys(SYS_setreuid, id, -1), EPERM);
		CHECK_ERR(sys(SYS_setreuid, -1, id), EPERM);
		CHECK_ERR(sys(SYS_setreuid, uid, id), EPERM);
		CHECK_ERR(sys(SYS_setregid, id, -1), EPERM);
		CHECK_ERR(sys(SYS_setregid, gid, id), EPERM);
		CHECK_ERR(sys(SYS_setresuid, id, -1, -1), EPERM);
		CHECK_ERR(sys(SYS_setresuid, -1, id, uid), EPERM);
		CHECK_ERR(sys(SYS_setresuid, uid, uid, id), EPERM);
		CHECK_ERR(sys(SYS_setresgid, id, -1, -1), EPERM);
		CHECK_ERR(sys(SYS_setresgid, gid, gid, id), EPERM);
		groups[0] = gid;
		groups[1] = id;
		CHECK_ERR(sys(SETGROUPS, 2, groups), EPERM);
		CHECK_ERR(sys(SETGROUPS, 1, groups + 1), EPERM);
		CHECK_ERR(sys(SETGROUPS_15, 2, groups), EPERM);
	}
	/* -1 is an id where it is not said to leave another one as it is. */
	CHECK_ERR(sys(SYS_setuid, -1), EPERM);
	CHECK_ERR(sys(SYS_setgid, -1), EPERM);
	CHECK_ERR(sys(SYS_seteuid, -1), EPERM);
	CHECK_ERR(sys(SYS_setegid, -1), EPERM);
	/* The groups are read before the right is asked for. */
	CHECK_ERR(sys(SETGROUPS, 2, 8), EFAULT);
	CHECK_ERR(sys(SETGROUPS_15, 2, 8), EFAULT);
	CHECK_ERR(sys(SETGROUPS, 100000, groups), EINVAL);
	CHECK_ERR(sys(SETGROUPS_15, -1, groups), EINVAL);
	/* What one has may be named, in any form. */
	CHECK_EQ(sys(SYS_setuid, uid), 0);
	CHECK_EQ(sys(SYS_seteuid, uid), 0);
	CHECK_EQ(sys(SYS_setgid, gid), 0);
	CHECK_EQ(sys(SYS_setegid, gid), 0);
	CHECK_EQ(sys(SYS_setreuid, uid, -1), 0);
	CHECK_EQ(sys(SYS_setreuid, -1, -1), 0);
	CHECK_EQ(sys(SYS_setregid, -1, gid), 0);
	CHECK_EQ(sys(SYS_setresuid, -1, uid, -1), 0);
	CHECK_EQ(sys(SYS_setresgid, gid, -1, gid), 0);
	CHECK_EQ(sys(SYS_getuid), uid);
	CHECK_EQ(sys(SYS_getgid), gid);
}

TEST(nothing_taints)
{
	u32 uid = (u32)sys(SYS_getuid);

	/* A refused change is none, and neither is one to what is there (setsugid is called where an id differs). */
	CHECK_EQ(sys(SYS_setreuid, -1, -1), 0);
	CHECK_EQ(sys(SYS_setresuid, uid, -1, uid), 0);
	CHECK_EQ(sys(SYS_setresgid, -1, -1, -1), 0);
	if (uid != 0)
		CHECK_ERR(sys(SYS_setuid, uid + 1), EPERM);
	CHECK_EQ(sys(SYS_issetugid), 0);
}

TEST(saved_ids)
{
	if (sys(SYS_geteuid) != 0)
		SKIP("only root can have three different ids");
	/* setuid(2) sets all three wherever it is permitted: a program that gives its rights up does not keep them saved. */
	IN_CHILD({
		CHECK_EQ(sys(SYS_setresuid, 1000, 1001, 1002), 0);
		CHECK_ERR(sys(SYS_setuid, 1002), EPERM);
		CHECK_EQ(sys(SYS_setuid, 1000), 0);
		check_ids(1000, 1000, 1000);
		CHECK_ERR(sys(SYS_seteuid, 1002), EPERM);
	});
	IN_CHILD({
		CHECK_EQ(sys(SYS_setresuid, 1000, 1001, 1002), 0);
		CHECK_EQ(sys(SYS_setuid, 1001), 0);
		check_ids(1001, 1001, 1001);
	});
	IN_CHILD({
		u32 r; u32 e; u32 s;
		CHECK_EQ(sys(SYS_setresgid, 1000, 1001, 1002), 0);
		CHECK_EQ(sys(SYS_setresuid, 1000, 1000, 1000), 0);
		CHECK_ERR(sys(SYS_setgid, 1002), EPERM);
		CHECK_EQ(sys(SYS_setgid, 1000), 0);
		CHECK_EQ(sys(SYS_getresgid, &r, &e, &s), 0);
		CHECK(r == 1000 && e == 1000 && s == 1000);
	});
	/* The effective id alone may not be named again, only the real and the saved one. */
	IN_CHILD({
		CHECK_EQ(sys(SYS_setresuid, 1000, 1001, 1002), 0);
		CHECK_ERR(sys(SYS_seteuid, 1001), EPERM);
		CHECK_EQ(sys(SYS_seteuid, 1002), 0);
		check_ids(1000, 1002, 1002);
	});
	/* setreuid(2): the real one from the real and the saved, the effective one from all three. */
	IN_CHILD({
		CHECK_EQ(sys(SYS_setresuid, 1000, 1001, 1002), 0);
		CHECK_ERR(sys(SYS_setreuid, 1001, -1), EPERM);
		CHECK_EQ(sys(SYS_setreuid, 1002, 1001), 0);
		check_ids(1002, 1001, 1001);
		CHECK_EQ(sys(SYS_setreuid, -1, 1002), 0);
		check_ids(1002, 1002, 1001);
		CHECK_EQ(sys(SYS_setreuid, 1002, -1), 0);
		check_ids(1002, 1002, 1002);
	});
}

TEST(give_away)
{
	struct stat st;

	be_a_user();
	guest_put("mine", "text", 4);
	CHECK_EQ(sys(SYS_symlink, "mine", "link"), 0);
	int fd = (int)CHECK_OK(sys(SYS_open, "mine", O_RDWR, 0));
	int here = (int)CHECK_OK(sys(SYS_open, ".", O_RDONLY, 0));
	u32 uid = (u32)sys(SYS_getuid), gid = (u32)sys(SYS_getgid);
	for (size_t i = 0; i < nitems(FOREIGN); i++) {
		u32 id = FOREIGN[i];
		if (id == uid || id == gid)
			continue;
		CHECK_ERR(sys(SYS_chown, "mine", id, id), EPERM);
		CHECK_ERR(sys(SYS_chown, "link", -1, id), EPERM);
		CHECK_ERR(sys(SYS_lchown, "link", id, -1), EPERM);
		CHECK_ERR(sys(SYS_fchown, fd, id, gid), EPERM);
		CHECK_ERR(sys(SYS_fchown, fd, -1, id), EPERM);
		CHECK_ERR(sys(SYS_fchownat, here, "mine", uid, id, 0), EPERM);
		CHECK_ERR(sys(SYS_fchownat, AT_FDCWD, "link", id, gid, AT_SYMLINK_NOFOLLOW), EPERM);
		CHECK_ERR(sys(SYS_fchownat, fd, "", id, id, 0x4000 /* AT_EMPTY_PATH */), EPERM);
		CHECK_ERR(sys(SYS_fchownat, here, "mine", id, id, 0x2000 /* AT_RESOLVE_BENEATH */), EPERM);
		/* Other errors come first. */
		CHECK_ERR(sys(SYS_chown, "missing", id, id), ENOENT);
		CHECK_ERR(sys(SYS_chown, "mine/below", id, id), ENOTDIR);
		CHECK_ERR(sys(SYS_fchown, 99, id, id), EBADF);
		CHECK_ERR(sys(SYS_chown, 8, id, id), EFAULT);
	}
	CHECK_ERR(sys(SYS_fchownat, here, "mine", 1, 1, 0x10000), EINVAL);
	/* The file is still the user's, and it may say so. */
	CHECK_EQ(sys(SYS_chown, "mine", uid, gid), 0);
	CHECK_EQ(sys(SYS_chown, "mine", -1, -1), 0);
	CHECK_EQ(sys(SYS_lchown, "link", uid, -1), 0);
	CHECK_EQ(sys(SYS_fchown, fd, -1, gid), 0);
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_uid, uid);
	CHECK_EQ(st.st_gid, gid);
	/* What belongs to others stays theirs, to whomever it is given: VADMIN is the owner's. */
	const char *foreign = guest_stat("/proc/sys/kernel/pid_max", &st) == 0 ? "/proc/sys/kernel/pid_max" : "/";
	CHECK_EQ(guest_stat(foreign, &st), 0);
	CHECK_ERR(sys(SYS_chown, foreign, uid, -1), EPERM);
	CHECK_ERR(sys(SYS_chown, foreign, st.st_uid, st.st_gid), EPERM);
	CHECK_ERR(sys(SYS_chown, foreign, -1, st.st_gid), EPERM);
}

/* A file of the user's in a group that is not its own ("theirs", made by the test): the group may be named again, and no other
 * one given (ufs_chown asks for the right where an id changes). */
HELPER(group_of_others)
{
	struct stat st;
	int fd = (int)CHECK_OK(sys(SYS_open, "theirs", O_RDWR, 0));

	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_uid, sys(SYS_geteuid));
	CHECK(st.st_gid != (u32)sys(SYS_getegid));
	CHECK_EQ(sys(SYS_fchown, fd, st.st_uid, st.st_gid), 0);
	CHECK_EQ(sys(SYS_chown, "theirs", -1, st.st_gid), 0);
	CHECK_EQ(sys(SYS_lchown, "theirs", st.st_uid, st.st_gid), 0);
	CHECK_ERR(sys(SYS_chown, "theirs", -1, 4241), EPERM);
	CHECK_ERR(sys(SYS_chown, "theirs", 0, st.st_gid), EPERM);
	CHECK_EQ(sys(SYS_chown, "theirs", -1, sys(SYS_getegid)), 0);
}
