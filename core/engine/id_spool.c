/* SPDX-License-Identifier: MIT
 * See id_spool.h. Where an id that goes back finds no room, the segments of its round stay until nothing is pending. */
#include "engine/id_spool.h"

#include "rows/row.h"
#include "spool/marks.h"
#include "spool/spool.h"

enum { SECOND_US = 1000000, TUPLE_BYTES = WB_KEY_TEXT_BYTES + 64 };

/* The id as a row of one column. False: it is none, which can't be. */
static bool encode(const wb_id_spool *ids, const wb_key *key, uint8_t tuple[TUPLE_BYTES],
                   size_t *bytes)
{
    wb_value value;
    wb_key_value(ids->key_type, key, &value);
    return wb_row_encode(ids->schema, &value, 1, tuple, bytes, NULL) == WB_OK;
}

/* Another segment. */
static __attribute__((noinline)) bool reserve_slowly(wb_id_spool *ids, wb_err *err)
{
    wb_spool *spool = ids->spool;
    wb_err why = {0};
    int code = wb_spool_reserve(spool, TUPLE_BYTES, NULL, 0, &why);
    ids->spools = code == WB_OK;
    if (code == WB_OK)
        return true;
    bool rejects = spool->options.on_error == WB_SPOOL_REJECT;
    wb_log_line(ids->backlog->log, WB_TOPIC_SPOOL, WB_ERROR, wb_backlog_now_us(ids->backlog), 1,
                "%s: %s", why.text,
                rejects ? "new ids are refused" : "new ids are in memory alone");
    if (rejects)
        wb_fail(err, code, "%s", why.text);
    return !rejects;
}

bool wb_id_spool_reserve(wb_id_spool *ids, wb_err *err)
{
    if (ids->spool == NULL)
        return true;
    ids->spools = wb_spool_is_ready(ids->spool, TUPLE_BYTES);
    return ids->spools || reserve_slowly(ids, err);
}

void wb_id_spool_put(wb_id_spool *ids, const wb_key *key, int64_t time_us, int64_t was_us)
{
    uint8_t tuple[TUPLE_BYTES], *at;
    bool known = was_us != INT64_MIN && !(ids->exact && time_us - was_us >= SECOND_US);
    if (ids->spool == NULL || known)
        return;
    wb_spool_row row = {.tuple = tuple, .routed = true, .unix_us = time_us, .adds = 1};
    if (!ids->spools || !encode(ids, key, tuple, &row.bytes)) {
        ids->lacks = true;
        return;
    }
    (void)wb_spool_put(ids->spool, &row, &at);
    wb_spool_publish(ids->spool);
}

void wb_id_spool_round(wb_id_spool *ids)
{
    if (ids->spool != NULL)
        ids->round_serial = wb_spool_cut(ids->spool);
}

void wb_id_spool_settled(wb_id_spool *ids)
{
    if (ids->spool == NULL)
        return;
    if (ids->backlog->metrics.pending == 0)
        ids->lacks = false;
    if (!ids->lacks)
        wb_spool_retire(ids->spool, ids->round_serial);
}
