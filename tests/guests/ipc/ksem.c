/* POSIX semaphores of the kernel: ksem_*. */
#include "guest.h"
#include <sys/_semaphore.h>

static volatile int woken;

static void
note(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	woken++;
}

static int
value(semid_t id)
{
	int v = -1;

	CHECK_EQ(sys(SYS_ksem_getvalue, id, &v), 0);
	return (v);
}

/* A name that no other run has. */
static char *
unique(void)
{
	static char name[64];

	format(name, sizeof(name), "/lsf%%test-%d-%l", (int)sys(SYS_getpid), guest_now_ms());
	return (name);
}

TEST(anonymous)
{
	semid_t id = -1, other;

	CHECK_EQ(sys(SYS_ksem_init, &id, 2), 0);
	CHECK_EQ(sys(SYS_fcntl, id, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(value(id), 2);
	CHECK_EQ(sys(SYS_ksem_wait, id), 0);
	CHECK_EQ(sys(SYS_ksem_trywait, id), 0);
	CHECK_ERR(sys(SYS_ksem_trywait, id), EAGAIN);
	CHECK_EQ(sys(SYS_ksem_post, id), 0);
	CHECK_EQ(value(id), 1);
	CHECK_EQ(sys(SYS_ksem_timedwait, id, NULL), 0);
	CHECK_ERR(sys(SYS_ksem_close, id), EINVAL);
	CHECK_EQ(sys(SYS_ksem_destroy, id), 0);
	CHECK_ERR(sys(SYS_ksem_destroy, id), EINVAL);
	CHECK_ERR(sys(SYS_ksem_post, id), EINVAL);
	CHECK_ERR(sys(SYS_ksem_init, &id, 0x80000000), EINVAL);
	CHECK_ERR(sys(SYS_ksem_init, 8, 1), EFAULT);
	CHECK_EQ(sys(SYS_ksem_init, &id, 0x7fffffff), 0);
	CHECK_ERR(sys(SYS_ksem_post, id), EOVERFLOW);
	CHECK_ERR(sys(SYS_ksem_getvalue, id, 8), EFAULT);
	/* Only a semaphore is one. */
	guest_put("file", "ksem0000", 8);
	other = sys(SYS_open, "file", O_RDWR);
	CHECK_ERR(sys(SYS_ksem_post, other), EINVAL);
	CHECK_ERR(sys(SYS_ksem_wait, 1), EINVAL);
	CHECK_ERR(sys(SYS_ksem_trywait, -1), EINVAL);
	CHECK_ERR(sys(SYS_ksem_getvalue, 99, &other), EINVAL);
}

TEST(processes)
{
	semid_t id, back;

	CHECK_EQ(sys(SYS_ksem_init, &id, 0), 0);
	CHECK_EQ(sys(SYS_ksem_init, &back, 0), 0);
	int pid = guest_fork();
	if (pid == 0) {
		for (int i = 0; i < 100; i++) {
			CHECK_EQ(sys(SYS_ksem_wait, id), 0);
			CHECK_EQ(sys(SYS_ksem_post, back), 0);
		}
		CHECK_EQ(sys(SYS_ksem_wait, id), 0);
		guest_exit(0);
	}
	for (int i = 0; i < 100; i++) {
		CHECK_EQ(sys(SYS_ksem_post, id), 0);
		CHECK_EQ(sys(SYS_ksem_wait, back), 0);
	}
	/* Somebody waits. */
	for (int i = 0; i < 5000 && sys(SYS_ksem_destroy, back) != 0; i++)
		guest_sleep_ms(1);
	guest_sleep_ms(50);
	CHECK_ERR(sys(SYS_ksem_destroy, id), EBUSY);
	CHECK_EQ(sys(SYS_ksem_post, id), 0);
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_EQ(sys(SYS_ksem_destroy, id), 0);
}

TEST(named)
{
	semid_t id = -1, same = -1, other;
	char *name = unique();

	CHECK_ERR(sys(SYS_ksem_open, &id, name, 0, 0600, 1), ENOENT);
	CHECK_ERR(sys(SYS_ksem_open, &id, "relative", O_CREAT, 0600, 1), EINVAL);
	CHECK_ERR(sys(SYS_ksem_open, &id, name, O_CREAT | O_RDWR, 0600, 1), EINVAL);
	CHECK_ERR(sys(SYS_ksem_open, &id, name, O_CREAT, 0600, 0x80000000), EINVAL);
	CHECK_ERR(sys(SYS_ksem_open, &id, 8, O_CREAT, 0600, 1), EFAULT);
	CHECK_ERR(sys(SYS_ksem_open, 8, name, O_CREAT, 0600, 1), EFAULT);
	CHECK_EQ(sys(SYS_ksem_open, &id, name, O_CREAT | O_EXCL, 0600, 3), 0);
	CHECK_EQ(sys(SYS_fcntl, id, F_GETFD), FD_CLOEXEC);
	CHECK_ERR(sys(SYS_ksem_open, &other, name, O_CREAT | O_EXCL, 0600, 3), EEXIST);
	CHECK_EQ(sys(SYS_ksem_open, &same, name, O_CREAT, 0600, 9), 0);
	CHECK_NE(same, id);
	CHECK_EQ(value(same), 3);
	IN_CHILD({
		semid_t mine = -1;
		CHECK_EQ(sys(SYS_ksem_open, &mine, name, 0, 0, 0), 0);
		CHECK_EQ(sys(SYS_ksem_post, mine), 0);
		CHECK_EQ(sys(SYS_ksem_close, mine), 0);
		CHECK_ERR(sys(SYS_ksem_close, mine), EINVAL);
	});
	CHECK_EQ(value(id), 4);
	CHECK_ERR(sys(SYS_ksem_destroy, id), EINVAL);
	/* The name goes, the semaphore stays. */
	CHECK_EQ(sys(SYS_ksem_unlink, name), 0);
	CHECK_ERR(sys(SYS_ksem_unlink, name), ENOENT);
	CHECK_ERR(sys(SYS_ksem_unlink, 8), EFAULT);
	CHECK_ERR(sys(SYS_ksem_open, &other, name, 0, 0, 0), ENOENT);
	CHECK_EQ(sys(SYS_ksem_wait, same), 0);
	CHECK_EQ(value(id), 3);
	CHECK_EQ(sys(SYS_ksem_close, id), 0);
	CHECK_EQ(sys(SYS_ksem_close, same), 0);
}

static void
creator(void *argument)
{
	semid_t *id = argument;
	char *name = (char *)id[1];

	id[0] = -1;
	id[2] = sys(SYS_ksem_open, &id[0], name, O_CREAT, 0600, 1);
}

TEST(named_race)
{
	struct guest_thread threads[4];
	long results[4][3];
	char *name = unique();

	for (int i = 0; i < 4; i++) {
		results[i][1] = (long)name;
		guest_thread_start(&threads[i], creator, results[i]);
	}
	for (int i = 0; i < 4; i++) {
		guest_thread_join(&threads[i]);
		CHECK_EQ(results[i][2], 0);
	}
	CHECK_EQ(sys(SYS_ksem_unlink, name), 0);
	CHECK_EQ(sys(SYS_ksem_post, results[0][0]), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(value(results[i][0]), 2);
}

TEST(waits)
{
	semid_t id;
	struct timespec until;
	struct itimerval soon = { { 0, 0 }, { 0, 30000 } };

	CHECK_EQ(sys(SYS_ksem_init, &id, 0), 0);
	CHECK_EQ(sys(SYS_clock_gettime, CLOCK_REALTIME, &until), 0);
	until.tv_nsec += 20000000;
	if (until.tv_nsec >= 1000000000)
		until.tv_sec++, until.tv_nsec -= 1000000000;
	CHECK_ERR(sys(SYS_ksem_timedwait, id, &until), ETIMEDOUT);
	until.tv_sec = -5;
	CHECK_ERR(sys(SYS_ksem_timedwait, id, &until), ETIMEDOUT);
	until.tv_nsec = 1000000000;
	CHECK_ERR(sys(SYS_ksem_timedwait, id, &until), EINVAL);
	CHECK_ERR(sys(SYS_ksem_timedwait, id, 8), EFAULT);
	/* A handler ends the wait, but for SA_RESTART. */
	guest_handle(SIGALRM, note, 0);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &soon, NULL), 0);
	CHECK_ERR(sys(SYS_ksem_wait, id), EINTR);
	CHECK_EQ(woken, 1);
	guest_handle(SIGALRM, note, SA_RESTART);
	int pid = guest_fork();
	if (pid == 0) {
		guest_sleep_ms(150);
		guest_exit(sys(SYS_ksem_post, id) == 0 ? 0 : 1);
	}
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &soon, NULL), 0);
	CHECK_EQ(sys(SYS_ksem_wait, id), 0);
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_EQ(woken, 2);
}
