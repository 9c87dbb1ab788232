/* SPDX-License-Identifier: MIT
 * A keyed hash: whoever doesn't know its keys can't choose words, or texts, that collide. No state, no failure. */
#ifndef WB_HASH_H
#define WB_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct wb_hash {
    uint64_t keys[4]; /* random, secret */
} wb_hash;

typedef struct wb_words {
    uint64_t low, high;
} wb_words;

static inline wb_words wb_multiply(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (wb_words){(uint64_t)product, (uint64_t)(product >> 64)};
#else
    uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t low = a0 * b0, x = a1 * b0 + (low >> 32), y = a0 * b1 + (uint32_t)x;
    return (wb_words){y << 32 | (uint32_t)low, a1 * b1 + (x >> 32) + (y >> 32)};
#endif
}

/* Two rounds of a keyed 64 x 64 -> 128 bit multiplication, folded after the second. */
static inline uint64_t wb_hash_words(const wb_hash *hash, uint64_t a, uint64_t b)
{
    const uint64_t *keys = hash->keys;
    wb_words once = wb_multiply(a ^ keys[0], b ^ keys[1]);
    wb_words twice = wb_multiply(once.low ^ keys[2], once.high ^ keys[3]);
    return twice.low ^ twice.high;
}

/* Of sixteen bytes, after those whose hash is `before`. */
static inline uint64_t wb_hash_16(const wb_hash *hash, uint64_t before, const void *bytes)
{
    uint64_t words[2];
    memcpy(words, bytes, sizeof words);
    return wb_hash_words(hash, words[0] ^ before, words[1]);
}

uint64_t wb_hash_text(const wb_hash *hash, const char *text, size_t bytes);

#endif
