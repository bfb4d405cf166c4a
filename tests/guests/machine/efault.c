/* Every pointer argument bad: EFAULT from FreeBSD's kernel, never a fault of the program or of the shim.
 *
 * A table row is a call that would succeed; for each pointer in it the call is made with that one replaced by addresses
 * that cannot be read (or written). A case shows all rows that fail, not the first only.
 */
#include "guest.h"
#include <sys/event.h>
#include <sys/mount.h>
#include <sys/poll.h>
#include <sys/sysctl.h>
#include <sys/uio.h>
#include <sys/utsname.h>

/* What stands in a row in place of a value that is known only at run time. */
enum { FILE_FD = 0x7f000001, DIR_FD, PIPE_R, PIPE_W, KQ, PATH, DIRPATH, LINK, ROOM, NEWNAME, IOV, EVENTS, CHANGES, SET, ACTION,
	SPEC, TVAL, LIMIT, MIB, SIZE8, OFFS, LOCK, STACKT, POLL, FDSET, SELF, ARGV, ENVV, INTERVAL };

struct row {
	const char *name;
	long number;
	u64 argument[6];
	struct { u8 index; char kind; } bad[4];	/* i: read by the kernel, s: a string it reads, o: written; 0 ends */
};

static char *unreadable, *readonly, *end;	/* `end`: the last 8 bytes before a page that cannot be read */
static int file_fd, dir_fd, pipe_r, pipe_w, kq;
static char *room;

static u64
value(u64 token)
{
	static struct iovec iov;
	static struct kevent change;
	static sigset_t set;
	static struct sigaction action;
	static struct timespec spec[2];
	static struct timeval tval[2];
	static struct rlimit limit;
	static int mib[2] = { CTL_KERN, KERN_OSTYPE };
	static size_t size;
	static off_t offset;
	static struct flock lock;
	static stack_t stack;
	static struct pollfd poll;
	static fd_set fdset;
	static char *argv[3], *env[1];
	static struct itimerval interval;

	switch (token) {
	case FILE_FD: CHECK_EQ(sys(SYS_lseek, file_fd, 0, SEEK_SET), 0); return ((u64)file_fd);
	case DIR_FD: CHECK_EQ(sys(SYS_lseek, dir_fd, 0, SEEK_SET), 0); return ((u64)dir_fd);
	case PIPE_R: CHECK_EQ(sys(SYS_write, pipe_w, "12345678", 8), 8); return ((u64)pipe_r);
	case PIPE_W: return ((u64)pipe_w);
	case KQ: return ((u64)kq);
	case PATH: return ((u64)"file");
	case DIRPATH: return ((u64)"dir");
	case LINK: return ((u64)"link");
	case NEWNAME: return ((u64)"new");
	case ROOM: return ((u64)room);
	case IOV: iov.iov_base = room; iov.iov_len = 8; return ((u64)&iov);
	case EVENTS: return ((u64)room);
	case CHANGES: EV_SET(&change, 1, EVFILT_USER, EV_ADD, NOTE_TRIGGER, 0, 0); return ((u64)&change);
	case SET: memset(&set, 0, sizeof(set)); return ((u64)&set);
	case ACTION: memset(&action, 0, sizeof(action)); return ((u64)&action);
	case SPEC: spec[0].tv_sec = spec[1].tv_sec = 0; spec[0].tv_nsec = spec[1].tv_nsec = 1; return ((u64)spec);
	case TVAL: tval[0].tv_sec = tval[1].tv_sec = 1; return ((u64)tval);
	case LIMIT: sys(SYS_getrlimit, RLIMIT_CORE, &limit); return ((u64)&limit);
	case MIB: return ((u64)mib);
	case SIZE8: size = 8; return ((u64)&size);
	case OFFS: offset = 0; return ((u64)&offset);
	case LOCK: lock.l_type = F_RDLCK; return ((u64)&lock);
	case STACKT: stack.ss_flags = SS_DISABLE; return ((u64)&stack);
	case POLL: poll.fd = pipe_w; poll.events = POLLOUT; return ((u64)&poll);
	case FDSET: memset(&fdset, 0, sizeof(fdset)); return ((u64)&fdset);
	case SELF: return ((u64)guest_argv[0]);
	case ARGV: argv[0] = guest_argv[0]; argv[1] = "@bad"; return ((u64)argv);
	case ENVV: return ((u64)env);
	case INTERVAL: memset(&interval, 0, sizeof(interval)); return ((u64)&interval);
	}
	return (token);
}

static void
prepare(void)
{
	int ends[2];

	unreadable = guest_map(4 * 4096);
	memset(unreadable, 'a', 4 * 4096);
	end = unreadable + 2 * 4096 - 8;
	CHECK_EQ(sys(SYS_mprotect, unreadable + 2 * 4096, 4096, PROT_NONE), 0);
	unreadable += 2 * 4096;
	readonly = guest_map(4096);
	CHECK_EQ(sys(SYS_mprotect, readonly, 4096, PROT_READ), 0);
	room = guest_map(65536);
	guest_put("file", "0123456789abcdef", 16);
	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	CHECK_EQ(sys(SYS_symlink, "file", "link"), 0);
	file_fd = (int)CHECK_OK(sys(SYS_open, "file", O_RDWR, 0));
	dir_fd = (int)CHECK_OK(sys(SYS_open, "dir", O_RDONLY, 0));
	CHECK_EQ(sys(SYS_pipe2, ends, O_NONBLOCK), 0);
	pipe_r = ends[0];
	pipe_w = ends[1];
}

static int failures;

static void
try(const struct row *row, int index, char kind, u64 bad, const char *how)
{
	u64 a[6];

	for (int i = 0; i < 6; i++)
		a[i] = value(row->argument[i]);
	a[index] = bad;
	long ret = guest_call(row->number, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (ret != -EFAULT) {
		char got[64];
		guest_show_value(got, sizeof(got), (u64)ret);
		warn_("%s: argument %d (%c) %s: got %s, want -EFAULT\n", row->name, index + 1, kind, how, got);
		failures++;
	}
}

static void
run(const struct row *rows, size_t count)
{
	for (size_t r = 0; r < count; r++)
		for (int b = 0; b < 4 && rows[r].bad[b].kind != 0; b++) {
			int index = rows[r].bad[b].index;
			char kind = rows[r].bad[b].kind;
			try(&rows[r], index, kind, 8, "in page 0");
			try(&rows[r], index, kind, (u64)unreadable, "in a page without access");
			try(&rows[r], index, kind, 0xffffffff80000000UL, "in the kernel");
			try(&rows[r], index, kind, 0x7fffffffff00UL << 8, "no address");
			if (kind == 's')
				try(&rows[r], index, kind, (u64)end, "a string that runs out of its page");
			if (kind == 'o')
				try(&rows[r], index, kind, (u64)readonly, "read-only");
		}
	/* Nothing leaked. */
	int fd = (int)CHECK_OK(sys(SYS_dup, 0));
	sys(SYS_close, fd);
	if (fd != pipe_w + 1 && fd != kq + 1) {
		warn_("a failed call left descriptor %d open\n", fd - 1);
		failures++;
	}
	if (failures != 0)
		guest_exit(1);
}

#define RUN(...) do { \
	static const struct row rows[] = { __VA_ARGS__ }; \
	run(rows, nitems(rows)); \
} while (0)

TEST(names)
{
	prepare();
	RUN(
	    { "open", SYS_open, { PATH, O_RDONLY }, { { 0, 's' } } },
	    { "openat", SYS_openat, { (u64)AT_FDCWD, PATH, O_RDONLY }, { { 1, 's' } } },
	    { "open O_CREAT", SYS_open, { PATH, O_RDWR | O_CREAT, 0644 }, { { 0, 's' } } },
	    { "link", SYS_link, { PATH, NEWNAME }, { { 0, 's' }, { 1, 's' } } },
	    { "linkat", SYS_linkat, { (u64)AT_FDCWD, PATH, (u64)AT_FDCWD, NEWNAME }, { { 1, 's' }, { 3, 's' } } },
	    { "unlink", SYS_unlink, { NEWNAME }, { { 0, 's' } } },
	    { "unlinkat", SYS_unlinkat, { (u64)AT_FDCWD, NEWNAME, 0 }, { { 1, 's' } } },
	    { "rename", SYS_rename, { PATH, PATH }, { { 0, 's' }, { 1, 's' } } },
	    { "renameat", SYS_renameat, { (u64)AT_FDCWD, PATH, (u64)AT_FDCWD, PATH }, { { 1, 's' }, { 3, 's' } } },
	    { "symlink", SYS_symlink, { PATH, NEWNAME }, { { 0, 's' }, { 1, 's' } } },
	    { "symlinkat", SYS_symlinkat, { PATH, (u64)AT_FDCWD, NEWNAME }, { { 0, 's' }, { 2, 's' } } },
	    { "readlink", SYS_readlink, { LINK, ROOM, 64 }, { { 0, 's' }, { 1, 'o' } } },
	    { "readlinkat", SYS_readlinkat, { (u64)AT_FDCWD, LINK, ROOM, 64 }, { { 1, 's' }, { 2, 'o' } } },
	    { "mkdir", SYS_mkdir, { NEWNAME, 0755 }, { { 0, 's' } } },
	    { "mkdirat", SYS_mkdirat, { (u64)AT_FDCWD, NEWNAME, 0755 }, { { 1, 's' } } },
	    { "rmdir", SYS_rmdir, { NEWNAME }, { { 0, 's' } } },
	    { "mkfifo", SYS_mkfifo, { NEWNAME, 0600 }, { { 0, 's' } } },
	    { "chdir", SYS_chdir, { DIRPATH }, { { 0, 's' } } },
	    { "chmod", SYS_chmod, { PATH, 0644 }, { { 0, 's' } } },
	    { "fchmodat", SYS_fchmodat, { (u64)AT_FDCWD, PATH, 0644, 0 }, { { 1, 's' } } },
	    { "chown", SYS_chown, { PATH, (u64)-1, (u64)-1 }, { { 0, 's' } } },
	    { "lchown", SYS_lchown, { PATH, (u64)-1, (u64)-1 }, { { 0, 's' } } },
	    { "access", SYS_access, { PATH, R_OK }, { { 0, 's' } } },
	    { "eaccess", SYS_eaccess, { PATH, R_OK }, { { 0, 's' } } },
	    { "faccessat", SYS_faccessat, { (u64)AT_FDCWD, PATH, R_OK, 0 }, { { 1, 's' } } },
	    { "truncate", SYS_truncate, { PATH, 10 }, { { 0, 's' } } },
	    { "utimes", SYS_utimes, { PATH, TVAL }, { { 0, 's' }, { 1, 'i' } } },
	    { "utimensat", SYS_utimensat, { (u64)AT_FDCWD, PATH, SPEC, 0 }, { { 1, 's' }, { 2, 'i' } } },
	    { "futimens", SYS_futimens, { FILE_FD, SPEC }, { { 1, 'i' } } },
	    { "pathconf", SYS_pathconf, { PATH, _PC_NAME_MAX }, { { 0, 's' } } },
	    { "chroot", SYS_chroot, { DIRPATH }, { { 0, 's' } } },
	    { "__getcwd", SYS___getcwd, { ROOM, 1024 }, { { 0, 'o' } } },
	);
}

TEST(input_and_output)
{
	prepare();
	RUN(
	    { "read", SYS_read, { FILE_FD, ROOM, 16 }, { { 1, 'o' } } },
	    { "read of a pipe", SYS_read, { PIPE_R, ROOM, 16 }, { { 1, 'o' } } },
	    { "pread", SYS_pread, { FILE_FD, ROOM, 16, 0 }, { { 1, 'o' } } },
	    { "readv", SYS_readv, { FILE_FD, IOV, 1 }, { { 1, 'i' } } },
	    { "preadv", SYS_preadv, { FILE_FD, IOV, 1, 0 }, { { 1, 'i' } } },
	    { "write", SYS_write, { FILE_FD, ROOM, 16 }, { { 1, 'i' } } },
	    { "write to a pipe", SYS_write, { PIPE_W, ROOM, 16 }, { { 1, 'i' } } },
	    { "pwrite", SYS_pwrite, { FILE_FD, ROOM, 16, 0 }, { { 1, 'i' } } },
	    { "writev", SYS_writev, { FILE_FD, IOV, 1 }, { { 1, 'i' } } },
	    { "pwritev", SYS_pwritev, { FILE_FD, IOV, 1, 0 }, { { 1, 'i' } } },
	    { "getdirentries", SYS_getdirentries, { DIR_FD, ROOM, 4096, OFFS }, { { 1, 'o' }, { 3, 'o' } } },
	    { "pipe2", SYS_pipe2, { ROOM, 0 }, { { 0, 'o' } } },
	    { "fcntl F_GETLK", SYS_fcntl, { FILE_FD, F_GETLK, LOCK }, { { 2, 'i' } } },
	    { "fcntl F_SETLK", SYS_fcntl, { FILE_FD, F_SETLK, LOCK }, { { 2, 'i' } } },
	    { "ioctl FIONREAD", SYS_ioctl, { PIPE_R, 0x4004667f, ROOM }, { { 2, 'o' } } },
	    { "ioctl FIONBIO", SYS_ioctl, { PIPE_R, 0x8004667e, ROOM }, { { 2, 'i' } } },
	    { "poll", SYS_poll, { POLL, 1, 0 }, { { 0, 'i' } } },
	    { "ppoll", SYS_ppoll, { POLL, 1, SPEC, SET }, { { 0, 'i' }, { 2, 'i' }, { 3, 'i' } } },
	    { "select", SYS_select, { 8, FDSET, FDSET, FDSET, TVAL }, { { 1, 'i' }, { 2, 'i' }, { 3, 'i' }, { 4, 'i' } } },
	    { "pselect", SYS_pselect, { 8, FDSET, 0, 0, SPEC, SET }, { { 1, 'i' }, { 4, 'i' }, { 5, 'i' } } },
	);
}

TEST(status)
{
	prepare();
	RUN(
	    { "fstat", SYS_fstat, { FILE_FD, ROOM }, { { 1, 'o' } } },
	    { "fstatat", SYS_fstatat, { (u64)AT_FDCWD, PATH, ROOM, 0 }, { { 1, 's' }, { 2, 'o' } } },
	    { "statfs", SYS_statfs, { PATH, ROOM }, { { 0, 's' }, { 1, 'o' } } },
	    { "fstatfs", SYS_fstatfs, { FILE_FD, ROOM }, { { 1, 'o' } } },
	    { "getfsstat", SYS_getfsstat, { ROOM, sizeof(struct statfs), MNT_NOWAIT }, { { 0, 'o' } } },
	    { "freebsd11_stat", 188, { PATH, ROOM }, { { 0, 's' }, { 1, 'o' } } },
	    { "freebsd11_fstat", 189, { FILE_FD, ROOM }, { { 1, 'o' } } },
	    { "freebsd11_lstat", 190, { PATH, ROOM }, { { 0, 's' }, { 1, 'o' } } },
	    { "freebsd11_fstatat", 493, { (u64)AT_FDCWD, PATH, ROOM, 0 }, { { 1, 's' }, { 2, 'o' } } },
	    { "freebsd11_getdirentries", 196, { DIR_FD, ROOM, 4096, OFFS }, { { 1, 'o' }, { 3, 'o' } } },
	    { "freebsd11_statfs", 396, { PATH, ROOM }, { { 0, 's' }, { 1, 'o' } } },
	    { "freebsd11_fstatfs", 397, { FILE_FD, ROOM }, { { 1, 'o' } } },
	);
}

TEST(signals)
{
	prepare();
	RUN(
	    { "sigaction", SYS_sigaction, { SIGUSR1, ACTION, ROOM }, { { 1, 'i' }, { 2, 'o' } } },
	    { "sigprocmask", SYS_sigprocmask, { SIG_BLOCK, SET, ROOM }, { { 1, 'i' }, { 2, 'o' } } },
	    { "sigpending", SYS_sigpending, { ROOM }, { { 0, 'o' } } },
	    { "sigsuspend", SYS_sigsuspend, { SET }, { { 0, 'i' } } },
	    { "sigaltstack", SYS_sigaltstack, { STACKT, ROOM }, { { 0, 'i' }, { 1, 'o' } } },
	    { "sigreturn", SYS_sigreturn, { 8 }, { { 0, 'i' } } },
	);
}

TEST(time)
{
	prepare();
	RUN(
	    { "clock_gettime", SYS_clock_gettime, { CLOCK_REALTIME, ROOM }, { { 1, 'o' } } },
	    { "clock_gettime CPU", SYS_clock_gettime, { CLOCK_PROCESS_CPUTIME_ID, ROOM }, { { 1, 'o' } } },
	    { "clock_getres", SYS_clock_getres, { CLOCK_REALTIME, ROOM }, { { 1, 'o' } } },
	    { "gettimeofday", SYS_gettimeofday, { ROOM, ROOM }, { { 0, 'o' }, { 1, 'o' } } },
	    { "nanosleep", SYS_nanosleep, { SPEC, 0 }, { { 0, 'i' } } },
	    { "getitimer", SYS_getitimer, { ITIMER_REAL, ROOM }, { { 1, 'o' } } },
	    { "setitimer", SYS_setitimer, { ITIMER_REAL, INTERVAL, ROOM }, { { 1, 'i' }, { 2, 'o' } } },
	    { "getrusage", SYS_getrusage, { RUSAGE_SELF, ROOM }, { { 1, 'o' } } },
	);
	/* clock_nanosleep returns the error as its value. */
	struct timespec *bad[] = { (void *)8, (void *)unreadable, (void *)0xffffffff80000000UL };
	for (size_t i = 0; i < nitems(bad); i++)
		CHECK_EQ(sys(SYS_clock_nanosleep, CLOCK_REALTIME, 0, bad[i], NULL), EFAULT);
}

TEST(processes)
{
	prepare();
	RUN(
	    { "execve", SYS_execve, { SELF, ARGV, ENVV }, { { 0, 's' }, { 1, 'i' }, { 2, 'i' } } },
	    { "getrlimit", SYS_getrlimit, { RLIMIT_CORE, ROOM }, { { 1, 'o' } } },
	    { "setrlimit", SYS_setrlimit, { RLIMIT_CORE, LIMIT }, { { 1, 'i' } } },
#if GUEST_RELEASE < 15	/* there need not be a group, and what is not written is not looked at */
	    { "getgroups", SYS_getgroups, { 16, ROOM }, { { 1, 'o' } } },
#endif
	    { "getresuid", SYS_getresuid, { ROOM, ROOM, ROOM }, { { 0, 'o' }, { 1, 'o' }, { 2, 'o' } } },
	    { "getresgid", SYS_getresgid, { ROOM, ROOM, ROOM }, { { 0, 'o' }, { 1, 'o' }, { 2, 'o' } } },
	    { "getlogin", SYS_getlogin, { ROOM, 33 }, { { 0, 'o' } } },
	    { "sysarch", SYS_sysarch, { AMD64_GET_FSBASE, ROOM }, { { 1, 'o' } } },
	    { "__sysctl name", SYS___sysctl, { MIB, 2, ROOM, SIZE8, 0, 0 }, { { 0, 'i' }, { 3, 'o' } } },
	    { "thr_self", SYS_thr_self, { ROOM }, { { 0, 'o' } } },
	    { "uname of 4.4BSD", SYS___sysctl, { MIB, 2, 0, SIZE8, 0, 0 }, { { 3, 'o' } } },
	);
}

/* An argument vector that is readable while a string in it is not. */
TEST(argument_strings)
{
	char *argv[] = { guest_argv[0], (char *)8, NULL }, *env[] = { NULL };

	prepare();
	CHECK_ERR(sys(SYS_execve, guest_argv[0], argv, env), EFAULT);
	argv[1] = end;
	CHECK_ERR(sys(SYS_execve, guest_argv[0], argv, env), EFAULT);
	argv[1] = NULL;
	CHECK_ERR(sys(SYS_execve, guest_argv[0], argv, argv + 5000000), EFAULT);
	char **vector = (char **)(void *)end;
	vector[0] = guest_argv[0];	/* no NULL follows in the page */
	CHECK_ERR(sys(SYS_execve, guest_argv[0], vector, env), EFAULT);
}

TEST(wait_status)
{
	prepare();
	for (int i = 0; i < 2; i++) {
		int pid = guest_fork();
		if (pid == 0)
			guest_exit(0);
		CHECK_ERR(sys(SYS_wait4, pid, i == 0 ? (void *)8 : (void *)readonly, 0, NULL), EFAULT);
	}
	int pid = guest_fork();
	if (pid == 0)
		guest_exit(0);
	CHECK_ERR(sys(SYS_wait4, pid, NULL, 0, 8), EFAULT);
}

TEST(vectors)
{
	prepare();
	struct iovec one = { (void *)8, 16 };
	struct iovec two[2] = { { room, 4 }, { (void *)8, 4 } };
	CHECK_ERR(sys(SYS_readv, file_fd, &one, 1), EFAULT);
	CHECK_ERR(sys(SYS_writev, file_fd, &one, 1), EFAULT);
	CHECK_EQ(sys(SYS_lseek, file_fd, 0, SEEK_SET), 0);
	/* What went before the fault is not lost or is not begun: both are seen on FreeBSD's file systems. */
	long ret = sys(SYS_readv, file_fd, two, 2);
	CHECK(ret == -EFAULT || ret == 4);
	CHECK_ERR(sys(SYS_readv, file_fd, unreadable - 8, 2), EFAULT);
}

TEST(events)
{
	prepare();
	kq = (int)CHECK_OK(sys(SYS_kqueue));
	for (int i = 0; i < 2; i++) {	/* added, then triggered */
		struct kevent user;
		EV_SET(&user, 1, EVFILT_USER, EV_ADD, NOTE_TRIGGER, 0, 0);
		CHECK_EQ(sys(SYS_kevent, kq, &user, 1, NULL, 0, NULL), 0);
	}
	RUN(
	    { "kevent changes", SYS_kevent, { KQ, CHANGES, 1, 0, 0, 0 }, { { 1, 'i' } } },
	    { "kevent events", SYS_kevent, { KQ, CHANGES, 1, EVENTS, 1, SPEC }, { { 3, 'o' }, { 5, 'i' } } },
	);
}

/* The shim's text is no place to write to, and nothing of it is a valid file name. */
TEST(shim_addresses)
{
	prepare();
	CHECK_ERR(sys(SYS_read, file_fd, 0x6ffff0000000, 16), EFAULT);
	CHECK_ERR(sys(SYS_fstat, file_fd, 0x6ffff0000000), EFAULT);
	CHECK_ERR(sys(SYS_pipe2, 0x6ffff0000000, 0), EFAULT);
	CHECK_OK(sys(SYS_getpid));
}
