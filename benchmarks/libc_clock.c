/* clock_gettime(3) as each system's libc does it: COUNT times, and the nanoseconds that took. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv)
{
    struct timespec begin, end;
    long count = argc == 2 ? atol(argv[1]) : 0;
    if (count <= 0 || clock_gettime(CLOCK_MONOTONIC, &begin) != 0)
        return 2;
    for (long i = 0; i < count; i++)
        clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%ld\n", (end.tv_sec - begin.tv_sec) * 1000000000L + end.tv_nsec - begin.tv_nsec);
    return 0;
}
