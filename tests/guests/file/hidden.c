/*
 * The descriptors that LSF needs for itself: to a program their numbers are closed, whichever call asks, and what is
 * behind them goes on working (fget_unlocked in sys/kern/kern_descrip.c: EBADF for a number that is not open).
 */
#include "guest.h"
#include <sys/aio.h>
#include <sys/event.h>
#include <sys/file.h>
#include <sys/poll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/timespec.h>
#include <sys/uio.h>

#define HERE 0x7e00000000000000UL	/* in an argument: the number that is tried */
#define CLOSED 199			/* a number that is closed, and is nobody's */
#define FIRST 200
#define LAST 300

static char data[8192], name[64];
static struct iovec vector = { data, 16 };
static struct timespec times[2];
static struct timeval moments[2];
static u64 size, zero[2];
static struct msghdr message;
static int spare, ends[2], kq, pipes[2], sockets[2], child;
static struct aiocb waiting;
static struct stat image, image_later;

/* Every call that takes descriptors, all other arguments being good. */
struct call {
	const char *name;
	long number;
	u64 a[6];
};
#define P(x) (u64)(x)
#define CALL(call, ...) { #call, SYS_##call, { __VA_ARGS__ } }
static const struct call calls[] = {
	CALL(read, HERE, P(data), 16), CALL(write, HERE, P(data), 16), CALL(close, HERE), CALL(fchdir, HERE),
	CALL(readv, HERE, P(&vector), 1), CALL(writev, HERE, P(&vector), 1), CALL(pread, HERE, P(data), 16, 0),
	CALL(pwrite, HERE, P(data), 16, 0), CALL(preadv, HERE, P(&vector), 1, 0), CALL(pwritev, HERE, P(&vector), 1, 0),
	CALL(lseek, HERE, 0, 1), CALL(fsync, HERE), CALL(fdatasync, HERE), CALL(ftruncate, HERE, 0), CALL(fchmod, HERE, 0),
	CALL(fchown, HERE, -1, -1), CALL(fchflags, HERE, 0), CALL(flock, HERE, LOCK_EX | LOCK_NB), CALL(dup, HERE),
	CALL(dup2, HERE, 150), CALL(fcntl, HERE, F_GETFD), CALL(fcntl, HERE, F_SETFD, FD_CLOEXEC), CALL(fcntl, HERE, F_GETFL),
	CALL(fcntl, HERE, F_SETFL, O_NONBLOCK), CALL(fcntl, HERE, F_DUPFD, 0), CALL(fcntl, HERE, F_DUPFD_CLOEXEC, 0),
	CALL(fcntl, HERE, F_DUP2FD, 150), CALL(ioctl, HERE, 0x4004667f, P(data)), CALL(ioctl, HERE, 0x20006601, 0),
	CALL(fstat, HERE, P(data)), CALL(freebsd11_fstat, HERE, P(data)), CALL(freebsd11_nfstat, HERE, P(data)),
	CALL(fstatfs, HERE, P(data)), CALL(freebsd11_fstatfs, HERE, P(data)), CALL(fpathconf, HERE, 5),
	CALL(getdirentries, HERE, P(data), sizeof(data), P(&size)), CALL(freebsd11_getdirentries, HERE, P(data), sizeof(data), P(&size)),
	CALL(freebsd11_getdents, HERE, P(data), sizeof(data)), CALL(futimes, HERE, 0), CALL(futimens, HERE, 0),
	CALL(futimesat, HERE, P("here"), 0), CALL(utimensat, HERE, P("here"), 0, 0), CALL(utimensat, HERE, P(""), 0, AT_EMPTY_PATH),
	CALL(openat, HERE, P("here"), O_RDWR | O_CREAT, 0600), CALL(openat, HERE, P(""), O_RDONLY | O_EMPTY_PATH),
	CALL(faccessat, HERE, P("here"), 0, 0), CALL(faccessat, HERE, P(""), 0, AT_EMPTY_PATH),
	CALL(fchmodat, HERE, P("here"), 0, 0), CALL(fchmodat, HERE, P(""), 0, AT_EMPTY_PATH), CALL(fchownat, HERE, P("here"), 0, 0, 0),
	CALL(fchownat, HERE, P(""), 0, 0, AT_EMPTY_PATH), CALL(fstatat, HERE, P("here"), P(data), 0),
	CALL(fstatat, HERE, P(""), P(data), AT_EMPTY_PATH), CALL(freebsd11_fstatat, HERE, P("here"), P(data), 0),
	CALL(linkat, HERE, P("here"), AT_FDCWD, P("there"), 0), CALL(linkat, HERE, P(""), AT_FDCWD, P("there"), AT_EMPTY_PATH),
	CALL(linkat, AT_FDCWD, P(name), HERE, P("there"), 0), CALL(mkdirat, HERE, P("here"), 0700), CALL(mkfifoat, HERE, P("here"), 0600),
	CALL(mknodat, HERE, P("here"), S_IFIFO | 0600, 0), CALL(readlinkat, HERE, P("here"), P(data), 64),
	CALL(readlinkat, HERE, P(""), P(data), 64), CALL(renameat, HERE, P("here"), AT_FDCWD, P("there")),
	CALL(renameat, AT_FDCWD, P(name), HERE, P("there")), CALL(symlinkat, P("x"), HERE, P("there")),
	CALL(unlinkat, HERE, P("here"), 0), CALL(chflagsat, HERE, P("here"), 0, 0), CALL(chflagsat, HERE, P(""), 0, AT_EMPTY_PATH),
	CALL(funlinkat, HERE, P("here"), FD_NONE, 0), CALL(funlinkat, AT_FDCWD, P(name), HERE, 0),
	CALL(__realpathat, HERE, P("here"), P(data), 1024, 0), CALL(fexecve, HERE, P(zero), P(zero)),
	CALL(accept, HERE, 0, 0), CALL(accept4, HERE, 0, 0, 0), CALL(listen, HERE, 1), CALL(shutdown, HERE, 2),
	CALL(bind, HERE, P(data), 16), CALL(connect, HERE, P(data), 16), CALL(getsockname, HERE, P(data), P(&size)),
	CALL(getpeername, HERE, P(data), P(&size)), CALL(getsockopt, HERE, SOL_SOCKET, SO_TYPE, P(data), P(&size)),
	CALL(setsockopt, HERE, SOL_SOCKET, SO_REUSEADDR, P(data), 4), CALL(sendto, HERE, P(data), 1, 0, 0, 0),
	CALL(recvfrom, HERE, P(data), 1, MSG_DONTWAIT, 0, 0), CALL(sendmsg, HERE, P(&message), 0), CALL(recvmsg, HERE, P(&message), MSG_DONTWAIT),
	CALL(bindat, HERE, 0, P(data), 16), CALL(bindat, AT_FDCWD, HERE, P(data), 16), CALL(connectat, HERE, 0, P(data), 16),
	CALL(connectat, AT_FDCWD, HERE, P(data), 16), CALL(mmap, 0, 4096, PROT_READ, MAP_PRIVATE, HERE, 0),
	CALL(mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, HERE, 0), CALL(mmap, 0, 4096, PROT_READ, MAP_ANON | MAP_PRIVATE, HERE, 0),
	CALL(posix_fallocate, HERE, 0, 4096), CALL(posix_fadvise, HERE, 0, 0, 0), CALL(pdkill, HERE, 0), CALL(pdgetpid, HERE, P(data)),
	CALL(extattr_get_fd, HERE, 1, P("x"), P(data), 64), CALL(extattr_set_fd, HERE, 1, P("x"), P(data), 1),
	CALL(extattr_delete_fd, HERE, 1, P("x")), CALL(extattr_list_fd, HERE, 1, P(data), 64), CALL(aio_cancel, HERE, 0),
	CALL(kevent, HERE, 0, 0, P(data), 1, P(times)), CALL(kmq_setattr, HERE, 0, P(data)), CALL(kmq_notify, HERE, 0),
	CALL(kmq_timedreceive, HERE, P(data), 64, 0, P(times)), CALL(kmq_timedsend, HERE, P(data), 1, 0, P(times)),
	CALL(ksem_post, HERE), CALL(ksem_trywait, HERE), CALL(ksem_close, HERE), CALL(ksem_getvalue, HERE, P(data)),
	{ "freebsd6_pread", 173, { HERE, P(data), 1, 0, 0 } }, { "freebsd6_pwrite", 174, { HERE, P(data), 1, 0, 0 } },
	{ "freebsd6_lseek", 199, { HERE, 0, 0, 1 } }, { "freebsd6_ftruncate", 201, { HERE, 0, 0 } },
	CALL(__syscall, SYS_fchmod, HERE, 0), CALL(syscall, SYS_ftruncate, HERE, 0),
	CALL(syscall, SYS_fstat, HERE, P(data)),
	{ "copy_file_range", 569, { HERE, 0, 1, 0, 16, 0 } }, { "copy_file_range", 569, { 0, 0, HERE, 0, 16, 0 } },
	{ "fspacectl", 580, { HERE, 1, P(zero), 0, 0 } }, { "timerfd_gettime", 586, { HERE, P(data) } },
	{ "timerfd_settime", 587, { HERE, 0, P(data), 0 } },
#if GUEST_RELEASE >= 15
	{ "inotify_add_watch_at", 593, { HERE, AT_FDCWD, P("."), 0x100 } }, { "inotify_rm_watch", 594, { HERE, 1 } },
#endif
	{ "sendfile", SYS_sendfile, { HERE, 1, 0, 16, 0, 0 } },
	{ "kcmp", 588, { 0, 0, 100, HERE, 0 } }, { "kcmp", 588, { 0, 0, 101, 0, HERE } },
};

static long
make(const struct call *call, long fd)
{
	u64 a[6];

	for (int i = 0; i < 6; i++)
		a[i] = call->a[i] == HERE ? (u64)fd : call->a[i];
	if (call->number == 588)
		a[0] = a[1] = (u64)sys(SYS_getpid);
	size = 0;
	return (guest_call(call->number, a[0], a[1], a[2], a[3], a[4], a[5]));
}

/* The calls that take descriptors in memory, each with the number for which it is made. */
static long
in_memory(int which, long fd)
{
	union { char room[CMSG_SPACE(4)]; struct cmsghdr header; } control;
	struct pollfd poll = { (int)fd, POLLIN | POLLOUT, 0 };
	struct kevent change;
	struct msghdr msg;
	struct aiocb cb;
	fd_set set;
	long result;

	memset(&cb, 0, sizeof(cb));
	cb.aio_fildes = (int)fd;
	cb.aio_buf = data;
	cb.aio_nbytes = 16;
	cb.aio_sigevent.sigev_notify = SIGEV_NONE;
	FD_ZERO(&set);
	FD_SET(fd, &set);
	switch (which) {
	case 0:
		result = sys(SYS_poll, &poll, 1, 0);
		return (result == 1 ? poll.revents : result);
	case 1: case 2: case 3:
		return (sys(SYS_select, LAST + 1, which == 1 ? &set : NULL, which == 2 ? &set : NULL, which == 3 ? &set : NULL, moments));
	case 4:
		return (sys(SYS_pselect, LAST + 1, &set, NULL, NULL, times, NULL));
	case 5: case 6: case 7:
		EV_SET(&change, fd, which == 5 ? EVFILT_READ : which == 6 ? EVFILT_WRITE : EVFILT_VNODE, EV_ADD, NOTE_WRITE, 0, NULL);
		return (sys(SYS_kevent, kq, &change, 1, NULL, 0, NULL));
	case 8:
		memset(&msg, 0, sizeof(msg));
		msg.msg_iov = &vector;
		msg.msg_iovlen = 1;
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_LEN(4);
		control.header.cmsg_len = CMSG_LEN(4);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		*(int *)CMSG_DATA(&control.header) = (int)fd;
		return (sys(SYS_sendmsg, ends[0], &msg, 0));
	case 9: case 10:
		result = sys(which == 9 ? SYS_aio_read : SYS_aio_write, &cb);
		return (result != 0 ? result : sys(SYS_aio_error, &cb));
	case 11:
		result = sys(SYS_aio_fsync, O_SYNC, &cb);
		return (result != 0 ? result : sys(SYS_aio_error, &cb));
	}
	return (0);
}
#define IN_MEMORY 12

/* A kqueue with all that it may need descriptors for, and a request of aio that waits. */
static void
use_all(void)
{
	struct kevent changes[5];
	struct timespec none = { 0, 0 };
	int file = (int)CHECK_OK(sys(SYS_open, name, O_RDWR | O_CREAT, 0600));

	kq = (int)CHECK_OK(sys(SYS_kqueue));
	CHECK_EQ(sys(SYS_pipe2, pipes, 0), 0);
	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	child = (int)CHECK_OK(sys(SYS_fork));
	if (child == 0) {
		char byte;

		sys(SYS_close, pipes[1]);
		sys(SYS_read, pipes[0], &byte, 1);
		guest_exit(7);
	}
	EV_SET(&changes[0], 1, EVFILT_TIMER, EV_ADD, 0, 20, NULL);
	EV_SET(&changes[1], file, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_ATTRIB, 0, NULL);
	EV_SET(&changes[2], child, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0, NULL);
	EV_SET(&changes[3], 5, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, NULL);
	EV_SET(&changes[4], SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, 0, NULL);
	CHECK_EQ(sys(SYS_kevent, kq, changes, 5, NULL, 0, &none), 0);
	EV_SET(&changes[0], sockets[0], EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0, NULL);
	CHECK_EQ(sys(SYS_kevent, kq, changes, 1, NULL, 0, &none), 0);
	memset(&waiting, 0, sizeof(waiting));
	waiting.aio_fildes = sockets[1];
	waiting.aio_buf = data + 4096;
	waiting.aio_nbytes = 5;
	waiting.aio_sigevent.sigev_notify = SIGEV_NONE;
	CHECK_EQ(sys(SYS_aio_read, &waiting), 0);
	spare = file;
}

/* All of it still works. */
static void
still_works(void)
{
	struct timespec second = { 2, 0 }, moment = { 0, 10000000 };
	struct kevent got[8], change;
	int seen = 0, status;
	long n;

	CHECK_EQ(sys(SYS_fchmod, spare, 0640), 0);
	EV_SET(&change, 5, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
	CHECK_EQ(sys(SYS_kevent, kq, &change, 1, NULL, 0, &times[0]), 0);
	CHECK_EQ(sys(SYS_close, pipes[1]), 0);
	for (int i = 0; i < 100 && seen != 31; i++) {
		n = CHECK_OK(sys(SYS_kevent, kq, NULL, 0, got, 8, &second));
		for (int j = 0; j < n; j++)
			seen |= got[j].filter == EVFILT_TIMER ? 1 : got[j].filter == EVFILT_VNODE ? 2 : got[j].filter == EVFILT_PROC ? 4
			    : got[j].filter == EVFILT_USER ? 8 : got[j].filter == EVFILT_WRITE ? 16 : 0;
	}
	CHECK_EQ(seen, 31);
	CHECK_EQ(sys(SYS_wait4, child, &status, 0, NULL), child);
	CHECK_EQ(status, 7 << 8);
	CHECK_EQ(sys(SYS_write, sockets[0], "hello", 5), 5);
	for (int i = 0; i < 200 && sys(SYS_aio_error, &waiting) == EINPROGRESS; i++)
		sys(SYS_nanosleep, &moment, NULL);
	CHECK_EQ(sys(SYS_aio_return, &waiting), 5);
	CHECK_EQ(memcmp(data + 4096, "hello", 5), 0);
}

/* The image of LSF, where a /proc of Linux shows it, is what it was. */
static long
look_at_image(struct stat *st)
{
	return (sys(SYS_fstatat, AT_FDCWD, "/proc/self/exe", st, 0));
}

static void
executes(void)
{
	char *argv[] = { (char *)guest_argv[0], "@executed", NULL }, *env[] = { NULL };
	int status, pid = (int)CHECK_OK(sys(SYS_fork));

	if (pid == 0) {
		sys(SYS_execve, guest_argv[0], argv, env);
		guest_exit(99);
	}
	CHECK_EQ(sys(SYS_wait4, pid, &status, 0, NULL), pid);
	CHECK_EQ(status, 0);
	if (image.st_mode != 0) {
		CHECK_EQ(look_at_image(&image_later), 0);
		CHECK_EQ(image.st_mode, image_later.st_mode);
		CHECK_EQ(image.st_size, image_later.st_size);
		CHECK_EQ(image.st_ino, image_later.st_ino);
	}
}

HELPER(executed)
{
}

static void
names(void)
{
	CHECK_EQ(sys(SYS_close_range, 3, ~0U, 0), 0);		/* what was inherited */
	format(name, sizeof(name), "hidden-%d", (int)sys(SYS_getpid));
	if (look_at_image(&image) != 0)
		image.st_mode = 0;
}

static void
try_all(void)
{
	long want, got;

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		want = make(&calls[i], CLOSED);
		for (int fd = FIRST; fd <= LAST; fd++)
			if ((got = make(&calls[i], fd)) != want) {
				warn_("%s, call %l: on %d %l, on a closed number %l\n", calls[i].name, (long)i, fd, got, want);
				guest_exit(1);
			}
	}
	for (int i = 0; i < IN_MEMORY; i++) {
		want = in_memory(i, CLOSED);
		for (int fd = FIRST; fd <= LAST; fd++)
			if ((got = in_memory(i, fd)) != want) {
				warn_("in memory, %d: on %d %l, on a closed number %l\n", i, fd, got, want);
				guest_exit(1);
			}
	}
}

/* By the sites of this program, and, as all calls are made often, by patched ones. */
/* judge: own, descriptors that LSF hides */
TEST(every_call)
{
	names();
	use_all();
	executes();
	for (int i = 0; i < 3; i++)
		try_all();
	still_works();
	executes();
	CHECK_EQ(sys(SYS_unlink, name), 0);
}

/* An absolute path does not ask the descriptor (namei_setup in vfs_lookup.c looks at it only where it is to start there). */
TEST(absolute_paths)
{
	long fd;

	names();
	use_all();
	for (int n = FIRST; n <= LAST; n++) {
		fd = CHECK_OK(sys(SYS_openat, n, "/dev/null", O_RDONLY));
		CHECK_EQ(sys(SYS_close, fd), 0);
		CHECK_EQ(sys(SYS_faccessat, n, "/dev/null", 0, 0), 0);
	}
	still_works();
	CHECK_EQ(sys(SYS_unlink, name), 0);
}

/* Whoever wants one of the numbers gets it, and may then use it: dup2 moves what was there. */
TEST(numbers_are_free)
{
	char byte;

	names();
	use_all();
	executes();
	for (int n = FIRST; n <= LAST; n++) {
		CHECK_EQ(sys(SYS_dup2, spare, n), n);
		CHECK_EQ(sys(SYS_pwrite, n, &"abcdefghij"[n % 10], 1, n), 1);
		CHECK_EQ(sys(SYS_pread, n, &byte, 1, n), 1);
		CHECK_EQ(byte, 'a' + n % 10);
	}
	for (int n = FIRST; n <= LAST; n++)
		CHECK_EQ(sys(SYS_pread, n, &byte, 1, n), 1);
	CHECK_ERR(sys(SYS_ftruncate, LAST + 1, 0), EBADF);
	for (int n = LAST + 1; n < LAST + 40; n++) {
		CHECK_ERR(sys(SYS_fchmod, n, 0), EBADF);
		CHECK_ERR(sys(SYS_read, n, &byte, 1), EBADF);
	}
	still_works();
	executes();
	CHECK_EQ(sys(SYS_unlink, name), 0);
}

/* With a small table there is nothing high up: the shim's are among the first numbers. */
TEST(small_table)
{
	struct rlimit limit = { 24, 24 };
	struct stat st;

	names();
	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_NOFILE, &limit), 0);
	use_all();
	executes();
	for (int n = 3; n < 40; n++) {
		if (sys(SYS_fcntl, n, F_GETFD) != -EBADF)
			continue;
		CHECK_ERR(sys(SYS_fchmod, n, 0), EBADF);
		CHECK_ERR(sys(SYS_ftruncate, n, 0), EBADF);
		CHECK_ERR(sys(SYS_write, n, data, 8), EBADF);
		CHECK_ERR(sys(SYS_read, n, data, 8), EBADF);
		CHECK_ERR(sys(SYS_fstat, n, &st), EBADF);
	}
	still_works();
	executes();
	CHECK_EQ(sys(SYS_unlink, name), 0);
}
