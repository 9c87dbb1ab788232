/* SPDX-License-Identifier: MIT
 * See markbox_adopt.h. */
#include "engine/markbox_adopt.h"

#include <inttypes.h>
#include <string.h>

#include "rows/row.h"
#include "spool/adopt.h"
#include "spool/marks.h"

static void say(void *context, int level, const char *text)
{
    wb_markbox *markbox = context;
    wb_log_line(markbox->backlog.log, WB_TOPIC_FREE, level, wb_backlog_now_us(&markbox->backlog), 0,
                "%s", text);
}

static void mark(wb_markbox *markbox, const wb_schema *schema, const wb_spooled_row *row)
{
    wb_key key;
    wb_value value = wb_row_value(schema, row->tuple, 0);
    const wb_column *column = wb_schema_column(markbox->ids.schema, 0);
    if (wb_key_of(column, &value, &key, NULL) == WB_OK)
        wb_markbox_put_adopted(markbox, &key, row->unix_us);
}

static void adopt_segment(void *context, wb_spool_file *file, const wb_spool_reading *reading)
{
    wb_markbox *markbox = context;
    wb_spooled_row row;
    size_t bytes, own_bytes = markbox->ids.spool->head_bytes;
    const uint8_t *text = wb_spool_segment_schema(reading, &bytes);
    const uint8_t *own = markbox->ids.spool->head + own_bytes - bytes;
    if (bytes > own_bytes || memcmp(text, own, bytes) != 0) {
        say(markbox, WB_ERROR, "spool: ids of another column, or type, stay where they are");
        return;
    }
    for (uint32_t i = 0; i < reading->count; i++)
        if (wb_spool_segment_row(reading, i, &row) && !row.settled)
            mark(markbox, markbox->ids.schema, &row);
    wb_spool_retire_file(markbox->ids.spool, file);
}

static void whole(void *context)
{
    (void)context;
}

void wb_markbox_adopt(wb_markbox *markbox)
{
    const wb_adopter adopter = {
        .context = markbox, .segment = adopt_segment, .whole = whole, .say = say};
    uint64_t before = markbox->backlog.metrics.adopted;
    wb_spool_adopt(markbox->ids.spool, &adopter);
    uint64_t adopted = markbox->backlog.metrics.adopted - before;
    if (adopted > 0)
        wb_log_line(markbox->backlog.log, WB_TOPIC_FREE, WB_WARN,
                    wb_backlog_now_us(&markbox->backlog), adopted,
                    "spool: took over %" PRIu64 " marks that another process had left", adopted);
    wb_log_print(markbox->backlog.log);
}
