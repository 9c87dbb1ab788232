/* SPDX-License-Identifier: MIT
 * Log lines and hook events of one batcher or tracker. A topic's first line goes out at once; later ones go out at most
 * once in WB_LOG_QUIET_US, with the count of those held back. A line waits in a queue, which drops its oldest: without
 * a hook in one of WB_LOG_QUEUE, until wb_log_print writes it to stderr; with one in that of the flush events, whose size
 * is the owner's, until wb_log_next.
 * The log has its own lock. All but wb_log_print may be called with the caller's lock held. */
#ifndef WB_LOG_H
#define WB_LOG_H

#include "base/sync.h"

enum { WB_LOG_QUEUE = 256, WB_LOG_NAME_BYTES = 128 };
#define WB_LOG_QUIET_US INT64_C(10000000)

enum wb_topic {
    WB_TOPIC_FAILURE, /* a write failed */
    WB_TOPIC_RECOVERY,
    WB_TOPIC_HOLD, /* the store refuses all: rows are held */
    WB_TOPIC_DEAD,
    WB_TOPIC_KEPT,    /* dead rows can't be written */
    WB_TOPIC_WRITTEN, /* they are, after all */
    WB_TOPIC_DROP,
    WB_TOPIC_FULL,
    WB_TOPIC_CROWDED, /* what is pending nears a limit */
    WB_TOPIC_ROOM,    /* there is room again */
    WB_TOPIC_NOTICE,  /* what the server said */
    WB_TOPIC_REFUSED, /* ids whose rows the table refuses to make or to move */
    WB_TOPIC_LOST,
    WB_TOPIC_POLICY, /* a scripted decision failed */
    WB_TOPIC_SPOOL,  /* the spool takes no rows */
    WB_TOPIC_REPLAY, /* what another process left */
    WB_TOPIC_FREE,   /* not limited here: who writes them limits itself */
    WB_TOPICS
};

typedef struct wb_log wb_log;

/* `name` stands in front of every line: "batcher agent_stats". NULL: no memory. */
wb_log *wb_log_new(const char *name, bool queue_lines, bool queue_flushes);
void wb_log_rename(wb_log *log, const char *name);
void wb_log_free(wb_log *log);
/* How many events wait at the most, by default WB_LOG_QUEUE, which does not change once there was one; and how many rows'
 * ids in them, by default any number. The ids of the newest always do. */
void wb_log_limit(wb_log *log, uint64_t events, uint64_t ids);
void wb_log_line(wb_log *log, int topic, int level, int64_t now_us, uint64_t rows,
                 const char *format, ...) __attribute__((format(printf, 6, 7)));
/* Writes the lines that wait to stderr, each in one write. Call it with no lock held. */
void wb_log_print(wb_log *log);
/* Queues a flush event where the owner asked for those. Its ids are the log's from now on. */
void wb_log_flush(wb_log *log, const wb_event *event);
/* The next event for the hook, with its ids; false: there is none. */
bool wb_log_next(wb_log *log, wb_event *out);
bool wb_log_waiting(wb_log *log);
void wb_log_orphan(wb_log *log);   /* no hook is called from now on: lines go to stderr */
uint64_t wb_log_lost(wb_log *log); /* events dropped from the full queue */

#endif
