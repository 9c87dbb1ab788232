/* SPDX-License-Identifier: MIT
 * Text or bytes that grow at the end. The first allocation that fails marks the buffer as failed; what is
 * put after that is ignored, so that only the end has to ask: wb_buffer_take. Not locked. */
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
void wb_buffer_put_json_string(wb_buffer *json, const char *text,
                               size_t bytes); /* quoted, escaped */
void wb_buffer_printf(wb_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Hands the contents over, with a NUL behind them that *bytes (may be NULL) does not count; the buffer is
 * empty then. NULL where it failed: everything is freed. The caller frees with wb_free. */
char *wb_buffer_take(wb_buffer *buffer, size_t *bytes);

#endif
