/* SPDX-License-Identifier: MIT
 * See writebehind/spool.h. Files are read by pread, one at a time; a folder that a living process has may change
 * meanwhile, and what is gone is left out. */
#include <writebehind/spool.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/env.h"
#include "base/err.h"
#include "rows/batch.h"
#include "rows/dead_line.h"
#include "rows/schema_text.h"
#include "spool/disk.h"
#include "spool/folder.h"
#include "spool/reading.h"

enum { PATH_BYTES = 512 };

/* A file that was read. */
struct looked {
    uint8_t *bytes;
    wb_spool_reading reading;
    char damage[256]; /* empty: none */
};

static void note(struct looked *file, const char *why)
{
    snprintf(file->damage, sizeof file->damage, "%s", why);
}

/* WB_INVALID: nothing of it can be read, and its damage says why. */
static int look(const char *path, struct looked *file, wb_err *err)
{
    size_t size;
    bool gaps;
    memset(file, 0, sizeof *file);
    int code = wb_disk_read(path, UINT32_MAX, &file->bytes, &size, &gaps, err);
    if (code != WB_OK)
        return code;
    if (wb_spool_segment_is_blank(file->bytes, size))
        return WB_OK; /* it was made, and never used */
    code = wb_spool_segment_read(file->bytes, size, gaps, &file->reading, err);
    if (code == WB_OK)
        code = wb_spool_segment_believe(&file->reading, err);
    const wb_spool_reading *reading = &file->reading;
    if (code != WB_OK)
        note(file, err->text);
    else if (gaps)
        note(file, "parts of it can't be read");
    else if (reading->count < reading->claimed)
        snprintf(file->damage, sizeof file->damage, "%u of its %u entries are whole",
                 reading->count, reading->claimed);
    return code;
}

/* ---- summaries ---- */

static void count(const wb_spool_reading *reading, wb_spool_summary *to)
{
    wb_spooled_row row;
    for (uint32_t i = 0; i < reading->count; i++) {
        if (!wb_spool_segment_row(reading, i, &row))
            continue;
        to->rows++;
        if (row.settled)
            continue;
        to->waiting++;
        to->in_doubt += row.key[0] != 0;
        if (to->first_us == 0 || row.unix_us < to->first_us)
            to->first_us = row.unix_us;
        if (row.unix_us > to->last_us)
            to->last_us = row.unix_us;
    }
}

/* What is found, and whose it is. */
struct looking {
    wb_buffer found; /* summaries */
    char kind[32], name[224];
    bool held;
};

static void add_file(struct looking *looking, const char *path)
{
    struct looked file;
    wb_err err;
    wb_spool_summary summary = {.held = looking->held};
    int code = look(path, &file, &err);
    if (code == WB_OK || code == WB_INVALID) {
        snprintf(summary.file, sizeof summary.file, "%s", path);
        memcpy(summary.kind, looking->kind, sizeof summary.kind);
        memcpy(summary.name, looking->name, sizeof summary.name);
        memcpy(summary.damage, file.damage, sizeof summary.damage);
        summary.bytes = file.reading.size;
        if (code == WB_OK) {
            snprintf(summary.table, sizeof summary.table, "%s",
                     wb_spool_segment_table(&file.reading));
            count(&file.reading, &summary);
        }
        wb_buffer_put(&looking->found, &summary, sizeof summary);
    }
    wb_free(file.bytes);
}

static bool ends_in(const char *name, const char *end)
{
    size_t bytes = strlen(name), of_end = strlen(end);
    return bytes > of_end && strcmp(name + bytes - of_end, end) == 0;
}

static void add_folder(struct looking *looking, const char *path)
{
    char name[PATH_BYTES], inner[PATH_BYTES];
    DIR *folder = opendir(path);
    const struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        int bytes = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (bytes < (int)sizeof name && ends_in(entry->d_name, ".seg"))
            add_file(looking, name);
    }
    if (folder != NULL)
        closedir(folder);
    const wb_folder of = {.path = (char *)path};
    for (size_t at = 0; wb_folder_inner(&of, &at, inner);)
        add_folder(looking, inner);
}

static void add_entry(struct looking *looking, const char *path)
{
    looking->kind[0] = looking->name[0] = '\0';
    looking->held = false;
    if (ends_in(path, ".bad"))
        add_file(looking, path);
    else if (wb_folder_owner(path, looking->kind, looking->name, &looking->held))
        add_folder(looking, path);
}

int wb_spool_look(const char *path, wb_spool_summary **out, size_t *count, wb_err *err)
{
    struct looking looking = {.found = WB_BUFFER_EMPTY};
    char name[PATH_BYTES];
    size_t bytes;
    DIR *root = opendir(path);
    const struct dirent *entry;
    if (root == NULL)
        return wb_fail(err, WB_STORE, "can't open %s: %s", path, strerror(errno));
    while ((entry = readdir(root)) != NULL)
        if (entry->d_name[0] != '.' &&
            snprintf(name, sizeof name, "%s/%s", path, entry->d_name) < (int)sizeof name)
            add_entry(&looking, name);
    closedir(root);
    *out = (wb_spool_summary *)wb_buffer_take(&looking.found, &bytes);
    *count = bytes / sizeof **out;
    return *out != NULL ? WB_OK : wb_fail(err, WB_MEMORY, "out of memory to look at %s", path);
}

/* ---- export ---- */

static int put_row(wb_buffer *to, wb_batch *batch, const wb_spooled_row *row, const char *table,
                   wb_err *err)
{
    char *line;
    size_t bytes;
    wb_batch_clear(batch);
    if (!wb_batch_reserve(batch, row->bytes))
        return wb_fail(err, WB_MEMORY, "out of memory for a row");
    memcpy(wb_batch_end(batch), row->tuple, row->bytes);
    wb_batch_push(batch, row->bytes, 0);
    int code = wb_batch_ndjson(batch, &line, &bytes, err);
    if (code != WB_OK)
        return code;
    wb_dead_line_head(to, row->table != NULL ? row->table : table, row->unix_us, "");
    wb_buffer_put(to, line, bytes - 1);
    wb_buffer_put_text(to, "}\n");
    wb_free(line);
    return WB_OK;
}

static int schema_of(const wb_spool_reading *reading, wb_schema **out, wb_err *err)
{
    size_t bytes;
    const uint8_t *text = wb_spool_segment_schema(reading, &bytes);
    return wb_schema_of_text(text, bytes, out, err);
}

static int put_rows(const wb_spool_reading *reading, wb_batch *batch, wb_buffer *to, wb_err *err)
{
    wb_spooled_row row;
    int code = batch != NULL ? WB_OK : wb_fail(err, WB_MEMORY, "out of memory for rows");
    for (uint32_t i = 0; code == WB_OK && i < reading->count; i++)
        if (wb_spool_segment_row(reading, i, &row) && !row.settled)
            code = put_row(to, batch, &row, wb_spool_segment_table(reading), err);
    return code;
}

int wb_spool_export(const char *path, char **out, size_t *bytes, wb_err *err)
{
    struct looked file;
    wb_schema *schema = NULL;
    wb_buffer text = WB_BUFFER_EMPTY;
    int code = look(path, &file, err);
    if (code == WB_OK && file.reading.count > 0)
        code = schema_of(&file.reading, &schema, err);
    if (code == WB_OK && schema != NULL) {
        wb_batch *batch = wb_batch_new(schema);
        code = put_rows(&file.reading, batch, &text, err);
        wb_batch_free(batch);
    }
    wb_schema_unref(schema);
    wb_free(file.bytes);
    if (code == WB_OK && (*out = wb_buffer_take(&text, bytes)) == NULL)
        code = wb_fail(err, WB_MEMORY, "out of memory for rows");
    wb_buffer_fini(&text);
    return code;
}

int wb_spool_schema(const char *path, wb_schema **out, wb_err *err)
{
    struct looked file;
    int code = look(path, &file, err);
    if (code == WB_OK)
        code = schema_of(&file.reading, out, err);
    wb_free(file.bytes);
    return code;
}
