# What own.h declares: FreeBSD's share of struct process and struct area.

cdef extern from "own.h" nogil:
    const uint32_t KEPT_SIGNALS
    const int FD_MARKS
    const uint32_t CHILDREN_TOLD
    enum:
        CTL_TRACE, CTL_TRAPCAP, CTL_ASLR, CTL_PROTMAX, CTL_STACKGAP, CTL_WXMAP, CTL_LOGSIGEXIT, CTL_KINDS

    ctypedef struct record_file_t "struct record_file":
        uint64_t device
        uint64_t inode
        char path[240]

    ctypedef struct record_asked_t "struct record_asked":
        uint32_t state
        int32_t asker
        uint32_t op, facs
        int32_t fd
        uint32_t error
    ctypedef struct kept_limit_t "struct kept_limit":
        int64_t below_cur, below_max
    ctypedef struct kept_t "struct kept":
        uint32_t word
        int32_t tid, pid
        uint32_t uid
        uint64_t value

    ctypedef struct process_own_t "struct process_own":
        char comm[20]
        uint32_t osreldate
        uint32_t osreldate_given
        uint64_t vdso_data
        uint64_t stack_linux
        uint64_t ps_strings
        uint64_t minsigstksz
        uint32_t traced
        uint32_t nosigpipe
        uint32_t truss_pids
        uint32_t truss_over
        uint32_t truss_lost
        uint32_t truss_pipe
        uint64_t truss_stderr
        lock_t lock_signal, lock_memory, lock_event, lock_thread, lock_truss, lock_ids
        void *events
        void *mqueue_notes
        uint64_t notes
        void *aio
        void *procdescs
        void *shared_ids
        void *threads
        uint32_t fakeroot
        uint32_t flocked
        uint32_t stat_apart
        uint32_t paths_opened
        uint32_t trusted
        uint32_t users_shown, groups_shown
        uint32_t users[3]
        uint32_t groups[3]
        uint32_t sugid
        char login[36]
        uint32_t nice_beyond
        uint32_t cpuset
        uint32_t reaper
        uint32_t subtree
        kept_limit_t limits_kept[6]
        uint32_t memlock_set
        uint32_t signals
        uint32_t messages[2]
        uint32_t ctl[8]
        uint32_t osrel
        uint64_t guest_mark[3]
        uint64_t guest_unmark[3]
        uint64_t magic
        uint64_t limits
        uint64_t auxv
        uint64_t args, args_size
        uint32_t args_strings
        uint64_t title
        uint32_t umtx_shared_waiters
        int64_t umtx_min_timeout
        uint32_t directory_changes
        uint64_t kept_bits[2]
        uint32_t kept_count
        uint32_t virtual_kept
        uint32_t queued
        uint64_t queued_looked
        uint32_t told_high
        uint32_t child_taken
        uint32_t child_check
        uint32_t files_shared
        uint32_t executing
        uint64_t vfork_spare
        uint64_t mount_cache
        int32_t procdesc_making
        uint32_t procdesc_maker
        uint32_t procdesc_holder
        int32_t procdesc_held
        int32_t procdesc_ready
        uint32_t procdesc_daemon
        uint64_t unknown_reported[10]
        uint32_t timer_words[32]
        int32_t timer_ids[32]
        record_asked_t record_asked
        uint32_t ktrace_facs
        uint32_t master_quoted
        void *backs
        uint32_t fd_marked
        uint32_t pollers
        uint32_t pollers_seen
        uint32_t poll_turns
        uint8_t *fd_marks_high
        uint8_t fd_marks[512]
        uint64_t debugged
        uint64_t debug_map
        uint32_t threads_made
        uint32_t debug_inside
        uint32_t debug_joining
        int32_t debugger
        int32_t debug_join
        uint32_t debug_quiet
        uint32_t by_fexecve
        uint64_t debug_sent[2]
        uint32_t cores
        uint64_t core_page
        void *tracees
        uint32_t tracing
        uint32_t sockets
        uint32_t capmode
        uint32_t fd_caps_shared
        void *fd_caps
        void *inotify
        uint32_t fd_caps_room
        uint64_t *cap_ioctls
        uint32_t cap_ioctls_used

    ctypedef struct process_last_t "struct process_last":
        record_file_t record_file
        uint32_t told[CHILDREN_TOLD]
        kept_t kept[1]

    ctypedef struct area_own_t "struct area_own":
        uint32_t virtual_pending
        uint32_t signals
        uint32_t messages[2]
        uint64_t suspend_mask[2]
        uint64_t guest_gsbase
        uint64_t guest_tlsbase
        uint32_t has_tlsbase
        uint64_t thread_child_tid
        uint64_t thread_context
        char name[24]
        uint32_t wakeup
        uint32_t exiting
        uint64_t robust[3]
        uint32_t lent
        int32_t base_policy
        int32_t base_priority
        uint32_t cap_failed
        uint64_t cap_rights[4]
        void *truss_call
        void *truss_pieces
        void *truss_starts
        int64_t directory_next
        int32_t directory_fd
        uint32_t directory_changes
        uint32_t ids_generation
        uint32_t ids_asked
        uint32_t ready
        uint64_t fast_block
        uint32_t fast_block_set
        int32_t procdesc_ends[2]
        uint64_t exterr
        int64_t wake_delay
        int32_t wake_timer
        int32_t guest_asked, guest_forked
        uint32_t guest_answer
        uint32_t guest_sent
        uint64_t guest_time
        uint32_t debug_flags
        int32_t debug_child
        int32_t debug_later
        uint32_t debug_stop
        uint32_t debug_step
        uint32_t debug_redo
        uint32_t ktr_late
        uint32_t debug_again
        int64_t wait_until
        uint64_t wait_site
        uint64_t debug_site
        uint32_t debug_vfork
        uint32_t debug_vfork_tid
        uint64_t watch[4]
        uint64_t debug_registers[8]
        uint32_t debug_dies
        uint32_t waits
        uint64_t polled
        uint32_t poll_closed
        uint32_t poll_gone
        uint32_t poll_turn
        uint64_t poll_left
        uint64_t waiting[2]
