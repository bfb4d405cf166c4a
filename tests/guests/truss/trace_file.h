/*
 * The file that ktrace(2) writes, and its records one after the other.
 */
#ifndef TRACE_FILE_H
#define TRACE_FILE_H

#include "guest.h"
#include <sys/ktrace.h>

#define FILE_ "trace"

static char data[1 << 18];
static long size, at;

static int
trace(int ops, int facs)
{
	return ((int)sys(SYS_ktrace, FILE_, ops, facs, sys(SYS_getpid)));
}

static void
read_all(void)
{
	int fd = (int)CHECK_OK(sys(SYS_open, FILE_, O_RDONLY));

	size = CHECK_OK(sys(SYS_read, fd, data, sizeof(data)));
	CHECK_EQ(sys(SYS_close, fd), 0);
	at = 0;
}

/* The next record of a type (0: of any), of a process (0: of any); its payload, or NULL. */
static struct ktr_header *header;

static void *
next(int type, int pid)
{
	while (at + (long)sizeof(struct ktr_header) <= size) {
		header = (struct ktr_header *)(data + at);
		at += sizeof(struct ktr_header) + header->ktr_len;
		CHECK(at <= size);
		CHECK_EQ(header->ktr_type & KTR_VERSIONED, KTR_VERSIONED);
		CHECK_EQ(header->ktr_version, KTR_VERSION1);
		CHECK(header->ktr_time.tv_sec > 1700000000 && header->ktr_time.tv_nsec < 1000000000);
		if ((type == 0 || (header->ktr_type & ~KTR_TYPE) == type) && (pid == 0 || header->ktr_pid == pid))
			return (header + 1);
	}
	return (NULL);
}

static void
begin(int facs)
{
	guest_put(FILE_, "", 0);
	CHECK_EQ(trace(KTROP_SET, facs), 0);
}

#endif
