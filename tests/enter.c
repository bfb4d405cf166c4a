/*
 * enter ROOT DIRECTORY PROGRAM ARGV0 [ARGUMENT...]: executes a program of this system with another root directory, in a directory of it.
 *
 * After chroot the program has no path there, so it is opened before and executed by its descriptor. The harness starts it in Python's place:
 * what Python does between fork and exec costs a copy of the whole test process.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

extern char **environ;

int
main(int argc, char **argv)
{
	int program;

	if (argc < 5)
		return (2);
	program = open(argv[3], O_RDONLY | O_CLOEXEC);
	if (program < 0 || chroot(argv[1]) != 0 || chdir(argv[2]) != 0 || fexecve(program, argv + 4, environ) != 0)
		perror("enter");
	return (99);
}
