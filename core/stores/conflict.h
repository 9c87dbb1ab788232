/* SPDX-License-Identifier: MIT
 * What follows the values of an INSERT that is an upsert: ON CONFLICT (key) and what becomes of each column then. PostgreSQL
 * and SQLite have one grammar for it, and different words. Pure; only the buffer fails. */
#ifndef WB_CONFLICT_H
#define WB_CONFLICT_H

#include "base/buffer.h"
#include "stores/store.h"

/* Besides enum wb_merge: is the new row not older than the one that is there, by that column? */
enum { WB_CONFLICT_NEWER = WB_MERGE_EXPRESSION + 1 };

/* A store's words. Each is a template: $ stands for the column's name, @ for that as a text, % for its type (enum wb_type);
 * t is the row that is there, excluded the new one. */
typedef struct wb_conflict_words {
    const char *(*of)(const void *context, size_t column, int word);
    const void *context;
} wb_conflict_words;

/* Columns that the shape (rows/shape.h) leaves to the server stay as they are. */
void wb_put_conflict(wb_buffer *sql, const wb_target *target, const uint64_t *shape,
                     const wb_conflict_words *words);

#endif
