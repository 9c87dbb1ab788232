/* SPDX-License-Identifier: MIT
 * Text or bytes that grow at the end. The first allocation that fails marks the buffer as failed. Later puts are
 * ignored, so that a caller checks once, at the end: wb_buffer_take. No lock. */
#ifndef WB_BUFFER_H
#define WB_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct wb_buffer {
    char *data;      /* `bytes` of them, not NUL-terminated until taken; NULL while empty */
    size_t bytes;    /* used */
    size_t capacity; /* allocated */
    bool failed;     /* there was no memory: the contents are worthless */
} wb_buffer;

#define WB_BUFFER_EMPTY ((wb_buffer){0})

void wb_buffer_fini(wb_buffer *buffer); /* frees; empty and usable again */
/* Room for `bytes` more, at data + bytes; false: no memory. */
bool wb_buffer_reserve(wb_buffer *buffer, size_t bytes);
void wb_buffer_put(wb_buffer *buffer, const void *data, size_t bytes);
void wb_buffer_put_text(wb_buffer *buffer, const char *text);
void wb_buffer_put_char(wb_buffer *buffer, char c);
void wb_buffer_put_hex(wb_buffer *buffer, const void *data, size_t bytes); /* lower case */
/* Quoted, escaped. Is it all ASCII without a NUL, and so surely what JSON may hold? */
bool wb_buffer_put_json_string(wb_buffer *json, const char *text, size_t bytes);
void wb_buffer_printf(wb_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Hands over the contents and empties the buffer. A NUL follows them, which *bytes (may be NULL) does not count. NULL
 * where the buffer failed. The caller frees with wb_free. */
char *wb_buffer_take(wb_buffer *buffer, size_t *bytes);

#endif
