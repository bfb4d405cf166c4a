/* Thread-local storage as a static program sets it up: PT_TLS from the program headers, the thread pointer by sysarch. */
#include "guest.h"

static __thread int initialised = 42;
static __thread long zero;
static __thread char big[3000] = "begins so";
static __thread long aligned __attribute__((aligned(128))) = 7;

/* Variant II: the block ends at the thread pointer, whose first word is its own address. Returns the thread pointer. */
static void *
make_block(void)
{
	Elf64_Phdr *phdr = guest_aux(AT_PHDR)->a_un.a_ptr, *tls = NULL;
	long n = guest_aux(AT_PHNUM)->a_un.a_val;

	for (long i = 0; i < n; i++)
		if (phdr[i].p_type == PT_TLS)
			tls = &phdr[i];
	CHECK(tls != NULL);
	CHECK(tls->p_align >= 128);
	u64 size = (tls->p_memsz + tls->p_align - 1) & ~(tls->p_align - 1);
	char *room = guest_map(size + 4096 + tls->p_align);
	u64 pointer = ((u64)room + size + tls->p_align - 1) & ~(tls->p_align - 1);
	memcpy((void *)(pointer - size), (void *)tls->p_vaddr, tls->p_filesz);
	*(u64 *)pointer = pointer;
	return ((void *)pointer);
}

static void
check_fresh(void)
{
	CHECK_EQ(initialised, 42);
	CHECK_EQ(zero, 0);
	CHECK_STR(big, "begins so");
	CHECK_EQ(aligned, 7);
	CHECK_EQ((u64)&aligned % 128, 0);
}

static void
change(int value)
{
	initialised = value;
	zero = value * 2;
	aligned = value * 3;
	big[2999] = (char)value;
}

static void
check_changed(int value)
{
	CHECK_EQ(initialised, value);
	CHECK_EQ(zero, value * 2);
	CHECK_EQ(aligned, value * 3);
	CHECK_EQ(big[2999], (char)value);
}

TEST(one_thread)
{
	void *pointer = make_block();

	CHECK_EQ(sys(SYS_sysarch, AMD64_SET_FSBASE, &pointer), 0);
	check_fresh();
	change(5);
	struct stat st;
	CHECK_EQ(guest_stat("/", &st), 0);
	CHECK_ERR(guest_stat((void *)8, &st), EFAULT);
	check_changed(5);
	IN_CHILD({
		check_changed(5);
		change(6);
	});
	check_changed(5);
}

/* The instruction sets it too, where the processor lets programs (AT_HWCAP2 would say so); it lasts over syscalls. */
TEST(by_instruction)
{
	void *pointer = make_block(), *asked = NULL;
	u32 a = 7, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	if ((b & 1) == 0)
		SKIP("no wrfsbase");
	__asm__ volatile("wrfsbase %0" : : "r"(pointer));
	check_fresh();
	change(9);
	CHECK_OK(sys(SYS_getpid));
	CHECK_EQ(sys(SYS_sysarch, AMD64_GET_FSBASE, &asked), 0);
	CHECK_EQ(asked, pointer);
	guest_sleep_ms(20);
	check_changed(9);
}

static void
work(void *argument)
{
	int value = (int)(long)argument;

	check_fresh();
	for (int i = 0; i < 200; i++) {
		change(value + i);
		sys(SYS_sched_yield);
		struct timespec t;
		CHECK_EQ(sys(SYS_clock_gettime, CLOCK_MONOTONIC, &t), 0);
		check_changed(value + i);
	}
}

TEST(many_threads)
{
	struct thr_param param;
	static struct guest_thread t[6];
	void *pointer = make_block();

	CHECK_EQ(sys(SYS_sysarch, AMD64_SET_FSBASE, &pointer), 0);
	change(1);
	for (int i = 0; i < 6; i++) {
		memset(&t[i], 0, sizeof(t[i]));
		t[i].stack = guest_map(GUEST_STACK);
		t[i].run = work;
		t[i].argument = (void *)(long)(i * 1000);
		memset(&param, 0, sizeof(param));
		param.start_func = guest_thread_main;
		param.arg = &t[i];
		param.stack_base = t[i].stack;
		param.stack_size = GUEST_STACK;
		param.tls_base = make_block();
		param.child_tid = &t[i].child_id;
		param.parent_tid = &t[i].id;
		CHECK_EQ(sys(SYS_thr_new, &param, sizeof(param)), 0);
	}
	for (int i = 0; i < 6; i++)
		guest_thread_join(&t[i]);
	check_changed(1);
}

static volatile int handled;

static void
handler(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	handled = initialised;
}

/* A handler runs with the thread pointer of its thread. */
TEST(in_a_handler)
{
	void *pointer = make_block();

	CHECK_EQ(sys(SYS_sysarch, AMD64_SET_FSBASE, &pointer), 0);
	change(77);
	guest_handle(SIGUSR1, handler, 0);
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGUSR1), 0);
	CHECK_EQ(handled, 77);
	check_changed(77);
}
