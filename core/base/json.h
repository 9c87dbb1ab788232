/* SPDX-License-Identifier: MIT
 * Is this text JSON that PostgreSQL's jsonb takes? One pass, no memory, no recursion.
 * The text must be RFC 8259's in UTF-8. jsonb refuses more, and so does this: the escape \u0000, surrogate escapes that
 * are no pair, and numbers that its numeric can't hold (more than 131,072 digits before the point or 16,383 after it,
 * once the exponent is applied). Nesting is limited to WB_JSON_DEPTH (json_scan.h). Sizes are not
 * checked, though jsonb limits them (256 MiB in a container, some 16 million elements in an array). */
#ifndef WB_JSON_H
#define WB_JSON_H

#include <stddef.h>

/* NULL where it is. Else what is wrong, a short constant phrase, and in *at the offset of the byte. */
const char *wb_json_check(const char *text, size_t bytes, size_t *at);

#endif
