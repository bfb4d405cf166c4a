/* A server of many connections: with kqueue in the FreeBSD program, with epoll in the Linux one.
 *
 * It prints its port and answers each request by its own bytes: a tenth of `chunk` to begin with, and `chunk` more, whose
 * CPU time is the sample. It ends when the last connection is closed. The other end is load.c. Waits are level-triggered and
 * sockets do not block, as libevent, Redis and nginx have them.
 */
#include "bench.h"

#ifdef GUEST
STUB(sys_read, 3);
STUB(sys_close, 6);
STUB(sys_getsockname, 32);
STUB(sys_socket, 97);
STUB(sys_setsockopt, 105);
STUB(sys_bind, 104);
STUB(sys_listen, 106);
STUB(sys_getrusage, 117);
STUB(sys_kqueue, 362);
STUB(sys_accept4, 541);
STUB(sys_kevent, 560);
enum { NONBLOCK = 0x20000000, AGAIN = 35, EVFILT_READ = -1, EV_ADD = 1 };
struct event { u64 ident; short filter; u16 flags; u32 more; i64 data; void *udata; u64 ext[4]; };
#else
STUB(sys_read, 0);
STUB(sys_close, 3);
STUB(sys_socket, 41);
STUB(sys_bind, 49);
STUB(sys_listen, 50);
STUB(sys_getsockname, 51);
STUB(sys_setsockopt, 54);
STUB(sys_getrusage, 98);
STUB(sys_epoll_wait, 232);
STUB(sys_epoll_ctl, 233);
STUB(sys_accept4, 288);
STUB(sys_epoll_create1, 291);
enum { NONBLOCK = 0x800, AGAIN = 11, EPOLLIN = 1, EPOLL_CTL_ADD = 1 };
struct __attribute__((packed)) event { u32 events; u64 data; };
#endif
enum { INET = 2, STREAM = 1, TCP = 6, NODELAY = 1, BACKLOG = 1024, EVENTS = 64, BUFFER = 4096 };

static struct event ready[EVENTS];
static i64 queue, connections;

/* --- what the two systems do differently --- */

static void open_queue(void)
{
#ifdef GUEST
    queue = require(sys_kqueue(0, 0, 0, 0, 0, 0));
#else
    queue = require(sys_epoll_create1(0, 0, 0, 0, 0, 0));
#endif
}

static void watch(i64 descriptor)
{
#ifdef GUEST
    struct event change = {.ident = (u64) descriptor, .filter = EVFILT_READ, .flags = EV_ADD};
    require(sys_kevent(queue, (i64) &change, 1, 0, 0, 0));
#else
    struct event change = {EPOLLIN, (u64) descriptor};
    require(sys_epoll_ctl(queue, EPOLL_CTL_ADD, descriptor, (i64) &change, 0, 0));
#endif
}

static i64 wait_for_events(void)
{
#ifdef GUEST
    return require(sys_kevent(queue, 0, 0, (i64) ready, EVENTS, 0));
#else
    return require(sys_epoll_wait(queue, (i64) ready, EVENTS, -1, 0, 0));
#endif
}

static i64 descriptor_of(const struct event *event)
{
#ifdef GUEST
    return (i64) event->ident;
#else
    return (i64) event->data;
#endif
}

/* --- the server --- */

static u64 cpu_time(void)
{
    u64 usage[18];              /* user seconds and microseconds, system seconds and microseconds, counts */
    require(sys_getrusage(0, (i64) usage, 0, 0, 0, 0));
    return (usage[0] + usage[2]) * 1000000000UL + (usage[1] + usage[3]) * 1000UL;
}

static void print_port(i64 listener)
{
    u8 address[16];
    u32 size = sizeof(address);
    char text[8];
    int at = sizeof(text);
    require(sys_getsockname(listener, (i64) address, (i64) &size, 0, 0, 0));
    u32 port = (u32) address[2] << 8 | address[3];
    text[--at] = '\n';
    do
        text[--at] = (char) ('0' + port % 10);
    while (port /= 10);
    require(sys_write(1, (i64) (text + at), (i64) sizeof(text) - at, 0, 0, 0));
}

static i64 listen_on_loopback(void)
{
    /* FreeBSD's begins with its length and a family of one byte, Linux's with a family of two. */
#ifdef GUEST
    u8 address[16] = {16, INET, 0, 0, 127, 0, 0, 1};
#else
    u8 address[16] = {INET, 0, 0, 0, 127, 0, 0, 1};
#endif
    i64 listener = require(sys_socket(INET, STREAM | NONBLOCK, 0, 0, 0, 0));
    require(sys_bind(listener, (i64) address, sizeof(address), 0, 0, 0));
    require(sys_listen(listener, BACKLOG, 0, 0, 0, 0));
    return listener;
}

static void accept_all(i64 listener)
{
    for (;;) {
        int on = 1;
        i64 connection = sys_accept4(listener, 0, 0, NONBLOCK, 0, 0);
        if (connection == -AGAIN)
            return;
        require(connection);
        require(sys_setsockopt(connection, TCP, NODELAY, (i64) &on, sizeof(on), 0));
        watch(connection);
        connections++;
    }
}

/* Whether a request was answered: at the end of a connection there is none. */
static int answer(i64 connection)
{
    static char buffer[BUFFER];
    i64 size = sys_read(connection, (i64) buffer, sizeof(buffer), 0, 0, 0);
    if (size == -AGAIN)
        return 0;
    if (require(size) == 0) {
        require(sys_close(connection, 0, 0, 0, 0, 0));
        connections--;
        return 0;
    }
    if (require(sys_write(connection, (i64) buffer, size, 0, 0, 0)) != size)
        sys_exit(5, 0, 0, 0, 0, 0);
    return 1;
}

static void run(const char *name, u64 chunk)
{
    u64 answered = 0, first = chunk / 10, begin = 0;
    if (!same(name, "echo") || samples_wanted != 1)
        sys_exit(2, 0, 0, 0, 0, 0);
    i64 listener = listen_on_loopback();
    open_queue();
    watch(listener);
    print_port(listener);
    while (answered < first + chunk || connections > 0) {
        i64 count = wait_for_events();
        for (i64 i = 0; i < count; i++) {
            i64 descriptor = descriptor_of(&ready[i]);
            if (descriptor == listener) {
                accept_all(listener);
            } else if (answer(descriptor)) {
                answered++;
                if (answered == first)
                    begin = cpu_time();
                if (answered == first + chunk)
                    samples[0] = cpu_time() - begin;
            }
        }
    }
}
