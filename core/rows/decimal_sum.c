/* SPDX-License-Identifier: MIT
 * The order of decimal numbers, and their sums: exact, digit by digit of base 10000, in time that is linear in what the
 * result may have. No state, no locks; only the buffer can fail for want of memory. */
#include <string.h>

#include "rows/decimal.h"
#include "rows/decimal_form.h"

static int compare_ints(int a, int b)
{
    return (a > b) - (a < b);
}

/* ---- order ---- */

/* Without their signs. Neither has zeros in front or behind. */
static int compare_sizes(const uint8_t *a, const uint8_t *b)
{
    int left = wb_decimal_count(a), right = wb_decimal_count(b);
    if (left == 0 || right == 0)
        return compare_ints(left, right);
    int order = compare_ints(wb_decimal_weight(a), wb_decimal_weight(b));
    if (order == 0)
        order = memcmp(a + WB_DECIMAL_HEADER_BYTES, b + WB_DECIMAL_HEADER_BYTES,
                       2 * (size_t)(left < right ? left : right));
    return order != 0 ? order : compare_ints(left, right);
}

/* From the lowest to the highest: the negative ones, 0, the positive ones. */
static int class_of(const uint8_t *data)
{
    switch (wb_decimal_sign(data)) {
    case WB_DECIMAL_NAN:
        return 3;
    case WB_DECIMAL_PLUS_INFINITY:
        return 2;
    case WB_DECIMAL_MINUS_INFINITY:
        return -2;
    case WB_DECIMAL_NEGATIVE:
        return -1;
    default:
        return wb_decimal_count(data) > 0;
    }
}

int wb_decimal_compare(const uint8_t *a, const uint8_t *b)
{
    int class = class_of(a), other = class_of(b);
    if (class != other || (class != 1 && class != -1))
        return compare_ints(class, other);
    return class * compare_sizes(a, b);
}

/* ---- sums ---- */

/* A sum while it is made: digits of the weights from `high` down to `low`. */
typedef struct sum {
    const uint8_t *large, *small; /* without their signs */
    int high, low;
    uint8_t *digits;
} sum;

static int lowest(const uint8_t *data)
{
    return wb_decimal_weight(data) - wb_decimal_count(data) + 1;
}

static void put_digit(const sum *s, int weight, int digit)
{
    wb_put16(s->digits + 2 * (s->high - weight), (uint16_t)digit);
}

/* sign: of the smaller one against the larger one's, 1 or -1. */
static void add_digits(const sum *s, int sign)
{
    int carry = 0;
    for (int weight = s->low; weight <= s->high; weight++) {
        int digit = (int)wb_decimal_digit(s->large, weight) +
                    sign * (int)wb_decimal_digit(s->small, weight) + carry;
        carry = digit >= WB_DECIMAL_BASE ? 1 : digit < 0 ? -1 : 0;
        put_digit(s, weight, digit - carry * WB_DECIMAL_BASE);
    }
}

/* Without the zeros in front and behind. Answers how many digits are left. */
static size_t trim(sum *s)
{
    size_t first = 0, count = (size_t)(s->high - s->low) + 1;
    while (count > 0 && wb_get16(s->digits + 2 * (count - 1)) == 0)
        count--;
    while (first < count && wb_get16(s->digits + 2 * first) == 0)
        first++;
    memmove(s->digits, s->digits + 2 * first, 2 * (count - first));
    s->high -= (int)first;
    return count - first;
}

static void put_special(wb_buffer *out, unsigned sign)
{
    uint8_t data[WB_DECIMAL_HEADER_BYTES];
    wb_decimal_put_header(data, 0, 0, sign, sign == WB_DECIMAL_NAN ? 0 : WB_DECIMAL_INFINITY_SCALE);
    wb_buffer_put(out, data, sizeof data);
}

/* One of them is no number. */
static void add_specials(wb_buffer *out, const uint8_t *a, const uint8_t *b)
{
    unsigned sign = wb_decimal_sign(wb_decimal_is_number(a) ? b : a);
    bool both = !wb_decimal_is_number(a) && !wb_decimal_is_number(b);
    put_special(out, both && wb_decimal_sign(a) != wb_decimal_sign(b) ? WB_DECIMAL_NAN : sign);
}

/* Neither is 0. */
static sum sum_of(const uint8_t *a, const uint8_t *b)
{
    bool swapped = compare_sizes(a, b) < 0;
    sum s = {.large = swapped ? b : a, .small = swapped ? a : b};
    s.high = wb_decimal_weight(s.large) + 1;
    s.low = lowest(a) < lowest(b) ? lowest(a) : lowest(b);
    return s;
}

static bool add_numbers(wb_buffer *out, const uint8_t *a, const uint8_t *b, unsigned scale)
{
    sum s = sum_of(a, b);
    size_t room = WB_DECIMAL_HEADER_BYTES + 2 * ((size_t)(s.high - s.low) + 1);
    if (!wb_buffer_reserve(out, room))
        return true;
    uint8_t *header = (uint8_t *)out->data + out->bytes;
    s.digits = header + WB_DECIMAL_HEADER_BYTES;
    add_digits(&s, wb_decimal_sign(a) == wb_decimal_sign(b) ? 1 : -1);
    size_t count = trim(&s);
    if (count > 0 && s.high > WB_DECIMAL_MAX_WEIGHT)
        return false;
    wb_decimal_put_header(header, count, count > 0 ? s.high : 0,
                          count > 0 ? wb_decimal_sign(s.large) : WB_DECIMAL_POSITIVE, scale);
    out->bytes += WB_DECIMAL_HEADER_BYTES + 2 * count;
    return true;
}

bool wb_decimal_add(wb_buffer *out, const uint8_t *a, const uint8_t *b)
{
    if (!wb_decimal_is_number(a) || !wb_decimal_is_number(b)) {
        add_specials(out, a, b);
        return true;
    }
    unsigned scale = wb_decimal_scale(a), other = wb_decimal_scale(b);
    scale = scale > other ? scale : other;
    if (wb_decimal_count(a) > 0 && wb_decimal_count(b) > 0)
        return add_numbers(out, a, b, scale);
    const uint8_t *one = wb_decimal_count(a) > 0 ? a : b;
    size_t bytes = WB_DECIMAL_HEADER_BYTES + 2 * (size_t)wb_decimal_count(one);
    if (wb_buffer_reserve(out, bytes)) {
        uint8_t *to = (uint8_t *)out->data + out->bytes;
        memcpy(to, one, bytes);
        wb_put16(to + WB_DECIMAL_SCALE_OFFSET, (uint16_t)scale);
        out->bytes += bytes;
    }
    return true;
}
