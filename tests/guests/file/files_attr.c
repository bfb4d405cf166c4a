/* Extended attributes, pathconf, what F_KINFO tells. */
#include "guest.h"
#include <sys/extattr.h>
#include <sys/user.h>

#define OPEN(path, flags) (int)CHECK_OK(sys(SYS_open, path, flags, 0644))

#define USER EXTATTR_NAMESPACE_USER

TEST(extended_attributes)
{
	char buffer[64];

	guest_put("a", "a", 1);
	long ret = sys(SYS_extattr_set_file, "a", USER, "one", "hello", 5);
	if (ret == -EOPNOTSUPP)
		SKIP("this file system has no user attributes");
	CHECK_EQ(ret, 5);
	int fd = OPEN("a", O_RDWR);
	memset(buffer, 'z', sizeof(buffer));
	CHECK_EQ(sys(SYS_extattr_get_file, "a", USER, "one", NULL, 0), 5);
	CHECK_EQ(sys(SYS_extattr_get_file, "a", USER, "one", buffer, 64), 5);
	CHECK(memcmp(buffer, "helloz", 6) == 0);
	/* What does not fit is left out, without an error. */
	memset(buffer, 'z', sizeof(buffer));
	CHECK_EQ(sys(SYS_extattr_get_fd, fd, USER, "one", buffer, 2), 2);
	CHECK(memcmp(buffer, "hez", 3) == 0);
	CHECK_EQ(sys(SYS_extattr_set_fd, fd, USER, "four", "12345678", 8), 8);
	CHECK_EQ(sys(SYS_extattr_get_link, "a", USER, "four", buffer, 64), 8);
	/* A list is a length byte and the name, each. */
	CHECK_EQ(sys(SYS_extattr_list_file, "a", USER, NULL, 0), 9);
	memset(buffer, 'z', sizeof(buffer));
	CHECK_EQ(sys(SYS_extattr_list_fd, fd, USER, buffer, 64), 9);
	CHECK((memcmp(buffer, "\003one\004fourz", 10) == 0) || (memcmp(buffer, "\004four\003onez", 10) == 0));
	memset(buffer, 'z', sizeof(buffer));
	CHECK_EQ(sys(SYS_extattr_list_link, "a", USER, buffer, 3), 3);
	CHECK_EQ(buffer[3], 'z');
	CHECK_EQ(sys(SYS_extattr_delete_file, "a", USER, "one"), 0);
	CHECK_ERR(sys(SYS_extattr_delete_file, "a", USER, "one"), ENOATTR);
	CHECK_ERR(sys(SYS_extattr_get_file, "a", USER, "one", buffer, 64), ENOATTR);
	CHECK_EQ(sys(SYS_extattr_delete_fd, fd, USER, "four"), 0);
	CHECK_EQ(sys(SYS_extattr_list_file, "a", USER, NULL, 0), 0);
}

TEST(extended_attribute_errors)
{
	char buffer[8], name[300];

	guest_put("a", "a", 1);
	CHECK_ERR(sys(SYS_extattr_get_file, "a", 77, "x", buffer, 8), EPERM);	/* vfs_subr.c, extattr_check_cred */
	CHECK_ERR(sys(SYS_extattr_get_file, "missing", USER, "x", buffer, 8), ENOENT);
	CHECK_ERR(sys(SYS_extattr_get_fd, 999, USER, "x", buffer, 8), EBADF);
	memset(name, 'n', sizeof(name));
	name[299] = '\0';
	CHECK_ERR(sys(SYS_extattr_get_file, "a", USER, name, buffer, 8), ENAMETOOLONG);
	long ret = sys(SYS_extattr_list_file, "a", EXTATTR_NAMESPACE_SYSTEM, NULL, 0);
	CHECK(ret == -EPERM || ret == -EOPNOTSUPP || (ret == 0 && sys(SYS_geteuid) == 0));
}

TEST(pathconf)
{
	int fd = OPEN(".", O_RDONLY), ends[2];
	struct stat st;

	CHECK_EQ(guest_stat(".", &st), 0);
	CHECK_EQ(sys(SYS_fpathconf, fd, _PC_NAME_MAX), 255);
	CHECK_EQ(sys(SYS_pathconf, ".", _PC_SYMLINK_MAX), 1024);
	CHECK_EQ(sys(SYS_pathconf, ".", _PC_PIPE_BUF), 512);
	CHECK_EQ(sys(SYS_pathconf, ".", _PC_NO_TRUNC), 1);
	CHECK_EQ(sys(SYS_pathconf, ".", _PC_CHOWN_RESTRICTED), 1);
	CHECK_EQ(sys(SYS_pathconf, ".", _PC_FILESIZEBITS), 64);
	CHECK_EQ(sys(SYS_pathconf, ".", _PC_REC_XFER_ALIGN), 4096);
	CHECK_EQ(sys(SYS_pathconf, ".", _PC_ASYNC_IO), 200112);
	CHECK_EQ(sys(SYS_pathconf, ".", _PC_ACL_NFS4), 0);
	CHECK_BETWEEN(sys(SYS_pathconf, ".", _PC_MIN_HOLE_SIZE), 512, 1 << 24);
	/* No limit is -1 without an error. */
	struct sysret r = guest_syscall(SYS_pathconf, (u64)".", _PC_REC_MAX_XFER_SIZE, 0, 0, 0, 0);
	CHECK(!r.failed);
	CHECK_EQ(r.value, -1L);
	guest_put("file", "", 0);
	CHECK_ERR(sys(SYS_pathconf, "file", _PC_PIPE_BUF), EINVAL);
	CHECK_ERR(sys(SYS_pathconf, "file", _PC_MAX_CANON), EINVAL);
	CHECK_EQ(sys(SYS_symlink, "missing", "s"), 0);
	CHECK_ERR(sys(SYS_pathconf, "s", _PC_NAME_MAX), ENOENT);
	CHECK_EQ(sys(SYS_lpathconf, "s", _PC_NAME_MAX), 255);
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_ERR(sys(SYS_fpathconf, ends[0], _PC_NAME_MAX), EINVAL);
}

TEST(kinfo)
{
	struct kinfo_file kf;
	char path[1100];
	int ends[2];

	_Static_assert(sizeof(kf) == KINFO_FILE_SIZE, "kinfo_file");
	CHECK_EQ(sys(SYS___getcwd, path, 1000), 0);
	format(path + strlen(path), 20, "/file");
	guest_put("file", "12345", 5);
	int fd = OPEN("file", O_RDWR | O_APPEND);
	CHECK_EQ(sys(SYS_lseek, fd, 3, SEEK_SET), 3);
	memset(&kf, 0x5a, sizeof(kf));
	kf.kf_structsize = sizeof(kf);
	CHECK_EQ(sys(SYS_fcntl, fd, F_KINFO, &kf), 0);
	CHECK_EQ(kf.kf_structsize, sizeof(kf));
	CHECK_EQ(kf.kf_type, KF_TYPE_VNODE);
	CHECK_EQ(kf.kf_fd, fd);
	CHECK_EQ(kf.kf_offset, 3);
	CHECK_EQ(kf.kf_flags, KF_FLAG_READ | KF_FLAG_WRITE | KF_FLAG_APPEND);
	CHECK_EQ(kf.kf_status & KF_ATTR_VALID, KF_ATTR_VALID);
	CHECK_EQ(kf.kf_un.kf_file.kf_file_type, KF_VTYPE_VREG);
	CHECK_EQ(kf.kf_un.kf_file.kf_file_size, 5);
	CHECK_STR(kf.kf_path, path);
	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	CHECK_EQ(sys(SYS_fcntl, ends[1], F_KINFO, &kf), 0);
	CHECK_EQ(kf.kf_type, KF_TYPE_PIPE);
	CHECK_STR(kf.kf_path, "");
	kf.kf_structsize = 100;
	CHECK_ERR(sys(SYS_fcntl, fd, F_KINFO, &kf), EINVAL);
	kf.kf_structsize = sizeof(kf);
	CHECK_ERR(sys(SYS_fcntl, 999, F_KINFO, &kf), EBADF);
	CHECK_ERR(sys(SYS_fcntl, fd, F_KINFO, 8), EFAULT);
}

/* ufs_setattr: an owner and a group of -1 are none to set. Neither the time of change nor the set-id bits are touched, and nobody is asked
 * who it is. */
TEST(owner_of_none)
{
	struct stat before, after;
	const struct timespec short_time = { 0, 20000000 };

	guest_put("file", "x", 1);
	CHECK_EQ(sys(SYS_chmod, "file", 06755), 0);
	CHECK_EQ(sys(SYS_symlink, "file", "link"), 0);
	int fd = (int)CHECK_OK(sys(SYS_open, "file", O_RDONLY, 0));
	CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, "file", &before, 0), 0);
	CHECK_EQ(sys(SYS_nanosleep, &short_time, NULL), 0);
	CHECK_EQ(sys(SYS_chown, "file", -1, -1), 0);
	CHECK_EQ(sys(SYS_chown, "link", -1, -1), 0);
	CHECK_EQ(sys(SYS_lchown, "link", -1, -1), 0);
	CHECK_EQ(sys(SYS_fchown, fd, -1, -1), 0);
	CHECK_EQ(sys(SYS_fchownat, AT_FDCWD, "file", -1, -1, AT_SYMLINK_NOFOLLOW), 0);
	IN_CHILD({
		CHECK_EQ(sys(SYS_setresuid, 12345, 12345, 12345), sys(SYS_geteuid) == 12345 ? 0 : -EPERM);
		CHECK_EQ(sys(SYS_fchown, fd, -1, -1), 0);
	});
	CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, "file", &after, 0), 0);
	CHECK_EQ(after.st_ctim.tv_sec, before.st_ctim.tv_sec);
	CHECK_EQ(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
	CHECK_EQ(after.st_mode & 07777, 06755);
	CHECK_ERR(sys(SYS_chown, "nothing", -1, -1), ENOENT);
	CHECK_ERR(sys(SYS_chown, 8, -1, -1), EFAULT);
	CHECK_ERR(sys(SYS_fchown, 999, -1, -1), EBADF);
}
