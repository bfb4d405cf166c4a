/*
 * The main stack: its size, its limit and its guard (exec_map_stack in sys/kern/kern_exec.c, kern_proc_setrlimit in
 * sys/kern/kern_resource.c, vm_map_growstack in sys/vm/vm_map.c). 512 MiB are MAXSSIZ of sys/amd64/include/vmparam.h,
 * which is what login.conf's default class asks for.
 */
#include "guest.h"
#include <sys/sysctl.h>
#include <sys/user.h>

#define MIB (1UL << 20)
#define MAXSSIZ_ (512 * MIB)

static char *no_env[] = { NULL };
static siginfo_t info_;
static void *jump[5];

static void
catch_(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)context;
	info_ = *info;
	__builtin_longjmp(jump, 1);
}

static void
catch_on_another_stack(void)
{
	stack_t stack = { .ss_sp = guest_map(65536), .ss_size = 65536 };

	CHECK_EQ(sys(SYS_sigaltstack, &stack, NULL), 0);
	guest_handle(SIGSEGV, catch_, SA_ONSTACK);
}

#define FAULTS(code) ({ \
	volatile int faulted_ = 1; \
	if (__builtin_setjmp(jump) == 0) { \
		code; \
		faulted_ = 0; \
	} \
	sigset_t none_ = { { 0 } }; \
	CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &none_, NULL), 0); \
	faulted_; \
})

static u64
top(void)
{
	return ((u64)guest_aux(AT_USRSTACKBASE)->a_un.a_val);
}

static struct rlimit
limit(void)
{
	struct rlimit rl;

	CHECK_EQ(sys(SYS_getrlimit, RLIMIT_STACK, &rl), 0);
	return (rl);
}

static long
set_limit(u64 now, u64 most)
{
	struct rlimit rl = { (rlim_t)now, (rlim_t)most };

	return (sys(SYS_setrlimit, RLIMIT_STACK, &rl));
}

/* Uses the stack in frames, as a program does, until its pointer is below `end`; the sum shows that nothing was lost. */
static int __attribute__((noinline))
use(u64 end)
{
	volatile char room[32768];

	room[0] = 1;
	room[sizeof(room) - 1] = 1;
	if ((u64)room < end)
		return (1);
	return (use(end) + room[0]);
}

static int __attribute__((noinline))
small_frames(volatile char *above)
{
	volatile char room[2048];

	room[0] = *above;
	if (room[0] == 2)
		return (0);
	return (small_frames(room) + room[0]);
}

/* Runs over the end of the stack at `bottom`, in frames there that do not leap over its guard. */
static int __attribute__((noinline))
overflow(u64 bottom)
{
	volatile char room[32768];

	room[0] = 1;
	room[sizeof(room) - 1] = 1;
	if ((u64)room < bottom + 131072)
		return (small_frames(room));
	return (overflow(bottom) + room[0]);
}

static void
all_of_it(void)
{
	if ((u64)limit().rlim_max < MAXSSIZ_)
		SKIP("the hard limit of the stack is below 512 MiB here");
}

TEST(limits)
{
	u64 value = 0;
	size_t n = sizeof(value);
	struct rlimit rl = limit(), other;
	int mib[] = { CTL_KERN, KERN_PROC, KERN_PROC_RLIMIT, (int)sys(SYS_getpid), RLIMIT_STACK };

	all_of_it();
	CHECK_EQ(rl.rlim_cur, MAXSSIZ_);
	CHECK_EQ(rl.rlim_max, MAXSSIZ_);
	CHECK_EQ(guest_aux(AT_USRSTACKLIM)->a_un.a_val, MAXSSIZ_);
	CHECK_EQ(sys(570, "kern.maxssiz", 12, &value, &n, NULL, 0), 0);		/* __sysctlbyname */
	CHECK_EQ(value, MAXSSIZ_);
	CHECK_EQ(n, 8);
	CHECK_EQ(sys(570, "kern.sgrowsiz", 13, &value, &n, NULL, 0), 0);
	CHECK_EQ(value, 131072);
	n = sizeof(other);
	CHECK_EQ(sys(SYS___sysctl, mib, 5, &other, &n, NULL, 0), 0);
	CHECK(other.rlim_cur == rl.rlim_cur && other.rlim_max == rl.rlim_max);
}

TEST(deep)
{
	all_of_it();
	CHECK(use(top() - 400 * MIB) > 12000);
	CHECK(use(top() - MAXSSIZ_ + 2 * MIB) > 16000);
}

/* The addresses below what is in use are the stack's; the last page of them is the guard. */
TEST(guard)
{
	all_of_it();
	catch_on_another_stack();
	for (int i = 0; i < 2; i++) {
		CHECK(FAULTS(overflow(top() - MAXSSIZ_)));
		CHECK_EQ(info_.si_signo, SIGSEGV);
		CHECK_EQ(info_.si_code, SEGV_ACCERR);
		CHECK_BETWEEN(info_.si_addr, top() - MAXSSIZ_, top() - MAXSSIZ_ + PAGE_SIZE - 1);
		CHECK_OK(sys(SYS_getpid));
	}
}

TEST(limit_bounds)
{
	catch_on_another_stack();
	CHECK_EQ(set_limit(3 * MIB, (u64)limit().rlim_max), 0);
	CHECK_EQ(limit().rlim_cur, 3 * MIB);
	CHECK(use(top() - 2 * MIB) > 50);
	CHECK(FAULTS(overflow(top() - 3 * MIB)));
	CHECK_EQ(info_.si_signo, SIGSEGV);
	CHECK_EQ(info_.si_code, SEGV_ACCERR);
	CHECK_BETWEEN(info_.si_addr, top() - 3 * MIB - PAGE_SIZE, top() - 3 * MIB + PAGE_SIZE - 1);	/* the limit is of whole pages */
}

/* judge: policy, on 15.0 a stack that has run over its limit does not grow under a larger one */
TEST(limit_raised)
{
	catch_on_another_stack();
	CHECK_EQ(set_limit(3 * MIB, (u64)limit().rlim_max), 0);
	CHECK(FAULTS(overflow(top() - 3 * MIB)));
	CHECK_EQ(set_limit(6 * MIB, (u64)limit().rlim_max), 0);
	CHECK(use(top() - 5 * MIB) > 100);
}

/* What is in use beyond a new limit becomes inaccessible, and comes back with the next one. */
TEST(lowered_below_what_is_in_use)
{
	volatile char *there = (char *)top() - 3 * MIB;

	catch_on_another_stack();
	CHECK(use(top() - 4 * MIB) > 100);
	*there = 7;
	CHECK_EQ(set_limit(2 * MIB, (u64)limit().rlim_max), 0);
	CHECK(FAULTS((void)*there));
	CHECK_EQ(info_.si_addr, there);
	CHECK_EQ(info_.si_code, SEGV_ACCERR);
	CHECK_EQ(*((volatile char *)top() - MIB), *((volatile char *)top() - MIB));
	CHECK_EQ(set_limit(8 * MIB, (u64)limit().rlim_max), 0);
	CHECK_EQ(*there, 7);
	CHECK(use(top() - 6 * MIB) > 100);
}

/* No limit is above maxssiz; asking for more is the superuser's, who gets that. */
TEST(cut_to_maxssiz)
{
	all_of_it();
	if (sys(SYS_geteuid) != 0) {
		CHECK_EQ(set_limit(MAXSSIZ_, MAXSSIZ_), 0);
		CHECK_ERR(set_limit(MAXSSIZ_, RLIM_INFINITY), EPERM);
		CHECK_ERR(set_limit(RLIM_INFINITY, MAXSSIZ_), EPERM);
		CHECK_EQ(limit().rlim_cur, MAXSSIZ_);
		return;
	}
	CHECK_EQ(set_limit(RLIM_INFINITY, RLIM_INFINITY), 0);
	CHECK_EQ(limit().rlim_cur, MAXSSIZ_);
	CHECK_EQ(limit().rlim_max, MAXSSIZ_);
	CHECK_EQ(set_limit((u64)-5, (u64)-5), 0);
	CHECK_EQ(limit().rlim_max, MAXSSIZ_);
	/* More than its maximum is the maximum. */
	IN_CHILD({
		CHECK_EQ(set_limit(100 * MIB, 50 * MIB), 0);
		CHECK_EQ(limit().rlim_cur, 50 * MIB);
		CHECK_EQ(limit().rlim_max, 50 * MIB);
	});
}

HELPER(limit)
{
	CHECK_EQ(limit().rlim_cur, (u64)guest_number(guest_argv[2]));
	CHECK_EQ(guest_aux(AT_USRSTACKLIM)->a_un.a_val, (u64)guest_number(guest_argv[2]));
	if (guest_argc > 3)
		CHECK_EQ(use(top() - (u64)guest_number(guest_argv[3])) > 0, 1);
}

static int
executed(const char *wanted, const char *deep)
{
	char *argv[] = { guest_argv[0], "@limit", (char *)wanted, (char *)deep, NULL };
	int pid = guest_fork();

	if (pid == 0)
		CHECK_OK(sys(SYS_execve, guest_argv[0], argv, no_env));
	return (guest_wait(pid));
}

/* A limit is inherited, also one that is Linux's default. */
TEST(inherited)
{
	all_of_it();
	CHECK_EQ(executed("536870912", "470000000"), 0);
	CHECK_EQ(set_limit(16 * MIB, MAXSSIZ_), 0);
	CHECK_EQ(executed("16777216", NULL), 0);
	CHECK_EQ(set_limit(8 * MIB, MAXSSIZ_), 0);
	CHECK_EQ(executed("8388608", NULL), 0);
	CHECK_EQ(set_limit(MAXSSIZ_, MAXSSIZ_), 0);
	CHECK_EQ(executed("536870912", "470000000"), 0);
}

/* No mapping that may choose its place goes where the stack will be; MAP_EXCL finds the place taken. */
TEST(addresses_are_set_aside)
{
	u64 hints[] = { top() - MAXSSIZ_, top() - 300 * MIB, top() - 4 * MIB, top() - MAXSSIZ_ - 65536 };

	all_of_it();
	for (size_t i = 0; i < nitems(hints); i++) {
		u64 at = (u64)CHECK_OK(sys(SYS_mmap, hints[i], 131072, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0));
		CHECK(at + 131072 <= top() - MAXSSIZ_ || at >= top());
		CHECK_EQ(sys(SYS_munmap, at, 131072), 0);
	}
	CHECK_ERR(sys(SYS_mmap, top() - 300 * MIB, 4096, PROT_READ, MAP_ANON | MAP_PRIVATE | MAP_FIXED | MAP_EXCL, -1, 0), ENOMEM);
	/* Below it is the place of the threads' stacks (libthr's thr_stack.c). */
	u64 below = top() - MAXSSIZ_ - 4 * MIB;
	u64 at = (u64)CHECK_OK(sys(SYS_mmap, below, 2 * MIB, PROT_READ | PROT_WRITE, MAP_STACK, -1, 0));
	CHECK(at == below || at >= top());	/* random addresses are above what is asked for */
	CHECK(use(top() - MAXSSIZ_ + 2 * MIB) > 16000);
}

TEST(shown)
{
	static char buffer[1 << 18];
	size_t n = sizeof(buffer);
	int mib[] = { CTL_KERN, KERN_PROC, KERN_PROC_VMMAP, (int)sys(SYS_getpid) };
	int found = 0;

	CHECK_EQ(sys(SYS___sysctl, mib, 4, buffer, &n, NULL, 0), 0);
	for (size_t at = 0; at < n;) {
		struct kinfo_vmentry *e = (struct kinfo_vmentry *)(void *)(buffer + at);
		at += e->kve_structsize;
		if (e->kve_end != top())
			continue;
		found = 1;
		CHECK_EQ(e->kve_flags & KVME_FLAG_GROWS_DOWN, KVME_FLAG_GROWS_DOWN);
		CHECK(e->kve_start <= (u64)__builtin_frame_address(0) && e->kve_start > top() - MAXSSIZ_);
		CHECK_EQ(e->kve_protection & 3, 3);
	}
	CHECK(found);
}

/* ------------------------------------------------------------------ for tests/test_stack.py */

/* A stack of its own size, by the program header: all of it but the guard, and no more. */
HELPER(own_size)
{
	u64 size = (u64)guest_number(guest_argv[2]);
	u64 bottom = top() - size;

	CHECK_EQ(limit().rlim_cur, (u64)guest_number(guest_argv[3]));
	CHECK_EQ(guest_aux(AT_USRSTACKLIM)->a_un.a_val, limit().rlim_cur);
	catch_on_another_stack();
	CHECK(FAULTS(overflow(bottom)));
	CHECK_EQ(info_.si_signo, SIGSEGV);
	CHECK_EQ(info_.si_code, SEGV_ACCERR);
	CHECK_BETWEEN(info_.si_addr, bottom, bottom + PAGE_SIZE - 1);
	*(volatile char *)(bottom + PAGE_SIZE) = 1;
	CHECK(FAULTS(*(volatile char *)(bottom + PAGE_SIZE - 1) = 1));
	CHECK_EQ(info_.si_addr, bottom + PAGE_SIZE - 1);
	CHECK_EQ(info_.si_code, SEGV_ACCERR);
	say("as large as it should be\n");
}

HELPER(use)
{
	use(top() - (u64)guest_number(guest_argv[2]));
	say("%l\n", (long)limit().rlim_cur);
}

/* Executes argv[2] with the rest, after setting the limit if that is given by STACK. */
HELPER(execute)
{
	const char *wanted = guest_env("STACK");

	if (wanted != NULL)
		CHECK_EQ(set_limit((u64)guest_number(wanted), (u64)limit().rlim_max), 0);
	CHECK_ERR(sys(SYS_execve, "/missing", guest_argv + 2, guest_envp), ENOENT);
	CHECK_OK(sys(SYS_execve, guest_argv[2], guest_argv + 2, guest_envp));
}

/* The same by a child that shares the memory (posix_spawn(3)): this process's limit stays what it was. */
HELPER(spawn)
{
	struct rlimit before = limit();
	long pid = sys(SYS_vfork);

	if (pid == 0) {
		sys(SYS_execve, guest_argv[2], guest_argv + 2, guest_envp);
		guest_exit(99);
	}
	CHECK_EQ(guest_wait((int)pid), 0);
	CHECK_EQ(limit().rlim_cur, before.rlim_cur);
}
