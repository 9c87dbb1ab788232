/* SPDX-License-Identifier: MIT
 * The words of a numeric's binary form (rows/decimal.h), for the files that read and write it. Header only. */
#ifndef WB_DECIMAL_FORM_H
#define WB_DECIMAL_FORM_H

#include <stddef.h>

#include "base/bigendian.h"

enum {
    WB_DECIMAL_HEADER_BYTES = 8,
    WB_DECIMAL_SCALE_OFFSET = 6,
    WB_DECIMAL_MAX_WEIGHT = 32767,
    WB_DECIMAL_BASE = 10000
};
enum { WB_DECIMAL_POSITIVE = 0x0000, WB_DECIMAL_NEGATIVE = 0x4000, WB_DECIMAL_NAN = 0xC000 };
/* The scale of an infinity is what PostgreSQL sends; it does not look at it. */
enum {
    WB_DECIMAL_PLUS_INFINITY = 0xD000,
    WB_DECIMAL_MINUS_INFINITY = 0xF000,
    WB_DECIMAL_INFINITY_SCALE = 32
};

static inline int wb_decimal_count(const uint8_t *data)
{
    return wb_get16(data);
}

static inline int wb_decimal_weight(const uint8_t *data)
{
    return (int16_t)wb_get16(data + 2);
}

static inline unsigned wb_decimal_sign(const uint8_t *data)
{
    return wb_get16(data + 4);
}

static inline unsigned wb_decimal_scale(const uint8_t *data)
{
    return wb_get16(data + WB_DECIMAL_SCALE_OFFSET);
}

static inline void wb_decimal_put_header(uint8_t *to, size_t digits, int64_t weight, unsigned sign,
                                         int64_t scale)
{
    to = wb_put16(to, (uint16_t)digits);
    to = wb_put16(to, (uint16_t)weight);
    to = wb_put16(to, (uint16_t)sign);
    wb_put16(to, (uint16_t)scale);
}

/* The digit at a weight; 0 outside those that are stored. */
static inline unsigned wb_decimal_digit(const uint8_t *data, int weight)
{
    int at = wb_decimal_weight(data) - weight;
    if (at < 0 || at >= wb_decimal_count(data))
        return 0;
    return wb_get16(data + WB_DECIMAL_HEADER_BYTES + 2 * at);
}

#endif
