/* SPDX-License-Identifier: MIT
 * A time or a date that is taken, with a zone or without, is written and read as the same. */
#include "fuzz.h"

#include "base/timestamp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    int64_t unix_us, again_us;
    int32_t days, again;
    char text[40];
    if (wb_timestamp_parse((const char *)data, bytes, &unix_us)) {
        HOLDS(unix_us >= WB_TIME_MIN_US && unix_us <= WB_TIME_MAX_US);
        wb_timestamp_format(unix_us, text);
        HOLDS(wb_timestamp_parse(text, strlen(text), &again_us) && again_us == unix_us);
        HOLDS(wb_wall_parse((const char *)data, bytes, &again_us) && again_us == unix_us);
    }
    if (wb_wall_parse((const char *)data, bytes, &unix_us)) {
        HOLDS(unix_us >= WB_TIME_MIN_US && unix_us <= WB_TIME_MAX_US);
        wb_wall_format(unix_us, text);
        HOLDS(wb_wall_parse(text, strlen(text), &again_us) && again_us == unix_us);
    }
    if (wb_clock_parse((const char *)data, bytes, &unix_us)) {
        HOLDS(unix_us >= 0 && unix_us <= WB_DAY_US);
        wb_clock_format(unix_us, text);
        HOLDS(wb_clock_parse(text, strlen(text), &again_us) && again_us == unix_us);
    }
    if (wb_date_parse((const char *)data, bytes, &days)) {
        wb_date_format(days, text);
        HOLDS(wb_date_parse(text, strlen(text), &again) && again == days);
    }
    return 0;
}
