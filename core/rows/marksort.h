/* SPDX-License-Identifier: MIT
 * Sorting marks by key, bytewise ascending. */
#ifndef WB_MARKSORT_H
#define WB_MARKSORT_H

#include "rows/key.h"

/* Of ids of 16 bytes. `scratch` has room for `count` marks. */
void wb_marks_sort(wb_mark *marks, wb_mark *scratch, size_t count);
/* Of texts without a NUL, which come in an order that nobody can choose. Changes key.text.sort. */
void wb_marks_sort_texts(wb_mark *marks, size_t count);

#endif
