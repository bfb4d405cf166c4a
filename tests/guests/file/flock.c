/* Locks of flock(2) and of fcntl(2) are of one kind on FreeBSD: an open file and a process are owners beside each other
 * (sys/kern/kern_lockf.c, lf_advlockasync). */

#include <sys/file.h>
#include <sys/socket.h>
#include "guest.h"

#define OPEN(path, flags) (int)sys(SYS_open, path, flags, 0644)
#define CLOSE(fd) CHECK_EQ(sys(SYS_close, fd), 0)

static long
record(int fd, int command, int type, off_t start, off_t length)
{
	struct flock l = { .l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = length };

	return (sys(SYS_fcntl, fd, command, &l));
}

/* What F_GETLK tells of a lock that would be in the way of one for writing to the whole file. */
static struct flock
told(int fd)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	CHECK_EQ(sys(SYS_fcntl, fd, F_GETLK, &l), 0);
	return (l);
}

/* A child that has a record lock of `type` until it is told to go: a byte at hold_end. */
static int hold_end[2], ready_end[2];

static int
holder(int type, off_t start, off_t length)
{
	char c;

	CHECK_EQ(sys(SYS_pipe2, hold_end, 0), 0);
	CHECK_EQ(sys(SYS_pipe2, ready_end, 0), 0);
	int pid = guest_fork();
	if (pid == 0) {
		int fd = OPEN("file", O_RDWR);
		CHECK_EQ(record(fd, F_SETLK, type, start, length), 0);
		CHECK_EQ(sys(SYS_write, ready_end[1], "r", 1), 1);
		CHECK_EQ(sys(SYS_read, hold_end[0], &c, 1), 1);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_read, ready_end[0], &c, 1), 1);
	return (pid);
}

static void
let_go(int pid)
{
	CHECK_EQ(sys(SYS_write, hold_end[1], "g", 1), 1);
	CHECK_EQ(guest_wait(pid), 0);
}

TEST(record_lock_after_flock)
{
	int a = OPEN("file", O_RDWR | O_CREAT), b = OPEN("file", O_RDWR);

	CHECK_EQ(told(b).l_type, F_UNLCK);
	CHECK_EQ(sys(SYS_flock, a, LOCK_EX), 0);
	/* The process is another owner than its own open file. */
	CHECK_ERR(record(b, F_SETLK, F_RDLCK, 3, 1), EAGAIN);
	CHECK_ERR(record(a, F_SETLK, F_WRLCK, 0, 0), EAGAIN);
	struct flock l = told(b);
	CHECK_EQ(l.l_type, F_WRLCK);
	CHECK_EQ(l.l_pid, -1);
	CHECK(l.l_start == 0 && l.l_len == 0 && l.l_whence == SEEK_SET && l.l_sysid == 0);
	CHECK_EQ(sys(SYS_flock, a, LOCK_SH), 0);
	CHECK_EQ(told(b).l_type, F_RDLCK);
	CHECK_EQ(record(b, F_SETLK, F_RDLCK, 3, 1), 0);
	CHECK_ERR(record(b, F_SETLK, F_WRLCK, 3, 1), EAGAIN);
	CHECK_EQ(sys(SYS_flock, a, LOCK_UN), 0);
	CHECK_EQ(record(b, F_SETLK, F_WRLCK, 3, 1), 0);
}

TEST(flock_after_record_lock)
{
	int a = OPEN("file", O_RDWR | O_CREAT);
	int pid = holder(F_WRLCK, 100, 1);

	CHECK_ERR(sys(SYS_flock, a, LOCK_SH | LOCK_NB), EAGAIN);
	CHECK_ERR(sys(SYS_flock, a, LOCK_EX | LOCK_NB), EAGAIN);
	CHECK_EQ(told(a).l_pid, pid);
	let_go(pid);
	CHECK_EQ(sys(SYS_flock, a, LOCK_EX | LOCK_NB), 0);
	CHECK_EQ(sys(SYS_flock, a, LOCK_UN), 0);
	pid = holder(F_RDLCK, 0, 0);
	CHECK_ERR(sys(SYS_flock, a, LOCK_EX | LOCK_NB), EAGAIN);
	CHECK_EQ(sys(SYS_flock, a, LOCK_SH | LOCK_NB), 0);
	let_go(pid);
	/* A process's own record lock is in the way of its open file, too. */
	int b = OPEN("file", O_RDWR);
	CHECK_EQ(sys(SYS_flock, a, LOCK_UN), 0);
	CHECK_EQ(record(b, F_SETLK, F_WRLCK, 0, 1), 0);
	CHECK_ERR(sys(SYS_flock, a, LOCK_SH | LOCK_NB), EAGAIN);
	CHECK_ERR(sys(SYS_flock, b, LOCK_SH | LOCK_NB), EAGAIN);
	CHECK_ERR(OPEN("file", O_RDWR | O_EXLOCK | O_NONBLOCK), EAGAIN);
	CHECK_EQ(record(b, F_SETLK, F_UNLCK, 0, 0), 0);
	CHECK_OK(OPEN("file", O_RDWR | O_EXLOCK | O_NONBLOCK));
	CHECK_EQ(told(b).l_type, F_WRLCK);
}

/* An upgrade that is refused leaves what was held (lf_setlock). */
TEST(upgrade_that_fails)
{
	static const int modes[] = { O_RDWR, O_RDONLY };

	CLOSE(OPEN("file", O_RDWR | O_CREAT));
	for (size_t i = 0; i < nitems(modes); i++) {
		int a = OPEN("file", modes[i]), b = OPEN("file", modes[i]), c = OPEN("file", O_RDWR);
		CHECK_EQ(sys(SYS_flock, a, LOCK_SH), 0);
		CHECK_EQ(sys(SYS_flock, b, LOCK_SH), 0);
		CHECK_ERR(sys(SYS_flock, a, LOCK_EX | LOCK_NB), EAGAIN);
		CHECK_EQ(sys(SYS_flock, b, LOCK_UN), 0);
		CHECK_ERR(sys(SYS_flock, c, LOCK_EX | LOCK_NB), EAGAIN);
		CHECK_EQ(sys(SYS_flock, a, LOCK_EX | LOCK_NB), 0);
		CHECK_ERR(sys(SYS_flock, c, LOCK_SH | LOCK_NB), EAGAIN);
		CLOSE(a);
		CHECK_EQ(sys(SYS_flock, c, LOCK_EX | LOCK_NB), 0);
		CLOSE(b);
		CLOSE(c);
	}
}

/* A lock of flock(2) is the open file's: shared by dup and fork, gone with the last of them. */
TEST(the_open_file_s)
{
	int a = OPEN("file", O_RDWR | O_CREAT), b = OPEN("file", O_RDWR), other = (int)sys(SYS_dup, a);

	CHECK_EQ(sys(SYS_flock, a, LOCK_EX), 0);
	CLOSE(a);
	CHECK_ERR(record(b, F_SETLK, F_RDLCK, 0, 0), EAGAIN);
	IN_CHILD({
		CHECK_EQ(sys(SYS_flock, other, LOCK_EX | LOCK_NB), 0);
		CLOSE(other);
	});
	CHECK_EQ(told(b).l_type, F_WRLCK);
	/* close(2) drops the process's record locks, and not the file's. */
	CLOSE(OPEN("file", O_RDONLY));
	CHECK_EQ(told(b).l_type, F_WRLCK);
	IN_CHILD({ CHECK_EQ(sys(SYS_flock, other, LOCK_UN), 0); });
	CHECK_EQ(told(b).l_type, F_UNLCK);
	CHECK_EQ(sys(SYS_flock, other, LOCK_SH), 0);
	CLOSE(other);
	CHECK_EQ(told(b).l_type, F_UNLCK);
}

static void
on_alarm(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
}

TEST(waits_for_a_record_lock)
{
	int a = OPEN("file", O_RDWR | O_CREAT), b = OPEN("file", O_RDWR);
	char c;

	int pid = holder(F_WRLCK, 5, 5);
	int waiter = guest_fork();
	if (waiter == 0) {
		CHECK_EQ(sys(SYS_write, ready_end[1], "w", 1), 1);
		CHECK_EQ(sys(SYS_flock, a, LOCK_EX), 0);
		CHECK_EQ(sys(SYS_write, ready_end[1], "e", 1), 1);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_read, ready_end[0], &c, 1), 1);
	guest_sleep_ms(50);
	/* Who waits holds nothing. */
	CHECK_ERR(sys(SYS_flock, b, LOCK_SH | LOCK_NB), EAGAIN);
	CHECK_EQ(record(b, F_SETLK, F_WRLCK, 0, 5), 0);
	CHECK_EQ(record(b, F_SETLK, F_UNLCK, 0, 0), 0);
	let_go(pid);
	CHECK_EQ(sys(SYS_read, ready_end[0], &c, 1), 1);
	CHECK_EQ(c, 'e');
	CHECK_EQ(guest_wait(waiter), 0);
	CHECK_EQ(told(b).l_type, F_WRLCK);	/* by `a`, which is open here too */
}

TEST(waits_for_a_flock)
{
	int a = OPEN("file", O_RDWR | O_CREAT), b = OPEN("file", O_RDWR), ends[2];
	char c;

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_EQ(sys(SYS_flock, a, LOCK_SH), 0);
	int waiter = guest_fork();
	if (waiter == 0) {
		CHECK_EQ(sys(SYS_write, ends[1], "w", 1), 1);
		CHECK_EQ(record(b, F_SETLKW, F_WRLCK, 7, 1), 0);
		CHECK_EQ(sys(SYS_write, ends[1], "e", 1), 1);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 1);
	guest_sleep_ms(50);
	CHECK_EQ(sys(SYS_fcntl, ends[0], F_SETFL, O_NONBLOCK), 0);
	CHECK_ERR(sys(SYS_read, ends[0], &c, 1), EAGAIN);
	CHECK_EQ(sys(SYS_flock, a, LOCK_UN), 0);
	CHECK_EQ(guest_wait(waiter), 0);
	CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 1);
	CHECK_EQ(c, 'e');
}

/* A signal ends the wait; a shared lock is given up for it, as an exclusive one is waited for (lf_setlock). */
TEST(interrupted)
{
	static const int modes[] = { O_RDWR, O_RDONLY };

	CLOSE(OPEN("file", O_RDWR | O_CREAT));
	guest_handle(SIGALRM, on_alarm, 0);
	int pid = holder(F_RDLCK, 5, 5);
	for (size_t i = 0; i < nitems(modes); i++) {
		int a = OPEN("file", modes[i]), b = OPEN("file", O_RDWR);
		struct itimerval soon = { { .tv_usec = 30000 }, { .tv_usec = 30000 } };
		CHECK_EQ(sys(SYS_flock, a, LOCK_SH), 0);
		CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &soon, NULL), 0);
		CHECK_ERR(sys(SYS_flock, a, LOCK_EX), EINTR);
		soon.it_value.tv_usec = 0;
		CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &soon, NULL), 0);
		CHECK_EQ(told(b).l_pid, pid);
		CHECK_EQ(record(b, F_SETLK, F_WRLCK, 0, 5), 0);
		CHECK_EQ(record(b, F_SETLK, F_UNLCK, 0, 0), 0);
		CLOSE(a);
		CLOSE(b);
	}
	let_go(pid);
}

/* Who may not write to a file may lock it for himself, too, and who may not read it may share. */
TEST(other_access)
{
	CLOSE(OPEN("file", O_RDWR | O_CREAT));
	int r = OPEN("file", O_RDONLY), w = OPEN("file", O_WRONLY), b = OPEN("file", O_RDWR);

	CHECK_EQ(sys(SYS_flock, r, LOCK_EX | LOCK_NB), 0);
	CHECK_ERR(record(b, F_SETLK, F_WRLCK, 0, 1), EAGAIN);
	CHECK_ERR(sys(SYS_flock, w, LOCK_SH | LOCK_NB), EAGAIN);
	CHECK_EQ(sys(SYS_flock, r, LOCK_UN), 0);
	CHECK_EQ(sys(SYS_flock, w, LOCK_EX | LOCK_NB), 0);
	CHECK_ERR(record(b, F_SETLK, F_RDLCK, 0, 1), EAGAIN);
	CHECK_EQ(sys(SYS_flock, w, LOCK_SH | LOCK_NB), 0);
	CHECK_EQ(record(b, F_SETLK, F_RDLCK, 0, 1), 0);
	CHECK_EQ(sys(SYS_flock, r, LOCK_SH | LOCK_NB), 0);
	CHECK_EQ(sys(SYS_flock, w, LOCK_UN), 0);
	CHECK_EQ(sys(SYS_flock, r, LOCK_UN), 0);
	/* A lock that is there already is in the way of both. */
	CHECK_ERR(sys(SYS_flock, r, LOCK_EX | LOCK_NB), EAGAIN);
	CHECK_EQ(record(b, F_SETLK, F_WRLCK, 0, 1), 0);
	CHECK_ERR(sys(SYS_flock, w, LOCK_SH | LOCK_NB), EAGAIN);
}

/* judge: gap, FreeBSD refuses both: Linux takes record locks for what a descriptor may not do from nobody */
TEST(record_lock_beside_other_access)
{
	CLOSE(OPEN("file", O_RDWR | O_CREAT));
	int r = OPEN("file", O_RDONLY), w = OPEN("file", O_WRONLY), b = OPEN("file", O_RDWR);

	CHECK_EQ(sys(SYS_flock, r, LOCK_EX | LOCK_NB), 0);
	CHECK_EQ(record(b, F_SETLK, F_RDLCK, 0, 1), 0);
	CHECK_EQ(record(b, F_SETLK, F_UNLCK, 0, 1), 0);
	CHECK_EQ(sys(SYS_flock, r, LOCK_UN), 0);
	CHECK_EQ(sys(SYS_flock, w, LOCK_SH | LOCK_NB), 0);
	CHECK_EQ(record(b, F_SETLK, F_WRLCK, 0, 1), 0);
}

/* What may be locked: files, folders and devices; of the rest sys_flock says so before it looks at `how`. */
TEST(kinds)
{
	int ends[2], kq = (int)sys(SYS_kqueue);

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_ERR(sys(SYS_flock, kq, LOCK_SH), EOPNOTSUPP);
	CHECK_ERR(sys(SYS_flock, ends[0], 0), EOPNOTSUPP);
	CHECK_ERR(sys(SYS_flock, (int)sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0), LOCK_UN), EOPNOTSUPP);
	CHECK_EQ(sys(SYS_mkdir, "dir", 0700), 0);
	int a = OPEN("dir", O_RDONLY), b = OPEN("dir", O_RDONLY);
	CHECK_EQ(sys(SYS_flock, a, LOCK_EX), 0);
	CHECK_ERR(sys(SYS_flock, b, LOCK_SH | LOCK_NB), EAGAIN);
	CHECK_ERR(sys(SYS_flock, b, LOCK_NB), EBADF);
	CHECK_EQ(sys(SYS_flock, b, LOCK_UN), 0);
	CHECK_EQ(sys(SYS_flock, a, LOCK_UN), 0);
	CHECK_EQ(sys(SYS_flock, OPEN("/dev/null", O_RDWR), LOCK_EX), 0);
}

/* Both kinds keep each other out, and nobody waits for ever: each of six adds to a number a hundred times, by turns under one and the other. */
TEST(crowd)
{
	int fd = OPEN("file", O_RDWR | O_CREAT), pids[6];
	long number = 0;

	CHECK_EQ(sys(SYS_pwrite, fd, &number, sizeof(number), 0L), sizeof(number));
	for (int i = 0; i < 6; i++) {
		if ((pids[i] = guest_fork()) != 0)
			continue;
		int mine = OPEN("file", O_RDWR);
		for (int j = 0; j < 100; j++) {
			if ((i + j) % 2)
				CHECK_EQ(sys(SYS_flock, mine, LOCK_EX), 0);
			else
				CHECK_EQ(record(mine, F_SETLKW, F_WRLCK, 0, 8), 0);
			CHECK_EQ(sys(SYS_pread, mine, &number, sizeof(number), 0L), sizeof(number));
			number++;
			sys(SYS_sched_yield);
			CHECK_EQ(sys(SYS_pwrite, mine, &number, sizeof(number), 0L), sizeof(number));
			if ((i + j) % 2)
				CHECK_EQ(sys(SYS_flock, mine, LOCK_UN), 0);
			else
				CHECK_EQ(record(mine, F_SETLK, F_UNLCK, 0, 8), 0);
		}
		guest_exit(0);
	}
	for (int i = 0; i < 6; i++)
		CHECK_EQ(guest_wait(pids[i]), 0);
	CHECK_EQ(sys(SYS_pread, fd, &number, sizeof(number), 0L), sizeof(number));
	CHECK_EQ(number, 600);
}

/* FIFOs are locked as files are, but pipes are not, and no FIFO has record locks (sys_flock: DTYPE_FIFO; kern_fcntl: DTYPE_VNODE). */
TEST(of_fifos)
{
	int ends[2];

	CHECK_EQ(sys(SYS_mkfifoat, AT_FDCWD, "fifo", 0600), 0);
	CHECK_ERR(sys(SYS_open, "fifo", O_RDWR | O_EXLOCK), EOPNOTSUPP);	/* as in all releases */
	CHECK_ERR(sys(SYS_open, "fifo", O_RDONLY | O_NONBLOCK | O_SHLOCK), EOPNOTSUPP);
	int a = (int)CHECK_OK(sys(SYS_open, "fifo", O_RDWR)), b = (int)CHECK_OK(sys(SYS_open, "fifo", O_RDWR));
	CHECK_EQ(sys(SYS_flock, a, LOCK_EX), 0);
	CHECK_ERR(sys(SYS_flock, b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	CHECK_EQ(sys(SYS_flock, a, LOCK_UN), 0);
	CHECK_EQ(sys(SYS_flock, b, LOCK_SH | LOCK_NB), 0);
	CHECK_EQ(sys(SYS_flock, a, LOCK_SH | LOCK_NB), 0);
	CHECK_ERR(sys(SYS_flock, a, 0), EBADF);
	CHECK_ERR(record(a, F_SETLK, F_WRLCK, 0, 0), EBADF);
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_ERR(sys(SYS_flock, ends[0], LOCK_SH), EOPNOTSUPP);
	CHECK_ERR(sys(SYS_flock, ends[1], LOCK_SH), EOPNOTSUPP);
}

#define FHASLOCK_ 0x4000	/* sys/fcntl.h, for the kernel */

/* F_GETFL shows that the open file has a lock: FHASLOCK (sys_flock, vn_open_vnode_advlock). */
TEST(shown_by_getfl)
{
	int a = OPEN("file", O_RDWR | O_CREAT | O_EXLOCK), b = OPEN("file", O_RDONLY), c = (int)CHECK_OK(sys(SYS_dup, a));

	CHECK_EQ(sys(SYS_fcntl, a, F_GETFL), O_RDWR | FHASLOCK_);
	CHECK_EQ(sys(SYS_fcntl, b, F_GETFL), O_RDONLY);
	CHECK_EQ(sys(SYS_fcntl, c, F_GETFL), O_RDWR | FHASLOCK_);
	CHECK_EQ(sys(SYS_fcntl, a, F_SETFL, O_APPEND), 0);
	CHECK_EQ(sys(SYS_fcntl, a, F_GETFL), O_RDWR | O_APPEND | FHASLOCK_);
	CHECK_EQ(sys(SYS_flock, c, LOCK_UN), 0);
	CHECK_EQ(sys(SYS_fcntl, a, F_GETFL), O_RDWR | O_APPEND);
	CHECK_EQ(sys(SYS_flock, b, LOCK_SH | LOCK_NB), 0);
	CHECK_EQ(sys(SYS_fcntl, b, F_GETFL), O_RDONLY | FHASLOCK_);
	CHECK_EQ(sys(SYS_fcntl, c, F_GETFL), O_RDWR | O_APPEND);
	/* a record lock is none of these */
	CHECK_EQ(record(c, F_SETLK, F_RDLCK, 0, 1), 0);
	CHECK_EQ(sys(SYS_fcntl, c, F_GETFL), O_RDWR | O_APPEND);
}
