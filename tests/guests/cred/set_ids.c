/*
 * P_SUGID: issetugid(2), and what exec does to it and for a program that gets other ids than its caller's (do_execve in
 * sys/kern/kern_exec.c, setsugid in sys/kern/kern_prot.c). The helpers are for tests/test_set_ids.py.
 */
#include "guest.h"
#include <sys/sysctl.h>
#include <sys/user.h>

static char *no_env[] = { NULL };

static int
shown(int pid)
{
	static struct kinfo_proc info;
	size_t n = sizeof(info);
	int mib[] = { CTL_KERN, KERN_PROC, KERN_PROC_PID, pid };

	CHECK_EQ(sys(SYS___sysctl, mib, 4, &info, &n, NULL, 0), 0);
	return ((info.ki_flag & P_SUGID) != 0);
}

static int
marked(void)
{
	int sugid = (int)CHECK_OK(sys(SYS_issetugid));

	CHECK_EQ(shown((int)sys(SYS_getpid)), sugid);
	return (sugid);
}

/* Prints whether it is marked, and its ids. */
HELPER(report)
{
	u32 uid[3], gid[3];

	CHECK_EQ(sys(SYS_getresuid, &uid[0], &uid[1], &uid[2]), 0);
	CHECK_EQ(sys(SYS_getresgid, &gid[0], &gid[1], &gid[2]), 0);
	say("%d uid %u %u %u", marked(), (u64)uid[0], (u64)uid[1], (u64)uid[2]);
	say(" gid %u %u %u\n", (u64)gid[0], (u64)gid[1], (u64)gid[2]);
}

HELPER(marked)
{
	guest_exit(marked() ? 11 : 10);
}

/* Executes the rest; @exec_real with the real ids in all places. */
HELPER(exec)
{
	CHECK_OK(sys(SYS_execve, guest_argv[2], guest_argv + 2, guest_envp));
}

HELPER(exec_real)
{
	u32 uid = (u32)sys(SYS_getuid), gid = (u32)sys(SYS_getgid);

	CHECK_EQ(marked(), 1);
	CHECK_EQ(sys(SYS_setresgid, gid, gid, gid), 0);
	CHECK_EQ(sys(SYS_setresuid, uid, uid, uid), 0);
	/* Giving them up does not unmark it. */
	CHECK_EQ(marked(), 1);
	CHECK_OK(sys(SYS_execve, guest_argv[2], guest_argv + 2, guest_envp));
}

HELPER(children)
{
	int pid = guest_fork();

	if (pid == 0)
		guest_exit(marked() ? 11 : 10);
	CHECK_EQ(WEXITSTATUS(guest_wait(pid)), 10 + marked());
	pid = (int)sys(SYS_vfork);
	if (pid == 0)
		guest_exit(sys(SYS_issetugid) ? 11 : 10);
	CHECK_EQ(WEXITSTATUS(guest_wait(pid)), 10 + marked());
	say("ok\n");
}

/* argv[2]: for each of 0, 1 and 2 `n` for /dev/null, `o` for another file, `-` for none. The status says it. */
HELPER(descriptors)
{
	struct stat null, one;

	guest_stderr = 7;
	CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, "/dev/null", &null, 0), 0);
	for (int fd = 0; fd < 3; fd++) {
		long result = sys(SYS_fstat, fd, &one);
		if (guest_argv[2][fd] == '-') {
			CHECK_ERR(result, EBADF);
			continue;
		}
		CHECK_EQ(result, 0);
		CHECK_EQ(one.st_rdev == null.st_rdev && S_ISCHR(one.st_mode), guest_argv[2][fd] == 'n');
		if (guest_argv[2][fd] == 'n') {
			CHECK_EQ(sys(SYS_write, fd, "x", 1), 1);
			CHECK_EQ(sys(SYS_fcntl, fd, F_GETFL, 0) & O_ACCMODE, O_RDWR);
			CHECK_EQ(sys(SYS_fcntl, fd, F_GETFD, 0), 0);
		}
	}
	/* Nothing else is open, and the next file is where it should be. */
	int next = guest_argv[2][0] == '-' ? 0 : guest_argv[2][1] == '-' ? 1 : guest_argv[2][2] == '-' ? 2 : 3;
	CHECK_EQ(sys(SYS_open, "/dev/null", O_RDONLY, 0), next);
	guest_exit(33);
}

HELPER(wait)
{
	char c;

	say("%d %l\n", marked(), sys(SYS_getpid));
	sys(SYS_read, 0, &c, 1);
}

HELPER(look)
{
	say("%d\n", shown((int)guest_number(guest_argv[2])));
}

HELPER(release)
{
	int mib[] = { CTL_KERN, KERN_OSRELDATE }, number = 0;
	size_t n = sizeof(number);

	CHECK_EQ(sys(SYS___sysctl, mib, 2, &number, &n, NULL, 0), 0);
	say("%d %d\n", marked(), number);
}

static int program;

/* The way to the program may be closed to other ids: it is executed by its descriptor. */
static int
in_exec(void)
{
	char *argv[] = { guest_argv[0], "@marked", NULL };
	int pid = guest_fork();

	if (pid == 0)
		CHECK_OK(sys(SYS_fexecve, program, argv, no_env));
	return (WEXITSTATUS(guest_wait(pid)));
}

TEST(not_marked)
{
	u32 none = (u32)-1;

	program = (int)CHECK_OK(sys(SYS_open, guest_argv[0], O_RDONLY, 0));
	CHECK_EQ(marked(), 0);
	CHECK_EQ(in_exec(), 10);
	/* What changes nothing does not mark. */
	CHECK_EQ(sys(SYS_setuid, sys(SYS_getuid)), 0);
	CHECK_EQ(sys(SYS_seteuid, sys(SYS_geteuid)), 0);
	CHECK_EQ(sys(SYS_setresuid, none, none, none), 0);
	CHECK_EQ(sys(SYS_setresgid, none, none, none), 0);
	CHECK_EQ(sys(SYS_setreuid, none, none), 0);
	CHECK_EQ(sys(SYS_setregid, none, none), 0);
	CHECK_EQ(sys(SYS_setresuid, sys(SYS_getuid), none, none), 0);
	CHECK_EQ(marked(), 0);
}

/* exec leaves the mark to a process whose real and effective ids differ, and takes it from others. */
TEST(over_exec)
{
	u32 none = (u32)-1;

	if (sys(SYS_geteuid) != 0)
		SKIP("not the superuser");
	program = (int)CHECK_OK(sys(SYS_open, guest_argv[0], O_RDONLY, 0));
	IN_CHILD({
		CHECK_EQ(sys(SYS_setresuid, 1, 1, 1), 0);
		CHECK_EQ(marked(), 1);
		CHECK_EQ(in_exec(), 10);
	});
	IN_CHILD({
		CHECK_EQ(sys(SYS_setresgid, 1, 1, 1), 0);
		CHECK_EQ(marked(), 1);
		CHECK_EQ(in_exec(), 10);
	});
	IN_CHILD({
		CHECK_EQ(sys(SYS_setresgid, none, 1, none), 0);
		CHECK_EQ(marked(), 1);
		CHECK_EQ(in_exec(), 11);
		CHECK_EQ(sys(SYS_setresgid, none, 0, none), 0);
		CHECK_EQ(marked(), 1);
		CHECK_EQ(in_exec(), 10);
	});
	IN_CHILD({
		CHECK_EQ(sys(SYS_setresuid, 1, 0, 0), 0);
		CHECK_EQ(in_exec(), 11);
	});
	IN_CHILD({
		CHECK_EQ(sys(SYS_seteuid, 1), 0);
		CHECK_EQ(in_exec(), 11);
		CHECK_EQ(sys(SYS_seteuid, 0), 0);
		CHECK_EQ(marked(), 1);
		CHECK_EQ(in_exec(), 10);
	});
}
