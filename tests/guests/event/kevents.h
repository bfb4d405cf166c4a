/* What the guests of kqueue(2) share: one kqueue, and what came of it last. */
#ifndef KEVENTS_H
#define KEVENTS_H

#include "guest.h"
#include <sys/event.h>

static int kq;
static struct kevent got[32];
static const struct timespec now = { 0, 0 };

static inline long
change(uintptr_t ident, int filter, int flags, u32 fflags, long data, void *udata)
{
	struct kevent kev;

	EV_SET(&kev, ident, filter, flags, fflags, data, udata);
	return (sys(SYS_kevent, kq, &kev, 1, NULL, 0, NULL));
}

/* What is ready at this moment. */
static inline long
poll_events(int n)
{
	memset(got, 0x55, sizeof(got));
	return (sys(SYS_kevent, kq, NULL, 0, got, n, &now));
}

/* What is ready within a while. */
static inline long
wait_events(int n, long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	memset(got, 0x55, sizeof(got));
	return (sys(SYS_kevent, kq, NULL, 0, got, n, &t));
}

#endif
