/* SPDX-License-Identifier: MIT
 * See made_segment.h. */
#include "support/made_segment.h"

#include <stdio.h>
#include <unistd.h>

enum { ROOM = 16000 };

char made_root[ROOT_PATH], made_path[ROOT_PATH + 16];
const uint8_t made_head[12] = "t\0n\0int8\0\0\0";

int made_open(void **state)
{
    (void)state;
    root_make(made_root);
    snprintf(made_path, sizeof made_path, "%s/1.seg", made_root);
    return 0;
}

int made_close(void **state)
{
    (void)state;
    root_remove(made_root);
    return 0;
}

/* ---- making one ---- */

int made_at(const char *path, wb_spool_segment *out, wb_err *err)
{
    const wb_spool_segment_plan plan = {.path = path,
                                        .serial = MADE_SERIAL,
                                        .room = ROOM,
                                        .replaces = true,
                                        .head = made_head,
                                        .head_bytes = sizeof made_head};
    return wb_spool_segment_make(&plan, out, err);
}

void made_begin(struct made *made, uint64_t seed)
{
    memset(made, 0, sizeof *made);
    made->random = seed;
    assert_ok(made_at(made_path, &made->segment, NULL));
    made->count = 1;
    made->puts[0].count = sizeof made_head;
    memcpy(made->puts[0].bytes, made_head, sizeof made_head);
}

void made_end(struct made *made)
{
    wb_spool_segment_fini(&made->segment);
    assert_int_equal(unlink(made_path), 0);
}

static uint32_t any_text(struct made *made)
{
    for (uint32_t i = 1; i < made->count; i++)
        if (made->puts[i].entry.adds == 0 && made->puts[i].count > 0)
            return i;
    return 0;
}

static void fill_text(struct made *made, struct made_entry *put)
{
    put->count = 2 + random_below(&made->random, 20);
    memset(put->bytes, 'a', put->count - 1);
    put->bytes[put->count - 1] = '\0';
}

static void fill_row(struct made *made, struct made_entry *put)
{
    put->count = 2 + random_below(&made->random, sizeof put->bytes - 2);
    for (size_t i = 0; i < put->count; i++)
        put->bytes[i] = (uint8_t)next_random(&made->random);
    put->entry.adds = 1 + random_below(&made->random, 5);
    put->entry.unix_us = (int64_t)next_random(&made->random);
    put->entry.replaces = random_below(&made->random, 2) * next_random(&made->random);
    put->entry.table = random_below(&made->random, 2) ? any_text(made) : WB_SPOOL_NOT_ROUTED;
}

/* Mostly a row, now and then a table's name or one more reference. */
static bool put_any(struct made *made)
{
    struct made_entry *put = &made->puts[made->count];
    uint64_t dice = random_below(&made->random, 10);
    if (dice == 0)
        fill_text(made, put);
    else if (dice == 1)
        put->entry.replaces = next_random(&made->random);
    else
        fill_row(made, put);
    if (made->count == MADE_MOST - 1 || !wb_spool_segment_fits(&made->segment, 1, put->count))
        return false;
    uint32_t number = wb_spool_segment_put(&made->segment, &put->entry, put->bytes, put->count);
    assert_int_equal(number, made->count++);
    return true;
}

void made_put(struct made *made, int most)
{
    for (int i = 0; i < most && put_any(made);)
        i++;
}
