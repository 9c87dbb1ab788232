/* SPDX-License-Identifier: MIT
 * The world, asked through one struct: clocks, random bytes, waiting. Tests put a wb_clock in its place.
 * Memory goes through wb_alloc and its kin, whose failures a test can order. */
#ifndef WB_ENV_H
#define WB_ENV_H

#include <stdatomic.h>

#include <writebehind.h>

typedef struct wb_env {
    void *context;
    int64_t (*now_us)(void *context); /* monotonic */
    int64_t (*tick_us)(
        void *context); /* the same clock, read cheaply: behind by some ms at the most */
    int64_t (*unix_us)(void *context); /* wall clock */
    /* Fills `bytes`; never fails (aborts where the system has no randomness: ids would collide). */
    void (*random)(void *context, void *bytes, size_t count);
    void (*wait_until)(void *context, int64_t until_us); /* until now_us reaches it */
} wb_env;

extern const wb_env wb_env_system;

/* The environment of a manual clock: both clocks show it, waiting advances it. */
wb_env wb_env_of_clock(wb_clock *clock);

/* malloc's kin: NULL when there is no memory, or when a test says so. */
void *wb_alloc(size_t bytes);
void *wb_alloc_zeroed(size_t bytes);
void *wb_realloc(void *memory, size_t bytes);
char *wb_strdup(const char *text);
/* Tests: the n-th allocation from now on fails, and each one after it; 0: none does. */
void wb_alloc_fail_after(size_t n);

/* Grows with every fork in which this process was the child: what differs was made by an ancestor. */
unsigned wb_fork_generation(void);
/* The same for one that has called it before: a load. */
extern atomic_uint wb_fork_count;
static inline unsigned wb_fork_generation_now(void)
{
    return atomic_load_explicit(&wb_fork_count, memory_order_relaxed);
}

#endif
