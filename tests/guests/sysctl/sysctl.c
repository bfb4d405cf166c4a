/* __sysctl(2), sysctl by name, and what programs ask at their start. */
#include "by_name.h"
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/sysctl.h>
#include <sys/user.h>
#include <sys/vmmeter.h>

static long
by_number(int a, int b, void *out, size_t *n)
{
	int name[2] = { a, b };

	return (sys(SYS___sysctl, name, 2, out, n, NULL, 0));
}

static void
expect_string(int a, int b, const char *name, const char *want)
{
	char one[1024], two[1024];
	size_t n = sizeof(one), m = sizeof(two), k = 0;

	CHECK_EQ(by_number(a, b, one, &n), 0);
	CHECK_EQ(one[n - 1], 0);
	CHECK_EQ(strlen(one), n - 1);
	if (want != NULL)
		CHECK_STR(one, want);
	CHECK_EQ(by_name(name, two, &m), 0);
	CHECK_STR(two, one);
	/* The size alone. */
	CHECK_EQ(by_number(a, b, NULL, &k), 0);
	CHECK(k >= n);
	/* Too small: what fits is copied, and ENOMEM. */
	if (n > 2) {
		k = 2;
		memset(one, '#', sizeof(one));
		CHECK_ERR(by_number(a, b, one, &k), ENOMEM);
		CHECK(one[0] == two[0] && one[1] == two[1] && one[2] == '#');
		CHECK_EQ(k, 2);
	}
}

static i64
number(int a, int b, const char *name, size_t size)
{
	union { int i; i64 l; char room[64]; } one, two;
	size_t n = sizeof(one), m = sizeof(two);

	memset(&one, 0, sizeof(one));
	memset(&two, 0, sizeof(two));
	CHECK_EQ(by_number(a, b, &one, &n), 0);
	CHECK_EQ(n, size);
	CHECK_EQ(by_name(name, &two, &m), 0);
	CHECK_EQ(m, size);
	CHECK_EQ(one.l, two.l);
	return (size == 4 ? one.i : one.l);
}

TEST(names)
{
	expect_string(CTL_KERN, KERN_OSTYPE, "kern.ostype", "FreeBSD");
	expect_string(CTL_KERN, KERN_OSRELEASE, "kern.osrelease", NULL);
	expect_string(CTL_KERN, KERN_VERSION, "kern.version", NULL);
	expect_string(CTL_KERN, KERN_HOSTNAME, "kern.hostname", NULL);
	expect_string(CTL_HW, HW_MACHINE, "hw.machine", "amd64");
	expect_string(CTL_HW, HW_MACHINE_ARCH, "hw.machine_arch", "amd64");
	expect_string(CTL_HW, HW_MODEL, "hw.model", NULL);
}

TEST(release)
{
	char release[64], version[512];
	size_t n = sizeof(release), m = sizeof(version);

	/* MAJOR.MINOR-BRANCH, in agreement with osreldate. */
	CHECK_EQ(by_number(CTL_KERN, KERN_OSRELEASE, release, &n), 0);
	CHECK_EQ(guest_number(release), number(CTL_KERN, KERN_OSRELDATE, "kern.osreldate", 4) / 100000);
	CHECK_EQ(by_number(CTL_KERN, KERN_VERSION, version, &m), 0);
	CHECK(guest_starts(version, "FreeBSD "));
	CHECK(guest_starts(version + 8, release));
}

TEST(numbers)
{
	CHECK_BETWEEN(number(CTL_HW, HW_NCPU, "hw.ncpu", 4), 1, 4096);
	CHECK_EQ(number(CTL_HW, HW_PAGESIZE, "hw.pagesize", 4), 4096);
	CHECK_EQ(number(CTL_HW, HW_BYTEORDER, "hw.byteorder", 4), 1234);
	CHECK_BETWEEN(number(CTL_HW, HW_PHYSMEM, "hw.physmem", 8), 1 << 24, 1L << 50);
	CHECK_BETWEEN(number(CTL_KERN, KERN_ARGMAX, "kern.argmax", 4), 65536, 1 << 30);
	CHECK_BETWEEN(number(CTL_KERN, KERN_MAXFILESPERPROC, "kern.maxfilesperproc", 4), 16, 0x7fffffff);
	CHECK_BETWEEN(number(CTL_KERN, KERN_NGROUPS, "kern.ngroups", 4), 15, 65536);
	CHECK_BETWEEN(number(CTL_KERN, KERN_POSIX1, "kern.posix1version", 4), 200112, 200809);
	CHECK_EQ(number(CTL_KERN, KERN_SAVED_IDS, "kern.saved_ids", 4), 0);
	CHECK_BETWEEN(number(CTL_KERN, KERN_USRSTACK, "kern.usrstack", 8), 4096, 1L << 47);
	CHECK_BETWEEN(number(CTL_KERN, KERN_IOV_MAX, "kern.iov_max", 4), 1024, 1024);
}

/* kern_mib.c: sysctl_kern_supported_archs, of a kernel that runs no i386 programs. */
static void
width(const char *name, size_t size)
{
	char room[64], less[64];
	size_t n = sizeof(room), m = size - 1;

	CHECK_EQ(by_name(name, room, &n), 0);
	CHECK_EQ(n, size);
	/* Who asks with an older release's narrower type is told that it is too small. */
	if (m > 0)
		CHECK_ERR(by_name(name, less, &m), ENOMEM);
}

/* Counters that became wider between FreeBSD 12 and 13, and a bool. */
TEST(widths)
{
	i64 wide = 0, pages[3];
	size_t n = 8;
	int narrow = 0;

	width("kern.maxvnodes", 8);
	width("kern.ipc.maxpipekva", 8);
	width("hw.availpages", 8);
	width("kern.ipc.soacceptqueue", 4);
	width("kern.racct.enable", 1);
	/* These two still answer whom has room for an int alone. */
	CHECK_EQ(by_name("kern.maxphys", &wide, &n), 0);
	CHECK_EQ(n, 8);
	n = 7;
	CHECK_EQ(by_name("kern.maxphys", &narrow, &n), 0);
	CHECK_EQ(n, 4);
	CHECK_EQ(narrow, wide);
	n = 8;
	CHECK_EQ(by_name("vfs.bufspace", &wide, &n), 0);
	CHECK_EQ(n, 8);
	/* As many as there is room for. */
	n = 12;
	CHECK_EQ(by_name("hw.pagesizes", pages, &n), 0);
	CHECK_EQ(n, 12);
	CHECK_EQ(pages[0], 4096);
}

TEST(architectures)
{
	char archs[64];
	size_t n = sizeof(archs);

	CHECK_EQ(by_name("kern.supported_archs", archs, &n), 0);
	CHECK_EQ(n, sizeof("amd64"));
	CHECK_STR(archs, "amd64");
}

/* uipc_socket.c counts all of the system's. */
TEST(open_sockets)
{
	int count = -1;
	size_t n = sizeof(count);

	for (int i = 0; i < 5; i++)
		CHECK_OK(sys(SYS_socket, PF_LOCAL, SOCK_STREAM, 0));
	CHECK_EQ(by_name("kern.ipc.numopensockets", &count, &n), 0);
	CHECK_EQ(n, 4);
	CHECK_BETWEEN(count, 5, 1 << 30);
	CHECK_ERR(sys(SYS___sysctlbyname, "kern.ipc.numopensockets", strlen("kern.ipc.numopensockets"), NULL, NULL, &count,
	    sizeof(count)), EPERM);
}

TEST(boot_time)
{
	struct timeval boot;
	struct timespec now;
	size_t n = sizeof(boot);

	CHECK_EQ(by_number(CTL_KERN, KERN_BOOTTIME, &boot, &n), 0);
	CHECK_EQ(n, sizeof(boot));
	CHECK_EQ(sys(SYS_clock_gettime, CLOCK_REALTIME, &now), 0);
	CHECK_BETWEEN(boot.tv_sec, 1000000000, now.tv_sec);
}

TEST(random)
{
	u8 a[64], b[64];
	size_t n = sizeof(a), m = sizeof(b);

	memset(a, 0, 64);
	memset(b, 0, 64);
	CHECK_EQ(by_number(CTL_KERN, KERN_ARND, a, &n), 0);
	CHECK_EQ(n, 64);
	CHECK_EQ(by_name("kern.arandom", b, &m), 0);
	CHECK(memcmp(a, b, 64) != 0);
	/* And by its own call. */
	memset(a, 0, 64);
	CHECK_EQ(sys(SYS_getrandom, a, 64, 0), 64);
	int zeros = 0;
	for (int i = 0; i < 64; i++)
		zeros += a[i] == 0;
	CHECK(zeros < 16);
	CHECK_ERR(sys(SYS_getrandom, a, 64, 0x100), EINVAL);
	CHECK_ERR(sys(SYS_getrandom, 8, 64, 0), EFAULT);
}

TEST(about_a_process)
{
	int name[4] = { CTL_KERN, KERN_PROC, KERN_PROC_PATHNAME, -1 };
	char path[1024], args[4096];
	size_t n = sizeof(path);

	CHECK_EQ(sys(SYS___sysctl, name, 4, path, &n, NULL, 0), 0);
	CHECK_EQ(n, strlen(path) + 1);
	CHECK_STR(path, guest_argv[0]);
	name[3] = (int)sys(SYS_getpid);
	n = sizeof(path);
	CHECK_EQ(sys(SYS___sysctl, name, 4, path, &n, NULL, 0), 0);
	CHECK_STR(path, guest_argv[0]);
	name[2] = KERN_PROC_ARGS;
	n = sizeof(args);
	CHECK_EQ(sys(SYS___sysctl, name, 4, args, &n, NULL, 0), 0);
	CHECK_STR(args, guest_argv[0]);
	CHECK_STR(args + strlen(args) + 1, guest_argv[1]);
	CHECK_EQ(n, strlen(guest_argv[0]) + strlen(guest_argv[1]) + 2);
	name[2] = KERN_PROC_PATHNAME;
	name[3] = 0x7ffffff0;
	n = sizeof(path);
	CHECK_ERR(sys(SYS___sysctl, name, 4, path, &n, NULL, 0), ESRCH);
}

TEST(process_record)
{
	int name[4] = { CTL_KERN, KERN_PROC, KERN_PROC_PID, (int)sys(SYS_getpid) };
	static struct kinfo_proc kp;
	size_t n = sizeof(kp);

	_Static_assert(sizeof(kp) == 1088, "kinfo_proc");
	CHECK_EQ(sys(SYS___sysctl, name, 4, &kp, &n, NULL, 0), 0);
	CHECK_EQ(n, sizeof(kp));
	CHECK_EQ(kp.ki_structsize, sizeof(kp));
	CHECK_EQ(kp.ki_pid, sys(SYS_getpid));
	CHECK_EQ(kp.ki_ppid, sys(SYS_getppid));
	CHECK_EQ(kp.ki_pgid, sys(SYS_getpgrp));
	CHECK_EQ(kp.ki_uid, sys(SYS_geteuid));
	CHECK_EQ(kp.ki_ruid, sys(SYS_getuid));
}

TEST(by_name_of_old)
{
	/* {0, 3}: a name to numbers, as libc of 10.1 asks. */
	int query[2] = { 0, 3 }, oid[CTL_MAXNAME];
	size_t n = sizeof(oid);

	CHECK_EQ(sys(SYS___sysctl, query, 2, oid, &n, "kern.ostype", strlen("kern.ostype")), 0);
	CHECK_EQ(n, 2 * sizeof(int));
	CHECK(oid[0] == CTL_KERN && oid[1] == KERN_OSTYPE);
	char type[16];
	n = sizeof(type);
	CHECK_EQ(sys(SYS___sysctl, oid, 2, type, &n, NULL, 0), 0);
	CHECK_STR(type, "FreeBSD");
	n = sizeof(oid);
	CHECK_ERR(sys(SYS___sysctl, query, 2, oid, &n, "kern.nonsense", 13), ENOENT);
}

TEST(errors)
{
	char room[64];
	size_t n = sizeof(room);
	int none[2] = { 99, 99 }, ostype[2] = { CTL_KERN, KERN_OSTYPE };

	CHECK_ERR(by_number(99, 99, room, &n), ENOENT);
	CHECK_ERR(by_number(CTL_KERN, 9999, room, &n), ENOENT);
	CHECK_ERR(by_name("no.such.name", room, &n), ENOENT);
	CHECK_ERR(by_name("", room, &n), EINVAL);
	CHECK_ERR(sys(SYS___sysctl, none, 1, room, &n, NULL, 0), EINVAL);
	CHECK_ERR(sys(SYS___sysctl, none, 25, room, &n, NULL, 0), EINVAL);
	/* A node is no value, and read-only stays so. */
	CHECK_ERR(sys(SYS___sysctl, ostype, 2, NULL, NULL, "Linux", 5), EPERM);
	CHECK_ERR(sys(SYS___sysctl, (int *)8, 2, room, &n, NULL, 0), EFAULT);
}

/* What libthr and libc's malloc ask for. */
TEST(asked_at_start)
{
	static const char *const names[] = { "kern.usrstack", "hw.ncpu", "kern.smp.cpus", "vm.overcommit", "kern.osreldate",
		"hw.pagesizes", "kern.proc.pathname", "kern.hostname", "kern.ostype", "hw.availpages", "kern.maxfiles",
		"security.bsd.unprivileged_proc_debug", "kern.ipc.maxsockbuf", "kern.ipc.somaxconn", "kern.cp_times" };
	static char room[65536];
	int failures = 0;

	for (size_t i = 0; i < nitems(names); i++) {
		size_t n = sizeof(room);
		long ret = by_name(names[i], room, &n);
		if (ret != 0 && guest_strcmp(names[i], "kern.proc.pathname") != 0) {
			warn_("%s: %l\n", names[i], ret);
			failures++;
		}
	}
	CHECK_EQ(failures, 0);
}

/* getvfsbyname(3): the kind of file system that statfs names is in the list. tar asks it. */
TEST(file_system_types)
{
	static struct xvfsconf all[64];
	struct statfs fs;
	size_t n = sizeof(all);
	int found = 0;

	CHECK_EQ(sys(SYS_statfs, ".", &fs), 0);
	CHECK_EQ(by_name("vfs.conflist", all, &n), 0);
	CHECK(n > 0 && n % sizeof(all[0]) == 0);
	for (size_t i = 0; i < n / sizeof(all[0]); i++)
		found += guest_strcmp(all[i].vfc_name, fs.f_fstypename) == 0;
	CHECK_EQ(found, 1);
}
