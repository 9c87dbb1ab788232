/* SPDX-License-Identifier: MIT
 * The JSON scanner by its parts, for one who reads a text's members: what wb_json_check (json.h) takes, no more.
 * Invariant: `depth` containers are open, and bit d of `objects` says whether the one at depth d is an object. A
 * scanning function is given the place of its first byte and answers the place after its last; or NULL, after
 * wb_json_fail has noted why. */
#ifndef WB_JSON_SCAN_H
#define WB_JSON_SCAN_H

#include "base/json_bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WB_JSON_DEPTH = 512 };

typedef struct wb_json_scan {
    const uint8_t *end;
    const char *wrong;       /* what was wrong: a constant phrase */
    const uint8_t *wrong_at; /* and where */
    bool escaped;            /* a string held an escape, since the caller last set it back */
    size_t depth;
    uint64_t objects[WB_JSON_DEPTH / 64]; /* set as they come into use */
} wb_json_scan;

/* A value of any kind, and the white space before it. Leaves the depth as it was. */
const uint8_t *wb_json_scan_value(wb_json_scan *s, const uint8_t *at);
/* A value that is no container, without white space before it. */
const uint8_t *wb_json_scan_scalar(wb_json_scan *s, const uint8_t *at);
/* From within a string, at the start of a character, to after the closing quote. */
const uint8_t *wb_json_scan_string(wb_json_scan *s, const uint8_t *at);

static inline void wb_json_scan_begin(wb_json_scan *s, const uint8_t *text, size_t bytes)
{
    s->end = text + bytes;
    s->wrong = NULL;
    s->escaped = false;
    s->depth = 0;
}

/* Notes what is wrong, and answers NULL. A text that ends is always wrong in that. */
__attribute__((cold)) const uint8_t *wb_json_fail(wb_json_scan *s, const uint8_t *at,
                                                  const char *wrong);

static inline bool wb_json_push(wb_json_scan *s, bool object)
{
    size_t i = s->depth;
    if (i == WB_JSON_DEPTH)
        return false;
    uint64_t *word = &s->objects[i / 64];
    *word = (*word & ~(UINT64_C(1) << (i % 64))) | (uint64_t)object << (i % 64);
    s->depth++;
    return true;
}

static inline const uint8_t *wb_json_skip_space(const wb_json_scan *s, const uint8_t *at)
{
    while (at < s->end && *at <= ' ' && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

/* To the first byte that does not stand for itself: one that is escaped, or part of UTF-8. */
static inline const uint8_t *wb_json_skip_plain(const wb_json_scan *s, const uint8_t *at)
{
#ifdef __SSE2__
    for (; s->end - at >= 16; at += 16) {
        int special = wb_json_special(_mm_loadu_si128((const __m128i *)at));
        if (special)
            return at + __builtin_ctz((unsigned)special);
    }
#endif
    for (; s->end - at >= 8; at += 8) {
        uint64_t word = wb_json_load(at);
        uint64_t special = (word & WB_BYTE_HIGHS) | wb_json_escaped(word);
        if (special)
            return at + __builtin_ctzll(special) / 8;
    }
    while (at < s->end && *at - 0x20u < 0x60 && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* The same from a string's first byte on, where most strings are plain text. */
static inline const uint8_t *wb_json_scan_text(wb_json_scan *s, const uint8_t *at)
{
    at = wb_json_skip_plain(s, at);
    return at < s->end && *at == '"' ? at + 1 : wb_json_scan_string(s, at);
}

/* A member's name (from its quote to *name_end, which is after the other one) and its colon. */
static inline const uint8_t *wb_json_scan_name(wb_json_scan *s, const uint8_t *at,
                                               const uint8_t **name_end)
{
    if (at == s->end || *at != '"')
        return wb_json_fail(s, at, "expected a key");
    at = *name_end = wb_json_scan_text(s, at + 1);
    if (!at)
        return NULL;
    at = wb_json_skip_space(s, at);
    if (at == s->end || *at != ':')
        return wb_json_fail(s, at, "expected :");
    return at + 1;
}

/* From the end of a container's element on: past a comma, to where the next one begins (*more is true), or past the
 * container's end. */
static inline const uint8_t *wb_json_scan_next(wb_json_scan *s, const uint8_t *at, bool object,
                                               bool *more)
{
    at = wb_json_skip_space(s, at);
    *more = at < s->end && *at == ',';
    if (*more)
        return wb_json_skip_space(s, at + 1);
    if (at == s->end || *at != (object ? '}' : ']'))
        return wb_json_fail(s, at, object ? "expected , or }" : "expected , or ]");
    return at + 1;
}

#endif
