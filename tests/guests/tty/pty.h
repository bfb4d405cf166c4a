/* What the guests of terminals share: a pseudo-terminal. */
#ifndef PTY_H
#define PTY_H

#include "guest.h"
#include <sys/filio.h>

static int master, slave;

/* Open a new one, both sides; its path goes to 64 bytes. Skips where there is none. */
static inline void
open_pty(char *path)
{
	struct fiodgname_arg name = { 59, path + 5 };
	long fd = sys(SYS_posix_openpt, O_RDWR | O_NOCTTY);

	if (fd == -EAGAIN)
		SKIP("no /dev/ptmx here");
	memcpy(path, "/dev/", 5);
	memset(path + 5, 0, 59);
	master = (int)CHECK_OK(fd);
	CHECK_EQ(sys(SYS_ioctl, master, FIODGNAME, &name), 0);
	slave = (int)CHECK_OK(sys(SYS_open, path, O_RDWR | O_NOCTTY));
}

#endif
