/* A lock that fork takes, so that none is held in the child: runtime.h has what takes and releases it. */
#ifndef LSF_LOCK_H
#define LSF_LOCK_H

#include <stdint.h>

struct lock { uint32_t word; };

#endif
