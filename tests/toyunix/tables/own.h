/* What Toyunix keeps beside the machine: how many signals it delivered. */
#ifndef TOY_OWN_H
#define TOY_OWN_H

#include <stdint.h>

struct process_own { uint64_t raised; };
struct process_last { };
struct area_own { };

#endif
