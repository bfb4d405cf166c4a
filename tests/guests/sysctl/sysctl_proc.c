/* kern.proc, and the calls about the tree of names itself. */
#include "guest.h"
#include <sys/exec.h>
#include <sys/resource.h>
#include <sys/sysctl.h>
#include <sys/socket.h>
#include <sys/user.h>
#include <netinet/in.h>

static long
of_process(int what, int pid, void *out, size_t *n)
{
	int name[4] = { CTL_KERN, KERN_PROC, what, pid };

	return (sys(SYS___sysctl, name, 4, out, n, NULL, 0));
}

/* Follows {0, 2} from the first name to the last, and asks each for its text, number and type. */
/* judge: own, what is so of every name in LSF's tree, and of most of the thousands that a kernel has */
TEST(whole_tree)
{
	int query[2 + CTL_MAXNAME] = { 0, 2, 1 }, next[CTL_MAXNAME], back[CTL_MAXNAME];
	char text[256], format_[64];
	size_t length = 1, n;
	int names = 0, last = -1;

	for (;;) {
		query[1] = 2;
		n = sizeof(next);
		long ret = sys(SYS___sysctl, query, 2 + length, next, &n, NULL, 0);
		if (ret == -ENOENT)
			break;
		CHECK_EQ(ret, 0);
		length = n / sizeof(int);
		CHECK_BETWEEN(length, 2, CTL_MAXNAME);
		CHECK(next[0] >= last);
		last = next[0];
		memcpy(query + 2, next, n);
		query[1] = 1;
		n = sizeof(text);
		CHECK_EQ(sys(SYS___sysctl, query, 2 + length, text, &n, NULL, 0), 0);
		CHECK_EQ(n, strlen(text) + 1);
		query[1] = 4;
		n = sizeof(format_);
		CHECK_EQ(sys(SYS___sysctl, query, 2 + length, format_, &n, NULL, 0), 0);
		CHECK(n > 4);
		int kind = *(int *)format_;
		CHECK_BETWEEN(kind & CTLTYPE, 1, CTLTYPE);
		/* And back from the text to the number. */
		int to_number[2] = { 0, 3 };
		n = sizeof(back);
		CHECK_EQ(sys(SYS___sysctl, to_number, 2, back, &n, text, strlen(text)), 0);
		/* A parameter of a jail may stand below a node of its name without one of its own: a dot at the end is the node. */
		CHECK_EQ(n / sizeof(int), text[strlen(text) - 1] == '.' ? length - 1 : length);
		CHECK(memcmp(back, next, n) == 0);
		/* What is no node has a value, of the size that was announced. */
		if ((kind & CTLTYPE) != CTLTYPE_NODE && (kind & CTLFLAG_ANYBODY) == 0) {
			static char value[16 << 20];	/* the lists of sockets are as long as the machine has them */
			size_t size = 0, got = sizeof(value);
			ret = sys(SYS___sysctl, next, length, NULL, &size, NULL, 0);
			if (ret != 0)
				warn_("%s: %l\n", text, ret);
			CHECK_EQ(ret, 0);
			CHECK_EQ(sys(SYS___sysctl, next, length, value, &got, NULL, 0), 0);
			switch (kind & CTLTYPE) {
			case CTLTYPE_INT:
			case CTLTYPE_UINT:
				CHECK_EQ(got, 4);
				break;
			case CTLTYPE_STRING:
				CHECK_EQ(got, strlen(value) + 1);
				break;
			}
		}
		names++;
	}
	CHECK_BETWEEN(names, 200, 5000);
}

TEST(numbers_without_a_name)
{
	int query[5] = { 0, 1, CTL_KERN, 12345, 6 }, next[5] = { 0, 2, 0x7ffffff0 };
	char text[64];
	size_t n = sizeof(text);

	CHECK_EQ(sys(SYS___sysctl, query, 5, text, &n, NULL, 0), 0);
	CHECK_STR(text, "kern.12345.6");
	n = sizeof(text);
	CHECK_ERR(sys(SYS___sysctl, next, 3, text, &n, NULL, 0), ENOENT);
	int node[1] = { CTL_KERN }, leaf[3] = { CTL_KERN, KERN_OSTYPE, 1 };
	(void)node;
	int proc[2] = { CTL_KERN, KERN_PROC };
	CHECK_ERR(sys(SYS___sysctl, proc, 2, text, &n, NULL, 0), EISDIR);
	CHECK_ERR(sys(SYS___sysctl, leaf, 3, text, &n, NULL, 0), ENOTDIR);
}

TEST(every_process)
{
	static struct kinfo_proc all[4096];
	int name[3] = { CTL_KERN, KERN_PROC, KERN_PROC_PROC }, me = (int)sys(SYS_getpid), child, found = 0;
	size_t n = 0;
	int ready[2];
	char c = 0;

	CHECK_EQ(sys(SYS_pipe2, ready, 0), 0);
	if ((child = guest_fork()) == 0) {
		memset(guest_map(4 << 20), 1, 4 << 20);		/* Linux counts few pages late */
		CHECK_EQ(sys(SYS_write, ready[1], &c, 1), 1);
		for (;;)
			guest_sleep_ms(1000);
	}
	CHECK_EQ(sys(SYS_read, ready[0], &c, 1), 1);
	CHECK_EQ(sys(SYS___sysctl, name, 3, NULL, &n, NULL, 0), 0);
	CHECK(n >= 7 * sizeof(all[0]) && n % sizeof(all[0]) == 0);
	n = sizeof(all);
	CHECK_EQ(sys(SYS___sysctl, name, 3, all, &n, NULL, 0), 0);
	for (size_t i = 0; i < n / sizeof(all[0]); i++) {
		CHECK_EQ(all[i].ki_structsize, sizeof(all[0]));
		if (all[i].ki_pid == me)
			found |= 1;
		if (all[i].ki_pid == child) {
			found |= 2;
			CHECK_EQ(all[i].ki_ppid, me);
			CHECK_EQ(all[i].ki_pgid, sys(SYS_getpgrp));
			CHECK_EQ(all[i].ki_sid, sys(SYS_getsid, 0));
			CHECK_BETWEEN(all[i].ki_stat, SRUN, SSLEEP);
			CHECK_STR(all[i].ki_emul, "FreeBSD ELF64");
			CHECK(all[i].ki_rssize > 0 && all[i].ki_size > 0);
		}
	}
	CHECK_EQ(found, 3);
	/* By group, by user; and one that is cut: ENOMEM. */
	n = sizeof(all);
	CHECK_EQ(of_process(KERN_PROC_PGRP, (int)sys(SYS_getpgrp), all, &n), 0);
	CHECK(n >= 2 * sizeof(all[0]));
	for (size_t i = 0; i < n / sizeof(all[0]); i++)
		CHECK_EQ(all[i].ki_pgid, sys(SYS_getpgrp));
	n = sizeof(all);
	CHECK_EQ(of_process(KERN_PROC_RUID, (int)sys(SYS_getuid), all, &n), 0);
	for (size_t i = 0; i < n / sizeof(all[0]); i++)
		CHECK_EQ(all[i].ki_ruid, sys(SYS_getuid));
	n = sizeof(all[0]);
	CHECK_ERR(sys(SYS___sysctl, name, 3, all, &n, NULL, 0), ENOMEM);
	CHECK_EQ(n, sizeof(all[0]));
	n = sizeof(all);
	CHECK_ERR(of_process(KERN_PROC_PID, 0x7ffffff0, all, &n), ESRCH);
	int short_name[3] = { CTL_KERN, KERN_PROC, KERN_PROC_PID };
	CHECK_ERR(sys(SYS___sysctl, short_name, 3, all, &n, NULL, 0), EINVAL);
	CHECK_EQ(sys(SYS_kill, child, SIGKILL), 0);
	/* A zombie is one. */
	for (int i = 0; i < 200; i++) {
		n = sizeof(all);
		CHECK_EQ(of_process(KERN_PROC_PID, child, all, &n), 0);
		if (all[0].ki_stat == SZOMB)
			break;
		guest_sleep_ms(5);
	}
	CHECK_EQ(all[0].ki_stat, SZOMB);
	guest_wait(child);
}

static int
state_of(int pid, int what)
{
	static struct kinfo_proc kp[8];
	size_t n = sizeof(kp);

	CHECK_EQ(of_process(what, pid, kp, &n), 0);
	CHECK_EQ(n, sizeof(kp[0]));
	return (kp[0].ki_stat);
}

/* Who makes calls is not stopped, whatever leads it through them; who is stopped by a signal is (ps(1) shows T). */
TEST(stopped_by_a_signal_alone)
{
	static const int kinds[] = { KERN_PROC_PID, KERN_PROC_PID | KERN_PROC_INC_THREAD };
	int child = guest_fork(), status;

	if (child == 0)
		for (;;)
			sys(SYS_getppid);
	for (int i = 0; i < 1000; i++)
		CHECK_NE(state_of(child, kinds[i % 2]), SSTOP);
	CHECK_EQ(sys(SYS_kill, child, SIGSTOP), 0);
	CHECK_EQ(sys(SYS_wait4, child, &status, WUNTRACED, NULL), child);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(state_of(child, kinds[i % 2]), SSTOP);
	CHECK_EQ(sys(SYS_kill, child, SIGCONT), 0);
	CHECK_EQ(sys(SYS_wait4, child, &status, WCONTINUED, NULL), child);
	for (int i = 0; i < 100; i++)
		CHECK_NE(state_of(child, kinds[i % 2]), SSTOP);
	CHECK_EQ(sys(SYS_kill, child, SIGKILL), 0);
	guest_wait(child);
}

static void
nothing(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
}

static struct timeval
start_of(int pid)
{
	static struct kinfo_proc kp;
	size_t n = sizeof(kp);

	CHECK_EQ(of_process(KERN_PROC_PID, pid, &kp, &n), 0);
	return (kp.ki_start);
}

/* Programs know a process by its number and its start: neither that nor the boot, from which it is counted, moves. */
TEST(start_stays)
{
	struct timeval first = start_of((int)sys(SYS_getpid)), boot, again;
	int name[2] = { CTL_KERN, KERN_BOOTTIME };
	size_t n = sizeof(boot);

	CHECK_EQ(sys(SYS___sysctl, name, 2, &boot, &n, NULL, 0), 0);
	for (int i = 0; i < 2000; i++) {
		if (i % 10 == 0) {
			again = start_of((int)sys(SYS_getpid));
			CHECK_EQ(again.tv_sec, first.tv_sec);
			CHECK_EQ(again.tv_usec, first.tv_usec);
		}
		CHECK_EQ(sys(SYS___sysctl, name, 2, &again, &n, NULL, 0), 0);
		CHECK_EQ(again.tv_sec, boot.tv_sec);
		CHECK_EQ(again.tv_usec, boot.tv_usec);
	}
}

/* Who began first is told first, however short the time between: pgrep -n and -o look at nothing else. */
TEST(start_tells_who_was_first)
{
	int sorted = 0;

	for (int i = 0; i < 20; i++) {
		int pids[2];
		for (int j = 0; j < 2; j++) {
			pids[j] = (int)sys(SYS_fork);
			if (pids[j] == 0)
				for (;;)
					sys(SYS_sigsuspend, &(sigset_t){ 0 });
			CHECK(pids[j] > 0);
		}
		struct timeval one = start_of(pids[0]), two = start_of(pids[1]);
		sorted += one.tv_sec * 1000000 + one.tv_usec < two.tv_sec * 1000000 + two.tv_usec;
		for (int j = 0; j < 2; j++) {
			CHECK_EQ(sys(SYS_kill, pids[j], SIGKILL), 0);
			guest_wait(pids[j]);
		}
	}
	CHECK(sorted >= 19);	/* the numbers of processes come round */
}

TEST(record_of_this_process)
{
	static struct kinfo_proc kp;
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct timespec now;
	size_t n = sizeof(kp);

	guest_handle(SIGSEGV, nothing, 0);
	guest_handle(SIGUSR1, nothing, 0);
	CHECK_EQ(sys(SYS_sigaction, SIGUSR2, &ignore, NULL), 0);
	CHECK_EQ(of_process(KERN_PROC_PID, (int)sys(SYS_getpid), &kp, &n), 0);
	CHECK_EQ(n, sizeof(kp));
	CHECK_EQ(sys(SYS_clock_gettime, CLOCK_REALTIME, &now), 0);
	CHECK_BETWEEN(now.tv_sec - kp.ki_start.tv_sec, -2, 60);
	CHECK(kp.ki_fd != NULL && kp.ki_paddr != NULL);
	CHECK_EQ(kp.ki_numthreads, 1);
	CHECK_EQ(kp.ki_jid, 0);
#define HAS(set, signo) (((set).__bits[((signo) - 1) / 32] >> ((signo) - 1) % 32) & 1)
	CHECK(HAS(kp.ki_sigcatch, SIGSEGV) && HAS(kp.ki_sigcatch, SIGUSR1) && !HAS(kp.ki_sigcatch, SIGBUS));
	CHECK(!HAS(kp.ki_sigcatch, SIGSYS) && HAS(kp.ki_sigignore, SIGUSR2));
	/* The whole name, though Linux keeps 15 characters of it. */
	const char *base = guest_argv[0];
	for (const char *c = base; *c != '\0'; c++)
		if (*c == '/')
			base = c + 1;
	char want[COMMLEN + 1];
	format(want, sizeof(want), "%s", base);
	CHECK_STR(kp.ki_comm, want);
}

TEST(arguments)
{
	int name[4] = { CTL_KERN, KERN_PROC, KERN_PROC_ARGS, (int)sys(SYS_getpid) }, child;
	char text[4096];
	size_t n = sizeof(text);

	/* setproctitle(3) */
	CHECK_EQ(sys(SYS___sysctl, name, 4, NULL, NULL, "title: of mine", 15), 0);
	CHECK_EQ(sys(SYS___sysctl, name, 4, text, &n, NULL, 0), 0);
	CHECK_EQ(n, 15);
	CHECK_STR(text, "title: of mine");
	/* Another process reads it, but may not set it. */
	if ((child = guest_fork()) == 0) {
		n = sizeof(text);
		if (sys(SYS___sysctl, name, 4, text, &n, NULL, 0) != 0 || guest_strcmp(text, "title: of mine") != 0)
			guest_exit(1);
		guest_exit(sys(SYS___sysctl, name, 4, NULL, NULL, "x", 2) == -EPERM ? 0 : 2);
	}
	CHECK_EQ(guest_wait(child), 0);
	/* A child's own. */
	if ((child = guest_fork()) == 0)
		for (;;)
			guest_sleep_ms(1000);
	name[3] = child;
	n = sizeof(text);
	CHECK_EQ(sys(SYS___sysctl, name, 4, text, &n, NULL, 0), 0);
	CHECK_STR(text, "title: of mine");
	name[2] = KERN_PROC_PATHNAME;
	n = sizeof(text);
	CHECK_EQ(sys(SYS___sysctl, name, 4, text, &n, NULL, 0), 0);
	CHECK_STR(text, guest_argv[0]);
	CHECK_EQ(sys(SYS_kill, child, SIGKILL), 0);
	guest_wait(child);
}

/* setproctitle_fast(3): the title that the kernel keeps is given up, and what ps_strings tells is shown from then on. */
TEST(arguments_by_ps_strings)
{
	static char *vector[] = { "first", "second one", NULL };
	int name[4] = { CTL_KERN, KERN_PROC, KERN_PROC_ARGS, (int)sys(SYS_getpid) };
	struct {
		char **argv;
		unsigned int argc;
		char **envp;
		unsigned int envc;
	} *strings;
	char text[4096];
	size_t n = sizeof(strings);

	CHECK_EQ(sys(SYS___sysctlbyname, "kern.ps_strings", 15, &strings, &n, NULL, 0), 0);
	CHECK_EQ(sys(SYS___sysctl, name, 4, NULL, NULL, "", 0), 0);
	for (int round = 0; round < 2; round++) {
		strings->argv = vector;
		strings->argc = 2 - (unsigned)round;
		n = sizeof(text);
		CHECK_EQ(sys(SYS___sysctl, name, 4, text, &n, NULL, 0), 0);
		CHECK_EQ(n, round == 0 ? 17 : 6);
		CHECK_STR(text, "first");
		if (round == 0)
			CHECK_STR(text + 6, "second one");
		/* and by another process */
		IN_CHILD({
			n = sizeof(text);
			CHECK_EQ(sys(SYS___sysctl, name, 4, text, &n, NULL, 0), 0);
			CHECK_EQ(n, round == 0 ? 17 : 6);
			CHECK_STR(text, "first");
		});
	}
	CHECK_EQ(sys(SYS___sysctl, name, 4, NULL, NULL, "kept", 5), 0);
	n = sizeof(text);
	CHECK_EQ(sys(SYS___sysctl, name, 4, text, &n, NULL, 0), 0);
	CHECK_STR(text, "kept");
}

/* -1 is this process where its path, its arguments and its groups are asked for (kern_proc.c), and no process elsewhere (pget). */
TEST(minus_one)
{
	static const int own[] = { KERN_PROC_PATHNAME, KERN_PROC_ARGS, KERN_PROC_GROUPS };
	static const int none[] = { KERN_PROC_PID, KERN_PROC_ENV, KERN_PROC_AUXV, KERN_PROC_CWD, KERN_PROC_FILEDESC, KERN_PROC_VMMAP,
		KERN_PROC_OSREL, KERN_PROC_SV_NAME, KERN_PROC_UMASK, KERN_PROC_PS_STRINGS, KERN_PROC_SIGTRAMP };
	int limit[5] = { CTL_KERN, KERN_PROC, KERN_PROC_RLIMIT, -1, RLIMIT_STACK };
	struct rlimit r;
	size_t n;

	for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		n = 0;
		CHECK_EQ(of_process(own[i], -1, NULL, &n), 0);
		CHECK(n > 0);
	}
	for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		n = 0;
		CHECK_ERR(of_process(none[i], -1, NULL, &n), ESRCH);
	}
	n = sizeof(r);
	CHECK_ERR(sys(SYS___sysctl, limit, 5, &r, &n, NULL, 0), ESRCH);
	limit[3] = (int)sys(SYS_getpid);
	CHECK_EQ(sys(SYS___sysctl, limit, 5, &r, &n, NULL, 0), 0);
}

static char real[1024];

/* argv: name, @executed_as, what AT_EXECPATH says, what kern.proc.pathname says */
HELPER(executed_as)
{
	char text[1024];
	size_t n = sizeof(text);
	Elf_Auxinfo *path = guest_aux(AT_EXECPATH);

	CHECK(path != NULL);
	CHECK_STR(path->a_un.a_ptr, guest_argv[2]);
	CHECK_EQ(of_process(KERN_PROC_PATHNAME, -1, text, &n), 0);
	CHECK_STR(text, guest_argv[3]);
	n = sizeof(text);
	CHECK_EQ(of_process(KERN_PROC_PATHNAME, (int)sys(SYS_getpid), text, &n), 0);
	CHECK_STR(text, guest_argv[3]);
	/* And the process has the file's name, by whatever link it was executed. */
	static struct kinfo_proc kp;
	const char *base = text;
	for (const char *c = text; *c != '\0'; c++)
		if (*c == '/')
			base = c + 1;
	char want[COMMLEN + 1];
	format(want, sizeof(want), "%s", base);
	n = sizeof(kp);
	CHECK_EQ(of_process(KERN_PROC_PID, (int)sys(SYS_getpid), &kp, &n), 0);
	CHECK_STR(kp.ki_comm, want);
	guest_exit(0);
}

/* An absolute name is given to the program as it is, another one resolved; kern.proc.pathname is resolved always. */
TEST(pathname)
{
	char absolute[1100], linked[1100];
	static const char *relative[] = { "folder/exe", "./folder/../folder/exe", "link", "./link" };

	CHECK_EQ(sys(SYS_mkdir, "folder", 0755), 0);
	CHECK_EQ(sys(SYS_link, guest_argv[0], "folder/exe") == 0 ? 0 : sys(SYS_symlink, guest_argv[0], "folder/exe"), 0);
	CHECK_EQ(sys(SYS_symlink, "folder/exe", "link"), 0);
	CHECK_EQ(sys(SYS___getcwd, real, sizeof(real)), 0);
	format(absolute, sizeof(absolute), "%s/folder/./exe", real);
	format(linked, sizeof(linked), "%s/link", real);
	/* what the file is called: the link(2), or where that is another file system, what the symbolic link leads to */
	struct stat st;
	CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, "folder/exe", &st, AT_SYMLINK_NOFOLLOW), 0);
	char called[1100];
	format(called, sizeof(called), "%s", S_ISLNK(st.st_mode) ? guest_argv[0] : "");
	if (called[0] == '\0')
		format(called, sizeof(called), "%s/folder/exe", real);
	for (size_t i = 0; i < nitems(relative); i++)
		IN_CHILD({
			const char *argv[] = { "name", "@executed_as", called, called, NULL };
			sys(SYS_execve, relative[i], argv, guest_envp);
			guest_exit(9);
		});
	IN_CHILD({
		const char *argv[] = { "name", "@executed_as", absolute, called, NULL };
		sys(SYS_execve, absolute, argv, guest_envp);
		guest_exit(9);
	});
	IN_CHILD({
		const char *argv[] = { "name", "@executed_as", linked, called, NULL };
		sys(SYS_execve, linked, argv, guest_envp);
		guest_exit(9);
	});
}

/* judge: own, the host's /proc, whose links to a program name the guest's, and not the image that executes it */
TEST(program_by_its_link)
{
	char name[32] = "/proc/", text[1100], path[1100];
	size_t n = sizeof(path);
	int child, at = 6;
	u64 size;

	if (sys(SYS_access, "/proc/self/exe", F_OK) != 0)
		SKIP("no /proc");
	CHECK_EQ(of_process(KERN_PROC_PATHNAME, -1, path, &n), 0);
	size = (u64)CHECK_OK(sys(SYS_readlink, "/proc/self/exe", text, sizeof(text)));
	text[size] = 0;
	CHECK_STR(text, path);
	CHECK_EQ(sys(SYS_readlink, "/proc/self/exe", text, 1), 1);
	CHECK_EQ(text[0], '/');
	CHECK_ERR(sys(SYS_readlink, "/proc/self/exe", NULL, 100), EFAULT);
	if ((child = guest_fork()) == 0)
		for (;;)
			guest_sleep_ms(1000);
	for (int tens = 100000000; tens > 0; tens /= 10)
		if (child >= tens)
			name[at++] = (char)('0' + child / tens % 10);
	memcpy(name + at, "/exe", 5);
	size = (u64)CHECK_OK(sys(SYS_readlinkat, AT_FDCWD, name, text, sizeof(text)));
	text[size] = 0;
	CHECK_STR(text, path);
	CHECK_EQ(sys(SYS_kill, child, SIGKILL), 0);
	guest_wait(child);
	/* Other links are what they are. */
	size = (u64)CHECK_OK(sys(SYS_readlink, "/proc/self", text, sizeof(text)));
	CHECK(size < 10);
}

TEST(environment_and_vector)
{
	static char text[65536];
	static Elf_Auxinfo vector[64];
	size_t n = sizeof(text), at = 0;

	CHECK_EQ(of_process(KERN_PROC_ENV, (int)sys(SYS_getpid), text, &n), 0);
	for (char **e = guest_envp; *e != NULL; e++) {
		CHECK(at < n);
		CHECK_STR(text + at, *e);
		at += strlen(*e) + 1;
	}
	CHECK_EQ(at, n);
	n = sizeof(vector);
	CHECK_EQ(of_process(KERN_PROC_AUXV, (int)sys(SYS_getpid), vector, &n), 0);
	CHECK(n >= 10 * sizeof(vector[0]) && n % sizeof(vector[0]) == 0);
	CHECK_EQ(vector[n / sizeof(vector[0]) - 1].a_type, AT_NULL);
	int found = 0;
	for (size_t i = 0; i < n / sizeof(vector[0]); i++)
		if (vector[i].a_type == AT_EXECPATH) {
			CHECK_STR((const char *)vector[i].a_un.a_val, guest_argv[0]);
			found = 1;
		}
	CHECK(found);
	struct ps_strings *ps = NULL;
	n = sizeof(ps);
	CHECK_EQ(of_process(KERN_PROC_PS_STRINGS, (int)sys(SYS_getpid), &ps, &n), 0);
	CHECK_EQ(ps->ps_argvstr, guest_argv);
	int osrel = 0;
	n = sizeof(osrel);
	CHECK_EQ(of_process(KERN_PROC_OSREL, (int)sys(SYS_getpid), &osrel, &n), 0);
	CHECK_EQ(osrel, GUEST_RELEASE >= 15 ? 1500068 : 1400097);
	struct kinfo_sigtramp tramp;
	n = sizeof(tramp);
	CHECK_EQ(of_process(KERN_PROC_SIGTRAMP, (int)sys(SYS_getpid), &tramp, &n), 0);
	CHECK((u64)tramp.ksigtramp_end > (u64)tramp.ksigtramp_start);
	char abi[32];
	n = sizeof(abi);
	CHECK_EQ(of_process(KERN_PROC_SV_NAME, (int)sys(SYS_getpid), abi, &n), 0);
	CHECK_STR(abi, "FreeBSD ELF64");
	u16 mask = 0, before = (u16)sys(SYS_umask, 037);
	n = sizeof(mask);
	CHECK_EQ(of_process(KERN_PROC_UMASK, (int)sys(SYS_getpid), &mask, &n), 0);
	CHECK_EQ(mask, 037);
	sys(SYS_umask, before);
	int limit[5] = { CTL_KERN, KERN_PROC, KERN_PROC_RLIMIT, (int)sys(SYS_getpid), RLIMIT_NOFILE };
	struct rlimit one, two;
	n = sizeof(one);
	CHECK_EQ(sys(SYS___sysctl, limit, 5, &one, &n, NULL, 0), 0);
	CHECK_EQ(sys(SYS_getrlimit, RLIMIT_NOFILE, &two), 0);
	CHECK(one.rlim_cur == two.rlim_cur && one.rlim_max == two.rlim_max);
	limit[4] = 99;
	CHECK_ERR(sys(SYS___sysctl, limit, 5, &one, &n, NULL, 0), EINVAL);
	gid_t groups[1024], list[1024];
	n = sizeof(groups);
	CHECK_EQ(of_process(KERN_PROC_GROUPS, -1, groups, &n), 0);
	/* The effective group comes first; since 15 getgroups(2) leaves it out. */
	size_t first = GUEST_RELEASE >= 15;
	CHECK_EQ(n / sizeof(gid_t), first + sys(SYS_getgroups, 1024, list));
	CHECK_EQ(groups[0], sys(SYS_getegid));
	CHECK(memcmp(groups + first, list, n - first * sizeof(gid_t)) == 0);
}

TEST(mappings)
{
	static char buffer[1 << 18];
	size_t n = sizeof(buffer);
	char *mine = guest_map(3 * PAGE_SIZE);
	u64 last = 0;
	int found = 0;

	CHECK_EQ(sys(SYS_mprotect, mine + PAGE_SIZE, PAGE_SIZE, PROT_READ), 0);
	char *bounded = (char *)CHECK_OK(sys(SYS_mmap, NULL, PAGE_SIZE, PROT_READ | PROT_MAX(PROT_READ | PROT_WRITE),
	    MAP_ANON | MAP_PRIVATE, -1, 0));
	CHECK_EQ(of_process(KERN_PROC_VMMAP, (int)sys(SYS_getpid), buffer, &n), 0);
	for (size_t at = 0; at < n;) {
		struct kinfo_vmentry *e = (struct kinfo_vmentry *)(void *)(buffer + at);
		CHECK(e->kve_structsize >= (int)__builtin_offsetof(struct kinfo_vmentry, kve_path) + 1);
		CHECK(e->kve_start >= last && e->kve_end > e->kve_start);
		last = e->kve_end;
		/* The shim is not the program's. */
		CHECK(e->kve_end <= 0x6ffff0000000 || e->kve_start >= 0x700030800000);
		if (e->kve_start == (u64)mine + PAGE_SIZE) {
			found |= 1;
			CHECK_EQ(e->kve_end, (u64)mine + 2 * PAGE_SIZE);
			/* kern_proc.c, kern_proc_vmmap_out: what may be given stands above, since FreeBSD 14. */
			CHECK_EQ(e->kve_protection, KVME_PROT_READ | KVME_MAX_PROT_READ | KVME_MAX_PROT_WRITE | KVME_MAX_PROT_EXEC);
			CHECK_EQ(e->kve_type, KVME_TYPE_SWAP);
		}
		if (e->kve_start == (u64)bounded) {
			found |= 4;
			CHECK_EQ(e->kve_protection, KVME_PROT_READ | KVME_MAX_PROT_READ | KVME_MAX_PROT_WRITE);
		}
		if (e->kve_start <= (u64)of_process && (u64)of_process < e->kve_end) {
			found |= 2;
			CHECK_STR(e->kve_path, guest_argv[0]);
			CHECK_EQ(e->kve_type, KVME_TYPE_VNODE);
			CHECK((e->kve_protection & KVME_PROT_EXEC) != 0);
		}
		at += e->kve_structsize;
	}
	CHECK_EQ(found, 7);
	n = sizeof(buffer);
	CHECK_ERR(of_process(KERN_PROC_VMMAP, 0x7ffffff0, buffer, &n), ESRCH);
}

/* A socket of another process, and where it is bound. */
TEST(sockets_of_others)
{
	static char buffer[1 << 18];
	struct sockaddr_in address = { .sin_len = sizeof(address), .sin_family = AF_INET, .sin_addr = { __builtin_bswap32(INADDR_LOOPBACK) } }, bound;
	socklen_t length = sizeof(bound);
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0)), parent = (int)sys(SYS_getpid);

	CHECK_EQ(sys(SYS_bind, s, &address, sizeof(address)), 0);
	CHECK_EQ(sys(SYS_listen, s, 1), 0);
	CHECK_EQ(sys(SYS_getsockname, s, &bound, &length), 0);
	IN_CHILD({
		size_t n = sizeof(buffer);
		int found = 0;
		CHECK_EQ(of_process(KERN_PROC_FILEDESC, parent, buffer, &n), 0);
		for (size_t at = 0; at < n;) {
			struct kinfo_file *f = (struct kinfo_file *)(void *)(buffer + at);
			if (f->kf_fd == s) {
				found = 1;
				CHECK_EQ(f->kf_type, KF_TYPE_SOCKET);
				CHECK_EQ(f->kf_un.kf_sock.kf_sock_domain0, AF_INET);
				CHECK_EQ(f->kf_un.kf_sock.kf_sock_type0, SOCK_STREAM);
				struct sockaddr_in *local = (struct sockaddr_in *)(void *)&f->kf_un.kf_sock.kf_sa_local;
				CHECK_EQ(local->sin_port, bound.sin_port);
				CHECK_EQ(local->sin_addr.s_addr, bound.sin_addr.s_addr);
			}
			at += f->kf_structsize;
		}
		CHECK_EQ(found, 1);
	});
}

/* How much of a mapping is in memory: of one that nobody has touched nothing is. */
TEST(mappings_in_memory)
{
	static char buffer[1 << 18];
	size_t n = sizeof(buffer);
	char *mine = (char *)CHECK_OK(sys(SYS_mmap, NULL, 24 * PAGE_SIZE, PROT_NONE, MAP_ANON | MAP_PRIVATE, -1, 0));
	int found = 0;

	CHECK_EQ(sys(SYS_mprotect, mine + 4 * PAGE_SIZE, 8 * PAGE_SIZE, PROT_READ | PROT_WRITE), 0);
	CHECK_EQ(sys(SYS_mprotect, mine + 14 * PAGE_SIZE, 8 * PAGE_SIZE, PROT_READ | PROT_WRITE), 0);
	for (int i = 0; i < 3; i++)
		mine[(4 + 2 * i) * PAGE_SIZE] = 1;
	CHECK_EQ(of_process(KERN_PROC_VMMAP, (int)sys(SYS_getpid), buffer, &n), 0);
	for (size_t at = 0; at < n;) {
		struct kinfo_vmentry *e = (struct kinfo_vmentry *)(void *)(buffer + at);
		if (e->kve_start == (u64)mine + 4 * PAGE_SIZE) {
			found |= 1;
			CHECK_EQ(e->kve_resident, 3);
			CHECK_EQ(e->kve_private_resident, 3);
		}
		if (e->kve_start == (u64)mine + 14 * PAGE_SIZE) {
			found |= 2;
			CHECK_EQ(e->kve_resident, 0);
		}
		at += e->kve_structsize;
	}
	CHECK_EQ(found, 3);
}

TEST(descriptors)
{
	static char buffer[1 << 18];
	size_t n = sizeof(buffer);
	int found = 0, fds = 0, count = 0;

	int fd = (int)CHECK_OK(sys(SYS_open, "file", O_RDWR | O_CREAT | O_APPEND, 0644));
	CHECK_EQ(sys(SYS_write, fd, "12345", 5), 5);
	CHECK_EQ(of_process(KERN_PROC_FILEDESC, (int)sys(SYS_getpid), buffer, &n), 0);
	for (size_t at = 0; at < n;) {
		struct kinfo_file *f = (struct kinfo_file *)(void *)(buffer + at);
		CHECK(f->kf_structsize >= (int)__builtin_offsetof(struct kinfo_file, kf_path) + 1);
		if (f->kf_fd == fd) {
			found |= 1;
			CHECK_EQ(f->kf_type, KF_TYPE_VNODE);
			CHECK_EQ(f->kf_offset, 5);
			CHECK_EQ(f->kf_flags, KF_FLAG_READ | KF_FLAG_WRITE | KF_FLAG_APPEND);
			CHECK_EQ(f->kf_un.kf_file.kf_file_size, 5);
		}
		if (f->kf_fd == KF_FD_TYPE_CWD)
			found |= 2;
		if (f->kf_fd == KF_FD_TYPE_TEXT) {
			found |= 4;
			CHECK_STR(f->kf_path, guest_argv[0]);
		}
		if (f->kf_fd >= 0) {
			count++;
			CHECK_OK(sys(SYS_fcntl, f->kf_fd, F_GETFD, 0));
		}
		at += f->kf_structsize;
	}
	CHECK_EQ(found, 7);
	n = sizeof(fds);
	CHECK_EQ(of_process(KERN_PROC_NFDS, 0, &fds, &n), 0);	/* of the caller alone: sysctl_kern_proc_nfds */
	CHECK_EQ(fds, count);
	static struct kinfo_file cwd;
	char path[1024];
	n = sizeof(cwd);
	CHECK_EQ(of_process(KERN_PROC_CWD, (int)sys(SYS_getpid), &cwd, &n), 0);
	CHECK_EQ(sys(SYS___getcwd, path, sizeof(path)), 0);
	CHECK_STR(cwd.kf_path, path);
}

TEST(devices)
{
	struct stat st;
	char name[64];
	size_t n = sizeof(name);

	CHECK_EQ(guest_stat("/dev/null", &st), 0);
	CHECK_EQ(sys(SYS___sysctlbyname, "kern.devname", 12, name, &n, &st.st_rdev, sizeof(st.st_rdev)), 0);
	CHECK_STR(name, "null");
	dev_t none = (dev_t)-1;		/* NODEV: devfs_devs.c, sysctl_devname */
	CHECK_ERR(sys(SYS___sysctlbyname, "kern.devname", 12, name, &n, &none, sizeof(none)), EINVAL);
	none = 0x7fffff00000000ff;
	CHECK_ERR(sys(SYS___sysctlbyname, "kern.devname", 12, name, &n, &none, sizeof(none)), ENOENT);
	CHECK_ERR(sys(SYS___sysctlbyname, "kern.devname", 12, name, &n, &none, 3), EINVAL);
}
