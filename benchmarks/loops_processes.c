/* Loops over threads and processes: what makes them, and what they say to each other. */
#include "bench.h"

#ifdef GUEST
STUB(sys_fork, 2);
STUB(sys_read, 3);
STUB(sys_wait4, 7);
STUB(sys_execve, 59);
STUB(sys_sched_yield, 331);
STUB(sys_thr_exit, 431);
STUB(sys_thr_self, 432);
STUB(sys_umtx_op, 454);
STUB(sys_thr_new, 455);
STUB(sys_mmap, 477);
STUB(sys_pipe2, 542);
VFORK_STUB(sys_vfork, 66);
enum { ANON_PRIVATE = 0x1002, UMTX_OP_WAIT = 2, UMTX_OP_MUTEX_LOCK = 5, UMTX_OP_MUTEX_UNLOCK = 6 };
#else
STUB(sys_read, 0);
STUB(sys_mmap, 9);
STUB(sys_sched_yield, 24);
STUB(sys_fork, 57);
STUB(sys_execve, 59);
STUB(sys_exit_thread, 60);
STUB(sys_wait4, 61);
STUB(sys_futex, 202);
STUB(sys_pipe2, 293);
VFORK_STUB(sys_vfork, 58);
enum { ANON_PRIVATE = 0x22, FUTEX_WAIT = 0, FUTEX_WAIT_PRIVATE = 128, FUTEX_WAKE_PRIVATE = 129 };
#endif
enum { STACK = 65536 };

static char *executable;

/* --- threads, made and waited for as each system's libc does it --- */

struct thread {
    void (*body)(void *);
    void *argument;
    u8 *stack;
    volatile i64 gone;          /* FreeBSD: thr_exit writes 1; Linux: its number, which the kernel clears */
    u8 tls[64];
};

__attribute__((used)) static void thread_main(struct thread *thread)
{
    thread->body(thread->argument);
#ifdef GUEST
    sys_thr_exit((i64) &thread->gone, 0, 0, 0, 0, 0);
#else
    sys_exit_thread(0, 0, 0, 0, 0, 0);
#endif
}

#ifndef GUEST
/* clone(flags, stack, parent_tid, child_tid): the child pops its function and its argument. */
i64 clone_thread(i64 flags, i64 stack, i64 parent_tid, i64 child_tid);
__asm__("clone_thread:\n	mov %rcx, %r10\n	mov $56, %eax\n	syscall\n	test %rax, %rax\n	jnz 1f\n"
        "	pop %rax\n	pop %rdi\n	call *%rax\n1:	ret\n");
#endif

static void thread_start(struct thread *thread, void (*body)(void *), void *argument)
{
    if (!thread->stack)
        thread->stack = (u8 *) require(sys_mmap(0, STACK, 3, ANON_PRIVATE, -1, 0));
    thread->body = body;
    thread->argument = argument;
#ifdef GUEST
    i64 numbers[2];
    struct { void *function, *argument, *stack; u64 stack_size; void *tls; u64 tls_size; i64 *child, *parent; i64 more[5]; } new =
        {thread_main, thread, thread->stack, STACK, thread->tls, sizeof(thread->tls), &numbers[0], &numbers[1], {0}};
    thread->gone = 0;
    require(sys_thr_new((i64) &new, sizeof(new), 0, 0, 0, 0));
#else
    u64 *top = (u64 *) (thread->stack + STACK) - 4;
    top[0] = (u64) thread_main;
    top[1] = (u64) thread;
    /* VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, PARENT_SETTID, CHILD_CLEARTID */
    require(clone_thread(0x350f00, (i64) top, (i64) &thread->gone, (i64) &thread->gone));
#endif
}

static void thread_join(struct thread *thread)
{
#ifdef GUEST
    while (!thread->gone)
        sys_umtx_op((i64) &thread->gone, UMTX_OP_WAIT, 0, 0, 0, 0);
#else
    i64 number;
    while ((number = thread->gone) != 0)
        sys_futex((i64) &thread->gone, FUTEX_WAIT, number, 0, 0, 0);
#endif
}

static struct thread one;

static void nothing(void *argument)
{
    (void) argument;
}

static void thread_create_join(void)
{
    thread_start(&one, nothing, 0);
    thread_join(&one);
}

/* --- a mutex for which two threads contend --- */

#ifdef GUEST
static struct { u32 owner, flags, ceilings[2]; u64 link; u32 pad[2]; } mutex;

static void lock(u32 self)
{
    u32 free = 0;
    if (!__atomic_compare_exchange_n(&mutex.owner, &free, self, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        require(sys_umtx_op((i64) &mutex, UMTX_OP_MUTEX_LOCK, 0, 0, 0, 0));
}

static void unlock(u32 self)
{
    if (!__atomic_compare_exchange_n(&mutex.owner, &self, 0, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        require(sys_umtx_op((i64) &mutex, UMTX_OP_MUTEX_UNLOCK, 0, 0, 0, 0));
}

static u32 self_number(void)
{
    i64 number;
    require(sys_thr_self((i64) &number, 0, 0, 0, 0, 0));
    return (u32) number;
}
#else
static u32 mutex;               /* 0 free, 1 taken, 2 taken and waited for: glibc's */

static void lock(u32 self)
{
    u32 seen = 0;
    (void) self;
    if (__atomic_compare_exchange_n(&mutex, &seen, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return;
    while (__atomic_exchange_n(&mutex, 2, __ATOMIC_ACQUIRE) != 0)
        sys_futex((i64) &mutex, FUTEX_WAIT_PRIVATE, 2, 0, 0, 0);
}

static void unlock(u32 self)
{
    (void) self;
    if (__atomic_exchange_n(&mutex, 0, __ATOMIC_RELEASE) == 2)
        sys_futex((i64) &mutex, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}

static u32 self_number(void)
{
    return 1;
}
#endif

static volatile int enough;

/* On one CPU the yield lets the other thread run into the lock. */
static void contend_once(u32 self)
{
    lock(self);
    sys_sched_yield(0, 0, 0, 0, 0, 0);
    unlock(self);
}

static void contend(void *argument)
{
    u32 self = self_number();
    (void) argument;
    while (!enough)
        contend_once(self);
}

/* The threads take turns, so half of the chunk is the other one's. */
static void mutex_contended(u64 chunk)
{
    u32 self = self_number();
    thread_start(&one, contend, 0);
    SAMPLE(for (u64 i = 0; i < chunk / 2; i++) contend_once(self))
    enough = 1;
    thread_join(&one);
}

/* --- one byte there and one back --- */

static int there[2], back[2];

static void echo(void *argument)
{
    u8 byte;
    (void) argument;
    while (sys_read(there[0], (i64) &byte, 1, 0, 0, 0) == 1 && byte)
        require(sys_write(back[1], (i64) &byte, 1, 0, 0, 0));
}

static void ping(void)
{
    u8 byte = 1;
    require(sys_write(there[1], (i64) &byte, 1, 0, 0, 0));
    if (sys_read(back[0], (i64) &byte, 1, 0, 0, 0) != 1)
        sys_exit(4, 0, 0, 0, 0, 0);
}

static i64 pid;

static void reap(void)
{
    int status = -1;
    if (sys_wait4(pid, (i64) &status, 0, 0, 0, 0) != pid || status != 0)
        sys_exit(4, 0, 0, 0, 0, 0);
}

static void ping_pong(u64 chunk, int processes)
{
    u8 end = 0;
    require(sys_pipe2((i64) there, 0, 0, 0, 0, 0));
    require(sys_pipe2((i64) back, 0, 0, 0, 0, 0));
    if (!processes)
        thread_start(&one, echo, 0);
    else if ((pid = require(sys_fork(0, 0, 0, 0, 0, 0))) == 0) {
        echo(0);
        sys_exit(0, 0, 0, 0, 0, 0);
    }
    ping();
    SAMPLE(for (u64 i = 0; i < chunk; i++) ping())
    require(sys_write(there[1], (i64) &end, 1, 0, 0, 0));
    if (processes)
        reap();
    else
        thread_join(&one);
}

/* --- processes --- */

static void execute(void)
{
    char *words[] = {executable, "exit", 0}, *none[] = {0};
    if (arguments[4])                                       /* a command of the caller's */
        sys_execve((i64) arguments[4], (i64) (arguments + 4), (i64) environment, 0, 0, 0);
    else
        sys_execve((i64) executable, (i64) words, (i64) none, 0, 0, 0);
    sys_exit(9, 0, 0, 0, 0, 0);
}

static void fork_wait(int exec)
{
    pid = require(sys_fork(0, 0, 0, 0, 0, 0));
    if (pid == 0) {
        if (exec)
            execute();
        sys_exit(0, 0, 0, 0, 0, 0);
    }
    reap();
}

static void vfork_exec_wait(void)
{
    pid = require(sys_vfork());
    if (pid == 0)
        execute();
    reap();
}

static void run(const char *name, u64 chunk)
{
    executable = arguments[0];
    LOOP("thread_create_join", thread_create_join(), thread_create_join())
    LOOP("fork_wait", fork_wait(0), fork_wait(0))
    LOOP("fork_exec_wait", fork_wait(1), fork_wait(1))
    LOOP("vfork_exec_wait", vfork_exec_wait(), vfork_exec_wait())
    if (same(name, "mutex_contended"))
        mutex_contended(chunk);
    else if (same(name, "pipe_threads"))
        ping_pong(chunk, 0);
    else if (same(name, "pipe_processes"))
        ping_pong(chunk, 1);
    else
        sys_exit(2, 0, 0, 0, 0, 0);
}
