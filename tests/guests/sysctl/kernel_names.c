/* Names that tell how the kernel is made and set up. */
#include "by_name.h"
#include <sys/resource.h>
#include <sys/sysctl.h>

#define PROC_RLIMIT_USAGE 46		/* KERN_PROC_RLIMIT_USAGE, since 14.2 */

/* feature_present(3). */
TEST(features)
{
	static const char *const names[] = { "aio", "posix_shm", "posix_sem", "p1003_1b_semaphores", "p1003_1b_mqueue", "sysv_shm", "sysv_sem",
		"sysv_msg", "process_descriptors", "security_capabilities", "security_capability_mode", "ktrace", "inet", "inet6", "netlink",
		"kposix_priority_scheduling", "compat_freebsd6", "compat_freebsd7", "compat_freebsd10", "compat_freebsd11", "compat_freebsd12",
		"compat_freebsd13" };

	for (size_t i = 0; i < nitems(names); i++) {
		char name[64] = "kern.features.";
		memcpy(name + 14, names[i], strlen(names[i]) + 1);
		CHECK_EQ(number_of(name), 1);
	}
}

/* Booleans have one byte. */
TEST(sizes)
{
	char wide[8];
	size_t n = sizeof(wide);

	CHECK_EQ(by_name("kern.elf64.allow_wx", wide, &n), 0);
	CHECK_EQ(n, 1);
	n = sizeof(wide);
	CHECK_EQ(by_name("security.bsd.allow_ptrace", wide, &n), 0);
	CHECK_EQ(n, 1);
	CHECK_EQ(number_of("p1003_1b.fsync"), 200112);
	CHECK_EQ(number_of("security.bsd.unprivileged_proc_debug"), 1);
	CHECK_BETWEEN(number_of("security.bsd.unprivileged_read_msgbuf"), 0, 1);
	CHECK_EQ(number_of("kern.signosys"), 1);
	CHECK_EQ(number_of("kern.sched.cpusetsizemin"), number_of("kern.smp.maxid") / 8 + 1);
}

static size_t
expect_text(const char *text, size_t at, const char *wanted)
{
	CHECK(memcmp(text + at, wanted, strlen(wanted)) == 0);
	return (at + strlen(wanted));
}

/* What psutil counts cores by. */
TEST(topology)
{
	static char text[1 << 18];
	size_t n = sizeof(text), at, digits = 0;
	int cpus = 0, last = 0;

	CHECK_EQ(by_name("kern.sched.topology_spec", text, &n), 0);
	CHECK_EQ(n, strlen(text) + 1);
	at = expect_text(text, 0, "<groups>\n <group level=\"1\" cache-level=\"");
	while (text[at] != '<')
		at++;
	at = expect_text(text, at, "<cpu count=\"");
	for (; text[at] >= '0' && text[at] <= '9'; at++, digits++)
		cpus = cpus * 10 + text[at] - '0';
	CHECK(digits > 0 && cpus >= 1 && cpus <= number_of("kern.smp.maxid") + 1);
	at = expect_text(text, at, "\" mask=\"");
	int words = 1;
	for (; text[at] != '"'; at++)
		words += text[at] == ',';
	CHECK_EQ(words, 16);
	at = expect_text(text, at, "\">");
	int listed = 1;
	for (; text[at] != '<'; at++) {
		listed += text[at] == ',';
		last = text[at] == ' ' ? 0 : text[at] == ',' ? last : last * 10 + text[at] - '0';
	}
	CHECK_EQ(listed, cpus);
	CHECK_EQ(last, number_of("kern.smp.maxid"));
	expect_text(text, at, "</cpu>\n");
	expect_text(text, strlen(text) - 20, " </group>\n</groups>\n");
}

TEST(usage_of_limits)
{
	int name[5] = { CTL_KERN, KERN_PROC, PROC_RLIMIT_USAGE, (int)sys(SYS_getpid), RLIMIT_NOFILE };
	i64 used[16], one = 0, more = 0;
	size_t n = sizeof(used);

	CHECK_EQ(sys(SYS___sysctl, name, 4, used, &n, NULL, 0), 0);
	CHECK_EQ(n, sizeof(used));
	CHECK_EQ(used[RLIMIT_FSIZE], -1);
	CHECK(used[RLIMIT_NOFILE] >= 3 && used[RLIMIT_VMEM] > 0 && used[RLIMIT_STACK] > 0);
	n = sizeof(one);
	CHECK_EQ(sys(SYS___sysctl, name, 5, &one, &n, NULL, 0), 0);
	CHECK_EQ(one, used[RLIMIT_NOFILE]);
	CHECK_OK(sys(SYS_open, "/dev/null", O_RDONLY, 0));
	CHECK_EQ(sys(SYS___sysctl, name, 5, &more, &n, NULL, 0), 0);
	CHECK_EQ(more, one + 1);
	IN_CHILD({
		/* The parent's. */
		CHECK_EQ(sys(SYS_close, 3), 0);
		CHECK_EQ(sys(SYS___sysctl, name, 5, &one, &n, NULL, 0), 0);
		CHECK_EQ(one, more);
	});
	name[4] = 16;
	CHECK_ERR(sys(SYS___sysctl, name, 5, &one, &n, NULL, 0), EINVAL);
	name[3] = 99998;
	CHECK_ERR(sys(SYS___sysctl, name, 4, used, &n, NULL, 0), ESRCH);
	CHECK_ERR(sys(SYS___sysctl, name, 3, used, &n, NULL, 0), EINVAL);
}
