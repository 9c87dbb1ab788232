/* SPDX-License-Identifier: MIT
 * See arith.h. A sum is refused where PostgreSQL refuses it, so that the server can say so. No state, no locks. */
#include "rows/arith.h"

#include <math.h>
#include <string.h>

#include "rows/decimal.h"
#include "rows/row.h"

/* ---- order ---- */

static int compare_texts(const wb_value *a, const wb_value *b)
{
    size_t bytes = a->bytes < b->bytes ? a->bytes : b->bytes;
    int order = bytes > 0 ? memcmp(a->text, b->text, bytes) : 0;
    return order != 0 ? order : (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

static int compare_floats(double a, double b)
{
    bool a_is_nan = a != a, b_is_nan = b != b;
    return a_is_nan || b_is_nan ? a_is_nan - b_is_nan : (a > b) - (a < b);
}

int wb_value_compare(const wb_value *a, const wb_value *b)
{
    if (a->kind != b->kind)
        return (a->kind > b->kind) - (a->kind < b->kind);
    switch (a->kind) {
    case WB_TEXT:
        return compare_texts(a, b);
    case WB_FLOAT:
        return compare_floats(a->f, b->f);
    default:
        return (a->i > b->i) - (a->i < b->i);
    }
}

int wb_value_rank(int type, const wb_value *a, const wb_value *b)
{
    bool numeric = type == WB_TYPE_NUMERIC && a->kind == WB_TEXT && b->kind == WB_TEXT;
    return numeric ? wb_decimal_compare((const uint8_t *)a->text, (const uint8_t *)b->text)
                   : wb_value_compare(a, b);
}

/* ---- sums ---- */

static void put_field(wb_buffer *out, const uint8_t *data, size_t bytes)
{
    if (!wb_buffer_reserve(out, sizeof(uint32_t) + bytes))
        return;
    memcpy(wb_put32((uint8_t *)out->data + out->bytes, (uint32_t)bytes), data, bytes);
    out->bytes += sizeof(uint32_t) + bytes;
}

/* Of `bytes`, the last of the eight that a whole number has. */
static bool add_ints(int64_t a, int64_t b, size_t bytes, wb_buffer *out)
{
    uint8_t data[sizeof(int64_t)];
    int64_t sum, limit = INT64_MAX >> (64 - 8 * bytes);
    if (__builtin_add_overflow(a, b, &sum) || sum > limit || sum < -limit - 1)
        return false;
    wb_put64(data, (uint64_t)sum);
    put_field(out, data + sizeof data - bytes, bytes);
    return true;
}

static bool add_float8s(double a, double b, wb_buffer *out)
{
    uint8_t data[sizeof(double)];
    uint64_t word;
    double sum = a + b;
    if (isinf(sum) && !isinf(a) && !isinf(b))
        return false;
    memcpy(&word, &sum, sizeof word);
    wb_put64(data, word);
    put_field(out, data, sizeof data);
    return true;
}

/* A sum of two floats is rounded once more without harm: a double has more than twice their digits. */
static bool add_float4s(double a, double b, wb_buffer *out)
{
    uint8_t data[sizeof(float)];
    uint32_t word;
    float sum = (float)(a + b);
    if (isinf(sum) && !isinf(a) && !isinf(b))
        return false;
    memcpy(&word, &sum, sizeof word);
    wb_put32(data, word);
    put_field(out, data, sizeof data);
    return true;
}

/* From PostgreSQL 17 on that is one; before it is a large one. */
static bool is_infinite_interval(const uint8_t *data)
{
    int64_t us = (int64_t)wb_get64(data);
    int32_t days = (int32_t)wb_get32(data + 8), months = (int32_t)wb_get32(data + 12);
    return (us == INT64_MAX && days == INT32_MAX && months == INT32_MAX) ||
           (us == INT64_MIN && days == INT32_MIN && months == INT32_MIN);
}

static bool add_intervals(const uint8_t *a, const uint8_t *b, wb_buffer *out)
{
    uint8_t data[16];
    int64_t us;
    int32_t days, months;
    if (__builtin_add_overflow((int64_t)wb_get64(a), (int64_t)wb_get64(b), &us) ||
        __builtin_add_overflow((int32_t)wb_get32(a + 8), (int32_t)wb_get32(b + 8), &days) ||
        __builtin_add_overflow((int32_t)wb_get32(a + 12), (int32_t)wb_get32(b + 12), &months))
        return false;
    wb_put32(wb_put32(wb_put64(data, (uint64_t)us), (uint32_t)days), (uint32_t)months);
    if (is_infinite_interval(a) || is_infinite_interval(b) || is_infinite_interval(data))
        return false;
    put_field(out, data, sizeof data);
    return true;
}

/* The length is known once the sum is there. */
static bool add_decimals(const uint8_t *a, const uint8_t *b, wb_buffer *out)
{
    size_t at = out->bytes;
    wb_buffer_put(out, a, sizeof(uint32_t));
    if (!wb_decimal_add(out, a + sizeof(uint32_t), b + sizeof(uint32_t))) {
        out->bytes = out->failed ? out->bytes : at;
        return false;
    }
    if (!out->failed)
        wb_put32((uint8_t *)out->data + at, (uint32_t)(out->bytes - at - sizeof(uint32_t)));
    return true;
}

bool wb_field_add(int type, const uint8_t *a, const uint8_t *b, wb_buffer *out)
{
    const wb_column column = {.type = type};
    wb_value x, y;
    if (type == WB_TYPE_INT8)
        return add_ints((int64_t)wb_get64(a + sizeof(uint32_t)),
                        (int64_t)wb_get64(b + sizeof(uint32_t)), sizeof(int64_t), out);
    if (type == WB_TYPE_NUMERIC)
        return add_decimals(a, b, out);
    if (type == WB_TYPE_INTERVAL)
        return add_intervals(a + sizeof(uint32_t), b + sizeof(uint32_t), out);
    wb_field_value(&column, a, &x);
    wb_field_value(&column, b, &y);
    if (type == WB_TYPE_FLOAT4)
        return add_float4s(x.f, y.f, out);
    if (type == WB_TYPE_FLOAT8)
        return add_float8s(x.f, y.f, out);
    return add_ints(x.i, y.i, wb_get32(a), out);
}
