/* The tables by which the machine runs a guest's calls. A personality defines them all, and its guest.h says how many numbers
 * they have. */
#ifndef LSF_TABLES_H
#define LSF_TABLES_H

#include <stdint.h>

#include "guest.h"
#include "layout.h"

struct frame;
struct area;
typedef long (*lsf_handler_t)(struct frame *, struct area *);

#pragma GCC visibility push(hidden)

/* By number: the Linux call of a row of the pass lane, with LSF_GUARDED where an argument may be the shim's own; else
 * LSF_NOT_PASSED. */
extern const uint32_t lsf_lane[GUEST_NSYSCALLS];
/* sys_NAME, or sys_refuse; never NULL. For a row of the pass lane: sys_passed, which makes the call. A row that takes a
 * descriptor or a path has its handler behind one that looks for the shim's own among them, and at the paths' lengths. */
extern const lsf_handler_t lsf_handler[GUEST_NSYSCALLS];
/* Bit i: argument i is a descriptor. */
extern const uint8_t lsf_descriptors[GUEST_NSYSCALLS];
/* Bit i: argument i says where a row of the pass lane writes. */
extern const uint8_t lsf_outputs[GUEST_NSYSCALLS];
/* What sys_refuse answers, as GUEST_ERRNO + e: to be returned negated. */
extern const uint16_t lsf_refuse_errno[GUEST_NSYSCALLS];
/* 1: a number that the guest's kernel does not have (any more), which goes to sys_nosys. */
extern const uint8_t lsf_nosys[GUEST_NSYSCALLS];
/* The Linux call of a row of the pass lane, else -1. */
extern const int32_t lsf_pass_nr[GUEST_NSYSCALLS];
/* 1: the guest's kernel restarts the call after a signal whose handler asks for that. */
extern const uint8_t lsf_restart[GUEST_NSYSCALLS];
/* 0: the call takes no path. Any other value is the view's (lookup.pxi). */
extern const uint8_t lsf_path_first[GUEST_NSYSCALLS];
/* The guest's errno for what a handler returned, negated: a Linux errno, or GUEST_ERRNO + e. */
extern const uint8_t lsf_errno_map[4096];

/* The machine's own, for handlers in those tables. The shim's descriptors have numbers from low to high; where there is none,
 * low is above high. */
extern uint32_t lsf_hidden_low, lsf_hidden_high;
/* True where a path is longer than the guest's system takes. One of the shim's own, which a view gave, is not looked at. */
extern int path_is_too_long(uint64_t path);
/* Run a call with a number in the place of the shim's descriptors that no descriptor has. */
extern long without_hidden(struct frame *, struct area *, lsf_handler_t);

#pragma GCC visibility pop

#endif
