/* Terminals: termios(4), tty(4), posix_openpt(2) and ptsname(3). Every case makes a pseudo-terminal of its own. */
#include "pty.h"
#include <sys/ttycom.h>
#include <sys/_termios.h>
#include <sys/event.h>
#include <sys/poll.h>
#include <sys/select.h>
#include <sys/uio.h>
#define TTYDEFCHARS
#include <sys/ttydefaults.h>

static void
pty(void)
{
	char path[64];

	open_pty(path);
	CHECK(guest_starts(path, "/dev/pts/"));
}

TEST(openpt)
{
	int n = -1;

	pty();
	CHECK_EQ(sys(SYS_ioctl, master, TIOCPTMASTER, 0), 0);
	CHECK_EQ(sys(SYS_ioctl, master, TIOCGPTN, &n), 0);
	CHECK(n >= 0);
	CHECK_ERR(sys(SYS_ioctl, slave, TIOCPTMASTER, 0), ENOTTY);
	CHECK_ERR(sys(SYS_posix_openpt, O_RDWR | O_NONBLOCK), EINVAL);
	CHECK_ERR(sys(SYS_posix_openpt, O_WRONLY), EINVAL);
	/* Without O_RDWR it is to be read (sys_posix_openpt: O_RDONLY is no flag). */
	n = (int)CHECK_OK(sys(SYS_posix_openpt, O_RDONLY));
	CHECK_EQ(sys(SYS_fcntl, n, F_GETFL, 0) & O_ACCMODE, O_RDONLY);
	CHECK_EQ(sys(SYS_ioctl, n, TIOCPTMASTER, 0), 0);
	CHECK_ERR(sys(SYS_write, n, "x", 1), EBADF);
	CHECK_EQ(sys(SYS_close, n), 0);
	int other = (int)CHECK_OK(sys(SYS_posix_openpt, O_RDWR | O_CLOEXEC));
	CHECK_EQ(sys(SYS_fcntl, other, F_GETFD, 0), FD_CLOEXEC);
	CHECK_EQ(sys(SYS_fcntl, master, F_GETFD, 0), 0);
}

TEST(names)
{
	char name[64], again[64];
	struct fiodgname_arg arg = { sizeof(name), name }, arg2 = { sizeof(again), again }, small = { 5, name };

	pty();
	CHECK_EQ(sys(SYS_ioctl, master, FIODGNAME, &arg), 0);
	CHECK_EQ(sys(SYS_ioctl, slave, FIODGNAME, &arg2), 0);
	CHECK_STR(name, again);
	CHECK_ERR(sys(SYS_ioctl, slave, FIODGNAME, &small), EINVAL);
	CHECK_ERR(sys(SYS_ioctl, slave, FIODGNAME, 8), EFAULT);
	CHECK_EQ(sys(SYS_ioctl, CHECK_OK(sys(SYS_open, "/dev/null", O_RDWR)), FIODGNAME, &arg), 0);
	CHECK_STR(name, "null");
	CHECK_ERR(sys(SYS_ioctl, CHECK_OK(sys(SYS_open, ".", O_RDONLY)), FIODGNAME, &arg), ENOTTY);
}

/* What a terminal is like to begin with: <sys/ttydefaults.h>, tty_init_termios() of sys/kern/tty.c. */
TEST(attributes)
{
	struct termios t;

	pty();
	for (int i = 0; i < 2; i++) {
		memset(&t, 0x55, sizeof(t));
		CHECK_EQ(sys(SYS_ioctl, i ? master : slave, TIOCGETA, &t), 0);
		CHECK_EQ(t.c_iflag, TTYDEF_IFLAG);
		CHECK_EQ(t.c_oflag, TTYDEF_OFLAG);
		CHECK_EQ(t.c_cflag, TTYDEF_CFLAG);
		CHECK_EQ(t.c_lflag, TTYDEF_LFLAG);
		CHECK_EQ(t.c_ispeed, TTYDEF_SPEED);
		CHECK_EQ(t.c_ospeed, 9600);
		CHECK_EQ(memcmp(t.c_cc, ttydefchars, sizeof(t.c_cc)), 0);
	}
	/* Those that have no effect here are kept, too. */
	t.c_cc[VERASE2] = 'a';
	t.c_cc[VSTATUS] = _POSIX_VDISABLE;
	t.c_cc[VDSUSP] = 'b';
	CHECK_EQ(sys(SYS_ioctl, slave, TIOCSETA, &t), 0);
	memset(&t, 0x55, sizeof(t));
	CHECK_EQ(sys(SYS_ioctl, slave, TIOCGETA, &t), 0);
	CHECK_EQ(t.c_cc[VERASE2], 'a');
	CHECK_EQ(t.c_cc[VSTATUS], _POSIX_VDISABLE);
	CHECK_EQ(t.c_cc[VDSUSP], 'b');
	CHECK_ERR(sys(SYS_ioctl, slave, TIOCGETA, 8), EFAULT);
	CHECK_ERR(sys(SYS_ioctl, slave, TIOCSETA, 8), EFAULT);
	CHECK_ERR(sys(SYS_ioctl, 999, TIOCGETA, &t), EBADF);
	CHECK_ERR(sys(SYS_ioctl, CHECK_OK(sys(SYS_open, "/dev/null", O_RDWR)), TIOCGETA, &t), ENOTTY);
	CHECK_ERR(sys(SYS_ioctl, CHECK_OK(sys(SYS_open, ".", O_RDONLY)), TIOCGETA, &t), ENOTTY);
}

/* judge: policy, Linux's pseudo-terminals are 8 bits wide and have no parity */
TEST(set_attributes)
{
	struct termios t, back;
	const unsigned long how[3] = { TIOCSETA, TIOCSETAW, TIOCSETAF };

	pty();
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(sys(SYS_ioctl, slave, TIOCGETA, &t), 0);
		t.c_iflag = IGNPAR | INLCR | IXOFF | IXANY | IMAXBEL | IUTF8 | (i == 1 ? ISTRIP : 0);
		t.c_oflag = OPOST | TAB3 | OCRNL | ONOCR | ONLRET;
		t.c_cflag = CS7 | CREAD | PARODD | HUPCL | CLOCAL | CSTOPB | (i == 2 ? PARENB : 0);
		t.c_lflag = ECHOKE | ECHOK | ECHONL | ECHOPRT | ECHOCTL | TOSTOP | NOFLSH;
		t.c_cc[VMIN] = 0;
		t.c_cc[VTIME] = 7;
		t.c_cc[VINTR] = _POSIX_VDISABLE;
		t.c_cc[VERASE] = 8;
		t.c_cc[VEOL] = 'x';
		t.c_cc[VEOL2] = 'y';
		t.c_ispeed = t.c_ospeed = 115200;
		CHECK_EQ(sys(SYS_ioctl, slave, how[i], &t), 0);
		CHECK_EQ(sys(SYS_ioctl, slave, TIOCGETA, &back), 0);
		CHECK_EQ(back.c_iflag, t.c_iflag);
		CHECK_EQ(back.c_oflag, t.c_oflag);
		CHECK_EQ(back.c_lflag, t.c_lflag);
		/* A pseudo-terminal is 8 bits wide on Linux, and has no parity. */
		CHECK_EQ(back.c_cflag & ~(CSIZE | PARENB), t.c_cflag & ~(CSIZE | PARENB));
		CHECK_EQ(back.c_cflag & CSIZE, CS8);
		CHECK_EQ(memcmp(back.c_cc, t.c_cc, sizeof(t.c_cc)), 0);
		CHECK_EQ(back.c_ospeed, 115200);
		CHECK_EQ(back.c_ispeed, 115200);
	}
	/* CIGNORE keeps the control flags and the speed. */
	t.c_cflag = CIGNORE;
	t.c_ispeed = t.c_ospeed = 9600;
	CHECK_EQ(sys(SYS_ioctl, slave, TIOCSETA, &t), 0);
	CHECK_EQ(sys(SYS_ioctl, slave, TIOCGETA, &back), 0);
	CHECK_EQ(back.c_ospeed, 115200);
	CHECK_EQ(back.c_cflag & CREAD, CREAD);
	/* A speed that Linux has no code for, and an input speed of 0. */
	back.c_ospeed = 7200;
	back.c_ispeed = 0;
	CHECK_EQ(sys(SYS_ioctl, slave, TIOCSETA, &back), 0);
	CHECK_EQ(sys(SYS_ioctl, slave, TIOCGETA, &t), 0);
	CHECK_EQ(t.c_ospeed, 7200);
	CHECK_EQ(t.c_ispeed, 7200);
}

/* Bytes that the master wrote are there at once on FreeBSD; Linux hands them over a moment later. */
static void
wait_for_input(int fd, int wanted)
{
	int n = 0;

	for (int i = 0; i < 200; i++) {
		CHECK_EQ(sys(SYS_ioctl, fd, FIONREAD, &n), 0);
		if (n == wanted)
			return;
		guest_sleep_ms(5);
	}
	CHECK_EQ(n, wanted);
}

/* In raw mode bytes come as they are; in cooked mode a line at a time, echoed. */
TEST(modes)
{
	struct termios t;
	char buf[32];
	int n = 0;

	pty();
	CHECK_EQ(sys(SYS_write, master, "ab\r", 3), 3);
	CHECK_EQ(sys(SYS_read, slave, buf, sizeof(buf)), 3);
	CHECK_EQ(memcmp(buf, "ab\n", 3), 0);
	CHECK_EQ(sys(SYS_read, master, buf, sizeof(buf)), 4);
	CHECK_EQ(memcmp(buf, "ab\r\n", 4), 0);
	CHECK_EQ(sys(SYS_ioctl, slave, TIOCGETA, &t), 0);
	t.c_iflag = t.c_oflag = t.c_lflag = 0;
	CHECK_EQ(sys(SYS_ioctl, slave, TIOCSETAF, &t), 0);
	CHECK_EQ(sys(SYS_write, master, "c\r\3", 3), 3);
	wait_for_input(slave, 3);
	CHECK_EQ(sys(SYS_read, slave, buf, sizeof(buf)), 3);
	CHECK_EQ(memcmp(buf, "c\r\3", 3), 0);
	CHECK_EQ(sys(SYS_ioctl, master, FIONREAD, &n), 0);
	CHECK_EQ(n, 0);
	CHECK_EQ(sys(SYS_ioctl, slave, TIOCOUTQ, &n), 0);
	CHECK_EQ(n, 0);
	CHECK_EQ(sys(SYS_ioctl, slave, TIOCDRAIN, 0), 0);
	n = 1;	/* FREAD */
	CHECK_EQ(sys(SYS_write, master, "lost", 4), 4);
	wait_for_input(slave, 4);
	CHECK_EQ(sys(SYS_ioctl, slave, TIOCFLUSH, &n), 0);
	CHECK_EQ(sys(SYS_ioctl, slave, FIONREAD, &n), 0);
	CHECK_EQ(n, 0);
}

TEST(window_size)
{
	struct winsize w = { 41, 123, 5, 6 }, back;

	pty();
	CHECK_EQ(sys(SYS_ioctl, slave, TIOCSWINSZ, &w), 0);
	memset(&back, 0, sizeof(back));
	CHECK_EQ(sys(SYS_ioctl, master, TIOCGWINSZ, &back), 0);
	CHECK_EQ(memcmp(&w, &back, sizeof(w)), 0);
	CHECK_ERR(sys(SYS_ioctl, slave, TIOCGWINSZ, 8), EFAULT);
}

/* A session with this terminal as its own. */
TEST(session)
{
	pty();
	IN_CHILD({
		int n = 0;
		int me = (int)sys(SYS_getpid);
		CHECK_ERR(sys(SYS_ioctl, slave, TIOCGPGRP, &n), ENOTTY);
		CHECK_EQ(sys(SYS_setsid), me);
		CHECK_EQ(sys(SYS_ioctl, slave, TIOCSCTTY, 0), 0);
		CHECK_EQ(sys(SYS_ioctl, slave, TIOCSCTTY, 0), 0);
		CHECK_EQ(sys(SYS_ioctl, slave, TIOCGPGRP, &n), 0);
		CHECK_EQ(n, me);
		CHECK_EQ(sys(SYS_ioctl, slave, TIOCGSID, &n), 0);
		CHECK_EQ(n, me);
		n = me;
		CHECK_EQ(sys(SYS_ioctl, slave, TIOCSPGRP, &n), 0);
		n = 1;
		CHECK_ERR(sys(SYS_ioctl, slave, TIOCSPGRP, &n), EPERM);
		n = 99999999;
		CHECK_ERR(sys(SYS_ioctl, slave, TIOCSPGRP, &n), EPERM);
		int tty = (int)CHECK_OK(sys(SYS_open, "/dev/tty", O_RDWR));
		CHECK_EQ(sys(SYS_write, tty, "x", 1), 1);
		/* It is the terminal itself that was opened. */
		char name[64], again[64];
		struct fiodgname_arg arg = { sizeof(name), name }, arg2 = { sizeof(again), again };
		CHECK_EQ(sys(SYS_ioctl, slave, FIODGNAME, &arg), 0);
		CHECK_EQ(sys(SYS_ioctl, tty, FIODGNAME, &arg2), 0);
		CHECK_STR(again, name);
		guest_handle(SIGHUP, (void (*)(int, siginfo_t *, void *))SIG_IGN, 0);
		guest_handle(SIGCONT, (void (*)(int, siginfo_t *, void *))SIG_IGN, 0);
		CHECK_EQ(sys(SYS_ioctl, tty, TIOCNOTTY, 0), 0);
		CHECK_ERR(sys(SYS_open, "/dev/tty", O_RDWR), ENXIO);
	});
}

static volatile int interrupts;

static void
on_interrupt(int signo __attribute__((unused)), siginfo_t *info __attribute__((unused)), void *uc __attribute__((unused)))
{
	interrupts++;
}

/* ^C at the master is SIGINT for the foreground process group. */
TEST(interrupt_character)
{
	int ends[2];
	char c;

	pty();
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	int pid = guest_fork();
	if (pid == 0) {
		CHECK_OK(sys(SYS_setsid));
		CHECK_EQ(sys(SYS_ioctl, slave, TIOCSCTTY, 0), 0);
		guest_handle(SIGINT, on_interrupt, 0);
		CHECK_EQ(sys(SYS_write, ends[1], "r", 1), 1);
		CHECK_ERR(sys(SYS_read, slave, &c, 1), EINTR);
		CHECK_EQ(interrupts, 1);
		guest_exit(0);
	}
	CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 1);
	guest_sleep_ms(30);
	CHECK_EQ(sys(SYS_write, master, "\3", 1), 1);
	CHECK_EQ(guest_wait(pid), 0);
}

/* A background process that changes the terminal is stopped by SIGTTOU; ignoring it lets it through. */
TEST(background)
{
	int status;

	pty();
	int pid = guest_fork();
	if (pid == 0) {
		struct termios t;

		CHECK_OK(sys(SYS_setsid));
		CHECK_EQ(sys(SYS_ioctl, slave, TIOCSCTTY, 0), 0);
		int child = guest_fork();
		if (child == 0) {
			CHECK_EQ(sys(SYS_setpgid, 0, 0), 0);
			CHECK_EQ(sys(SYS_ioctl, slave, TIOCGETA, &t), 0);
			CHECK_EQ(sys(SYS_ioctl, slave, TIOCSETA, &t), 0);	/* stops here */
			guest_exit(7);
		}
		CHECK_EQ(sys(SYS_wait4, child, &status, WUNTRACED, NULL), child);
		CHECK_EQ(status, (SIGTTOU << 8) | 0x7f);
		int group = child;
		CHECK_EQ(sys(SYS_ioctl, slave, TIOCSPGRP, &group), 0);
		CHECK_EQ(sys(SYS_kill, -child, SIGCONT), 0);
		CHECK_EQ(guest_wait(child), 7 << 8);
		guest_exit(0);
	}
	CHECK_EQ(guest_wait(pid), 0);
}

TEST(small_requests)
{
	int n;

	pty();
	CHECK_EQ(sys(SYS_ioctl, slave, TIOCEXCL, 0), 0);
	CHECK_EQ(sys(SYS_ioctl, slave, TIOCNXCL, 0), 0);
	n = -1;
	CHECK_EQ(sys(SYS_ioctl, slave, TIOCGETD, &n), 0);
	CHECK_EQ(n, TTYDISC);
	/* tty_generic_ioctl() has neither, though the headers do. */
	for (n = 0; n < 6; n += 5) {
		CHECK_ERR(sys(SYS_ioctl, slave, TIOCSETD, &n), ENOTTY);
		CHECK_ERR(sys(SYS_ioctl, master, TIOCSETD, &n), ENOTTY);
		CHECK_ERR(sys(SYS_ioctl, slave, TIOCEXT, &n), ENOTTY);
	}
	CHECK_ERR(sys(SYS_ioctl, 999, TIOCSETD, &n), EBADF);
	CHECK_EQ(sys(SYS_ioctl, slave, TIOCSTOP, 0), 0);
	CHECK_EQ(sys(SYS_ioctl, slave, TIOCSTART, 0), 0);
	CHECK_EQ(sys(SYS_ioctl, slave, TIOCGDRAINWAIT, &n), 0);
	CHECK_EQ(n, 300);
	n = 1;
	CHECK_EQ(sys(SYS_ioctl, master, TIOCPKT, &n), 0);
	CHECK_EQ(sys(SYS_ioctl, slave, FIODTYPE, &n), 0);
	CHECK_EQ(n, 4);	/* D_TTY */
}

TEST(packet_mode)
{
	int n = 1;
	char buf[8];

	pty();
	CHECK_EQ(sys(SYS_ioctl, master, TIOCPKT, &n), 0);
	CHECK_EQ(sys(SYS_write, slave, "x", 1), 1);
	CHECK_EQ(sys(SYS_read, master, buf, sizeof(buf)), 2);
	CHECK_EQ(buf[0], TIOCPKT_DATA);
	CHECK_EQ(buf[1], 'x');
}

static char slave_path[64];

static void
remember_path(void)
{
	struct fiodgname_arg name = { sizeof(slave_path) - 5, slave_path + 5 };

	memcpy(slave_path, "/dev/", 5);
	CHECK_EQ(sys(SYS_ioctl, master, FIODGNAME, &name), 0);
}

static int
events(int fd, int asked)
{
	struct pollfd p = { fd, (short)asked, 0 };

	CHECK_BETWEEN(sys(SYS_poll, &p, 1, 0), 0, 1);
	return (p.revents);
}

/*
 * Nobody has the slave open any more: what it wrote is there to read, then the end of file, which poll, select and kevent
 * tell, too (ptsdev_read, ptsdev_poll, pts_kqops_read_event). A write is taken (ptsdev_write, ttydisc_rint).
 * Opened again, it goes on.
 */
/* judge: policy, FreeBSD waits a second for who reads what was written, and drops it then; LSF keeps it */
TEST(last_close)
{
	char buf[16];
	struct kevent ev;
	struct timespec now = { 0, 0 };
	struct timeval none = { 0, 0 };
	struct iovec iov[2] = { { buf, 8 }, { buf + 8, 8 } };
	fd_set in;

	pty();
	remember_path();
	int kq = (int)CHECK_OK(sys(SYS_kqueue));
	EV_SET(&ev, master, EVFILT_READ, EV_ADD, 0, 0, 0);
	CHECK_EQ(sys(SYS_kevent, kq, &ev, 1, NULL, 0, NULL), 0);
	for (int round = 0; round < 3; round++) {
		CHECK_EQ(events(master, POLLIN), 0);
		CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, &ev, 1, &now), 0);
		CHECK_EQ(sys(SYS_write, slave, "last", 4), 4);
		CHECK_EQ(sys(SYS_close, slave), 0);
		CHECK_EQ(sys(SYS_read, master, buf, sizeof(buf)), 4);
		for (int i = 0; i < 2; i++) {
			CHECK_EQ(events(master, POLLIN | POLLOUT), POLLIN | POLLHUP);
			CHECK_EQ(events(master, POLLOUT), POLLHUP);
			memset(&in, 0, sizeof(in));
			FD_SET(master, &in);
			CHECK_EQ(sys(SYS_select, master + 1, &in, NULL, NULL, &none), 1);
			CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, &ev, 1, &now), 1);
			CHECK_EQ(ev.filter, EVFILT_READ);
			CHECK_EQ(ev.flags & EV_EOF, EV_EOF);
			CHECK_EQ(sys(SYS_read, master, buf, sizeof(buf)), 0);
			CHECK_EQ(sys(SYS_readv, master, iov, 2), 0);
		}
		slave = (int)CHECK_OK(sys(SYS_open, slave_path, O_RDWR | O_NOCTTY));
		CHECK_EQ(events(slave, POLLIN), 0);
		CHECK_EQ(sys(SYS_write, master, "kept\n", 5), 5);
		CHECK_EQ(sys(SYS_read, slave, buf, sizeof(buf)), 5);
		CHECK_EQ(memcmp(buf, "kept\n", 5), 0);
		CHECK_EQ(sys(SYS_read, master, buf, sizeof(buf)), 6);	/* the echo */
	}
	CHECK_EQ(sys(SYS_close, slave), 0);
	CHECK_EQ(sys(SYS_read, master, buf, sizeof(buf)), 0);
	CHECK_EQ(sys(SYS_write, master, "lost\n", 5), 5);
}

/* A read that waits ends when the last one closes; the slave's modes may be any. */
TEST(last_close_while_waiting)
{
	struct termios t;
	char buf[16];

	for (int raw = 0; raw < 2; raw++) {
		pty();
		if (raw) {
			CHECK_EQ(sys(SYS_ioctl, slave, TIOCGETA, &t), 0);
			t.c_iflag = t.c_oflag = t.c_lflag = 0;
			CHECK_EQ(sys(SYS_ioctl, slave, TIOCSETA, &t), 0);
		}
		int pid = guest_fork();
		if (pid == 0) {
			guest_sleep_ms(40);
			CHECK_EQ(sys(SYS_write, slave, "bye", 3), 3);
			guest_sleep_ms(40);
			guest_exit(0);
		}
		CHECK_EQ(sys(SYS_close, slave), 0);
		CHECK_EQ(sys(SYS_read, master, buf, sizeof(buf)), 3);
		CHECK_EQ(sys(SYS_read, master, buf, sizeof(buf)), 0);
		CHECK_EQ(guest_wait(pid), 0);
		CHECK_EQ(sys(SYS_close, master), 0);
	}
}

/* Before anybody has opened the slave a read waits. */
TEST(before_the_first_open)
{
	char c;

	pty();
	int other = (int)CHECK_OK(sys(SYS_posix_openpt, O_RDWR | O_NOCTTY));
	CHECK_EQ(events(other, POLLIN | POLLHUP), 0);
	CHECK_EQ(sys(SYS_fcntl, other, F_SETFL, O_NONBLOCK), 0);
	CHECK_ERR(sys(SYS_read, other, &c, 1), EAGAIN);
}

/* The master is gone: the slave reads the end of file, and all else is ENXIO (ttydev_enter, tty_gone). */
TEST(master_closes)
{
	struct termios t;
	struct winsize w;
	char c;
	int n;

	pty();
	CHECK_EQ(sys(SYS_close, master), 0);
	CHECK_EQ(sys(SYS_read, slave, &c, 1), 0);
	CHECK_ERR(sys(SYS_write, slave, "x", 1), ENXIO);
	struct iovec iov = { &c, 1 };
	CHECK_ERR(sys(SYS_writev, slave, &iov, 1), ENXIO);
	CHECK_ERR(sys(SYS_ioctl, slave, TIOCGETA, &t), ENXIO);
	CHECK_ERR(sys(SYS_ioctl, slave, TIOCGWINSZ, &w), ENXIO);
	CHECK_ERR(sys(SYS_ioctl, slave, TIOCOUTQ, &n), ENXIO);
	CHECK_EQ(events(slave, POLLIN | POLLOUT), POLLIN | POLLHUP);
	CHECK_EQ(events(slave, POLLOUT), POLLHUP);
}

/* A packet says what happened to the slave, one of data begins with 0; then the end of file. */
TEST(packets)
{
	char buf[16];
	int n = 1;

	pty();
	CHECK_EQ(sys(SYS_ioctl, master, TIOCPKT, &n), 0);
	CHECK_EQ(sys(SYS_ioctl, slave, TIOCSTOP, 0), 0);
	CHECK_EQ(events(master, POLLIN), POLLIN);
	CHECK_EQ(sys(SYS_read, master, buf, sizeof(buf)), 1);
	CHECK_EQ(buf[0], TIOCPKT_STOP);
	CHECK_EQ(sys(SYS_ioctl, slave, TIOCSTART, 0), 0);
	CHECK_EQ(sys(SYS_read, master, buf, sizeof(buf)), 1);
	CHECK_EQ(buf[0], TIOCPKT_START);
	CHECK_EQ(sys(SYS_write, slave, "data", 4), 4);
	CHECK_EQ(sys(SYS_read, master, buf, sizeof(buf)), 5);
	CHECK_EQ(buf[0], TIOCPKT_DATA);
	CHECK_EQ(memcmp(buf + 1, "data", 4), 0);
	CHECK_EQ(sys(SYS_close, slave), 0);
	for (int i = 0; i < 4 && (n = (int)sys(SYS_read, master, buf, sizeof(buf))) == 1; i++)
		CHECK_EQ(buf[0] & ~(TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE), 0);
	CHECK_EQ(n, 0);
	n = 0;
	CHECK_EQ(sys(SYS_ioctl, master, TIOCPKT, &n), 0);
	CHECK_EQ(sys(SYS_read, master, buf, sizeof(buf)), 0);
}

/* A master by its name: FreeBSD's unlockpt(3) asks TIOCPTMASTER alone, and then the slave opens. */
/* judge: own, Linux's name */
TEST(ptmx)
{
	char path[64] = "/dev/";
	struct fiodgname_arg name = { sizeof(path) - 5, path + 5 };
	long fd = sys(SYS_open, "/dev/ptmx", O_RDWR | O_NOCTTY);

	if (fd < 0)
		SKIP("no /dev/ptmx here");
	CHECK_EQ(sys(SYS_ioctl, fd, TIOCPTMASTER, 0), 0);
	CHECK_EQ(sys(SYS_ioctl, fd, FIODGNAME, &name), 0);
	slave = (int)CHECK_OK(sys(SYS_open, path, O_RDWR | O_NOCTTY));
	CHECK_EQ(sys(SYS_write, fd, "x\n", 2), 2);
	CHECK_EQ(sys(SYS_read, slave, path, sizeof(path)), 2);
}

/* What TIOCSTI puts into the input is read as if it had been typed. */
TEST(simulated_input)
{
	pty();
	IN_CHILD({
		char buf[8];
		long ret = 0;

		CHECK_OK(sys(SYS_setsid));
		CHECK_EQ(sys(SYS_ioctl, slave, TIOCSCTTY, 0), 0);
		for (const char *at = "hi\n"; *at != '\0' && ret == 0; at++)
			ret = sys(SYS_ioctl, slave, TIOCSTI, at);
		if (ret != 0) {
			CHECK_EQ(ret, -EPERM);		/* Linux's dev.tty.legacy_tiocsti is 0 */
			guest_exit(0);
		}
		CHECK_EQ(sys(SYS_read, slave, buf, sizeof(buf)), 3);
		CHECK_EQ(memcmp(buf, "hi\n", 3), 0);
		CHECK_ERR(sys(SYS_ioctl, slave, TIOCSTI, 8), EFAULT);
		CHECK_ERR(sys(SYS_ioctl, CHECK_OK(sys(SYS_open, "/dev/null", O_RDWR)), TIOCSTI, "x"), ENOTTY);
	});
}

/* tty_sti_check: a user's terminal has to be open for reading. */
/* judge: user */
TEST(simulated_input_is_for_readers)
{
	if (sys(SYS_geteuid) == 0)
		CHECK_EQ(sys(SYS_setuid, 65534), 0);
	pty();
	IN_CHILD({
		CHECK_OK(sys(SYS_setsid));
		CHECK_EQ(sys(SYS_ioctl, slave, TIOCSCTTY, 0), 0);
		int writer = (int)CHECK_OK(sys(SYS_open, "/dev/tty", O_WRONLY));
		CHECK_ERR(sys(SYS_ioctl, writer, TIOCSTI, "x"), EPERM);
		long ret = sys(SYS_ioctl, slave, TIOCSTI, "x");
		CHECK(ret == 0 || ret == -EPERM);	/* Linux's dev.tty.legacy_tiocsti may be 0 */
	});
}
