/* shm_open2(2), shm_unlink(2), shm_rename(2), and the shm_open of FreeBSD 12 and before. */
#include "guest.h"

#define OLD_SHM_OPEN 482
#define SHM_OPEN(path, flags) sys(SYS_shm_open2, path, flags, 0600, 0, NULL)

static char names[4][64];

/* Names of this process alone: shared memory is the machine's. */
static void
make_names(void)
{
	for (int i = 0; i < 4; i++) {
		format(names[i], sizeof(names[i]), "/lsf-test.%d.%d", (int)sys(SYS_getpid), i);
		sys(SYS_shm_unlink, names[i]);
	}
}

TEST(named)
{
	struct stat st;
	char c[5];

	make_names();
	CHECK_ERR(SHM_OPEN(names[0], O_RDWR), ENOENT);
	int fd = (int)CHECK_OK(SHM_OPEN(names[0], O_RDWR | O_CREAT | O_CLOEXEC));
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFD, 0), FD_CLOEXEC);
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_size, 0);
	CHECK_EQ(st.st_mode & ALLPERMS, 0600);
	CHECK_EQ(sys(SYS_ftruncate, fd, 8192), 0);
	char *p = (void *)CHECK_OK(sys(SYS_mmap, NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	memcpy(p + 4096, "hello", 5);
	CHECK_ERR(SHM_OPEN(names[0], O_RDWR | O_CREAT | O_EXCL), EEXIST);
	int again = (int)CHECK_OK(SHM_OPEN(names[0], O_RDONLY));
	CHECK_EQ(sys(SYS_pread, again, c, 5, 4096), 5);
	CHECK(memcmp(c, "hello", 5) == 0);
	CHECK_ERR(sys(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0), EACCES);
	/* The name goes, the object stays while it is open. */
	CHECK_EQ(sys(SYS_shm_unlink, names[0]), 0);
	CHECK_ERR(sys(SYS_shm_unlink, names[0]), ENOENT);
	CHECK_ERR(SHM_OPEN(names[0], O_RDWR), ENOENT);
	CHECK_EQ(p[4096], 'h');
}

TEST(truncate)
{
	struct stat st;

	make_names();
	int fd = (int)CHECK_OK(SHM_OPEN(names[0], O_RDWR | O_CREAT));
	CHECK_EQ(sys(SYS_ftruncate, fd, 100), 0);
	CHECK_OK(SHM_OPEN(names[0], O_RDONLY | O_TRUNC));
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_size, 100);	/* only with O_RDWR */
	CHECK_OK(SHM_OPEN(names[0], O_RDWR | O_TRUNC));
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_size, 0);
	CHECK_EQ(sys(SYS_shm_unlink, names[0]), 0);
}

TEST(arguments)
{
	static char longest[1100];

	make_names();
	CHECK_ERR(SHM_OPEN("no-slash", O_RDWR | O_CREAT), EINVAL);
	CHECK_ERR(SHM_OPEN("", O_RDWR | O_CREAT), EINVAL);
	CHECK_ERR(SHM_OPEN(names[0], O_WRONLY | O_CREAT), EINVAL);
	CHECK_ERR(SHM_OPEN(names[0], O_RDWR | O_APPEND), EINVAL);
	CHECK_ERR(sys(SYS_shm_open2, names[0], O_RDWR, 0600, 0x80, NULL), EINVAL);
	CHECK_ERR(SHM_OPEN(8, O_RDWR), EFAULT);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[0] = '/';
	CHECK_ERR(SHM_OPEN(longest, O_RDWR | O_CREAT), ENAMETOOLONG);
	CHECK_ERR(sys(SYS_shm_unlink, "/lsf-test.never-there"), ENOENT);
}

/* A name is any string: with slashes, with dots, with a percent sign. */
TEST(names)
{
	static const char *const odd[] = { "/%s/a/b", "/..%s", "/%s%%2f", "/%s:x", "/%s/./x" };
	char name[80], pid[24];
	int fds[5];
	struct stat st;

	format(pid, sizeof(pid), "lsf-test-%d", (int)sys(SYS_getpid));
	for (int i = 0; i < 5; i++) {
		format(name, sizeof(name), odd[i], pid);
		fds[i] = (int)CHECK_OK(SHM_OPEN(name, O_RDWR | O_CREAT | O_EXCL));
		CHECK_EQ(sys(SYS_ftruncate, fds[i], i + 1), 0);
	}
	for (int i = 0; i < 5; i++) {
		format(name, sizeof(name), odd[i], pid);
		int fd = (int)CHECK_OK(SHM_OPEN(name, O_RDONLY));
		CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
		CHECK_EQ(st.st_size, i + 1);
		CHECK_EQ(sys(SYS_shm_unlink, name), 0);
	}
}

TEST(rename)
{
	make_names();
	int a = (int)CHECK_OK(SHM_OPEN(names[0], O_RDWR | O_CREAT)), b = (int)CHECK_OK(SHM_OPEN(names[1], O_RDWR | O_CREAT));
	struct stat st;

	CHECK_EQ(sys(SYS_ftruncate, a, 1), 0);
	CHECK_EQ(sys(SYS_ftruncate, b, 2), 0);
	CHECK_ERR(sys(SYS_shm_rename, names[0], names[1], SHM_RENAME_NOREPLACE), EEXIST);
	CHECK_ERR(sys(SYS_shm_rename, names[2], names[1], 0), ENOENT);
	CHECK_ERR(sys(SYS_shm_rename, names[0], names[1], SHM_RENAME_NOREPLACE | SHM_RENAME_EXCHANGE), EINVAL);
	CHECK_EQ(sys(SYS_shm_rename, names[0], names[1], SHM_RENAME_EXCHANGE), 0);
	int fd = (int)CHECK_OK(SHM_OPEN(names[0], O_RDONLY));
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_size, 2);
	CHECK_EQ(sys(SYS_shm_rename, names[0], names[1], 0), 0);
	CHECK_ERR(SHM_OPEN(names[0], O_RDONLY), ENOENT);
	fd = (int)CHECK_OK(SHM_OPEN(names[1], O_RDONLY));
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_size, 2);
	CHECK_EQ(sys(SYS_shm_unlink, names[1]), 0);
}

TEST(anonymous)
{
	struct stat st;

	int fd = (int)CHECK_OK(sys(SYS_shm_open2, SHM_ANON, O_RDWR | O_CLOEXEC, 0, SHM_GROW_ON_WRITE, "memfd:name"));
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFD, 0), FD_CLOEXEC);
	CHECK_EQ(sys(SYS_write, fd, "abc", 3), 3);
	CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
	CHECK_EQ(st.st_size, 3);
	int other = (int)CHECK_OK(SHM_OPEN(SHM_ANON, O_RDWR));
	CHECK_EQ(sys(SYS_fstat, other, &st), 0);
	CHECK_EQ(st.st_size, 0);
	CHECK_EQ(sys(SYS_fcntl, other, F_GETFD, 0), 0);
	CHECK_ERR(SHM_OPEN(SHM_ANON, O_RDONLY), EINVAL);
}

TEST(seals)
{
	int fd = (int)CHECK_OK(sys(SYS_shm_open2, SHM_ANON, O_RDWR, 0, SHM_ALLOW_SEALING, NULL));

	CHECK_EQ(sys(SYS_fcntl, fd, F_GET_SEALS, 0), 0);
	CHECK_EQ(sys(SYS_ftruncate, fd, 100), 0);
	CHECK_EQ(sys(SYS_fcntl, fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	CHECK_ERR(sys(SYS_ftruncate, fd, 50), EPERM);
	CHECK_EQ(sys(SYS_ftruncate, fd, 200), 0);
	CHECK_EQ(sys(SYS_fcntl, fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SEAL), 0);
	CHECK_EQ(sys(SYS_fcntl, fd, F_GET_SEALS, 0), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	CHECK_ERR(sys(SYS_fcntl, fd, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
	int closed = (int)CHECK_OK(SHM_OPEN(SHM_ANON, O_RDWR));
	CHECK_EQ(sys(SYS_fcntl, closed, F_GET_SEALS, 0), F_SEAL_SEAL);
	CHECK_ERR(sys(SYS_fcntl, closed, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	CHECK_ERR(sys(SYS_fcntl, 0, F_GET_SEALS, 0), EINVAL);
	/* shm_mmap: what is sealed against writing is not mapped for it. */
	fd = (int)CHECK_OK(sys(SYS_shm_open2, SHM_ANON, O_RDWR, 0, SHM_ALLOW_SEALING, NULL));
	CHECK_EQ(sys(SYS_ftruncate, fd, 4096), 0);
	CHECK_EQ(sys(SYS_fcntl, fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	CHECK_ERR(sys(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EACCES);
	CHECK_OK(sys(SYS_mmap, NULL, 4096, PROT_READ, MAP_SHARED, fd, 0));
	CHECK_OK(sys(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
}

TEST(old_call)
{
	make_names();
	int fd = (int)CHECK_OK(sys(OLD_SHM_OPEN, names[0], O_RDWR | O_CREAT, 0600));
	CHECK_EQ(sys(SYS_fcntl, fd, F_GETFD, 0), FD_CLOEXEC);
	CHECK_OK(sys(OLD_SHM_OPEN, SHM_ANON, O_RDWR, 0600));
	CHECK_EQ(sys(SYS_shm_unlink, names[0]), 0);
}

TEST(shared_with_a_child)
{
	int fd = (int)CHECK_OK(SHM_OPEN(SHM_ANON, O_RDWR));

	CHECK_EQ(sys(SYS_ftruncate, fd, 4096), 0);
	volatile int *p = (void *)CHECK_OK(sys(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	IN_CHILD(*p = 77);
	CHECK_EQ(*p, 77);
}

/* A descriptor of it: its blocks are pages, its offset ends where it does, and it has no locks (shm_stat, shm_seek, sys_flock). */
TEST(descriptor)
{
	struct flock l = { .l_type = F_WRLCK };
	struct stat st;

	make_names();
	for (int i = 0; i < 2; i++) {
		int fd = (int)CHECK_OK(i ? SHM_OPEN(names[0], O_RDWR | O_CREAT) : SHM_OPEN(SHM_ANON, O_RDWR));
		CHECK_EQ(sys(SYS_ftruncate, fd, 20000), 0);
		CHECK_EQ(sys(SYS_pwrite, fd, "x", 1, 5000), 1);
		CHECK_EQ(sys(SYS_pwrite, fd, "x", 1, 10000), 1);
		for (int copy = 0; copy < 2; copy++) {
			CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
			CHECK_EQ(st.st_size, 20000);
			CHECK_EQ(st.st_blksize, 4096);
			CHECK_EQ(st.st_blocks, 2);
			CHECK_EQ(sys(SYS_lseek, fd, 20000, SEEK_SET), 20000);
			CHECK_EQ(sys(SYS_lseek, fd, 0, SEEK_END), 20000);
			CHECK_ERR(sys(SYS_lseek, fd, 1, SEEK_CUR), EINVAL);
			CHECK_ERR(sys(SYS_lseek, fd, 20001, SEEK_SET), EINVAL);
			CHECK_ERR(sys(SYS_lseek, fd, 1, SEEK_END), EINVAL);
			CHECK_ERR(sys(SYS_lseek, fd, -1, SEEK_SET), EINVAL);
			CHECK_ERR(sys(SYS_lseek, fd, 0x7fffffffffffffff, SEEK_END), EOVERFLOW);
			CHECK_EQ(sys(SYS_lseek, fd, -20000, SEEK_CUR), 0);
			CHECK_ERR(sys(SYS_flock, fd, 2 | 4 /* LOCK_EX | LOCK_NB */), EOPNOTSUPP);
			CHECK_ERR(sys(SYS_flock, fd, 8 /* LOCK_UN */), EOPNOTSUPP);
			CHECK_ERR(sys(SYS_fcntl, fd, F_SETLK, &l), EBADF);
			CHECK_ERR(sys(SYS_fcntl, fd, F_GETLK, &l), EBADF);
			fd = (int)CHECK_OK(sys(SYS_dup, fd));
		}
	}
	CHECK_EQ(sys(SYS_shm_unlink, names[0]), 0);
}
