/* Addresses, offsets and numbers that assembly, C and Cython share.
 *
 * Every AREA_ and FRAME_ offset is asserted against the C structs in runtime.c.
 */
#ifndef LSF_LAYOUT_H
#define LSF_LAYOUT_H

/* The window: all code that executes a Linux syscall, and all read-only data. An engine lets a syscall
 * instruction inside it through and redirects every other one to its first byte (`entry`). */
#define WINDOW_BASE 0x6ffff0000000
#define WINDOW_SIZE 0x100000
/* A second address that an engine may redirect to: `patch_entry`. */
#define PATCH_ENTRY_OFFSET 0x400
/* A third one, for a call whose result a tracer wants to see: `trace_entry`. */
#define TRACE_ENTRY_OFFSET 0x500
/* And a fourth one, for a call from 32-bit code: `foreign_entry`. */
#define FOREIGN_ENTRY_OFFSET 0x580
/* The number of a call from inside the window that is none of Linux's: it stops at the tracer (trace.pxi). */
#define TRACE_CALL 0x0c535400
/* The guest's signal trampoline: its own code, so it lies outside the window. */
#define SIGCODE_BASE 0x6ffff0100000
#define SIGCODE_SIZE 0x1000
/* The shim's writable data. What a start and a fork write lies together in the first page: each page that they write is
 * a page fault, and under fork a copy. Window, data and the first areas share one page table. */
#define DATA_BASE 0x6ffff0110000
#define DATA_SIZE 0x30000
#define DATA_PATCHES 0          /* struct patches */
#define DATA_HIDDEN_LOW 4       /* in it: lsf_hidden_low and lsf_hidden_high (dispatch.h) */
#define DATA_HIDDEN_HIGH 8
#define DATA_SLOTS 0x400        /* the first AREA_SLOTS_FIRST slots of the areas */
#define DATA_PROCESS 0x600      /* struct process */
#define DATA_SITES 0x8000       /* the table of patch.pxi */
#define DATA_MORE_SLOTS 0x10000 /* the other slots */
#define DATA_TRAMPOLINES 0x20000 /* beside the table of sites: where each one's trampoline is */
#define DATA_PAGES 0x28000      /* trampolines.pxi's: the pages of those that jumps in a syscall's place lead to */
#define DATA_COVERAGE 0x2f000   /* of an image that notes what it executes (runtime.c): a word */
/* Per-thread areas, mapped when a thread needs one, the first with the image. */
#define AREAS_BASE 0x6ffff0140000
#define AREA_STRIDE 0x20000
#define AREA_COUNT 8192
#define AREA_SLOTS_FIRST 64
/* What --stats counts, shared by all guests of one `lsf` (struct stats); lsf/stats.py reads it. */
#define STATS_BASE 0x700030400000
#define STATS_SIZE 0x28000
#define STATS_PROCESSES 1024
#define STATS_ROWS 1024
#define STATS_SITES 1024
#define STATS_REASONS 16
/* Where such an image notes it: a byte for each of the window's. */
#define COVERAGE_BASE 0x700030500000
/* What the shim maps for itself: as the rest, no guest call may touch it. */
#define HEAP_BASE 0x700030800000
#define SHIM_END 0x701030800000

/* An area, from low to high: guard page, Linux signal stack, guard page, shim stack, struct area. Nothing is mapped at a
 * guard page, and no guest call can map there. The shim stack begins in the page of struct area. */
#define AREA_SIGSTACK 0x1000
#define AREA_SIGSTACK_SIZE 0xe000
#define AREA_STACK 0x10000
#define AREA_STRUCT 0x1fb00

/* struct area (its address is the GS base). */
#define AREA_SELF 0
#define AREA_GUEST_RSP 8
#define AREA_RET 16
#define AREA_FRAME 24
#define AREA_LANES 32
#define AREA_NR 40
#define AREA_DEFERRED 48
#define AREA_WOKEN 52              /* beside AREA_DEFERRED: one comparison of 8 bytes sees all three */
#define AREA_ALIGNMENT 54
#define AREA_RETVAL 56
#define AREA_HOOKS 64
#define AREA_NOT_BEGUN 72
#define AREA_TAIL 80
#define AREA_SLOT 120

/* struct frame, at the top of the shim stack. */
#define FRAME_RDI 0
#define FRAME_RSI 8
#define FRAME_RDX 16
#define FRAME_R10 24
#define FRAME_R8 32
#define FRAME_R9 40
#define FRAME_NR 48
#define FRAME_RET 56
#define FRAME_RSP 64
#define FRAME_RESULT 72
#define FRAME_RBX 80
#define FRAME_RBP 88
#define FRAME_R12 96
#define FRAME_R13 104
#define FRAME_R14 112
#define FRAME_R15 120
#define FRAME_SIZE 128

/* struct stats. */
#define STATS_STARTED 8
#define STATS_OWNER 16
#define STATS_ENGINE 32
#define STATS_PATCHED 40
#define STATS_REFUSED 48
#define STATS_JUMPED 112
#define STATS_LIVE 256
#define STATS_ROW 8192
#define STATS_SITE 32768

/* lsf_lane[] of a row that is translated or refused; else the number of the Linux call. */
#define LSF_NOT_PASSED 0x80000000
/* With the number of the call: lsf_lane[] of a row that is passed where its arguments are none of the shim's. */
#define LSF_GUARDED 0x40000000
/* A handler returns -(GUEST_ERRNO + e) for an errno e of the guest's that Linux does not have. */
#define GUEST_ERRNO 3000
/* "Not an error: the value is in area->retval", for results that look like errors. */
#define RETURN_IN_AREA 2999
/* "The Linux call in area->tail is still to be made, and its result is the handler's." */
#define RETURN_SYSCALL 2998
/* Where in the entry a signal finds a thread (entry.S, regions). */
#define REGION_OTHER 0
#define REGION_PASS 1           /* before the Linux call of the pass lane */
#define REGION_PASSED 2         /* after it */
#define REGION_CONVERTED 3      /* its error is the guest's already */
#define REGION_TRANSLATE 4      /* before a handler is called */
#define REGION_PATCH 5          /* before patch_site is called */
#define REGION_LEAVE 6          /* the frame says how the guest goes on */
#define REGION_TAIL 7           /* after a call that a handler left to the exit */
#define LINUX_EINTR 4
#define LINUX_EIO 5
#define LINUX_EBADF 9
#define LINUX_EFAULT 14
#define LINUX_ECONNRESET 104
#define LINUX_EINVAL 22
#define LINUX_EPIPE 32
#define LINUX_ENOTCONN 107
#define LINUX_ECONNREFUSED 111
/* area.woken: thr_wake of the own thread is to end the next sleep, or has ended this call's. */
#define WOKEN_PENDING 1
#define WOKEN_ENDED 2
#define LINUX_ERESTARTSYS 512
#define LINUX_ERESTARTNOINTR 513

#endif
