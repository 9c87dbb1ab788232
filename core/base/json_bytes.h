/* SPDX-License-Identifier: MIT
 * The bytes of a JSON string, eight at a time, the first in the lowest bits of a word. */
#ifndef WB_JSON_BYTES_H
#define WB_JSON_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WB_BYTE_ONES  UINT64_C(0x0101010101010101)
#define WB_BYTE_HIGHS UINT64_C(0x8080808080808080)

static inline uint64_t wb_json_swap(uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline uint64_t wb_json_load(const void *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return wb_json_swap(word);
}

/* The top bit of each byte that JSON escapes: a quote, a backslash, a control character. Borrows spoil only bytes
 * after the first such one. */
static inline uint64_t wb_json_escaped(uint64_t word)
{
    uint64_t quotes = word ^ WB_BYTE_ONES * '"', backslashes = word ^ WB_BYTE_ONES * '\\';
    uint64_t below = (word - WB_BYTE_ONES * ' ') | (quotes - WB_BYTE_ONES);
    return (below | (backslashes - WB_BYTE_ONES)) & ~word & WB_BYTE_HIGHS;
}

#endif
