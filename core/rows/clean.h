/* SPDX-License-Identifier: MIT
 * Values for lenient columns, which come as text from where nobody converts them (nginx's variables, CSV): a number's or
 * a boolean's text becomes one, a number becomes text, and a text is made to fit. What is no number stays as it is, for
 * the encoder to refuse. */
#ifndef WB_CLEAN_H
#define WB_CLEAN_H

#include "rows/schema.h"

enum { WB_CLEAN_LOCAL = 32 };

/* Values that stand in for those that were given. It lives where it was made. */
typedef struct wb_cleaned {
    wb_value *values;
    uint64_t changed; /* texts that lost something */
    char *texts;      /* NULL: none */
    size_t used;      /* of texts */
    wb_value local[WB_CLEAN_LOCAL];
} wb_cleaned;

/* False: no memory, and nothing to free. White space around a number or a boolean is skipped. A number's text that a float
 * can't keep exactly is no number. Arrays stay as they are. */
bool wb_clean(const wb_schema *schema, const wb_value *values, size_t count, wb_cleaned *cleaned);
void wb_cleaned_fini(wb_cleaned *cleaned);

#endif
