/* Core files: sys/kern/imgact_elf.c (__elfN(coredump)), kern_ucoredump.c, coredump_vnode.c, sys/sys/procfs.h. */
#include "guest.h"
#include <sys/elf.h>
#include <sys/event.h>
#include <sys/procctl.h>
#include <sys/procfs.h>
#include <sys/ptrace.h>
#include <sys/sysctl.h>
#include <sys/user.h>
#include <machine/reg.h>

#define ROOM (64UL << 20)
#define MARK 0x1122334455667788UL

static char core_path[64];
static char *core;
static size_t core_size;

/* The file that this program leaves in the current folder: %N.core. */
static void
name_core(void)
{
	struct kinfo_proc info;
	size_t size = sizeof(info);
	int name[] = { CTL_KERN, KERN_PROC, KERN_PROC_PID, (int)sys(SYS_getpid) };

	CHECK_EQ(sys(SYS___sysctl, name, 4, &info, &size, NULL, 0), 0);
	format(core_path, sizeof(core_path), "%s.core", info.ki_comm);
	sys(SYS_unlink, core_path);
}

/* Core files may have this many bytes; RLIM_INFINITY: as many as the maximum allows. */
static void
allow(rlim_t bytes)
{
	struct rlimit limit;

	CHECK_EQ(sys(SYS_getrlimit, RLIMIT_CORE, &limit), 0);
	if (limit.rlim_max < (rlim_t)ROOM)
		SKIP("RLIMIT_CORE has a small maximum here");
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_CORE, &limit), 0);
}

/* A child that may leave a core file does this. */
#define CHILD(pid, bytes, ...) do { \
	name_core(); \
	(pid) = guest_fork(); \
	if ((pid) == 0) { \
		allow(bytes); \
		__VA_ARGS__; \
		guest_exit(3); \
	} \
} while (0)

/* It was ended by this signal, and left a core file or not. */
static void
ended(int pid, int signo, int dumped)
{
	int status = guest_wait(pid);

	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), signo);
	CHECK_EQ(!!WCOREDUMP(status), dumped);
}

static void
read_core(void)
{
	struct stat st;
	int fd = (int)CHECK_OK(sys(SYS_open, core_path, O_RDONLY));

	CHECK_EQ(guest_stat(core_path, &st), 0);
	CHECK(S_ISREG(st.st_mode));
	CHECK_EQ(st.st_mode & 07777, 0600);
	core_size = (size_t)st.st_size;
	core = (char *)CHECK_OK(sys(SYS_mmap, NULL, core_size, PROT_READ, MAP_PRIVATE, fd, 0));
	sys(SYS_close, fd);
}

static Elf64_Phdr *
headers(void)
{
	return ((Elf64_Phdr *)(core + ((Elf64_Ehdr *)core)->e_phoff));
}

/* The n-th note of a type, from 0; NULL for none. */
static void *
note(u32 type, int n, size_t *size)
{
	Elf64_Phdr *notes = headers();
	char *at = core + notes->p_offset, *end = at + notes->p_filesz;

	CHECK_EQ(notes->p_type, PT_NOTE);
	while (at < end) {
		u32 *words = (u32 *)at;
		void *contents = at + 12 + 8;
		CHECK_EQ(words[0], 8);
		CHECK_STR(at + 12, "FreeBSD");
		at += 20 + roundup2(words[1], 4);
		if (words[2] == type && n-- == 0) {
			*size = words[1];
			return (contents);
		}
	}
	CHECK(at == end);
	return (NULL);
}

/* A note of records: the size of one stands before them. */
static void *
records(u32 type, int one, size_t *size)
{
	char *contents = note(type, 0, size);

	CHECK_NE(contents, NULL);
	CHECK_EQ(*(int *)contents, one);
	*size -= 4;
	return (contents + 4);
}

/* What the file has of an address; NULL where it is in no segment. */
static void *
at_address(const volatile void *address)
{
	Elf64_Phdr *header = headers();

	for (int i = 1; i < ((Elf64_Ehdr *)core)->e_phnum; i++)
		if ((u64)address - header[i].p_vaddr < header[i].p_filesz)
			return (core + header[i].p_offset + ((u64)address - header[i].p_vaddr));
	return (NULL);
}

static void __attribute__((noinline))
fault(void)
{
	__asm__ volatile("mov %0, %%rbx; mov %%rbx, %%r12; inc %%r12; movq %%rbx, %%xmm5; mov $0x40, %%ecx\n"
	    ".globl fault_at\nfault_at: movq (%%rcx), %%rdx"
	    : : "r"(MARK) : "rbx", "rcx", "rdx", "r12", "xmm5", "memory");
}

extern char fault_at[];
static char *volatile secret, *volatile shown;
static volatile u64 global = MARK + 7;

TEST(a_fault_leaves_one)
{
	static const u32 kinds[] = { NT_PRPSINFO, NT_PRSTATUS, NT_FPREGSET, NT_THRMISC, NT_PTLWPINFO, NT_X86_SEGBASES, NT_X86_XSTATE, NT_PROCSTAT_PROC,
	    NT_PROCSTAT_FILES, NT_PROCSTAT_VMMAP, NT_PROCSTAT_GROUPS, NT_PROCSTAT_UMASK, NT_PROCSTAT_RLIMIT, NT_PROCSTAT_OSREL,
	    NT_PROCSTAT_PSSTRINGS, NT_PROCSTAT_AUXV };
	struct ptrace_lwpinfo *info;
	struct prpsinfo *process;
	struct prstatus *status;
	size_t size;
	int pid;

	secret = guest_map(PAGE_SIZE);
	shown = guest_map(PAGE_SIZE);
	CHECK_EQ(sys(SYS_madvise, secret, PAGE_SIZE, MADV_NOCORE), 0);
	secret[0] = shown[1] = 'x';
	sys(SYS_umask, 0777);
	CHILD(pid, RLIM_INFINITY, fault());
	ended(pid, SIGSEGV, 1);
	sys(SYS_umask, 022);
	read_core();
	CHECK_EQ(((Elf64_Ehdr *)core)->e_type, ET_CORE);
	CHECK_EQ(core[EI_OSABI], ELFOSABI_FREEBSD);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		CHECK_NE(note(kinds[i], 0, &size), NULL);
	CHECK_EQ(note(NT_PRSTATUS, 1, &size), NULL);

	process = note(NT_PRPSINFO, 0, &size);
	CHECK_EQ(size, sizeof(*process));
	CHECK_EQ(process->pr_version, PRPSINFO_VERSION);
	CHECK_EQ(process->pr_pid, pid);
	CHECK(guest_starts(core_path, process->pr_fname));

	status = note(NT_PRSTATUS, 0, &size);
	CHECK_EQ(size, sizeof(*status));
	CHECK_EQ(status->pr_version, PRSTATUS_VERSION);
	CHECK_EQ(status->pr_cursig, SIGSEGV);
	CHECK_EQ(status->pr_reg.r_rip, (u64)fault_at);
	CHECK_EQ(status->pr_reg.r_rbx, MARK);
	CHECK_EQ(status->pr_reg.r_r12, MARK + 1);
	CHECK_EQ(status->pr_reg.r_rcx, 0x40);
	CHECK_EQ(*(u64 *)((char *)note(NT_FPREGSET, 0, &size) + 160 + 5 * 16), MARK);
	CHECK_EQ(size, 512);
	CHECK_EQ(*(u64 *)((char *)note(NT_X86_XSTATE, 0, &size) + 160 + 5 * 16), MARK);
	CHECK(size >= 576);
	CHECK_EQ(*(u64 *)((char *)note(NT_X86_XSTATE, 0, &size) + 464) & 3, 3);

	info = records(NT_PTLWPINFO, sizeof(*info), &size);
	CHECK_EQ(size, sizeof(*info));
	CHECK_EQ(info->pl_lwpid, status->pr_pid);
	CHECK_EQ(info->pl_flags, PL_FLAG_SI);
	CHECK_EQ(info->pl_siginfo.si_signo, SIGSEGV);
	CHECK_EQ((u64)info->pl_siginfo.si_addr, 0x40);

	CHECK_EQ(*(u64 *)at_address(&global), MARK + 7);
	CHECK_EQ(((char *)at_address(shown))[1], 'x');
	CHECK_EQ(at_address(secret), NULL);
	CHECK_EQ(at_address((void *)fault), NULL);
	CHECK_NE(at_address((void *)(status->pr_reg.r_rsp)), NULL);
}

TEST(what_the_notes_say)
{
	struct kinfo_proc *process;
	struct rlimit *limits;
	size_t size;
	u64 *pair;
	int pid, fd;

	fd = (int)CHECK_OK(sys(SYS_open, "/dev/null", O_RDWR));
	CHECK_EQ(sys(SYS_dup2, fd, 77), 77);
	sys(SYS_umask, 027);
	CHILD(pid, RLIM_INFINITY, {
		u64 base = (u64)&core_size;
		CHECK_EQ(sys(SYS_sysarch, AMD64_SET_FSBASE, &base), 0);
		fault();
	});
	ended(pid, SIGSEGV, 1);
	read_core();
	process = records(NT_PROCSTAT_PROC, sizeof(*process), &size);
	CHECK_EQ(size, sizeof(*process));
	CHECK_EQ(process->ki_pid, pid);
	CHECK_EQ(process->ki_ppid, sys(SYS_getpid));
	CHECK_EQ(*(u16 *)records(NT_PROCSTAT_UMASK, 2, &size), 027);
	limits = records(NT_PROCSTAT_RLIMIT, RLIM_NLIMITS * sizeof(struct rlimit), &size);
	CHECK(limits[RLIMIT_CORE].rlim_cur >= (rlim_t)ROOM);
	CHECK_EQ(*(u64 *)records(NT_PROCSTAT_PSSTRINGS, 8, &size), (u64)guest_aux(AT_PS_STRINGS)->a_un.a_val);
	pair = records(NT_PROCSTAT_AUXV, 16, &size);
	CHECK_EQ(pair[0], AT_PHDR);
	CHECK_EQ(((u64 *)note(NT_X86_SEGBASES, 0, &size))[0], (u64)&core_size);

	/* Files are of different lengths: one says how long it is. */
	char *at = records(NT_PROCSTAT_FILES, sizeof(struct kinfo_file), &size), *end = at + size;
	int found = 0;
	for (; at < end && ((struct kinfo_file *)at)->kf_structsize > 0; at += ((struct kinfo_file *)at)->kf_structsize)
		if (((struct kinfo_file *)at)->kf_fd == 77)
			found = 1;
	CHECK(found);
	at = records(NT_PROCSTAT_VMMAP, sizeof(struct kinfo_vmentry), &size);
	end = at + size;
	found = 0;
	for (; at < end && ((struct kinfo_vmentry *)at)->kve_structsize > 0; at += ((struct kinfo_vmentry *)at)->kve_structsize) {
		struct kinfo_vmentry *entry = (struct kinfo_vmentry *)at;
		if (entry->kve_start <= (u64)&global && (u64)&global < entry->kve_end)
			found = 1;
	}
	CHECK(found);
}

static void
sleeps(void *argument)
{
	int ends[2];
	char byte;

	CHECK_EQ(guest_syscall(SYS_pipe2, (u64)ends, 0, 0, 0, 0, 0).failed, 0);
	__atomic_add_fetch((int *)argument, 1, __ATOMIC_SEQ_CST);
	sys(SYS_read, ends[0], &byte, 1);
}

static void
spins(void *argument)
{
	__atomic_add_fetch((int *)argument, 1, __ATOMIC_SEQ_CST);
	for (;;)
		__asm__ volatile("movl $0x5eed, %%r13d; pause" : : : "r13");
}

TEST(all_threads_the_one_that_faults_first)
{
	static volatile int running;
	static struct guest_thread one, two;
	struct prstatus *status;
	size_t size;
	int pid, reading = 0, spinning = 0;

	CHILD(pid, RLIM_INFINITY, {
		guest_thread_start(&one, sleeps, (void *)&running);
		guest_thread_start(&two, spins, (void *)&running);
		while (running < 2)
			sys(SYS_sched_yield);
		guest_sleep_ms(20);
		fault();
	});
	ended(pid, SIGSEGV, 1);
	read_core();
	CHECK_EQ(((struct prstatus *)note(NT_PRSTATUS, 0, &size))->pr_reg.r_rip, (u64)fault_at);
	for (int i = 1; i < 3; i++) {
		CHECK_NE(status = note(NT_PRSTATUS, i, &size), NULL);
		CHECK_EQ(status->pr_cursig, SIGSEGV);
		CHECK_EQ(((struct ptrace_lwpinfo *)((char *)note(NT_PTLWPINFO, i, &size) + 4))->pl_lwpid, status->pr_pid);
		if (status->pr_reg.r_rax == SYS_read)
			reading++;
		if (status->pr_reg.r_r13 == 0x5eed)
			spinning++;
	}
	CHECK_EQ(note(NT_PRSTATUS, 3, &size), NULL);
	CHECK_EQ(reading, 1);
	CHECK_EQ(spinning, 1);
	records(NT_PROCSTAT_PROC, sizeof(struct kinfo_proc), &size);
	CHECK_EQ(size, 3 * sizeof(struct kinfo_proc));
}

TEST(signals_that_leave_one)
{
	static const int signals[] = { SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGEMT, SIGFPE, SIGBUS, SIGSEGV, SIGSYS };
	size_t size;
	int pid;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		CHILD(pid, RLIM_INFINITY, {
			sys(SYS_kill, sys(SYS_getpid), signals[i]);
			guest_sleep_ms(2000);
		});
		ended(pid, signals[i], 1);
		read_core();
		CHECK_EQ(((struct prstatus *)note(NT_PRSTATUS, 0, &size))->pr_cursig, signals[i]);
		sys(SYS_munmap, core, core_size);
	}
	CHILD(pid, RLIM_INFINITY, {
		sys(SYS_kill, sys(SYS_getpid), SIGTERM);
		guest_sleep_ms(2000);
	});
	ended(pid, SIGTERM, 0);
	CHECK_ERR(sys(SYS_open, core_path, O_RDONLY), ENOENT);
	CHILD(pid, RLIM_INFINITY, {
		sys(SYS_kill, sys(SYS_getpid), SIGXCPU);
		guest_sleep_ms(2000);
	});
	ended(pid, SIGXCPU, 0);
	CHECK_ERR(sys(SYS_open, core_path, O_RDONLY), ENOENT);
}

TEST(another_process_s_signal_ends_a_sleep)
{
	size_t size;
	int pid;

	CHILD(pid, RLIM_INFINITY, guest_sleep_ms(10000));
	guest_sleep_ms(30);
	CHECK_EQ(sys(SYS_kill, pid, SIGQUIT), 0);
	ended(pid, SIGQUIT, 1);
	read_core();
	CHECK_EQ(((struct prstatus *)note(NT_PRSTATUS, 0, &size))->pr_cursig, SIGQUIT);
	CHECK_EQ(((struct ptrace_lwpinfo *)((char *)note(NT_PTLWPINFO, 0, &size) + 4))->pl_siginfo.si_pid, sys(SYS_getpid));
}

TEST(no_stack_is_needed)
{
	size_t size;
	int pid;

	CHILD(pid, RLIM_INFINITY, __asm__ volatile("mov $0x10, %rsp; push %rax"));
	ended(pid, SIGSEGV, 1);
	read_core();
	CHECK_EQ(((struct prstatus *)note(NT_PRSTATUS, 0, &size))->pr_reg.r_rsp, 0x10);
	CHECK_EQ(*(u64 *)at_address(&global), MARK + 7);
}

/* A handler's frame that cannot be written ends by SIGILL, which leaves one too. */
static void
never(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	guest_exit(4);
}

TEST(a_frame_that_cannot_be_written)
{
	int pid;

	CHILD(pid, RLIM_INFINITY, {
		guest_handle(SIGUSR1, never, 0);
		int self = (int)sys(SYS_getpid);
		__asm__ volatile("mov %0, %%edi; mov %1, %%esi; mov %2, %%eax; mov $0x10, %%rsp; syscall"
		    : : "r"(self), "i"(SIGUSR1), "i"(SYS_kill) : "rdi", "rsi", "rax", "rcx", "r11");
	});
	ended(pid, SIGILL, 1);
	read_core();
}

TEST(limits)
{
	struct stat st;
	int pid;

	CHILD(pid, 0, fault());
	ended(pid, SIGSEGV, 0);
	CHECK_ERR(sys(SYS_open, core_path, O_RDONLY), ENOENT);
	CHILD(pid, RLIM_INFINITY, allow(0); fault());
	ended(pid, SIGSEGV, 0);
	CHECK_ERR(sys(SYS_open, core_path, O_RDONLY), ENOENT);
	/* Too large: there is a file, and nothing in it. */
	CHILD(pid, 8192, fault());
	ended(pid, SIGSEGV, 0);
	CHECK_EQ(guest_stat(core_path, &st), 0);
	CHECK_EQ(st.st_size, 0);
}

TEST(where_none_is_written)
{
	struct stat st;
	int pid, fd, disable = PROC_TRACE_CTL_DISABLE;

	CHILD(pid, RLIM_INFINITY, {
		CHECK_EQ(sys(SYS_procctl, P_PID, sys(SYS_getpid), PROC_TRACE_CTL, &disable), 0);
		fault();
	});
	ended(pid, SIGSEGV, 0);
	CHECK_ERR(sys(SYS_open, core_path, O_RDONLY), ENOENT);

	/* A link, a folder, a file with two names: not through them. */
	name_core();
	CHECK_EQ(sys(SYS_symlink, "elsewhere", core_path), 0);
	pid = guest_fork();
	if (pid == 0) {
		allow(RLIM_INFINITY);
		fault();
	}
	ended(pid, SIGSEGV, 0);
	CHECK_ERR(sys(SYS_open, "elsewhere", O_RDONLY), ENOENT);
	sys(SYS_unlink, core_path);
	fd = (int)CHECK_OK(sys(SYS_open, "original", O_RDWR | O_CREAT, 0600));
	CHECK_EQ(sys(SYS_write, fd, "precious", 8), 8);
	CHECK_EQ(sys(SYS_link, "original", core_path), 0);
	pid = guest_fork();
	if (pid == 0) {
		allow(RLIM_INFINITY);
		fault();
	}
	ended(pid, SIGSEGV, 0);
	CHECK_EQ(guest_stat("original", &st), 0);
	CHECK_EQ(st.st_size, 8);
	/* What was there before is replaced. */
	sys(SYS_unlink, "original");
	pid = guest_fork();
	if (pid == 0) {
		allow(RLIM_INFINITY);
		fault();
	}
	ended(pid, SIGSEGV, 1);
	read_core();
}

static volatile int told_code, told_status;

static void
child_ended(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)context;
	told_code = info->si_code;
	told_status = info->si_status;
}

TEST(who_is_told)
{
	struct kevent event = { 0 };
	struct timespec none = { 5, 0 };
	siginfo_t info;
	int pid, kq, status;

	guest_handle(SIGCHLD, child_ended, SA_RESTART);
	kq = (int)CHECK_OK(sys(SYS_kqueue));
	CHILD(pid, RLIM_INFINITY, guest_sleep_ms(30); fault());
	EV_SET(&event, pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0, NULL);
	CHECK_EQ(sys(SYS_kevent, kq, &event, 1, NULL, 0, NULL), 0);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, &event, 1, &none), 1);
	CHECK_EQ(event.data, SIGSEGV | WCOREFLAG);
	while (told_code == 0)
		guest_sleep_ms(1);
	CHECK_EQ(told_code, CLD_DUMPED);
	CHECK_EQ(told_status, SIGSEGV);
	memset(&info, 0, sizeof(info));
	CHECK_EQ(sys(SYS_wait6, P_PID, pid, &status, WEXITED | WNOWAIT, NULL, &info), pid);
	CHECK_EQ(info.si_code, CLD_DUMPED);
	CHECK_EQ(info.si_status, SIGSEGV);
	CHECK_EQ(status, SIGSEGV | WCOREFLAG);
	ended(pid, SIGSEGV, 1);
}

/* Its memory is its parent's, which goes on. */
TEST(a_child_of_vfork)
{
	size_t size;
	int pid;

	name_core();
	allow(RLIM_INFINITY);
	pid = (int)sys(SYS_vfork);
	if (pid == 0)
		fault();
	ended(pid, SIGSEGV, 1);
	read_core();
	CHECK_EQ(((struct prpsinfo *)note(NT_PRPSINFO, 0, &size))->pr_pid, pid);
	CHECK_EQ(note(NT_PRSTATUS, 1, &size), NULL);
}

/* Text that a program maps for itself is dumped, as it stands in the file, and holds no jump of anybody's. */
TEST(text_is_the_program_s_own)
{
	static const u8 text[] = { 0xb8, SYS_getppid, 0, 0, 0, 0x0f, 0x05, 0x0f, 0x92, 0xc1, 0xc3, 0x90, 0x90, 0x90, 0x90, 0x90 };
	char *mapped;
	int pid, fd;

	fd = (int)CHECK_OK(sys(SYS_open, "text", O_RDWR | O_CREAT | O_TRUNC, 0700));
	CHECK_EQ(sys(SYS_write, fd, text, sizeof(text)), sizeof(text));
	mapped = (char *)CHECK_OK(sys(SYS_mmap, NULL, PAGE_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0));
	CHILD(pid, RLIM_INFINITY, {
		for (int i = 0; i < 200; i++)
			__asm__ volatile("call *%0" : : "r"(mapped) : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "memory");
		fault();
	});
	ended(pid, SIGSEGV, 1);
	read_core();
	CHECK_NE(at_address(mapped), NULL);
	CHECK_EQ(memcmp(at_address(mapped), text, sizeof(text)), 0);
}
