/* SPDX-License-Identifier: MIT
 * What a spool is worth; and looking into spools, also those that a living process has, which changes nothing. */
#ifndef WRITEBEHIND_SPOOL_H
#define WRITEBEHIND_SPOOL_H

#include <writebehind/values.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a spool outlives: the process, whatever kills it; or the machine too, but for what was accepted since the last sync. */
enum wb_durability { WB_DURABLE_PROCESS, WB_DURABLE_MACHINE };
/* Where the spool can't take a row: it is in memory alone, or refused. */
enum wb_spool_error { WB_SPOOL_MEMORY, WB_SPOOL_REJECT };

/* One segment, or a file that was put aside as damaged. */
typedef struct wb_spool_summary {
    char file[512];
    char kind[32], name[224]; /* whose it is: "batcher", "hits"; empty of what was put aside */
    char table[224];          /* the object's own */
    char damage[256];         /* what is wrong with it; empty: nothing */
    bool held;                /* a living process has its folder */
    uint64_t bytes;           /* of the file */
    uint64_t rows;            /* that can be read; what follows is of those that wait */
    uint64_t waiting;
    uint64_t in_doubt;         /* a write has them, or had them and failed */
    int64_t first_us, last_us; /* when they came, since 1970; 0: there are none */
} wb_spool_summary;

/* All that there is below a spool's path, which the caller frees with wb_free. WB_STORE, WB_MEMORY. */
WB_API int wb_spool_look(const char *path, wb_spool_summary **out, size_t *count, wb_err *err);
/* The rows of a segment that wait, or of what was put aside all that can be read, as lines of a dead-letter file, each
 * with its table and when it came. The caller frees *out with wb_free. WB_STORE, WB_INVALID, WB_MEMORY. */
WB_API int wb_spool_export(const char *file, char **out, size_t *bytes, wb_err *err);
/* The schema of its rows; the caller unrefs it. */
WB_API int wb_spool_schema(const char *file, wb_schema **out, wb_err *err);

#ifdef __cplusplus
}
#endif

#endif
