/* What the shim's Cython stands on: the structs that assembly knows, Linux syscalls, GS, and mem* of its own.
 *
 * In the image this is freestanding. In the Python extension (LSF_HOSTED) the same unit runs inside pytest, where no GS
 * base is set and no signal is deferred.
 */
#ifndef LSF_RUNTIME_H
#define LSF_RUNTIME_H

#include <stddef.h>
#include <stdint.h>
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include "layout.h"
#include "lock.h"
#include "own.h"        /* the personality's: struct process_own, process_last and area_own */

typedef uint64_t uaddr;     /* an address in the guest; never dereferenced but by the accessors */

/* The guest's registers as a handler sees them. */
struct frame {
    uint64_t arg[6];        /* rdi rsi rdx r10 r8 r9; they are restored from here */
    uint64_t nr;            /* the guest's syscall number */
    uint64_t ret;           /* the address after the syscall instruction */
    uint64_t rsp;           /* the guest's stack */
    uint64_t result;        /* what the handler returned, while the exit is under way */
    uint64_t rbx, rbp, r12, r13, r14, r15;  /* saved by vfork alone */
};

struct process;
struct slot;

/* A thread of the guest. GS points here. */
struct area {
    struct area *self;
    uint64_t guest_rsp;
    uint64_t ret;
    struct frame *frame;
    const uint32_t *lanes;
    uint32_t nr;
    uint32_t index;
    uint32_t deferred;      /* Linux number of the signal that waits in `info` for the end of the call; 0: none */
    uint16_t woken;         /* thread.pxi's: thr_wake of the own thread */
    uint16_t alignment;     /* EXIT_ of leave.pxi: EFLAGS.AC is the guest's, and was taken from it for the call, or the call is to be looked at
                             * when it is over */
    uint64_t retval;
    uint64_t hooks;             /* bits of who stands before each call (engine/hooks.pxi); 0: nobody */
    uint32_t not_begun;         /* a deferred signal came before the wait: a restartable call restarts in any case */
    uint32_t suspended;         /* sigsuspend or pselect waits with suspend_mask */
    uint64_t tail[5];           /* tail_syscall's: Linux's number and four arguments */
    struct slot *slot;
    struct process *proc;
    int32_t tid;
    uint64_t sigmask[2];        /* the guest's mask; bit signo-1 */
    uint32_t in_vfork;          /* the child of a vfork that has not executed yet */
    uint64_t altstack_sp, altstack_size;
    uint32_t altstack_flags;
    uint64_t info[16];          /* Linux's siginfo of the deferred signal */
    uint64_t scratch, scratch_size;     /* memory to give back when this area is freed */
    uint32_t trapped_again;     /* stats.pxi's: the call that comes next trapped already, and then its site was patched */
    void (*service)(struct area *);     /* a thread of the shim's own: what it runs instead of the guest */
    struct area_own own;        /* the personality's */
};

struct handler {
    uint64_t function;      /* SIG_DFL 0, SIG_IGN 1, or the guest's */
    uint64_t mask[2];
    uint32_t flags;
    uint32_t pad;
};

enum engine { ENGINE_AUTO, ENGINE_SUD, ENGINE_TRAP, ENGINE_PTRACE };

#define SIGNALS 129

/* Who stands before calls (engine/hooks.pxi). */
typedef long (*lsf_hook_t)(struct frame *, struct area *, uint64_t rest);
struct hook {
    lsf_hook_t function;
    const uint32_t *lanes;
};
#define HOOKS 9

/* A process of the guest. The child of a vfork works on a copy. */
struct process {
    int32_t pid;
    uint32_t engine;
    uint32_t debug, no_patch;
    int32_t image_fd;           /* hidden: the shim's own image, -1 when there is none */
    int32_t truss_fd;           /* hidden: where truss writes, -1 when it does not */
    int32_t record_fd;          /* hidden: where the personality keeps records, -1 when it does not */
    uint32_t filter_installed;  /* the seccomp filter of the engine `trap` */
    uint64_t vdso, vdso_end;
    int (*vdso_clock_gettime)(int, void *);
    uint64_t break_start, break_end;
    uint64_t stack_top, stack_low;      /* the addresses set aside for the main stack */
    uint32_t ncpu;
    uint32_t tracer;            /* this process is traced from outside (trace.pxi) */
    void *lookup;               /* lookup.pxi's: the rules of a view by look-up, NULL for any other */
    struct stats *stats;        /* stats.pxi's: NULL where nothing is counted */
    int32_t life_fd;            /* hidden: open while this process lives, for who wants to know when it ends; -1 */
    int32_t stats_fd;           /* hidden: the memory of stats, -1 when there is none */
    uint32_t stats_counted;     /* this process is among stats->alive */
    uint32_t stats_image;       /* the number of this image among all that were executed */
    struct hook hooks[HOOKS];
    uint64_t hooks_everywhere;  /* bits of those that every thread has */
    uint64_t xstate_size, xstate_features;  /* of the vector state in a signal frame; 0: not known yet */
    struct process_own own;     /* the personality's */
    char execpath[4096];
    struct handler handlers[SIGNALS];
    struct process_last last;   /* the personality's: not copied for the child of a vfork */
};
#define PROCESS_COPIED offsetof(struct process, last)

/* Site patching. Outside struct process: a vfork child patches the text that it shares with its parent. */
#define PATCH_SITES 4096
#define PATCH_POOLS 16
#define PATCH_LEFT 32
#define PATCH_IMAGES 8
#define PATCH_PAGES_MAX 1024
struct patches {
    struct lock lock;
    uint32_t hidden_low, hidden_high;       /* dispatch.h's lsf_hidden_low and lsf_hidden_high */
    uint32_t pools, left;
    uint32_t patched, refused;
    uint64_t pool_start[PATCH_POOLS], pool_used[PATCH_POOLS];
    uint64_t left_start[PATCH_LEFT], left_end[PATCH_LEFT];  /* ranges in which nothing is patched */
    uint32_t kept_full;                     /* sigqueue.pxi's: no more are taken from Linux for now */
    uint64_t heap_next;                     /* memory.pxi's: where in the shim's heap the next mapping goes */
    uint32_t pages, next_image;
    uint64_t pools_low, pools_high;         /* pools and pages lie in between */
    uint64_t images[PATCH_IMAGES];          /* functions.pxi's: where headers of images were found */
    uint64_t go_module;                     /* and Go's moduledata; both are looked at anew before they are believed */
    uint64_t family;                        /* family.pxi's: the page that it shares, 0 for none */
    uint32_t family_seen, forks;            /* how many of the sites in it were looked at; forks while there is none */
};

/* What --stats counts. The guests of one `lsf` share it; only grows, by atomic additions. */
struct stats_row {
    uint64_t calls, errors, nanoseconds;
};
struct stats_site {             /* a syscall site that could not be patched */
    uint64_t key;               /* the address after its syscall, and the image's number in the upper 16 bits; 0: free */
    uint64_t traps;
    uint64_t offset;            /* of the instruction in the file */
    uint32_t reason, claimed;   /* claimed: by the process that writes reason, offset and name */
    char name[96];              /* the file's path, its end where it is longer */
};
struct stats {
    uint64_t version;
    uint64_t started;           /* nanoseconds of CLOCK_MONOTONIC, as all times here */
    uint32_t owner;             /* the process that waits to print */
    uint32_t alive;             /* processes that are guests now; those killed count until somebody looks */
    uint32_t processes, images;
    uint32_t engine, no_patch;
    uint32_t patched, sites_lost;
    uint32_t refused[STATS_REASONS];
    uint64_t jumped, trapped;   /* calls by the way that they came */
    uint64_t restarts;
    uint8_t pad[STATS_LIVE - 136];
    uint32_t live[STATS_PROCESSES];     /* their process ids */
    uint8_t pad1[STATS_ROW - STATS_LIVE - 4 * STATS_PROCESSES];
    struct stats_row rows[STATS_ROWS];  /* by number; the last is for numbers that no table has */
    struct stats_site sites[STATS_SITES];
};

#define LSF_HIDDEN __attribute__((visibility("hidden")))

/* One per area, outside struct process: a vfork child shares them with its parent. */
struct slot {
    uint32_t state;             /* 0: free; 1 or the thread's number: in use. The kernel clears it when the thread is gone */
    uint32_t mapped;
};
#ifdef LSF_HOSTED
LSF_HIDDEN extern struct process hosted_process;
LSF_HIDDEN extern struct slot hosted_slots[AREA_COUNT];
LSF_HIDDEN extern struct patches hosted_patches;
LSF_HIDDEN extern uint64_t hosted_sites[PATCH_SITES], hosted_trampolines[PATCH_SITES], hosted_pages[PATCH_PAGES_MAX];
#define SHIM (&hosted_process)
#define PATCHES (&hosted_patches)
#define HEAP_START 0UL      /* no heap: mappings go where Linux likes */
#define PATCH_TABLE hosted_sites
#define PATCH_TRAMPOLINES hosted_trampolines
#define PATCH_PAGES hosted_pages
static inline struct slot *slot_at(int index) { return &hosted_slots[index]; }
/* runtime.c: the one area of the extension, and a fault handler for the accessors around each call. */
LSF_HIDDEN extern struct area *hosted_area(void);
LSF_HIDDEN extern int hosted_guard(void);
LSF_HIDDEN extern void hosted_unguard(void);
#else
#define HEAP_START ((uint64_t) HEAP_BASE)
#define SHIM ((struct process *) (DATA_BASE + DATA_PROCESS))
#define PATCHES ((struct patches *) (DATA_BASE + DATA_PATCHES))
#define PATCH_TABLE ((uint64_t *) (DATA_BASE + DATA_SITES))     /* a site's address, its state in the top byte */
#define PATCH_TRAMPOLINES ((uint64_t *) (DATA_BASE + DATA_TRAMPOLINES))
#define PATCH_PAGES ((uint64_t *) (DATA_BASE + DATA_PAGES))
static inline struct slot *slot_at(int index)
{
    return index < AREA_SLOTS_FIRST ? (struct slot *) (DATA_BASE + DATA_SLOTS) + index
                                    : (struct slot *) (DATA_BASE + DATA_MORE_SLOTS) + (index - AREA_SLOTS_FIRST);
}
#endif

static inline long linux_syscall6(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    register uint64_t r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
static inline long linux_syscall0(long nr) { return linux_syscall6(nr, 0, 0, 0, 0, 0, 0); }
static inline long linux_syscall1(long nr, uint64_t a) { return linux_syscall6(nr, a, 0, 0, 0, 0, 0); }
static inline long linux_syscall2(long nr, uint64_t a, uint64_t b) { return linux_syscall6(nr, a, b, 0, 0, 0, 0); }
static inline long linux_syscall3(long nr, uint64_t a, uint64_t b, uint64_t c) { return linux_syscall6(nr, a, b, c, 0, 0, 0); }
static inline long linux_syscall4(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d) { return linux_syscall6(nr, a, b, c, d, 0, 0); }
static inline long linux_syscall5(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e) { return linux_syscall6(nr, a, b, c, d, e, 0); }

/* A handler whose last act is a Linux call that does not wait leaves it to the exit in entry.S, by returning what this
 * returns. No return address of a C function then lies between the call and the guest (after a syscall the processor
 * mispredicts each, 6 ns on Zen), and a signal that the call raises finds the guest's registers complete. */
static inline long tail_syscall4(struct area *area, long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
#ifndef LSF_HOSTED
    if (area->hooks == 0) {             /* nobody wants to see the result */
        area->tail[0] = (uint64_t) nr;
        area->tail[1] = a;
        area->tail[2] = b;
        area->tail[3] = c;
        area->tail[4] = d;
        return -RETURN_SYSCALL;
    }
#endif
    (void) area;
    return linux_syscall4(nr, a, b, c, d);
}
static inline long tail_syscall3(struct area *area, long nr, uint64_t a, uint64_t b, uint64_t c) { return tail_syscall4(area, nr, a, b, c, 0); }
static inline long tail_syscall2(struct area *area, long nr, uint64_t a, uint64_t b) { return tail_syscall4(area, nr, a, b, 0, 0); }

#ifndef LSF_HOSTED
struct area *hosted_area(void);
int hosted_guard(void);
void hosted_unguard(void);
#endif

/* entry.S */
LSF_HIDDEN extern char _start[], image_text_end[];
LSF_HIDDEN extern const uint32_t lsf_lane_none[];
LSF_HIDDEN extern long copy_guest(void *to, const void *from, uint64_t bytes);
LSF_HIDDEN extern long copy_guest_string(void *to, const void *from, uint64_t max);
LSF_HIDDEN extern long guest_string_length(uaddr from, uint64_t max);
LSF_HIDDEN extern long fetch_guest32(uaddr from, uint32_t *to);
LSF_HIDDEN extern long fetch_guest64(uaddr from, uint64_t *to);
LSF_HIDDEN extern long store_guest32(uaddr to, uint32_t value);
LSF_HIDDEN extern long store_guest64(uaddr to, uint64_t value);
LSF_HIDDEN extern long zero_guest(uaddr to, uint64_t bytes);
LSF_HIDDEN extern long cas_guest32(uaddr at, uint32_t *expected, uint32_t value);
LSF_HIDDEN extern long cas_guest64(uaddr at, uint64_t *expected, uint64_t value);
/* A part of the entry, and what is to be done where a signal finds a thread in it (REGION_*). */
struct region {
    uint64_t from, to, what;
};
LSF_HIDDEN extern const struct region regions[];
LSF_HIDDEN extern char accessors[], accessors_end[], accessor_fault[];
LSF_HIDDEN extern char entry[], entry_end[], pass_number[], pass_syscall[], pass_return[], pass_converted[], pass_end[];
LSF_HIDDEN extern char guarded[], translate[], translate_args[], translate_call[], translate_return[], translate_commit[], translate_end[];
LSF_HIDDEN extern char patch_entry[], patch_args[], patch_call[], patch_commit[], patch_end[], tail_return[], tail_end[], blocking_check[], blocking_call[], undeferred_check[], undeferred_call[], blocking_cancel[], signal_restorer[], sigcode[], sigcode_traced[], sigcode_end[];
LSF_HIDDEN extern char vfork_born[], vfork_born_end[];
LSF_HIDDEN extern void resume_from(void *linux_frame) __attribute__((noreturn));
LSF_HIDDEN extern void enter_guest(uint64_t start, uint64_t stack) __attribute__((noreturn));
LSF_HIDDEN extern long clone_thread(uint64_t flags, void *stack, uint64_t parent_tid, void *child_tid, uint64_t tls);
#ifdef LSF_HOSTED
static inline long blocking_syscall(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    return linux_syscall6(nr, a, b, c, d, e, f);
}
#define undeferred_syscall blocking_syscall
#else
LSF_HIDDEN extern long blocking_syscall(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f);
/* The same for a call that is no sleep for the guest, which no thr_wake ends. */
LSF_HIDDEN extern long undeferred_syscall(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f);
#endif

static inline struct area *current_area(void)
{
    uint64_t base;
    __asm__ volatile("rdgsbase %0" : "=r"(base));
    return (struct area *) base;
}
static inline uint64_t read_fsbase(void) { uint64_t base; __asm__ volatile("rdfsbase %0" : "=r"(base)); return base; }
static inline void clear_alignment_check(void) { __asm__ volatile("pushfq\n\tandl $~0x40000, (%%rsp)\n\tpopfq" : : : "memory", "cc"); }
static inline void write_fsbase(uint64_t base) { __asm__ volatile("wrfsbase %0" : : "r"(base)); }
static inline uint64_t read_tsc(void) { return __builtin_ia32_rdtsc(); }
static inline void write_gsbase(uint64_t base) { __asm__ volatile("wrgsbase %0" : : "r"(base)); }

static inline uint32_t atomic_cas32(uint32_t *at, uint32_t expected, uint32_t value)
{
    __atomic_compare_exchange_n(at, &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return expected;
}
static inline uint64_t atomic_cas64(uint64_t *at, uint64_t expected, uint64_t value)
{
    __atomic_compare_exchange_n(at, &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return expected;
}
static inline uint32_t atomic_swap32(uint32_t *at, uint32_t value) { return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST); }
static inline uint32_t atomic_load32(uint32_t *at) { return __atomic_load_n(at, __ATOMIC_SEQ_CST); }
static inline void atomic_store32(uint32_t *at, uint32_t value) { __atomic_store_n(at, value, __ATOMIC_SEQ_CST); }
static inline uint32_t atomic_or32(uint32_t *at, uint32_t bits) { return __atomic_fetch_or(at, bits, __ATOMIC_SEQ_CST); }
static inline uint32_t atomic_and32(uint32_t *at, uint32_t bits) { return __atomic_fetch_and(at, bits, __ATOMIC_SEQ_CST); }
static inline uint32_t atomic_add32(uint32_t *at, uint32_t value) { return __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST); }
static inline uint64_t atomic_add64(uint64_t *at, uint64_t value) { return __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST); }
static inline uint64_t atomic_and64(uint64_t *at, uint64_t bits) { return __atomic_fetch_and(at, bits, __ATOMIC_SEQ_CST); }
static inline uint64_t atomic_or64(uint64_t *at, uint64_t bits) { return __atomic_fetch_or(at, bits, __ATOMIC_SEQ_CST); }

/* A futex mutex (0 free, 1 taken, 2 taken and waited for). */
static inline void lock_acquire(struct lock *lock)
{
    uint32_t seen = atomic_cas32(&lock->word, 0, 1);
    if (seen == 0)
        return;
    if (seen != 2)
        seen = atomic_swap32(&lock->word, 2);
    while (seen != 0) {
        linux_syscall4(SYS_futex, (uint64_t) &lock->word, FUTEX_WAIT_PRIVATE, 2, 0);
        seen = atomic_swap32(&lock->word, 2);
    }
}
static inline void lock_release(struct lock *lock)
{
    if (atomic_swap32(&lock->word, 0) == 2)
        linux_syscall3(SYS_futex, (uint64_t) &lock->word, FUTEX_WAKE_PRIVATE, 1);
}

static inline int count_trailing_zeros(uint64_t bits) { return __builtin_ctzll(bits); }
/* Save the vector registers; `to` is 64-byte aligned, and its XSAVE header zeroed. */
static inline void xsave(void *to, uint64_t components)
{
    __asm__ volatile("xsave64 (%0)" : : "r"(to), "a"((uint32_t) components), "d"((uint32_t) (components >> 32)) : "memory");
}
static inline void xrstor(const void *from, uint64_t components)
{
    __asm__ volatile("xrstor64 (%0)" : : "r"(from), "a"((uint32_t) components), "d"((uint32_t) (components >> 32)) : "memory");
}
static inline uint64_t read_xcr0(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t) high << 32 | low;
}
/* A filter that answers every syscall outside the window with SIGSYS: the engine `trap`. */
static inline long seccomp_trap_outside_window(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) (WINDOW_BASE >> 32), 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (uint32_t) ~(WINDOW_SIZE - 1)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) WINDOW_BASE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
    long result = linux_syscall3(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (uint64_t) &program);
    if (result < 0) {
        linux_syscall5(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        result = linux_syscall3(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (uint64_t) &program);
    }
    return result;
}

static inline void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    __asm__ volatile("cpuid" : "=a"(*a), "=b"(*b), "=c"(*c), "=d"(*d) : "a"(leaf), "c"(subleaf));
}

#endif
