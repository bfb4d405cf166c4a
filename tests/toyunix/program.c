/* A program of Toyunix's, without a library. It says what it sees, one line each; its argument chooses what it does. */
#include <stdint.h>

#include "tables/guest.h"

/* What sigreturn takes (toyunix.pyx). */
struct toy_frame {
    uint64_t handler, signo, address, mask;
    uint64_t pc, sp, flags;
    uint64_t registers[15];
};

struct result {
    uint64_t value;
    int failed;                 /* the carry flag: value is an errno */
};

/* One site for all calls, so that it traps often enough to be patched. */
static __attribute__((noinline)) struct result call(uint64_t nr, uint64_t a, uint64_t b, uint64_t c)
{
    struct result result = {nr, 0};
    __asm__ volatile("syscall" : "+a"(result.value), "=@ccc"(result.failed) : "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}

static uint64_t length(const char *text)
{
    uint64_t n = 0;
    while (text[n])
        n++;
    return n;
}

static void say(const char *text) { call(TOY_WRITE, 1, (uint64_t) text, length(text)); }

static void say_number(uint64_t number)
{
    char digits[24];
    int at = 24;
    do
        digits[--at] = '0' + number % 10;
    while (number /= 10);
    call(TOY_WRITE, 1, (uint64_t) &digits[at], 24 - at);
}

static void show(const char *what, struct result result)
{
    say(what);
    say(result.failed ? ": errno " : ": ");
    say_number(result.value);
    say("\n");
}

static uint64_t caught;

static void on_outside(struct toy_frame *frame)
{
    (void) frame;
    say("caught\n");
}

static void on_user(struct toy_frame *frame)
{
    caught++;
    if (caught == 1)
        call(TOY_RAISE, TOY_SIGUSER, 0, 0);         /* blocked now: it comes when this one is over */
    say("handler: signal ");
    say_number(frame->signo);
    say(", the mask before ");
    say_number(frame->mask);
    say("\n");
}

extern char fault_instruction[], after_fault[];

static void on_fault(struct toy_frame *frame)
{
    say("handler: signal ");
    say_number(frame->signo);
    say(" at ");
    say_number(frame->address);
    say(frame->pc == (uint64_t) fault_instruction ? ", here\n" : ", elsewhere\n");
    frame->pc = (uint64_t) after_fault;
    frame->registers[1] = 4711;                     /* rbx */
}

static void errors(void)
{
    show("number 99", call(99, 0, 0, 0));
    show("number 9", call(9, 0, 0, 0));
    show("Linux's write", call(1, 1, (uint64_t) "x", 1));
    show("descriptor 77", call(TOY_WRITE, 77, (uint64_t) "x", 1));
    show("address 8", call(TOY_WRITE, 1, 8, 1));
    show("the shim's memory", call(TOY_READ, 0, 0x6ffff0110000, 1));
    show("signal 9", call(TOY_SIGNAL, 9, 0, 0));
    show("frame at 8", call(TOY_SIGRETURN, 8, 0, 0));
    show("write of nothing", call(TOY_WRITE, 1, 0, 0));
}

static void signals(void)
{
    uint64_t rbx;
    show("signal", call(TOY_SIGNAL, TOY_SIGUSER, (uint64_t) on_user, 0));
    show("raise", call(TOY_RAISE, TOY_SIGUSER, 0, 0));
    say_number(caught);
    say(" caught\n");
    call(TOY_SIGNAL, TOY_SIGFAULT, (uint64_t) on_fault, 0);
    __asm__ volatile("mov $17, %%ebx\n"
                     ".globl fault_instruction, after_fault\nfault_instruction: mov 24, %%rax\nafter_fault: mov %%rbx, %0"
                     : "=r"(rbx) : : "rax", "rbx", "memory");
    say("rbx ");
    say_number(rbx);
    say("\n");
}

#define SITE_SIZE 16            /* call() is not shorter */

/* A site that traps often becomes a jump; its results stay the same. */
static void often(void)
{
    const unsigned char *site = (const unsigned char *) call;
    unsigned char before[SITE_SIZE];
    uint64_t good = 0, bad = 0, changed = 0;
    for (int i = 0; i < SITE_SIZE; i++)
        before[i] = *(volatile const unsigned char *) &site[i];
    for (int i = 0; i < 200; i++) {
        struct result result = call(TOY_WRITE, i & 1 ? 77 : 1, (uint64_t) "", 0);
        good += !result.failed && result.value == 0;
        bad += result.failed && result.value == TOY_EBADF;
    }
    say_number(good);
    say(" good, ");
    say_number(bad);
    say(" bad\n");
    for (int i = 0; i < SITE_SIZE; i++)
        changed += before[i] != *(volatile const unsigned char *) &site[i];
    say(changed ? "patched\n" : "as it was\n");
}

static void on_storm(struct toy_frame *frame)
{
    (void) frame;
    caught++;
}

/* Signals come at every instruction of a call, on either lane, and no result is another for that. */
static void storm(void)
{
    uint64_t wrong = 0;
    call(TOY_SIGNAL, TOY_SIGUSER, (uint64_t) on_storm, 0);
    say("ready\n");
    for (int i = 0; i < 400000; i++) {
        struct result written = call(TOY_WRITE, 1, (uint64_t) "", 0);
        struct result failed = call(TOY_WRITE, 77, (uint64_t) "", 0);
        struct result none = call(9, 0, 0, 0);
        struct result set = call(TOY_SIGNAL, TOY_SIGUSER, (uint64_t) on_storm, 0);
        wrong += written.failed || written.value != 0;
        wrong += !failed.failed || failed.value != TOY_EBADF;
        wrong += !none.failed || none.value != TOY_ENOCALL;
        wrong += set.failed || set.value != (uint64_t) on_storm;
    }
    say_number(wrong);
    say(caught ? " wrong, some caught\n" : " wrong, none caught\n");
}

/* A signal from outside finds a call that waits. */
static void wait_for_input(void)
{
    char text[8];
    struct result result;
    call(TOY_SIGNAL, TOY_SIGUSER, (uint64_t) on_outside, 0);
    say("ready\n");
    result = call(TOY_READ, 0, (uint64_t) text, sizeof(text));
    show("read", result);
}

__attribute__((used)) static void program(uint64_t *stack)
{
    char **argv = (char **) &stack[1];
    char what = stack[0] > 1 ? argv[1][0] : 0;
    if (what == 'e')
        errors();
    if (what == 's')
        signals();
    if (what == 'o')
        often();
    if (what == 'w')
        wait_for_input();
    if (what == 't')
        storm();
    if (what == 'd')
        call(TOY_RAISE, TOY_SIGUSER, 0, 0);
    if (what == 'f')
        __asm__ volatile("movl $1, 24" : : : "memory");
    call(TOY_EXIT, 42, 0, 0);
}

/* The stack, argc first, is in rdi (enter_guest in entry.S). */
__asm__(".globl _start\n_start: and $-16, %rsp\n call program\n");
