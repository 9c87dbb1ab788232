/* SPDX-License-Identifier: MIT
 * See lifeline.h. The list's lock is held for links only, and over a fork, so that the child finds the list whole and
 * empties it. A threaded pipeline in the list has its thread's reference; who takes one gets its own before the lock
 * is let go. Nothing fails. */
#include "engine/lifeline.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static wb_pipeline *alive = NULL;

static void hold_over_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void go_on_in_parent(void)
{
    pthread_mutex_unlock(&lock);
}

static void start_empty_in_child(void)
{
    alive = NULL;
    pthread_mutex_unlock(&lock);
}

static void watch_forks(void)
{
    pthread_atfork(hold_over_fork, go_on_in_parent, start_empty_in_child);
}

void wb_lifeline_enter(wb_pipeline *pipeline)
{
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&lock);
    pipeline->next_alive = alive;
    alive = pipeline;
    pthread_mutex_unlock(&lock);
}

void wb_lifeline_leave(wb_pipeline *pipeline)
{
    pthread_mutex_lock(&lock);
    wb_pipeline **link = &alive;
    while (*link != NULL && *link != pipeline)
        link = &(*link)->next_alive;
    if (*link != NULL)
        *link = pipeline->next_alive;
    pthread_mutex_unlock(&lock);
}

wb_pipeline *wb_lifeline_take(void)
{
    pthread_mutex_lock(&lock);
    wb_pipeline *pipeline = alive;
    if (pipeline != NULL) {
        alive = pipeline->next_alive;
        wb_pipeline_ref(pipeline);
    }
    pthread_mutex_unlock(&lock);
    return pipeline;
}
