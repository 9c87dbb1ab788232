/* SPDX-License-Identifier: MIT
 * See literal.h. One pass; a function is given the place of its first byte, and answers the place after its last, or NULL
 * after it has noted what is wrong. */
#include "intake/literal.h"

#include <string.h>

#include "base/words.h"

typedef struct literal {
    const char *text, *end;
    wb_record *record;
} literal;

static const char *wrong(literal *l, const char *at, const char *why)
{
    l->record->wrong = why;
    l->record->wrong_at = (size_t)(at - l->text);
    return NULL;
}

static const char *skip_space(const literal *l, const char *at)
{
    while (at < l->end && wb_is_space(*at))
        at++;
    return at;
}

static bool is_structure(char c)
{
    return c == '{' || c == '}' || c == ',' || c == '"';
}

/* Copies up to an end, backslashes resolved. */
static const char *quoted(literal *l, const char *at, wb_piece *piece)
{
    const char *first = at;
    char *to = l->record->scratch + l->record->scratch_used;
    piece->text = to;
    for (; at < l->end && *at != '"'; at++) {
        if (*at == '\\' && ++at == l->end)
            break;
        *to++ = *at;
    }
    if (at >= l->end)
        return wrong(l, first - 1, "a quoted element has no end");
    piece->bytes = (uint32_t)(to - piece->text);
    l->record->scratch_used += piece->bytes;
    return at + 1;
}

static const char *bare(literal *l, const char *at, wb_piece *piece)
{
    const char *first = at;
    char *to = l->record->scratch + l->record->scratch_used, *kept = to;
    bool escaped = false;
    piece->text = to;
    for (; at < l->end && !is_structure(*at); at++) {
        if (*at == '\\') {
            escaped = true;
            if (++at == l->end)
                break;
            *to++ = *at;
            kept = to;
            continue;
        }
        *to++ = *at;
        kept = wb_is_space(*at) ? kept : to;
    }
    if (at == l->end || (*at != ',' && *at != '}'))
        return wrong(l, at, "expected , or }");
    piece->bytes = (uint32_t)(kept - piece->text);
    l->record->scratch_used += piece->bytes;
    if (piece->bytes == 0)
        return wrong(l, first, "an element is missing");
    if (!escaped && wb_is_word(piece->text, piece->bytes, "null"))
        piece->kind = WB_PIECE_NULL;
    return at;
}

static const char *element(literal *l, const char *at, wb_piece *piece)
{
    *piece = (wb_piece){.kind = WB_PIECE_FIELD};
    if (at < l->end && *at == '{')
        return wrong(l, at, "an array of more than one dimension");
    return at < l->end && *at == '"' ? quoted(l, at + 1, piece) : bare(l, at, piece);
}

/* From after the opening brace to after the closing one. */
static const char *elements(literal *l, const char *at, bool *memory)
{
    at = skip_space(l, at);
    if (at < l->end && *at == '}')
        return at + 1;
    for (;;) {
        wb_piece *piece = wb_record_add(l->record);
        *memory = piece != NULL;
        at = piece != NULL ? element(l, skip_space(l, at), piece) : NULL;
        if (at == NULL)
            return NULL;
        at = skip_space(l, at);
        if (at < l->end && *at == '}')
            return at + 1;
        if (at == l->end || *at != ',')
            return wrong(l, at, "expected , or }");
        at++;
    }
}

int wb_literal_split(const char *text, size_t bytes, wb_record *record)
{
    literal l = {.text = text, .end = text + bytes, .record = record};
    bool memory = true;
    if (!wb_record_begin(record, bytes))
        return WB_SPLIT_MEMORY;
    const char *at = skip_space(&l, text);
    if (at == l.end || *at != '{') {
        wrong(&l, at, "expected {");
        return WB_SPLIT_RECORD;
    }
    at = elements(&l, at + 1, &memory);
    if (at != NULL && skip_space(&l, at) != l.end)
        wrong(&l, at, "text after the array");
    return memory ? WB_SPLIT_RECORD : WB_SPLIT_MEMORY;
}
