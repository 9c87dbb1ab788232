/* SPDX-License-Identifier: MIT
 * A number that is taken has the promised size, and is written and read as the same bytes. */
#include "fuzz.h"

#include "rows/decimal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    size_t written, again;
    int64_t number;
    double f;
    uint8_t *to = malloc(bytes + WB_DECIMAL_SLACK);
    if (wb_decimal_read((const char *)data, bytes, to, &written) == NULL) {
        wb_buffer text = WB_BUFFER_EMPTY;
        HOLDS(written <= bytes + WB_DECIMAL_SLACK);
        HOLDS(wb_decimal_digits(to) <= (int)bytes);
        wb_decimal_int64(to, &number);
        wb_decimal_float(to, &f);
        wb_decimal_put(&text, to);
        uint8_t *back = malloc(text.bytes + WB_DECIMAL_SLACK);
        HOLDS(wb_decimal_read(text.data, text.bytes, back, &again) == NULL);
        HOLDS(again == written && memcmp(to, back, written) == 0);
        free(back);
        wb_buffer_fini(&text);
    }
    free(to);
    return 0;
}
