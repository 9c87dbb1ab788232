/* SPDX-License-Identifier: MIT
 * See names.h. Invariant: the names in the list are those taken in this process, and differ. Its lock is held for the
 * list only, and over a fork, so that the child finds it whole and empties it. Fails without memory. */
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

static void go_on_in_parent(void)
{
    pthread_mutex_unlock(&lock);
}

static void start_empty_in_child(void)
{
    for (wb_name *name = names; name != NULL; name = name->next)
        name->taken = false;
    names = NULL;
    pthread_mutex_unlock(&lock);
}

static void watch_forks(void)
{
    pthread_atfork(hold_over_fork, go_on_in_parent, start_empty_in_child);
}

static bool is_taken(const char *text)
{
    for (const wb_name *name = names; name != NULL; name = name->next) {
        if (strcmp(wb_name_text(name), text) == 0)
            return true;
    }
    return false;
}

/* Locked. As it is wanted, or with the first number that makes it differ. */
static const char *choose(wb_name *name)
{
    if (!is_taken(name->wanted))
        return name->wanted;
    unsigned number = 2;
    do
        sprintf(name->numbered, "%s#%u", name->wanted, number++);
    while (is_taken(name->numbered));
    return name->numbered;
}

bool wb_name_init(wb_name *name, const char *wanted)
{
    enum { NUMBER_BYTES = 12 };
    size_t bytes = strlen(wanted) + 1;
    name->wanted = wb_alloc(2 * bytes + NUMBER_BYTES);
    if (name->wanted == NULL)
        return false;
    name->numbered = name->wanted + bytes;
    memcpy(name->wanted, wanted, bytes);
    atomic_init(&name->text, name->wanted);
    return true;
}

bool wb_name_take(wb_name *name)
{
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&lock);
    bool takes = !name->taken && !name->released;
    if (takes) {
        atomic_store(&name->text, choose(name));
        name->taken = true;
        name->next = names;
        names = name;
    }
    pthread_mutex_unlock(&lock);
    return takes;
}

void wb_name_release(wb_name *name)
{
    pthread_mutex_lock(&lock);
    wb_name **link = &names;
    while (*link != NULL && *link != name)
        link = &(*link)->next;
    if (*link != NULL)
        *link = name->next;
    name->released = true;
    pthread_mutex_unlock(&lock);
}

void wb_name_fini(wb_name *name)
{
    wb_name_release(name);
    wb_free(name->wanted);
}
