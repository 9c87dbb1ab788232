/* SPDX-License-Identifier: MIT
 * A growing buffer. Invariant: bytes <= capacity, and data has capacity bytes. No locks. A failed allocation leaves
 * the contents in place and sets `failed`, which stays until fini or take. */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "base/json_bytes.h"

enum { FIRST_BYTES = 256 };

static size_t grown(const wb_buffer *buffer, size_t need);

void wb_buffer_fini(wb_buffer *buffer)
{
    wb_free(buffer->data);
    *buffer = WB_BUFFER_EMPTY;
}

bool wb_buffer_reserve(wb_buffer *buffer, size_t bytes)
{
    if (!buffer->failed && buffer->capacity - buffer->bytes >= bytes)
        return true;
    if (!buffer->failed && bytes <= SIZE_MAX / 4 && buffer->bytes <= SIZE_MAX / 4) {
        size_t capacity = grown(buffer, buffer->bytes + bytes);
        char *data = wb_realloc(buffer->data, capacity);
        if (data) {
            buffer->data = data;
            buffer->capacity = capacity;
            return true;
        }
    }
    buffer->failed = true;
    return false;
}

/* Twice the capacity, or what is needed where that is more. */
static size_t grown(const wb_buffer *buffer, size_t need)
{
    size_t capacity = buffer->capacity < FIRST_BYTES ? FIRST_BYTES : buffer->capacity * 2;
    return capacity < need ? need : capacity;
}

void wb_buffer_put(wb_buffer *buffer, const void *data, size_t bytes)
{
    if (bytes == 0 || !wb_buffer_reserve(buffer, bytes))
        return;
    memcpy(buffer->data + buffer->bytes, data, bytes);
    buffer->bytes += bytes;
}

void wb_buffer_put_text(wb_buffer *buffer, const char *text)
{
    wb_buffer_put(buffer, text, strlen(text));
}

void wb_buffer_put_char(wb_buffer *buffer, char c)
{
    wb_buffer_put(buffer, &c, 1);
}

void wb_buffer_put_hex(wb_buffer *buffer, const void *data, size_t bytes)
{
    static const char digits[] = "0123456789abcdef";
    if (bytes > SIZE_MAX / 8 || !wb_buffer_reserve(buffer, bytes * 2))
        return;
    char *to = buffer->data + buffer->bytes;
    for (size_t i = 0; i < bytes; i++) {
        uint8_t byte = ((const uint8_t *)data)[i];
        *to++ = digits[byte >> 4];
        *to++ = digits[byte & 15];
    }
    buffer->bytes += bytes * 2;
}

void wb_buffer_printf(wb_buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int bytes = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (bytes < 0 || !wb_buffer_reserve(buffer, (size_t)bytes + 1)) {
        buffer->failed = true;
        return;
    }
    va_start(arguments, format);
    vsnprintf(buffer->data + buffer->bytes, (size_t)bytes + 1, format, arguments);
    va_end(arguments);
    buffer->bytes += (size_t)bytes;
}

char *wb_buffer_take(wb_buffer *buffer, size_t *bytes)
{
    wb_buffer_put(buffer, "", 1);
    if (buffer->failed) {
        wb_buffer_fini(buffer);
        return NULL;
    }
    char *data = buffer->data;
    if (bytes)
        *bytes = buffer->bytes - 1;
    *buffer = WB_BUFFER_EMPTY;
    return data;
}

/* ---- JSON strings ---- */

enum { ESCAPE_BYTES = 6, STRING_SLACK = 16 }; /* past what is left of a text: a word, a quote */

/* The letter of a two-character escape, or NUL. */
static char escape_of(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return '\0';
    }
}

/* Writes the escape of the first of `left` bytes at `to`; answers the place after it, with room for the others. NULL:
 * no memory. */
static char *put_escape(wb_buffer *json, char *to, unsigned char c, size_t left)
{
    static const char digits[] = "0123456789abcdef";
    json->bytes = (size_t)(to - json->data);
    if (!wb_buffer_reserve(json, ESCAPE_BYTES + left + STRING_SLACK))
        return NULL;
    to = json->data + json->bytes;
    *to++ = '\\';
    if (escape_of(c)) {
        *to++ = escape_of(c);
        return to;
    }
    memcpy(to, "u00", 3);
    to[3] = digits[c >> 4];
    to[4] = digits[c & 15];
    return to + 5;
}

bool wb_buffer_put_json_string(wb_buffer *json, const char *text, size_t bytes)
{
    uint64_t seen = 0;
    bool nul = false;
    if (bytes > SIZE_MAX / 8 || !wb_buffer_reserve(json, bytes + STRING_SLACK)) {
        json->failed = true;
        return false;
    }
    char *to = json->data + json->bytes;
    *to++ = '"';
    for (const char *end = text + bytes; text < end;) {
        size_t left = (size_t)(end - text), step = left < 8 ? left : 8;
        uint64_t word = left < 8 ? wb_json_load_tail(text, left) : wb_json_load(text);
        uint64_t escaped = wb_json_escaped(word);
        wb_json_store(to, word);
        seen |= word;
        if (escaped)
            step = (size_t)__builtin_ctzll(escaped) / 8;
        to += step;
        text += step;
        if (escaped) {
            nul |= *text == '\0';
            to = put_escape(json, to, (unsigned char)*text++, left);
        }
        if (to == NULL)
            return false;
    }
    *to++ = '"';
    json->bytes = (size_t)(to - json->data);
    return (seen & WB_BYTE_HIGHS) == 0 && !nul;
}
