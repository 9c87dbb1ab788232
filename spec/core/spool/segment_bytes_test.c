/* SPDX-License-Identifier: MIT
 * Whatever the bytes of a segment are, nothing beside them is read: valid ones with some changed, cut, their header signed
 * anew or not. A sanitizer sees what is read. */
#include <stdlib.h>

#include "base/crc32c.h"
#include "spool/reading.h"
#include "support/made_segment.h"
#include "support/rounds.h"

enum { MUTATIONS = 6000, LEAST = 8192 };

static void sign(uint8_t *bytes)
{
    wb_spool_header *header = (wb_spool_header *)bytes;
    header->check = wb_crc32c(0, header, offsetof(wb_spool_header, check));
}

static uint64_t the_sum; /* of all that was read, so that it is */

static void read_bytes(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        the_sum += bytes[i];
}

static void read_all(const uint8_t *bytes, size_t size, bool gaps)
{
    wb_spool_reading reading;
    wb_spooled_row row;
    size_t count;
    wb_err err;
    if (wb_spool_segment_read(bytes, size, gaps, &reading, &err) != WB_OK) {
        assert_true(strlen(err.text) > 0);
        return;
    }
    const uint8_t *schema = wb_spool_segment_schema(&reading, &count);
    read_bytes(schema, count);
    for (uint32_t i = 0; i < reading.count; i++) {
        the_sum += wb_spool_segment_replaces(&reading, i);
        if (!wb_spool_segment_row(&reading, i, &row))
            continue;
        assert_true(row.bytes >= sizeof(uint16_t));
        read_bytes(row.tuple, row.bytes);
        the_sum += row.table != NULL ? strlen(row.table) : 0;
    }
}

/* A byte, or a number that may point somewhere. */
static void mutate(uint8_t *bytes, size_t size, uint64_t *random)
{
    static const uint32_t words[] = {0, 1, 2, 4095, 4096, 4097, 1 << 17, UINT32_MAX, INT32_MAX};
    uint32_t *of = (uint32_t *)bytes, *word = &of[random_below(random, size / 4)];
    uint64_t dice = random_below(random, 6);
    if (dice < 3)
        word = &of[(WB_SPOOL_ENTRIES_AT + random_below(random, 40 * sizeof(wb_spool_entry))) / 4];
    if (dice == 0)
        *word = words[random_below(random, sizeof words / sizeof *words)];
    else if (dice == 1)
        *word = (uint32_t)(size - 8 + random_below(random, 16));
    else if (dice == 2)
        *word += (uint32_t)random_below(random, 64) - 32;
    else if (dice == 3)
        ((wb_spool_header *)bytes)->count = (uint32_t)random_below(random, 2 * MADE_MOST);
    else
        bytes[random_below(random, size)] ^= (uint8_t)(1 << random_below(random, 8));
}

static void test_nothing_beside_any_bytes_is_read(void **state)
{
    (void)state;
    static struct made made;
    size_t size;
    made_begin(&made, 5);
    made_put(&made, 60);
    wb_spool_segment_publish(&made.segment);
    wb_spool_segment_prove(&made.segment);
    uint8_t *whole = root_read(made_path, &size);
    for (uint64_t seed = 1; seed <= (uint64_t)rounds(MUTATIONS); seed++) {
        uint64_t random = seed;
        size_t less = random_below(&random, 8) == 0 ? random_below(&random, size) : 0;
        uint8_t *bytes = malloc(size - less);
        memcpy(bytes, whole, size - less);
        for (uint64_t i = 1 + random_below(&random, 4); i > 0 && size - less > LEAST; i--)
            mutate(bytes, size - less, &random);
        if (size - less > sizeof(wb_spool_header) && random_below(&random, 8) > 0) {
            ((wb_spool_header *)bytes)->size = (uint32_t)(size - less);
            sign(bytes);
        }
        read_all(bytes, size - less, random_below(&random, 4) == 0);
        free(bytes);
    }
    free(whole);
    made_end(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nothing_beside_any_bytes_is_read)};
    return cmocka_run_group_tests(tests, made_open, made_close);
}
