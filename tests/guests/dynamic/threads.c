/* libthr against the shim: threads, thread-local storage, every kind of lock, cancellation. Prints one line at the end. */
#include <sys/types.h>
#include <errno.h>
#include <pthread.h>
#include <pthread_np.h>
#include <sched.h>
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

static __thread int local = 5;
static __thread char zeros[5000];
static _Thread_local long aligned __attribute__((aligned(64))) = 77;

static void *
tls(void *argument)
{
	CHECK(local == 5 && aligned == 77 && ((unsigned long)&aligned & 63) == 0);
	for (unsigned i = 0; i < sizeof(zeros); i++)
		CHECK(zeros[i] == 0);
	local = (int)(long)argument;
	memset(zeros, 1, sizeof(zeros));
	sched_yield();
	CHECK(local == (int)(long)argument);
	return ((void *)(long)(local * 2));
}

static void
test_tls(void)
{
	pthread_t t[10];

	local = 1000;
	for (long round = 0; round < 5; round++) {
		for (long i = 0; i < 10; i++)
			CHECK(pthread_create(&t[i], NULL, tls, (void *)i) == 0);
		for (long i = 0; i < 10; i++) {
			void *result;
			CHECK(pthread_join(t[i], &result) == 0);
			CHECK((long)result == i * 2);
		}
	}
	CHECK(local == 1000);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int counter, waiting;

static void *
count(void *unused)
{
	(void)unused;
	for (int i = 0; i < 20000; i++) {
		CHECK(pthread_mutex_lock(&mutex) == 0);
		counter++;
		CHECK(pthread_mutex_unlock(&mutex) == 0);
	}
	return (NULL);
}

static void
test_mutexes(void)
{
	pthread_t t[4];
	pthread_mutexattr_t attributes;
	pthread_mutex_t other;
	struct timespec soon;

	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&t[i], NULL, count, NULL) == 0);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_join(t[i], NULL) == 0);
	CHECK(counter == 80000);
	CHECK(pthread_mutexattr_init(&attributes) == 0);
	CHECK(pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE) == 0);
	CHECK(pthread_mutex_init(&other, &attributes) == 0);
	CHECK(pthread_mutex_lock(&other) == 0 && pthread_mutex_lock(&other) == 0);
	CHECK(pthread_mutex_unlock(&other) == 0 && pthread_mutex_unlock(&other) == 0);
	CHECK(pthread_mutex_unlock(&other) == EPERM);
	CHECK(pthread_mutex_destroy(&other) == 0);
	CHECK(pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK) == 0);
	CHECK(pthread_mutex_init(&other, &attributes) == 0);
	CHECK(pthread_mutex_lock(&other) == 0 && pthread_mutex_lock(&other) == EDEADLK);
	CHECK(pthread_mutex_trylock(&other) == EBUSY);
	clock_gettime(CLOCK_REALTIME, &soon);
	CHECK(pthread_mutex_unlock(&other) == 0);
	CHECK(pthread_mutex_destroy(&other) == 0);
}

static void *
wait_for_condition(void *unused)
{
	(void)unused;
	CHECK(pthread_mutex_lock(&mutex) == 0);
	waiting++;
	while (counter != 0)
		CHECK(pthread_cond_wait(&condition, &mutex) == 0);
	waiting--;
	CHECK(pthread_mutex_unlock(&mutex) == 0);
	return (NULL);
}

static void
test_conditions(void)
{
	pthread_t t[5];
	struct timespec soon;

	counter = 1;
	for (int i = 0; i < 5; i++)
		CHECK(pthread_create(&t[i], NULL, wait_for_condition, NULL) == 0);
	for (;;) {
		pthread_mutex_lock(&mutex);
		int all = waiting == 5;
		pthread_mutex_unlock(&mutex);
		if (all)
			break;
		usleep(1000);
	}
	pthread_mutex_lock(&mutex);
	counter = 0;
	pthread_mutex_unlock(&mutex);
	CHECK(pthread_cond_broadcast(&condition) == 0);
	for (int i = 0; i < 5; i++)
		CHECK(pthread_join(t[i], NULL) == 0);
	CHECK(waiting == 0);
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_nsec += 20000000;
	if (soon.tv_nsec >= 1000000000)
		soon.tv_sec++, soon.tv_nsec -= 1000000000;
	pthread_mutex_lock(&mutex);
	CHECK(pthread_cond_timedwait(&condition, &mutex, &soon) == ETIMEDOUT);
	pthread_mutex_unlock(&mutex);
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static volatile int readers, most_readers, written;

static void *
read_or_write(void *argument)
{
	for (int i = 0; i < 500; i++) {
		if (((long)argument + i) % 5 == 0) {
			CHECK(pthread_rwlock_wrlock(&rwlock) == 0);
			CHECK(readers == 0);
			written++;
		} else {
			CHECK(pthread_rwlock_rdlock(&rwlock) == 0);
			int now = __sync_add_and_fetch(&readers, 1);
			if (now > most_readers)
				most_readers = now;
			sched_yield();
			__sync_sub_and_fetch(&readers, 1);
		}
		CHECK(pthread_rwlock_unlock(&rwlock) == 0);
	}
	return (NULL);
}

static sem_t semaphore;
static pthread_barrier_t barrier;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static volatile int ran_once, serials;

static void
run_once(void)
{
	ran_once++;
}

static void *
meet(void *unused)
{
	(void)unused;
	pthread_once(&once, run_once);
	for (int i = 0; i < 20; i++)
		if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
			__sync_add_and_fetch(&serials, 1);
	CHECK(sem_post(&semaphore) == 0);
	return (NULL);
}

static void
test_other_locks(void)
{
	pthread_t t[4];

	for (long i = 0; i < 4; i++)
		CHECK(pthread_create(&t[i], NULL, read_or_write, (void *)i) == 0);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_join(t[i], NULL) == 0);
	CHECK(written == 400);
	CHECK(sem_init(&semaphore, 0, 0) == 0);
	CHECK(pthread_barrier_init(&barrier, NULL, 4) == 0);
	for (long i = 0; i < 4; i++)
		CHECK(pthread_create(&t[i], NULL, meet, NULL) == 0);
	for (int i = 0; i < 4; i++)
		CHECK(sem_wait(&semaphore) == 0);
	CHECK(sem_trywait(&semaphore) == -1 && errno == EAGAIN);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_join(t[i], NULL) == 0);
	CHECK(ran_once == 1 && serials == 20);
}

static pthread_key_t key;
static volatile int destroyed, cleaned;

static void
destroy(void *value)
{
	destroyed += (int)(long)value;
}

static void
clean(void *argument)
{
	cleaned += (int)(long)argument;
}

static void *
to_be_cancelled(void *unused)
{
	(void)unused;
	pthread_setspecific(key, (void *)3);
	pthread_cleanup_push(clean, (void *)4);
	for (;;)
		sleep(100);
	pthread_cleanup_pop(0);
	return (NULL);
}

static void *
blocked_in_read(void *argument)
{
	char c;

	(void)!read(*(int *)argument, &c, 1);
	return (NULL);
}

static void
test_cancellation(void)
{
	pthread_t t;
	void *result;
	int ends[2];

	CHECK(pthread_key_create(&key, destroy) == 0);
	CHECK(pthread_create(&t, NULL, to_be_cancelled, NULL) == 0);
	usleep(20000);
	CHECK(pthread_cancel(t) == 0);
	CHECK(pthread_join(t, &result) == 0);
	CHECK(result == PTHREAD_CANCELED && destroyed == 3 && cleaned == 4);
	CHECK(pipe(ends) == 0);
	CHECK(pthread_create(&t, NULL, blocked_in_read, &ends[0]) == 0);
	usleep(20000);
	CHECK(pthread_cancel(t) == 0);
	CHECK(pthread_join(t, &result) == 0);
	CHECK(result == PTHREAD_CANCELED);
}

static volatile sig_atomic_t signalled;
static pthread_t expected;

static void
on_signal(int signo)
{
	signalled = pthread_equal(pthread_self(), expected) ? signo : -1;
}

static void *
wait_for_signal(void *unused)
{
	(void)unused;
	while (signalled == 0)
		usleep(1000);
	return (NULL);
}

static void
test_signals(void)
{
	struct sigaction act;
	sigset_t set;
	int signo;

	memset(&act, 0, sizeof(act));
	act.sa_handler = on_signal;
	CHECK(sigaction(SIGUSR1, &act, NULL) == 0);
	CHECK(pthread_create(&expected, NULL, wait_for_signal, NULL) == 0);
	usleep(10000);
	CHECK(pthread_kill(expected, SIGUSR1) == 0);
	CHECK(pthread_join(expected, NULL) == 0);
	CHECK(signalled == SIGUSR1);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
	CHECK(raise(SIGUSR2) == 0);
	CHECK(sigwait(&set, &signo) == 0 && signo == SIGUSR2);
}

static void *
nothing(void *argument)
{
	return (argument);
}

static void
test_attributes(void)
{
	pthread_attr_t attributes;
	pthread_t t;
	void *stack;
	size_t size;

	CHECK(pthread_attr_init(&attributes) == 0);
	CHECK(pthread_attr_setstacksize(&attributes, 1 << 20) == 0);
	CHECK(pthread_create(&t, &attributes, nothing, NULL) == 0);
	CHECK(pthread_join(t, NULL) == 0);
	CHECK(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0);
	for (int i = 0; i < 50; i++)
		CHECK(pthread_create(&t, &attributes, nothing, NULL) == 0);
	CHECK(pthread_attr_get_np(pthread_self(), &attributes) == 0);
	CHECK(pthread_attr_getstack(&attributes, &stack, &size) == 0);
	CHECK((char *)&stack > (char *)stack && (char *)&stack < (char *)stack + size);
	pthread_set_name_np(pthread_self(), "main");
	CHECK(pthread_getthreadid_np() > 0);
	CHECK(pthread_main_np() == 1);
}

int
main(void)
{
	test_tls();
	test_mutexes();
	test_conditions();
	test_other_locks();
	test_cancellation();
	test_signals();
	test_attributes();
	printf("threads ok\n");
	return (0);
}
