/* SPDX-License-Identifier: MIT
 * Text for numbers, which reads back as the same number, and for values in error messages. */
#ifndef WB_SHOW_H
#define WB_SHOW_H

#include <writebehind.h>

enum {
    WB_NUMBER_BYTES = 32, /* of any number's text, NUL included */
    WB_SHOWN_BYTES = 64,  /* of any shown value, NUL included */
    WB_SHOWN_TEXT = 40,   /* bytes of a text that are shown */
    WB_LINE_BYTES = 1024, /* of any message, NUL included */
};

/* The shortest %g that strtod (for a float: strtof) reads back as the same number, with a point in every locale; or
 * "nan", "inf", "-inf". Answers the length. */
size_t wb_number_format(double number, char out[WB_NUMBER_BYTES]);
/* The digits of an integer, the same. */
size_t wb_integer_format(int64_t number, char out[WB_NUMBER_BYTES]);
size_t wb_number_format4(float number, char out[WB_NUMBER_BYTES]);
/* Puts '.' in the place of the locale's decimal point in what printf made of a double. Answers the length. */
size_t wb_number_point(char *text);

/* Text in double quotes, as one line of UTF-8 that a terminal shows as it is: control characters, what turns the
 * direction of writing, line separators and bytes that aren't UTF-8 become \xHH. A long text is cut between two
 * characters and ends with an ellipsis. */
const char *wb_show_text(const char *text, size_t bytes, char out[WB_SHOWN_BYTES]);
/* The same of a whole message, in its place, without quotes. What does not fit is cut between two characters. size:
 * WB_LINE_BYTES at most. */
void wb_show_line(char *text, size_t size);
/* NULL, true, 12, 2.5 or "text". */
const char *wb_show_value(const wb_value *value, char out[WB_SHOWN_BYTES]);

#endif
