/*
 * runner.c: runs cases of tests/guests on a FreeBSD kernel and says on the console how each ended. tests/realkernel.py makes
 * the disk that it lies on, starts it, and reads what it says.
 *
 * It is the first process of a machine whose root is that disk, or a program that root starts in a chroot of it, on a FreeBSD
 * that is there already. /cases has a line for each case: `GUEST CASE SECONDS UID`. It says, a line each:
 *
 *     @kernel RELEASE OSRELDATE IDENT
 *     @start GUEST.CASE
 *     @end GUEST.CASE HOW NUMBER MILLISECONDS\tLAST LINE OF STDOUT\tSTDERR	HOW: exit, signal or late
 *     @done
 */
#define guest_start guest_start_of_cases /* this program has none */
#include "guest.h"
#undef guest_start
#include <sys/mount.h>
#include <sys/poll.h>
#include <sys/procctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/sockio.h>
#include <sys/sysctl.h>
#include <sys/ttycom.h>
#include <sys/uio.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/in_var.h>

enum { FIELDS = 4, OUTPUT = 4096, SHOWN = 700, LIST = 1 << 18 };

HELPER(none) /* guest.h wants a case to be there */
{
}

/* ------------------------------------------------------------------ the machine */

static void
add_option(struct iovec **at, const char *name, const char *value)
{
	*(*at)++ = (struct iovec){ (void *)(u64)name, strlen(name) + 1 };
	*(*at)++ = (struct iovec){ (void *)(u64)value, value == NULL ? 0 : strlen(value) + 1 };
}

static long
mount_on(const char *type, const char *path)
{
	struct iovec options[4], *end = options;

	add_option(&end, "fstype", type);
	add_option(&end, "fspath", path);
	return (sys(SYS_nmount, options, end - options, 0));
}

static void
mount_devices(void)
{
	if (FAILED(sys(SYS_access, "/dev/null", 0)))
		CHECK_OK(mount_on("devfs", "/dev"));
	mount_on("fdescfs", "/dev/fd");		/* where the kernel has it */
}

/* lo0 with 127.0.0.1; the kernel gives it ::1 itself when it is up. */
static void
raise_loopback(void)
{
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, 0));
	struct in_aliasreq alias;
	struct ifreq request;

	memset(&alias, 0, sizeof(alias));
	memcpy(alias.ifra_name, "lo0", 4);
	alias.ifra_addr = (struct sockaddr_in){ .sin_len = 16, .sin_family = AF_INET, .sin_addr = { 0x0100007f } };
	alias.ifra_mask = (struct sockaddr_in){ .sin_len = 16, .sin_family = AF_INET, .sin_addr = { 0x000000ff } };
	CHECK_OK(sys(SYS_ioctl, s, SIOCAIFADDR, &alias));
	memset(&request, 0, sizeof(request));
	memcpy(request.ifr_name, "lo0", 4);
	CHECK_OK(sys(SYS_ioctl, s, SIOCGIFFLAGS, &request));
	request.ifr_flags |= IFF_UP;
	CHECK_OK(sys(SYS_ioctl, s, SIOCSIFFLAGS, &request));
	sys(SYS_close, s);
}

/* sysctlbyname(3) as it was before there was a call for it, for kernels of before 13. */
static long
by_name(const char *name, void *old, size_t *size, const void *new, size_t new_size)
{
	int oid[CTL_MAXNAME], find[2] = { 0, 3 };
	size_t length = sizeof(oid);
	long ret = sys(SYS___sysctl, find, 2, oid, &length, name, strlen(name));

	return (FAILED(ret) ? ret : sys(SYS___sysctl, oid, length / sizeof(int), old, size, new, new_size));
}

static void
close_others(void)
{
	for (int fd = 3; fd < 32; fd++)
		sys(SYS_close, fd);
}

/* What the first process of a system does and this one needs: a console, devices, a writable root, the loopback. */
static void
become_init(void)
{
	static struct statfs root;
	struct iovec options[8], *end = options;
	int console;

	sys(SYS_setsid);
	mount_devices();
	console = (int)sys(SYS_open, "/dev/console", O_RDWR, 0);
	for (int fd = 0; fd < 3; fd++)
		sys(SYS_dup2, console, fd);
	close_others();
	CHECK_OK(sys(SYS_statfs, "/", &root));
	add_option(&end, "fstype", "ufs");
	add_option(&end, "fspath", "/");
	add_option(&end, "from", root.f_mntfromname);
	add_option(&end, "rw", NULL);
	CHECK_OK(sys(SYS_nmount, options, end - options, MNT_UPDATE));
	raise_loopback();
	by_name("kern.logsigexit", NULL, NULL, &(int){ 0 }, sizeof(int));
}

static void
say_kernel(void)
{
	char release[64] = "", ident[64] = "";
	int date = 0;
	size_t n = sizeof(release);

	by_name("kern.osrelease", release, &n, NULL, 0);
	n = sizeof(ident);
	by_name("kern.ident", ident, &n, NULL, 0);
	n = sizeof(date);
	by_name("kern.osreldate", &date, &n, NULL, 0);
	say("\n@kernel %s %d %s\n", release, date, ident);
}

/* ------------------------------------------------------------------ a case */

struct output {
	char text[OUTPUT];
	size_t n;
	int fd;
};

/* Reads what is there; what does not fit is read and dropped. 0: the pipe has ended, or nothing is there. */
static int
drain(struct output *o)
{
	char rest[4096];
	size_t room = sizeof(o->text) - 1 - o->n;
	long got = room > 0 ? sys(SYS_read, o->fd, o->text + o->n, room) : sys(SYS_read, o->fd, rest, sizeof(rest));

	if (got > 0 && room > 0)
		o->n += (size_t)got;
	return (got > 0);
}

/* A text in one line: no control characters. */
static void
show(char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((u8)text[i] < ' ' || (u8)text[i] > '~')
			text[i] = text[i] == '\n' ? '|' : '?';
	guest_write(1, text, n);
}

static void
show_last_line(struct output *o)
{
	size_t end = o->n, start;

	while (end > 0 && o->text[end - 1] == '\n')
		end--;
	for (start = end; start > 0 && o->text[start - 1] != '\n'; start--)
		;
	show(o->text + start, end - start > SHOWN ? SHOWN : end - start);
}

static void __attribute__((noreturn))
start_case(const char *guest, const char *name, const char *folder, u32 uid, int out, int err)
{
	char program[128], home[128];
	char *argv[] = { program, (char *)(u64)name, NULL };
	char *envp[] = { (char *)(u64)"PATH=/bin:/sbin:/usr/bin:/usr/sbin", home, (char *)(u64)"LC_ALL=C", (char *)(u64)"TZ=UTC", NULL };
	struct rlimit no_core = { 0, RLIM_INFINITY }, stack;

	format(program, sizeof(program), "/guests/%s", guest);
	format(home, sizeof(home), "HOME=%s", folder);
	sys(SYS_setsid);
	sys(SYS_dup2, sys(SYS_open, "/dev/null", O_RDWR, 0), 0);
	sys(SYS_dup2, out, 1);
	sys(SYS_dup2, err, 2);
	close_others();
	sys(SYS_setrlimit, RLIMIT_CORE, &no_core);
	CHECK_OK(sys(SYS_getrlimit, RLIMIT_STACK, &stack));
	stack.rlim_cur = stack.rlim_max; /* as login.conf has it */
	CHECK_OK(sys(SYS_setrlimit, RLIMIT_STACK, &stack));
	CHECK_OK(sys(SYS_chdir, folder));
	if (uid != 0) {
		CHECK_OK(sys(SYS_setgroups, 1, &uid));
		CHECK_OK(sys(SYS_setgid, uid));
		CHECK_OK(sys(SYS_setuid, uid));
	}
	sys(SYS_execve, program, argv, envp);
	guest_fail(__FILE__, __LINE__, program, 0, 0, 0);
}

/* Ends what a case has left, and waits for it: all processes but this one are below it. */
static void
end_the_rest(void)
{
	struct procctl_reaper_kill kill = { .rk_sig = 9 };
	int status;

	for (int tries = 0; tries < 30; tries++) {
		sys(SYS_procctl, P_PID, 0, sys(SYS_getpid), PROC_REAP_KILL, &kill);
		long pid = sys(SYS_wait4, -1, &status, WNOHANG, NULL);
		if (pid == -ECHILD)
			return;
		if (pid <= 0)
			guest_sleep_ms(10);
	}
}

/* Feeds on a case until it has ended or is late. Returns its status, or -1. */
static int
watch(int pid, struct output *both, long until)
{
	struct pollfd p[2];
	int status;
	long got;

	for (;;) {
		for (int i = 0; i < 2; i++)
			p[i] = (struct pollfd){ both[i].fd, POLLIN, 0 };
		if (sys(SYS_poll, p, 2, 20) > 0)
			for (int i = 0; i < 2; i++)
				if (p[i].revents != 0 && !drain(&both[i]))
					both[i].fd = -1;
		if (both[0].fd < 0 && both[1].fd < 0)
			guest_sleep_ms(5);
		while ((got = sys(SYS_wait4, -1, &status, WNOHANG, NULL)) > 0)
			if (got == pid)
				return (status);
		if (guest_now_ms() > until)
			return (-1);
	}
}

static void
run_case(char **field, int number)
{
	static struct output both[2];
	char folder[64];
	int ends[2][2], pid, status;
	u32 uid = (u32)guest_number(field[3]);
	long start;

	format(folder, sizeof(folder), "/tmp/%d", number);
	CHECK_OK(sys(SYS_mkdir, folder, 0755));
	CHECK_OK(sys(SYS_chown, folder, uid, uid));
	say("\n@start %s.%s\n", field[0], field[1]);
	for (int i = 0; i < 2; i++) {
		CHECK_OK(sys(SYS_pipe2, ends[i], 0));
		CHECK_OK(sys(SYS_fcntl, ends[i][0], F_SETFL, O_NONBLOCK));
		both[i].n = 0;
		both[i].fd = ends[i][0];
	}
	start = guest_now_ms();
	pid = guest_fork();
	if (pid == 0)
		start_case(field[0], field[1], folder, uid, ends[0][1], ends[1][1]);
	for (int i = 0; i < 2; i++)
		sys(SYS_close, ends[i][1]);
	status = watch(pid, both, start + guest_number(field[2]) * 1000);
	end_the_rest();
	for (int i = 0; i < 2; i++) {
		while (both[i].fd >= 0 && drain(&both[i]))
			;
		sys(SYS_close, ends[i][0]);
	}
	const char *how = status == -1 ? "late" : WIFEXITED(status) ? "exit" : "signal";
	say("\n@end %s.%s %s %d %l\t", field[0], field[1], how, status == -1 ? 0 : WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
	    guest_now_ms() - start);
	show_last_line(&both[0]);
	guest_write(1, "\t", 1);
	show(both[1].text, both[1].n > SHOWN ? SHOWN : both[1].n);
	guest_write(1, "\n", 1);
}

/* Cuts a line into its fields, in place. Returns what comes after it, or NULL at the list's end. */
static char *
cut(char *line, char **field)
{
	for (int i = 0; i < FIELDS; i++) {
		field[i] = line;
		while (*line > ' ')
			line++;
		if (*line == '\0')
			return (NULL);
		*line++ = '\0';
	}
	return (line);
}

void __attribute__((noreturn, used))
guest_start(long *block)
{
	static char list[LIST];
	char *field[FIELDS], *next = list;
	int first = sys(SYS_getpid) == 1, fd;
	long n;

	(void)block;
	if (first)
		become_init();
	else {
		mount_devices();
		sys(SYS_procctl, P_PID, 0, sys(SYS_getpid), PROC_REAP_ACQUIRE, NULL);
	}
	say_kernel();
	fd = (int)CHECK_OK(sys(SYS_open, "/cases", O_RDONLY));
	for (size_t at = 0; (n = sys(SYS_read, fd, list + at, sizeof(list) - 1 - at)) > 0; at += (size_t)n)
		;
	sys(SYS_close, fd);
	for (int number = 0; *next != '\0' && (next = cut(next, field)) != NULL; number++)
		run_case(field, number);
	say("\n@done\n");
	sys(SYS_ioctl, 1, TIOCDRAIN, 0);
	guest_sleep_ms(200);		/* the kernel says its last words in between */
	if (first)
		sys(SYS_reboot, RB_POWEROFF | RB_NOSYNC);
	guest_exit(0);
}
