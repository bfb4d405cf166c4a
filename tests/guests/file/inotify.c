/* inotify(2): its calls, its records, and who reads them. */
#include "guest.h"
#include <sys/event.h>
#include <sys/filio.h>
#include <sys/poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#ifndef SYS_inotify_add_watch_at
#define SYS_inotify_add_watch_at 593
#define SYS_inotify_rm_watch 594
#endif
#define SPECIALFD_INOTIFY_ 2

static const struct timespec now = { 0, 0 };

/* FreeBSD 15's header is not there everywhere. */
struct event_ {
	int wd;
	u32 mask, cookie, len;
	char name[];
};
#define IN_MODIFY_ 0x2
#define IN_DELETE_SELF_ 0x400
#define IN_MOVE_SELF_ 0x800
#define IN_CREATE_ 0x100
#define IN_DELETE_ 0x200
#define IN_MOVED_ 0xc0
#define IN_IGNORED_ 0x8000
#define IN_ISDIR_ 0x40000000
#define IN_ONLYDIR_ 0x01000000
#define IN_DONT_FOLLOW_ 0x02000000
#define IN_MASK_CREATE_ 0x10000000
#define IN_MASK_ADD_ 0x20000000

static char buffer[4096] __attribute__((aligned(8)));

static int
inotify_(int flags)
{
	return ((int)sys(SYS___specialfd, SPECIALFD_INOTIFY_, &flags, sizeof(flags)));
}

/* The next event of what was read; 0 bytes: read again. */
static struct event_ *
next_event(int fd)
{
	static long size, at;

	if (at == size) {
		size = CHECK_OK(sys(SYS_read, fd, buffer, sizeof(buffer)));
		at = 0;
	}
	struct event_ *e = (struct event_ *)(buffer + at);
	at += (long)sizeof(*e) + e->len;
	CHECK(at <= size);
	return (e);
}

TEST(events)
{
	struct event_ *e;
	struct stat st;
	int pending = 0, fd;

	if (GUEST_RELEASE < 15) {
		CHECK_ERR(inotify_(0), EINVAL);
		ON_ANOTHER_RELEASE();
	}
	fd = (int)CHECK_OK(inotify_(O_NONBLOCK | O_CLOEXEC));
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_mode, S_IFREG | 0400);
	CHECK_ERR(sys(SYS_read, fd, buffer, sizeof(buffer)), EAGAIN);
	CHECK_EQ(sys(SYS_mkdir, "watched", 0755), 0);
	int dir = (int)CHECK_OK(sys(SYS_open, "watched", O_RDONLY | O_DIRECTORY));
	int here = (int)CHECK_OK(sys(SYS_open, ".", O_RDONLY | O_DIRECTORY));
	int wd = (int)CHECK_OK(sys(SYS_inotify_add_watch_at, fd, AT_FDCWD, "watched", IN_CREATE_ | IN_DELETE_ | IN_MOVED_));
	CHECK(wd >= 1);
	/* The same directory, by a path from another one. */
	CHECK_EQ(sys(SYS_inotify_add_watch_at, fd, here, "watched", IN_CREATE_ | IN_MOVED_ | IN_DELETE_), wd);
	CHECK_ERR(sys(SYS_inotify_add_watch_at, fd, here, "watched", IN_CREATE_ | IN_MASK_CREATE_), EEXIST);
	guest_put("watched/a", "12", 2);
	CHECK_EQ(sys(SYS_mkdir, "watched/d", 0755), 0);
	CHECK_EQ(sys(SYS_rename, "watched/a", "watched/bb"), 0);
	CHECK_EQ(sys(SYS_ioctl, fd, 0x4004667f, &pending), 0);		/* FIONREAD */
	CHECK(pending >= 4 * 20);
	e = next_event(fd);
	CHECK_EQ(e->wd, wd);
	CHECK_EQ(e->mask, IN_CREATE_);
	CHECK_STR(e->name, "a");
	e = next_event(fd);
	CHECK_EQ(e->mask, IN_CREATE_ | IN_ISDIR_);
	CHECK_STR(e->name, "d");
	e = next_event(fd);
	CHECK_EQ(e->mask, 0x40);
	CHECK_STR(e->name, "a");
	u32 cookie = e->cookie;
	e = next_event(fd);
	CHECK_EQ(e->mask, 0x80);
	CHECK_EQ(e->cookie, cookie);
	CHECK_STR(e->name, "bb");
	/* A file, by a directory's descriptor; with kevent. */
	struct kevent kev, got[2];
	int kq = (int)CHECK_OK(sys(SYS_kqueue));
	EV_SET(&kev, fd, EVFILT_READ, EV_ADD, 0, 0, NULL);
	CHECK_EQ(sys(SYS_kevent, kq, &kev, 1, NULL, 0, NULL), 0);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 2, &now), 0);
	int file = (int)CHECK_OK(sys(SYS_inotify_add_watch_at, fd, dir, "bb", IN_MODIFY_));
	CHECK(file != wd);
	int writer = (int)CHECK_OK(sys(SYS_openat, dir, "bb", O_WRONLY));
	CHECK_EQ(sys(SYS_write, writer, "x", 1), 1);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 2, NULL), 1);
	CHECK_EQ(got[0].data, sizeof(struct event_));
	e = next_event(fd);
	CHECK_EQ(e->wd, file);
	CHECK_EQ(e->mask, IN_MODIFY_);
	CHECK_EQ(e->len, 0);
	CHECK_EQ(sys(SYS_inotify_rm_watch, fd, file), 0);
	e = next_event(fd);
	CHECK_EQ(e->wd, file);
	CHECK_EQ(e->mask, IN_IGNORED_);
	CHECK_ERR(sys(SYS_inotify_rm_watch, fd, file), EINVAL);
}

TEST(errors)
{
	int fd, other;

	if (GUEST_RELEASE < 15)
		ON_ANOTHER_RELEASE();
	fd = (int)CHECK_OK(inotify_(0));
	other = (int)CHECK_OK(sys(SYS_kqueue));
	guest_put("file", "1", 1);
	CHECK_EQ(sys(SYS_symlink, "nowhere", "link"), 0);
	int here = (int)CHECK_OK(sys(SYS_open, ".", O_RDONLY | O_DIRECTORY));
	CHECK_ERR(inotify_(0x800), EINVAL);
	CHECK_ERR(sys(SYS___specialfd, SPECIALFD_INOTIFY_, &fd, 8), EINVAL);
	CHECK_ERR(sys(SYS_inotify_add_watch_at, fd, AT_FDCWD, "file", 0), EINVAL);
	CHECK_ERR(sys(SYS_inotify_add_watch_at, fd, AT_FDCWD, "file", 0x2000), EINVAL);
	CHECK_ERR(sys(SYS_inotify_add_watch_at, fd, AT_FDCWD, "file", 0x00100001), EINVAL);
	CHECK_ERR(sys(SYS_inotify_add_watch_at, fd, here, "file", 1 | IN_MASK_ADD_ | IN_MASK_CREATE_), EINVAL);
	CHECK_ERR(sys(SYS_inotify_add_watch_at, other, AT_FDCWD, "file", 1), EINVAL);
	CHECK_ERR(sys(SYS_inotify_add_watch_at, -1, AT_FDCWD, "file", 1), EBADF);
	CHECK_ERR(sys(SYS_inotify_add_watch_at, fd, 99, "file", 1), EBADF);
	CHECK_ERR(sys(SYS_inotify_add_watch_at, fd, here, "none", 1), ENOENT);
	CHECK_ERR(sys(SYS_inotify_add_watch_at, fd, here, "file", 1 | IN_ONLYDIR_), ENOTDIR);
	CHECK_ERR(sys(SYS_inotify_add_watch_at, fd, AT_FDCWD, 8, 1), EFAULT);
	CHECK_ERR(sys(SYS_inotify_add_watch_at, fd, here, "link", 1), ENOENT);
	CHECK_OK(sys(SYS_inotify_add_watch_at, fd, here, "link", 1 | IN_DONT_FOLLOW_));
	CHECK_OK(sys(SYS_inotify_add_watch_at, fd, AT_FDCWD, "link", 1 | IN_DONT_FOLLOW_));
	CHECK_ERR(sys(SYS_inotify_rm_watch, other, 1), EINVAL);
	CHECK_ERR(sys(SYS_inotify_rm_watch, 99, 1), EBADF);
}

/* A folder that is watched, and its watch. */
static int
watch(int fd, const char *path, u32 mask)
{
	if (mask & IN_CREATE_)
		CHECK_EQ(sys(SYS_mkdir, path, 0755), 0);
	return ((int)CHECK_OK(sys(SYS_inotify_add_watch_at, fd, AT_FDCWD, path, mask)));
}

/* vfs_inotify.c, _IN_NAMESIZE: a name has its NUL, and as many as make it a multiple of 4. */
TEST(sizes)
{
	static const char *names[] = { "w/a", "w/abc", "w/abcd", "w/abcdefghijklmn", "w/abcdefghijklmno", "w/abcdefghijklmnop" };
	static const int sizes[] = { 20, 20, 24, 32, 32, 36 };
	struct event_ *e = (struct event_ *)buffer;
	int fd;

	if (GUEST_RELEASE < 15)
		ON_ANOTHER_RELEASE();
	fd = (int)CHECK_OK(inotify_(O_NONBLOCK));
	watch(fd, "w", IN_CREATE_);
	for (int i = 0; i < 6; i++) {
		guest_put(names[i], "", 0);
		for (int j = 0; j < 64; j++)
			buffer[j] = 'x';
		CHECK_EQ(sys(SYS_read, fd, buffer, sizeof(buffer)), sizes[i]);
		CHECK_EQ(e->len, sizes[i] - 16);
		CHECK_STR(e->name, names[i] + 2);
		CHECK_EQ(e->name[e->len - 1], 0);
	}
	/* What fits is read, to the byte; and what does not fit is not lost. */
	for (int i = 0; i < 6; i++) {
		CHECK_EQ(sys(SYS_unlink, names[i]), 0);
		guest_put(names[i], "", 0);
	}
	for (int i = 0; i < 6; i++) {
		CHECK_ERR(sys(SYS_read, fd, buffer, sizes[i] - 1), EINVAL);
		CHECK_ERR(sys(SYS_read, fd, buffer, 16), EINVAL);
		CHECK_ERR(sys(SYS_read, fd, buffer, 3), EINVAL);
		CHECK_EQ(sys(SYS_read, fd, buffer, 0), 0);
		CHECK_EQ(sys(SYS_read, fd, buffer, sizes[i]), sizes[i]);
		CHECK_STR(e->name, names[i] + 2);
	}
	CHECK_ERR(sys(SYS_read, fd, buffer, 16), EAGAIN);
	CHECK_ERR(sys(SYS_write, fd, buffer, 16), EBADF);
}

/* Many records, one behind the other, by one read and by readv; a duplicate reads the same queue. */
TEST(records)
{
	static char pieces[3][8300], name[] = "w/f....";
	struct iovec vector[3] = { { pieces[0], 10 }, { pieces[1], 0 }, { pieces[2], 8192 } };
	int fd, second, wd;

	if (GUEST_RELEASE < 15)
		ON_ANOTHER_RELEASE();
	fd = (int)CHECK_OK(inotify_(O_NONBLOCK));
	wd = watch(fd, "w", IN_CREATE_ | IN_DELETE_);
	second = (int)CHECK_OK(sys(SYS_dup, fd));
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 300; i++) {
			for (int d = 0, v = i; d < 4; d++, v /= 10)
				name[6 - d] = (char)('0' + v % 10);
			guest_put(name, "", 0);
			CHECK_EQ(sys(SYS_unlink, name), 0);
		}
		/* 600 records of 24 bytes; how many of them one read takes, nobody promises */
		for (long done = 0; done < 600;) {
			long size = CHECK_OK(round ? sys(SYS_readv, second, vector, 3) : sys(SYS_read, fd, pieces[0], sizeof(pieces)));
			CHECK(size >= 24 && size % 24 == 0);
			for (long i = 0; round && i < size; i++)	/* put together again */
				pieces[1][i] = i < 10 ? pieces[0][i] : pieces[2][i - 10];
			for (long i = 0; i < size / 24; i++, done++) {
				struct event_ *e = (struct event_ *)(pieces[round] + i * 24);
				CHECK_EQ(e->wd, wd);
				CHECK_EQ(e->len, 8);
				CHECK_EQ(e->mask, done % 2 ? IN_DELETE_ : IN_CREATE_);
				CHECK_EQ(e->name[4], '0' + done / 2 % 10);
			}
		}
		CHECK_ERR(sys(SYS_read, fd, pieces[0], sizeof(pieces)), EAGAIN);
	}
}

/* A watched folder that is moved or removed is told of as one; and a child of fork reads as its parent does. */
TEST(folders)
{
	struct event_ *e;
	int fd, folder, file;

	if (GUEST_RELEASE < 15)
		ON_ANOTHER_RELEASE();
	fd = (int)CHECK_OK(inotify_(O_NONBLOCK));
	CHECK_EQ(sys(SYS_mkdir, "d", 0755), 0);
	guest_put("f", "", 0);
	folder = watch(fd, "d", IN_DELETE_SELF_ | IN_MOVE_SELF_);
	file = watch(fd, "f", IN_DELETE_SELF_ | IN_MOVE_SELF_);
	CHECK_EQ(sys(SYS_rename, "d", "e"), 0);
	CHECK_EQ(sys(SYS_rename, "f", "g"), 0);
	e = next_event(fd);
	CHECK_EQ(e->wd, folder);
	CHECK_EQ(e->mask, IN_MOVE_SELF_ | IN_ISDIR_);
	e = next_event(fd);
	CHECK_EQ(e->wd, file);
	CHECK_EQ(e->mask, IN_MOVE_SELF_);
	CHECK_EQ(sys(SYS_rmdir, "e"), 0);
	IN_CHILD({
		e = next_event(fd);
		CHECK_EQ(e->wd, folder);
		CHECK_EQ(e->mask, IN_DELETE_SELF_ | IN_ISDIR_);
		e = next_event(fd);
		CHECK_EQ(e->mask, IN_IGNORED_);
	});
	CHECK_EQ(sys(SYS_mkdir, "w", 0755), 0);
	watch(fd, "w", IN_DELETE_);
	guest_put("w/abc", "", 0);
	CHECK_EQ(sys(SYS_unlink, "w/abc"), 0);
	IN_CHILD(CHECK_EQ(sys(SYS_read, fd, buffer, 20), 20););
}

/* A read that waits: for a record that another process makes, in a buffer of its size. */
TEST(waits)
{
	struct event_ *e = (struct event_ *)buffer;
	int fd;

	if (GUEST_RELEASE < 15)
		ON_ANOTHER_RELEASE();
	fd = (int)CHECK_OK(inotify_(0));
	watch(fd, "w", IN_CREATE_);
	long child = sys(SYS_fork);
	if (child == 0) {
		guest_sleep_ms(50);
		guest_put("w/abc", "", 0);
		guest_put("w/longer name", "", 0);
		sys(SYS_exit, 0);
	}
	CHECK_EQ(sys(SYS_read, fd, buffer, 20), 20);
	CHECK_STR(e->name, "abc");
	CHECK_EQ(sys(SYS_read, fd, buffer, 28), 28);
	CHECK_STR(e->name, "longer name");
	CHECK_EQ(sys(SYS_wait4, child, NULL, 0, NULL), child);
}

static int
waiting(int fd)
{
	int n = -1;

	CHECK_EQ(sys(SYS_ioctl, fd, FIONREAD, &n), 0);
	return (n);
}

/* Whoever waits for the descriptor finds it ready: poll, select and kevent, which tells how many bytes wait. */
static int
ready(int fd, int kq)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct timeval none = { 0, 0 };
	struct kevent e;
	fd_set set;
	int by_poll = (int)CHECK_OK(sys(SYS_poll, &p, 1, 0));

	memset(&set, 0, sizeof(set));
	FD_SET(fd, &set);
	CHECK_EQ(sys(SYS_select, fd + 1, &set, NULL, NULL, &none), by_poll);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, &e, 1, &now), by_poll);
	CHECK_EQ(by_poll ? (int)e.data : 0, waiting(fd));
	return (by_poll);
}

/* A descriptor that does not wait, and a kqueue that watches it. */
static void
open_watched(int *fd, int *kq)
{
	struct kevent change;

	*fd = (int)CHECK_OK(inotify_(O_NONBLOCK));
	*kq = (int)CHECK_OK(sys(SYS_kqueue));
	EV_SET(&change, *fd, EVFILT_READ, EV_ADD, 0, 0, NULL);
	CHECK_EQ(sys(SYS_kevent, *kq, &change, 1, NULL, 0, NULL), 0);
}

/* FIONREAD counts the records as they will be read (nbpending), and disturbs nothing; so does fstat. */
TEST(counted)
{
	struct event_ *e = (struct event_ *)buffer;
	struct stat st;
	int fd, kq, wd, other;

	if (GUEST_RELEASE < 15)
		ON_ANOTHER_RELEASE();
	open_watched(&fd, &kq);
	wd = watch(fd, "w", IN_CREATE_ | IN_DELETE_);
	CHECK_EQ(waiting(fd), 0);
	CHECK_EQ(ready(fd, kq), 0);
	guest_put("w/abc", "", 0);
	CHECK_EQ(waiting(fd), 20);
	CHECK_EQ(ready(fd, kq), 1);
	guest_put("w/abcd", "", 0);
	CHECK_EQ(waiting(fd), 44);
	CHECK_EQ(waiting(fd), 44);
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_size, 44);
	CHECK_EQ(st.st_blocks, 2);
	CHECK_EQ(st.st_blksize, 272);
	CHECK_EQ(st.st_mode, S_IFREG | S_IRUSR);
	other = (int)CHECK_OK(sys(SYS_dup, fd));
	CHECK_EQ(sys(SYS_read, other, buffer, 20), 20);
	CHECK_EQ(e->wd, wd);
	CHECK_STR(e->name, "abc");
	CHECK_EQ(waiting(fd), 24);
	CHECK_EQ(ready(fd, kq), 1);
	CHECK_EQ(sys(SYS_unlink, "w/abc"), 0);
	CHECK_EQ(sys(SYS_read, fd, buffer, sizeof(buffer)), 44);
	CHECK_STR(e->name, "abcd");
	e = (struct event_ *)(buffer + 24);
	CHECK_EQ(e->mask, IN_DELETE_);
	CHECK_EQ(waiting(fd), 0);
	CHECK_EQ(ready(fd, kq), 0);
	CHECK_ERR(sys(SYS_read, fd, buffer, sizeof(buffer)), EAGAIN);
	/* a watch that is made behind has a number of its own, and is told of */
	CHECK(watch(fd, "v", IN_CREATE_) != wd);
	guest_put("v/x", "", 0);
	e = (struct event_ *)buffer;
	CHECK_EQ(sys(SYS_read, fd, buffer, sizeof(buffer)), 20);
	CHECK_STR(e->name, "x");
}

/* A record that had no room, or whose buffer is none, stays, and those who wait find it; what was read before it is read (inotify_read). */
TEST(stays)
{
	struct event_ *e = (struct event_ *)buffer;
	struct iovec two[2] = { { buffer, 20 }, { (void *)8, 1000 } };
	int fd, kq;
	u8 *page;

	if (GUEST_RELEASE < 15)
		ON_ANOTHER_RELEASE();
	open_watched(&fd, &kq);
	watch(fd, "w", IN_CREATE_);
	guest_put("w/abcdefghijklmno", "", 0);
	for (int i = 0; i < 2; i++) {
		CHECK_ERR(sys(SYS_read, fd, buffer, 31), EINVAL);
		CHECK_EQ(ready(fd, kq), 1);
		CHECK_ERR(sys(SYS_read, fd, NULL, 4096), EFAULT);
		CHECK_EQ(ready(fd, kq), 1);
		CHECK_EQ(waiting(fd), 32);
	}
	guest_put("w/b", "", 0);
	CHECK_EQ(waiting(fd), 52);
	CHECK_EQ(sys(SYS_read, fd, buffer, 4096), 52);
	CHECK_STR(e->name, "abcdefghijklmno");
	CHECK_EQ(ready(fd, kq), 0);
	/* The second record meets the end of what there is. */
	page = guest_map(8192);
	CHECK_EQ(sys(SYS_munmap, page + 4096, 4096), 0);
	for (int i = 0; i < 2; i++) {
		guest_put(i ? "w/e" : "w/c", "", 0);
		guest_put(i ? "w/f" : "w/d", "", 0);
		CHECK_ERR(i ? sys(SYS_readv, fd, two, 2) : sys(SYS_read, fd, page + 4096 - 20, 400), EFAULT);
		e = (struct event_ *)(i ? (u8 *)buffer : page + 4096 - 20);
		CHECK_STR(e->name, i ? "e" : "c");
		CHECK_EQ(waiting(fd), 20);
		CHECK_EQ(ready(fd, kq), 1);
		CHECK_EQ(sys(SYS_read, fd, buffer, 4096), 20);
		e = (struct event_ *)buffer;
		CHECK_STR(e->name, i ? "f" : "d");
	}
	CHECK_EQ(ready(fd, kq), 0);
}

HELPER(inherits)
{
	struct event_ *e = (struct event_ *)buffer;

	CHECK_EQ(sys(SYS_read, guest_number(guest_argv[2]), buffer, sizeof(buffer)), 24);
	CHECK_STR(e->name, "abcd");
	CHECK_EQ(sys(SYS_fcntl, 1, F_GETFD), 0);
}

/* Who was given the descriptor, by an execution or in a message, reads the same records. */
TEST(given_to_others)
{
	struct event_ *e = (struct event_ *)buffer;
	char number[] = "000", *argv_[] = { guest_argv[0], "@inherits", number, NULL };
	char space[CMSG_SPACE(4)] __attribute__((aligned(8)));
	struct iovec one = { number, 1 };
	struct msghdr m = { .msg_iov = &one, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space) };
	struct cmsghdr *c = (struct cmsghdr *)space;
	int fd, ends[2];

	if (GUEST_RELEASE < 15)
		ON_ANOTHER_RELEASE();
	CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, ends), 0);
	long child = CHECK_OK(sys(SYS_fork));
	if (child == 0) {
		/* made here, for the parent to receive */
		fd = (int)CHECK_OK(inotify_(0));
		watch(fd, "w", IN_CREATE_);
		c->cmsg_len = CMSG_LEN(4);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		*(int *)CMSG_DATA(c) = fd;
		CHECK_EQ(sys(SYS_sendmsg, ends[1], &m, 0), 1);
		guest_exit(0);
	}
	CHECK_EQ(guest_wait((int)child), 0);
	CHECK_EQ(sys(SYS_recvmsg, ends[0], &m, 0), 1);
	fd = *(int *)CMSG_DATA(c);
	guest_put("w/abcd", "", 0);
	CHECK_EQ(waiting(fd), 24);
	CHECK_EQ(sys(SYS_read, fd, buffer, sizeof(buffer)), 24);
	CHECK_STR(e->name, "abcd");
	CHECK_EQ(sys(SYS_unlink, "w/abcd"), 0);
	guest_put("w/abcd", "", 0);
	for (int i = 2, v = fd; i >= 0; i--, v /= 10)
		number[i] = (char)('0' + v % 10);
	child = CHECK_OK(sys(SYS_fork));
	if (child == 0) {
		sys(SYS_execve, guest_argv[0], argv_, guest_envp);
		guest_exit(9);
	}
	CHECK_EQ(guest_wait((int)child), 0);
}

/* What was counted is there by a duplicate, whichever descriptor is closed, or replaced. */
TEST(counted_by_a_duplicate)
{
	int fd, other;

	if (GUEST_RELEASE < 15)
		ON_ANOTHER_RELEASE();
	CHECK_EQ(sys(SYS_mkdir, "w", 0755), 0);
	for (int how = 0; how < 3; how++) {
		fd = (int)CHECK_OK(inotify_(O_NONBLOCK));
		CHECK_OK(sys(SYS_inotify_add_watch_at, fd, AT_FDCWD, "w", IN_CREATE_));
		guest_put(how == 0 ? "w/a" : how == 1 ? "w/b" : "w/c", "", 0);
		CHECK_EQ(waiting(fd), 20);
		other = (int)CHECK_OK(sys(SYS_dup, fd));
		if (how == 0)
			CHECK_EQ(sys(SYS_close, fd), 0);
		else if (how == 1)
			CHECK_EQ(sys(SYS_dup2, 0, fd), fd);
		else
			CHECK_EQ(sys(SYS_close_range, fd, fd, 0), 0);
		CHECK_EQ(waiting(other), 20);
		CHECK_EQ(sys(SYS_read, other, buffer, sizeof(buffer)), 20);
		CHECK_ERR(sys(SYS_read, other, buffer, sizeof(buffer)), EAGAIN);
		sys(SYS_close, fd);
		CHECK_EQ(sys(SYS_close, other), 0);
	}
}

static int read_by_thread;
static volatile int records_read, reading;

static void
reads_on(void *argument __attribute__((unused)))
{
	static char own[4096] __attribute__((aligned(8)));

	while (reading) {
		long n = CHECK_OK(sys(SYS_read, read_by_thread, own, sizeof(own)));
		CHECK_EQ(n % 16, 0);
		records_read += (int)n / 16;
	}
}

/* One thread counts what another waits for and reads: neither stops the other, and nothing is lost. */
TEST(counted_and_read_by_two)
{
	struct guest_thread thread;
	int f;

	if (GUEST_RELEASE < 15)
		ON_ANOTHER_RELEASE();
	read_by_thread = (int)CHECK_OK(inotify_(0));
	CHECK_EQ(sys(SYS_mkdir, "w", 0777), 0);
	guest_put("w/file", "", 0);
	watch(read_by_thread, "w/file", IN_MODIFY_);
	f = (int)CHECK_OK(sys(SYS_open, "w/file", O_WRONLY));
	reading = 1;
	guest_thread_start(&thread, reads_on, NULL);
	for (int i = 0; i < 500; i++) {
		reading = i < 499;
		CHECK_EQ(sys(SYS_write, f, "x", 1), 1);
		while (records_read == i)
			CHECK_BETWEEN(waiting(read_by_thread), 0, 16);
		CHECK_EQ(records_read, i + 1);
	}
	guest_thread_join(&thread);
}

/* The limits have names (SYSCTL_INT in vfs_inotify.c). */
TEST(limits)
{
	static const char *const names[] = { "vfs.inotify.max_queued_events", "vfs.inotify.max_user_instances",
	    "vfs.inotify.max_user_watches" };

	for (int i = 0; i < 3; i++) {
		int value = -1;
		size_t n = sizeof(value);
		CHECK_EQ(sys(SYS___sysctlbyname, names[i], strlen(names[i]), &value, &n, NULL, 0L), 0);
		CHECK_EQ(n, sizeof(value));
		CHECK_BETWEEN(value, 1, 0x7fffffff);
	}
}
