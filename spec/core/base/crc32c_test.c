/* SPDX-License-Identifier: MIT
 * The examples of RFC 3720, appendix B.4; and the two ways to the same sum. */
#include "base/crc32c.h"

#include "support/support.h"

static uint32_t (*const ways[])(uint32_t, const void *, size_t) = {wb_crc32c, wb_crc32c_by_table};

static void test_examples(void **state)
{
    (void)state;
    uint8_t zeros[32] = {0}, ones[32], up[32], down[32];
    memset(ones, 0xff, sizeof ones);
    for (uint8_t i = 0; i < 32; i++) {
        up[i] = i;
        down[i] = 31 - i;
    }
    for (size_t way = 0; way < 2; way++) {
        assert_int_equal(ways[way](0, zeros, 32), 0x8a9136aa);
        assert_int_equal(ways[way](0, ones, 32), 0x62a8ab43);
        assert_int_equal(ways[way](0, up, 32), 0x46dd794e);
        assert_int_equal(ways[way](0, down, 32), 0x113fdb5c);
        assert_int_equal(ways[way](0, "123456789", 9), 0xe3069283);
        assert_int_equal(ways[way](7, "", 0), 7);
    }
}

static void test_both_ways_go_on_from_anywhere(void **state)
{
    (void)state;
    uint8_t bytes[200];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * i + 3 * i);
    uint32_t whole = wb_crc32c(0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++)
        for (size_t way = 0; way < 4; way++) {
            uint32_t head = ways[way / 2](0, bytes, cut);
            assert_int_equal(ways[way % 2](head, bytes + cut, sizeof bytes - cut), whole);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_both_ways_go_on_from_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
