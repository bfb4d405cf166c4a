/*
 * What ktrace(2) records of names, and in which order: paths (vfs_lookup.c, namei; uipc_usrreq.c), what capability mode has against them,
 * the strings of an exec (kern_exec.c), what was to be written (kern_ktrace.c, ktrgenio), and calls that there are not (kern_syscalls.c).
 */
#include "trace_file.h"
#include <sys/capsicum.h>
#include <sys/socket.h>
#include <sys/un.h>

static void
expect_path(const char *path)
{
	char *got = next(0, 0);

	CHECK(got != NULL);
	CHECK_EQ(header->ktr_type & ~KTR_TYPE, KTR_NAMEI);
	CHECK_EQ(header->ktr_len, strlen(path));
	CHECK_EQ(memcmp(got, path, strlen(path)), 0);
}

static struct sockaddr_un local = { .sun_family = AF_UNIX, .sun_path = "sock" };

TEST(paths)
{
	int s = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_DGRAM, 0));

	begin(KTRFAC_NAMEI);
	CHECK_ERR(sys(SYS_unlink, ""), ENOENT);
	CHECK_EQ(sys(SYS_bind, s, &local, 6), 0);
	CHECK_EQ(sys(SYS_sendto, s, "x", 1, 0, &local, sizeof(local)), 1);
	local.sun_path[0] = 0;
	CHECK_ERR(sys(SYS_connect, s, &local, sizeof(local)), ENOENT);
	local.sun_path[0] = 's';
	if (sys(SYS_geteuid) == 0)
		CHECK_ERR(sys(SYS_chroot, "missing"), ENOENT);
	CHECK_EQ(trace(KTROP_CLEAR, ~0), 0);
	read_all();
	expect_path("");
	expect_path("sock");
	expect_path("sock");
	expect_path("");
	if (sys(SYS_geteuid) == 0)
		expect_path("missing");
	CHECK(next(0, 0) == NULL);
}

static void
expect_violation(int type, int call, const char *path)
{
	struct ktr_cap_fail *got = next(0, 0);

	CHECK(got != NULL);
	CHECK_EQ(header->ktr_type & ~KTR_TYPE, KTR_CAPFAIL);
	CHECK_EQ(got->cap_type, type);
	CHECK_EQ(got->cap_code, call);
	if (path != NULL)
		CHECK_STR(got->cap_data.cap_path, path);
}

/* A path is told of before what is against it, and not at all where capability mode has no such call. */
TEST(paths_and_violations)
{
	int s = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_DGRAM, 0)), status;

	if (GUEST_RELEASE < 15)
		ON_ANOTHER_RELEASE();
	begin(KTRFAC_NAMEI | KTRFAC_CAPFAIL | KTRFAC_INHERIT);
	CHECK_OK(sys(SYS_openat, AT_FDCWD, ".", O_RDONLY));
	CHECK_EQ(sys(SYS_bind, s, &local, 6), 0);
	CHECK_EQ(sys(SYS_sendto, s, "x", 1, 0, &local, sizeof(local)), 1);
	int pid = guest_fork();
	if (pid == 0) {
		sys(SYS_cap_enter);
		guest_exit(sys(SYS_open, "none", O_RDONLY) == -ECAPMODE ? 0 : 1);
	}
	status = guest_wait(pid);
	CHECK_EQ(trace(KTROP_CLEAR, ~0), 0);
	CHECK_EQ(status, 0);
	read_all();
	expect_path(".");
	expect_violation(CAPFAIL_NAMEI, SYS_openat, "AT_FDCWD");
	expect_violation(CAPFAIL_SYSCALL, SYS_bind, NULL);
	expect_path("sock");
	expect_violation(CAPFAIL_SOCKADDR, SYS_sendto, NULL);
	expect_path("sock");
	expect_violation(CAPFAIL_NAMEI, SYS_sendto, "AT_FDCWD");
	expect_violation(CAPFAIL_SYSCALL, SYS_open, NULL);
	/* That ktrace(2) is none of its calls comes too late for FreeBSD's file. */
	if (next(0, 0) != NULL)
		CHECK_EQ(((struct ktr_cap_fail *)(header + 1))->cap_code, SYS_ktrace);
	CHECK(next(0, 0) == NULL);
}

static void
expect_bytes(int type, const void *wanted, size_t n)
{
	char *got = next(0, 0);

	CHECK(got != NULL);
	CHECK_EQ(header->ktr_type & ~KTR_TYPE, type);
	CHECK_EQ(header->ktr_len, n);
	CHECK_EQ(memcmp(got, wanted, n), 0);
}

TEST(strings_of_an_exec)
{
	char *argv[] = { "one", "", "two", NULL }, *envp[] = { "A=b", NULL };

	if (GUEST_RELEASE < 15)
		ON_ANOTHER_RELEASE();
	begin(1 << 16 | 1 << 17);	/* KTRFAC_ARGS, KTRFAC_ENVS */
	CHECK_ERR(sys(SYS_execve, "missing", argv, envp), ENOENT);
	CHECK_ERR(sys(SYS_execve, "missing", argv, NULL), ENOENT);
	CHECK_ERR(sys(SYS_execve, "missing", NULL, envp), EFAULT);
	CHECK_ERR(sys(SYS_fexecve, 999, argv, envp), EBADF);
	CHECK_EQ(trace(KTROP_CLEAR, ~0), 0);
	read_all();
	for (int i = 0; i < 3; i++) {
		expect_bytes(16, "one\0\0two", 9);
		expect_bytes(17, "A=b", i == 1 ? 0 : 4);
	}
	CHECK(next(0, 0) == NULL);
}

static void
expect_written(int fd, const char *text)
{
	struct ktr_genio *io = next(0, 0);

	CHECK(io != NULL);
	CHECK_EQ(io->ktr_fd, fd);
	CHECK_EQ(io->ktr_rw, 1);
	CHECK_EQ(header->ktr_len, sizeof(*io) + strlen(text));
	CHECK_EQ(memcmp(io + 1, text, strlen(text)), 0);
}

static void
ignore(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
}

/* A write that fails is recorded with what it was to write, but for one that did not begin; a read that asks for nothing is not. */
TEST(writes_that_fail)
{
	struct iovec pieces[2] = { { "ab", 2 }, { "c", 1 } };
	int pipe[2], fd = (int)CHECK_OK(sys(SYS_open, "f", O_CREAT | O_RDWR, 0600));

	CHECK_EQ(sys(SYS_pipe2, pipe, 0), 0);
	CHECK_EQ(sys(SYS_close, pipe[0]), 0);
	guest_handle(SIGPIPE, ignore, 0);
	begin(KTRFAC_GENIO);
	CHECK_ERR(sys(SYS_write, pipe[1], "lost", 4), EPIPE);
	CHECK_ERR(sys(SYS_writev, pipe[1], pieces, 2), EPIPE);
	CHECK_ERR(sys(SYS_write, 999, "none", 4), EBADF);
	CHECK_ERR(sys(SYS_write, fd, 8, 4), EFAULT);
	CHECK_EQ(sys(SYS_read, fd, data, 0), 0);
	CHECK_EQ(trace(KTROP_CLEAR, ~0), 0);
	read_all();
	expect_written(pipe[1], "lost");
	expect_written(pipe[1], "abc");
	CHECK(next(0, 0) == NULL);
}

TEST(unknown_calls)
{
	struct ktr_syscall *call;

	guest_handle(SIGSYS, ignore, 0);
	begin(KTRFAC_SYSCALL | KTRFAC_CAPFAIL);
	CHECK_ERR(sys(9999, 1, 2, 3), ENOSYS);
	CHECK_EQ(trace(KTROP_CLEAR, ~0), 0);
	read_all();
	call = next(0, 0);
	CHECK(call != NULL);
	CHECK_EQ(header->ktr_type & ~KTR_TYPE, KTR_SYSCALL);
	CHECK_EQ(call->ktr_code, 9999);
	CHECK_EQ(call->ktr_narg, 0);
	call = next(0, 0);		/* of the handler */
	CHECK(call != NULL);
	CHECK_EQ(call->ktr_code, SYS_sigreturn);
}
