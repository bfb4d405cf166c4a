/*
 * Root gives its rights up, and looks whether it has: setuid(2), setgid(2), setgroups(2), seteuid(2) there and
 * back, in a child and over exec. FreeBSD: sys/kern/kern_prot.c.
 *
 * tests/start/test_fakeroot.py runs these where Linux lets nobody become anybody else.
 */
#include "guest.h"

#define SETGROUPS 80		/* the first group is the effective one */
#define NOBODY 65534

static void
be_root(void)
{
	if (sys(SYS_geteuid) != 0)
		SKIP("only root can give its rights up");
}

static void
check_ids(long call, u32 real, u32 effective, u32 saved)
{
	u32 r, e, s;

	CHECK_EQ(sys(call, &r, &e, &s), 0);
	CHECK_EQ(r, real);
	CHECK_EQ(e, effective);
	CHECK_EQ(s, saved);
}

static void
give_up(void)
{
	gid_t group = NOBODY;

	CHECK_EQ(sys(SETGROUPS, 1, &group), 0);
	CHECK_EQ(sys(SYS_getegid), NOBODY);
	CHECK_EQ(sys(SYS_setgid, NOBODY), 0);
	CHECK_EQ(sys(SYS_setuid, NOBODY), 0);
}

TEST(for_good)
{
	gid_t groups[16];

	be_root();
	give_up();
	CHECK_EQ(sys(SYS_getuid), NOBODY);
	CHECK_EQ(sys(SYS_geteuid), NOBODY);
	CHECK_EQ(sys(SYS_getgid), NOBODY);
	CHECK_EQ(sys(SYS_getegid), NOBODY);
	check_ids(SYS_getresuid, NOBODY, NOBODY, NOBODY);
	check_ids(SYS_getresgid, NOBODY, NOBODY, NOBODY);
	CHECK(sys(79, 16, groups) >= 1);
	CHECK_EQ(groups[0], NOBODY);
	CHECK_EQ(sys(SYS_issetugid), 1);
	CHECK_ERR(sys(SYS_setuid, 0), EPERM);
	CHECK_ERR(sys(SYS_seteuid, 0), EPERM);
	CHECK_ERR(sys(SYS_setgid, 0), EPERM);
	CHECK_ERR(sys(SYS_setresuid, -1, 0, -1), EPERM);
	CHECK_ERR(sys(SETGROUPS, 1, groups), EPERM);
	CHECK_EQ(sys(SYS_setuid, NOBODY), 0);
}

TEST(for_a_while)
{
	be_root();
	CHECK_EQ(sys(SYS_setegid, 5), 0);
	CHECK_EQ(sys(SYS_seteuid, NOBODY), 0);
	check_ids(SYS_getresuid, 0, NOBODY, 0);
	check_ids(SYS_getresgid, 0, 5, 0);
	CHECK_ERR(sys(SYS_seteuid, 1), EPERM);
	CHECK_EQ(sys(SYS_seteuid, 0), 0);
	CHECK_EQ(sys(SYS_setegid, 0), 0);
	check_ids(SYS_getresuid, 0, 0, 0);
	check_ids(SYS_getresgid, 0, 0, 0);
	CHECK_EQ(sys(SYS_setreuid, 7, 8), 0);
	check_ids(SYS_getresuid, 7, 8, 8);
}

TEST(in_a_child)
{
	be_root();
	IN_CHILD(
		give_up();
		CHECK_EQ(sys(SYS_getuid), NOBODY);
		CHECK_EQ(sys(SYS_getegid), NOBODY));
	CHECK_EQ(sys(SYS_geteuid), 0);
	CHECK_EQ(sys(SYS_getegid), 0);
}

TEST(over_exec)
{
	const char *argv[] = { guest_argv[0], "@executed", 0 };

	be_root();
	int program = (int)CHECK_OK(sys(SYS_open, guest_argv[0], O_RDONLY));
	IN_CHILD(
		CHECK_EQ(sys(SYS_setresgid, 5, 6, 7), 0);
		CHECK_EQ(sys(SYS_setresuid, 0, 8, 9), 0);
		CHECK_OK(sys(SYS_seteuid, 0));
		CHECK_EQ(sys(SYS_setresuid, 7, 8, 9), 0);
		CHECK_OK(sys(SYS_fexecve, program, argv, guest_envp)));
}

/* exec makes the effective id the saved one too. */
HELPER(executed)
{
	check_ids(SYS_getresuid, 7, 8, 8);
	check_ids(SYS_getresgid, 5, 6, 6);
}
