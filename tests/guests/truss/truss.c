/* Calls for tests/test_truss.py to look at; each case works without truss too. */
#include "guest.h"
#include <sys/socket.h>
#include <sys/_termios.h>
#include <sys/ttycom.h>
#include <sys/uio.h>

TEST(files)
{
	char buf[100];
	struct stat st;
	struct iovec iov[2] = { { "one", 3 }, { "twothree", 8 } }, into = { buf, 14 };
	int fd = (int)CHECK_OK(sys(SYS_open, "new\nfile", O_RDWR | O_CREAT | O_TRUNC, 0640));

	CHECK_EQ(sys(SYS_write, fd, "a\"b\\c\n\t\0\001\377", 10), 10);
	CHECK_EQ(sys(SYS_write, fd, "0123456789012345678901234567890123456789", 40), 40);
	CHECK_EQ(sys(SYS_lseek, fd, 0, SEEK_SET), 0);
	CHECK_EQ(sys(SYS_read, fd, buf, 6), 6);
	CHECK_EQ(sys(SYS_writev, fd, iov, 2), 11);
	CHECK_EQ(sys(SYS_preadv, fd, &into, 1, 6), 14);
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(sys(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC), 0);
	CHECK_ERR(sys(SYS_open, "missing", O_RDONLY | O_CLOEXEC), ENOENT);
	CHECK_ERR(sys(SYS_open, 8, O_RDONLY), EFAULT);
	CHECK_ERR(sys(SYS_fstat, 99, &st), EBADF);
	CHECK_ERR(sys(SYS_ioctl, fd, TIOCGETA, buf), ENOTTY);
	CHECK_EQ(sys(SYS_close, fd), 0);
}

TEST(memory)
{
	void *p = (void *)CHECK_OK(sys(SYS_mmap, NULL, 8192, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0));

	CHECK_EQ(sys(SYS_mprotect, p, 4096, PROT_NONE), 0);
	CHECK_EQ(sys(SYS_munmap, p, 8192), 0);
}

static void
on_signal(int signo __attribute__((unused)), siginfo_t *info __attribute__((unused)), void *uc __attribute__((unused)))
{
}

TEST(signals)
{
	guest_handle(SIGUSR1, on_signal, SA_RESTART);
	CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGUSR1), 0);
}

HELPER(exec)
{
	CHECK_EQ(guest_argc, 3);
	sys(SYS_write, 1, "executed\n", 9);
	guest_exit(5);
}

/* In a child and in a child of vfork, whose callee-saved registers must be the parent's; then an exec. */
TEST(processes)
{
	char *args[] = { "", "@exec", "two words", NULL }, *env[] = { NULL };
	int status = 0;
	int pid = guest_fork();

	if (pid == 0)
		guest_exit(3);
	CHECK_EQ(sys(SYS_wait4, pid, &status, 0, NULL), pid);
	CHECK_EQ(status, 3 << 8);
	args[0] = guest_argv[0];
	long number = SYS_vfork, kept = 0;
	/* r12 to r15 of the child, added up. */
	__asm__ volatile(
	    "mov $0x1111, %%r12\n\tmov $0x2222, %%r13\n\tmov $0x3333, %%r14\n\tmov $0x4444, %%r15\n\tsyscall\n\t"
	    "lea (%%r12,%%r13), %1\n\tadd %%r14, %1\n\tadd %%r15, %1"
	    : "+a"(number), "=&r"(kept)
	    :
	    : "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
	if (number == 0) {
		if (kept != 0xaaaa)
			guest_exit(77);
		sys(SYS_execve, "missing", args, env);
		sys(SYS_execve, args[0], args, env);
		guest_exit(99);
	}
	CHECK_EQ(kept, 0xaaaa);
	CHECK_EQ(guest_wait((int)number), 5 << 8);
}

static void
thread(void *argument __attribute__((unused)))
{
	for (int i = 0; i < 100; i++)
		CHECK_ERR(sys(SYS_close, 4000), EBADF);
}

TEST(threads)
{
	struct guest_thread a, b;

	guest_thread_start(&a, thread, NULL);
	guest_thread_start(&b, thread, NULL);
	for (int i = 0; i < 100; i++)
		CHECK_ERR(sys(SYS_close, 5000), EBADF);
	guest_thread_join(&a);
	guest_thread_join(&b);
}

TEST(unknown)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };	/* SIGSYS comes with ENOSYS */

	CHECK_EQ(sys(SYS_sigaction, SIGSYS, &ignore, NULL), 0);
	CHECK_ERR(sys(9999, 1, 2), ENOSYS);
	CHECK_ERR(sys(9999, 3), ENOSYS);
	CHECK_ERR(sys(SYS_close, 99), EBADF);
	/* The call inside an indirect one. */
	CHECK_ERR(sys(0, SYS_close, 98), EBADF);
	CHECK_ERR(sys(SYS___syscall, SYS_lseek, 97, 0, SEEK_CUR), EBADF);
}

TEST(killed)
{
	int pid = guest_fork();

	if (pid == 0) {
		*(volatile int *)0x10 = 1;
		guest_exit(0);
	}
	CHECK_EQ(guest_wait(pid) & 0x7f, SIGSEGV);
}

TEST(terminated)
{
	int pid = guest_fork();

	if (pid == 0) {
		guest_sleep_ms(10000);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_kill, pid, SIGTERM), 0);
	CHECK_EQ(guest_wait(pid), SIGTERM);
}

static int ends[2];

static void
on_alarm(int signo __attribute__((unused)), siginfo_t *info __attribute__((unused)), void *uc __attribute__((unused)))
{
	static int times;

	if (++times == 2)
		sys(SYS_write, ends[1], "x", 1);
}

/* Once EINTR, once restarted: the handler brings what is waited for. */
TEST(interrupted)
{
	struct itimerval t = { { 0, 0 }, { 0, 30000 } };
	char c;

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	guest_handle(SIGALRM, on_alarm, 0);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &t, NULL), 0);
	CHECK_ERR(sys(SYS_read, ends[0], &c, 1), EINTR);
	guest_handle(SIGALRM, on_alarm, SA_RESTART);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &t, NULL), 0);
	CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 1);
}
