/* SPDX-License-Identifier: MIT
 * The folders of spools. A root has one for each object of each process, which alone has its lock while it lives: an
 * open-file-description lock on the file `owner`, which says whose it is. With fcntl's older locks a second descriptor of
 * the process would get it, closing that would drop it, and a forked child would have none.
 * Who finds a folder of its own object's name with a free lock takes it over: moves it into its own, in one step, so that
 * all that one process left has one heir. */
#ifndef WB_FOLDER_H
#define WB_FOLDER_H

#include <stdbool.h>

#include "base/err.h"

typedef struct wb_folder {
    char *path;
    int lock;
    struct wb_folder *next; /* of this process */
} wb_folder;

/* The root, made where it is missing. Refused, with the reason: what others can write or own, a symbolic link, a network or
 * copy-on-write file system; for a spool that outlives the machine also one in memory. */
int wb_root_check(const char *root, bool outlives_machine, wb_err *err);

/* A folder for an object of that kind ("batcher") and name, locked. */
int wb_folder_make(const char *root, const char *kind, const char *name, wb_folder *out,
                   wb_err *err);
/* Lets go of it, and removes it where it is empty. */
void wb_folder_fini(wb_folder *folder);
/* In a child of fork this process's locks are dropped: they stay the parent's. Where the parent is to end and the child
 * goes on in its place, they are kept. */
void wb_folders_keep_over_fork(bool keep);
bool wb_folder_is_lock(int fd);

/* What a look at a folder of the root found. */
enum wb_found { WB_FOUND_NONE, WB_FOUND_OURS, WB_FOUND_OTHER };
typedef struct wb_found_folder {
    char path[512];  /* OURS: where it is now, in the own folder; OTHER: in the root */
    char owner[256]; /* OTHER: whose it is, "batcher agent_stats" */
} wb_found_folder;
/* Looks at the next folder of the root whose lock is free, from *at on, which is 0 at first and counts folders. */
int wb_folder_find(const char *root, const wb_folder *own, const char *kind, const char *name,
                   size_t *at, wb_found_folder *out);
/* Whose a folder is, and whether a living process has it. False: it is none of a spool. */
bool wb_folder_owner(const char *path, char kind[32], char name[224], bool *held);
/* Those that an earlier owner had taken over, and did not end with: *at as above. */
bool wb_folder_inner(const wb_folder *own, size_t *at, char path[512]);
bool wb_folder_has_inner(const wb_folder *own); /* also where that can't be told */

#endif
