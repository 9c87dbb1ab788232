/* SPDX-License-Identifier: MIT
 * Is this text JSON that PostgreSQL's jsonb takes? One pass, no memory, no recursion.
 * RFC 8259, UTF-8 only; besides refused, since jsonb refuses them: the escape \u0000 and lone or swapped
 * surrogate escapes; and nesting deeper than WB_JSON_DEPTH. Numbers that jsonb's numeric can't hold
 * (more than 131,072 digits before the point or 16,383 after it, once the exponent is applied) are refused
 * too. Sizes are not judged: jsonb has limits of its own on a text of tens of MB (a container's stored
 * bytes, 256 MiB; an array's elements, some 16 million). */
#ifndef WB_JSON_H
#define WB_JSON_H

#include <stddef.h>

enum { WB_JSON_DEPTH = 512 };

/* NULL when it is; else what is wrong, a short constant phrase, and *at the byte's offset. */
const char *wb_json_check(const char *text, size_t bytes, size_t *at);

#endif
