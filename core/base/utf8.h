/* SPDX-License-Identifier: MIT
 * Is this text what PostgreSQL's text takes? Well-formed UTF-8 (RFC 3629: no overlong form, no surrogate,
 * nothing past U+10FFFF) and no NUL. */
#ifndef WB_UTF8_H
#define WB_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The offset of the first byte that is wrong (the first of an ill-formed sequence); `bytes` where none is. */
size_t wb_utf8_check(const char *text, size_t bytes);

static inline bool wb_utf8_is_tail(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

/* The length, 2 to 4, of the well-formed sequence that starts at a byte >= 0x80 with `left` bytes to go;
 * 0 where there is none (RFC 3629, section 4). */
static inline size_t wb_utf8_sequence(const uint8_t *at, size_t left)
{
    uint8_t lead = at[0];
    if (left < 2 || lead < 0xC2 || !wb_utf8_is_tail(at[1]))
        return 0;
    if (lead < 0xE0)
        return 2;
    if (left < 3 || !wb_utf8_is_tail(at[2]))
        return 0;
    if (lead < 0xF0) {
        bool overlong = lead == 0xE0 && at[1] < 0xA0;
        bool surrogate = lead == 0xED && at[1] >= 0xA0;
        return overlong || surrogate ? 0 : 3;
    }
    if (left < 4 || !wb_utf8_is_tail(at[3]))
        return 0;
    bool overlong = lead == 0xF0 && at[1] < 0x90;
    bool too_large = lead > 0xF4 || (lead == 0xF4 && at[1] >= 0x90);
    return overlong || too_large ? 0 : 4;
}

#endif
