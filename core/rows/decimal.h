/* SPDX-License-Identifier: MIT
 * Decimal numbers of any length, as PostgreSQL's binary numeric (numeric_recv and numeric_send in
 * src/backend/utils/adt/numeric.c): int16 number of digits, int16 weight, uint16 sign, uint16 display scale, then digits
 * of base 10000; all big-endian. The first digit counts 10000 ^ weight; the first and the last are not zero. The display
 * scale is how many decimal digits are written after the point. Nothing is rounded. */
#ifndef WB_DECIMAL_H
#define WB_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* What a number takes at most besides the bytes of its text. */
enum { WB_DECIMAL_SLACK = 24 };

/* Reads what PostgreSQL 15 reads as numeric: digits with a point anywhere, a sign, an exponent; NaN, Infinity and inf in
 * any case (PostgreSQL below 14 has no infinities); white space around it. Up to 131072 digits before the point and 16383
 * after it. Writes at most `bytes` + WB_DECIMAL_SLACK. NULL, or why not: then the bytes at `to` are undefined and *written
 * is as it was. */
const char *wb_decimal_read(const char *text, size_t bytes, uint8_t *to, size_t *written);

/* The functions below are given what wb_decimal_read wrote. */

/* Its text, as PostgreSQL writes it: without an exponent. */
void wb_decimal_put(wb_buffer *out, const uint8_t *data);
/* Its value, where it is a whole number of 64 bits, like 7 or 7.00. */
bool wb_decimal_int64(const uint8_t *data, int64_t *out);
/* Its value, where a double that is written with as many digits has the same ones; NaN and the infinities too. */
bool wb_decimal_float(const uint8_t *data, double *out);
/* The double that is nearest to a number, which may be infinite. */
double wb_decimal_nearest(const uint8_t *data);
/* As wb_decimal_float of a float4, for a number other than zero. */
bool wb_decimal_is_float4(const uint8_t *data, float number);
bool wb_decimal_is_number(const uint8_t *data); /* no NaN, no infinity */
/* How many decimal digits there are from the first to the last that is not zero: 2 for 0.0120, 0 for zero or no number. */
int wb_decimal_digits(const uint8_t *data);

/* Below, at or above 0, as PostgreSQL orders them: NaN is after the infinities, and equal to itself. */
int wb_decimal_compare(const uint8_t *a, const uint8_t *b);
/* Appends the sum, of as many digits after the point as the longer has; as PostgreSQL adds NaN and the infinities. False:
 * it has more than 131072 digits before the point, and nothing is appended. */
bool wb_decimal_add(wb_buffer *out, const uint8_t *a, const uint8_t *b);

#endif
