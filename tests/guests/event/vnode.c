/* EVFILT_VNODE: which notes a change gives. sys/kern/vfs_subr.c (vop_*_post, filt_vfsvnode), sys/sys/vnode.h (VOP_WRITE_POST). */
#include "guest.h"
#include <sys/event.h>

#define ALL (NOTE_DELETE | NOTE_WRITE | NOTE_EXTEND | NOTE_ATTRIB | NOTE_LINK | NOTE_RENAME)

static int kq, fd;

/* Watch a file, and it alone. */
static void
watch(const char *path, u32 notes)
{
	struct kevent kev;

	if (kq == 0)
		kq = (int)CHECK_OK(sys(SYS_kqueue));
	if (fd != 0)
		CHECK_EQ(sys(SYS_close, fd), 0);
	fd = (int)CHECK_OK(sys(SYS_open, path, O_RDONLY));
	EV_SET(&kev, fd, EVFILT_VNODE, EV_ADD | EV_CLEAR, notes, 0, (void *)7);
	CHECK_EQ(sys(SYS_kevent, kq, &kev, 1, NULL, 0, NULL), 0);
}

/* The notes since the last time, 0 for none. */
static u32
notes(void)
{
	struct timespec soon = { 0, 50000000 };
	struct kevent got[2];
	long n = CHECK_OK(sys(SYS_kevent, kq, NULL, 0, got, 2, &soon));

	if (n == 0)
		return (0);
	CHECK_EQ(n, 1);
	CHECK_EQ(got[0].ident, fd);
	CHECK_EQ(got[0].flags, EV_CLEAR);
	CHECK_EQ(got[0].data, 0);
	CHECK_EQ(got[0].udata, (void *)7);
	return (got[0].fflags);
}

static void
rename_(const char *from, const char *to)
{
	CHECK_EQ(sys(SYS_rename, from, to), 0);
}

/* truncate(2), ftruncate(2) and O_TRUNC set an attribute (vop_setattr_post); only what writes is NOTE_WRITE. */
TEST(writes_and_truncations)
{
	guest_put("f", "abc", 3);
	watch("f", ALL);
	CHECK_EQ(sys(SYS_truncate, "f", 0), 0);
	CHECK_EQ(notes(), NOTE_ATTRIB);
	CHECK_EQ(sys(SYS_truncate, "f", 100), 0);
	CHECK_EQ(notes(), NOTE_ATTRIB);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(sys(SYS_close, CHECK_OK(sys(SYS_open, "f", O_WRONLY | O_TRUNC))), 0);
		CHECK_EQ(notes(), NOTE_ATTRIB);
	}
	int other = (int)CHECK_OK(sys(SYS_open, "f", O_RDWR));
	CHECK_EQ(sys(SYS_ftruncate, other, 10), 0);
	CHECK_EQ(notes(), NOTE_ATTRIB);
	CHECK_EQ(sys(SYS_pwrite, other, "x", 1, 0), 1);
	CHECK_EQ(notes(), NOTE_WRITE);
	CHECK_EQ(sys(SYS_pwrite, other, "x", 1, 50), 1);
	CHECK_EQ(notes(), NOTE_WRITE | NOTE_EXTEND);
	CHECK_EQ(sys(SYS_write, other, "x", 0), 0);
	CHECK_EQ(notes(), 0);
	/* Both, in both orders, are one event. */
	CHECK_EQ(sys(SYS_pwrite, other, "x", 1, 60), 1);
	CHECK_EQ(sys(SYS_ftruncate, other, 5), 0);
	CHECK_EQ(notes(), NOTE_WRITE | NOTE_EXTEND | NOTE_ATTRIB);
	CHECK_EQ(sys(SYS_ftruncate, other, 0), 0);
	CHECK_EQ(sys(SYS_pwrite, other, "x", 1, 0), 1);
	CHECK_EQ(notes(), NOTE_WRITE | NOTE_EXTEND | NOTE_ATTRIB);
	CHECK_EQ(sys(SYS_chmod, "f", 0600), 0);
	CHECK_EQ(notes(), NOTE_ATTRIB);
}

/* Whoever wants one bit of a hint gets all of it (filt_vfsvnode), and nothing of the others. */
TEST(whole_hint)
{
	guest_put("f", "abc", 3);
	int other = (int)CHECK_OK(sys(SYS_open, "f", O_RDWR));
	watch("f", NOTE_WRITE);
	CHECK_EQ(sys(SYS_pwrite, other, "x", 1, 10), 1);
	CHECK_EQ(notes(), NOTE_WRITE | NOTE_EXTEND);
	CHECK_EQ(sys(SYS_ftruncate, other, 0), 0);
	CHECK_EQ(notes(), 0);
	watch("f", NOTE_EXTEND);
	CHECK_EQ(sys(SYS_pwrite, other, "x", 1, 10), 1);
	CHECK_EQ(notes(), NOTE_WRITE | NOTE_EXTEND);
	CHECK_EQ(sys(SYS_pwrite, other, "x", 1, 0), 1);
	CHECK_EQ(notes(), 0);
	watch("f", NOTE_ATTRIB);
	CHECK_EQ(sys(SYS_truncate, "f", 5000), 0);
	CHECK_EQ(notes(), NOTE_ATTRIB);
}

/* What is changed by others, who do not say how, is a write where it may be one. */
TEST(by_another_process)
{
	guest_put("f", "abc", 3);
	watch("f", ALL);
	IN_CHILD({ CHECK_EQ(sys(SYS_truncate, "f", 0), 0); });
	CHECK_EQ(notes(), NOTE_ATTRIB);
	IN_CHILD({
		int other = (int)CHECK_OK(sys(SYS_open, "f", O_WRONLY));
		CHECK_EQ(sys(SYS_write, other, "0123456789", 10), 10);
	});
	CHECK_EQ(notes(), NOTE_WRITE | NOTE_EXTEND);
	IN_CHILD({
		int other = (int)CHECK_OK(sys(SYS_open, "f", O_WRONLY | O_TRUNC));
		CHECK_EQ(sys(SYS_write, other, "0123", 4), 4);
	});
	CHECK_EQ(notes(), NOTE_WRITE | NOTE_EXTEND | NOTE_ATTRIB);
	IN_CHILD({ CHECK_EQ(sys(SYS_unlink, "f"), 0); });
	CHECK_EQ(notes(), NOTE_DELETE);
}

TEST(names_of_a_file)
{
	guest_put("f", "abc", 3);
	guest_put("n", "abc", 3);
	watch("f", ALL);
	CHECK_EQ(sys(SYS_link, "f", "f2"), 0);
	CHECK_EQ(notes(), NOTE_LINK);
	CHECK_EQ(sys(SYS_unlink, "f2"), 0);
	CHECK_EQ(notes(), NOTE_DELETE);
	rename_("f", "f3");
	CHECK_EQ(notes(), NOTE_RENAME);
	rename_("n", "f3");
	CHECK_EQ(notes(), NOTE_DELETE);
	guest_put("f", "abc", 3);
	watch("f", ALL);
	CHECK_EQ(sys(SYS_unlink, "f"), 0);
	CHECK_EQ(notes(), NOTE_DELETE);
}

/* What happens to the entries of a directory; what they do to themselves is not its own. */
TEST(entries)
{
	CHECK_EQ(sys(SYS_mkdir, "d", 0700), 0);
	CHECK_EQ(sys(SYS_mkdir, "e", 0700), 0);
	watch("d", ALL);
	guest_put("d/x", "", 0);
	CHECK_EQ(notes(), NOTE_WRITE);
	int other = (int)CHECK_OK(sys(SYS_open, "d/x", O_RDWR));
	CHECK_EQ(sys(SYS_write, other, "abc", 3), 3);
	CHECK_EQ(sys(SYS_fchmod, other, 0600), 0);
	CHECK_EQ(sys(SYS_close, other), 0);
	CHECK_EQ(notes(), 0);
	rename_("d/x", "d/y");
	CHECK_EQ(notes(), NOTE_WRITE);
	rename_("d/y", "e/y");
	CHECK_EQ(notes(), NOTE_WRITE | NOTE_EXTEND);
	rename_("e/y", "d/y");
	CHECK_EQ(notes(), NOTE_WRITE | NOTE_EXTEND);
	CHECK_EQ(sys(SYS_unlink, "d/y"), 0);
	CHECK_EQ(notes(), NOTE_WRITE);
	CHECK_EQ(sys(SYS_mkdir, "d/s", 0700), 0);
	CHECK_EQ(notes(), NOTE_WRITE | NOTE_LINK);
	rename_("d/s", "d/t");
	CHECK_EQ(notes(), NOTE_WRITE);
	rename_("d/t", "e/t");
	CHECK_EQ(notes(), NOTE_WRITE | NOTE_EXTEND | NOTE_LINK);
	rename_("e/t", "d/t");
	CHECK_EQ(notes(), NOTE_WRITE | NOTE_EXTEND | NOTE_LINK);
	CHECK_EQ(sys(SYS_rmdir, "d/t"), 0);
	CHECK_EQ(notes(), NOTE_WRITE | NOTE_LINK);
	CHECK_EQ(sys(SYS_chmod, "d", 0755), 0);
	CHECK_EQ(notes(), NOTE_ATTRIB);
}

/* A directory is removed while it is open, by this process and by another, where it was made and where it was moved to. */
TEST(removed_directory)
{
	CHECK_EQ(sys(SYS_mkdir, "d", 0700), 0);
	watch("d", ALL);
	CHECK_EQ(sys(SYS_rmdir, "d"), 0);
	CHECK_EQ(notes(), NOTE_DELETE);
	CHECK_EQ(sys(SYS_mkdir, "d", 0700), 0);
	CHECK_EQ(notes(), 0);
	watch("d", NOTE_DELETE);
	IN_CHILD({ CHECK_EQ(sys(SYS_rmdir, "d"), 0); });
	CHECK_EQ(notes(), NOTE_DELETE);
	CHECK_EQ(sys(SYS_mkdir, "d", 0700), 0);
	CHECK_EQ(sys(SYS_mkdir, "e", 0700), 0);
	watch("d", ALL);
	rename_("d", "e/d");
	CHECK_EQ(notes(), NOTE_RENAME);
	CHECK_EQ(sys(SYS_mkdir, "d", 0700), 0);
	CHECK_EQ(sys(SYS_rmdir, "d"), 0);
	CHECK_EQ(notes(), 0);
	CHECK_EQ(sys(SYS_rmdir, "e/d"), 0);
	CHECK_EQ(notes(), NOTE_DELETE);
	CHECK_EQ(sys(SYS_mkdir, "d", 0700), 0);
	watch("d", ALL);
	rename_("e", "d");
	CHECK_EQ(notes(), NOTE_DELETE);
}

/* A directory and the one in it are watched together, each for itself. */
TEST(directory_in_a_directory)
{
	struct timespec soon = { 0, 50000000 };
	struct kevent kev[2], got[4];

	CHECK_EQ(sys(SYS_mkdir, "d", 0700), 0);
	CHECK_EQ(sys(SYS_mkdir, "d/e", 0700), 0);
	int outer = (int)CHECK_OK(sys(SYS_open, "d", O_RDONLY)), inner = (int)CHECK_OK(sys(SYS_open, "d/e", O_RDONLY));
	kq = (int)CHECK_OK(sys(SYS_kqueue));
	EV_SET(&kev[0], outer, EVFILT_VNODE, EV_ADD | EV_CLEAR, ALL, 0, NULL);
	EV_SET(&kev[1], inner, EVFILT_VNODE, EV_ADD | EV_CLEAR, ALL, 0, NULL);
	CHECK_EQ(sys(SYS_kevent, kq, kev, 2, NULL, 0, NULL), 0);
	CHECK_EQ(sys(SYS_rmdir, "d/e"), 0);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, &soon), 2);
	int i = got[0].ident == (u64)outer ? 0 : 1;
	CHECK_EQ(i, 0);		/* in this order (vop_rmdir_post, vop_remove_post) */
	CHECK_EQ(got[i].fflags, NOTE_WRITE | NOTE_LINK);
	CHECK_EQ(got[1 - i].fflags, NOTE_DELETE);
	/* The outer one is watched still when the inner one's knote is gone. */
	CHECK_EQ(sys(SYS_close, inner), 0);
	CHECK_EQ(sys(SYS_mkdir, "d/e", 0700), 0);
	CHECK_EQ(sys(SYS_kevent, kq, NULL, 0, got, 4, &soon), 1);
	CHECK_EQ(got[0].fflags, NOTE_WRITE | NOTE_LINK);
}
