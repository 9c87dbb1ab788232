/* SPDX-License-Identifier: MIT
 * A whole text by the scanner: one value, and nothing after it but white space. */
#include "base/json.h"

#include "base/json_scan.h"

#include <stdint.h>

const char *wb_json_check(const char *text, size_t bytes, size_t *at)
{
    const uint8_t *start = (const uint8_t *)text;
    wb_json_scan s;
    wb_json_scan_begin(&s, start, bytes);
    const uint8_t *end = wb_json_scan_value(&s, start);
    if (end)
        end = wb_json_skip_space(&s, end);
    if (end == s.end)
        return NULL;
    if (end)
        wb_json_fail(&s, end, "text after the value");
    *at = (size_t)(s.wrong_at - start);
    return s.wrong;
}
