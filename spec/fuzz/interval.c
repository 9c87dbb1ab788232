/* SPDX-License-Identifier: MIT
 * An interval that is taken is written and read as the same bytes, and so are any 16 bytes. */
#include "fuzz.h"

#include "rows/interval.h"

static void comes_back(const uint8_t interval[16])
{
    char text[80];
    uint8_t back[16];
    wb_interval_format(interval, text);
    HOLDS(strlen(text) < sizeof text);
    HOLDS(wb_interval_read(text, strlen(text), back) == NULL && memcmp(interval, back, 16) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    uint8_t interval[16];
    if (wb_interval_read((const char *)data, bytes, interval) == NULL)
        comes_back(interval);
    if (bytes >= 16)
        comes_back(data);
    return 0;
}
