/* Toyunix's calls, and its errno map. */
#include <asm/unistd.h>
#include <errno.h>

#include "tables.h"

#define ALL 0 ... GUEST_NSYSCALLS - 1

#pragma GCC visibility push(hidden)
extern long sys_nosys(struct frame *, struct area *), sys_passed(struct frame *, struct area *);
extern long sys_exit(struct frame *, struct area *), sys_signal(struct frame *, struct area *);
extern long sys_raise(struct frame *, struct area *), sys_sigreturn(struct frame *, struct area *);
#pragma GCC visibility pop

const uint32_t lsf_lane[GUEST_NSYSCALLS] = {
	[ALL] = LSF_NOT_PASSED,
	[TOY_READ] = LSF_GUARDED | __NR_read,
	[TOY_WRITE] = LSF_GUARDED | __NR_write,
};
const int32_t lsf_pass_nr[GUEST_NSYSCALLS] = {[ALL] = -1, [TOY_READ] = __NR_read, [TOY_WRITE] = __NR_write};
const lsf_handler_t lsf_handler[GUEST_NSYSCALLS] = {
	[ALL] = sys_nosys,
	[TOY_EXIT] = sys_exit,
	[TOY_READ] = sys_passed,
	[TOY_WRITE] = sys_passed,
	[TOY_SIGNAL] = sys_signal,
	[TOY_RAISE] = sys_raise,
	[TOY_SIGRETURN] = sys_sigreturn,
};
const uint8_t lsf_descriptors[GUEST_NSYSCALLS] = {[TOY_READ] = 1, [TOY_WRITE] = 1};
const uint8_t lsf_outputs[GUEST_NSYSCALLS] = {[TOY_READ] = 2};
const uint8_t lsf_restart[GUEST_NSYSCALLS] = {[TOY_READ] = 1, [TOY_WRITE] = 1};
const uint8_t lsf_nosys[GUEST_NSYSCALLS];
const uint16_t lsf_refuse_errno[GUEST_NSYSCALLS];
const uint8_t lsf_path_first[GUEST_NSYSCALLS];

const uint8_t lsf_errno_map[4096] = {
	[0 ... 4095] = TOY_EOTHER,
	[EBADF] = TOY_EBADF,
	[EFAULT] = TOY_EFAULT,
	[EINVAL] = TOY_EINVAL,
	[GUEST_ERRNO + TOY_ENOCALL] = TOY_ENOCALL,
};
