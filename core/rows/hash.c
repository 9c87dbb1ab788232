/* SPDX-License-Identifier: MIT
 * The keyed hash of a text: its length first, so that the last words may overlap others, then sixteen bytes after the
 * other. No state, no locks, no failure. */
#include "rows/hash.h"

static uint64_t load8(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static uint64_t load4(const char *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* Fewer than 16 bytes as two words, all of them at least once. */
static uint64_t hash_short(const wb_hash *hash, uint64_t before, const char *text, size_t bytes)
{
    if (bytes >= 8)
        return wb_hash_words(hash, load8(text) ^ before, load8(text + bytes - 8));
    if (bytes >= 4)
        return wb_hash_words(hash, load4(text) ^ before, load4(text + bytes - 4));
    uint64_t word = 0;
    for (size_t i = 0; i < bytes; i++)
        word = word << 8 | (uint8_t)text[i];
    return wb_hash_words(hash, word ^ before, 0);
}

uint64_t wb_hash_text(const wb_hash *hash, const char *text, size_t bytes)
{
    uint64_t sum = wb_hash_words(hash, bytes, 0);
    if (bytes < 16)
        return hash_short(hash, sum, text, bytes);
    for (size_t at = 0; at + 16 < bytes; at += 16)
        sum = wb_hash_16(hash, sum, text + at);
    return wb_hash_16(hash, sum, text + bytes - 16);
}
