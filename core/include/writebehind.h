/* SPDX-License-Identifier: MIT
 * writebehind: rows are added one by one and written behind the caller's back, in few, large writes.
 *
 * A batcher takes rows of a schema and delivers them to a table of a store. A tracker takes ids and keeps the time at
 * which each was last used. With a store both are threaded: each has a thread that delivers. Without one they are
 * driven: the caller takes what is due, delivers it and completes it.
 *
 * Conventions. A fallible function returns WB_OK (0), or another wb_code, a description in *err (which may be NULL) and
 * its outputs as they were. Durations and times are microseconds, `_us`; a deadline is absolute, on the monotonic clock
 * of wb_now_us, or WB_NEVER. Text is UTF-8, with a length in bytes or else a NUL at its end. Several threads may use an
 * object at once, unless its description says otherwise. C11 and C++ can include this header. */
#ifndef WRITEBEHIND_H
#define WRITEBEHIND_H

#include "writebehind/reader.h"
#include "writebehind/spool.h"
#include "writebehind/stores.h"
#include "writebehind/upsert.h"
#include "writebehind/values.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- batches ---- */

enum wb_reason {
    WB_REASON_NONE,
    WB_REASON_SIZE,
    WB_REASON_BYTES,
    WB_REASON_AGE,
    WB_REASON_FLUSH,
    WB_REASON_POLICY,
    WB_REASON_CLOSE,
};
WB_API const char *wb_reason_name(int reason); /* "size", …; "none" */

/* A run of sealed rows, lent to whoever delivers it. One thread at a time may use it. */
WB_API const wb_schema *wb_batch_schema(const wb_batch *batch);
WB_API size_t wb_batch_rows(const wb_batch *batch);
/* 16 bytes; the same at every attempt, unless a ledger is kept: then it may be another where no write is in doubt. */
WB_API const uint8_t *wb_batch_id(const wb_batch *batch);
WB_API uint32_t wb_batch_attempt(const wb_batch *batch); /* 1 at the first */
WB_API int wb_batch_reason(const wb_batch *batch);
/* The table that a policy sent its rows to; NULL: the batcher's own. Lives as long as the batch. */
WB_API const char *wb_batch_table(const wb_batch *batch);
/* Row `index`, from 0: one tuple of PostgreSQL's binary COPY. */
WB_API const uint8_t *wb_batch_row(const wb_batch *batch, size_t index, size_t *bytes);
/* All the tuples, without the header and the trailer of a COPY stream. */
WB_API const uint8_t *wb_batch_tuples(const wb_batch *batch, size_t *bytes);
/* The values of row `index`, as many as the schema has columns: NULL, bool, int, float or text.
 * A uuid is 16 raw bytes, a timestamptz or a timestamp µs since 1970, a date days since 1970 (INT64_MAX and INT64_MIN:
 * infinity), a time µs since midnight; of the types that have no such value the bytes of COPY, which wb_value_text
 * writes. Text is borrowed. */
WB_API void wb_batch_values(const wb_batch *batch, size_t index, wb_value *values);
/* A JSON object a line; times as RFC 3339, bytea as \x hex, NaN and infinities as text. wb_free it. */
WB_API int wb_batch_ndjson(const wb_batch *batch, char **out, size_t *bytes, wb_err *err);
/* The object of row `index` alone, without a line end. */
WB_API int wb_batch_line(const wb_batch *batch, size_t index, char **out, size_t *bytes,
                         wb_err *err);
/* A complete COPY stream: header, tuples, trailer. wb_free it. It has the columns that the rows give (wb_batch_gives);
 * WB_INVALID where not all rows leave the same ones to the server. */
WB_API int wb_batch_copy_binary(const wb_batch *batch, uint8_t **out, size_t *bytes, wb_err *err);
/* Does the first row give the column, or leave it to the server? */
WB_API bool wb_batch_gives(const wb_batch *batch, size_t column);
/* Why the rows are dead; empty for a batch that is not. */
WB_API const char *wb_batch_error(const wb_batch *batch);
WB_API void wb_batch_free(wb_batch *batch); /* only where this header says that the caller frees */

/* ---- what batchers and trackers share ---- */

typedef struct wb_latency {
    double p50_s, p90_s, p99_s, p999_s, max_s;
    uint64_t count;
} wb_latency;

enum wb_health { WB_HEALTH_OK, WB_HEALTH_RETRYING, WB_HEALTH_HOLDING, WB_HEALTH_CLOSED };
WB_API const char *wb_health_name(int health);

typedef struct wb_stats {
#define X(field, text) uint64_t field;
#include "writebehind/metrics.def"
#undef X
    int32_t health;       /* enum wb_health */
    char last_error[256]; /* empty: none yet */
    wb_latency latency;   /* of a row, from add to stored; as exact as the kernel's tick, some ms */
    wb_latency write;     /* of one write */
} wb_stats;

typedef struct wb_retry {
    int64_t initial_us; /* the ceiling of the first delay; a delay is uniform below its ceiling */
    int64_t max_us;     /* the ceiling doubles up to this */
    uint32_t attempts;  /* writes before the rows are dead; 0: no limit */
} wb_retry;

enum wb_level { WB_DEBUG, WB_INFO, WB_WARN, WB_ERROR };
WB_API const char *wb_level_name(int level);

enum wb_event_kind { WB_EVENT_LOG, WB_EVENT_FLUSH };

/* For the owner's hooks. A flush event: one write and how it ended. */
typedef struct wb_event {
    int32_t kind;        /* enum wb_event_kind */
    int32_t level;       /* enum wb_level */
    int32_t code;        /* WB_OK, or why the write failed */
    int32_t error_class; /* enum wb_class */
    int32_t reason;      /* enum wb_reason */
    uint32_t attempt;    /* 1 at the first */
    uint64_t rows;       /* of the write (of a tracker: ids); of a log line: that it is about */
    uint64_t bytes;      /* of a batcher's write: of its tuples */
    uint8_t id[16];      /* of the batch; of all else 0 */
    uint8_t *
        ids; /* of its rows, in order, 16 bytes each: of the first generated column, where the option `ids`
                            asks for them; wb_free it. NULL: none */
    double elapsed_s; /* how long the write took */
    const char *name; /* of the batcher or tracker; lives as long as it */
    char
        table[WB_TABLE_BYTES + 1]; /* where the rows of a write go; of a log line: its own. Empty: a
                                       script knows */
    uint64_t suppressed;           /* log lines like this that were held back since the last */
    char text[256];
} wb_event;

/* What became of one row of a write, as APIs that take many at once say it. */
enum wb_fate {
    WB_FATE_STORED,
    WB_FATE_REJECT, /* it is bad: dead where the same write stored another row, else as any row that is rejected */
    WB_FATE_RETRY, /* it comes again, with the others that do, in a batch with an id of its own */
};
typedef struct wb_verdict {
    int32_t fate;     /* enum wb_fate */
    const char *text; /* why; NULL: the write's error */
} wb_verdict;

/* How a delivery by hand ended. */
typedef struct wb_outcome {
    int32_t code;        /* WB_OK, or WB_STORE */
    int32_t error_class; /* enum wb_class, of a failure */
    bool in_doubt;       /* of a failure: its fate is unknown */
    bool ruled_out;      /* of a failure: as wb_err has it */
    bool timed_out;      /* of a failure: its time was up while the store was at work on it */
    uint64_t stored;     /* of a failure: leading rows that are in */
    uint64_t
        superseded; /* of a success: rows of an upsert whose values the table has newer ones of */
    const wb_verdict
        *verdicts; /* of a failure, in the place of `stored`: a row each; NULL: there are none */
    /* Of a failure that is no rejection, how long until the next try. 0: as the options say. WB_NEVER: there is none,
     * and the rows are dead. */
    int64_t retry_us;
    const char *text;
} wb_outcome;

/* The common part of a batcher and of a tracker, which lives as long as they do. What was used before a fork is the
 * parent's alone: in the child it answers WB_FORK. */
typedef struct wb_pipeline wb_pipeline;

/* Its name: that of the options, which from the first use in this process on has a number at its end ("t#2") where another
 * one that is used and not closed has it. Before, it may still change. */
WB_API const char *wb_pipeline_name(const wb_pipeline *pipeline);
/* Threaded: waits until all that was accepted before the call is settled. WB_TIMEOUT says how much is not. */
WB_API int wb_pipeline_flush(wb_pipeline *pipeline, int64_t deadline_us, wb_err *err);
/* Refuses new rows and drains until the deadline. Idempotent. Driven: WB_TIMEOUT while rows are pending. */
WB_API int wb_pipeline_close(wb_pipeline *pipeline, int64_t deadline_us, wb_err *err);
/* Gives up the batcher or tracker. A threaded one drains on its own; what a driven one still holds is reported as lost.
 * May be NULL. */
WB_API void wb_pipeline_detach(wb_pipeline *pipeline);
WB_API int wb_pipeline_stats(wb_pipeline *pipeline, wb_stats *out, wb_err *err);
/* The next event for the owner's hooks, whose ids the caller frees; false: there is none. */
WB_API bool wb_pipeline_event(wb_pipeline *pipeline, wb_event *out);
/* Makes due what was accepted so far, and answers a ticket for it. `reason` is WB_REASON_FLUSH, WB_REASON_CLOSE or
 * WB_REASON_POLICY; the last leaves batches that wait for their next try to their time. */
WB_API uint64_t wb_pipeline_seal(wb_pipeline *pipeline, int reason);
/* Whether all that a ticket stands for is settled. */
WB_API bool wb_pipeline_settled(wb_pipeline *pipeline, uint64_t ticket);
/* When the next take will have something, on the pipeline's clock; WB_NEVER: not before something is added. */
WB_API int64_t wb_pipeline_next_due_us(wb_pipeline *pipeline);
WB_API int64_t wb_pipeline_now_us(wb_pipeline *pipeline);
/* Waits until then on the pipeline's clock: sleeps, or advances the manual one. */
WB_API void wb_pipeline_wait_until(wb_pipeline *pipeline, int64_t until_us);
/* A descriptor that is readable while work or events are due; -1 with errno where none can be made. */
WB_API int wb_pipeline_fd(wb_pipeline *pipeline);

/* ---- batcher ---- */

enum wb_overflow {
    WB_OVERFLOW_REJECT,
    WB_OVERFLOW_BLOCK,
    WB_OVERFLOW_DROP_OLDEST,
    WB_OVERFLOW_DROP_NEWEST,
    WB_OVERFLOW_ASK, /* for wb_choice: WB_FULL and nothing counted, so that the caller decides and adds again */
};
/* What tells whether the rows of a write whose fate is unknown are in: nothing, they are written again; the ids in a generated
 * column; one row for each write in the table writebehind_ledger, in the rows' own transaction. */
enum wb_dedupe { WB_DEDUPE_NONE, WB_DEDUPE_COLUMN, WB_DEDUPE_LEDGER };

/* A module that decides, made by a worker of a binding. Counted. */
typedef struct wb_policy wb_policy;

typedef struct wb_batcher_options {
    wb_store *store;     /* NULL: the batcher is driven; so it is with a clock or with `driven` */
    wb_schema *schema;   /* required */
    const char *table;   /* required; "table" or "schema.table", of up to WB_TABLE_BYTES bytes */
    const char *name;    /* in logs and events; NULL: the table's */
    wb_clock *clock;     /* NULL: the system's */
    uint64_t batch_size; /* rows that a batch has at the most, and all that a worker sees of one */
    uint64_t merge_rows; /* rows of one write to another store, at the most; 0: 16 * batch_size */
    double flush_at;     /* 0 < flush_at <= 1 */
    uint64_t batch_bytes;
    int64_t interval_us;
    uint64_t max_pending_rows;
    uint64_t max_pending_bytes;
    int32_t overflow; /* enum wb_overflow */
    int32_t dedupe;   /* enum wb_dedupe */
    int32_t dedupe_column;
    const wb_upsert *upsert; /* NULL: rows are inserted */
    const wb_upsert
        *coalesce; /* how rows of one key become one while they wait; NULL: they don't */
    int64_t block_timeout_us;
    wb_retry retry;
    int64_t write_timeout_us;
    int64_t close_timeout_us;
    const char *dead_path; /* the file that dead rows are appended to, as NDJSON; NULL: none */
    bool dead_events;      /* keep dead rows for the owner's hook */
    bool log_events;   /* keep log lines for the owner's hook instead of writing them to stderr */
    bool flush_events; /* keep flush events for the owner's hook */
    uint64_t
        events;  /* that are kept at the most, of either kind; beyond that the oldest are lost */
    bool ids;    /* flush events list the rows' ids, of max_pending_rows rows at the most */
    bool driven; /* the caller writes to the store, by wb_batcher_write */
    wb_policy *policy; /* decides in the flusher's thread; NULL: none */
    /* Accepted rows are in files besides the memory, so that they outlive the process: see docs/spool.md. */
    const char *spool_path;   /* a folder of this user's alone; NULL: there is no spool */
    int32_t spool_durability; /* enum wb_durability */
    int64_t spool_sync_us; /* how often what is new is proven, and for WB_DURABLE_MACHINE synced */
    uint64_t spool_max_bytes; /* of files */
    int32_t spool_on_error;   /* enum wb_spool_error */
    uint64_t
        spool_memory_bytes; /* what of the pending rows is in memory too; the rest is in files alone */
} wb_batcher_options;

typedef struct wb_batcher wb_batcher;

/* What a policy decided about one row. */
typedef struct wb_choice {
    const char *
        table; /* "table" or "schema.table", of 1 to WB_TABLE_BYTES bytes; NULL: the batcher's own */
    int32_t overflow; /* enum wb_overflow */
} wb_choice;

/* A write that ended. */
typedef struct wb_last {
    uint64_t rows; /* 0: there was none yet */
    int64_t elapsed_us;
    bool ok; /* it was stored whole; else `last_error` of the statistics says why it failed */
} wb_last;

/* What a policy is told of a batch. */
typedef struct wb_view {
    uint64_t rows;
    uint64_t bytes;    /* of its tuples */
    int64_t age_us;    /* of its oldest row */
    uint32_t attempt;  /* writes of it so far; 0: it is open */
    const char *table; /* where it goes; NULL: it is open. Lives as long as the batch */
    wb_last
        last; /* of all writes the last; of a batch that is taken its own, which failed by now */
} wb_view;

WB_API void wb_batcher_options_init(wb_batcher_options *options); /* the defaults */
/* Copies the options. Starts no thread and no connection. WB_MISUSE names the option that is wrong. */
WB_API int wb_batcher_new(const wb_batcher_options *options, wb_batcher **out, wb_err *err);
WB_API wb_pipeline *wb_batcher_pipeline(wb_batcher *batcher);
/* Adds one row: `count` values for the given columns, in order; missing ones are WB_ABSENT.
 * WB_INVALID, WB_FULL, WB_CLOSED, WB_FORK, WB_MEMORY. *due (may be NULL) says that work is due now. */
WB_API int wb_batcher_add(wb_batcher *batcher, const wb_value *values, size_t count, bool *due,
                          wb_err *err);
/* The same, as a policy decided; a choice of NULL decides nothing. */
WB_API int wb_batcher_add_as(wb_batcher *batcher, const wb_value *values, size_t count,
                             const wb_choice *choice, bool *due, wb_err *err);
/* Adds the rows of the text that a reader of the same schema was given, `most` at the most. WB_OK: so many were added, there
 * is no whole record left, or work is due. WB_INVALID: a record was refused; the next call goes on behind it. Else as
 * wb_batcher_add_as: then the row was not taken, and comes first at the next call. The choice is that of all these rows. */
WB_API int wb_batcher_read(wb_batcher *batcher, wb_reader *reader, const wb_choice *choice,
                           uint64_t most, wb_reading *out, wb_err *err);
/* The options as they are, with names that live as long as the batcher. */
WB_API void wb_batcher_options_of(wb_batcher *batcher, wb_batcher_options *out);
/* Changes options of a batcher, all or none, at once: `options` is what wb_batcher_options_of said, with other values. May
 * change: batch_size to max_pending_bytes, overflow and the timeouts (block, write, close), retry. What waits for its next
 * try waits as long as it was told. A lower limit drops nothing: it refuses what is new. WB_MISUSE names what is wrong, or
 * can't change; WB_FORK. */
WB_API int wb_batcher_configure(wb_batcher *batcher, const wb_batcher_options *options,
                                wb_err *err);
/* Drops all rows that wait, in whatever state, but those that are being written; they count as dropped. Who waits for room
 * or for these rows is woken. *rows (may be NULL) is how many they were. WB_FORK. */
WB_API int wb_batcher_purge(wb_batcher *batcher, uint64_t *rows, wb_err *err);
/* How many rows, and how many bytes of them, until max_pending_rows and max_pending_bytes; UINT64_MAX where there is no
 * limit: 9e15 or more. A row takes its tuple and 16 bytes. WB_FORK. */
WB_API int wb_batcher_room(wb_batcher *batcher, uint64_t *rows, uint64_t *bytes, wb_err *err);
/* Waits until all that was accepted before the call outlives what the options' `durability` says. WB_TIMEOUT; WB_STORE, with
 * what the disk said, or that rows are in memory alone; WB_MISUSE without a spool; WB_FORK. */
WB_API int wb_batcher_sync(wb_batcher *batcher, int64_t deadline_us, wb_err *err);
/* Describes a taken batch, or the open one where batch is NULL. */
WB_API void wb_batcher_view(wb_batcher *batcher, const wb_batch *batch, wb_view *out);
/* What is known of a table that rows are routed to. */
typedef struct wb_table_stats {
    char table[WB_TABLE_BYTES + 1];
    uint64_t pending; /* rows */
    uint64_t consecutive_failures;
    char last_error[256]; /* empty: none yet */
} wb_table_stats;
/* The tables that have rows pending, or whose last write failed; NULL where no rows are routed. wb_free them. */
WB_API int wb_batcher_tables(wb_batcher *batcher, wb_table_stats **out, size_t *count, wb_err *err);
/* Counts and logs that a policy's decision ("route", …) failed, so that the built-in rule decided. */
WB_API void wb_batcher_undecided(wb_batcher *batcher, const char *decision, const char *why);
/* The next dead rows, for the owner's hook, which frees them with wb_batch_free; NULL: there are none. At most
 * max_pending_rows are kept; beyond that the oldest are forgotten, with a log line. */
WB_API wb_batch *wb_batcher_dead(wb_batcher *batcher);

/* Driven. Lends the next due batch, which the caller completes exactly once; NULL: none is due. */
WB_API wb_batch *wb_batcher_take(wb_batcher *batcher);
/* Writes a taken batch to the batcher's own store, in this thread. Blocks up to write_timeout. *out, always set, is what to
 * complete it with, before the next write; its text is *err's. WB_STORE; WB_MISUSE without a store. */
WB_API int wb_batcher_write(wb_batcher *batcher, const wb_batch *batch, wb_outcome *out,
                            wb_err *err);
WB_API void wb_batcher_complete(wb_batcher *batcher, wb_batch *batch, const wb_outcome *outcome);

/* ---- tracker ---- */

enum wb_unit { WB_UNIT_S, WB_UNIT_MS, WB_UNIT_US };

typedef struct wb_tracker_options {
    wb_store *store;    /* NULL: the tracker is driven; so it is with a clock */
    const char *table;  /* required, unless a script or the caller delivers */
    const char *name;   /* as for a batcher */
    const char *key;    /* its column that an id is of */
    int32_t key_type;   /* enum wb_type: WB_TYPE_UUID, WB_TYPE_INT4, WB_TYPE_INT8 or WB_TYPE_TEXT */
    const char *column; /* its column of times */
    int32_t
        column_type; /* WB_TYPE_TIMESTAMPTZ, in UTC WB_TYPE_TIMESTAMP or _DATE, or WB_TYPE_INT8 */
    int32_t unit;    /* enum wb_unit: what an int8 counts since 1970, rounded down */
    wb_clock *clock; /* NULL: the system's */
    int64_t interval_us;
    bool insert; /* ids without a row get one; a script is not told of it */
    bool exact;  /* each id gets the time of its last mark, else all get the flush's */
    int64_t min_advance_us;
    uint64_t chunk;           /* ids in one write */
    uint64_t max_pending_ids; /* the most distinct ids that wait */
    wb_retry retry;
    int64_t write_timeout_us;
    int64_t close_timeout_us;
    bool log_events, flush_events; /* as for a batcher */
    uint64_t events;
    const char *spool_path; /* as for a batcher; what comes back of an id may be a second older */
    int64_t spool_sync_us;
    uint64_t spool_max_bytes;
    int32_t spool_durability, spool_on_error;
} wb_tracker_options;

typedef struct wb_tracker wb_tracker;

/* One write of a tracker: distinct ids, ascending (texts bytewise), each with a time, µs since 1970. */
typedef struct wb_marks wb_marks;
WB_API size_t wb_marks_count(const wb_marks *marks);
WB_API int wb_marks_key_type(const wb_marks *marks); /* enum wb_type */
/* The id of mark `index`, from 0, as wb_batch_values gives a value of its type: a uuid is 16 raw bytes. A text lives as
 * long as the marks. */
WB_API void wb_marks_key(const wb_marks *marks, size_t index, wb_value *out);
WB_API int64_t wb_marks_time_us(const wb_marks *marks, size_t index);
WB_API int64_t wb_marks_at_us(const wb_marks *marks); /* the flush's time */
WB_API uint32_t wb_marks_attempt(const wb_marks *marks);
/* Of marks that were taken: this id did not move, and is to be marked again, where they are completed as a success. It
 * stays pending, and a newer time of it wins. */
WB_API void wb_marks_again(wb_marks *marks, size_t index);

WB_API void wb_tracker_options_init(wb_tracker_options *options); /* the defaults */
WB_API int wb_tracker_new(const wb_tracker_options *options, wb_tracker **out, wb_err *err);
/* As wb_batcher_sync. */
WB_API int wb_tracker_sync(wb_tracker *tracker, int64_t deadline_us, wb_err *err);
WB_API wb_pipeline *wb_tracker_pipeline(wb_tracker *tracker);
/* Marks an id as used at unix_us, within the years 1 to 9999; WB_NEVER: now. The id is a value of the key's type; of a text
 * 1,024 bytes at most. WB_INVALID names what is wrong with either; else as wb_batcher_add. */
WB_API int wb_tracker_add(wb_tracker *tracker, const wb_value *id, int64_t unix_us, bool *due,
                          wb_err *err);
/* The same of a uuid's 16 bytes. WB_MISUSE where the key is of another type. */
WB_API int wb_tracker_add_uuid(wb_tracker *tracker, const uint8_t id[16], int64_t unix_us,
                               bool *due, wb_err *err);
WB_API wb_marks *wb_tracker_take(wb_tracker *tracker);
/* As wb_batcher_write. *updated is how many times moved forward, rows that were made among them, *unmatched how many ids
 * have no row, or one that the table refused. */
WB_API int wb_tracker_write(wb_tracker *tracker, const wb_marks *marks, uint64_t *updated,
                            uint64_t *unmatched, wb_err *err);
/* After a failure the whole chunk is merged back, whatever outcome->stored: times only move forward, so a second write
 * does no harm. */
WB_API void wb_tracker_complete(wb_tracker *tracker, wb_marks *marks, const wb_outcome *outcome,
                                uint64_t updated, uint64_t unmatched);

#ifdef __cplusplus
}
#endif

#endif
