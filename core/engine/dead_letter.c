/* SPDX-License-Identifier: MIT
 * The dead-letter file. It is opened for each batch, so that it may be moved away at any time; whole lines
 * are appended by one write, so that several processes can share it. */
#include "engine/dead_letter.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/env.h"

static void put_head(wb_buffer *to, const char *table, int64_t unix_us, const char *error)
{
    char at[40];
    wb_timestamp_format(unix_us, at);
    wb_buffer_printf(to, "{\"at\":\"%s\",\"table\":", at);
    wb_buffer_put_json_string(to, table, strlen(table));
    wb_buffer_put_text(to, ",\"error\":");
    wb_buffer_put_json_string(to, error, strlen(error));
    wb_buffer_put_text(to, ",\"row\":");
}

/* Each line of `rows`, with the same head. */
static void put_lines(wb_buffer *to, const char *head, const char *rows, size_t bytes)
{
    const char *end = rows + bytes;
    while (rows < end) {
        const char *line_end = memchr(rows, '\n', (size_t)(end - rows));
        size_t line = (size_t)((line_end != NULL ? line_end : end) - rows);
        wb_buffer_put_text(to, head);
        wb_buffer_put(to, rows, line);
        wb_buffer_put_text(to, "}\n");
        rows += line + 1;
    }
}

static int append(const char *path, const char *text, size_t bytes, wb_err *err)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return wb_fail_store(err, WB_RETRY, "can't open \"%s\": %s", path, strerror(errno));
    ssize_t written = write(fd, text, bytes);
    int error = written < 0 ? errno : ENOSPC;
    close(fd);
    if (written == (ssize_t)bytes)
        return WB_OK;
    return wb_fail_store(err, WB_RETRY, "can't write to \"%s\": %s", path, strerror(error));
}

int wb_dead_letter_append(const char *path, const char *table, int64_t unix_us,
                          const wb_batch *batch, wb_err *err)
{
    char *rows = NULL;
    size_t bytes = 0;
    int code = wb_batch_ndjson(batch, &rows, &bytes, err);
    if (code != WB_OK)
        return code;
    wb_buffer head = WB_BUFFER_EMPTY, text = WB_BUFFER_EMPTY;
    put_head(&head, table, unix_us, wb_batch_error(batch));
    wb_buffer_put_char(&head, '\0');
    if (!head.failed)
        put_lines(&text, head.data, rows, bytes);
    if (head.failed || text.failed)
        code = wb_fail(err, WB_MEMORY, "out of memory for %zu dead rows", wb_batch_rows(batch));
    else
        code = append(path, text.data, text.bytes, err);
    wb_buffer_fini(&head);
    wb_buffer_fini(&text);
    wb_free(rows);
    return code;
}
