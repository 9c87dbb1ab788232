/* SPDX-License-Identifier: MIT
 * A folder for a test's spools, in memory where the machine has such a file system: there nothing waits for a disk. Whatever
 * goes wrong here fails the test by itself. */
#ifndef WB_SPOOL_ROOT_H
#define WB_SPOOL_ROOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ROOT_PATH = 512 };

void root_make(char path[ROOT_PATH]); /* 0700, empty */
/* One of a test's own, as cmocka sets it up and takes it away. */
extern char test_root[ROOT_PATH];
int root_open(void **state);
int root_close(void **state);
/* Removes what is in it, and then itself. */
void root_empty(const char *path);
void root_remove(const char *path);
/* Files in it whose name ends so, those of its folders included; NULL: all. */
size_t root_count(const char *path, const char *ending);
/* A whole file; the caller frees it. */
uint8_t *root_read(const char *path, size_t *bytes);
void root_write(const char *path, const void *bytes, size_t count);

#endif
