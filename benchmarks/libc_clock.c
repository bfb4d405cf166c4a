/* clock_gettime(3) as each system's libc does it: CHUNK times, SAMPLES times over; prints the nanoseconds of the median. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int compare(const void *a, const void *b)
{
    long x = *(const long *) a, y = *(const long *) b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static long times[4096];
    struct timespec begin, end;
    long chunk = argc == 3 ? atol(argv[1]) : 0, samples = argc == 3 ? atol(argv[2]) : 0;
    if (chunk <= 0 || samples <= 0 || samples > 4096)
        return 2;
    for (long sample = 0; sample < samples; sample++) {
        if (clock_gettime(CLOCK_MONOTONIC, &begin) != 0)
            return 3;
        for (long i = 0; i < chunk; i++)
            clock_gettime(CLOCK_MONOTONIC, &end);
        times[sample] = (end.tv_sec - begin.tv_sec) * 1000000000L + end.tv_nsec - begin.tv_nsec;
    }
    qsort(times, samples, sizeof(times[0]), compare);
    printf("%ld\n", times[samples / 2]);
    return 0;
}
