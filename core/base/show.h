/* SPDX-License-Identifier: MIT
 * Numbers as text that reads back as the same number, and values as an error message shows them. */
#ifndef WB_SHOW_H
#define WB_SHOW_H

#include <writebehind.h>

enum {
    WB_NUMBER_BYTES = 32, /* of any number's text, NUL included */
    WB_SHOWN_BYTES = 64,  /* of any shown value, NUL included */
    WB_SHOWN_TEXT = 40,   /* so much of a text is shown */
};

/* The digits that make strtod (strtof for the other) read back the same finite number, as few as %g finds;
 * a point whatever the locale. "nan", "inf" and "-inf" for the others. Returns the length. */
size_t wb_number_format(double number, char out[WB_NUMBER_BYTES]);
size_t wb_number_format4(float number, char out[WB_NUMBER_BYTES]);

/* Text in double quotes, one line of UTF-8: control characters and what isn't UTF-8 as \xHH; cut with an
 * ellipsis between two characters. */
const char *wb_show_text(const char *text, size_t bytes, char out[WB_SHOWN_BYTES]);
/* NULL, true, 12, 2.5 or "text". */
const char *wb_show_value(const wb_value *value, char out[WB_SHOWN_BYTES]);

#endif
