/* SPDX-License-Identifier: MIT
 * See dead_line.h. No state. */
#include "rows/dead_line.h"

#include <string.h>

#include <writebehind.h>

void wb_dead_line_head(wb_buffer *to, const char *table, int64_t unix_us, const char *error)
{
    char at[40];
    wb_timestamp_format(unix_us, at);
    wb_buffer_printf(to, "{\"at\":\"%s\",\"table\":", at);
    wb_buffer_put_json_string(to, table, strlen(table));
    wb_buffer_put_text(to, ",\"error\":");
    wb_buffer_put_json_string(to, error, strlen(error));
    wb_buffer_put_text(to, ",\"row\":");
}
