/*
 * The main stack as libthr sees it (lib/libthr/thread/thr_init.c, thr_stack.c): its size, the threads' stacks below it, and
 * deep recursion in both. Prints one line at the end.
 */
#include <sys/types.h>
#include <sys/resource.h>
#include <pthread.h>
#include <pthread_np.h>
#include <signal.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define MIB ((size_t)1 << 20)
#define CHECK(condition) do { \
	if (!(condition)) { \
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
		exit(1); \
	} \
} while (0)

static int __attribute__((noinline))
use(size_t bytes)
{
	volatile char room[65536];

	room[0] = room[sizeof(room) - 1] = 1;
	return (bytes < sizeof(room) ? 1 : use(bytes - sizeof(room)) + room[0]);
}

static void
bounds(uintptr_t *low, size_t *size)
{
	pthread_attr_t attr;
	void *address;

	CHECK(pthread_attr_init(&attr) == 0);
	CHECK(pthread_attr_get_np(pthread_self(), &attr) == 0);
	CHECK(pthread_attr_getstack(&attr, &address, size) == 0);
	CHECK(pthread_attr_destroy(&attr) == 0);
	*low = (uintptr_t)address;
}

static uintptr_t main_low;
static size_t main_size;

static void *
thread(void *argument)
{
	uintptr_t low;
	size_t size;

	bounds(&low, &size);
	CHECK(size == 2 * MIB || size == 64 * MIB);
	CHECK((uintptr_t)&low >= low && (uintptr_t)&low < low + size);
	CHECK(low + size <= main_low || low >= main_low + main_size);
	CHECK(use(size - 256 * 1024) > 20);
	return (argument);
}

static sigjmp_buf jump;
static void *volatile fault;

static void
handler(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)context;
	fault = info->si_addr;
	siglongjmp(jump, 1);
}

static int __attribute__((noinline))
endless(int n)
{
	volatile char room[1024];

	room[0] = (char)n;
	return (n < 0 ? 0 : endless(n + 1) + room[0]);
}

/* Down to the last 256 KiB in large frames, which leave most pages alone, and then on and on. */
static int __attribute__((noinline))
overflow(void)
{
	volatile char room[65536];

	room[0] = room[sizeof(room) - 1] = 1;
	return (((uintptr_t)room < main_low + 256 * 1024 ? endless(0) : overflow()) + room[0]);
}

int
main(void)
{
	struct rlimit limit;
	pthread_t threads[20];
	pthread_attr_t attr;
	static char other[65536];
	stack_t alternate = { .ss_sp = other, .ss_size = sizeof(other) };
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	CHECK(getrlimit(RLIMIT_STACK, &limit) == 0);
	CHECK(limit.rlim_cur == (rlim_t)(512 * MIB));
	bounds(&main_low, &main_size);
	CHECK(main_size == 512 * MIB || getenv("LIBPTHREAD_SPLITSTACK_MAIN") != NULL);
	CHECK((uintptr_t)&limit >= main_low && (uintptr_t)&limit < main_low + main_size);
	CHECK(use(main_size / 2) > 20);
	CHECK(pthread_attr_init(&attr) == 0);
	CHECK(pthread_attr_setstacksize(&attr, 64 * MIB) == 0);
	for (int i = 0; i < 20; i++)
		CHECK(pthread_create(&threads[i], i % 5 == 0 ? &attr : NULL, thread, NULL) == 0);
	/* The whole of it, while the others run. */
	if (main_size == 512 * MIB)
		CHECK(use(main_size - 4 * MIB) > 8000);
	for (int i = 0; i < 20; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	/* The fault at its end is the program's to handle: at the guard, before the threads' stacks. */
	CHECK(sigaltstack(&alternate, NULL) == 0);
	CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
	if (sigsetjmp(jump, 1) == 0)
		overflow();
	CHECK((uintptr_t)fault < main_low + 65536 && (uintptr_t)fault >= main_low - 65536);
	printf("stack ok\n");
	return (0);
}
