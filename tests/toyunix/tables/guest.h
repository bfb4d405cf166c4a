/* Toyunix's numbers. */
#ifndef TOY_GUEST_H
#define TOY_GUEST_H

#define GUEST_NSYSCALLS 16
#define GUEST_PATH_MAX 256

#define TOY_EXIT 3
#define TOY_READ 6
#define TOY_WRITE 7
#define TOY_SIGNAL 11
#define TOY_RAISE 12
#define TOY_SIGRETURN 13

#define TOY_SIGFAULT 1
#define TOY_SIGUSER 2

#define TOY_ENOCALL 66      /* Linux has no such error */
#define TOY_EBADF 77
#define TOY_EFAULT 78
#define TOY_EINVAL 79
#define TOY_EOTHER 99

#endif
