/* Every syscall with arguments from a bag of nasty values: LSF may refuse, the program may die of what it did to itself,
 * but LSF must not meet a bug of its own (SIGABRT, and a line on descriptor 2).
 *
 *     fuzz @run SEED BATCHES NUMBER,NUMBER...     prints one line for each batch that ended in a way that LSF is to blame for
 *
 * Run it as nobody and in a process namespace of its own: tests/test_fuzz.py does.
 */
#include "guest.h"

#define CALLS 100

static int numbers[700], count;

static u64 state;

static u64
random_(void)
{
	state ^= state << 13, state ^= state >> 7, state ^= state << 17;
	return (state * 0x2545f4914f6cdd1dUL);
}

/* What ends, blocks for good or harms others by design. */
static int
excluded(int number)
{
	switch (number) {
	case SYS_exit:
	case SYS_kill:
	case SYS_thr_kill:
	case SYS_thr_kill2:
	case SYS_thr_exit:
	case SYS_sigqueue:
	case SYS_reboot:
	case SYS_cap_enter:		/* most others would be refused from then on: file/capmode.c does it */
	case SYS_sigsuspend:
	case SYS_abort2:
	case 146:		/* killpg of 4.3BSD */
	case 111:		/* sigsuspend of 4.3BSD */
	case 345: case 346: case 429: case 532: case SYS_wait4:		/* sigtimedwait, sigwaitinfo, sigwait, wait6 */
	case SYS_thr_suspend:
	case SYS_pdkill:
	case SYS_procctl:
		return (1);
	}
	return (0);
}

struct report {
	int number;
	u64 argument[6];
};

static char *bad_pages, *good_page;

/* Not among them: the shim's writable data, which a program can write to without any call. */
static u64
argument(void)
{
	static const u64 values[] = { 0, 1, 2, 3, 4, 5, 7, 8, 16, 63, 64, 100, 128, 255, 256, 1023, 1024, 4095, 4096, 4097, 65535,
		65536, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, (u64)-1, (u64)-2,
		(u64)-100, (u64)-4096, 0x6ffff0000000, 0x6ffff0001000, 0x6ffff00ffff8, 0x6ffff0100000, 0x6ffff0101000,
		0x6ffff0130000, 0x7ffffffff000, 0x7fffffffeff8, 0x800000000000, 0xffff800000000000, 0xffffffff81000000, O_CREAT | O_RDWR,
		O_DIRECTORY, AT_SYMLINK_NOFOLLOW, MAP_ANON | MAP_PRIVATE, MAP_ANON | MAP_PRIVATE | MAP_FIXED };

	switch (random_() % 8) {
	case 0:
		return ((u64)good_page + random_() % 64 * 8);
	case 1:
		return ((u64)good_page + 4096 - random_() % 64);	/* runs into the page without access */
	case 2:
		return ((u64)bad_pages + random_() % 4096);
	case 3:
		return ((u64)(random_() % 2 ? "file" : "dir"));
	case 4:
		return (random_());
	case 5:
		return (random_() % 20);
	default:
		return (values[random_() % nitems(values)]);
	}
}

static void __attribute__((noreturn))
batch(struct report *report)
{
	struct rlimit files = { 64, 64 }, size = { 1 << 20, 1 << 20 }, none = { 0, 0 }, cpu = { 2, 2 };
	struct itimerval timer = { { 0, 20000 }, { 0, 20000 } };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	extern void nothing(int, siginfo_t *, void *);

	good_page = guest_map(8192);
	bad_pages = good_page + 4096;
	CHECK_EQ(sys(SYS_mprotect, bad_pages, 4096, PROT_NONE), 0);
	for (int i = 0; i < 512; i++)
		((u64 *)good_page)[i] = random_() % 4 ? random_() % 64 : argument();
	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_NOFILE, &files), 0);
	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_FSIZE, &size), 0);
	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_CORE, &none), 0);
	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_CPU, &cpu), 0);
	guest_handle(SIGALRM, nothing, 0);
	CHECK_EQ(sys(SYS_sigaction, SIGSYS, &ignore, NULL), 0);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &timer, NULL), 0);
	for (int i = 0; i < CALLS; i++) {
		do
			report->number = numbers[random_() % (u64)count];
		while (excluded(report->number));
		for (int k = 0; k < 6; k++)
			report->argument[k] = argument();
		if (report->number == SYS_syscall || report->number == SYS___syscall) {
			if (excluded((int)report->argument[0] & 1023))
				continue;
		}
		u64 *a = report->argument;
		long parent = sys(SYS_getppid);
		guest_call(report->number, a[0], a[1], a[2], a[3], a[4], a[5]);
		/* A child that a call made ends here. */
		if (sys(SYS_getppid) != parent)
			guest_exit(0);
	}
	guest_exit(0);
}

void
nothing(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
}

HELPER(run)
{
	u64 seed = (u64)guest_number(guest_argv[2]);
	long batches = guest_number(guest_argv[3]), ended = 0, died = 0, hung = 0;
	struct report *report = (struct report *)CHECK_OK(sys(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_ANON | MAP_SHARED, -1, 0));

	for (const char *c = guest_argv[4]; *c != '\0' && count < (int)nitems(numbers); c += *c == ',') {
		numbers[count++] = (int)guest_number(c);
		while (*c >= '0' && *c <= '9')
			c++;
	}
	guest_put("file", "#!/nothing\n", 11);
	CHECK_EQ(sys(SYS_mkdir, "dir", 0777), 0);
	CHECK_EQ(sys(SYS_chmod, ".", 0777), 0);
	if (sys(SYS_geteuid) == 0) {
		sys(SYS_setgroups, 0, NULL);
		CHECK_EQ(sys(SYS_setresgid, 65534, 65534, 65534), 0);
		CHECK_EQ(sys(SYS_setresuid, 65534, 65534, 65534), 0);
	}
	for (long b = 0; b < batches; b++) {
		int status = -1;
		state = seed * 1000003 + (u64)b * 7919 + 12345;
		for (int i = 0; i < 10; i++)
			random_();
		int pid = guest_fork();
		if (pid == 0) {
			/* A group of its own: what it stops or signals is not this process. */
			sys(SYS_setpgid, 0, 0);
			batch(report);
		}
		long until = guest_now_ms() + 1000;
		while (sys(SYS_wait4, pid, &status, WNOHANG, NULL) == 0 && guest_now_ms() < until)
			guest_sleep_ms(1);
		if (status == -1) {
			hung++;
			CHECK_EQ(sys(SYS_kill, pid, SIGKILL), 0);
			(void)guest_wait(pid);
			/* It waits for something, with the timer's signal blocked: that may be. A loop is seen by RLIMIT_CPU. */
			say("waits in syscall %d\n", report->number);
		} else if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			ended++;
		else if (WIFEXITED(status))
			say("batch %l: status %d after syscall %d\n", b, WEXITSTATUS(status), report->number);
		else {
			died++;
			if (WTERMSIG(status) == SIGABRT || WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGXCPU
			    || WTERMSIG(status) == SIGKILL)
				say("batch %l: signal %d in syscall %d(%x, %x, %x, %x, %x, %x)\n", b, WTERMSIG(status), report->number,
				    report->argument[0], report->argument[1], report->argument[2], report->argument[3],
				    report->argument[4], report->argument[5]);
		}
	}
	CHECK(ended > 0);
	say("ended %l, died %l, hung %l\n", ended, died, hung);
}
