/* librt and libc against the shim: message queues, asynchronous I/O, timers with SIGEV_THREAD, eventfd, semaphores. Prints
 * one line at the end. */
#include <sys/types.h>
#include <sys/eventfd.h>
#include <sys/event.h>
#include <sys/socket.h>
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition) do { \
	if (!(condition)) { \
		fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
		exit(1); \
	} \
} while (0)

static sem_t done;
static void *volatile value;

static void
notified(union sigval sival)
{
	value = sival.sival_ptr;
	sem_post(&done);
}

static struct sigevent
thread_event(void *pointer)
{
	struct sigevent event;

	memset(&event, 0, sizeof(event));
	event.sigev_notify = SIGEV_THREAD;
	event.sigev_notify_function = notified;
	event.sigev_value.sival_ptr = pointer;
	return (event);
}

static void
message_queues(void)
{
	char name[64], text[64];
	struct mq_attr attr = { .mq_maxmsg = 4, .mq_msgsize = 32 };
	unsigned prio;

	snprintf(name, sizeof(name), "/lsf-realtime-%d", (int)getpid());
	mqd_t q = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
	if (q == (mqd_t)-1 && errno == ENOSYS)
		return;
	CHECK(q != (mqd_t)-1);
	CHECK(mq_unlink(name) == 0);
	CHECK(mq_getattr(q, &attr) == 0 && attr.mq_maxmsg == 4 && attr.mq_msgsize == 32);
	struct sigevent event = thread_event(&attr);
	CHECK(mq_notify(q, &event) == 0);
	CHECK(mq_send(q, "hello", 6, 3) == 0);
	CHECK(sem_wait(&done) == 0);
	CHECK(value == &attr);
	CHECK(mq_receive(q, text, sizeof(text), &prio) == 6 && prio == 3 && strcmp(text, "hello") == 0);
	CHECK(mq_close(q) == 0);
}

static void
asynchronous(void)
{
	char data[16] = "";
	int s[2], fd = open("realtime.data", O_RDWR | O_CREAT | O_TRUNC, 0644);
	struct aiocb cb;
	const struct aiocb *list[1] = { &cb };

	CHECK(fd >= 0);
	memset(&cb, 0, sizeof(cb));
	cb.aio_fildes = fd;
	cb.aio_buf = "0123456789";
	cb.aio_nbytes = 10;
	cb.aio_sigevent = thread_event(&cb);
	CHECK(aio_write(&cb) == 0);
	CHECK(sem_wait(&done) == 0);
	CHECK(value == &cb && aio_error(&cb) == 0 && aio_return(&cb) == 10);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	cb.aio_fildes = s[0];
	cb.aio_buf = data;
	CHECK(aio_read(&cb) == 0);
	CHECK(aio_error(&cb) == EINPROGRESS);
	CHECK(write(s[1], "abc", 4) == 4);
	CHECK(sem_wait(&done) == 0);
	CHECK(aio_return(&cb) == 4 && strcmp(data, "abc") == 0);
	cb.aio_sigevent.sigev_notify = SIGEV_NONE;
	CHECK(aio_read(&cb) == 0);
	CHECK(write(s[1], "defg", 5) == 5);
	while (aio_error(&cb) == EINPROGRESS)
		CHECK(aio_suspend(list, 1, NULL) == 0);
	CHECK(aio_return(&cb) == 5 && strcmp(data, "defg") == 0);
}

static void
timers(void)
{
	timer_t timer;
	struct sigevent event = thread_event(&timer);
	struct itimerspec soon = { { 0, 0 }, { 0, 5000000 } };

	CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	CHECK(timer_settime(timer, 0, &soon, NULL) == 0);
	CHECK(sem_wait(&done) == 0);
	CHECK(value == &timer);
	CHECK(timer_delete(timer) == 0);
}

int
main(void)
{
	eventfd_t count = 0;
	struct kevent change, event;
	char name[64];

	CHECK(sem_init(&done, 0, 0) == 0);
	message_queues();
	asynchronous();
	timers();
	int fd = eventfd(2, EFD_CLOEXEC | EFD_NONBLOCK);
	int kq = kqueue();
	CHECK(fd >= 0 && kq >= 0);
	EV_SET(&change, fd, EVFILT_READ, EV_ADD, 0, 0, NULL);
	CHECK(eventfd_write(fd, 40) == 0);
	CHECK(kevent(kq, &change, 1, &event, 1, NULL) == 1);
	CHECK(event.data == (access("/proc/self/fdinfo", F_OK) == 0 ? 42 : 1));		/* Linux tells it there alone */
	CHECK(eventfd_read(fd, &count) == 0 && count == 42);
	snprintf(name, sizeof(name), "/lsf-realtime-%d", (int)getpid());
	sem_t *named = sem_open(name, O_CREAT | O_EXCL, 0600, 1);
	CHECK(named != SEM_FAILED);
	CHECK(sem_unlink(name) == 0 && sem_wait(named) == 0 && sem_trywait(named) == -1 && errno == EAGAIN);
	CHECK(sem_close(named) == 0);
	printf("realtime ok\n");
	return (0);
}
