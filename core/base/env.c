/* SPDX-License-Identifier: MIT
 * The system's clocks, randomness, memory and forks, and the manual clock. Invariant: a manual clock's time only
 * grows. No locks: what threads share is atomic. Only memory fails; a system without randomness aborts the process, as
 * ids would collide. */
#include "base/env.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/err.h"

struct wb_clock {
    atomic_uint references;
    _Atomic int64_t now_us; /* since 1970; serves as the monotonic clock too */
};

static atomic_size_t allocations_left = 0; /* 0: no failure is ordered */
atomic_uint wb_fork_count = 0;
static pthread_once_t fork_watch = PTHREAD_ONCE_INIT;

/* ---- the system ---- */

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t wb_now_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t wb_unix_us(void)
{
    return read_clock(CLOCK_REALTIME);
}

static int64_t system_now_us(void *context)
{
    (void)context;
    return wb_now_us();
}

static int64_t system_tick_us(void *context)
{
    (void)context;
    return read_clock(CLOCK_MONOTONIC_COARSE);
}

static int64_t system_unix_us(void *context)
{
    (void)context;
    return wb_unix_us();
}

static void system_random(void *context, void *bytes, size_t count)
{
    (void)context;
    uint8_t *to = bytes;
    while (count > 0) {
        ssize_t got = getrandom(to, count, 0);
        if (got < 0 && errno != EINTR)
            abort();
        if (got > 0) {
            to += got;
            count -= (size_t)got;
        }
    }
}

static void system_wait_until(void *context, int64_t until_us)
{
    (void)context;
    struct timespec deadline = {.tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL) == EINTR)
        continue;
}

const wb_env wb_env_system = {
    .now_us = system_now_us,
    .tick_us = system_tick_us,
    .unix_us = system_unix_us,
    .random = system_random,
    .wait_until = system_wait_until,
};

/* ---- the manual clock ---- */

int wb_clock_new(int64_t start_unix_us, wb_clock **out, wb_err *err)
{
    wb_clock *clock = wb_alloc(sizeof *clock);
    if (clock == NULL)
        return wb_fail(err, WB_MEMORY, "clock: out of memory");
    atomic_init(&clock->references, 1);
    atomic_init(&clock->now_us, start_unix_us);
    *out = clock;
    return WB_OK;
}

wb_clock *wb_clock_ref(wb_clock *clock)
{
    atomic_fetch_add(&clock->references, 1);
    return clock;
}

void wb_clock_unref(wb_clock *clock)
{
    if (clock != NULL && atomic_fetch_sub(&clock->references, 1) == 1)
        wb_free(clock);
}

void wb_clock_advance(wb_clock *clock, int64_t by_us)
{
    int64_t now_us = atomic_load(&clock->now_us), then_us;
    do {
        if (__builtin_add_overflow(now_us, by_us > 0 ? by_us : 0, &then_us))
            then_us = INT64_MAX;
    } while (!atomic_compare_exchange_weak(&clock->now_us, &now_us, then_us));
}

int64_t wb_clock_now_us(const wb_clock *clock)
{
    return atomic_load(&clock->now_us);
}

static int64_t manual_now_us(void *context)
{
    return wb_clock_now_us(context);
}

static void manual_wait_until(void *context, int64_t until_us)
{
    wb_clock *clock = context;
    int64_t now_us = atomic_load(&clock->now_us);
    while (now_us < until_us && !atomic_compare_exchange_weak(&clock->now_us, &now_us, until_us))
        continue;
}

wb_env wb_env_of_clock(wb_clock *clock)
{
    return (wb_env){
        .context = clock,
        .now_us = manual_now_us,
        .tick_us = manual_now_us,
        .unix_us = manual_now_us,
        .random = system_random,
        .wait_until = manual_wait_until,
    };
}

/* ---- memory ---- */

/* Counts down to 1, which stands for "fail from here on". */
bool wb_alloc_fails(void)
{
    size_t left = atomic_load_explicit(&allocations_left, memory_order_relaxed);
    if (left == 0)
        return false;
    if (left > 1)
        atomic_store(&allocations_left, left - 1);
    return left == 1;
}

void wb_alloc_fail_after(size_t n)
{
    atomic_store(&allocations_left, n);
}

void *wb_alloc(size_t bytes)
{
    return wb_alloc_fails() ? NULL : malloc(bytes);
}

void *wb_alloc_zeroed(size_t bytes)
{
    return wb_alloc_fails() ? NULL : calloc(1, bytes);
}

void *wb_realloc(void *memory, size_t bytes)
{
    return wb_alloc_fails() ? NULL : realloc(memory, bytes);
}

char *wb_strdup(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = wb_alloc(bytes);
    return copy == NULL ? NULL : memcpy(copy, text, bytes);
}

void wb_free(void *memory)
{
    free(memory);
}

/* ---- forks ---- */

static void count_fork(void)
{
    atomic_fetch_add(&wb_fork_count, 1);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, count_fork);
}

unsigned wb_fork_generation(void)
{
    pthread_once(&fork_watch, watch_forks);
    return wb_fork_generation_now();
}
