/* SPDX-License-Identifier: MIT
 * The contract of stores, the tracker's part: which times move forward, and what is counted. */
#include "support/support.h"

#include "support/store_contract.h"

enum { AMPLE_MS = 60 * 1000 };

static const wb_target spaces = {.table = "spaces",
                                 .key = "id",
                                 .key_type = WB_TYPE_UUID,
                                 .column = "used_at",
                                 .column_type = WB_TYPE_TIMESTAMPTZ,
                                 .unit_us = 1};

static wb_touched touch(const store_probe *probe, const wb_target *target, const wb_marks *marks)
{
    wb_session *session = contract_session(probe->store, target);
    wb_deadline deadline = contract_until(AMPLE_MS);
    wb_touched touched = {99, 99};
    wb_err err;
    if (session->class->touch(session, marks, &deadline, &touched, &err) != WB_OK)
        fail_msg("%s", err.text);
    session->class->end(session);
    return touched;
}

static int64_t time_of(const store_probe *probe, unsigned number)
{
    uint8_t id[16];
    contract_id(number, id);
    return probe->time_us(probe->context, id);
}

static void put(const store_probe *probe, unsigned number, int64_t time_us)
{
    uint8_t id[16];
    contract_id(number, id);
    probe->put(probe->context, id, time_us);
}

/* Ids 1 to 4 at the flush's time: one older, one as old, one newer, one without a row. */
void contract_touch_forward(const store_probe *probe)
{
    wb_mark ids[4] = {{.count = 1}, {.count = 1}, {.count = 1}, {.count = 1}};
    wb_marks marks = {
        .marks = ids, .key_type = WB_TYPE_UUID, .count = 4, .at_us = SOME_TIME_US, .attempt = 1};
    for (unsigned i = 0; i < 4; i++)
        contract_id(i + 1, ids[i].key.id);
    put(probe, 1, SOME_TIME_US - 1);
    put(probe, 2, SOME_TIME_US);
    put(probe, 3, SOME_TIME_US + 1);

    wb_touched touched = touch(probe, &spaces, &marks);
    assert_int_equal(touched.updated, 1);
    assert_int_equal(touched.unmatched, 1);
    assert_int_equal(time_of(probe, 1), SOME_TIME_US);
    assert_int_equal(time_of(probe, 2), SOME_TIME_US);
    assert_int_equal(time_of(probe, 3), SOME_TIME_US + 1);
    assert_int_equal(time_of(probe, 4), WB_NEVER);

    touched = touch(probe, &spaces, &marks);
    assert_int_equal(touched.updated, 0);
    assert_int_equal(touched.unmatched, 1);
    assert_int_equal(time_of(probe, 1), SOME_TIME_US);
}

void contract_touch_exact(const store_probe *probe)
{
    wb_mark ids[3] = {{.time_us = SOME_TIME_US - 30, .count = 1},
                      {.time_us = SOME_TIME_US - 20, .count = 2},
                      {.time_us = SOME_TIME_US + 10, .count = 1}};
    wb_marks marks = {.marks = ids,
                      .key_type = WB_TYPE_UUID,
                      .count = 3,
                      .at_us = SOME_TIME_US,
                      .exact = true,
                      .attempt = 1};
    wb_target target = spaces;
    target.exact = true;
    for (unsigned i = 0; i < 3; i++)
        contract_id(i + 1, ids[i].key.id);
    put(probe, 1, SOME_TIME_US - 25);
    put(probe, 2, SOME_TIME_US - 25);
    put(probe, 3, SOME_TIME_US - 25);

    wb_touched touched = touch(probe, &target, &marks);
    assert_int_equal(touched.updated, 2);
    assert_int_equal(touched.unmatched, 0);
    assert_int_equal(time_of(probe, 1), SOME_TIME_US - 25);
    assert_int_equal(time_of(probe, 2), SOME_TIME_US - 20);
    assert_int_equal(time_of(probe, 3), SOME_TIME_US + 10);
}

/* Stored times newer than a minute before the flush stay, whatever the time of the mark. */
void contract_touch_min_advance(const store_probe *probe)
{
    enum { MINUTE_US = 60 * 1000 * 1000 };
    wb_mark ids[3] = {{.count = 1}, {.count = 1}, {.count = 1}};
    wb_marks marks = {
        .marks = ids, .key_type = WB_TYPE_UUID, .count = 3, .at_us = SOME_TIME_US, .attempt = 1};
    wb_target target = spaces;
    target.min_advance_us = MINUTE_US;
    for (unsigned i = 0; i < 3; i++)
        contract_id(i + 1, ids[i].key.id);
    put(probe, 1, SOME_TIME_US - MINUTE_US - 1);
    put(probe, 2, SOME_TIME_US - MINUTE_US);
    put(probe, 3, SOME_TIME_US - MINUTE_US + 1);

    wb_touched touched = touch(probe, &target, &marks);
    assert_int_equal(touched.updated, 2);
    assert_int_equal(touched.unmatched, 0);
    assert_int_equal(time_of(probe, 1), SOME_TIME_US);
    assert_int_equal(time_of(probe, 2), SOME_TIME_US);
    assert_int_equal(time_of(probe, 3), SOME_TIME_US - MINUTE_US + 1);

    ids[2].time_us = SOME_TIME_US - MINUTE_US / 2;
    marks.at_us = SOME_TIME_US + 1;
    marks.exact = true;
    assert_int_equal(touch(probe, &target, &marks).updated, 1);
    assert_int_equal(time_of(probe, 3), SOME_TIME_US - MINUTE_US / 2);

    target.min_advance_us = INT64_MAX - 1;
    marks.at_us += MINUTE_US;
    assert_int_equal(touch(probe, &target, &marks).updated, 0);
}
