/* Sites that are patched while other threads run them, while signals arrive, and while the process forks. Every site here
 * is new at its first call, so that each run has some thousand of these moments. */
#include "guest.h"

#define SITES 3072
#define SITE_SIZE 16
#define THREADS 8

/* Each 16 bytes: mov $20, %eax; syscall; jnc 1f; neg %rax; 1: ret */
__asm__(".text\n.p2align 6\nsites:\n"
    ".rept 3072\n	mov $20, %eax\n	syscall\n	jnc 1f\n	neg %rax\n1:	ret\n	.p2align 4\n.endr\n");
extern u8 sites[];

typedef long (*call_t)(void);

static inline long
site(int i)
{
	return (((call_t)(sites + i * SITE_SIZE))());
}

static volatile int at, arrived, wrong, stop;
static long expected;
static struct guest_thread threads[THREADS];

/* All threads call one site until each has called it often enough, then go on to the next together. */
static void
hammer(void *argument)
{
	long last = (long)argument;

	for (int i = 0; i < last; i++) {
		for (int k = 0; k < 24; k++)
			if (site(i) != expected)
				wrong++;
		if (__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST) == THREADS * (i + 1))
			at = i + 1;
		for (int spin = 0; at <= i; spin++)
			if (spin > 100)
				sys(SYS_sched_yield);
	}
}

TEST(each_site_under_fire)
{
	expected = sys(SYS_getpid);
	for (int i = 0; i < THREADS; i++)
		guest_thread_start(&threads[i], hammer, (void *)1500L);
	for (int i = 0; i < THREADS; i++)
		guest_thread_join(&threads[i]);
	CHECK_EQ(wrong, 0);
	CHECK_EQ(at, 1500);
}

static volatile long handled;

static void
count(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	if (site(SITES - 1 - handled % 512) != expected)	/* the handler meets new sites too */
		wrong++;
	handled++;
}

TEST(signals_while_patching)
{
	struct itimerval often = { { 0, 150 }, { 0, 150 } }, never = { { 0, 0 }, { 0, 0 } };

	expected = sys(SYS_getpid);
	guest_handle(SIGALRM, count, SA_RESTART);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &often, NULL), 0);
	for (int i = 0; i < SITES - 512; i++)
		for (int k = 0; k < 24; k++)
			CHECK_EQ(site(i), expected);
	while (handled < 100)
		CHECK_EQ(site(handled), expected);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &never, NULL), 0);
	CHECK_EQ(wrong, 0);
}

static void
patch_on(void *argument)
{
	(void)argument;
	for (int i = 0; i < SITES - 64 && !stop; i++)
		for (int k = 0; k < 24; k++)
			if (site(i) != expected)
				wrong++;
}

/* A child of a fork in the middle of it has all sites, patched or not, and can patch more. */
TEST(fork_while_patching)
{
	expected = sys(SYS_getpid);
	guest_thread_start(&threads[0], patch_on, NULL);
	for (int n = 0; n < 40; n++) {
		long child = guest_fork();
		if (child == 0) {
			long pid = sys(SYS_getpid);
			for (int i = SITES - 64; i < SITES; i++)
				for (int k = 0; k < 24; k++)
					if (site(i) != pid)
						guest_exit(1);
			for (int i = 0; i < 64; i++)
				if (site(i * (SITES / 64)) != pid)
					guest_exit(2);
			guest_exit(0);
		}
		CHECK_EQ(guest_wait(child), 0);
	}
	stop = 1;
	guest_thread_join(&threads[0]);
	CHECK_EQ(wrong, 0);
}

/* One thread changes the protection of the page beside, and of the text itself, while another patches: neither may undo
 * what the other does. */
TEST(protection_while_patching)
{
	u64 page = ((u64)sites + 4095) & ~4095UL;

	expected = sys(SYS_getpid);
	guest_thread_start(&threads[0], patch_on, NULL);
	for (int i = 0; i < 300; i++) {
		u64 target = page + (u64)(i % 8) * 4096;
		volatile u8 *byte = (u8 *)target;

		CHECK_EQ(sys(SYS_mprotect, target, 4096, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
		*byte = *byte;
		CHECK_EQ(sys(SYS_mprotect, target, 4096, PROT_READ | PROT_EXEC), 0);
	}
	stop = 1;
	guest_thread_join(&threads[0]);
	CHECK_EQ(wrong, 0);
}
