/* SPDX-License-Identifier: MIT
 * Segments: what is put is read back; what is believed of one after the machine started anew is what its proofs show.
 * See segment_bytes_test.c. */
#include <stdlib.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "spool/disk.h"
#include "spool/reading.h"
#include "support/rounds.h"
#include "support/made_segment.h"

/* ---- looking at what is read ---- */

static void check_entry(const struct made *made, const wb_spool_reading *reading, uint32_t number)
{
    wb_spooled_row row;
    const struct made_entry *put = &made->puts[number];
    bool named = put->entry.table != 0 && put->entry.table != WB_SPOOL_NOT_ROUTED;
    assert_int_equal(wb_spool_segment_row(reading, number, &row), put->entry.adds > 0);
    if (put->entry.adds == 0) {
        assert_int_equal(wb_spool_segment_replaces(reading, number), put->entry.replaces);
        return;
    }
    assert_int_equal(row.entry, number);
    assert_int_equal(row.bytes, put->count);
    assert_memory_equal(row.tuple, put->bytes, put->count);
    assert_int_equal(row.adds, put->entry.adds);
    assert_int_equal(row.unix_us, put->entry.unix_us);
    assert_int_equal(row.replaces, put->entry.replaces);
    assert_int_equal(row.routed, put->entry.table != WB_SPOOL_NOT_ROUTED);
    assert_int_equal(row.table != NULL, named);
    if (named)
        assert_string_equal(row.table, (const char *)made->puts[put->entry.table].bytes);
}

/* The first `count` entries are believed, and are what was put. */
static void check_bytes(const struct made *made, const uint8_t *bytes, size_t size, uint32_t count)
{
    wb_spool_reading reading;
    size_t schema_bytes;
    assert_ok(wb_spool_segment_read(bytes, size, false, &reading, NULL));
    assert_int_equal(reading.serial, MADE_SERIAL);
    assert_int_equal(reading.count, count);
    assert_true(reading.replaces);
    assert_int_equal(reading.doubtful, !reading.same_boot);
    for (uint32_t i = 0; i < count; i++)
        check_entry(made, &reading, i);
    const uint8_t *schema = wb_spool_segment_schema(&reading, &schema_bytes);
    assert_int_equal(schema_bytes, count > 0 ? sizeof made_head - 2 : 0);
    assert_memory_equal(schema, made_head + 2, schema_bytes);
}

static void check_file(const struct made *made, uint32_t count)
{
    size_t size;
    uint8_t *bytes = root_read(made_path, &size);
    assert_int_equal(size, made->segment.size);
    check_bytes(made, bytes, size, count);
    free(bytes);
}

static void check_after_start(const struct made *made, uint32_t count)
{
    wb_disk_starts++;
    check_file(made, count);
    wb_disk_starts--;
}

/* ---- what is believed ---- */

static void test_what_is_published_is_read(void **state)
{
    (void)state;
    static struct made made;
    for (uint64_t seed = 1; seed <= (uint64_t)rounds(100); seed++) {
        made_begin(&made, seed);
        check_file(&made, 1);
        made_put(&made, (int)random_below(&made.random, 20));
        check_file(&made, 1); /* nobody sees it yet */
        wb_spool_segment_publish(&made.segment);
        check_file(&made, made.count);
        made_put(&made, MADE_MOST);
        wb_spool_segment_publish(&made.segment);
        check_file(&made, made.count);
        made_end(&made);
    }
}

static void test_after_a_start_what_is_proven_is_read(void **state)
{
    (void)state;
    static struct made made;
    for (uint64_t seed = 1; seed <= (uint64_t)rounds(100); seed++) {
        uint32_t proven = 0, before;
        made_begin(&made, seed);
        check_after_start(&made, 0);
        do {
            before = made.count;
            made_put(&made, 1 + (int)random_below(&made.random, 8));
            wb_spool_segment_publish(&made.segment);
            check_after_start(&made, proven);
            if (random_below(&made.random, 3) > 0) {
                assert_int_equal(wb_spool_segment_prove(&made.segment), made.count > proven);
                assert_false(wb_spool_segment_prove(&made.segment));
                proven = made.count;
            }
            check_after_start(&made, proven);
        } while (made.count > before);
        made_end(&made);
    }
}

/* A proof that is lost, or torn, leaves the one before it. */
static void test_a_lost_proof_leaves_the_one_before(void **state)
{
    (void)state;
    static struct made made;
    for (uint64_t seed = 1; seed <= (uint64_t)rounds(50); seed++) {
        uint32_t proven[2] = {0, 0};
        made_begin(&made, seed);
        for (int i = 0; i < 20 && made.count < MADE_MOST - 10; i++) {
            size_t size;
            made_put(&made, 1 + (int)random_below(&made.random, 4));
            wb_spool_segment_publish(&made.segment);
            uint8_t *old = root_read(made_path, &size);
            if (!wb_spool_segment_prove(&made.segment))
                break;
            proven[0] = proven[1];
            proven[1] = made.count;
            wb_disk_starts++;
            check_bytes(&made, old, size, proven[0]);
            wb_disk_starts--;
            free(old);
        }
        check_after_start(&made, made.count);
        made_end(&made);
    }
}

/* A byte of a row that is lost takes the proofs with it that have it, and no earlier one. */
static void test_a_damaged_row_is_not_believed(void **state)
{
    (void)state;
    static struct made made;
    for (uint64_t seed = 1; seed <= (uint64_t)rounds(100); seed++) {
        size_t size;
        made_begin(&made, seed);
        made_put(&made, 10);
        wb_spool_segment_publish(&made.segment);
        assert_true(wb_spool_segment_prove(&made.segment));
        uint32_t first = made.count;
        do
            made_put(&made, 1);
        while (made.puts[made.count - 1].count == 0);
        wb_spool_segment_publish(&made.segment);
        assert_true(wb_spool_segment_prove(&made.segment));
        uint8_t *bytes = root_read(made_path, &size);
        bytes[wb_spool_segment_entry(&made.segment, made.count - 1)->begin] ^= 1;
        wb_disk_starts++;
        check_bytes(&made, bytes, size, first);
        wb_disk_starts--;
        free(bytes);
        made_end(&made);
    }
}

static void test_marks_are_in_no_proof(void **state)
{
    (void)state;
    static struct made made;
    wb_spool_reading reading;
    wb_spooled_row row;
    size_t size;
    const uint64_t key[2] = {12, 34};
    made_begin(&made, 1);
    while (made.puts[made.count - 1].entry.adds == 0)
        made_put(&made, 1);
    wb_spool_segment_publish(&made.segment);
    wb_spool_segment_prove(&made.segment);
    wb_spool_entry *entry = wb_spool_segment_entry(&made.segment, made.count - 1);
    wb_entry_cover(entry, key);
    check_after_start(&made, made.count);
    uint8_t *bytes = root_read(made_path, &size);
    assert_ok(wb_spool_segment_read(bytes, size, false, &reading, NULL));
    assert_true(wb_spool_segment_row(&reading, made.count - 1, &row));
    assert_true(row.key[0] == 12 && row.key[1] == 34 && !row.settled);
    free(bytes);
    assert_true(wb_entry_settle(entry));
    assert_false(wb_entry_settle(entry));
    check_after_start(&made, made.count);
    bytes = root_read(made_path, &size);
    assert_ok(wb_spool_segment_read(bytes, size, false, &reading, NULL));
    assert_true(wb_spool_segment_row(&reading, made.count - 1, &row));
    assert_true(row.settled && row.key[0] == 0 && row.key[1] == 0);
    free(bytes);
    made_end(&made);
}

/* ---- what is damaged ---- */

static void sign(uint8_t *bytes)
{
    wb_spool_header *header = (wb_spool_header *)bytes;
    header->check = wb_crc32c(0, header, offsetof(wb_spool_header, check));
}

static void refuse(const uint8_t *bytes, size_t size, const char *why)
{
    wb_spool_reading reading = {.serial = 99};
    wb_err err = {0};
    assert_int_equal(wb_spool_segment_read(bytes, size, false, &reading, &err), WB_INVALID);
    assert_non_null(strstr(err.text, why));
    assert_int_equal(reading.serial, 99);
}

static void test_what_is_no_segment_is_named(void **state)
{
    (void)state;
    static struct made made;
    size_t size;
    made_begin(&made, 1);
    made_put(&made, 5);
    wb_spool_segment_publish(&made.segment);
    uint8_t *bytes = root_read(made_path, &size);
    assert_false(wb_spool_segment_is_blank(bytes, size));
    wb_spool_header *header = (wb_spool_header *)bytes, good = *header;
    refuse(bytes, 0, "0 bytes");
    refuse(bytes, WB_SPOOL_ENTRIES_AT + sizeof(wb_spool_entry) - 1, "and a segment more");
    refuse(bytes, size - 4096, "and should have");
    header->serial++;
    refuse(bytes, size, "damaged");
    *header = good;
    header->version++;
    sign(bytes);
    refuse(bytes, size, "its format is 2, and 1 is known");
    *header = good;
    header->magic = 0;
    refuse(bytes, size, "no segment");
    memset(bytes, 0, size);
    refuse(bytes, size, "no segment");
    assert_true(wb_spool_segment_is_blank(bytes, size));
    assert_true(wb_spool_segment_is_blank(bytes, 0));
    memset(bytes, 1, offsetof(wb_spool_header, count)); /* half a header: its process died */
    assert_true(wb_spool_segment_is_blank(bytes, size));
    assert_false(wb_spool_segment_is_blank(bytes, 100));
    for (size_t at = WB_SPOOL_ENTRIES_AT; at < size; at += 4096 - 1) {
        bytes[at] = 1;
        assert_false(wb_spool_segment_is_blank(bytes, size));
        bytes[at] = 0;
    }
    free(bytes);
    made_end(&made);
}

static void test_gaps_leave_what_is_proven(void **state)
{
    (void)state;
    static struct made made;
    size_t size;
    wb_spool_reading reading;
    made_begin(&made, 3);
    made_put(&made, 5);
    wb_spool_segment_publish(&made.segment);
    wb_spool_segment_prove(&made.segment);
    uint32_t proven = made.count;
    made_put(&made, 5);
    wb_spool_segment_publish(&made.segment);
    uint8_t *bytes = root_read(made_path, &size);
    assert_ok(wb_spool_segment_read(bytes, size, true, &reading, NULL));
    assert_true(reading.count == proven && reading.claimed == made.count && !reading.same_boot);
    free(bytes);
    made_end(&made);
}

/* ---- making ---- */

static void test_a_segment_that_can_not_be_made_leaves_nothing(void **state)
{
    (void)state;
    wb_spool_segment segment = {.serial = 99};
    wb_err err = {0};
    for (size_t n = 1; n <= 3; n++) {
        wb_disk_fail_after(n);
        assert_int_equal(made_at(made_path, &segment, &err), WB_STORE);
        wb_disk_fail_after(0);
        assert_non_null(strstr(err.text, "1.seg"));
        assert_int_equal(root_count(made_root, NULL), 0);
    }
    root_write(made_path, "x", 1);
    assert_int_equal(made_at(made_path, &segment, &err), WB_STORE); /* none of the name may be */
    assert_int_equal(root_count(made_root, NULL), 1);
    assert_int_equal(segment.serial, 99);
    unlink(made_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_published_is_read),
        cmocka_unit_test(test_after_a_start_what_is_proven_is_read),
        cmocka_unit_test(test_a_lost_proof_leaves_the_one_before),
        cmocka_unit_test(test_a_damaged_row_is_not_believed),
        cmocka_unit_test(test_marks_are_in_no_proof),
        cmocka_unit_test(test_what_is_no_segment_is_named),
        cmocka_unit_test(test_gaps_leave_what_is_proven),
        cmocka_unit_test(test_a_segment_that_can_not_be_made_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, made_open, made_close);
}
