/* mmap(2) and its kin (sys/vm/vm_mmap.c), break. */
#include "guest.h"

#define RW (PROT_READ | PROT_WRITE)
#define MAP(addr, size, prot, flags, fd, pos) sys(SYS_mmap, addr, size, prot, flags, fd, pos)
#define PAGE 4096UL

/* 1 if the byte can be read: write(2) of it to a pipe does not fault the program. */
static int
readable(const void *p)
{
	static int ends[2];
	char c;

	if (ends[1] == 0)
		CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	long ret = sys(SYS_write, ends[1], p, 1);
	if (ret == -EFAULT)
		return (0);
	CHECK_EQ(ret, 1);
	CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 1);
	return (1);
}

/* 1 if the byte can be written. */
static int
writable(void *p)
{
	static int ends[2];

	if (ends[1] == 0)
		CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_EQ(sys(SYS_write, ends[1], "w", 1), 1);
	long ret = sys(SYS_read, ends[0], p, 1);
	if (ret == -EFAULT) {
		char c;
		CHECK_EQ(sys(SYS_read, ends[0], &c, 1), 1);
		return (0);
	}
	CHECK_EQ(ret, 1);
	return (1);
}

TEST(anonymous)
{
	char *p = (char *)CHECK_OK(MAP(NULL, 3 * PAGE, RW, MAP_ANON | MAP_PRIVATE, -1, 0));

	CHECK_EQ((u64)p % PAGE, 0);
	for (u64 i = 0; i < 3 * PAGE; i++)
		CHECK_EQ(p[i], 0);
	p[0] = 1;
	CHECK_EQ(sys(SYS_munmap, p + PAGE, PAGE), 0);
	CHECK(readable(p) && !readable(p + PAGE) && readable(p + 2 * PAGE));
	/* Neither private nor shared means private here. */
	CHECK_OK(MAP(NULL, PAGE, RW, MAP_ANON, -1, 0));
	/* The size is rounded up. */
	p = (char *)CHECK_OK(MAP(NULL, 1, RW, MAP_ANON | MAP_PRIVATE, -1, 0));
	p[PAGE - 1] = 1;
}

TEST(refused_arguments)
{
	int fd = (int)CHECK_OK(sys(SYS_open, "file", O_RDWR | O_CREAT, 0644));

	CHECK_ERR(MAP(NULL, 0, RW, MAP_ANON | MAP_PRIVATE, -1, 0), EINVAL);
	CHECK_ERR(MAP(NULL, PAGE, RW, MAP_ANON | MAP_PRIVATE, fd, 0), EINVAL);
	CHECK_ERR(MAP(NULL, PAGE, RW, MAP_ANON | MAP_PRIVATE, -1, PAGE), EINVAL);
	CHECK_ERR(MAP(NULL, PAGE, RW, MAP_ANON | MAP_PRIVATE | MAP_SHARED, -1, 0), EINVAL);
	CHECK_ERR(MAP(NULL, PAGE, 0x80, MAP_ANON | MAP_PRIVATE, -1, 0), EINVAL);
	CHECK_ERR(MAP(NULL, PAGE, RW, MAP_ANON | MAP_PRIVATE | 0x80, -1, 0), EINVAL);
	CHECK_ERR(MAP(NULL, PAGE, RW, MAP_ANON | MAP_PRIVATE | 0x100, -1, 0), EINVAL);
	CHECK_ERR(MAP(0x10000000, PAGE, RW, MAP_ANON | MAP_PRIVATE | MAP_EXCL, -1, 0), EINVAL);
	CHECK_ERR(MAP(0x10000001, PAGE, RW, MAP_ANON | MAP_PRIVATE | MAP_FIXED, -1, 0), EINVAL);
	CHECK_ERR(MAP(0x800000000000, PAGE, RW, MAP_ANON | MAP_PRIVATE | MAP_FIXED, -1, 0), EINVAL);
	CHECK_ERR(MAP(-PAGE, 2 * PAGE, RW, MAP_ANON | MAP_PRIVATE | MAP_FIXED, -1, 0), EINVAL);
	CHECK_ERR(MAP(NULL, PAGE, RW, MAP_PRIVATE, 999, 0), EBADF);
	CHECK_ERR(MAP(NULL, PAGE, RW, MAP_PRIVATE, -1, 0), EBADF);
	/* Alignments from one page (12) to what an address has. */
	CHECK_ERR(MAP(NULL, PAGE, RW, MAP_ANON | MAP_PRIVATE | MAP_ALIGNED(11), -1, 0), EINVAL);
	CHECK_ERR(MAP(NULL, PAGE, RW, MAP_ANON | MAP_PRIVATE | MAP_ALIGNED(64), -1, 0), EINVAL);
	CHECK_ERR(MAP(NULL, 1UL << 60, RW, MAP_ANON | MAP_PRIVATE, -1, 0), ENOMEM);
}

TEST(fixed)
{
	char *p = (char *)CHECK_OK(MAP(NULL, 4 * PAGE, RW, MAP_ANON | MAP_PRIVATE, -1, 0));

	memset(p, 7, 4 * PAGE);
	CHECK_EQ(MAP(p + PAGE, PAGE, RW, MAP_ANON | MAP_PRIVATE | MAP_FIXED, -1, 0), p + PAGE);
	CHECK(p[0] == 7 && p[PAGE] == 0 && p[2 * PAGE] == 7);
	/* With MAP_EXCL nothing is replaced. */
	CHECK_ERR(MAP(p + PAGE, PAGE, RW, MAP_ANON | MAP_PRIVATE | MAP_FIXED | MAP_EXCL, -1, 0), ENOMEM);
	CHECK_ERR(MAP(p + 3 * PAGE, 2 * PAGE, RW, MAP_ANON | MAP_PRIVATE | MAP_FIXED | MAP_EXCL, -1, 0), ENOMEM);
	CHECK_EQ(p[3 * PAGE], 7);
	CHECK_EQ(sys(SYS_munmap, p + PAGE, PAGE), 0);
	CHECK_EQ(MAP(p + PAGE, PAGE, RW, MAP_ANON | MAP_PRIVATE | MAP_FIXED | MAP_EXCL, -1, 0), p + PAGE);
}

TEST(hints)
{
	char *p = (char *)CHECK_OK(MAP(NULL, 8 * PAGE, RW, MAP_ANON | MAP_PRIVATE, -1, 0));

	CHECK_EQ(sys(SYS_munmap, p, 8 * PAGE), 0);
	/* There or, where addresses are random, above (vm_map_find_locked). */
	char *hinted = (char *)CHECK_OK(MAP(p, PAGE, RW, MAP_ANON | MAP_PRIVATE, -1, 0));
	CHECK(hinted >= p);
	p = hinted;
	/* Taken: it goes elsewhere, and the old one is not touched. */
	p[0] = 5;
	char *q = (char *)CHECK_OK(MAP(p, PAGE, RW, MAP_ANON | MAP_PRIVATE, -1, 0));
	CHECK_NE(q, p);
	CHECK_EQ(p[0], 5);
}

TEST(low_addresses)
{
	char *p = (char *)CHECK_OK(MAP(NULL, 16 * PAGE, RW, MAP_ANON | MAP_PRIVATE | MAP_32BIT, -1, 0));

	CHECK((u64)p + 16 * PAGE <= 0x80000000UL);
	p[0] = 1;
	CHECK_ERR(MAP(0x100000000, PAGE, RW, MAP_ANON | MAP_PRIVATE | MAP_FIXED | MAP_32BIT, -1, 0), EINVAL);
}

TEST(alignment)
{
	for (int bits = 12; bits <= 30; bits += 3) {
		u64 p = (u64)CHECK_OK(MAP(NULL, 3 * PAGE, RW, MAP_ANON | MAP_PRIVATE | MAP_ALIGNED(bits), -1, 0));
		CHECK_EQ(p & ((1UL << bits) - 1), 0);
		*(volatile char *)p = 1;
		*(volatile char *)(p + 2 * PAGE) = 1;
	}
	char *p = (char *)CHECK_OK(MAP(NULL, 4 << 20, RW, MAP_ANON | MAP_PRIVATE | MAP_ALIGNED_SUPER, -1, 0));
	p[(4 << 20) - 1] = 1;
}

/* RLIMIT_VMEM counts what is asked for (vm_mmap_object): an alignment takes no more. */
TEST(alignment_within_the_limit)
{
	u64 size = 4 << 20, fails = 0, works = 1UL << 40, p;
	struct rlimit limit;

	CHECK_EQ(sys(SYS_getrlimit, RLIMIT_VMEM, &limit), 0);
	if (limit.rlim_max < works)
		SKIP("too low a limit");
	while (works - fails > PAGE) {
		limit.rlim_cur = (fails + works) / 2;
		CHECK_EQ(sys(SYS_setrlimit, RLIMIT_VMEM, &limit), 0);
		p = (u64)MAP(NULL, size, RW, MAP_ANON | MAP_PRIVATE, -1, 0);
		if ((i64)p > 0) {
			CHECK_EQ(sys(SYS_munmap, p, size), 0);
			works = limit.rlim_cur;
		} else
			fails = limit.rlim_cur;
	}
	limit.rlim_cur = works;
	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_VMEM, &limit), 0);
	for (int bits = 14; bits <= 26; bits += 4) {
		p = (u64)CHECK_OK(MAP(NULL, size, RW, MAP_ANON | MAP_PRIVATE | MAP_ALIGNED(bits), -1, 0));
		CHECK_EQ(p & ((1UL << bits) - 1), 0);
		*(volatile char *)(p + size - 1) = 1;
		CHECK_ERR(MAP(NULL, size, RW, MAP_ANON | MAP_PRIVATE | MAP_ALIGNED(bits), -1, 0), ENOMEM);
		CHECK_EQ(sys(SYS_munmap, p, size), 0);
	}
}

TEST(guard)
{
	char *p = (char *)CHECK_OK(MAP(NULL, 4 * PAGE, PROT_NONE, MAP_GUARD, -1, 0));

	CHECK(!readable(p) && !readable(p + 3 * PAGE));
	/* A guard reserves: a hint into it goes elsewhere, MAP_FIXED replaces it. */
	CHECK_NE(MAP(p, PAGE, RW, MAP_ANON | MAP_PRIVATE, -1, 0), p);
	CHECK_EQ(MAP(p + PAGE, PAGE, RW, MAP_ANON | MAP_PRIVATE | MAP_FIXED, -1, 0), p + PAGE);
	CHECK(writable(p + PAGE));
	CHECK_ERR(MAP(NULL, PAGE, PROT_READ, MAP_GUARD, -1, 0), EINVAL);
	CHECK_ERR(MAP(NULL, PAGE, PROT_NONE, MAP_GUARD | MAP_ANON, -1, 0), EINVAL);
	CHECK_ERR(MAP(NULL, PAGE, PROT_NONE, MAP_GUARD | MAP_PRIVATE, -1, 0), EINVAL);
	CHECK_ERR(MAP(NULL, PAGE, PROT_NONE, MAP_GUARD, 0, 0), EINVAL);
	CHECK_ERR(MAP(NULL, PAGE, PROT_NONE, MAP_GUARD, -1, PAGE), EINVAL);
	/* Protection of a guard cannot be raised; mprotect passes over it. */
	CHECK_OK(sys(SYS_mprotect, p, PAGE, RW));
	CHECK(!readable(p));
}

TEST(stack)
{
	u64 size = 1 << 20;
	char *p = (char *)CHECK_OK(MAP(NULL, size, RW, MAP_STACK, -1, 0));

	/* All but the guard page at its lower end is there when it is used, from the top down. */
	for (u64 at = size - 1; at > 2 * PAGE; at -= PAGE)
		((volatile char *)p)[at] = 1;
	CHECK_ERR(MAP(NULL, size, PROT_READ, MAP_STACK, -1, 0), EINVAL);
	CHECK_ERR(MAP(NULL, size, RW, MAP_STACK, 0, 0), EINVAL);
	CHECK_OK(MAP(NULL, size, RW | PROT_EXEC, MAP_STACK | MAP_ANON | MAP_PRIVATE, -1, 0));
	CHECK_EQ(sys(SYS_munmap, p, size), 0);
}

TEST(other_flags)
{
	int fd = (int)CHECK_OK(sys(SYS_open, "file", O_RDWR | O_CREAT, 0644));

	CHECK_EQ(sys(SYS_ftruncate, fd, PAGE), 0);
	CHECK_OK(MAP(NULL, PAGE, RW, MAP_ANON | MAP_PRIVATE | MAP_NOCORE, -1, 0));
	CHECK_OK(MAP(NULL, PAGE, RW, MAP_ANON | MAP_PRIVATE | MAP_NOSYNC, -1, 0));
	CHECK_OK(MAP(NULL, PAGE, RW, MAP_ANON | MAP_SHARED | MAP_HASSEMAPHORE, -1, 0));
	CHECK_OK(MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_PREFAULT_READ, fd, 0));
	CHECK_OK(MAP(NULL, PAGE, RW, MAP_SHARED | MAP_NOSYNC, fd, 0));
}

TEST(files)
{
	struct stat st;
	char buffer[16];

	guest_put("file", "0123456789", 10);
	int fd = (int)CHECK_OK(sys(SYS_open, "file", O_RDWR, 0));
	char *shared = (char *)CHECK_OK(MAP(NULL, PAGE, RW, MAP_SHARED, fd, 0));
	char *private = (char *)CHECK_OK(MAP(NULL, PAGE, RW, MAP_PRIVATE, fd, 0));
	CHECK(memcmp(shared, "0123456789\0", 11) == 0);
	private[0] = 'p';
	CHECK_EQ(shared[0], '0');
	shared[1] = 's';
	CHECK_EQ(sys(SYS_msync, shared, PAGE, MS_SYNC), 0);
	CHECK_EQ(sys(SYS_pread, fd, buffer, 10, 0), 10);
	CHECK(memcmp(buffer, "0s23456789", 10) == 0);
	CHECK_EQ(sys(SYS_pwrite, fd, "w", 1, 9), 1);
	CHECK_EQ(shared[9], 'w');
	CHECK_EQ(sys(SYS_close, fd), 0);
	CHECK_EQ(shared[9], 'w');
	CHECK_EQ(guest_stat("file", &st), 0);
	CHECK_EQ(st.st_size, 10);
}

/* The offset need not be a multiple of the page: the address is as odd (mmap(2)). */
TEST(odd_offsets)
{
	guest_put("file", "0123456789", 10);
	int fd = (int)CHECK_OK(sys(SYS_open, "file", O_RDONLY, 0));
	char *p = (char *)CHECK_OK(MAP(NULL, 4, PROT_READ, MAP_PRIVATE, fd, 3));

	CHECK_EQ((u64)p % PAGE, 3);
	CHECK_EQ(p[0], '3');
	CHECK_EQ(sys(SYS_munmap, p, 4), 0);
	char *room = (char *)CHECK_OK(MAP(NULL, PAGE, RW, MAP_ANON | MAP_PRIVATE, -1, 0));
	CHECK_EQ(MAP(room + 5, 4, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 5), room + 5);
	CHECK_EQ(room[5], '5');
	CHECK_ERR(MAP(room + 4, 4, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 5), EINVAL);
}

TEST(files_refused)
{
	int ends[2];

	guest_put("file", "0123456789", 10);
	int r = (int)CHECK_OK(sys(SYS_open, "file", O_RDONLY, 0));
	int w = (int)CHECK_OK(sys(SYS_open, "file", O_WRONLY, 0));
	int d = (int)CHECK_OK(sys(SYS_open, ".", O_RDONLY, 0));
	CHECK_ERR(MAP(NULL, PAGE, PROT_READ, MAP_SHARED, w, 0), EACCES);
	CHECK_ERR(MAP(NULL, PAGE, RW, MAP_SHARED, r, 0), EACCES);
	CHECK_OK(MAP(NULL, PAGE, RW, MAP_PRIVATE, r, 0));
	/* A descriptor for writing alone is enough where the mapping is private and not for reading (vn_mmap). */
	char *own = (char *)CHECK_OK(MAP(NULL, PAGE, PROT_WRITE, MAP_PRIVATE, w, 0));
	own[0] = 'x';
	CHECK_EQ(own[1], '1');
	CHECK_OK(MAP(NULL, PAGE, PROT_NONE, MAP_PRIVATE, w, 0));
	CHECK_ERR(MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, w, 0), EACCES);
	CHECK_ERR(MAP(NULL, PAGE, RW, MAP_PRIVATE, w, 0), EACCES);
	char *p = (char *)CHECK_OK(MAP(NULL, PAGE, PROT_READ, MAP_SHARED, r, 0));
	CHECK_ERR(sys(SYS_mprotect, p, PAGE, RW), EACCES);
	CHECK_ERR(MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, d, 0), EINVAL);
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_ERR(MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, ends[0], 0), ENODEV);
}

TEST(devices)
{
	int zero = (int)CHECK_OK(sys(SYS_open, "/dev/zero", O_RDWR, 0));
	char *p = (char *)CHECK_OK(MAP(NULL, PAGE, RW, MAP_PRIVATE, zero, 0));

	CHECK_EQ(p[100], 0);
	p[100] = 1;
}

TEST(shared_with_a_child)
{
	int *shared = (int *)CHECK_OK(MAP(NULL, PAGE, RW, MAP_ANON | MAP_SHARED, -1, 0));
	int *private = (int *)CHECK_OK(MAP(NULL, PAGE, RW, MAP_ANON | MAP_PRIVATE, -1, 0));

	IN_CHILD({
		*shared = 42;
		*private = 42;
	});
	CHECK_EQ(*shared, 42);
	CHECK_EQ(*private, 0);
}

TEST(unmap)
{
	char *p = guest_map(4 * PAGE);

	CHECK_ERR(sys(SYS_munmap, p, 0), EINVAL);
	/* A size that wraps to nothing when it is rounded up is nothing (kern_munmap; so it is on FreeBSD 12.1 and 15.0). */
	CHECK_EQ(sys(SYS_munmap, p, -1L), 0);
	CHECK(readable(p));
	CHECK_ERR(sys(SYS_munmap, p, -PAGE), EINVAL);
	CHECK_ERR(sys(SYS_munmap, 0x800000000000, PAGE), EINVAL);
	/* Any part of a page counts for the page. */
	CHECK_EQ(sys(SYS_munmap, p + 10, 1), 0);
	CHECK(!readable(p) && readable(p + PAGE));
	CHECK_EQ(sys(SYS_munmap, p + PAGE + 4000, 200), 0);
	CHECK(!readable(p + PAGE) && !readable(p + 2 * PAGE) && readable(p + 3 * PAGE));
	/* What is not mapped may be unmapped. */
	CHECK_EQ(sys(SYS_munmap, p, 3 * PAGE), 0);
}

TEST(protect)
{
	char *p = guest_map(3 * PAGE);

	CHECK_EQ(sys(SYS_mprotect, p, PAGE, PROT_NONE), 0);
	CHECK(!readable(p) && writable(p + PAGE));
	CHECK_EQ(sys(SYS_mprotect, p, PAGE, PROT_READ), 0);
	CHECK(readable(p) && !writable(p));
	CHECK_EQ(sys(SYS_mprotect, p, PAGE, RW), 0);
	CHECK(writable(p));
	/* Rounded outwards. */
	CHECK_EQ(sys(SYS_mprotect, p + PAGE + 1, 1, PROT_READ), 0);
	CHECK(!writable(p + PAGE) && writable(p + 2 * PAGE));
	CHECK_ERR(sys(SYS_mprotect, p, PAGE, 0x80), EINVAL);
	CHECK_EQ(sys(SYS_mprotect, p, -1L, PROT_READ), 0);	/* as munmap */
	CHECK(writable(p));
	CHECK_ERR(sys(SYS_mprotect, p, -PAGE, PROT_READ), EINVAL);
	CHECK_EQ(sys(SYS_mprotect, p, 0, PROT_READ), 0);
	/* Code made at run time. */
	static const u8 code[] = { 0xb8, 42, 0, 0, 0, 0xc3 };
	memcpy(p + 2 * PAGE, code, sizeof(code));
	CHECK_EQ(sys(SYS_mprotect, p + 2 * PAGE, PAGE, PROT_READ | PROT_EXEC), 0);
	CHECK_EQ(((int (*)(void))(p + 2 * PAGE))(), 42);
}

/* PROT_MAX: what mprotect may give later. */
TEST(maximum_protection)
{
	char *p = (char *)CHECK_OK(MAP(NULL, PAGE, PROT_READ | PROT_MAX(RW), MAP_ANON | MAP_PRIVATE, -1, 0));

	CHECK_EQ(sys(SYS_mprotect, p, PAGE, RW), 0);
	CHECK_ERR(MAP(NULL, PAGE, RW | PROT_MAX(PROT_READ), MAP_ANON | MAP_PRIVATE, -1, 0), ENOTSUP);
	CHECK_ERR(sys(SYS_mprotect, p, PAGE, PROT_READ | PROT_EXEC), EACCES);
	CHECK_EQ(sys(SYS_mprotect, p, PAGE, PROT_READ | PROT_MAX(PROT_READ)), 0);
	CHECK_ERR(sys(SYS_mprotect, p, PAGE, RW), EACCES);
}

TEST(advice)
{
	char *p = guest_map(2 * PAGE);
	static const int harmless[] = { MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED, MADV_NOSYNC,
		MADV_AUTOSYNC, MADV_NOCORE, MADV_CORE };

	memset(p, 9, 2 * PAGE);
	/* MADV_DONTNEED only advises here: the contents stay. */
	for (size_t i = 0; i < nitems(harmless); i++) {
		CHECK_EQ(sys(SYS_madvise, p, 2 * PAGE, harmless[i]), 0);
		CHECK(p[0] == 9 && p[2 * PAGE - 1] == 9);
	}
	CHECK_EQ(sys(SYS_madvise, p, PAGE, MADV_FREE), 0);
	CHECK(p[0] == 9 || p[0] == 0);
	CHECK_EQ(p[PAGE], 9);
	CHECK_ERR(sys(SYS_madvise, p, PAGE, 77), EINVAL);
	CHECK_ERR(sys(SYS_madvise, p, -1L, MADV_NORMAL), EINVAL);
}

TEST(sync)
{
	guest_put("file", "0123456789", 10);
	int fd = (int)CHECK_OK(sys(SYS_open, "file", O_RDWR, 0));
	char *p = (char *)CHECK_OK(MAP(NULL, PAGE, RW, MAP_SHARED, fd, 0));

	CHECK_EQ(sys(SYS_msync, p, PAGE, MS_SYNC), 0);
	CHECK_EQ(sys(SYS_msync, p, PAGE, MS_ASYNC), 0);
	CHECK_EQ(sys(SYS_msync, p, PAGE, MS_INVALIDATE), 0);
	CHECK_ERR(sys(SYS_msync, p, PAGE, MS_ASYNC | MS_INVALIDATE), EINVAL);
	CHECK_EQ(sys(SYS_msync, p + 100, 10, MS_SYNC), 0);
	CHECK_EQ(sys(SYS_munmap, p, PAGE), 0);
	CHECK_ERR(sys(SYS_msync, p, PAGE, MS_SYNC), ENOMEM);
}

TEST(mincore)
{
	char *p = guest_map(4 * PAGE);
	u8 vec[5] = { 0xee, 0xee, 0xee, 0xee, 0xee };

	p[0] = 1;
	p[2 * PAGE] = 1;
	CHECK_EQ(sys(SYS_mincore, p, 4 * PAGE, vec), 0);
	CHECK_EQ(vec[0] & MINCORE_INCORE, MINCORE_INCORE);
	CHECK_EQ(vec[2] & MINCORE_INCORE, MINCORE_INCORE);
	CHECK_EQ(vec[4], 0xee);
	CHECK_EQ(sys(SYS_munmap, p + PAGE, PAGE), 0);
	CHECK_ERR(sys(SYS_mincore, p, 4 * PAGE, vec), ENOMEM);
	CHECK_ERR(sys(SYS_mincore, p, PAGE, 8), EFAULT);
}

/* kern_exec.c: the map of a program begins with the second page (security.bsd.map_at_zero is 0), for root too. */
/* A range without a byte: whether anything is mapped there matters to mincore and msync (kern_mincore, vm_map_sync). */
TEST(no_bytes)
{
	char vec = 9, *p = (char *)CHECK_OK(MAP(NULL, 3 * PAGE, RW, MAP_ANON | MAP_PRIVATE, -1, 0)), *gap = p + PAGE;
	static const u64 ends[] = { 0, 1UL << 47 };

	CHECK_EQ(sys(SYS_munmap, gap, PAGE), 0);
	CHECK_EQ(sys(SYS_mincore, p, 0, &vec), 0);
	CHECK_EQ(vec, 9);
	CHECK_ERR(sys(SYS_mincore, gap, 0, &vec), ENOMEM);
	for (int i = 0; i < 2; i++)
		CHECK_ERR(sys(SYS_mincore, ends[i], 0, &vec), ENOMEM);
	CHECK_EQ(sys(SYS_msync, p, 0, MS_SYNC), 0);
	CHECK_ERR(sys(SYS_msync, gap, 0, MS_SYNC), ENOMEM);
	CHECK_EQ(sys(SYS_madvise, gap, 0, MADV_DONTNEED), 0);
	CHECK_EQ(sys(SYS_mprotect, gap, 0, PROT_READ), 0);
	CHECK_EQ(sys(SYS_minherit, gap, 0, INHERIT_NONE), 0);
	CHECK_EQ(sys(SYS_mlock, gap, 0), 0);
	CHECK_EQ(sys(SYS_munlock, gap, 0), 0);
}

TEST(first_page)
{
	CHECK_ERR(MAP(NULL, PAGE, RW, MAP_ANON | MAP_PRIVATE | MAP_FIXED, -1, 0), EINVAL);
	CHECK_ERR(MAP(NULL, 16 * PAGE, RW, MAP_ANON | MAP_PRIVATE | MAP_FIXED, -1, 0), EINVAL);
	CHECK_ERR(sys(SYS_munmap, NULL, PAGE), EINVAL);
}

/* kern_mlock: RLIMIT_MEMLOCK binds everybody, in whole pages, with what is locked already. */
TEST(locks_have_a_limit)
{
	char *p = guest_map(8 * PAGE);
	struct rlimit limit = { 2 * PAGE, 2 * PAGE };

	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_MEMLOCK, &limit), 0);
	CHECK_ERR(sys(SYS_mlock, p, 3 * PAGE), ENOMEM);
	CHECK_ERR(sys(SYS_mlock, p + 1, 2 * PAGE), ENOMEM);
	CHECK_EQ(sys(SYS_mlock, p, 2 * PAGE), 0);
	CHECK_ERR(sys(SYS_mlock, p + 4 * PAGE, 1), ENOMEM);
	CHECK_EQ(sys(SYS_munlock, p, PAGE), 0);
	CHECK_EQ(sys(SYS_mlock, p + 4 * PAGE, 1), 0);
	CHECK_ERR(sys(SYS_mlock, p, -1L), EINVAL);
	limit.rlim_cur = limit.rlim_max = 1;
	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_MEMLOCK, &limit), 0);
	CHECK_ERR(sys(SYS_mlock, p + 6 * PAGE, 1), ENOMEM);
	IN_CHILD(CHECK_ERR(sys(SYS_mlock, p + 6 * PAGE, 1), ENOMEM));
}

TEST(locks)
{
	char *p = guest_map(2 * PAGE);

	CHECK_EQ(sys(SYS_mlock, p, PAGE), 0);
	CHECK_EQ(sys(SYS_munlock, p, PAGE), 0);
	CHECK_ERR(sys(SYS_mlockall, 0x77 & ~3), EINVAL);
	CHECK_EQ(sys(SYS_munlockall), 0);
	CHECK_EQ(sys(SYS_munmap, p, 2 * PAGE), 0);
	CHECK_ERR(sys(SYS_mlock, p, PAGE), ENOMEM);
}

TEST(inherit)
{
	char *p = guest_map(3 * PAGE);

	memset(p, 3, 3 * PAGE);
	CHECK_EQ(sys(SYS_minherit, p, PAGE, INHERIT_NONE), 0);
	CHECK_EQ(sys(SYS_minherit, p + PAGE, PAGE, INHERIT_ZERO), 0);
	CHECK_EQ(sys(SYS_minherit, p + 2 * PAGE, PAGE, INHERIT_COPY), 0);
	IN_CHILD({
		CHECK(!readable(p));
		CHECK_EQ(p[PAGE], 0);
		CHECK_EQ(p[2 * PAGE], 3);
	});
	CHECK(p[0] == 3 && p[PAGE] == 3);
	/* Back again. */
	CHECK_EQ(sys(SYS_minherit, p, 2 * PAGE, INHERIT_COPY), 0);
	IN_CHILD(CHECK(p[0] == 3 && p[PAGE] == 3));
	CHECK_ERR(sys(SYS_minherit, p, PAGE, 77), EINVAL);
}

TEST(inherit_share)
{
	char *p = guest_map(PAGE);

	CHECK_EQ(sys(SYS_minherit, p, PAGE, INHERIT_SHARE), 0);
	IN_CHILD(p[0] = 8);
	CHECK_EQ(p[0], 8);
}

extern char _end[];

TEST(break_)
{
	char *now = (char *)CHECK_OK(sys(SYS_break, 0));

	CHECK_EQ((u64)now % PAGE, 0);
	CHECK(now >= _end);
	CHECK_EQ(sys(SYS_break, now + 3 * PAGE), now + 3 * PAGE);
	for (u64 i = 0; i < 3 * PAGE; i++)
		CHECK_EQ(now[i], 0);
	memset(now, 1, 3 * PAGE);
	/* Rounded up to whole pages. */
	CHECK_EQ(sys(SYS_break, now + 3 * PAGE + 1), now + 4 * PAGE);
	CHECK_EQ(sys(SYS_break, 0), now + 4 * PAGE);
	now[4 * PAGE - 1] = 1;
	/* Shrinks, and what comes again is zero. */
	CHECK_EQ(sys(SYS_break, now + PAGE), now + PAGE);
	CHECK(readable(now) && !readable(now + PAGE));
	CHECK_EQ(sys(SYS_break, now + 2 * PAGE), now + 2 * PAGE);
	CHECK_EQ(now[PAGE], 0);
	CHECK_EQ(now[0], 1);
	IN_CHILD({
		CHECK_EQ(sys(SYS_break, 0), now + 2 * PAGE);
		CHECK_EQ(sys(SYS_break, now + 5 * PAGE), now + 5 * PAGE);
		now[4 * PAGE] = 1;
	});
	CHECK_EQ(sys(SYS_break, 0), now + 2 * PAGE);
}

/* Room above the program: nothing that asks for no place is put where the break goes. */
TEST(break_has_room)
{
	char *now = (char *)CHECK_OK(sys(SYS_break, 0));
	u64 step = 32 << 20;

	for (int i = 0; i < 16; i++) {
		char *p = (char *)CHECK_OK(MAP(NULL, (u64)(i + 1) << 20, RW, MAP_ANON | MAP_PRIVATE, -1, 0));
		CHECK((u64)p < (u64)now || (u64)p > (u64)now + 16 * step);
		CHECK_EQ(sys(SYS_break, now + step * (i + 1)), now + step * (i + 1));
		now[step * (i + 1) - 1] = 1;
	}
	CHECK_EQ(sys(SYS_break, now), now);
}

TEST(break_has_a_limit)
{
	struct rlimit rl = { 64 << 20, 64 << 20 };
	char *now = (char *)CHECK_OK(sys(SYS_break, 0));

	CHECK_ERR(sys(SYS_break, (u64)now + (1UL << 46)), ENOMEM);
	CHECK_EQ(sys(SYS_setrlimit, RLIMIT_DATA, &rl), 0);
	CHECK_ERR(sys(SYS_break, now + (128 << 20)), ENOMEM);
	CHECK_EQ(sys(SYS_break, now + (8 << 20)), now + (8 << 20));
}

#define WINDOW 0x6ffff0000000UL
#define WINDOW_SIZE (1UL << 20)

/* The shim's own pages are not the program's to change. */
/* judge: own, LSF's own memory */
TEST(shim_is_protected)
{
	for (u64 at = WINDOW; at < WINDOW + WINDOW_SIZE; at += WINDOW_SIZE - PAGE) {
		CHECK_ERR(sys(SYS_munmap, at, PAGE), EINVAL);
		CHECK_ERR(MAP(at, PAGE, RW, MAP_ANON | MAP_PRIVATE | MAP_FIXED, -1, 0), EINVAL);
		CHECK_ERR(sys(SYS_mprotect, at, PAGE, PROT_READ), EINVAL);
		CHECK_ERR(sys(SYS_mprotect, at, PAGE, RW | PROT_EXEC), EINVAL);
		CHECK_ERR(sys(SYS_madvise, at, PAGE, MADV_FREE), EINVAL);
		CHECK_ERR(sys(SYS_minherit, at, PAGE, INHERIT_NONE), EINVAL);
	}
	/* Nor as a part of a larger range. */
	CHECK_ERR(sys(SYS_munmap, WINDOW - PAGE, 2 * PAGE), EINVAL);
	CHECK_ERR(sys(SYS_munmap, WINDOW + WINDOW_SIZE - PAGE, 2 * PAGE), EINVAL);
	CHECK_ERR(sys(SYS_munmap, 0x600000000000, 0x100000000000), EINVAL);
	CHECK_ERR(MAP(WINDOW - PAGE, 2 * PAGE, RW, MAP_ANON | MAP_PRIVATE | MAP_FIXED, -1, 0), EINVAL);
	CHECK_ERR(sys(SYS_mprotect, WINDOW - PAGE, 4 * WINDOW_SIZE, PROT_NONE), EINVAL);
	CHECK_OK(sys(SYS_getpid));
	/* A hint there is only a hint. */
	u64 p = (u64)CHECK_OK(MAP(WINDOW, PAGE, RW, MAP_ANON | MAP_PRIVATE, -1, 0));
	CHECK(p + PAGE <= WINDOW || p >= WINDOW + WINDOW_SIZE);
}

TEST(large_and_many)
{
	u64 size = 8UL << 30;
	char *p = (char *)CHECK_OK(MAP(NULL, size, PROT_NONE, MAP_ANON | MAP_PRIVATE, -1, 0));

	CHECK_EQ(sys(SYS_mprotect, p + size / 2, PAGE, RW), 0);
	p[size / 2] = 1;
	CHECK_EQ(sys(SYS_munmap, p, size), 0);
	for (int i = 0; i < 2000; i++) {
		p = (char *)CHECK_OK(MAP(NULL, PAGE, RW, MAP_ANON | MAP_PRIVATE, -1, 0));
		p[0] = 1;
		if (i % 2 == 0)
			CHECK_EQ(sys(SYS_munmap, p, PAGE), 0);
	}
}
