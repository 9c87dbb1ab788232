/* SPDX-License-Identifier: MIT
 * Big-endian words at any address: PostgreSQL's formats are made of them, and ids compare in their order. A put
 * answers the place after the word. Header only, since the row encoder inlines it. */
#ifndef WB_BIGENDIAN_H
#define WB_BIGENDIAN_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define WB_BIG16(word) __builtin_bswap16(word)
#define WB_BIG32(word) __builtin_bswap32(word)
#define WB_BIG64(word) __builtin_bswap64(word)
#else
#define WB_BIG16(word) (word)
#define WB_BIG32(word) (word)
#define WB_BIG64(word) (word)
#endif

static inline uint8_t *wb_put16(uint8_t *to, uint16_t word)
{
    word = WB_BIG16(word);
    memcpy(to, &word, sizeof word);
    return to + sizeof word;
}

static inline uint8_t *wb_put32(uint8_t *to, uint32_t word)
{
    word = WB_BIG32(word);
    memcpy(to, &word, sizeof word);
    return to + sizeof word;
}

static inline uint8_t *wb_put64(uint8_t *to, uint64_t word)
{
    word = WB_BIG64(word);
    memcpy(to, &word, sizeof word);
    return to + sizeof word;
}

static inline uint16_t wb_get16(const uint8_t *at)
{
    uint16_t word;
    memcpy(&word, at, sizeof word);
    return WB_BIG16(word);
}

static inline uint32_t wb_get32(const uint8_t *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return WB_BIG32(word);
}

static inline uint64_t wb_get64(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return WB_BIG64(word);
}

#endif
