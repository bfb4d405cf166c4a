/* ^T: the status character of termios(4), SIGINFO, and the line about the foreground (sys/kern/tty_info.c). Every case makes a
 * pseudo-terminal, with a session on its slave, and types at its master. */
#include "pty.h"
#include <sys/poll.h>
#include <sys/ttycom.h>
#include <sys/_termios.h>
#include <sys/uio.h>

#define CTRL(c) ((c) & 31)

static int session, heard, tells;
static volatile int infos;

static void
on_info(int signo, siginfo_t *info, void *context)
{
	(void)info, (void)context;
	CHECK_EQ(signo, SIGINFO);
	infos++;
	CHECK_EQ(sys(SYS_write, tells, "i", 1), 1);	/* by itself: the signal may come before the read that it would end */
}

/* Tells each SIGINFO, and what it reads. */
static void
foreground(void)
{
	char c;

	CHECK_EQ(sys(SYS_close, master), 0);
	CHECK_OK(sys(SYS_setsid));
	CHECK_EQ(sys(SYS_ioctl, slave, TIOCSCTTY, 0), 0);
	guest_handle(SIGINFO, on_info, 0);
	CHECK_EQ(sys(SYS_write, tells, "r", 1), 1);
	for (;;) {
		long got = sys(SYS_read, slave, &c, 1);
		if (got == -EINTR)
			continue;
		CHECK_EQ(sys(SYS_write, tells, got == 1 ? &c : "e", 1), 1);
		if (c == 'q')
			guest_exit(infos);
	}
}

static void
terminal(void)
{
	char path[64], c;
	int ends[2];

	open_pty(path);
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	tells = ends[1];
	session = guest_fork();
	if (session == 0)
		foreground();
	heard = ends[0];
	CHECK_EQ(sys(SYS_read, heard, &c, 1), 1);
	guest_sleep_ms(30);
}

static void
change(u32 set, u32 clear, int character)
{
	struct termios t;

	CHECK_EQ(sys(SYS_ioctl, master, TIOCGETA, &t), 0);
	t.c_lflag = (t.c_lflag | set) & ~clear;
	if (character >= 0)
		t.c_cc[VSTATUS] = (cc_t)character;
	CHECK_EQ(sys(SYS_ioctl, master, TIOCSETA, &t), 0);
	CHECK_EQ(sys(SYS_ioctl, slave, TIOCGETA, &t), 0);
	CHECK_EQ(t.c_lflag & (set | clear), set);
	if (character >= 0)
		CHECK_EQ(t.c_cc[VSTATUS], (cc_t)character);
}

/* What the program in the foreground tells next, within a while; '-' for nothing. */
static char
told(void)
{
	struct pollfd p = { heard, POLLIN, 0 };
	char c = '-';

	if (CHECK_OK(sys(SYS_poll, &p, 1, 300)) == 1)
		CHECK_EQ(sys(SYS_read, heard, &c, 1), 1);
	return (c);
}

/* It tells this text, with SIGINFO anywhere in it. */
static void
tells_within(const char *text)
{
	while (*text != '\0') {
		char c = told();
		if (c != 'i')
			CHECK_EQ(c, *text++);
	}
}

static char screen[512];

/* What the terminal shows, until nothing more comes. */
static const char *
shown(void)
{
	struct pollfd p = { master, POLLIN, 0 };
	size_t n = 0;

	while (CHECK_OK(sys(SYS_poll, &p, 1, 100)) == 1)
		n += (size_t)CHECK_OK(sys(SYS_read, master, screen + n, sizeof(screen) - 1 - n));
	screen[n] = '\0';
	return (screen);
}

static void
type(const char *keys)
{
	CHECK_EQ(sys(SYS_write, master, keys, strlen(keys)), (long)strlen(keys));
}

static const char *
past_number(const char *s, const char *unit)
{
	const char *begin = s;

	while ((*s >= '0' && *s <= '9') || *s == '.')
		s++;
	CHECK(s > begin);
	CHECK(guest_starts(s, unit));
	return (s + strlen(unit));
}

/* One such line about the session's program stands at `s`. */
static void
check_line(const char *s)
{
	CHECK(guest_starts(s, "load: "));
	s = past_number(s + 6, "  cmd: ");
	while (*s != ' ')
		s++;
	CHECK_EQ(guest_number(s + 1), session);
	s = past_number(s + 1, " [");
	while (*s != ']')
		CHECK(*s++ != '\0');
	s = past_number(past_number(past_number(s + 2, "r "), "u "), "s ");
	s = past_number(past_number(s, "% "), "k\r\n");
	CHECK_EQ(*s, '\0');
}

static void
leave(int expected)
{
	type("q\n");
	CHECK_EQ(guest_wait(session), expected << 8);
}

/* The line comes, then the signal; the character itself is neither echoed nor read. */
TEST(signal_and_line)
{
	struct termios t;

	terminal();
	CHECK_EQ(sys(SYS_ioctl, slave, TIOCGETA, &t), 0);
	CHECK_EQ(t.c_cc[VSTATUS], CTRL('T'));
	CHECK_EQ(t.c_lflag & NOKERNINFO, 0);
	type("\024");
	CHECK_EQ(told(), 'i');
	check_line(shown());
	/* Behind something that was typed it begins a line of its own. */
	type("ab");
	CHECK_STR(shown(), "ab");
	type("\024");
	CHECK_EQ(told(), 'i');
	shown();
	CHECK(guest_starts(screen, "\r\nload: "));
	check_line(screen + 2);
	type("\n");
	CHECK_EQ(told(), 'a');
	CHECK_EQ(told(), 'b');
	CHECK_EQ(told(), '\n');
	leave(2);
}

/* In the middle of what is written, and more than once. The signal may come when there is something to read already. */
TEST(within)
{
	struct iovec parts[3] = { { (void *)"c\024", 2 }, { NULL, 0 }, { (void *)"d\n", 2 } };

	terminal();
	type("a\024b\n");
	tells_within("ab\n");
	CHECK_EQ(sys(SYS_writev, master, parts, 3), 4);
	tells_within("cd\n");
	leave(2);
}

/* Behind ^V it is a character as any. */
TEST(quoted)
{
	terminal();
	type("\026");
	type("\024\n");
	CHECK_EQ(told(), '\024');
	CHECK_EQ(told(), '\n');
	type("\026\024\026\026\n");
	CHECK_EQ(told(), '\024');
	CHECK_EQ(told(), '\026');
	CHECK_EQ(told(), '\n');
	leave(0);
}

/* NOKERNINFO leaves the signal alone. */
TEST(no_line)
{
	terminal();
	change(NOKERNINFO, 0, -1);
	type("\024");
	CHECK_EQ(told(), 'i');
	CHECK_STR(shown(), "");
	change(0, NOKERNINFO, -1);
	type("\024");
	CHECK_EQ(told(), 'i');
	check_line(shown());
	leave(2);
}

/* Without ICANON, IEXTEN or ISIG, and where it is off, it is typed as any other. */
TEST(without)
{
	static const u32 flags[] = { ICANON, IEXTEN, ISIG };

	terminal();
	for (size_t i = 0; i < nitems(flags); i++) {
		change(0, flags[i], -1);
		type("\024\n");
		CHECK_EQ(told(), '\024');
		CHECK_EQ(told(), '\n');
		change(flags[i], 0, -1);
	}
	change(0, 0, _POSIX_VDISABLE);
	type("\024\n");
	CHECK_EQ(told(), '\024');
	CHECK_EQ(told(), '\n');
	leave(0);
}

/* It is the terminal's, and any character. */
TEST(another_character)
{
	terminal();
	change(0, 0, CTRL('Y'));
	type("\024\n");
	CHECK_EQ(told(), '\024');
	CHECK_EQ(told(), '\n');
	type("\031");
	CHECK_EQ(told(), 'i');
	leave(1);
}

/* TIOCSTAT prints the line, and sends nothing. */
TEST(request)
{
	int ends[2];

	terminal();
	CHECK_EQ(sys(SYS_ioctl, master, TIOCSTAT, 0), 0);
	check_line(shown());
	CHECK_EQ(told(), '-');
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_ERR(sys(SYS_ioctl, ends[0], TIOCSTAT, 0), ENOTTY);
	CHECK_ERR(sys(SYS_ioctl, 99, TIOCSTAT, 0), EBADF);
	leave(0);
}

/* A terminal that is nobody's. */
TEST(nobody)
{
	char path[64];

	open_pty(path);
	type("\024");
	CHECK_STR(past_number(shown() + 6, " "), "not a controlling terminal\r\n");
}

/* A master that came from another process: who gives it a size has it looked at. */
TEST(passed)
{
	struct winsize size = { 24, 80, 0, 0 };

	terminal();
	int pid = guest_fork();
	if (pid == 0) {
		char *argv[] = { guest_argv[0], "@types", NULL }, *envp[] = { NULL };
		CHECK_OK(sys(SYS_dup2, master, 5));
		sys(SYS_execve, guest_argv[0], argv, envp);
		guest_exit(9);
	}
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_EQ(told(), 'i');
	CHECK_EQ(sys(SYS_ioctl, master, TIOCSWINSZ, &size), 0);
	leave(1);
}

HELPER(types)
{
	struct winsize size = { 24, 80, 0, 0 };

	CHECK_EQ(sys(SYS_ioctl, 5, TIOCSWINSZ, &size), 0);
	CHECK_EQ(sys(SYS_write, 5, "\024", 1), 1);
	guest_exit(0);
}
