/* SPDX-License-Identifier: MIT
 * The database files that this process has open, and those that its parent had open at the fork. SQLite records
 * each file that its process has open, with the locks that it holds on it. A child of fork inherits the record
 * without the locks: a connection that it opened to such a file would lock nothing, and the next process to close
 * the file would remove the log beneath it, with rows that were stored (https://sqlite.org/howtocorrupt.html, 2.6).
 * So such a file is not opened.
 * Invariant: every open connection has its file in the list; files of a parent stay there for good.
 * Locks: one, held while the list is read or changed, and over a fork. Fails without memory: then nothing is opened. */
#include <pthread.h>
#include <sys/stat.h>

#include "base/env.h"
#include "stores/sqlite/sqlite.h"

struct wb_sqlite_file {
    wb_sqlite_file *next;
    dev_t device;
    ino_t inode;
    unsigned process; /* the fork generation that opened it */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static wb_sqlite_file *files;

static void hold_over_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void go_on(void)
{
    pthread_mutex_unlock(&lock);
}

static void watch(void)
{
    pthread_atfork(hold_over_fork, go_on, go_on);
}

bool wb_sqlite_inherited(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return false;
    unsigned process = wb_fork_generation();
    pthread_mutex_lock(&lock);
    const wb_sqlite_file *file = files;
    while (file != NULL && !(file->process != process && file->device == status.st_dev &&
                             file->inode == status.st_ino))
        file = file->next;
    pthread_mutex_unlock(&lock);
    return file != NULL;
}

wb_sqlite_file *wb_sqlite_file_opened(const char *path)
{
    struct stat status;
    wb_sqlite_file *file = wb_alloc_zeroed(sizeof *file);
    if (file == NULL)
        return NULL;
    if (stat(path, &status) == 0) {
        file->device = status.st_dev;
        file->inode = status.st_ino;
    }
    file->process = wb_fork_generation();
    pthread_once(&once, watch);
    pthread_mutex_lock(&lock);
    file->next = files;
    files = file;
    pthread_mutex_unlock(&lock);
    return file;
}

void wb_sqlite_file_closed(wb_sqlite_file *file)
{
    if (file == NULL)
        return;
    pthread_mutex_lock(&lock);
    wb_sqlite_file **link = &files;
    while (*link != file)
        link = &(*link)->next;
    *link = file->next;
    pthread_mutex_unlock(&lock);
    wb_free(file);
}
