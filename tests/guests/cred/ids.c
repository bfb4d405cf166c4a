/* Users, groups, login names, limits, issetugid. */
#include "guest.h"

TEST(users_and_groups)
{
	uid_t r, e, s;

	CHECK_EQ(sys(SYS_getresuid, &r, &e, &s), 0);
	CHECK_EQ(sys(SYS_getuid), r);
	CHECK_EQ(sys(SYS_geteuid), e);
	CHECK_EQ(sys(SYS_getresgid, &r, &e, &s), 0);
	CHECK_EQ(sys(SYS_getgid), r);
	CHECK_EQ(sys(SYS_getegid), e);
	CHECK_EQ(sys(SYS_getresuid, NULL, NULL, NULL), 0);
	gid_t groups[1024];
	long n = CHECK_OK(sys(SYS_getgroups, 1024, groups));
#if GUEST_RELEASE < 15
	/* The effective group comes first in the list. */
	CHECK(n >= 1);
	CHECK_EQ(groups[0], e);
#endif
	CHECK_EQ(sys(SYS_getgroups, 0, NULL), n);
	if (n > 1)
		CHECK_ERR(sys(SYS_getgroups, 1, groups), EINVAL);
	CHECK_ERR(sys(SYS_getgroups, -1, groups), EINVAL);
}

TEST(not_tainted)
{
	CHECK_EQ(sys(SYS_issetugid), 0);
}

TEST(change_of_user)
{
	if (sys(SYS_geteuid) != 0)
		SKIP("only root can change its user");
	IN_CHILD({
		gid_t groups[2] = { 100, 200 };
		gid_t back[8];
		uid_t r; uid_t e = (uid_t)sys(SYS_getegid); uid_t s;
		CHECK_EQ(sys(SYS_setgroups, 2, groups), 0);
		CHECK_EQ(sys(SYS_getgroups, 8, back), 2);
		CHECK(back[0] == 100 && back[1] == 200);
		/* The first group is the effective one, before 15. */
		CHECK_EQ(sys(SYS_getegid), GUEST_RELEASE >= 15 ? e : 100);
		CHECK_EQ(sys(SYS_setresgid, 300, 301, 302), 0);
		CHECK_EQ(sys(SYS_getresgid, &r, &e, &s), 0);
		CHECK(r == 300 && e == 301 && s == 302);
		CHECK_EQ(sys(SYS_setresuid, 1000, 1001, 1002), 0);
		CHECK_EQ(sys(SYS_getresuid, &r, &e, &s), 0);
		CHECK(r == 1000 && e == 1001 && s == 1002);
		/* One that changed its identity is tainted. */
		CHECK_EQ(sys(SYS_issetugid), 1);
		CHECK_ERR(sys(SYS_setuid, 0), EPERM);
		CHECK_EQ(sys(SYS_seteuid, 1002), 0);
		CHECK_EQ(sys(SYS_geteuid), 1002);
		CHECK_EQ(sys(SYS_setreuid, -1, 1000), 0);
		CHECK_EQ(sys(SYS_geteuid), 1000);
		CHECK_ERR(sys(SYS_setgroups, 1, groups), EPERM);
		CHECK_ERR(sys(SYS_kill, 1, 0), EPERM);
		CHECK_ERR(sys(SYS_chroot, "."), EPERM);
		CHECK_ERR(sys(SYS_setegid, 0), EPERM);
	});
	CHECK_EQ(sys(SYS_geteuid), 0);
}

TEST(permissions)
{
	if (sys(SYS_geteuid) != 0)
		SKIP("root is needed to become somebody else");
	guest_put("private", "secret", 6);
	CHECK_EQ(sys(SYS_chmod, "private", 0600), 0);
	CHECK_EQ(sys(SYS_mkdir, "closed", 0700), 0);
	CHECK_EQ(sys(SYS_chmod, ".", 0755), 0);
	IN_CHILD({
		/* The path to here may be closed for others: stay in it by descriptor. */
		int here = (int)CHECK_OK(sys(SYS_open, ".", O_RDONLY, 0));
		CHECK_EQ(sys(SYS_setresgid, 12345, 12345, 12345), 0);
		CHECK_EQ(sys(SYS_setgroups, 0, NULL), 0);
		CHECK_EQ(sys(SYS_setresuid, 12345, 12345, 12345), 0);
		CHECK_ERR(sys(SYS_openat, here, "private", O_RDONLY, 0), EACCES);
		CHECK_ERR(sys(SYS_openat, here, "closed/x", O_RDONLY, 0), EACCES);
		CHECK_ERR(sys(SYS_openat, here, "new", O_CREAT | O_WRONLY, 0644), EACCES);
		CHECK_ERR(sys(SYS_unlinkat, here, "private", 0), EACCES);
		CHECK_ERR(sys(SYS_fchmodat, here, "private", 0666, 0), EPERM);
		CHECK_ERR(sys(SYS_fchownat, here, "private", 12345, -1, 0), EPERM);
		CHECK_ERR(sys(SYS_faccessat, here, "private", R_OK, 0), EACCES);
		CHECK_ERR(sys(SYS_utimensat, here, "private", NULL, 0), EACCES);
	});
}

TEST(login_names)
{
	char name[64];

	memset(name, 'x', sizeof(name));
	CHECK_EQ(sys(SYS_getlogin, name, sizeof(name)), 0);
	CHECK(strlen(name) < 33);
	/* Too short a buffer, where there is a name. */
	if (strlen(name) > 0)
		CHECK_ERR(sys(SYS_getlogin, name, 1), ERANGE);
}

TEST(limits)
{
	struct rlimit rl;

	for (int which = 0; which < RLIM_NLIMITS; which++) {
		memset(&rl, 0x88, sizeof(rl));
		long ret = sys(SYS_getrlimit, which, &rl);
		if (ret != 0)
			warn_("getrlimit %d: %l\n", which, ret);
		CHECK_EQ(ret, 0);
		/* Never more than RLIM_INFINITY, which is the largest positive number here. */
		CHECK(rl.rlim_cur >= 0 && rl.rlim_max >= 0);
		CHECK(rl.rlim_cur <= rl.rlim_max);
		CHECK_EQ(sys(SYS_setrlimit, which, &rl), 0);
	}
	CHECK_ERR(sys(SYS_getrlimit, RLIM_NLIMITS, &rl), EINVAL);
	CHECK_ERR(sys(SYS_getrlimit, -1, &rl), EINVAL);
	CHECK_ERR(sys(SYS_setrlimit, 99, &rl), EINVAL);
}

/* root's limits are cut to what the kernel can do (kern_proc_setrlimit). */
TEST(limits_to_infinity)
{
	static const int which[] = { RLIMIT_NOFILE, RLIMIT_MEMLOCK };
	struct rlimit rl, back;
	int most = 0;
	size_t size = sizeof(most);

	if (sys(SYS_geteuid) != 0)
		SKIP("not root");
	CHECK_EQ(sys(SYS___sysctlbyname, "kern.maxfilesperproc", 20, &most, &size, NULL, 0), 0);
	for (size_t i = 0; i < nitems(which); i++) {
		CHECK_EQ(sys(SYS_getrlimit, which[i], &rl), 0);
		rl.rlim_cur = rl.rlim_max = RLIM_INFINITY;
		CHECK_EQ(sys(SYS_setrlimit, which[i], &rl), 0);
		CHECK_EQ(sys(SYS_getrlimit, which[i], &back), 0);
		CHECK_EQ(back.rlim_cur, back.rlim_max);
		if (which[i] == RLIMIT_NOFILE)
			CHECK_BETWEEN(back.rlim_max, 200, most);
	}
	/* the table is no larger than either */
	CHECK_BETWEEN(sys(SYS_getdtablesize), 200, most);
}

TEST(limits_change)
{
	static const int which[] = { RLIMIT_CORE, RLIMIT_FSIZE, RLIMIT_NOFILE, RLIMIT_CPU };
	struct rlimit rl, back;

	for (size_t i = 0; i < nitems(which); i++) {
		CHECK_EQ(sys(SYS_getrlimit, which[i], &rl), 0);
		rl.rlim_cur = 200;
		CHECK_EQ(sys(SYS_setrlimit, which[i], &rl), 0);
		CHECK_EQ(sys(SYS_getrlimit, which[i], &back), 0);
		CHECK_EQ(back.rlim_cur, 200);
		/* that of files is cut to kern.maxfilesperproc */
		CHECK(back.rlim_max == rl.rlim_max || (which[i] == RLIMIT_NOFILE && back.rlim_max < rl.rlim_max));
	}
	/* More than the hard limit in the soft one is cut to it. */
	IN_CHILD({
		rl.rlim_cur = 500;
		rl.rlim_max = 300;
		CHECK_EQ(sys(SYS_setrlimit, RLIMIT_CORE, &rl), 0);
		CHECK_EQ(sys(SYS_getrlimit, RLIMIT_CORE, &back), 0);
		CHECK(back.rlim_cur == 300 && back.rlim_max == 300);
	});
	rl.rlim_cur = rl.rlim_max = RLIM_INFINITY;
	CHECK_EQ(sys(SYS_getrlimit, RLIMIT_CPU, &back), 0);
	if (back.rlim_max == RLIM_INFINITY) {
		CHECK_EQ(sys(SYS_setrlimit, RLIMIT_CPU, &rl), 0);
		CHECK_EQ(sys(SYS_getrlimit, RLIMIT_CPU, &back), 0);
		CHECK_EQ(back.rlim_cur, RLIM_INFINITY);
	}
	/* Inherited. */
	rl.rlim_cur = 100;
	rl.rlim_max = RLIM_INFINITY;
	IN_CHILD({
		CHECK_EQ(sys(SYS_getrlimit, RLIMIT_NOFILE, &back), 0);
		CHECK_EQ(back.rlim_cur, 200);
	});
}

static volatile int got;

static void
note(int signo, siginfo_t *info, void *context)
{
	(void)info, (void)context;
	got = signo;
}

TEST(file_size_limit)
{
	struct rlimit rl = { 8, 8 };
	int fd = (int)CHECK_OK(sys(SYS_open, "file", O_RDWR | O_CREAT, 0644));

	IN_CHILD({
		guest_handle(SIGXFSZ, note, 0);
		CHECK_EQ(sys(SYS_setrlimit, RLIMIT_FSIZE, &rl), 0);
		CHECK_EQ(sys(SYS_write, fd, "12345678", 8), 8);
		CHECK_ERR(sys(SYS_write, fd, "9", 1), EFBIG);
		CHECK_EQ(got, SIGXFSZ);
	});
}
