/* SPDX-License-Identifier: MIT
 * What becomes of a row whose key is there: for wb_batcher_options. writebehind.h includes it. */
#ifndef WRITEBEHIND_UPSERT_H
#define WRITEBEHIND_UPSERT_H

#include "writebehind/values.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What becomes of a column where the key of a new row is there already. NULL says nothing: sum, min, max, first and last
 * keep the value that there is. */
enum wb_merge {
    WB_MERGE_KEEP,  /* the value that there is; of the key */
    WB_MERGE_SET,   /* the new one, NULL too; with `newest` only where the new row is no older */
    WB_MERGE_SUM,   /* of numbers, intervals */
    WB_MERGE_MIN,   /* what has an order that is the same everywhere: numbers, times, uuid */
    WB_MERGE_MAX,   /* the same */
    WB_MERGE_FIRST, /* the one that came first */
    WB_MERGE_LAST,  /* the one that came last */
    WB_MERGE_EXPRESSION, /* what the server makes of it: SQL, with t for the row that there is, excluded for the new one */
};

/* Rows that update those of their key. Columns are numbers of the schema's. */
typedef struct wb_upsert {
    const int32_t
        *key; /* columns that are never NULL; the table has a unique index of exactly these */
    size_t key_count;
    int32_t
        newest; /* a column that tells which of two rows is newer; -1: none, the one that came later */
    const int32_t *merge;           /* enum wb_merge, of each column of the schema */
    const char *const *expressions; /* of each column, where merge says so; NULL: there is none */
    bool nothing;                   /* a row whose key is there changes nothing; no `merge` */
} wb_upsert;

#ifdef __cplusplus
}
#endif

#endif
