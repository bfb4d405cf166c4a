/* execve(2), fexecve(2): arguments, scripts, errors, what stays and what goes. */
#include "guest.h"

static char *no_env[] = { NULL };

/* Runs argv (argv[0] is given to the program, `path` is executed) in a child; returns its wait status. */
static int
run(const char *path, char **argv, char **env)
{
	int pid = guest_fork();

	if (pid == 0) {
		long ret = sys(SYS_execve, path, argv, env);
		warn_("execve: %l\n", ret);
		guest_exit(120);
	}
	return (guest_wait(pid));
}

HELPER(arguments)
{
	/* argv: name, @arguments, the count, then each argument as it must be: xI followed by I */
	int count = (int)guest_number(guest_argv[2]);
	char want[32];

	CHECK_STR(guest_argv[0], "any name");
	CHECK_EQ(guest_argc, count + 3);
	for (int i = 0; i < count; i++) {
		format(want, sizeof(want), "x%d", i);
		CHECK_STR(guest_argv[i + 3], want);
	}
	CHECK_STR(guest_envp[0], "A=1");
	CHECK_STR(guest_envp[1], "B=two words");
	CHECK_EQ(guest_envp[2], NULL);
}

TEST(arguments_and_environment)
{
	static char *argv[5004];
	static char text[5000][8];
	char count[16];
	char *env[] = { "A=1", "B=two words", NULL };
	static const int counts[] = { 0, 1, 7, 100, 5000 };

	for (size_t k = 0; k < nitems(counts); k++) {
		format(count, sizeof(count), "%d", counts[k]);
		argv[0] = "any name";
		argv[1] = "@arguments";
		argv[2] = count;
		for (int i = 0; i < counts[k]; i++) {
			format(text[i], sizeof(text[i]), "x%d", i);
			argv[i + 3] = text[i];
		}
		argv[counts[k] + 3] = NULL;
		CHECK_EQ(run(guest_argv[0], argv, env), 0);
	}
}

HELPER(long_argument)
{
	CHECK_EQ(strlen(guest_argv[2]), guest_number(guest_argv[3]));
}

TEST(long_arguments)
{
	char *big = guest_map(4 << 20);
	char *argv[] = { guest_argv[0], "@long_argument", big, "100000", NULL };
	static char *many[600];

	memset(big, 'a', 100000);
	CHECK_EQ(run(guest_argv[0], argv, no_env), 0);
	/* In all 520,000 bytes at least are taken (ARG_MAX is 524,288). */
	for (int i = 0; i < 5; i++)
		many[i + 4] = big;
	many[0] = guest_argv[0], many[1] = "@long_argument", many[2] = big, many[3] = "100000";
	many[8] = NULL;
	CHECK_EQ(run(guest_argv[0], many, no_env), 0);
	/* One string may be longer than Linux's MAX_ARG_STRLEN of 131,072. */
	memset(big, 'a', 500000);
	argv[3] = "500000";
	CHECK_EQ(run(guest_argv[0], argv, no_env), 0);
	/* Far too much is E2BIG, and the caller lives on. */
	memset(big, 'a', (4 << 20) - 1);
	CHECK_ERR(sys(SYS_execve, guest_argv[0], argv, no_env), E2BIG);
	char *few[] = { guest_argv[0], NULL };
	CHECK_ERR(sys(SYS_execve, guest_argv[0], few, argv), E2BIG);
}

HELPER(all_strings)
{
	/* argv: name, @all_strings, the size of argv[3], which is all a, and of the one variable, which is all b */
	CHECK_EQ(guest_argc, 5);
	CHECK_EQ(strlen(guest_argv[3]), guest_number(guest_argv[2]));
	for (const char *c = guest_argv[3]; *c != '\0'; c++)
		CHECK_EQ(*c, 'a');
	if (guest_number(guest_argv[4]) == 0) {
		CHECK_EQ(guest_envp[0], NULL);
		return;
	}
	CHECK_EQ(strlen(guest_envp[0]), guest_number(guest_argv[4]));
	for (const char *c = guest_envp[0]; *c != '\0'; c++)
		CHECK_EQ(*c, 'b');
	CHECK_EQ(guest_envp[1], NULL);
	CHECK_OK(sys(SYS_getpid));
	/* No descriptor is left over. */
	CHECK_EQ(sys(SYS_dup, 0), 3);
}

/* All strings together, with their NULs, are ARG_MAX (524,288) at most (exec_args_add_str in sys/kern/kern_exec.c). */
TEST(as_many_as_fit)
{
	char *a = guest_map(1 << 20), *b = guest_map(1 << 20), size_a[16], size_b[16];
	char *argv[] = { guest_argv[0], "@all_strings", size_a, a, size_b, NULL };
	char *env[] = { b, NULL };
	static const size_t sizes[][2] = { { 10, 10 }, { 131071, 0 }, { 131072, 0 }, { 200000, 200000 }, { 10, 300000 }, { 0, 0 } };
	size_t rest = 524288 - strlen(guest_argv[0]) - 1 - sizeof("@all_strings");

	for (size_t i = 0; i < nitems(sizes); i++) {
		memset(a, 0, 1 << 20);
		memset(b, 0, 1 << 20);
		memset(a, 'a', sizes[i][0]);
		memset(b, 'b', sizes[i][1]);
		format(size_a, sizeof(size_a), "%u", (u64)sizes[i][0]);
		format(size_b, sizeof(size_b), "%u", (u64)sizes[i][1]);
		CHECK_EQ(run(guest_argv[0], argv, sizes[i][1] ? env : no_env), 0);
	}
	/* The last byte that fits, and the first that does not, in a string and in many. */
	format(size_b, sizeof(size_b), "0");
	rest -= 2 + 7 + 1;
	memset(a, 'a', rest);
	format(size_a, sizeof(size_a), "%u", (u64)rest);
	CHECK_EQ(run(guest_argv[0], argv, no_env), 0);
	a[rest] = 'a';
	CHECK_ERR(sys(SYS_execve, guest_argv[0], argv, no_env), E2BIG);
	memset(a, 0, 1 << 20);
	memset(a, 'a', 1000);
	static char *many[600];
	for (int i = 0; i < 524; i++)
		many[i] = a;
	CHECK_ERR(sys(SYS_execve, guest_argv[0], many, no_env), E2BIG);
	CHECK_ERR(sys(SYS_execve, guest_argv[0], argv, many), E2BIG);
	/* A bad pointer in either list. */
	many[3] = (char *)8;
	CHECK_ERR(sys(SYS_execve, guest_argv[0], many, no_env), EFAULT);
	CHECK_ERR(sys(SYS_execve, guest_argv[0], argv, many), EFAULT);
}

TEST(errors)
{
	char *argv[] = { "x", NULL };
	char name[300];

	CHECK_ERR(sys(SYS_execve, "/missing", argv, no_env), ENOENT);
	CHECK_ERR(sys(SYS_execve, "", argv, no_env), ENOENT);
	CHECK_ERR(sys(SYS_execve, ".", argv, no_env), EACCES);
	guest_put("plain", "#!/bin/sh\n", 10);
	CHECK_ERR(sys(SYS_execve, "plain", argv, no_env), EACCES);
	CHECK_ERR(sys(SYS_execve, "plain/x", argv, no_env), ENOTDIR);
	guest_put("empty", "", 0);
	CHECK_EQ(sys(SYS_chmod, "empty", 0755), 0);
	CHECK_ERR(sys(SYS_execve, "empty", argv, no_env), ENOEXEC);
	guest_put("text", "echo hello\n", 11);
	CHECK_EQ(sys(SYS_chmod, "text", 0755), 0);
	CHECK_ERR(sys(SYS_execve, "text", argv, no_env), ENOEXEC);
	guest_put("elf", "\177ELF\2\1\1\11garbage", 15);
	CHECK_EQ(sys(SYS_chmod, "elf", 0755), 0);
	CHECK_ERR(sys(SYS_execve, "elf", argv, no_env), ENOEXEC);
	CHECK_EQ(sys(SYS_symlink, "loop", "loop"), 0);
	CHECK_ERR(sys(SYS_execve, "loop", argv, no_env), ELOOP);
	memset(name, 'n', 299);
	name[299] = '\0';
	CHECK_ERR(sys(SYS_execve, name, argv, no_env), ENAMETOOLONG);
	CHECK_EQ(sys(SYS_mkfifo, "fifo", 0755), 0);
	CHECK_ERR(sys(SYS_execve, "fifo", argv, no_env), EACCES);
	/* No argv at all is EFAULT, an empty one EINVAL (since FreeBSD 14). */
	CHECK_ERR(sys(SYS_execve, "/missing", NULL, no_env), EFAULT);
	/* The lists are looked at before the program is (exec_copyin_args). */
	CHECK_ERR(sys(SYS_execve, "/missing", 8, no_env), EFAULT);
	CHECK_ERR(sys(SYS_execve, "/missing", argv, 8), EFAULT);
	static char path[1100];
	memset(path, '/', 1024);
	CHECK_ERR(sys(SYS_execve, path, argv, no_env), E2BIG);
	path[1023] = '\0';
	CHECK_ERR(sys(SYS_execve, path, argv, no_env), EACCES);
	CHECK_ERR(sys(SYS_execve, guest_argv[0], NULL, no_env), EFAULT);
	char *none[] = { NULL };
	CHECK_ERR(sys(SYS_execve, "/missing", none, no_env), EINVAL);
	CHECK_ERR(sys(SYS_execve, guest_argv[0], none, no_env), EINVAL);
}

/* A program that is open for writing. */
TEST(busy)
{
	char *argv[] = { "x", NULL };

	guest_put("busy", "#!/bin/sh\n", 10);
	CHECK_EQ(sys(SYS_chmod, "busy", 0755), 0);
	CHECK_OK(sys(SYS_open, "busy", O_WRONLY, 0));
	CHECK_ERR(sys(SYS_execve, "busy", argv, no_env), ETXTBSY);
}

static void
make_script(const char *path, const char *line)
{
	guest_put(path, line, strlen(line));
	CHECK_EQ(sys(SYS_chmod, path, 0755), 0);
}

HELPER(script)
{
	/* The rest of the line is one argument ("@script"), then the script's path, then the arguments. */
	CHECK_STR(guest_argv[0], (const char *)guest_aux(AT_EXECPATH)->a_un.a_ptr);
	CHECK_STR(guest_argv[2], "./script");
	CHECK_STR(guest_argv[3], "one");
	CHECK_STR(guest_argv[4], "two");
	CHECK_EQ(guest_argc, 5);
}

HELPER(script_words)
{
	CHECK(0);
}

TEST(scripts)
{
	char line[1200];
	char *argv[] = { "ignored", "one", "two", NULL };

	format(line, sizeof(line), "#!%s @script\nrest\n", guest_argv[0]);
	make_script("script", line);
	CHECK_EQ(run("./script", argv, no_env), 0);
	format(line, sizeof(line), "#! \t%s \t @script \t\nrest\n", guest_argv[0]);
	make_script("script", line);
	CHECK_EQ(run("./script", argv, no_env), 0);
	/* A script is no interpreter of a script (exec_shell_imgact in sys/kern/imgact_shell.c: IMGACT_SHELL). */
	make_script("nested", "#!./script\n");
	CHECK_ERR(sys(SYS_execve, "./nested", argv, no_env), ENOEXEC);
	make_script("self", "#!./self\n");
	CHECK_ERR(sys(SYS_execve, "./self", argv, no_env), ENOEXEC);
	make_script("other", "#!./another\n");
	make_script("another", "#!./other\n");
	CHECK_ERR(sys(SYS_execve, "./other", argv, no_env), ENOEXEC);
	make_script("lost", "#!/missing/interpreter\n");
	CHECK_ERR(sys(SYS_execve, "./lost", argv, no_env), ENOENT);
	make_script("nothing", "#!\n");
	CHECK_ERR(sys(SYS_execve, "./nothing", argv, no_env), ENOEXEC);
	make_script("spaces", "#!   \n");
	CHECK_ERR(sys(SYS_execve, "./spaces", argv, no_env), ENOEXEC);
}

/* The line ends in the file's first page, and in the file (exec_shell_imgact: opte == maxp). */
TEST(script_lines)
{
	static char line[5000];
	char *argv[] = { "ignored", "one", "two", NULL };
	size_t n;

	/* A NUL ends it as a newline does. */
	n = format(line, sizeof(line), "#!%s @script", guest_argv[0]);
	memcpy(line + n, "\0 more\n", 7);
	guest_put("script", line, n + 7);
	CHECK_EQ(sys(SYS_chmod, "script", 0755), 0);
	CHECK_EQ(run("./script", argv, no_env), 0);
	/* Without either the file is no script, and neither is a longer line. */
	guest_put("script", line, n);
	CHECK_ERR(sys(SYS_execve, "./script", argv, no_env), ENOEXEC);
	memset(line + n, 'x', sizeof(line) - n);
	guest_put("script", line, sizeof(line));
	CHECK_ERR(sys(SYS_execve, "./script", argv, no_env), ENOEXEC);
	line[4096] = '\n';
	guest_put("script", line, sizeof(line));
	CHECK_ERR(sys(SYS_execve, "./script", argv, no_env), ENOEXEC);
	/* The longest one: the case "@script" with xs behind it does not exist, which is status 2. */
	line[4095] = '\n';
	guest_put("script", line, sizeof(line));
	CHECK_EQ(WEXITSTATUS(run("./script", argv, no_env)), 2);
	/* The interpreter's name has less than PATH_MAX bytes. */
	memset(line + 2, '/', 2000);
	line[2 + 1024] = '\n';
	guest_put("script", line, 2 + 1025);
	CHECK_ERR(sys(SYS_execve, "./script", argv, no_env), ENAMETOOLONG);
	line[2 + 1023] = '\n';
	guest_put("script", line, 2 + 1024);
	CHECK_ERR(sys(SYS_execve, "./script", argv, no_env), EACCES);
	CHECK_EQ(sys(SYS_unlink, "script"), 0);
	make_script("script", "#!./plain\n");
	guest_put("plain", "#!/bin/sh\n", 10);
	CHECK_ERR(sys(SYS_execve, "./script", argv, no_env), EACCES);
	make_script("script", "#!.\n");
	CHECK_ERR(sys(SYS_execve, "./script", argv, no_env), EACCES);
	make_script("script", "#!fifo\n");
	CHECK_EQ(sys(SYS_mkfifo, "fifo", 0755), 0);
	CHECK_ERR(sys(SYS_execve, "./script", argv, no_env), EACCES);
	make_script("script", "#!script/x\n");
	CHECK_ERR(sys(SYS_execve, "./script", argv, no_env), ENOTDIR);
	make_script("text", "echo hello\n");
	make_script("script", "#!text\n");
	CHECK_ERR(sys(SYS_execve, "./script", argv, no_env), ENOEXEC);
}

HELPER(script_of_descriptor)
{
	char wanted[32];

	format(wanted, sizeof(wanted), "/dev/fd/%s", guest_argv[3]);
	CHECK_STR(guest_argv[2], wanted);
	CHECK_EQ(guest_argc, 4);
}

/* The interpreter is told of a script that has no name by its descriptor (exec_shell_imgact). */
TEST(script_by_descriptor)
{
	char line[1200], number[16];
	char *argv[] = { "ignored", number, NULL };

	format(line, sizeof(line), "#!%s @script_of_descriptor\n", guest_argv[0]);
	make_script("script", line);
	int fd = (int)CHECK_OK(sys(SYS_open, "script", O_RDONLY, 0));
	format(number, sizeof(number), "%d", fd);
	IN_CHILD(CHECK_OK(sys(SYS_fexecve, fd, argv, no_env)));
}

HELPER(relative)
{
	CHECK_STR(guest_argv[0], "./interpreter");
	CHECK_STR(guest_argv[2], "dir/script");
}

TEST(script_with_a_relative_interpreter)
{
	char *argv[] = { "ignored", NULL };

	CHECK_EQ(sys(SYS_symlink, guest_argv[0], "interpreter"), 0);
	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	make_script("dir/script", "#!./interpreter @relative\n");
	CHECK_EQ(run("dir/script", argv, no_env), 0);
}

HELPER(two_words)
{
	CHECK(0);
}

/* FreeBSD gives all that follows the interpreter as one argument. */
TEST(script_argument_is_one)
{
	char line[1200];
	char *argv[] = { "ignored", NULL };

	format(line, sizeof(line), "#!%s @two_words second\n", guest_argv[0]);
	make_script("script", line);
	/* "@two_words second" is the name of no case: status 2. */
	CHECK_EQ(WEXITSTATUS(run("./script", argv, no_env)), 2);
}

HELPER(execpath)
{
	const char *path = guest_aux(AT_EXECPATH)->a_un.a_ptr;

	CHECK_EQ(path[0], '/');
	CHECK_EQ(sys(SYS_access, path, X_OK), 0);
	CHECK_STR(guest_argv[0], "copy");
}

TEST(relative_path_becomes_absolute)
{
	char *argv[] = { "copy", "@execpath", NULL };

	CHECK_EQ(sys(SYS_symlink, guest_argv[0], "copy"), 0);
	CHECK_EQ(run("copy", argv, no_env), 0);
	CHECK_EQ(run("./copy", argv, no_env), 0);
}

HELPER(inherited)
{
	int kept = (int)guest_number(guest_argv[2]), closed = (int)guest_number(guest_argv[3]);
	sigset_t mask, pending;
	struct sigaction act;
	stack_t stack;
	struct itimerval timer;
	char path[1024];

	CHECK_OK(sys(SYS_fcntl, kept, F_GETFD, 0));
	CHECK_ERR(sys(SYS_fcntl, closed, F_GETFD, 0), EBADF);
	CHECK_EQ(sys(SYS_lseek, kept, 0, SEEK_CUR), 3);
	CHECK_EQ(sys(SYS_getpid), guest_number(guest_argv[4]));
	/* Ignored stays ignored, a handler becomes the default, the mask and what is pending stay. */
	CHECK_EQ(sys(SYS_sigaction, SIGUSR1, NULL, &act), 0);
	CHECK_EQ(act.sa_handler, SIG_IGN);
	CHECK_EQ(sys(SYS_sigaction, SIGSEGV, NULL, &act), 0);
	CHECK_EQ(act.sa_handler, SIG_IGN);
	CHECK_EQ(sys(SYS_sigaction, SIGUSR2, NULL, &act), 0);
	CHECK_EQ(act.sa_handler, SIG_DFL);
	CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, NULL, &mask), 0);
	CHECK_EQ(mask.__bits[0], 1U << (SIGTERM - 1) | 1U << (SIGBUS - 1) | 1U << (SIGSYS - 1));
	CHECK_EQ(sys(SYS_sigpending, &pending), 0);
	CHECK_EQ(pending.__bits[0], 1U << (SIGTERM - 1));
	CHECK_EQ(sys(SYS_sigaltstack, NULL, &stack), 0);
	CHECK_EQ(stack.ss_flags, SS_DISABLE);
	CHECK_EQ(sys(SYS_getitimer, ITIMER_REAL, &timer), 0);
	CHECK_BETWEEN(timer.it_value.tv_sec, 90, 100);
	CHECK_EQ(sys(SYS_umask, 022), 077);
	CHECK_EQ(sys(SYS___getcwd, path, sizeof(path)), 0);
	CHECK(strlen(path) > 4);
	CHECK_STR(path + strlen(path) - 4, "/dir");
	CHECK_EQ((u64)CHECK_OK(sys(SYS_getppid)) != 0, 1);
}

static void
nothing(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
}

TEST(what_stays)
{
	guest_put("file", "0123456789", 10);
	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	IN_CHILD({
		char kept[8];
		char closed[8];
		char pid[16];
		char *argv[] = { guest_argv[0], "@inherited", kept, closed, pid, NULL };
		struct sigaction ignore = { .sa_handler = SIG_IGN };
		struct itimerval timer = { { 0, 0 }, { 100, 0 } };
		sigset_t mask = { { 1U << (SIGTERM - 1) | 1U << (SIGBUS - 1) | 1U << (SIGSYS - 1) } };
		stack_t stack = { .ss_sp = guest_map(65536), .ss_size = 65536 };
		int a = (int)CHECK_OK(sys(SYS_open, "file", O_RDONLY, 0));
		int b = (int)CHECK_OK(sys(SYS_open, "file", O_RDONLY | O_CLOEXEC, 0));
		CHECK_EQ(sys(SYS_lseek, a, 3, SEEK_SET), 3);
		format(kept, sizeof(kept), "%d", a);
		format(closed, sizeof(closed), "%d", b);
		format(pid, sizeof(pid), "%l", sys(SYS_getpid));
		CHECK_EQ(sys(SYS_sigaction, SIGUSR1, &ignore, NULL), 0);
		CHECK_EQ(sys(SYS_sigaction, SIGSEGV, &ignore, NULL), 0);
		guest_handle(SIGUSR2, nothing, 0);
		CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &mask, NULL), 0);
		CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), SIGTERM), 0);
		CHECK_EQ(sys(SYS_sigaltstack, &stack, NULL), 0);
		CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &timer, NULL), 0);
		CHECK_OK(sys(SYS_umask, 077));
		CHECK_EQ(sys(SYS_chdir, "dir"), 0);
		CHECK_OK(sys(SYS_execve, guest_argv[0], argv, no_env));
	});
}

HELPER(empty)
{
}

TEST(by_descriptor)
{
	char *argv[] = { guest_argv[0], "@empty", NULL };
	int fd = (int)CHECK_OK(sys(SYS_open, guest_argv[0], O_EXEC | O_CLOEXEC, 0));

	IN_CHILD(CHECK_OK(sys(SYS_fexecve, fd, argv, no_env)));
	fd = (int)CHECK_OK(sys(SYS_open, guest_argv[0], O_RDONLY, 0));
	IN_CHILD(CHECK_OK(sys(SYS_fexecve, fd, argv, no_env)));
	CHECK_ERR(sys(SYS_fexecve, 999, argv, no_env), EBADF);
	int dir = (int)CHECK_OK(sys(SYS_open, ".", O_RDONLY, 0));
	CHECK_ERR(sys(SYS_fexecve, dir, argv, no_env), EACCES);
	/* Whether it may be executed says the file, and one that is open for writing is no program (fgetvp_exec). */
	fd = (int)CHECK_OK(sys(SYS_open, "script", O_RDWR | O_CREAT, 0755));
	CHECK_ERR(sys(SYS_fexecve, fd, argv, no_env), EBADF);
	fd = (int)CHECK_OK(sys(SYS_open, "plain", O_RDONLY | O_CREAT, 0644));
	CHECK_ERR(sys(SYS_fexecve, fd, argv, no_env), EACCES);
	CHECK_EQ(sys(SYS_mkfifo, "fifo", 0755), 0);
	fd = (int)CHECK_OK(sys(SYS_open, "fifo", O_RDONLY | O_NONBLOCK, 0));
	CHECK_ERR(sys(SYS_fexecve, fd, argv, no_env), EACCES);
	int pair[2];
	CHECK_EQ(sys(SYS_socketpair, 1, 1, 0, pair), 0);
	CHECK_ERR(sys(SYS_fexecve, pair[0], argv, no_env), EBADF);
}

HELPER(chain)
{
	char next[16];
	char *argv[] = { guest_argv[0], "@chain", next, NULL };
	long left = guest_number(guest_argv[2]);

	/* No descriptor is left behind by any of them. */
	CHECK_EQ(sys(SYS_dup, 0), 3);
	CHECK_EQ(sys(SYS_close, 3), 0);
	if (left == 0)
		return;
	format(next, sizeof(next), "%l", left - 1);
	CHECK_OK(sys(SYS_execve, guest_argv[0], argv, no_env));
}

TEST(long_chain)
{
	char *argv[] = { guest_argv[0], "@chain", "100", NULL };

	CHECK_EQ(run(guest_argv[0], argv, no_env), 0);
}

static void
exec_from_thread(void *unused)
{
	char *argv[] = { guest_argv[0], "@one_thread", guest_argv[2], NULL };

	(void)unused;
	CHECK_ERR(sys(SYS_execve, "/missing", argv, no_env), ENOENT);
	CHECK_OK(sys(SYS_execve, guest_argv[0], argv, no_env));
}

static void
idle(void *unused)
{
	(void)unused;
	for (;;)
		guest_sleep_ms(1000);
}

HELPER(threaded)
{
	static struct guest_thread t[4];

	for (int i = 0; i < 3; i++)
		guest_thread_start(&t[i], idle, NULL);
	guest_thread_start(&t[3], exec_from_thread, NULL);
	idle(NULL);
}

HELPER(one_thread)
{
	/* It is the process that was, and its first thread. */
	CHECK_EQ(sys(SYS_getpid), guest_number(guest_argv[2]));
	guest_exit(44);
}

TEST(from_another_thread)
{
	for (int i = 0; i < 10; i++) {
		int pid = guest_fork();
		if (pid == 0) {
			char number[16];
			char *argv[] = { guest_argv[0], "@threaded", number, NULL };
			format(number, sizeof(number), "%l", sys(SYS_getpid));
			CHECK_OK(sys(SYS_execve, guest_argv[0], argv, no_env));
		}
		CHECK_EQ(WEXITSTATUS(guest_wait(pid)), 44);
	}
}

/* A Linux program runs as it is. (/bin/true, /bin/sh: of the machine that runs the test, unless in a root.) */
/* judge: own, LSF starts Linux's programs */
TEST(linux_program)
{
	char *argv[] = { "sh", "-c", "exit 17", NULL };
	char *env[] = { "PATH=/usr/bin:/bin", NULL };
	int ends[2];
	char word[8];

	if (sys(SYS_access, "/usr/bin/env", X_OK) != 0 || sys(SYS_access, "/bin/sh", X_OK) != 0)
		SKIP("no /bin/sh here");
	CHECK_EQ(WEXITSTATUS(run("/bin/sh", argv, env)), 17);
	/* Its output comes through descriptors that the guest made. */
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	int pid = guest_fork();
	if (pid == 0) {
		char *echo[] = { "sh", "-c", "echo hello; kill -9 $$", NULL };
		CHECK_EQ(sys(SYS_dup2, ends[1], 1), 1);
		CHECK_OK(sys(SYS_execve, "/bin/sh", echo, env));
	}
	int status = guest_wait(pid);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGKILL);
	CHECK_EQ(sys(SYS_read, ends[0], word, 8), 6);
	CHECK(memcmp(word, "hello\n", 6) == 0);
}

/* judge: own, LSF starts Linux's programs */
TEST(linux_script)
{
	char *argv[] = { "x", "a", "b", NULL };
	char *env[] = { "PATH=/usr/bin:/bin", NULL };

	if (sys(SYS_access, "/bin/sh", X_OK) != 0)
		SKIP("no /bin/sh here");
	make_script("script", "#!/bin/sh\ntest \"$1-$2-$#\" = a-b-2 && exit 23\n");
	CHECK_EQ(WEXITSTATUS(run("./script", argv, env)), 23);
}
