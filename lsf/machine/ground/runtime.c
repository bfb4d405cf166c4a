/* The freestanding bits of the image, and the assertions that keep layout.h and the structs in step. */
#define _GNU_SOURCE
#include "runtime.h"
#include "tables.h"

#define AT(type, field, offset) _Static_assert(offsetof(struct type, field) == (offset), #type "." #field)
AT(area, self, AREA_SELF);
AT(area, guest_rsp, AREA_GUEST_RSP);
AT(area, ret, AREA_RET);
AT(area, frame, AREA_FRAME);
AT(area, lanes, AREA_LANES);
AT(area, nr, AREA_NR);
AT(area, deferred, AREA_DEFERRED);
AT(area, woken, AREA_WOKEN);
AT(area, alignment, AREA_ALIGNMENT);
_Static_assert(AREA_DEFERRED % 8 == 0 && AREA_WOKEN == AREA_DEFERRED + 4 && AREA_ALIGNMENT == AREA_DEFERRED + 6,
               "the entry looks at all at once");
AT(area, retval, AREA_RETVAL);
AT(area, hooks, AREA_HOOKS);
AT(area, not_begun, AREA_NOT_BEGUN);
AT(area, tail, AREA_TAIL);
AT(area, slot, AREA_SLOT);
AT(frame, arg, FRAME_RDI);
AT(patches, hidden_low, DATA_HIDDEN_LOW - DATA_PATCHES);
AT(patches, hidden_high, DATA_HIDDEN_HIGH - DATA_PATCHES);
AT(frame, nr, FRAME_NR);
AT(frame, ret, FRAME_RET);
AT(frame, rsp, FRAME_RSP);
AT(frame, result, FRAME_RESULT);
AT(frame, rbx, FRAME_RBX);
AT(frame, r15, FRAME_R15);
AT(stats, started, STATS_STARTED);
AT(stats, owner, STATS_OWNER);
AT(stats, engine, STATS_ENGINE);
AT(stats, patched, STATS_PATCHED);
AT(stats, refused, STATS_REFUSED);
AT(stats, jumped, STATS_JUMPED);
AT(stats, live, STATS_LIVE);
AT(stats, rows, STATS_ROW);
AT(stats, sites, STATS_SITE);
_Static_assert(sizeof(struct stats) <= STATS_SIZE && STATS_BASE + STATS_SIZE <= SHIM_END, "struct stats");
_Static_assert(GUEST_NSYSCALLS < STATS_ROWS, "struct stats");
_Static_assert(sizeof(struct frame) == FRAME_SIZE, "struct frame");
_Static_assert(sizeof(struct area) <= AREA_STRIDE - AREA_STRUCT, "struct area");
_Static_assert(sizeof(struct process) <= DATA_SITES - DATA_PROCESS, "struct process");
_Static_assert(offsetof(struct process, execpath) + 256 <= 4096 - DATA_PROCESS, "what a start writes is in one page");
_Static_assert(sizeof(struct patches) <= DATA_SLOTS, "struct patches");
_Static_assert(AREA_SLOTS_FIRST * sizeof(struct slot) <= DATA_PROCESS - DATA_SLOTS, "the first slots");
_Static_assert(PATCH_SITES * 8 <= DATA_MORE_SLOTS - DATA_SITES, "the table of sites");
_Static_assert((AREA_COUNT - AREA_SLOTS_FIRST) * sizeof(struct slot) <= DATA_TRAMPOLINES - DATA_MORE_SLOTS, "slots");
_Static_assert(PATCH_SITES * 8 <= DATA_PAGES - DATA_TRAMPOLINES, "the table of trampolines");
_Static_assert(PATCH_PAGES_MAX * 8 <= DATA_SIZE - DATA_PAGES, "the pages of trampolines");
_Static_assert(DATA_BASE + DATA_SIZE <= AREAS_BASE && AREA_STRUCT % 64 == 0, "the areas");
_Static_assert(AREAS_BASE + (uint64_t) AREA_COUNT * AREA_STRIDE <= STATS_BASE, "areas");
_Static_assert(STATS_BASE + STATS_SIZE <= HEAP_BASE, "the counters");

/* The lane table of a thread whose every call takes the translate lane (truss). */
LSF_HIDDEN const uint32_t lsf_lane_none[GUEST_NSYSCALLS] = {[0 ... GUEST_NSYSCALLS - 1] = LSF_NOT_PASSED};

#ifndef LSF_HOSTED
#ifdef LSF_COVERAGE
/* An image for whoever wants to know what the tests reach: compiled with -fsanitize-coverage=trace-pc, it calls this at each branch. The
 * file LSF_COVERAGE, which all processes share, has a byte for each of the window's; one is set where a call returns to. */
_Static_assert(DATA_PAGES + PATCH_PAGES_MAX * 8 <= DATA_COVERAGE && DATA_COVERAGE + 4 <= DATA_SIZE, "the word of the coverage");
_Static_assert(STATS_BASE + STATS_SIZE <= COVERAGE_BASE && COVERAGE_BASE + WINDOW_SIZE <= HEAP_BASE, "the notes of the coverage");
LSF_HIDDEN __attribute__((no_sanitize_coverage)) void __sanitizer_cov_trace_pc(void)
{
    volatile uint32_t *state = (volatile uint32_t *) (DATA_BASE + DATA_COVERAGE);   /* 1: mapped, 2: cannot be */
    if (*state == 0) {
        long fd;
        *state = 2;
        fd = linux_syscall3(SYS_open, (uint64_t) LSF_COVERAGE, O_RDWR | O_CLOEXEC, 0);
        if (fd >= 0) {
            long at = linux_syscall6(SYS_mmap, COVERAGE_BASE, WINDOW_SIZE, 3, 0x100001, (uint64_t) fd, 0); /* SHARED | FIXED_NOREPLACE */
            linux_syscall1(SYS_close, (uint64_t) fd);
            if (at == COVERAGE_BASE)
                *state = 1;
        }
    }
    if (*state == 1)
        ((volatile char *) COVERAGE_BASE)[(uint64_t) __builtin_return_address(0) - WINDOW_BASE] = 1;
}
#endif

/* The writable data at DATA_BASE, and the stacks of the first area, which the kernel so maps with the image. */
#define NOBITS(name) __attribute__((section(name ",\"aw\",@nobits#"), used, aligned(4096)))
NOBITS(".shimdata") static char shim_data[DATA_SIZE];
NOBITS(".firstsignal") static char first_signal_stack[AREA_SIGSTACK_SIZE];
NOBITS(".firststack") static char first_stack[AREA_STRIDE - AREA_STACK];
#else
struct process hosted_process;
struct slot hosted_slots[AREA_COUNT];
struct patches hosted_patches;
uint32_t lsf_hidden_low = ~0u, lsf_hidden_high;
uint64_t hosted_sites[PATCH_SITES], hosted_trampolines[PATCH_SITES], hosted_pages[PATCH_PAGES_MAX];
char image_text_end[1];

#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

static struct { struct frame frame; struct area area; } hosted;
static struct sigaction hosted_old[2];

struct area *hosted_area(void)
{
    struct area *area = &hosted.area;
    if (area->self == NULL) {
        area->self = area;
        area->frame = &hosted.frame;
        area->slot = slot_at(0);
        area->lanes = lsf_lane;
        area->proc = &hosted_process;
        area->altstack_flags = 4;
        hosted_process.image_fd = -1;
        hosted_process.truss_fd = -1;
        hosted_process.record_fd = -1;
        hosted_process.stats_fd = -1;
        hosted_process.ncpu = 1;
    }
    hosted_process.pid = getpid();
    area->tid = (int32_t) linux_syscall0(SYS_gettid);
    return area;
}

static void hosted_fault(int signo, siginfo_t *info, void *context)
{
    greg_t *rip = &((ucontext_t *) context)->uc_mcontext.gregs[REG_RIP];
    (void) info;
    if ((char *) *rip >= accessors && (char *) *rip < accessors_end)
        *rip = (greg_t) accessor_fault;
    else
        signal(signo, SIG_DFL);
}

int hosted_guard(void)
{
    struct sigaction action = {.sa_sigaction = hosted_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    return sigaction(SIGSEGV, &action, &hosted_old[0]) | sigaction(SIGBUS, &action, &hosted_old[1]);
}

void hosted_unguard(void)
{
    sigaction(SIGSEGV, &hosted_old[0], NULL);
    sigaction(SIGBUS, &hosted_old[1], NULL);
}
#endif
