/* SPDX-License-Identifier: MIT
 * See burial.h. Without a lock: a file may be slow. */
#include "engine/burial.h"

#include "engine/dead_letter.h"
#include "engine/outbox/spooled.h"

/* Between two tries to write dead rows to a file that takes none. */
enum { DEAD_AGAIN_US = 1000 * 1000 };

static int bury(wb_burial *burial, const wb_batch *batch, wb_err *err)
{
    int64_t unix_us = burial->pipeline->env.unix_us(burial->pipeline->env.context);
    const char *table = wb_target_table(&burial->pipeline->target, batch);
    return wb_dead_letter_append(burial->path, table, unix_us, batch, err);
}

static void log_dead(wb_burial *burial, int topic, int level, size_t rows, const char *what,
                     const char *why)
{
    wb_log_line(burial->pipeline->log, topic, level, wb_backlog_now_us(&burial->outbox->backlog),
                rows, "%zu dead rows %s%s", rows, what, why);
}

/* What can't be written is kept, said once, and tried again from time to time. */
static void keep_dead(wb_burial *burial, wb_batch *batch, const wb_err *err)
{
    size_t rows = wb_batch_rows(batch);
    wb_outbox_dead_again(burial->outbox, batch);
    if (burial->again_us == 0)
        log_dead(burial, WB_TOPIC_KEPT, WB_ERROR, rows,
                 "can't be written, they are kept: ", err->text);
    burial->again_us = wb_after_us(wb_backlog_now_us(&burial->outbox->backlog), DEAD_AGAIN_US);
}

void wb_burial_some(wb_burial *burial)
{
    wb_batch *batch;
    if (burial->path == NULL ||
        (burial->again_us != 0 && wb_backlog_now_us(&burial->outbox->backlog) < burial->again_us))
        return;
    while ((batch = wb_outbox_next_dead(burial->outbox)) != NULL) {
        wb_err err = {0};
        if (bury(burial, batch, &err) != WB_OK) {
            keep_dead(burial, batch, &err);
            break;
        }
        if (burial->again_us != 0)
            log_dead(burial, WB_TOPIC_WRITTEN, WB_INFO, wb_batch_rows(batch),
                     "are written after all", "");
        burial->again_us = 0;
        wb_outbox_spool_settle_all(burial->outbox, batch);
        wb_batch_free(batch);
    }
    wb_log_print(burial->pipeline->log);
}

void wb_burial_end(wb_burial *burial)
{
    wb_err err = {0};
    size_t lost = 0;
    wb_batch *batch;
    while (burial->path != NULL && (batch = wb_outbox_next_dead(burial->outbox)) != NULL) {
        if (bury(burial, batch, &err) != WB_OK)
            lost += wb_batch_rows(batch);
        else
            wb_outbox_spool_settle_all(burial->outbox, batch);
        wb_batch_free(batch);
    }
    if (lost > 0) {
        wb_log_orphan(burial->pipeline->log);
        log_dead(burial, WB_TOPIC_FREE, WB_ERROR, lost, "are lost: ", err.text);
    }
    wb_log_print(burial->pipeline->log);
}
