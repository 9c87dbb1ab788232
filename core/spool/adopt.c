/* SPDX-License-Identifier: MIT
 * See adopt.h. Each step may be the last of this process: the next one that adopts finds what is left of them.
 *   1. The folder moves into this one, whole: a write that had rows of several segments has one heir.
 *   2. Rows that are part of a later one are settled; then the headers say that this was done.
 *   3. Each segment is checked, gets a header of this machine's start, and moves up, under a serial of its own.
 * In 3 the count is written before the boot id, which makes it believed. */
#include "spool/adopt.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/crc32c.h"
#include "base/env.h"
#include "base/err.h"
#include "spool/disk.h"
#include "spool/files.h"
#include "spool/left.h"
#include "spool/marks.h"

enum { TOLD_AFTER = 5 };

struct adoption {
    wb_spool *spool;
    const wb_adopter *adopter;
    const char *path; /* of the folder that is taken over */
};

static void say(const struct adoption *adoption, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(const struct adoption *adoption, int level, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    adoption->adopter->say(adoption->adopter->context, level, text);
}

/* Each segment, by a function of its bytes. */
static void each_segment(const struct adoption *adoption, const wb_left *left,
                         void (*look)(const struct adoption *, const char *, uint8_t *, size_t,
                                      bool))
{
    for (size_t i = 0; i < left->count; i++) {
        char path[WB_LEFT_PATH_BYTES];
        uint8_t *bytes;
        size_t size;
        bool gaps;
        wb_err err;
        wb_left_path(adoption->path, left->serials[i], path);
        if (wb_disk_read(path, UINT32_MAX, &bytes, &size, &gaps, &err) != WB_OK) {
            say(adoption, WB_ERROR, "%s", err.text);
            continue;
        }
        look(adoption, path, bytes, size, gaps);
        wb_free(bytes);
    }
}

static int write_header(const char *path, const wb_spool_header *header, wb_err *err)
{
    return wb_disk_patch(path, 0, header, offsetof(wb_spool_header, count), err);
}

/* ---- a segment becomes ours ---- */

static const char *id_of(const char *path)
{
    return strrchr(path, '/') + 1;
}

static void bad_path(const struct adoption *adoption, const char *path,
                     char bad[WB_LEFT_PATH_BYTES])
{
    snprintf(bad, WB_LEFT_PATH_BYTES, "%s/%s.%.16s.bad", adoption->spool->options.path,
             id_of(adoption->path), id_of(path));
}

/* Nothing of it is believed. */
static void put_aside(const struct adoption *adoption, const char *path, const char *why)
{
    char bad[WB_LEFT_PATH_BYTES];
    wb_err err;
    bad_path(adoption, path, bad);
    if (wb_disk_rename(path, bad, &err) == WB_OK)
        say(adoption, WB_ERROR, "spool: %s is no whole segment: %s", bad, why);
    else
        say(adoption, WB_ERROR, "%s", err.text);
}

/* What is not believed is kept for who wants to look at it. */
static void copy_aside(const struct adoption *adoption, const char *path,
                       const wb_spool_reading *reading)
{
    char bad[WB_LEFT_PATH_BYTES];
    wb_err err = {0};
    bad_path(adoption, path, bad);
    int code = wb_disk_write(bad, reading->bytes, reading->size, &err);
    say(adoption, WB_ERROR,
        "spool: %u of %u entries of a segment are whole: the others are in %s%s%s", reading->count,
        reading->claimed, bad, code == WB_OK ? "" : ", which failed: ", err.text);
}

static bool has_waiting(const wb_spool_reading *reading)
{
    wb_spooled_row row;
    for (uint32_t i = 0; i < reading->count; i++)
        if (wb_spool_segment_row(reading, i, &row) && !row.settled)
            return true;
    return false;
}

static void remove_file(const struct adoption *adoption, const char *path)
{
    wb_err err;
    if (wb_disk_remove(path, &err) != WB_OK)
        say(adoption, WB_ERROR, "%s", err.text);
}

static int make_ours(const char *path, uint8_t *bytes, uint64_t serial,
                     const wb_spool_reading *reading, wb_err *err)
{
    wb_spool_header *header = (wb_spool_header *)bytes;
    int code = WB_OK;
    if (reading->count != reading->claimed)
        code = wb_disk_patch(path, offsetof(wb_spool_header, count), &reading->count,
                             sizeof reading->count, err);
    header->serial = serial;
    header->count = reading->count;
    wb_disk_boot(header->boot);
    header->check = wb_crc32c(0, header, offsetof(wb_spool_header, check));
    return code == WB_OK ? write_header(path, header, err) : code;
}

static void take(const struct adoption *adoption, const char *path, uint8_t *bytes,
                 const wb_spool_reading *reading)
{
    wb_err err = {0};
    wb_spool_file *file;
    wb_spool *spool = adoption->spool;
    wb_monitor_lock(&spool->monitor);
    uint64_t serial = ++spool->serial;
    wb_monitor_unlock(&spool->monitor);
    int code = make_ours(path, bytes, serial, reading, &err);
    if (code == WB_OK)
        code = wb_spool_enter(spool, path, reading, &file, &err);
    if (code != WB_OK) {
        say(adoption, WB_ERROR, "%s", err.text);
        if (spool->stuck >= TOLD_AFTER)
            put_aside(adoption, path, err.text);
        return;
    }
    adoption->adopter->segment(adoption->adopter->context, file, reading);
    wb_spool_unpin(spool, file, 0);
}

static void look_at(const struct adoption *adoption, const char *path, uint8_t *bytes, size_t size,
                    bool gaps)
{
    wb_spool_reading reading;
    wb_err err = {0};
    if (wb_spool_segment_is_blank(bytes, size) && !gaps) {
        remove_file(adoption, path);
        return;
    }
    if (wb_spool_segment_read(bytes, size, gaps, &reading, &err) != WB_OK ||
        !wb_spool_segment_believe(&reading, &err)) {
        put_aside(adoption, path, err.text);
        return;
    }
    if (reading.count < reading.claimed || gaps)
        copy_aside(adoption, path, &reading);
    if (has_waiting(&reading))
        take(adoption, path, bytes, &reading);
    else
        remove_file(adoption, path);
}

/* ---- folders ---- */

static void end_folder(const struct adoption *adoption)
{
    char owner[WB_LEFT_PATH_BYTES];
    snprintf(owner, sizeof owner, "%s/owner", adoption->path);
    if (rmdir(adoption->path) != 0) {
        (void)wb_disk_remove(owner, NULL);
        (void)wb_disk_remove_folder(adoption->path, NULL);
    }
}

static void adopt_folder(wb_spool *spool, const wb_adopter *adopter, const char *path)
{
    struct adoption adoption = {.spool = spool, .adopter = adopter, .path = path};
    wb_left left;
    wb_err err;
    if (!wb_left_list(path, &left)) {
        say(&adoption, WB_ERROR, "spool: out of memory for %s", path);
        return;
    }
    if (wb_left_resolve(&left, &err) == WB_OK)
        each_segment(&adoption, &left, look_at);
    else
        say(&adoption, WB_ERROR, "%s", err.text); /* the next look tries again */
    wb_left_fini(&left);
    end_folder(&adoption);
}

/* What the last owner had taken over, and had not ended with, is beside what it had itself. */
static bool raise_inner(wb_spool *spool, const char *folder)
{
    const wb_folder inner = {.path = (char *)folder};
    char path[512], to[WB_LEFT_PATH_BYTES];
    size_t at = 0;
    bool raised = false;
    while (wb_folder_inner(&inner, &at, path)) {
        snprintf(to, sizeof to, "%s/%s", spool->folder.path, id_of(path));
        if (wb_disk_rename(path, to, NULL) != WB_OK)
            continue;
        raised = true;
        at = 0;
    }
    return raised;
}

static void raise_all(wb_spool *spool)
{
    char path[512];
    for (size_t at = 0; wb_folder_inner(&spool->folder, &at, path);)
        if (raise_inner(spool, path))
            at = 0;
}

/* Folders go while they are adopted: one that stays is passed by. */
static bool adopt_inner(wb_spool *spool, const wb_adopter *adopter)
{
    char path[512];
    size_t stay = 0;
    for (size_t at = 0; wb_folder_inner(&spool->folder, &at, path); at = stay) {
        adopt_folder(spool, adopter, path);
        stay += access(path, F_OK) == 0;
    }
    return stay == 0;
}

static void find_folders(wb_spool *spool, const struct adoption *adoption)
{
    wb_found_folder found;
    size_t at = 0;
    int what;
    while ((what = wb_folder_find(spool->options.path, &spool->folder, spool->kind, spool->name,
                                  &at, &found)) != WB_FOUND_NONE)
        if (what == WB_FOUND_OTHER && spool->looks == TOLD_AFTER)
            say(adoption, WB_WARN,
                "spool: nobody has %s, which is of %s: an object of that name would store its rows",
                found.path, found.owner);
    spool->looks++;
}

void wb_spool_adopt(wb_spool *spool, const wb_adopter *adopter)
{
    const struct adoption adoption = {.spool = spool, .adopter = adopter};
    find_folders(spool, &adoption);
    raise_all(spool);
    bool whole = adopt_inner(spool, adopter);
    spool->stuck = whole ? 0 : spool->stuck + 1;
    if (whole)
        adopter->whole(adopter->context);
}
