/* SPDX-License-Identifier: MIT
 * The world outside the process: clocks, random bytes, waiting, memory, forks. The first three are called through one
 * struct, for which a test puts a manual clock. A test can make allocations fail. */
#ifndef WB_ENV_H
#define WB_ENV_H

#include <stdatomic.h>

#include <writebehind.h>

typedef struct wb_env {
    void *context;
    int64_t (*now_us)(void *context);  /* monotonic */
    int64_t (*tick_us)(void *context); /* the same, read cheaply: some ms behind at most */
    int64_t (*unix_us)(void *context); /* wall clock */
    /* Fills `bytes`; never fails (aborts where the system has no randomness: ids would collide). */
    void (*random)(void *context, void *bytes, size_t count);
    void (*wait_until)(void *context, int64_t until_us); /* until now_us reaches it */
} wb_env;

extern const wb_env wb_env_system;

/* The world of a manual clock, which must live as long: all clocks show its time, waiting advances it. */
wb_env wb_env_of_clock(wb_clock *clock);

/* As malloc, calloc, realloc and strdup: NULL without memory, or when a test says so. wb_free frees them. */
void *wb_alloc(size_t bytes);
void *wb_alloc_zeroed(size_t bytes);
void *wb_realloc(void *memory, size_t bytes);
char *wb_strdup(const char *text);
/* For tests: the n-th allocation from now fails, and every later one. 0: none fails. */
void wb_alloc_fail_after(size_t n);
bool wb_alloc_fails(void); /* counts one more; for what allocates in its own way: base/block.c */

/* A number that grows in every child of a fork: what was made under another number was made by an ancestor. */
unsigned wb_fork_generation(void);
/* The same, by one load, once the other was called in this process or an ancestor. */
extern atomic_uint wb_fork_count;
static inline unsigned wb_fork_generation_now(void)
{
    return atomic_load_explicit(&wb_fork_count, memory_order_relaxed);
}

#endif
