/* SPDX-License-Identifier: MIT
 * UUIDs: text, and new ids. Invariants: the two parsers, one by a table and one by SSE 4.1, agree on every input; each
 * byte of a source's pool is used once, in one process. No locks: a source is its owner's, and the parsers keep no
 * state. Only a parse fails, and then leaves its output as it was. */
#include "base/uuid.h"

#include <string.h>

#include "base/bigendian.h"

#if defined(__x86_64__) || defined(__i386__)
#define WB_UUID_SSE 1
#include <smmintrin.h>
#else
#define WB_UUID_SSE 0
#endif

enum { TEXT_BYTES = 36, LEAST_BYTES = 32, MOST_BYTES = 41 };

/* Where the two digits of each byte start in the text. */
static const uint8_t places[16] = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};

/* 0x10 | value of a hex digit; 0 for any other character. */
static const uint8_t digits[256] = {
    ['0'] = 0x10, ['1'] = 0x11, ['2'] = 0x12, ['3'] = 0x13, ['4'] = 0x14, ['5'] = 0x15,
    ['6'] = 0x16, ['7'] = 0x17, ['8'] = 0x18, ['9'] = 0x19, ['a'] = 0x1A, ['b'] = 0x1B,
    ['c'] = 0x1C, ['d'] = 0x1D, ['e'] = 0x1E, ['f'] = 0x1F, ['A'] = 0x1A, ['B'] = 0x1B,
    ['C'] = 0x1C, ['D'] = 0x1D, ['E'] = 0x1E, ['F'] = 0x1F,
};

/* The two digits of every byte. */
#define ROW(h)                                                                                     \
    {h, '0'}, {h, '1'}, {h, '2'}, {h, '3'}, {h, '4'}, {h, '5'}, {h, '6'}, {h, '7'}, {h, '8'},      \
        {h, '9'}, {h, 'a'}, {h, 'b'}, {h, 'c'}, {h, 'd'}, {h, 'e'},                                \
    {                                                                                              \
        h, 'f'                                                                                     \
    }
static const char pairs[256][2] = {
    ROW('0'), ROW('1'), ROW('2'), ROW('3'), ROW('4'), ROW('5'), ROW('6'), ROW('7'),
    ROW('8'), ROW('9'), ROW('a'), ROW('b'), ROW('c'), ROW('d'), ROW('e'), ROW('f'),
};
#undef ROW

static bool parse_other(const char *text, size_t bytes, uint8_t out[16])
    __attribute__((cold, noinline));
static bool has_hyphens(const char *text);
static const uint8_t *take_random(wb_uuid_source *source, size_t bytes);
static uint64_t next_tick(wb_uuid_source *source, int64_t unix_us);

/* ---- text ---- */

bool wb_uuid_parse(const char *text, size_t bytes, uint8_t out[16])
{
    if (bytes != TEXT_BYTES)
        return parse_other(text, bytes, out);
    return wb_uuid_has_vector() ? wb_uuid_parse_vector(text, out)
                                : wb_uuid_parse_portable(text, out);
}

/* What else PostgreSQL takes (string_to_uuid in src/backend/utils/adt/uuid.c): braces around it, a hyphen after any four
 * digits but the last. */
static bool parse_other(const char *text, size_t bytes, uint8_t out[16])
{
    uint8_t id[16];
    if (bytes < LEAST_BYTES || bytes > MOST_BYTES || (*text == '{') != (text[bytes - 1] == '}'))
        return false;
    bool braces = *text == '{';
    const char *at = text + braces, *end = text + bytes - braces;
    for (int i = 0; i < 16; i++, at += 2) {
        if (i > 0 && i % 2 == 0 && at < end && *at == '-')
            at++;
        uint8_t high = end - at >= 2 ? digits[(uint8_t)at[0]] : 0;
        uint8_t low = end - at >= 2 ? digits[(uint8_t)at[1]] : 0;
        if (!(high & low))
            return false;
        id[i] = (uint8_t)(high << 4 | (low & 0x0F));
    }
    if (at != end)
        return false;
    memcpy(out, id, sizeof id);
    return true;
}

bool wb_uuid_parse_portable(const char *text, uint8_t out[16])
{
    uint8_t id[16];
    uint8_t valid = 0x10;
    for (int i = 0; i < 16; i++) {
        uint8_t high = digits[(uint8_t)text[places[i]]];
        uint8_t low = digits[(uint8_t)text[places[i] + 1]];
        valid &= high & low;
        id[i] = (uint8_t)(high << 4 | (low & 0x0F));
    }
    if (!valid || !has_hyphens(text))
        return parse_other(text, TEXT_BYTES, out);
    memcpy(out, id, 16);
    return true;
}

static bool has_hyphens(const char *text)
{
    return ((text[8] ^ '-') | (text[13] ^ '-') | (text[18] ^ '-') | (text[23] ^ '-')) == 0;
}

#if WB_UUID_SSE

bool wb_uuid_has_vector(void)
{
    return __builtin_cpu_supports("sse4.1");
}

/* Sixteen digits to their values; *valid loses the lanes that hold none. */
__attribute__((target("sse4.1"))) static inline __m128i digit_values(__m128i text, __m128i *valid)
{
    __m128i number = _mm_sub_epi8(text, _mm_set1_epi8('0'));
    __m128i letter = _mm_sub_epi8(_mm_or_si128(text, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
    __m128i is_number = _mm_cmpeq_epi8(_mm_min_epu8(number, _mm_set1_epi8(9)), number);
    __m128i is_letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(5)), letter);
    *valid = _mm_and_si128(*valid, _mm_or_si128(is_number, is_letter));
    return _mm_blendv_epi8(_mm_add_epi8(letter, _mm_set1_epi8(10)), number, is_number);
}

__attribute__((target("sse4.1"))) bool wb_uuid_parse_vector(const char *text, uint8_t out[16])
{
    /* The sixteen digits of the first half lie at 0-7, 9-12, 14-17, of the second at 19-22, 24-35: two
     * loads, hyphens shuffled out, and the three digits that lie outside them put in. */
    const __m128i front = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, -1, -1);
    const __m128i back = _mm_setr_epi8(-1, 0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m128i weights = _mm_set1_epi16(0x0110); /* 16 times the first of a pair, 1 the second */
    int16_t middle;
    memcpy(&middle, text + 16, sizeof middle);
    __m128i first = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)text), front);
    __m128i second = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(text + 20)), back);
    first = _mm_insert_epi16(first, middle, 7);
    second = _mm_insert_epi8(second, text[19], 0);

    __m128i valid = _mm_set1_epi8(-1);
    first = _mm_maddubs_epi16(digit_values(first, &valid), weights);
    second = _mm_maddubs_epi16(digit_values(second, &valid), weights);
    if (_mm_movemask_epi8(valid) != 0xFFFF || !has_hyphens(text))
        return parse_other(text, TEXT_BYTES, out);
    _mm_storeu_si128((__m128i *)out, _mm_packus_epi16(first, second));
    return true;
}

#else

bool wb_uuid_has_vector(void)
{
    return false;
}

bool wb_uuid_parse_vector(const char *text, uint8_t out[16])
{
    return wb_uuid_parse_portable(text, out);
}

#endif

void wb_uuid_format(const uint8_t id[16], char out[36])
{
    for (int i = 0; i < 16; i++)
        memcpy(out + places[i], pairs[id[i]], 2);
    out[8] = out[13] = out[18] = out[23] = '-';
}

/* ---- making ids ---- */

void wb_uuid_source_init(wb_uuid_source *source, const wb_env *env)
{
    source->env = *env;
    source->generation = wb_fork_generation();
    source->last_tick = 0;
    source->left = 0;
}

void wb_uuid_v4(wb_uuid_source *source, uint8_t out[16])
{
    memcpy(out, take_random(source, 16), 16);
    out[6] = (uint8_t)(0x40 | (out[6] & 0x0F));
    out[8] = (uint8_t)(0x80 | (out[8] & 0x3F));
}

void wb_uuid_v7(wb_uuid_source *source, int64_t unix_us, uint8_t out[16])
{
    uint64_t tick = next_tick(source, unix_us);
    uint64_t front = (tick >> 12) << 16 | 0x7000 | (tick & 0x0FFF);
    wb_put64(out, front);
    memcpy(out + 8, take_random(source, 8), 8);
    out[8] = (uint8_t)(0x80 | (out[8] & 0x3F));
}

/* The time as milliseconds << 12 | their fraction, past the last one, unless that leads by too much: a clock that once
 * was wrong must not set the time of all ids to come. Times before 1970 count as 1970. */
static uint64_t next_tick(wb_uuid_source *source, int64_t unix_us)
{
    uint64_t us = unix_us > 0 ? (uint64_t)unix_us : 0;
    uint64_t tick = (us / 1000) << 12 | (us % 1000) * 4096 / 1000;
    if (tick <= source->last_tick && source->last_tick - tick <= (uint64_t)WB_UUID_LEAD_MS << 12)
        tick = source->last_tick + 1;
    source->last_tick = tick;
    return tick;
}

static const uint8_t *take_random(wb_uuid_source *source, size_t bytes)
{
    unsigned generation = wb_fork_generation_now();
    if (source->left < bytes || source->generation != generation) {
        source->env.random(source->env.context, source->pool, sizeof source->pool);
        source->left = sizeof source->pool;
        source->generation = generation;
    }
    source->left -= bytes;
    return source->pool + source->left;
}
