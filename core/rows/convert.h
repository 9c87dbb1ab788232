/* SPDX-License-Identifier: MIT
 * Conversions of values to their column's own kind, and refusals of those that have none. A conversion answers NULL, or
 * why it failed, a constant phrase. All of these lie off the fast path. */
#ifndef WB_CONVERT_H
#define WB_CONVERT_H

#include "base/err.h"
#include "base/show.h"

#define WB_COLD __attribute__((cold, noinline))

WB_COLD const char *wb_convert_int(const wb_value *value, int64_t *out);
WB_COLD const char *wb_convert_float(const wb_value *value, double *out);
const char *wb_convert_time(const wb_value *value, int64_t *unix_us);
/* For timestamp: text without a zone is the wall's time. */
const char *wb_convert_wall(const wb_value *value, int64_t *unix_us);
const char *wb_convert_date(const wb_value *value, int64_t *days);
/* Seconds as µs. */
const char *wb_convert_duration(const wb_value *value, int64_t *us);
const char *wb_convert_clock(const wb_value *value, int64_t *us);
/* As numeric; `to` has WB_FIELD_SLACK bytes and those of a text. */
const char *wb_convert_numeric(const wb_value *value, uint8_t *to, size_t *bytes);
/* A value other than text as JSON, its length in *bytes. */
const char *wb_convert_json(const wb_value *value, char out[WB_NUMBER_BYTES], size_t *bytes);

/* Is a text as long as its column allows, and one of its values? Else *err says why not. */
WB_COLD bool wb_text_allowed(const wb_column *column, const wb_value *value, wb_err *err);

/* A refusal fills *err with WB_INVALID and answers NULL, for an encoder to return. */
WB_COLD uint8_t *wb_refuse(const wb_column *column, const wb_value *value, const char *why,
                           wb_err *err);
/* The same, naming the byte at an offset. */
WB_COLD uint8_t *wb_refuse_at(const wb_column *column, const wb_value *value, const char *why,
                              size_t at, wb_err *err);
WB_COLD uint8_t *wb_refuse_missing(const wb_column *column, bool null, wb_err *err);

#endif
