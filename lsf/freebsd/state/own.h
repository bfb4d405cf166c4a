/* What FreeBSD's kernel keeps of a process and of a thread, beside what the machine keeps (machine/ground/runtime.h): `own` and
 * `last` in its structs. The machine knows that they are there, and no member of them. */
#ifndef LSF_OWN_H
#define LSF_OWN_H

#include <stdint.h>
#include "lock.h"

/* A blocked signal that Linux has no number for (sigqueue.pxi). */
#define KEPT_SIGNALS 512
/* Descriptors that have their marks here (fd_marks.pxi); those of others are in memory that is made for them. */
#define FD_MARKS 512
struct kept {
    uint32_t word;          /* as si_errno of the carrier: code and number */
    int32_t tid;            /* the thread it was sent to; 0: the process */
    int32_t pid;
    uint32_t uid;
    uint64_t value;
};

/* What another guest asks of this one's records (ktrace_others.pxi). */
struct record_asked {
    uint32_t state;             /* 1: nobody has looked at it yet */
    int32_t asker;              /* its number, until it is answered */
    uint32_t op, facs;          /* ktrace(2)'s arguments */
    int32_t fd;                 /* the file, among the asker's descriptors */
    uint32_t error;             /* the answer: it could not be opened */
};

/* And which file that is, for one that can answer only when the asker may have gone. */
struct record_file {
    uint64_t device, inode;
    char path[240];
};

/* Zombies that the program was told of (sigchld.pxi). */
#define CHILDREN_TOLD 256

/* A limit that Linux does not have (kept_limits.pxi), as what it differs in from infinity: nothing set is zero. */
struct kept_limit {
    int64_t below_cur, below_max;
};

/* Where `ctl` keeps what procctl(2) has set. */
enum { CTL_TRACE = 1, CTL_TRAPCAP, CTL_ASLR, CTL_PROTMAX, CTL_STACKGAP, CTL_WXMAP, CTL_LOGSIGEXIT, CTL_KINDS };

/* Of a process. The child of a vfork begins with a copy. */
struct process_own {
    char comm[20];              /* p_comm: MAXCOMLEN and a NUL */
    uint32_t osreldate;
    uint32_t osreldate_given;   /* by an option, or by a root; else a program that was built for a later release finds that */
    uint64_t vdso_data;         /* mmap.pxi's: where the vDSO's data begin; 0: not looked for yet */
    uint64_t stack_linux;       /* stack.pxi's: the soft limit that Linux programs get; 0: the one that is set */
    uint64_t ps_strings;
    uint64_t minsigstksz;
    uint32_t traced;            /* this process was started with truss */
    uint32_t nosigpipe;         /* NOSIGPIPE_ of errors.pxi: the shim sees every SIGPIPE, some socket has SO_NOSIGPIPE */
    uint32_t truss_pids;        /* truss shows pids: there is more than one process */
    uint32_t truss_over;        /* its output failed: this process goes on without */
    uint32_t truss_lost;        /* lines that were not written since nobody reads */
    uint32_t truss_pipe;        /* its output is a pipe */
    uint64_t truss_stderr;      /* which file descriptor 2 was when the program began */
    /* Who holds one of the shim's locks takes only those that come after it: lock_ids; patches.lock; lock_thread; aio's own
     * (aio.pxi); lock_event; lock_memory; lock_signal; lock_truss. locks_acquire (fork.pxi) takes them all, so that none is held in a
     * child. None is held while the guest's code runs, nor while a thread waits for anything but a lock. */
    struct lock lock_signal, lock_memory, lock_event, lock_thread, lock_truss, lock_ids;
    void *events;               /* kqueue.pxi's */
    void *mqueue_notes;         /* mqueue.pxi's */
    uint64_t notes;             /* notes.pxi's: the key by which this process was watched when it began; 0: nobody did */
    void *aio;                  /* aio.pxi's */
    void *procdescs;            /* procdesc.pxi's: the children that waits treat apart */
    void *shared_ids;           /* cred_threads.pxi's */
    void *threads;              /* thread.pxi's */
    uint32_t fakeroot;          /* --fakeroot: owners that cannot be given are remembered (fakeroot.pxi) */
    uint32_t flocked;           /* flock.pxi's: some open file has, or had, a lock of flock */
    uint32_t stat_apart;        /* fakeroot, or object_fd.pxi's: some descriptors are not what they are for Linux */
    uint32_t paths_opened;      /* OPENED_ of object_fd.pxi: it has opened files with O_PATH, or such objects */
    uint32_t trusted;           /* cred.pxi's: whether it has been root (TRUSTED_) */
    uint32_t users_shown, groups_shown;     /* cred_shown.pxi's: the ids below are shown instead of Linux's */
    uint32_t users[3], groups[3];           /* real, effective, saved */
    uint32_t sugid;             /* cred.pxi's: P_SUGID, ids are not or were not those of who started the program */
    char login[36];             /* cred.pxi's: the session's login name, empty until somebody asks */
    uint32_t nice_beyond;       /* sched.pxi's: the priority was set to 20, which Linux has not */
    uint32_t cpuset;            /* resource.pxi's: the number of the processor set, 0 for the first */
    uint32_t reaper;            /* procctl.pxi's: PROC_REAP_ACQUIRE, for other guests to see, */
    uint32_t subtree;           /* and the child of a reaper that this process is, or comes from; 0: none that is known */
    struct kept_limit limits_kept[6];   /* kept_limits.pxi's */
    uint32_t memlock_set;       /* limits.pxi's: RLIMIT_MEMLOCK is the guest's own choice */
    uint32_t signals;           /* and how many its handlers were called for, as area_own's */
    uint32_t messages[2];       /* what threads that have ended sent and received on sockets, as area_own's */
    uint32_t ctl[8];            /* procctl.pxi's: what was set, by kind */
    uint32_t osrel;             /* the release that the program was built for, from its note */
    uint64_t guest_mark[3];     /* queued.pxi's: by this address other guests know a guest (struct robust_list_head), */
    uint64_t guest_unmark[3];   /* and by this one that a guest executes a Linux program */
    uint64_t magic;             /* by which one guest knows another's struct process */
    uint64_t limits;            /* mprotect.pxi's: what mprotect may not give, 0 for nothing noted */
    uint64_t auxv;              /* where the guest's auxiliary vector lies */
    uint64_t args, args_size;   /* kern_proc_one.pxi's: what setproctitle gave */
    uint32_t args_strings;      /* it gave nothing: what ps_strings tells is shown */
    uint64_t title;             /* the page that Linux shows as the arguments; 0: none yet */
    uint32_t umtx_shared_waiters;   /* threads in a WAIT that is not _PRIVATE */
    int64_t umtx_min_timeout;   /* nanoseconds */
    uint32_t directory_changes; /* counts what may move a descriptor's offset or make it another file's */
    uint64_t kept_bits[2];      /* the guest's signals among `kept` */
    uint32_t kept_count;
    uint32_t virtual_kept;      /* bits of the guest's signals among SEGV, BUS and SYS that wait for the process (sigtd.pxi) */
    uint32_t queued;            /* queued.pxi's: how many this process has sent itself that have not arrived, */
    uint64_t queued_looked;     /* and when that was looked at, in the processor's cycles */
    uint32_t told_high;         /* sigchld.pxi's: of `told`, the first so many may be taken; */
    uint32_t child_taken;       /* a child was waited for of which the program had not been told; so may one have been before an exec */
    uint32_t child_check;       /* a SIGCHLD was taken from Linux, which may have dropped others */
    uint32_t files_shared;      /* rfork: another process has the same descriptors */
    uint32_t executing;         /* a child of vfork is in execve: its parent goes on because of that */
    uint64_t vfork_spare;       /* memory for the copy that a vfork makes; 0: none kept */
    uint64_t mount_cache;       /* mount.pxi's, a mapping of its own; 0: none yet */
    int32_t procdesc_making;    /* the writing end of the pipe of a pdfork that is under way, */
    uint32_t procdesc_maker;    /* and whose it is: an area's index and 1, 0 for nobody's */
    uint32_t procdesc_holder;   /* procdesc_shared.pxi's: the thread that has this process's writing end, where it shares descriptors; 0: none */
    int32_t procdesc_held, procdesc_ready;  /* its numbers in that thread's table; the second until it has said that it has it */
    uint32_t procdesc_daemon;   /* PD_DAEMON */
    uint64_t unknown_reported[10];
    uint32_t timer_words[32];   /* sigqueue.pxi's: the carrier's si_errno for the timers that send it; 0: free */
    int32_t timer_ids[32];      /* their numbers */
    struct record_asked record_asked;
    uint32_t ktrace_facs;       /* ktrace.pxi's: p_traceflag, what is recorded, and KTRFAC_INHERIT */
    uint32_t master_quoted;     /* tty_info.pxi's: a master to which VLNEXT was written last, and 1 more; 0: none */
    void *backs;                /* pipe_back.pxi's: the ways back of pipes that this process has used */
    uint32_t fd_marked;         /* fd_marks.pxi's: the marks that some descriptor has, or had */
    uint32_t pollers;           /* poll_closed.pxi's: threads that sleep in poll(2) or select(2); */
    uint32_t pollers_seen;      /* there was one; */
    uint32_t poll_turns;        /* how many such waits have begun */
    uint8_t *fd_marks_high;     /* those of descriptors from FD_MARKS on; NULL: none has any */
    uint8_t fd_marks[FD_MARKS];
    uint64_t debugged;          /* debug_page.pxi's: the page by which another guest traces this one; 0: none does */
    uint64_t debug_map;         /* where such pages are mapped; 0: none ever was */
    uint32_t threads_made;      /* a count, which goes on before a thread begins */
    uint32_t debug_inside;      /* threads that wait by that page */
    uint32_t debug_joining;     /* a thread takes up the page */
    int32_t debugger;           /* and who traces; 0: nobody */
    int32_t debug_join;         /* who has asked to */
    uint32_t debug_quiet;       /* it asked to be traced as the child of a vfork, and does not stop until it executes (P_PPTRACE) */
    uint32_t by_fexecve;        /* the program was executed by that call, where somebody traces */
    uint64_t debug_sent[2];     /* signals that the tracer sent, which stop no more */
    uint32_t cores;             /* cores.pxi's: RLIMIT_CORE allows a core file */
    uint64_t core_page;         /* the states of threads for the core file that one of them writes; 0: none does */
    void *tracees;              /* tracees.pxi's: the processes that this one traces; NULL: none */
    uint32_t tracing;           /* there may be some */
    uint32_t sockets;           /* SOCKETS_ of kept.pxi: what kinds this process, or one that forked it, has made */
    uint32_t capmode;           /* capability.pxi's: the process is in capability mode */
    uint32_t fd_caps_shared;    /* in a child of vfork: the table is its parent's */
    void *fd_caps;              /* what limited descriptors have, by number (struct caps_t); NULL: none is limited */
    void *inotify;              /* inotify.pxi's: the watches of directories, and a record that had no room; NULL: none */
    uint32_t fd_caps_room;      /* how many it has room for */
    uint64_t *cap_ioctls;       /* the lists that they allow ioctl(2), */
    uint32_t cap_ioctls_used;   /* of so many words */
};

/* Of a process, too, but a vfork child has none of it, so it is not copied. */
struct process_last {
    uint32_t told[CHILDREN_TOLD];       /* process numbers; 0: free */
    struct kept kept[KEPT_SIGNALS];
    struct record_file record_file;     /* of record_asked */
};

/* Of a thread. */
struct area_own {
    uint32_t virtual_pending;   /* bits of the guest's signals among SEGV, BUS and SYS that wait for this thread */
    uint32_t signals;           /* resource.pxi's: how many signals this thread's handlers were called for */
    uint32_t messages[2];       /* and how much it sent and received on sockets, but for read(2) and write(2) */
    uint64_t suspend_mask[2];   /* sigsuspend's, while one waits */
    uint64_t guest_gsbase;      /* what the guest set; GS itself is the shim's */
    uint64_t guest_tlsbase;     /* sysarch.pxi's: the FS base that every signal handler finds, */
    uint32_t has_tlsbase;       /* where one was set (PCB_TLSBASE) */
    uint64_t thread_child_tid;
    uint64_t thread_context;    /* thr_new.pxi's: what the thread begins with (a resume_t); 0: thr_new's start */
    char name[24];
    uint32_t wakeup;            /* thr_wake's of another thread, for thr_suspend */
    uint32_t exiting;           /* it ends: thr_exit of another thread does not count it */
    uint64_t robust[3];         /* UMTX_OP_ROBUST_LISTS: shared list, private list, the mutex in between */
    uint32_t lent;              /* policy.pxi's: the priority that a mutex gives this thread, as Linux counts, 1 to 32; 0: none does. */
    int32_t base_policy, base_priority;     /* Its own meanwhile, Linux's */
    uint32_t cap_failed;        /* capability.pxi's: why the call was refused that this thread makes, and 1 more; 0: it was not. */
    uint64_t cap_rights[4];     /* The rights that it needs, and those that there are */
    void *truss_call, *truss_pieces, *truss_starts;     /* the call that truss is at */
    int64_t directory_next;     /* dir.pxi's: where the directory that this thread read last goes on, */
    int32_t directory_fd;       /* its descriptor, */
    uint32_t directory_changes; /* and proc->directory_changes then */
    uint32_t ids_generation;    /* cred_threads.pxi's: of the ids that this thread has taken over */
    uint32_t ids_asked;
    uint32_t ready;             /* its GS and its signal stack are its own: it may be sent SIGBUS */
    uint64_t fast_block;        /* sigfastblock.pxi's: the word of this thread, */
    uint32_t fast_block_set;    /* and whether it has one */
    int32_t procdesc_ends[2];   /* procdesc.pxi's: the pipe of a pdrfork whose child has not executed yet */
    uint64_t exterr;            /* exterr.pxi's: what exterrctl enabled, 0 for nothing */
    int64_t wake_delay;         /* nanoseconds until its timer ends a sleep; 0: no timer */
    int32_t wake_timer;
    int32_t guest_asked;        /* queued.pxi's: the process of which is_guest was asked last, */
    int32_t guest_forked;       /* its child that forked last, */
    uint32_t guest_answer;
    uint32_t guest_sent;        /* how many it was sent since it had none pending, */
    uint64_t guest_time;        /* and when, in the processor's cycles */
    uint32_t debug_flags;       /* debug_call.pxi's: PL_FLAG_ of the stop at the end of this call, */
    int32_t debug_child;        /* and the child that it tells of */
    int32_t debug_later;        /* a signal that the tracer sent at its beginning */
    uint32_t debug_stop;        /* a SIGSTOP for this thread waits for the end of its call */
    uint32_t debug_step;        /* the tracer steps this thread */
    uint32_t debug_redo;        /* a sigsuspend ended: without a signal it goes on */
    uint32_t ktr_late;          /* the return of a sigsuspend is recorded behind the signal that ends it */
    uint32_t debug_again;       /* a call ends because the process stops, and will be made again, */
    int64_t wait_until;         /* a call that waits is about to be made again, from wait_site: when its time is over, by CLOCK_MONOTONIC; 0: none */
    uint64_t wait_site;
    uint64_t debug_site;        /* from here: the tracer does not see it begin twice */
    uint32_t debug_vfork;       /* this thread waits for its vfork child, and counts as one that is stopped */
    uint32_t debug_vfork_tid;   /* of the child of a vfork whose parent is traced: Linux clears it when the child gives up the memory */
    uint64_t watch[4];          /* debug_watch.pxi's: the pages of its breakpoints, */
    uint64_t debug_registers[8];        /* and what the debug registers are */
    uint32_t debug_dies;        /* another thread executes: DIES_ */
    uint32_t waits;             /* tracees.pxi's: in a wait that a tracee's stop ends */
    uint64_t polled;            /* poll_closed.pxi's: what this thread sleeps for, a bit for all descriptors of one remainder by 64; */
    uint32_t poll_closed;       /* and something of that was closed, */
    uint32_t poll_gone;         /* by its number and 1 more, where that is known to have been free; or 0; */
    uint32_t poll_turn;         /* its turn among these waits; */
    uint64_t poll_left;         /* the inode of what was closed of it, and is open by another number; 0: none */
    uint64_t waiting[2];        /* sigwait.pxi's: the signals that this thread waits for, whatever its mask says */
};

#endif
