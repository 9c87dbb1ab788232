/* SPDX-License-Identifier: MIT
 * What a text begins with that is of another kind. */
#ifndef WB_FOREIGN_H
#define WB_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>

/* So many bytes say it, wherever the text is cut. */
enum { WB_FOREIGN_BYTES = 4 };

#define WB_BYTE_ORDER_MARK "\xef\xbb\xbf"

/* What the text is by its first bytes, a constant phrase; NULL: it may be what was asked for. */
const char *wb_foreign_text(const char *text, size_t bytes, bool ndjson);

#endif
