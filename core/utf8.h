/* SPDX-License-Identifier: MIT
 * Is this text what PostgreSQL's text takes? Well-formed UTF-8 (RFC 3629: no overlong form, no surrogate,
 * nothing past U+10FFFF) and no NUL. */
#ifndef WB_UTF8_H
#define WB_UTF8_H

#include <stddef.h>

/* The offset of the first byte that is wrong, or `bytes` where all is well. */
size_t wb_utf8_check(const char *text, size_t bytes);

#endif
