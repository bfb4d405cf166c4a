/*
 * Helpers for test_jobs.py: what a person at a terminal does to a program. Each says when it is ready.
 */
#include "guest.h"

static char line[256];

/* One line from standard input, without its end; "" at the end of the input. */
static void
read_line(void)
{
	size_t n = 0;
	long got;

	while (n + 1 < sizeof(line)) {
		got = sys(SYS_read, 0, line + n, 1);
		if (got == -EINTR)
			continue;
		if (got <= 0 || line[n] == '\n')
			break;
		n++;
	}
	line[n] = '\0';
}

static void
on_interrupt(int signo, siginfo_t *info, void *context)
{
	(void)info, (void)context;
	say("interrupt %d\n", signo);
}

/* Counts its interrupts aloud, between ticks. */
HELPER(interrupts)
{
	guest_handle(SIGINT, on_interrupt, 0);
	say("ready\n");
	for (;;) {
		guest_sleep_ms(200);
		say("tick\n");
	}
}

HELPER(sleep)
{
	say("ready %d\n", (int)sys(SYS_getpid));
	guest_sleep_ms(60000);
}

/* Reads while it may be stopped and continued. */
HELPER(echo)
{
	say("ready\n");
	read_line();
	say("got %s\n", line);
	guest_exit(6);
}

/* A family of three generations, all asleep; each says its id. */
HELPER(family)
{
	for (int generation = 0; generation < 3; generation++) {
		if (guest_fork() != 0)
			break;
	}
	say("%d\n", (int)sys(SYS_getpid));
	guest_sleep_ms(60000);
}

/* Leaves a child behind that holds nothing open. */
HELPER(leave_child)
{
	int pid = guest_fork();

	if (pid == 0) {
		for (int fd = 0; fd < 3; fd++)
			sys(SYS_close, fd);
		guest_sleep_ms(60000);
		guest_exit(0);
	}
	say("%d\n", pid);
	guest_exit(4);
}

/* Has `argv[2]` threads that sleep, while the first one waits for a line. */
static void
sleep_for_long(void *argument)
{
	(void)argument;
	guest_sleep_ms(60000);
}

HELPER(threads)
{
	int count = (int)guest_number(guest_argv[2]);
	struct guest_thread *threads = guest_map((count + 1) * sizeof(*threads));

	for (int i = 0; i < count; i++)
		guest_thread_start(&threads[i], sleep_for_long, NULL);
	say("ready\n");
	read_line();
	say("got %s\n", line);
	guest_exit(6);
}
