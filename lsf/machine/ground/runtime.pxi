# What runtime.h and tables.h declare: the structs that assembly knows, Linux syscalls, guest memory, locks, and the tables
# that a personality defines.

cdef extern from "machine/ground/runtime.h" nogil:
    ctypedef uint64_t uaddr

    ctypedef struct frame_t "struct frame":
        uint64_t arg[6]
        uint64_t nr, ret, rsp, result
        uint64_t rbx, rbp, r12, r13, r14, r15

    ctypedef struct handler_t "struct handler":
        uint64_t function
        uint64_t mask[2]
        uint32_t flags

    ctypedef struct stats_row_t "struct stats_row":
        uint64_t calls, errors, nanoseconds

    ctypedef struct stats_site_t "struct stats_site":
        uint64_t key, traps, offset
        uint32_t reason, claimed
        char name[96]

    ctypedef struct stats_t "struct stats":
        uint64_t version, started
        uint32_t owner, alive, processes, images, engine, no_patch, patched, sites_lost
        uint32_t refused[16]
        uint64_t jumped, trapped, restarts
        uint32_t live[1024]
        stats_row_t rows[1024]
        stats_site_t sites[1024]

    ctypedef long (*lsf_hook_t)(frame_t *, area_t *, uint64_t) noexcept nogil

    ctypedef struct hook_t "struct hook":
        lsf_hook_t function
        const uint32_t *lanes

    ctypedef struct process_t "struct process":
        hook_t hooks[9]
        uint64_t hooks_everywhere
        int32_t pid
        uint32_t engine, debug, no_patch
        int32_t image_fd, truss_fd, record_fd
        uint32_t filter_installed
        uint64_t vdso, vdso_end
        int (*vdso_clock_gettime)(int, void *) noexcept nogil
        uint64_t break_start, break_end, stack_top, stack_low
        uint32_t ncpu, tracer
        handler_t handlers[129]
        char execpath[4096]
        void *lookup
        uint64_t xstate_size, xstate_features
        stats_t *stats
        int32_t life_fd
        int32_t stats_fd
        uint32_t stats_counted, stats_image
        process_own_t own
        process_last_t last

    ctypedef struct area_t "struct area":
        area_t *self
        uint64_t guest_rsp, ret
        frame_t *frame
        const uint32_t *lanes
        uint32_t nr, deferred, index
        uint16_t woken, alignment
        uint64_t retval
        uint64_t hooks
        uint32_t not_begun, suspended
        uint64_t tail[5]
        slot_t *slot
        process_t *proc
        int32_t tid
        uint64_t sigmask[2]
        uint32_t in_vfork
        uint64_t altstack_sp, altstack_size
        uint32_t altstack_flags
        uint64_t info[16]
        uint64_t scratch, scratch_size
        void (*service)(area_t *) noexcept nogil
        uint32_t trapped_again
        area_own_t own

    ctypedef struct slot_t "struct slot":
        uint32_t state, mapped

    ctypedef struct patches_t "struct patches":
        lock_t lock
        uint32_t pools, left, patched, refused
        uint64_t pool_start[16]
        uint64_t pool_used[16]
        uint64_t left_start[32]
        uint64_t left_end[32]
        uint32_t kept_full
        uint64_t heap_next
        uint32_t pages, next_image
        uint64_t pools_low, pools_high
        uint64_t images[8]
        uint64_t go_module
        uint64_t family
        uint32_t family_seen, forks

    const uint64_t STATS_BASE, STATS_SIZE
    const int STATS_PROCESSES, STATS_ROWS, STATS_SITES, STATS_REASONS
    const int PATCH_SITES, PATCH_POOLS, PATCH_LEFT, PATCH_IMAGES, PATCH_PAGES_MAX

    enum:
        ENGINE_AUTO, ENGINE_SUD, ENGINE_TRAP, ENGINE_PTRACE

    const uint64_t WINDOW_BASE, WINDOW_SIZE, SIGCODE_BASE, SIGCODE_SIZE, HEAP_BASE, HEAP_START, SHIM_END, AREAS_BASE, AREA_STRIDE, AREA_STRUCT
    const uint64_t AREA_SIGSTACK, AREA_SIGSTACK_SIZE, AREA_STACK
    const int AREA_COUNT, FRAME_SIZE, GUEST_ERRNO, RETURN_IN_AREA, RETURN_SYSCALL, TRACE_CALL, WOKEN_PENDING, WOKEN_ENDED
    slot_t *slot_at(int index)
    process_t *SHIM
    patches_t *PATCHES
    uint64_t *PATCH_TABLE
    uint64_t *PATCH_TRAMPOLINES
    uint64_t *PATCH_PAGES
    const uint64_t PROCESS_COPIED, DATA_SIZE, DATA_BASE

    long linux_syscall0(long nr)
    long linux_syscall1(long nr, uint64_t a)
    long linux_syscall2(long nr, uint64_t a, uint64_t b)
    long linux_syscall3(long nr, uint64_t a, uint64_t b, uint64_t c)
    long linux_syscall4(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
    long linux_syscall5(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
    long linux_syscall6(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
    long tail_syscall2(area_t *area, long nr, uint64_t a, uint64_t b)
    long tail_syscall3(area_t *area, long nr, uint64_t a, uint64_t b, uint64_t c)
    long tail_syscall4(area_t *area, long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
    long blocking_syscall(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
    long undeferred_syscall(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)

    long copy_guest(void *to, const void *from_, uint64_t size)
    long copy_guest_string(void *to, const void *from_, uint64_t max)
    long guest_string_length(uaddr from_, uint64_t max)
    long fetch_guest32(uaddr from_, uint32_t *to)
    long fetch_guest64(uaddr from_, uint64_t *to)
    long store_guest32(uaddr to, uint32_t value)
    long store_guest64(uaddr to, uint64_t value)
    long zero_guest(uaddr to, uint64_t size)
    long cas_guest32(uaddr at, uint32_t *expected, uint32_t value)
    long cas_guest64(uaddr at, uint64_t *expected, uint64_t value)

    char _start[1]
    char image_text_end[1]
    const uint32_t lsf_lane_none[1]
    ctypedef struct region_t "struct region":
        uint64_t from_ "from"
        uint64_t to, what

    const region_t regions[1]
    const int REGION_OTHER, REGION_PASS, REGION_PASSED, REGION_CONVERTED, REGION_TRANSLATE, REGION_PATCH, REGION_LEAVE, REGION_TAIL
    char accessors[1]
    char accessors_end[1]
    char accessor_fault[1]
    char entry[1]
    char pass_number[1]
    char pass_syscall[1]
    char pass_return[1]
    char pass_converted[1]
    char pass_end[1]
    char translate[1]
    char guarded[1]
    char entry_end[1]
    char translate_args[1]
    char translate_call[1]
    char translate_return[1]
    char translate_commit[1]
    char translate_end[1]
    char patch_entry[1]
    char patch_args[1]
    char patch_call[1]
    char patch_commit[1]
    char patch_end[1]
    char tail_return[1]
    char tail_end[1]
    char blocking_check[1]
    char blocking_call[1]
    char undeferred_check[1]
    char undeferred_call[1]
    char blocking_cancel[1]
    char signal_restorer[1]
    char vfork_born[1]
    char vfork_born_end[1]
    char sigcode[1]
    char sigcode_traced[1]
    char sigcode_end[1]
    void resume_from(void *linux_frame)
    void enter_guest(uint64_t start, uint64_t stack)
    long clone_thread(uint64_t flags, void *stack, uint64_t parent_tid, void *child_tid, uint64_t tls)

    area_t *current_area()
    uint64_t read_fsbase()
    void write_fsbase(uint64_t base)
    uint64_t read_tsc()
    void clear_alignment_check()
    void write_gsbase(uint64_t base)
    uint32_t atomic_cas32(uint32_t *at, uint32_t expected, uint32_t value)
    uint32_t atomic_swap32(uint32_t *at, uint32_t value)
    uint32_t atomic_load32(uint32_t *at)
    void atomic_store32(uint32_t *at, uint32_t value)
    uint32_t atomic_or32(uint32_t *at, uint32_t bits)
    uint32_t atomic_and32(uint32_t *at, uint32_t bits)
    uint32_t atomic_add32(uint32_t *at, uint32_t value)
    uint64_t atomic_add64(uint64_t *at, uint64_t value)
    uint64_t atomic_or64(uint64_t *at, uint64_t bits)
    uint64_t atomic_and64(uint64_t *at, uint64_t bits)
    void lock_acquire(lock_t *lock)
    void lock_release(lock_t *lock)
    uint64_t atomic_cas64(uint64_t *at, uint64_t expected, uint64_t value)
    int count_trailing_zeros(uint64_t bits)
    uint64_t read_xcr0()
    void xsave(void *to, uint64_t components)
    void xrstor(const void *source, uint64_t components)
    long seccomp_trap_outside_window()
    void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)

cdef extern from "machine/ground/tables.h" nogil:
    const uint32_t GUEST_NSYSCALLS, GUEST_PATH_MAX
    ctypedef long (*lsf_handler_t)(frame_t *, area_t *) noexcept nogil
    const uint32_t lsf_lane[1]
    const lsf_handler_t lsf_handler[1]
    const uint16_t lsf_refuse_errno[1]
    const uint8_t lsf_nosys[1]
    const uint8_t lsf_descriptors[1]
    const uint8_t lsf_outputs[1]
    uint32_t lsf_hidden_low, lsf_hidden_high
    const int32_t lsf_pass_nr[1]
    const uint8_t lsf_restart[1]
    const uint8_t lsf_errno_map[1]
    const uint8_t lsf_path_first[1]
