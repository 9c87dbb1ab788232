/* SPDX-License-Identifier: MIT
 * Well-formed UTF-8 without NUL. No state, no memory, no locks, no failure. Plain ASCII is checked sixteen bytes at a
 * time, everything else one sequence at a time. */
#include "base/utf8.h"

#include <string.h>

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* Are these bytes all 0x01 to 0x7F? Only a 0 borrows in word - ONES, only a byte >= 0x80 has its top bit. */
static bool is_plain(uint64_t word)
{
    return (((word - ONES) | word) & HIGHS) == 0;
}

static uint64_t load(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static const uint8_t *skip_plain(const uint8_t *at, const uint8_t *end)
{
    while (end - at >= 16 && is_plain(load(at)) && is_plain(load(at + 8)))
        at += 16;
    if (end - at >= 8 && is_plain(load(at)))
        at += 8;
    while (at < end && *at - 1u < 0x7F)
        at++;
    return at;
}

size_t wb_utf8_check(const char *text, size_t bytes)
{
    const uint8_t *start = (const uint8_t *)text;
    const uint8_t *end = start + bytes;
    const uint8_t *at = skip_plain(start, end);
    while (at < end) {
        size_t length = *at < 0x80 ? 0 : wb_utf8_sequence(at, (size_t)(end - at));
        if (length == 0)
            break;
        at += length;
        if (at < end && *at < 0x80)
            at = skip_plain(at, end);
    }
    return (size_t)(at - start);
}
