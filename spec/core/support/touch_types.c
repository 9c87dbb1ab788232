/* SPDX-License-Identifier: MIT
 * Ids of each type, the least and the largest among them; of each what was stored before: nothing, NULL, something older,
 * the same, something newer. */
#include "support/support.h"

#include <stdio.h>

#include "rows/types.h"
#include "support/touch_types.h"

enum { AMPLE_MS = 60 * 1000, IDS = 6, MINUTE_US = 60 * 1000 * 1000 };
#define DAY_US INT64_C(86400000000)

/* Not a whole number of any unit but the microsecond, in the middle of a day. */
#define AT_US (SOME_TIME_US + 12345678)

/* ---- ids ---- */

static char longest[WB_KEY_TEXT_BYTES + 1];

static wb_value id_of(int type, size_t index)
{
    static const int64_t eights[IDS] = {INT64_MIN, -1, 0, 1, INT64_C(1) << 53, INT64_MAX};
    static const int64_t fours[IDS] = {INT32_MIN, -1, 0, 1, 65536, INT32_MAX};
    static const char *const texts[IDS] = {
        "", "A", "a", "it's \"so\" \\ {1,2}, NULL", "\xc3\xbc\xe2\x98\x83", longest};
    static uint8_t uuids[IDS][16];
    if (type == WB_TYPE_INT8)
        return int_value(eights[index]);
    if (type == WB_TYPE_INT4)
        return int_value(fours[index]);
    if (type == WB_TYPE_TEXT) {
        memset(longest, 'x', WB_KEY_TEXT_BYTES);
        longest[0] = '\xf4', longest[1] = '\x8f', longest[2] = longest[3] = '\xbf';
        return text_value(texts[index]);
    }
    memset(uuids[index], index == IDS - 1 ? 0xff : 0, 16);
    uuids[index][15] |= (uint8_t)index;
    return uuid_value(uuids[index]);
}

const char *tracked_literal(const tracked *t, const wb_value *id)
{
    static char out[2 * WB_KEY_TEXT_BYTES + 16];
    char text[WB_TYPE_TEXT_BYTES];
    if (t->key_type != WB_TYPE_TEXT) {
        size_t bytes = wb_type_text(t->key_type, id, text);
        snprintf(out, sizeof out, t->key_type == WB_TYPE_UUID ? "'%.*s'" : "(%.*s)", (int)bytes,
                 text);
        return out;
    }
    char *to = out;
    *to++ = '\'';
    for (uint32_t i = 0; i < id->bytes; i++) {
        if (id->text[i] == '\'')
            *to++ = '\'';
        *to++ = id->text[i];
    }
    *to++ = '\'';
    *to = '\0';
    return out;
}

wb_target tracked_target(const tracked *t)
{
    return (wb_target){.table = "spaces",
                       .key = "id",
                       .key_type = t->key_type,
                       .column = "used_at",
                       .column_type = t->unit_us > 0 ? t->column_type : WB_TYPE_TIMESTAMPTZ,
                       .unit_us = t->unit_us > 0 ? t->unit_us : 1,
                       .insert = t->insert,
                       .exact = t->exact,
                       .write_timeout_us = AMPLE_MS * 1000};
}

/* ---- the model ---- */

static int64_t in_units(const tracked *t, int64_t time_us)
{
    int64_t units = time_us / t->unit_us;
    return units * t->unit_us > time_us ? units - 1 : units;
}

/* What is stored of each before: of the first nothing at all. */
static wb_value before(const tracked *t, size_t index)
{
    int64_t units = in_units(t, AT_US);
    return index == 1 ? (wb_value){.kind = WB_NULL} : int_value(units - 4 + (int64_t)index);
}

static void text_of(const tracked *t, const wb_value *time, char out[TRACKED_TEXT])
{
    if (time->kind == WB_NULL)
        snprintf(out, TRACKED_TEXT, "NULL");
    else
        out[wb_type_text(t->column_type, time, out)] = '\0';
}

static void expect(const touch_probe *probe, const tracked *t, size_t index, const char *expected)
{
    char found[TRACKED_TEXT];
    wb_value id = id_of(t->key_type, index);
    probe->get(probe->context, t, &id, found);
    if (strcmp(found, expected) != 0)
        fail_msg("%s key, %s column (%lld us), id %zu: \"%s\", expected \"%s\"",
                 wb_type_name(t->key_type), wb_type_name(t->column_type), (long long)t->unit_us,
                 index, found, expected);
}

/* ---- one combination ---- */

static void fill(const touch_probe *probe, const tracked *t)
{
    probe->make(probe->context, t);
    for (size_t i = 1; i < IDS; i++) {
        wb_value id = id_of(t->key_type, i), time = before(t, i);
        if (time.kind != WB_NULL || probe->has_nulls)
            probe->put(probe->context, t, &id, &time);
    }
}

static wb_touched touch(wb_session *session, const tracked *t, int64_t at_us)
{
    wb_mark ids[IDS];
    bool again[IDS] = {false};
    wb_err err;
    wb_touched touched = {99, 99};
    wb_deadline deadline = contract_until(AMPLE_MS);
    const wb_column column = {.name = "id", .type = t->key_type};
    for (size_t i = 0; i < IDS; i++) {
        wb_value id = id_of(t->key_type, i);
        ids[i] = (wb_mark){.time_us = at_us, .count = 1};
        assert_ok(wb_key_of(&column, &id, &ids[i].key, NULL));
    }
    wb_marks marks = {.marks = ids,
                      .count = IDS,
                      .key_type = t->key_type,
                      .at_us = t->exact ? at_us + MINUTE_US : at_us,
                      .exact = t->exact,
                      .attempt = 1,
                      .again = again};
    if (session->class->touch(session, &marks, &deadline, &touched, &err) != WB_OK)
        fail_msg("%s", err.text);
    assert_null(memchr(again, true, sizeof again));
    return touched;
}

/* Older ones move, the others stay, and those without a row get one where that is wanted; and again, when nothing is left
 * to do. */
static void check(const touch_probe *probe, const tracked *t)
{
    char text[TRACKED_TEXT];
    uint64_t absent = probe->has_nulls ? 1 : 2;
    wb_target target = tracked_target(t);
    fill(probe, t);
    wb_session *session = contract_session(probe->store, &target);
    wb_value now = int_value(in_units(t, AT_US));
    for (int turn = 0; turn < 2; turn++) {
        wb_touched touched = touch(session, t, AT_US);
        assert_int_equal(touched.updated, turn > 0 ? 0 : t->insert ? 4 : 4 - absent);
        assert_int_equal(touched.unmatched, t->insert ? 0 : absent);
        for (size_t i = 0; i < IDS; i++) {
            wb_value time = before(t, i);
            bool moves = i < 4 && (i >= absent || t->insert);
            text_of(t, moves ? &now : &time, text);
            expect(probe, t, i, i < absent && !t->insert ? "none" : text);
        }
    }
    session->class->end(session);
}

/* Of the ids that are two, one and no units older than the flush, those move that are two or more. */
static void check_least(const touch_probe *probe, const tracked *t)
{
    char text[TRACKED_TEXT];
    wb_target target = tracked_target(t);
    target.min_advance_us = 2 * t->unit_us;
    fill(probe, t);
    wb_session *session = contract_session(probe->store, &target);
    wb_touched touched = touch(session, t, AT_US);
    assert_int_equal(touched.unmatched, probe->has_nulls || t->insert ? !t->insert : 2);
    for (size_t i = 2; i < IDS; i++) {
        wb_value time = before(t, i), now = int_value(in_units(t, AT_US));
        int64_t flush_us = t->exact ? AT_US + MINUTE_US : AT_US;
        bool moves = time.i < now.i && time.i <= in_units(t, flush_us - 2 * t->unit_us);
        text_of(t, moves ? &now : &time, text);
        expect(probe, t, i, text);
    }
    session->class->end(session);
}

void contract_touch_types(const touch_probe *probe)
{
    static const int keys[] = {WB_TYPE_UUID, WB_TYPE_INT4, WB_TYPE_INT8, WB_TYPE_TEXT};
    static const struct {
        int type;
        int64_t unit_us;
    } columns[] = {{WB_TYPE_TIMESTAMPTZ, 1}, {WB_TYPE_TIMESTAMP, 1}, {WB_TYPE_DATE, DAY_US},
                   {WB_TYPE_INT8, 1000000},  {WB_TYPE_INT8, 1000},   {WB_TYPE_INT8, 1}};
    for (size_t k = 0; k < COLUMNS(keys); k++)
        for (size_t c = 0; c < COLUMNS(columns); c++)
            for (int how = 0; how < 4; how++) {
                tracked t = {keys[k], columns[c].type, columns[c].unit_us, how % 2 != 0, how > 1};
                check(probe, &t);
                check_least(probe, &t);
            }
}
