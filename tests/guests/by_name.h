/* Values of sysctl by their names. */
#ifndef BY_NAME_H
#define BY_NAME_H

#include "guest.h"

static inline long
by_name(const char *name, void *out, size_t *n)
{
	/* libc since FreeBSD 13 has a syscall for it (570); before it asked {0, 3}. */
	return (sys(SYS___sysctlbyname, name, strlen(name), out, n, NULL, 0));
}

static inline i64
number_of(const char *name)
{
	i64 value = 0;
	size_t size = sizeof(value);
	long ret = by_name(name, &value, &size);

	if (ret != 0)
		warn_("%s: %l\n", name, ret);
	CHECK_EQ(ret, 0);
	if (size != 1 && size != 4 && size != 8)
		warn_("%s: %u bytes\n", name, size);
	CHECK(size == 1 || size == 4 || size == 8);	/* a bool, an int, a long */
	return (size == 1 ? (u8)value : size == 4 ? (int)value : value);
}

#endif
