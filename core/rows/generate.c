/* SPDX-License-Identifier: MIT
 * The ids of generated columns. A row is encoded before it is known to be accepted, and its ids ascend in the order in
 * which rows are: so they are made last, where the outbox has the lock. No memory, no failure. */
#include "base/bigendian.h"
#include "rows/row.h"

static void generate(const wb_column *column, wb_uuid_source *source, int64_t unix_us, uint8_t *id)
{
    if (column->generate == WB_UUIDV7)
        wb_uuid_v7(source, unix_us, id);
    else
        wb_uuid_v4(source, id);
}

void wb_row_generate(const wb_schema *schema, wb_uuid_source *source, int64_t unix_us,
                     uint8_t *tuple)
{
    uint8_t *at = tuple + sizeof(uint16_t);
    const wb_column_plan *plan = schema->columns;
    for (size_t left = (size_t)(schema->count - schema->given); left > 0; plan++) {
        int32_t bytes = (int32_t)wb_get32(at);
        bool generated = plan->column.generate != WB_GIVEN;
        if (generated && bytes == WB_AWAITED_LENGTH) {
            bytes = 16;
            generate(&plan->column, source, unix_us, wb_put32(at, 16));
        }
        left -= generated;
        at += sizeof(uint32_t) + (size_t)(bytes > 0 ? bytes : 0);
    }
}
