/* getdirentries(2) with FreeBSD's 64-bit struct dirent. */
#include "guest.h"
#include <sys/dirent.h>

#define ENTRIES 2000
static char names[ENTRIES + 2][32];
static off_t offsets[ENTRIES + 2];
static u8 seen[ENTRIES];

static void
make_directory(int entries)
{
	char name[64];

	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	CHECK_EQ(sys(SYS_chdir, "dir"), 0);
	for (int i = 0; i < entries; i++) {
		format(name, sizeof(name), "file-%d", i);
		CHECK_EQ(sys(SYS_close, CHECK_OK(sys(SYS_open, name, O_CREAT | O_WRONLY, 0644))), 0);
	}
	CHECK_EQ(sys(SYS_chdir, ".."), 0);
}

/* Checks one block; notes names and offsets from `count` on and returns the new count. */
static int
take(const char *buffer, long n, int count)
{
	for (long at = 0; at < n;) {
		const struct dirent *d = (const void *)(buffer + at);
		CHECK(at + d->d_reclen <= n);
		CHECK_EQ(d->d_reclen % 8, 0);
		CHECK_EQ(d->d_reclen, (__builtin_offsetof(struct dirent, d_name) + d->d_namlen + 1 + 7) & ~7UL);
		CHECK_EQ(strlen(d->d_name), d->d_namlen);
		for (int i = d->d_namlen; i < d->d_reclen - (int)__builtin_offsetof(struct dirent, d_name); i++)
			CHECK_EQ(d->d_name[i], 0);
		CHECK_EQ(d->d_pad0, 0);
		CHECK_EQ(d->d_pad1, 0);
		CHECK_NE(d->d_fileno, 0);
		CHECK(count < ENTRIES + 2);
		CHECK(d->d_namlen < sizeof(names[0]));
		memcpy(names[count], d->d_name, d->d_namlen + 1);
		offsets[count] = d->d_off;
		if (guest_starts(d->d_name, "file-")) {
			CHECK_EQ(d->d_type, DT_REG);
			CHECK_EQ(seen[guest_number(d->d_name + 5)]++, 0);
		} else {
			CHECK_EQ(d->d_type, DT_DIR);
			CHECK(guest_strcmp(d->d_name, ".") == 0 || guest_strcmp(d->d_name, "..") == 0);
		}
		count++;
		at += d->d_reclen;
	}
	return (count);
}

static int
read_all(int fd, size_t size)
{
	static char buffer[65536];
	off_t base;
	long n;
	int count = 0;

	memset(seen, 0, sizeof(seen));
	while ((n = CHECK_OK(sys(SYS_getdirentries, fd, buffer, size, &base))) > 0)
		count = take(buffer, n, count);
	/* The end stays the end. */
	CHECK_EQ(sys(SYS_getdirentries, fd, buffer, size, &base), 0);
	return (count);
}

TEST(many_entries)
{
	static const size_t sizes[] = { 512, 1024, 4096, 65536, 1000 };

	make_directory(ENTRIES);
	int fd = (int)CHECK_OK(sys(SYS_open, "dir", O_RDONLY | O_DIRECTORY, 0));
	for (size_t i = 0; i < nitems(sizes); i++) {
		CHECK_EQ(sys(SYS_lseek, fd, 0, SEEK_SET), 0);
		CHECK_EQ(read_all(fd, sizes[i]), ENTRIES + 2);
		for (int e = 0; e < ENTRIES; e++)
			CHECK_EQ(seen[e], 1);
	}
}

TEST(inodes_match_stat)
{
	static char buffer[4096];
	struct stat st;

	make_directory(20);
	int fd = (int)CHECK_OK(sys(SYS_open, "dir", O_RDONLY, 0));
	long n = CHECK_OK(sys(SYS_getdirentries, fd, buffer, sizeof(buffer), NULL));
	for (long at = 0; at < n;) {
		const struct dirent *d = (const void *)(buffer + at);
		CHECK_EQ(sys(SYS_fstatat, fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW), 0);
		if (guest_strcmp(d->d_name, "..") != 0)
			CHECK_EQ(d->d_fileno, st.st_ino);
		at += d->d_reclen;
	}
}

/* d_off is where the next entry is: lseek to it continues there, also from other blocks (telldir and seekdir). */
TEST(seek_to_an_entry)
{
	static char buffer[65536];

	make_directory(500);
	int fd = (int)CHECK_OK(sys(SYS_open, "dir", O_RDONLY, 0));
	CHECK_EQ(read_all(fd, 4096), 502);
	for (int i = 0; i < 501; i += 37) {
		CHECK_EQ(sys(SYS_lseek, fd, offsets[i], SEEK_SET), offsets[i]);
		CHECK(CHECK_OK(sys(SYS_getdirentries, fd, buffer, sizeof(buffer), NULL)) > 0);
		CHECK_STR(((struct dirent *)buffer)->d_name, names[i + 1]);
	}
	CHECK_EQ(sys(SYS_lseek, fd, offsets[501], SEEK_SET), offsets[501]);
	CHECK_EQ(sys(SYS_getdirentries, fd, buffer, sizeof(buffer), NULL), 0);
}

/* *basep is the position of the block: lseek to it reads the same block again. */
TEST(base_of_a_block)
{
	static char first[2048], again[2048];
	off_t base, base2;

	make_directory(300);
	int fd = (int)CHECK_OK(sys(SYS_open, "dir", O_RDONLY, 0));
	CHECK_OK(sys(SYS_getdirentries, fd, first, sizeof(first), &base));
	CHECK_EQ(base, 0);
	for (int i = 0; i < 3; i++) {
		off_t before = sys(SYS_lseek, fd, 0, SEEK_CUR);
		long n = CHECK_OK(sys(SYS_getdirentries, fd, first, sizeof(first), &base));
		CHECK_EQ(base, before);
		off_t after = sys(SYS_lseek, fd, 0, SEEK_CUR);
		CHECK_EQ(sys(SYS_lseek, fd, base, SEEK_SET), base);
		CHECK_EQ(sys(SYS_getdirentries, fd, again, sizeof(again), &base2), n);
		CHECK_EQ(base2, base);
		CHECK(memcmp(first, again, (size_t)n) == 0);
		CHECK_EQ(sys(SYS_lseek, fd, 0, SEEK_CUR), after);
	}
}

/* The same while nothing but getdirentries moves the offset, and while a duplicate and another directory are read. */
TEST(base_of_every_block)
{
	static char blocks[8][1024], again[1024];
	static long lengths[8];
	static off_t bases[8];
	off_t base;

	make_directory(150);
	CHECK_EQ(sys(SYS_mkdir, "other", 0755), 0);
	int fd = (int)CHECK_OK(sys(SYS_open, "dir", O_RDONLY, 0)), copy = (int)CHECK_OK(sys(SYS_dup, fd));
	int other = (int)CHECK_OK(sys(SYS_open, "other", O_RDONLY, 0));
	for (int i = 0; i < 5; i++) {
		lengths[i] = CHECK_OK(sys(SYS_getdirentries, i == 3 ? copy : fd, blocks[i], 1024, &bases[i]));
		CHECK(lengths[i] > 0);
		if (i == 1)
			CHECK_OK(sys(SYS_getdirentries, other, again, sizeof(again), &base));
	}
	/* A new file under the number of a closed one begins at its own start. */
	CHECK_EQ(sys(SYS_close, fd), 0);
	CHECK_EQ(sys(SYS_open, "other", O_RDONLY, 0), fd);
	CHECK_OK(sys(SYS_getdirentries, fd, again, sizeof(again), &base));
	CHECK_EQ(base, 0);
	CHECK_EQ(sys(SYS_dup2, copy, fd), fd);
	off_t here = sys(SYS_lseek, copy, 0, SEEK_CUR);
	CHECK_OK(sys(SYS_getdirentries, fd, again, sizeof(again), &base));
	CHECK_EQ(base, here);
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(sys(SYS_lseek, fd, bases[i], SEEK_SET), bases[i]);
		CHECK_EQ(sys(SYS_getdirentries, fd, again, 1024, &base), lengths[i]);
		CHECK_EQ(base, bases[i]);
		CHECK(memcmp(blocks[i], again, (size_t)lengths[i]) == 0);
	}
}

TEST(long_names)
{
	char name[256];
	static char buffer[4096];
	int found = 0;

	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	int dir = (int)CHECK_OK(sys(SYS_open, "dir", O_RDONLY, 0));
	memset(name, 'x', 255);
	name[255] = '\0';
	CHECK_OK(sys(SYS_openat, dir, name, O_CREAT | O_WRONLY, 0644));
	for (int len = 1; len < 20; len++) {
		name[len] = '\0';
		CHECK_OK(sys(SYS_openat, dir, name, O_CREAT | O_WRONLY, 0644));
		name[len] = 'x';
	}
	long n;
	while ((n = CHECK_OK(sys(SYS_getdirentries, dir, buffer, 512, NULL))) > 0)
		for (long at = 0; at < n;) {
			const struct dirent *d = (const void *)(buffer + at);
			CHECK_EQ(d->d_reclen, (24 + d->d_namlen + 1 + 7) & ~7);
			found += d->d_name[0] == 'x';
			at += d->d_reclen;
		}
	CHECK_EQ(found, 20);
}

TEST(types)
{
	static char buffer[4096];
	int found = 0;

	CHECK_EQ(sys(SYS_mkdir, "dir", 0755), 0);
	CHECK_EQ(sys(SYS_mkdir, "dir/d", 0755), 0);
	guest_put("dir/f", "", 0);
	CHECK_EQ(sys(SYS_symlink, "nowhere", "dir/l"), 0);
	CHECK_EQ(sys(SYS_mkfifo, "dir/p", 0644), 0);
	int fd = (int)CHECK_OK(sys(SYS_open, "dir", O_RDONLY, 0));
	long n = CHECK_OK(sys(SYS_getdirentries, fd, buffer, sizeof(buffer), NULL));
	for (long at = 0; at < n;) {
		const struct dirent *d = (const void *)(buffer + at);
		int want = d->d_name[0] == 'f' ? DT_REG : d->d_name[0] == 'l' ? DT_LNK : d->d_name[0] == 'p' ? DT_FIFO : DT_DIR;
		CHECK_EQ(d->d_type, want);
		found++;
		at += d->d_reclen;
	}
	CHECK_EQ(found, 6);
}

TEST(errors)
{
	static char buffer[4096];
	int ends[2];

	make_directory(3);
	guest_put("file", "x", 1);
	int fd = (int)CHECK_OK(sys(SYS_open, "dir", O_RDONLY, 0));	/* what a file says is in releases.c */
	CHECK_ERR(sys(SYS_getdirentries, 999, buffer, 4096, NULL), EBADF);
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_ERR(sys(SYS_getdirentries, ends[0], buffer, 4096, NULL), EINVAL);
	CHECK_ERR(sys(SYS_getdirentries, fd, buffer, 1UL << 63, NULL), EINVAL);	/* above IOSIZE_MAX */
	CHECK_ERR(sys(SYS_getdirentries, fd, 8, 4096, NULL), EFAULT);
	/* No entry fits. */
	CHECK_ERR(sys(SYS_getdirentries, fd, buffer, 16, NULL), EINVAL);
	/* After all these the directory can still be read from its start. */
	CHECK_EQ(read_all(fd, 4096), 5);
}

/* kern_getdirentries looks at the descriptor first; a directory that is removed has no entries to 14, and is not there to 15. */
TEST(removed)
{
	static char buffer[4096];

	CHECK_ERR(sys(SYS_getdirentries, CHECK_OK(sys(SYS_open, "file", O_WRONLY | O_CREAT, 0600)), buffer, 4096, NULL), EBADF);
	CHECK_EQ(sys(SYS_mkdir, "gone", 0755), 0);
	int fd = (int)CHECK_OK(sys(SYS_open, "gone", O_RDONLY | O_DIRECTORY, 0));
	CHECK_EQ(sys(SYS_rmdir, "gone"), 0);
#if GUEST_RELEASE >= 15
	CHECK_ERR(sys(SYS_getdirentries, fd, buffer, 4096, NULL), ENOENT);
#else
	CHECK_EQ(sys(SYS_getdirentries, fd, buffer, 4096, NULL), 0);
#endif
}

TEST(unlink_while_reading)
{
	static char buffer[1024];
	int removed = 0;
	long n;

	make_directory(400);
	int fd = (int)CHECK_OK(sys(SYS_open, "dir", O_RDONLY, 0));
	while ((n = CHECK_OK(sys(SYS_getdirentries, fd, buffer, sizeof(buffer), NULL))) > 0)
		for (long at = 0; at < n;) {
			const struct dirent *d = (const void *)(buffer + at);
			if (d->d_type == DT_REG) {
				CHECK_EQ(sys(SYS_unlinkat, fd, d->d_name, 0), 0);
				removed++;
			}
			at += d->d_reclen;
		}
	CHECK_EQ(removed, 400);
	CHECK_EQ(sys(SYS_rmdir, "dir"), 0);
}

/* Two descriptors of one directory, from two opens, have two positions; a duplicate shares it. */
TEST(positions)
{
	static char buffer[512];

	make_directory(100);
	int a = (int)CHECK_OK(sys(SYS_open, "dir", O_RDONLY, 0)), b = (int)CHECK_OK(sys(SYS_open, "dir", O_RDONLY, 0));
	int c = (int)CHECK_OK(sys(SYS_dup, a));
	CHECK_OK(sys(SYS_getdirentries, a, buffer, sizeof(buffer), NULL));
	CHECK_EQ(sys(SYS_lseek, b, 0, SEEK_CUR), 0);
	CHECK_EQ(sys(SYS_lseek, c, 0, SEEK_CUR), sys(SYS_lseek, a, 0, SEEK_CUR));
	CHECK_EQ(read_all(b, 512), 102);
}
