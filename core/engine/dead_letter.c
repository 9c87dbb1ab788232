/* SPDX-License-Identifier: MIT
 * The dead-letter file. It is opened for each batch, so that it may be moved away at any time; whole lines
 * are appended by one write, so that several processes can share it. */
#include "engine/dead_letter.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/env.h"
#include "base/path.h"
#include "rows/dead_line.h"

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

/* Somebody may have written the beginning of a line and no more. */
static bool ends_within_a_line(int fd)
{
    char last;
    off_t bytes = lseek(fd, 0, SEEK_END);
    return bytes > 0 && pread(fd, &last, 1, bytes - 1) == 1 && last != '\n';
}

/* Takes back what is there of a text, where it is the end of the file. */
static void take_back(int fd, size_t written)
{
    struct stat status;
    off_t end = lseek(fd, 0, SEEK_CUR);
    if (fstat(fd, &status) == 0 && end == status.st_size &&
        ftruncate(fd, end - (off_t)written) != 0)
        return; /* the next text begins with a line of its own */
}

static int append(const char *path, const wb_buffer *text, wb_err *err)
{
    const char *why;
    int fd = wb_path_open(path, O_RDWR | O_APPEND | O_CREAT, &why);
    if (fd < 0)
        return wb_fail_store(err, WB_RETRY, "can't write to \"%s\": %s", path, why);
    int code = WB_OK;
    size_t skip = ends_within_a_line(fd) ? 0 : 1; /* the text begins with a newline */
    ssize_t written = write(fd, text->data + skip, text->bytes - skip);
    if (written != (ssize_t)(text->bytes - skip)) {
        code = wb_fail_store(err, WB_RETRY, "can't write to \"%s\": %s", path,
                             strerror(written < 0 ? errno : ENOSPC));
        if (written > 0)
            take_back(fd, (size_t)written);
    }
    close(fd);
    return code;
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
    wb_buffer_put_char(&text, '\n');
    wb_dead_line_head(&head, table, unix_us, wb_batch_error(batch));
    wb_buffer_put_char(&head, '\0');
    if (!head.failed)
        put_lines(&text, head.data, rows, bytes);
    if (head.failed || text.failed)
        code = wb_fail(err, WB_MEMORY, "out of memory for %zu dead rows", wb_batch_rows(batch));
    else
        code = append(path, &text, err);
    wb_buffer_fini(&head);
    wb_buffer_fini(&text);
    wb_free(rows);
    return code;
}
