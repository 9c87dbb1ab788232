/* SPDX-License-Identifier: MIT
 * A growing buffer. Invariant: bytes <= capacity, and data has capacity bytes. No locks. A failed allocation leaves
 * the contents in place and sets `failed`, which stays until fini or take. */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/env.h"

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

void wb_buffer_put_json_string(wb_buffer *json, const char *text, size_t bytes)
{
    size_t done = 0;
    wb_buffer_put_char(json, '"');
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        wb_buffer_put(json, text + done, i - done);
        done = i + 1;
        if (escape_of(c))
            wb_buffer_put(json, (char[]){'\\', escape_of(c)}, 2);
        else
            wb_buffer_printf(json, "\\u%04x", c);
    }
    wb_buffer_put(json, text + done, bytes - done);
    wb_buffer_put_char(json, '"');
}
