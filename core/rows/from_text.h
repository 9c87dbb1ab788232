/* SPDX-License-Identifier: MIT
 * Values from text where nobody converts it: nginx's variables, files, the strings of JSON. */
#ifndef WB_FROM_TEXT_H
#define WB_FROM_TEXT_H

#include <writebehind.h>

/* Makes of a text what its column keeps, an array's column apart: a number's text becomes a number, a boolean's a boolean,
 * seconds since 1970 with a fraction a number of a timestamp. Whatever it is not stays text, for the encoder to refuse or
 * to read. White space around a number or a boolean is skipped. A number's text that the column's float can't keep exactly
 * is no number: the digits that are written, read back from it as many, have to be the same. */
void wb_value_from_text(const wb_column *column, wb_value *value);

/* The number of a decimal text, exactly so; false: there is none. */
bool wb_int_from_text(const char *text, size_t bytes, int64_t *out);
bool wb_float_from_text(const char *text, size_t bytes, double *out);
/* The nearest to it: for seconds, which are rounded to microseconds all the same. */
bool wb_seconds_from_text(const char *text, size_t bytes, double *out);

#endif
