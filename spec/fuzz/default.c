/* SPDX-License-Identifier: MIT
 * A column's default as the catalogue has it: whatever the text is, it is judged without a crash, for every type. */
#include "fuzz.h"

#include "stores/postgres/postgres.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *sql = text_of(data, bytes);
    for (int type = WB_TYPE_BOOL; type <= WB_TYPE_JSONB; type++)
        wb_pg_default_constant(sql, type);
    HOLDS(wb_pg_default_generate(sql) >= -1);
    free(sql);
    return 0;
}
