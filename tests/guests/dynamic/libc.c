/* The C library against the shim: what ordinary programs call. Prints one line at the end. */
#include <sys/param.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <glob.h>
#include <math.h>
#include <poll.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition) do { \
	if (!(condition)) { \
		fprintf(stderr, "%s:%d: %s (errno %d: %s)\n", __FILE__, __LINE__, #condition, errno, strerror(errno)); \
		exit(1); \
	} \
} while (0)

extern char **environ;

static void
test_stdio(void)
{
	char line[100], name[] = "temporary.XXXXXX";
	FILE *f;

	CHECK((f = fopen("file", "w+")) != NULL);
	for (int i = 0; i < 10000; i++)
		CHECK(fprintf(f, "line %d %s %.2f\n", i, "text", i / 4.0) > 0);
	CHECK(fflush(f) == 0);
	rewind(f);
	for (int i = 0; i < 10000; i++) {
		char want[100];
		snprintf(want, sizeof(want), "line %d text %.2f\n", i, i / 4.0);
		CHECK(fgets(line, sizeof(line), f) != NULL && strcmp(line, want) == 0);
	}
	CHECK(fgets(line, sizeof(line), f) == NULL && feof(f));
	CHECK(fseek(f, 5, SEEK_SET) == 0 && fgetc(f) == '0' && ftell(f) == 6);
	CHECK(fclose(f) == 0);
	CHECK(mkstemp(name) >= 0);
	CHECK(unlink(name) == 0);
	CHECK(fopen("missing", "r") == NULL && errno == ENOENT);
	CHECK((f = popen("echo from a child; exit 3", "r")) != NULL);
	CHECK(fgets(line, sizeof(line), f) != NULL && strcmp(line, "from a child\n") == 0);
	CHECK(WEXITSTATUS(pclose(f)) == 3);
	CHECK(WEXITSTATUS(system("exit 4")) == 4);
}

static int
by_name(const FTSENT *const *a, const FTSENT *const *b)
{
	return (strcmp((*a)->fts_name, (*b)->fts_name));
}

static void
test_directories(void)
{
	DIR *d;
	struct dirent *e;
	char name[32];
	int n = 0;

	CHECK(mkdir("dir", 0755) == 0);
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "dir/%d", i);
		CHECK(close(open(name, O_CREAT | O_WRONLY, 0644)) == 0);
	}
	CHECK((d = opendir("dir")) != NULL);
	while ((e = readdir(d)) != NULL)
		n++;
	CHECK(n == 502);
	rewinddir(d);
	for (n = 0; n < 100; n++)
		CHECK(readdir(d) != NULL);
	long here = telldir(d);
	CHECK((e = readdir(d)) != NULL);
	strlcpy(name, e->d_name, sizeof(name));
	for (n = 0; n < 200; n++)
		CHECK(readdir(d) != NULL);
	seekdir(d, here);
	CHECK((e = readdir(d)) != NULL && strcmp(e->d_name, name) == 0);
	CHECK(closedir(d) == 0);
	struct dirent **list;
	CHECK(scandir("dir", &list, NULL, alphasort) == 502);
	CHECK(strcmp(list[2]->d_name, "0") == 0);
	glob_t g;
	CHECK(glob("dir/1*", 0, NULL, &g) == 0 && g.gl_pathc == 111);
	char *paths[] = { "dir", NULL };
	FTS *fts = fts_open(paths, FTS_PHYSICAL, by_name);
	CHECK(fts != NULL);
	for (n = 0; fts_read(fts) != NULL; n++)
		;
	CHECK(n == 502);
	fts_close(fts);
	char path[PATH_MAX], again[PATH_MAX];
	CHECK(getcwd(path, sizeof(path)) != NULL && path[0] == '/');
	CHECK(realpath("dir/../dir/5", again) != NULL && strstr(again, "/dir/5") != NULL);
	CHECK(getcwd(path, 2) == NULL);
}

static void
test_system(void)
{
	struct utsname name;
	struct statfs fs;
	char buffer[64];
	size_t size = sizeof(buffer);
	int ncpu;

	CHECK(uname(&name) == 0 && strcmp(name.sysname, "FreeBSD") == 0 && strcmp(name.machine, "amd64") == 0);
	CHECK(gethostname(buffer, sizeof(buffer)) == 0 && strcmp(buffer, name.nodename) == 0);
	CHECK(sysctlbyname("kern.ostype", buffer, &size, NULL, 0) == 0 && strcmp(buffer, "FreeBSD") == 0);
	size = sizeof(ncpu);
	CHECK(sysctlbyname("hw.ncpu", &ncpu, &size, NULL, 0) == 0 && ncpu >= 1);
	CHECK(sysconf(_SC_NPROCESSORS_ONLN) == ncpu && sysconf(_SC_PAGESIZE) == 4096 && getpagesize() == 4096);
	CHECK(sysconf(_SC_OPEN_MAX) > 0 && sysconf(_SC_ARG_MAX) > 60000);
	CHECK(getosreldate() > 1000000);
	CHECK(statfs("/", &fs) == 0 && fs.f_blocks > 0);
	CHECK(strlen(getprogname()) > 0);
	CHECK(issetugid() == 0);
	arc4random_buf(buffer, 16);
}

static void
test_memory(void)
{
	char *blocks[500];

	for (int i = 0; i < 500; i++) {
		CHECK((blocks[i] = malloc((size_t)i * 997 + 1)) != NULL);
		memset(blocks[i], i, (size_t)i * 997 + 1);
	}
	for (int i = 0; i < 500; i += 2)
		free(blocks[i]);
	for (int i = 1; i < 500; i += 2) {
		CHECK(blocks[i][i] == (char)i);
		CHECK((blocks[i] = realloc(blocks[i], 200000)) != NULL);
		CHECK(blocks[i][i] == (char)i);
		free(blocks[i]);
	}
	void *p;
	CHECK(posix_memalign(&p, 1 << 16, 100000) == 0 && ((unsigned long)p & 0xffff) == 0);
	free(p);
	CHECK((p = calloc(1 << 20, 64)) != NULL);
	free(p);
	char *before = sbrk(0);
	CHECK(before != (void *)-1 && sbrk(100000) == before);
	memset(before, 1, 100000);
	CHECK(sbrk(-100000) != (void *)-1);
}

static sigjmp_buf jump;
static volatile sig_atomic_t alarms;

static void
on_alarm(int signo)
{
	(void)signo;
	alarms++;
}

static void
on_fault(int signo)
{
	siglongjmp(jump, signo);
}

static void
test_signals_and_time(void)
{
	struct sigaction act;
	struct timespec a, b, t = { 0, 20000000 };
	struct tm tm;
	time_t when = 1000000000;
	char text[64];

	memset(&act, 0, sizeof(act));
	act.sa_handler = on_alarm;
	CHECK(sigaction(SIGALRM, &act, NULL) == 0);
	ualarm(10000, 0);
	CHECK(pause() == -1 && errno == EINTR && alarms == 1);
	act.sa_handler = on_fault;
	CHECK(sigaction(SIGSEGV, &act, NULL) == 0);
	for (int i = 0; i < 100; i++) {
		int signo = sigsetjmp(jump, 1);
		if (signo == 0) {
			*(volatile int *)16 = 1;
			CHECK(0);
		}
		CHECK(signo == SIGSEGV);
	}
	CHECK(clock_gettime(CLOCK_MONOTONIC, &a) == 0);
	CHECK(nanosleep(&t, NULL) == 0);
	CHECK(clock_gettime(CLOCK_MONOTONIC, &b) == 0);
	CHECK((b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec >= 20000000);
	CHECK(time(NULL) > 1600000000);
	CHECK(gmtime_r(&when, &tm) != NULL && tm.tm_year == 101 && tm.tm_mon == 8 && tm.tm_mday == 9);
	CHECK(strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) == 19 && strcmp(text, "2001-09-09 01:46:40") == 0);
	CHECK(clock() != (clock_t)-1);
}

static void
test_processes(void)
{
	pid_t pid;
	int status, ends[2];
	char *argv[] = { "sh", "-c", "exit 6", NULL };
	struct pollfd poll_;
	fd_set set;
	struct timeval tv = { 0, 20000 };
	char c;

	CHECK(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ) == 0);
	CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 6);
	CHECK(pipe(ends) == 0);
	CHECK((pid = fork()) >= 0);
	if (pid == 0) {
		usleep(20000);
		_exit(write(ends[1], "x", 1) == 1 ? 0 : 1);
	}
	poll_.fd = ends[0];
	poll_.events = POLLIN;
	CHECK(poll(&poll_, 1, 0) == 0);
	CHECK(poll(&poll_, 1, 5000) == 1 && poll_.revents == POLLIN);
	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	CHECK(select(ends[0] + 1, &set, NULL, NULL, NULL) == 1 && FD_ISSET(ends[0], &set));
	CHECK(read(ends[0], &c, 1) == 1 && c == 'x');
	FD_SET(ends[0], &set);
	CHECK(select(ends[0] + 1, &set, NULL, NULL, &tv) == 0 && !FD_ISSET(ends[0], &set));
	CHECK(wait(&status) == pid && status == 0);
	CHECK((pid = vfork()) >= 0);
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "exit 8", (char *)NULL);
		_exit(1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 8);
	CHECK(setenv("VARIABLE", "value", 1) == 0 && system("test \"$VARIABLE\" = value") == 0);
}

static void
test_arithmetic_and_text(void)
{
	regex_t re;
	regmatch_t m[2];
	int numbers[1000];

	CHECK(fabs(sqrt(2.0) * sqrt(2.0) - 2.0) < 1e-12 && fabs(sin(M_PI)) < 1e-12 && pow(2, 10) == 1024);
	CHECK(strtod("3.25e2", NULL) == 325.0 && strtol("-0x1f", NULL, 0) == -31);
	CHECK(regcomp(&re, "h(.)llo", REG_EXTENDED) == 0);
	CHECK(regexec(&re, "say hello", 2, m, 0) == 0 && m[1].rm_so == 5);
	regfree(&re);
	for (int i = 0; i < 1000; i++)
		numbers[i] = (i * 7919) % 1009;
	int compare(const void *, const void *);
	qsort(numbers, 1000, sizeof(int), compare);
	for (int i = 1; i < 1000; i++)
		CHECK(numbers[i - 1] <= numbers[i]);
}

int
compare(const void *a, const void *b)
{
	return (*(const int *)a - *(const int *)b);
}

static void
at_exit(void)
{
	printf("libc ok\n");
}

int
main(void)
{
	test_stdio();
	test_directories();
	test_system();
	test_memory();
	test_signals_and_time();
	test_processes();
	test_arithmetic_and_text();
	CHECK(atexit(at_exit) == 0);
	return (0);
}
