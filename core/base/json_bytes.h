/* SPDX-License-Identifier: MIT
 * The bytes of a JSON string, eight at a time, the first in the lowest bits of a word. */
#ifndef WB_JSON_BYTES_H
#define WB_JSON_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

static inline void wb_json_store(char *to, uint64_t word)
{
    word = wb_json_swap(word);
    memcpy(to, &word, sizeof word);
}

/* Fewer than eight bytes, and spaces after them. */
static inline uint64_t wb_json_load_tail(const char *text, size_t bytes)
{
    uint64_t word = WB_BYTE_ONES * ' ' << 8 * bytes;
    for (size_t i = 0; i < bytes; i++)
        word |= (uint64_t)(uint8_t)text[i] << 8 * i;
    return word;
}

/* The top bit of each byte that JSON escapes: a quote, a backslash, a control character. Borrows spoil only bytes
 * after the first such one. */
static inline uint64_t wb_json_escaped(uint64_t word)
{
    uint64_t quotes = word ^ WB_BYTE_ONES * '"', backslashes = word ^ WB_BYTE_ONES * '\\';
    uint64_t below = (word - WB_BYTE_ONES * ' ') | (quotes - WB_BYTE_ONES);
    return (below | (backslashes - WB_BYTE_ONES)) & ~word & WB_BYTE_HIGHS;
}

/* The same where it is only asked whether there is one: in any order of bytes, and a byte >= 0x80 counts. */
static inline bool wb_json_needs_care(uint64_t word)
{
    return (wb_json_escaped(word) | (word & WB_BYTE_HIGHS)) != 0;
}

/* Fewer than eight bytes, of which it loads and stores some twice. */
static inline bool wb_json_copy_few(char *to, const char *text, size_t bytes)
{
    if (bytes >= 4) {
        uint32_t first, last;
        memcpy(&first, text, 4);
        memcpy(&last, text + bytes - 4, 4);
        memcpy(to, &first, 4);
        memcpy(to + bytes - 4, &last, 4);
        return !wb_json_needs_care(first | (uint64_t)last << 32);
    }
    if (bytes == 0)
        return true;
    uint8_t first = (uint8_t)text[0], middle = (uint8_t)text[bytes / 2];
    uint8_t last = (uint8_t)text[bytes - 1];
    to[0] = (char)first;
    to[bytes / 2] = (char)middle;
    to[bytes - 1] = (char)last;
    return !wb_json_needs_care(0x2020202020000000 | (uint32_t)(first << 16 | middle << 8 | last));
}

#ifdef __SSE2__
/* A bit for each of sixteen bytes that does not stand for itself in a JSON string, or is part of UTF-8. */
static inline int wb_json_special(__m128i chunk)
{
    __m128i quote = _mm_cmpeq_epi8(chunk, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(chunk, _mm_set1_epi8('\\'));
    __m128i other = _mm_cmplt_epi8(chunk, _mm_set1_epi8(' ')); /* bytes >= 0x80 are negative */
    return _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), other));
}
#endif

/* Copies a text; false where it is not printable ASCII without a quote or a backslash. */
static inline bool wb_json_copy_plain(char *to, const char *text, size_t bytes)
{
#ifdef __SSE2__
    for (; bytes >= 16; bytes -= 16, text += 16, to += 16) {
        __m128i chunk = _mm_loadu_si128((const __m128i *)text);
        _mm_storeu_si128((__m128i *)to, chunk);
        if (wb_json_special(chunk))
            return false;
    }
#endif
    for (; bytes >= 8; bytes -= 8, text += 8, to += 8) {
        uint64_t word;
        memcpy(&word, text, 8);
        memcpy(to, &word, 8);
        if (wb_json_needs_care(word))
            return false;
    }
    return wb_json_copy_few(to, text, bytes);
}

#endif
