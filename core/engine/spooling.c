/* SPDX-License-Identifier: MIT
 * See spooling.h. */
#include "engine/spooling.h"

#include "base/err.h"
#include "engine/markbox_adopt.h"

#define LEAST_SYNC_US INT64_C(1000)

/* Those that both kinds of object have. */
#define OPTIONS_OF(options)                                                                        \
    {                                                                                              \
        .path = (options)->spool_path, .durability = (options)->spool_durability,                  \
        .sync_us =                                                                                 \
            (options)->spool_sync_us > LEAST_SYNC_US ? (options)->spool_sync_us : LEAST_SYNC_US,   \
        .max_bytes = (options)->spool_max_bytes, .on_error = (options)->spool_on_error,            \
    }

/* ---- batcher ---- */

static void adopt_rows(void *owner)
{
    wb_batcher_spooling *spooling = owner;
    wb_outbox_adopt(spooling->outbox, &spooling->replay);
}

static bool replay_rows(void *owner)
{
    wb_outbox *outbox = ((wb_batcher_spooling *)owner)->outbox;
    wb_monitor_lock(&outbox->backlog.monitor);
    bool replays = wb_outbox_replays(outbox);
    wb_monitor_unlock(&outbox->backlog.monitor);
    return replays && wb_outbox_replay(outbox);
}

static const wb_keeper_class rows = {.adopt = adopt_rows, .replay = replay_rows};

int wb_spooling_of_batcher(wb_batcher_spooling *spooling, wb_outbox *outbox,
                           const wb_batcher_options *options, wb_err *err)
{
    wb_spool_options spool = OPTIONS_OF(options);
    spool.memory_bytes = options->spool_memory_bytes;
    if (spool.path == NULL)
        return WB_OK;
    int code = wb_spool_new(&spool, "batcher", options->table, options->schema,
                            options->coalesce != NULL, &outbox->spool, err);
    if (code != WB_OK)
        return code;
    outbox->park_from = options->spool_memory_bytes;
    outbox->options.spool_path = outbox->spool->options.path;
    spooling->outbox = outbox;
    spooling->keeper = (wb_keeper){
        .spool = outbox->spool,
        .backlog = &outbox->backlog,
        .class = &rows,
        .owner = spooling,
        .clocked = options->clock != NULL,
        .look_us = INT64_MIN,
    };
    return WB_OK;
}

void wb_spooling_fini(wb_batcher_spooling *spooling)
{
    wb_replay_fini(&spooling->replay);
    wb_spool_free(spooling->keeper.spool);
}

static uint64_t in_memory_alone(wb_outbox *outbox)
{
    wb_monitor_lock(&outbox->backlog.monitor);
    if (outbox->backlog.metrics.pending == 0)
        outbox->unspooled = 0;
    uint64_t count = outbox->unspooled;
    wb_monitor_unlock(&outbox->backlog.monitor);
    return count;
}

int wb_spooling_sync(wb_batcher_spooling *spooling, int64_t deadline_us, wb_err *err)
{
    uint64_t unspooled = spooling->outbox != NULL ? in_memory_alone(spooling->outbox) : 0;
    return wb_keeper_sync(&spooling->keeper, unspooled, deadline_us, err);
}

/* ---- tracker ---- */

static void adopt_marks(void *owner)
{
    wb_markbox_adopt(owner);
}

static const wb_keeper_class marks = {.adopt = adopt_marks};

int wb_spooling_of_tracker(wb_keeper *keeper, wb_markbox *markbox,
                           const wb_tracker_options *options, wb_err *err)
{
    const wb_spool_options spool = OPTIONS_OF(options);
    const wb_column id = {.name = options->key, .type = options->key_type};
    if (spool.path == NULL)
        return WB_OK;
    int code = wb_schema_new(&id, 1, &markbox->ids.schema, err);
    if (code == WB_OK)
        code = wb_spool_new(&spool, "tracker", options->table != NULL ? options->table : "",
                            markbox->ids.schema, false, &markbox->ids.spool, err);
    if (code != WB_OK)
        return code;
    markbox->ids.spool->eager = true;
    markbox->ids.backlog = &markbox->backlog;
    markbox->ids.key_type = options->key_type;
    markbox->ids.exact = options->exact;
    *keeper = (wb_keeper){
        .spool = markbox->ids.spool,
        .backlog = &markbox->backlog,
        .class = &marks,
        .owner = markbox,
        .clocked = options->clock != NULL,
        .look_us = INT64_MIN,
    };
    return WB_OK;
}
