/* SPDX-License-Identifier: MIT
 * See names.h. Invariant: the names in the list differ, but for those that an ancestor of this process uses, which
 * count for nothing here. The list's lock is held for the list only, and over a fork, so that the child finds it whole.
 * Fails without memory. */
#include "engine/names.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static wb_name *names = NULL;

static void hold_over_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void go_on(void)
{
    pthread_mutex_unlock(&lock);
}

static void watch_forks(void)
{
    pthread_atfork(hold_over_fork, go_on, go_on);
}

static bool is_an_ancestors(const wb_name *name)
{
    return atomic_load(name->used) && atomic_load(name->process) != wb_fork_generation();
}

static bool is_taken(const char *text)
{
    for (const wb_name *name = names; name != NULL; name = name->next) {
        if (strcmp(name->text, text) == 0 && !is_an_ancestors(name))
            return true;
    }
    return false;
}

/* Makes it `wanted`, or with the first number that makes it differ. */
static void choose(char *text, size_t room, const char *wanted)
{
    snprintf(text, room, "%s", wanted);
    for (unsigned number = 2; is_taken(text); number++)
        snprintf(text, room, "%s#%u", wanted, number);
}

bool wb_name_take(wb_name *name, const char *wanted)
{
    enum { NUMBER_BYTES = 12 };
    size_t room = strlen(wanted) + NUMBER_BYTES;
    name->text = wb_alloc(room);
    if (name->text == NULL)
        return false;
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&lock);
    choose(name->text, room, wanted);
    name->next = names;
    names = name;
    pthread_mutex_unlock(&lock);
    return true;
}

void wb_name_release(wb_name *name)
{
    pthread_mutex_lock(&lock);
    wb_name **link = &names;
    while (*link != NULL && *link != name)
        link = &(*link)->next;
    if (*link != NULL)
        *link = name->next;
    pthread_mutex_unlock(&lock);
}

void wb_name_fini(wb_name *name)
{
    wb_name_release(name);
    wb_free(name->text);
}
