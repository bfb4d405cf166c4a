/* Waiting for a thread that waits. */
#ifndef ASLEEP_H
#define ASLEEP_H

#include "guest.h"

#include <sys/sysctl.h>
#include <sys/user.h>

/* Until a thread sleeps in the kernel, or is gone: seen twice, since it also sleeps for a moment when its stack is made. */
static inline void
guest_asleep(const struct guest_thread *t)
{
	int name[4] = { CTL_KERN, KERN_PROC, KERN_PROC_PID | KERN_PROC_INC_THREAD, (int)sys(SYS_getpid) };
	static struct kinfo_proc all[32];

	for (int seen = 0; seen < 2;) {
		int sleeps = 1;
		size_t n = sizeof(all);

		guest_sleep_ms(8);
		CHECK_EQ(sys(SYS___sysctl, name, 4, all, &n, NULL, 0), 0);
		for (size_t i = 0; i < n / sizeof(all[0]); i++)
			if (all[i].ki_tid == t->id)
				sleeps = all[i].ki_stat == SSLEEP;
		seen = sleeps ? seen + 1 : 0;
	}
}

#endif
