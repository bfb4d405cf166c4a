/* pthread_cancel at every place where libthr lets a thread end (pthread_setcancelstate(3), lib/libthr/thread/thr_syscalls.c),
 * at every moment: before the call, in it, and under a storm of handled signals. Prints one line at the end. */
#include <sys/types.h>
#include <sys/event.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition) do { \
	if (!(condition)) { \
		fprintf(stderr, "%s:%d: %s (errno %d, at %s)\n", __FILE__, __LINE__, #condition, errno, at); \
		_exit(1); \
	} \
} while (0)

static const char *at = "start";
static int empty[2], full[2], pair[2], crammed[2], listening, queue, locked;
static pid_t child;
static char page[65536];
static struct timespec hour = { 3600, 0 };
static sem_t sem;
static pthread_t sleeper;
static struct aiocb job;
static mqd_t mq = (mqd_t)-1;

static void p_read(void) { read(empty[0], page, 1); }
static void p_readv(void) { struct iovec v = { page, 1 }; readv(empty[0], &v, 1); }
static void p_write(void) { write(full[1], page, sizeof(page)); }
static void p_writev(void) { struct iovec v = { page, sizeof(page) }; writev(full[1], &v, 1); }
static void p_poll(void) { struct pollfd f = { empty[0], POLLIN, 0 }; poll(&f, 1, -1); }
static void p_ppoll(void) { struct pollfd f = { empty[0], POLLIN, 0 }; ppoll(&f, 1, &hour, NULL); }
static void p_select(void) { fd_set s; FD_ZERO(&s); FD_SET(empty[0], &s); select(empty[0] + 1, &s, NULL, NULL, NULL); }
static void p_pselect(void) { pselect(0, NULL, NULL, NULL, &hour, NULL); }
static void p_kevent(void) { struct kevent e; kevent(queue, NULL, 0, &e, 1, NULL); }
static void p_nanosleep(void) { nanosleep(&hour, NULL); }
static void p_clock_nanosleep(void) { clock_nanosleep(CLOCK_MONOTONIC, 0, &hour, NULL); }
static void p_sleep(void) { sleep(3600); }
static void p_usleep(void) { for (;;) usleep(900000); }
static void p_accept(void) { accept(listening, NULL, NULL); }
static void p_accept4(void) { accept4(listening, NULL, NULL, 0); }
static void p_recv(void) { recv(pair[0], page, 1, 0); }
static void p_recvfrom(void) { recvfrom(pair[0], page, 1, 0, NULL, NULL); }
static void p_send(void) { send(crammed[0], page, sizeof(page), 0); }
static void p_wait(void) { int s; wait(&s); }
static void p_waitpid(void) { int s; waitpid(child, &s, 0); }
static void p_wait6(void) { int s; wait6(P_PID, child, &s, WEXITED, NULL, NULL); }
static void p_pause(void) { pause(); }
static void p_sigsuspend(void) { sigset_t none; sigemptyset(&none); for (;;) sigsuspend(&none); }
static void p_sigwait(void) { sigset_t s; int got; sigemptyset(&s); sigaddset(&s, SIGUSR2); for (;;) sigwait(&s, &got); }
static void p_sigwaitinfo(void) { sigset_t s; sigemptyset(&s); sigaddset(&s, SIGUSR2); sigwaitinfo(&s, NULL); }
static void p_sigtimedwait(void) { sigset_t s; sigemptyset(&s); sigaddset(&s, SIGUSR2); sigtimedwait(&s, NULL, &hour); }
static void p_sem_wait(void) { sem_wait(&sem); }
static void p_sem_timedwait(void) { struct timespec t; clock_gettime(CLOCK_REALTIME, &t); t.tv_sec += 3600; sem_timedwait(&sem, &t); }
static void p_join(void) { pthread_join(sleeper, NULL); }
static void p_lock(void) { struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET }; fcntl(locked, F_SETLKW, &l); }
static void p_open(void) { open("fifo", O_RDONLY); }
static void p_aio_suspend(void) { const struct aiocb *l[1] = { &job }; aio_suspend(l, 1, NULL); }
static void p_mq(void) { mq_receive(mq, page, sizeof(page), NULL); }
static void p_testcancel(void) { for (;;) pthread_testcancel(); }

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static void unlock(void *m) { pthread_mutex_unlock(m); }

static void
p_cond_wait(void)
{
	pthread_mutex_lock(&mutex);
	pthread_cleanup_push(unlock, &mutex);
	for (;;)
		pthread_cond_wait(&cond, &mutex);
	pthread_cleanup_pop(0);
}

static void
p_cond_timedwait(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += 3600;
	pthread_mutex_lock(&mutex);
	pthread_cleanup_push(unlock, &mutex);
	for (;;)
		pthread_cond_timedwait(&cond, &mutex, &t);
	pthread_cleanup_pop(0);
}

static const struct { const char *name; void (*run)(void); } points[] = {
#define P(name) { #name, p_##name }
	P(read), P(readv), P(write), P(writev), P(poll), P(ppoll), P(select), P(pselect), P(kevent), P(nanosleep),
	P(clock_nanosleep), P(sleep), P(usleep), P(accept), P(accept4), P(recv), P(recvfrom), P(send), P(wait), P(waitpid),
	P(wait6), P(pause), P(sigsuspend), P(sigwait), P(sigwaitinfo), P(sigtimedwait), P(sem_wait), P(sem_timedwait),
	P(join), P(lock), P(open), P(aio_suspend), P(mq), P(testcancel), P(cond_wait), P(cond_timedwait),
};

static volatile int begun, storm;
static pthread_t victim;

static void *
run(void *argument)
{
	void (*point)(void) = (void (*)(void))argument;

	begun = 1;
	for (;;)
		point();
	return (NULL);
}

static void *
sleep_long(void *argument)
{
	for (;;)
		sleep(3600);
	return (argument);
}

static void *
send_signals(void *argument)
{
	while (storm) {
		pthread_kill(victim, SIGUSR1);
		sched_yield();
	}
	return (argument);
}

static void nothing(int signo) { (void)signo; }

static void
cancel(int point, int round)
{
	void *result;

	at = points[point].name;
	begun = 0;
	CHECK(pthread_create(&victim, NULL, run, (void *)points[point].run) == 0);
	if (round % 4 != 0) {
		while (!begun)
			sched_yield();
		for (volatile int i = 0; i < (round * 7919) % 20000; i++)
			;
		if (round % 4 == 3)
			usleep(300);
	}
	CHECK(pthread_cancel(victim) == 0);
	CHECK(pthread_join(victim, &result) == 0);
	CHECK(result == PTHREAD_CANCELED);
}

static void
cancel_in_a_storm(int point)
{
	void *result;
	pthread_t sender;
	struct timespec little = { 0, 2000000 };

	at = points[point].name;
	begun = 0;
	CHECK(pthread_create(&victim, NULL, run, (void *)points[point].run) == 0);
	storm = 1;
	CHECK(pthread_create(&sender, NULL, send_signals, NULL) == 0);
	while (!begun)
		sched_yield();
	nanosleep(&little, NULL);
	CHECK(pthread_cancel(victim) == 0);
	nanosleep(&little, NULL);
	storm = 0;
	CHECK(pthread_join(sender, NULL) == 0);
	CHECK(pthread_join(victim, &result) == 0);
	CHECK(result == PTHREAD_CANCELED);
}

/* All at once, on one condition. */
static void
cancel_crowd(void)
{
	pthread_t crowd[50];
	void *result;

	at = "crowd";
	for (int i = 0; i < 50; i++)
		CHECK(pthread_create(&crowd[i], NULL, run, (void *)(i & 1 ? p_cond_wait : p_cond_timedwait)) == 0);
	for (int i = 0; i < 50; i++)
		CHECK(pthread_cancel(crowd[i]) == 0);
	for (int i = 0; i < 50; i++) {
		CHECK(pthread_join(crowd[i], &result) == 0);
		CHECK(result == PTHREAD_CANCELED);
	}
	CHECK(pthread_mutex_lock(&mutex) == 0);
	CHECK(pthread_mutex_unlock(&mutex) == 0);
}

static void
timeout(int signo)
{
	(void)signo;
	write(2, "a cancelled thread does not end: ", 33);
	write(2, at, strlen(at));
	write(2, "\n", 1);
	_exit(1);
}

int
main(int argc, char **argv)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "socket" };
	struct mq_attr small = { .mq_maxmsg = 2, .mq_msgsize = 16 };
	struct sigaction act = { .sa_handler = nothing, .sa_flags = SA_RESTART };
	char queue_name[64];
	sigset_t usr2;
	int rounds = argc > 1 ? atoi(argv[1]) : 40, storms = argc > 3 ? atoi(argv[3]) : 3;

	signal(SIGALRM, timeout);
	alarm(50);
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	CHECK(pthread_sigmask(SIG_BLOCK, &usr2, NULL) == 0);
	CHECK(sigaction(SIGUSR1, &act, NULL) == 0);
	CHECK(pipe(empty) == 0 && pipe2(full, O_NONBLOCK) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, crammed) == 0);
	while (write(full[1], page, 4096) > 0)
		;
	CHECK(fcntl(full[1], F_SETFL, 0) == 0);
	while (send(crammed[0], page, 4096, MSG_DONTWAIT) > 0)
		;
	CHECK((listening = socket(AF_UNIX, SOCK_STREAM, 0)) >= 0);
	CHECK(bind(listening, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(listening, 1) == 0);
	CHECK((queue = kqueue()) >= 0 && sem_init(&sem, 0, 0) == 0 && mkfifo("fifo", 0600) == 0);
	CHECK((locked = open("locked", O_RDWR | O_CREAT, 0600)) >= 0);
	child = fork();
	if (child == 0) {
		struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		fcntl(locked, F_SETLK, &whole);
		write(empty[1], "x", 1);
		for (;;)
			pause();
	}
	CHECK(read(empty[0], page, 1) == 1);
	CHECK(pthread_create(&sleeper, NULL, sleep_long, NULL) == 0);
	job.aio_fildes = pair[1];
	job.aio_buf = page;
	job.aio_nbytes = 1;
	CHECK(aio_read(&job) == 0);
	snprintf(queue_name, sizeof(queue_name), "/cancel-%d", (int)getpid());
	mq = mq_open(queue_name, O_RDWR | O_CREAT, 0600, &small);
	if (mq != (mqd_t)-1)
		mq_unlink(queue_name);
	for (int i = 0; i < (int)(sizeof(points) / sizeof(points[0])); i++) {
		if ((points[i].run == p_mq && mq == (mqd_t)-1) || (argc > 2 && strcmp(argv[2], points[i].name) != 0))
			continue;
		for (int round = 0; round < rounds; round++)
			cancel(i, round);
		for (int round = 0; round < storms; round++)
			cancel_in_a_storm(i);
	}
	for (int round = 0; round < 5; round++)
		cancel_crowd();
	CHECK(kill(child, SIGKILL) == 0);
	puts("cancel ok");
	return (0);
}
