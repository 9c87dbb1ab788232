/* SPDX-License-Identifier: MIT
 * The outbox: what a batcher has accepted and not settled yet. The sole owner of batch states, of overflow
 * and of the lock. Rows are put in one by one; batches are taken out, delivered by whoever took them, and
 * completed, each exactly once.
 *
 * Invariants, under the backlog's lock: a batch is in exactly one of `open`, a lane, `sealed`, `taken`. Only the one who
 * took a batch reads or changes its rows; others, who have the lock, only look at how many they are.
 * Of the batches that are due the least tried is taken first, then the oldest, so that a batch that always fails
 * can't stop the others. After a failure nothing of its table is taken before the table's gate, and one batch at a time;
 * where several tables fail in a row, or there is one only, nothing at all is before `gate_us`: see gate.h.
 * A table's rows gather in its lane until they are due by themselves: see lanes.h. The rows of which only a
 * worker's policy can say where they go are in `open`, and sealed they are not `routed`; before anything is written they
 * are routed. */
#ifndef WB_OUTBOX_H
#define WB_OUTBOX_H

#include "engine/backlog.h"
#include "engine/outbox/batch_list.h"
#include "engine/outbox/lanes.h"
#include "engine/outbox/pool.h"
#include "engine/outbox/routes.h"
#include "engine/outbox/script_client.h"
#include "engine/outbox/trial_list.h"
#include "engine/options.h"
#include "engine/thresholds.h"
#include "rows/coalescer.h"
#include "spool/spool.h"

#define WB_ASK_EVERY_US INT64_C(10000) /* while a batch is open */

/* How a delivery ended. */
typedef struct wb_ending {
    const wb_err *err;          /* NULL: the batch is stored whole; else why it failed */
    uint64_t stored;            /* of a failure: leading rows that are in */
    const wb_verdict *verdicts; /* of a failure: a row each, in their order; NULL: see `stored` */
    int64_t retry_us;           /* of a failure: as wb_outcome has it */
    uint64_t superseded;        /* of a success: rows whose values the table has newer ones of */
    int64_t elapsed_us;
} wb_ending;

/* Is a row of the write in? */
static inline bool wb_ending_stored(const wb_ending *ending, size_t row)
{
    if (ending->err == NULL)
        return true;
    return ending->verdicts != NULL ? ending->verdicts[row].fate == WB_FATE_STORED
                                    : row < ending->stored;
}

typedef struct wb_outbox {
    wb_backlog backlog;
    wb_schema *schema;
    const char *table;
    wb_batcher_options options; /* as they are now; its owner sees to the names in it */
    wb_thresholds thresholds;
    wb_coalescer *coalescer;      /* rows of one key are one while they wait; NULL: they are not */
    bool coalesces_in_order;      /* what comes of two rows depends on which came first */
    wb_batch *joining;            /* batches that wait again, and are to join the others */
    size_t few_gaps;              /* so many of a batch are not worth to be squeezed out */
    size_t row_overhead;          /* memory of a row besides its tuple */
    uint64_t max_rows, max_bytes; /* pending, at the most */
    uint64_t calm_rows, calm_bytes; /* what may be pending before anything is to be said: room.c */
    bool crowded;                   /* it was said */
    uint64_t merge_rows;            /* batches that wait are merged up to so many rows; 0: never */
    uint64_t write_rows;            /* rows that the next write has at the most: see size.c */
    uint64_t most_write_rows;       /* what write_rows never passes */
    int64_t write_timeout_us;       /* WB_NEVER: a write has no deadline */
    int overflow;                   /* enum wb_overflow */
    int64_t block_timeout_us;

    wb_trial *trials;     /* batches that were refused: see trial.h */
    int64_t unix_skew;    /* wall clock less monotonic clock, read with each new open batch */
    uint64_t serial;      /* of the last sealed batch */
    uint64_t lent_serial; /* the highest that was ever taken */
    uint64_t ticket;      /* the last that was given out: what is up to it is not to gather */
    size_t taken_count;
    wb_last last;         /* write that ended */
    unsigned passed_over; /* batches taken in a row while one that failed was due */
    wb_batch *open;       /* NULL until a row comes */
    wb_lanes lanes;       /* of the tables that rows go to */
    wb_batch_list sealed;
    wb_batch_list taken;
    wb_batch *dead;     /* settled batches that somebody wants to see: the oldest first */
    uint64_t dead_rows; /* in them */
    bool keep_dead;     /* somebody wants to */
    int ids_column;     /* reports of writes list the ids in it; -1: they don't */
    wb_pool pool;       /* settled batches, kept for their memory */
    wb_uuid_source ids;

    wb_routes
        routes; /* the tables, besides its own, that rows go to: their routes are counted from 1 */
    uint32_t last_route; /* that was looked up */
    uint32_t next_look;  /* the route that was last looked at, whether it is to be forgotten */
    wb_spool *spool;     /* its owner's; NULL: what is accepted is in memory alone */
    uint64_t park_from;  /* where so many bytes are pending rows are parked: spooled.h */
    uint64_t parked_rows, parked_bytes; /* of those that are pending */
    bool replaying;                     /* somebody brings parked rows back */
    uint64_t unspooled;                 /* rows that were taken while the spool had no room */
    unsigned asking_where; /* batches that are asked about: their rows refer to routes */
    bool ledger;           /* the id of a batch is the key of its write, wherever that is kept */
    bool ordered;          /* it matters which of two rows of a table is written first: order.h */
    uint64_t walk;         /* over the sealed batches, for order.c: how many there were */
    bool one_shape; /* the store wants rows of one shape: batches are divided when they are taken */
    int64_t ask_us; /* when a policy is to be asked about the open batch; WB_NEVER */
    bool asking;    /* it has a say in it */
    wb_script_client script_client; /* of who delivers, not locked */
} wb_outbox;

/* The caller's memory. The target and the policy of the options outlive it. WB_MEMORY: there is nothing to fini. */
int wb_outbox_init(wb_outbox *outbox, const wb_batcher_options *options, const wb_env *env,
                   const wb_target *target, bool threaded, wb_err *err);
void wb_outbox_fini(wb_outbox *outbox); /* with nothing taken */

/* Unlocked, all of these. */

/* See wb_batcher_add_as. */
int wb_outbox_put_tuple(wb_outbox *outbox, const wb_tuple *tuple, const wb_choice *choice,
                        bool *due, wb_err *err);
/* See wb_batcher_add_tuples. */
int wb_outbox_put_tuples(wb_outbox *outbox, const wb_tuple *tuples, size_t count, size_t *added,
                         bool *due, wb_err *err);
/* Counts a row that was refused with `code`; answers it, or WB_CLOSED where the outbox is. */
int wb_outbox_reject(wb_outbox *outbox, int code, wb_err *err);
int wb_outbox_put(wb_outbox *outbox, const wb_value *values, size_t count, const wb_choice *choice,
                  bool *due, wb_err *err);
wb_batch *wb_outbox_take(wb_outbox *outbox);
void wb_outbox_complete(wb_outbox *outbox, wb_batch *batch, const wb_ending *ending);
/* Says in the event of a write what the taken batch is: report.c. */
void wb_outbox_report(const wb_outbox *outbox, const wb_batch *batch, wb_event *event);
/* See wb_batcher_view. */
void wb_outbox_view(wb_outbox *outbox, const wb_batch *batch, wb_view *out);
/* See wb_batcher_tables. */
int wb_outbox_tables(wb_outbox *outbox, wb_table_stats **out, size_t *count, wb_err *err);
/* For who delivers, where a worker's script decides: whether to flush, where it is time to ask, sealing what is open;
 * and when to try a batch again (as wb_outcome.retry_us). */
void wb_outbox_ask_flush(wb_outbox *outbox);
int64_t wb_outbox_ask_retry_us(wb_outbox *outbox, const wb_batch *batch, const wb_err *err,
                               int64_t elapsed_us);
wb_batch *wb_outbox_next_dead(wb_outbox *outbox); /* the caller frees it; NULL: there is none */
/* Puts the last of those back, in its place. */
void wb_outbox_dead_again(wb_outbox *outbox, wb_batch *batch);
/* All that waits is dead: see wb_batcher_give_up; or dropped: see wb_batcher_purge. What is taken is left as it is. */
void wb_outbox_give_up_all(wb_outbox *outbox, const char *why);
uint64_t wb_outbox_purge(wb_outbox *outbox);
void wb_outbox_room(wb_outbox *outbox, uint64_t *rows, uint64_t *bytes); /* see wb_batcher_room */

/* Locked; between the outbox's own parts. */
int64_t wb_outbox_next_due_us(wb_backlog *backlog);
void wb_outbox_new_id(wb_outbox *outbox, wb_batch *batch);   /* what a piece has, too */
void wb_outbox_take_new(wb_outbox *outbox, wb_batch *batch); /* made by the taker: it is taken */
void wb_outbox_settle(wb_outbox *outbox, wb_batch *batch);
void wb_outbox_pool(wb_outbox *outbox, wb_batch *settled); /* keeps it for its memory, or not */
/* It leaves the outbox: no row of it can be found any more; or it is no longer to join those that wait. */
void wb_outbox_uncoalesce(wb_outbox *outbox, wb_batch *batch);
void wb_outbox_stop_joining(wb_outbox *outbox, wb_batch *batch);
/* What is no longer pending, for the counter that it goes to: how many adds it was. All of a batch, which is left as it
 * is; or its first rows, which it loses. */
uint64_t wb_outbox_count_out(wb_outbox *outbox, const wb_batch *batch);
uint64_t wb_outbox_skip(wb_outbox *outbox, wb_batch *batch, size_t rows);
uint64_t wb_outbox_count_in(wb_outbox *outbox,
                            const wb_batch *batch); /* the opposite of the first */
/* Sets when a batch that is in no list may be taken again, by its own failures, and when any batch may be, by all
 * failures in a row. */
void wb_outbox_delay(wb_outbox *outbox, wb_batch *batch, int64_t now_us);
/* Puts a taken batch back among the sealed, with that delay. */
void wb_outbox_put_back(wb_outbox *outbox, wb_batch *batch, int64_t now_us);
/* Unlocked. Makes one batch of what was taken: merges what was taken together, and puts rows of other shapes back, sealed.
 * NULL: no memory, all is back. */
wb_batch *wb_outbox_to_one_write(wb_outbox *outbox, wb_batch *batch);
/* Unlocked. Where something is due and a worker's policy says where rows go, asks it of all that it was not asked of. */
void wb_outbox_ask_routes(wb_outbox *outbox);
/* Takes what may change of the options. The second also has it count for what is there: configure.c. */
void wb_outbox_set_options(wb_outbox *outbox, const wb_batcher_options *options);
void wb_outbox_configure(wb_outbox *outbox, const wb_batcher_options *options);

/* ---- the limits of what is pending: room.c. Locked ---- */

void wb_outbox_set_calm(wb_outbox *outbox); /* after a change of the limits, or of `crowded` */
/* A row of that weight is past the calm limits. Says so, the first time; is there room all the same? */
bool wb_outbox_fits_crowded(wb_outbox *outbox, size_t weight);
void wb_outbox_look_for_room(wb_outbox *outbox); /* says that there is room again */

/* ---- a row for which there is no room: overflow.c. Locked, but not all the time ---- */

/* Room for `weight` more bytes, or WB_FULL. WB_OK means: look at all again. */
int wb_outbox_make_room(wb_outbox *outbox, size_t weight, int overflow, int64_t *give_up_us,
                        wb_err *err);
/* The new row is accepted and dropped at once. */
int wb_outbox_drop_newest(wb_outbox *outbox);

/* ---- the tables that are known: known_tables.c. Locked ---- */

/* The route of a table, which is used now. WB_INVALID, WB_MEMORY. */
int wb_outbox_find_table(wb_outbox *outbox, const char *table, int64_t now_us, uint32_t *out,
                         wb_err *err);
/* Looks at some: those that were not used for long are forgotten. There is one. */
void wb_outbox_forget_tables(wb_outbox *outbox, int64_t now_us);
/* NULL: the batcher's own. */
static inline wb_shared_text *wb_outbox_table_of(const wb_outbox *outbox, uint32_t route)
{
    return route > 0 ? wb_routes_name(&outbox->routes, route - 1) : NULL;
}
/* Where the batch goes. */
static inline const char *wb_outbox_table_name(const wb_outbox *outbox, const wb_batch *batch)
{
    return batch->table != NULL ? batch->table->text : outbox->table;
}

/* ---- what is open ---- */

/* Locked. The batch that rows of the batcher's own table fill, or those that are not routed, and that of a route: with
 * room for a row of so many bytes; NULL: no memory. */
wb_batch *wb_outbox_open_batch(wb_outbox *outbox, size_t bytes);
wb_batch *wb_outbox_open_lane(wb_outbox *outbox, uint32_t route, size_t bytes);
/* A row came into the lane's: it may be sealed by that. */
void wb_outbox_lane_grew(wb_outbox *outbox, uint32_t route, size_t bytes);
/* Rows of the lane's left it, or its gate did something. */
void wb_outbox_lane_changed(wb_outbox *outbox, uint32_t route);
/* The thresholds are others: what has reached them is sealed. */
void wb_outbox_lanes_configured(wb_outbox *outbox);
void wb_outbox_seal_open(wb_outbox *outbox, int reason);
void wb_outbox_seal_all(wb_outbox *outbox, int reason); /* and the lanes */
/* Seals what is due: of the lanes, the first. */
void wb_outbox_seal_due(wb_outbox *outbox, int64_t now_us);
int64_t wb_outbox_open_due_us(wb_outbox *outbox); /* WB_NEVER: nothing is open */
bool wb_outbox_has_open(const wb_outbox *outbox);
/* Drops the oldest row of all that is open, which there is. Answers how many adds it was. */
uint64_t wb_outbox_skip_oldest_open(wb_outbox *outbox);

/* ---- how many rows a write has: size.c ---- */

/* Locked. A write of so many rows was stored after that time; or had no time to be, and is known to have failed:
 * false where it can't be smaller. */
void wb_outbox_write_took(wb_outbox *outbox, size_t rows, int64_t elapsed_us);
bool wb_outbox_write_smaller(wb_outbox *outbox, size_t rows);
/* Unlocked. Of a taken batch that is too large for a write the first rows are taken, the others go back, sealed.
 * Without memory the batch goes out whole. */
wb_batch *wb_outbox_cut(wb_outbox *outbox, wb_batch *batch);

void wb_outbox_give_up(wb_outbox *outbox, wb_batch *batch, const char *why, int64_t now_us);

#endif
