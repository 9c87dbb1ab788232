/* SPDX-License-Identifier: MIT
 * UUIDs against libuuid: parsing, formatting; and new ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <uuid/uuid.h>

#include "base/uuid.h"

enum { ROUNDS = 2000 };

/* A small generator of fixed seed, also the world's randomness here; counts how often it was asked. */
typedef struct stream {
    uint64_t state;
    unsigned calls;
} stream;

static uint64_t next(stream *s)
{
    uint64_t z = s->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static void fill(void *context, void *bytes, size_t count)
{
    stream *s = context;
    s->calls++;
    for (uint8_t *to = bytes; count > 0; count--)
        *to++ = (uint8_t)next(s);
}

static wb_uuid_source *new_source(stream *s)
{
    wb_env env = {.context = s, .random = fill};
    wb_uuid_source *source = malloc(sizeof *source);
    assert_non_null(source);
    wb_uuid_source_init(source, &env);
    return source;
}

static void random_text(stream *s, uint8_t id[16], char text[37])
{
    fill(s, id, 16);
    if (next(s) % 2)
        uuid_unparse_lower(id, text);
    else
        uuid_unparse_upper(id, text);
}

/* All parsers say what libuuid says, and leave the output alone where they refuse. */
static void assert_as_libuuid(const char text[37])
{
    static bool (*const ways[])(const char *, uint8_t[16]) = {wb_uuid_parse_portable,
                                                              wb_uuid_parse_vector};
    uint8_t expected[16], out[16];
    memset(expected, 0xAA, 16);
    bool good = uuid_parse(text, expected) == 0;
    for (int i = 0; i < 1 + wb_uuid_has_vector(); i++) {
        memset(out, 0xAA, 16);
        assert_int_equal(ways[i](text, out), good);
        assert_memory_equal(out, expected, 16);
    }
    memset(out, 0xAA, 16);
    assert_int_equal(wb_uuid_parse(text, 36, out), good);
    assert_memory_equal(out, expected, 16);
}

static void test_parses_random_ids(void **state)
{
    (void)state;
    stream s = {.state = 1};
    for (int i = 0; i < ROUNDS; i++) {
        uint8_t id[16];
        char text[37];
        random_text(&s, id, text);
        assert_as_libuuid(text);
    }
}

static void test_refuses_every_corruption(void **state)
{
    (void)state;
    stream s = {.state = 2};
    for (int round = 0; round < 4; round++) {
        uint8_t id[16];
        char text[37], broken[37];
        random_text(&s, id, text);
        for (int i = 0; i < 36; i++)
            for (int byte = 0; byte < 256; byte++) {
                memcpy(broken, text, 37);
                broken[i] = (char)byte;
                assert_as_libuuid(broken);
            }
    }
}

static void test_refuses_other_lengths(void **state)
{
    (void)state;
    const char *text = "01234567-89ab-cdef-0123-456789abcdef0123";
    uint8_t out[16];
    for (size_t bytes = 0; bytes <= 40; bytes++)
        assert_int_equal(wb_uuid_parse(text, bytes, out), bytes == 36);
    assert_false(wb_uuid_parse("{1234567-89ab-cdef-0123-456789abcde}", 36, out));
    assert_false(wb_uuid_parse("0123456789abcdef0123456789abcdef0123", 36, out));
}

/* Nothing past the 36 characters is read: a checker of memory would see it. */
static void test_reads_exactly_36(void **state)
{
    (void)state;
    char *text = malloc(36);
    uint8_t out[16];
    assert_non_null(text);
    memcpy(text, "01234567-89ab-cdef-0123-456789abcdef", 36);
    assert_true(wb_uuid_parse(text, 36, out));
    assert_true(wb_uuid_parse_portable(text, out));
    free(text);
}

/* From memory of just the text's size, so that a checker of memory sees a look past its end. */
static bool parse(const char *text, uint8_t out[16])
{
    size_t bytes = strlen(text);
    char *copy = malloc(bytes + !bytes);
    assert_non_null(copy);
    memcpy(copy, text, bytes);
    bool taken = wb_uuid_parse(copy, bytes, out);
    free(copy);
    return taken;
}

static void test_parses_other_forms(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "0123456789abcdef0123456789ABCDEF",          "{01234567-89ab-cdef-0123-456789abcdef}",
        "{0123456789abcdef0123456789abcdef}",        "0123-4567-89ab-cdef-0123-4567-89ab-cdef",
        "{0123-4567-89ab-cdef-0123-4567-89ab-cdef}", "01234567-89abcdef-01234567-89abcdef",
        "0123-456789ab-cdef-0123-456789abcdef",
    };
    static const char *const others[] = {
        "",
        "{}",
        "0123-4567-89ab-cdef0123456789abcdef0",
        "0123456789abcdef0123456789abcde",
        "0123456789abcdef0123456789abcdef0",
        "{0123456789abcdef0123456789abcdef",
        "0123456789abcdef0123456789abcdef}",
        "{{0123456789abcdef0123456789abcdef}}",
        "-0123456789abcdef0123456789abcdef",
        "0123456789abcdef0123456789abcdef-",
        "{0123456789abcdef0123456789abcdef-}",
        "01-23456789abcdef0123456789abcdef",
        "012-3456789abcdef0123456789abcdef",
        "0123--456789abcdef0123456789abcdef",
        " 0123456789abcdef0123456789abcdef",
        "0123456789abcdef0123456789abcdef ",
        "0123456789abcdef0123456789abcdeg",
        "(0123456789abcdef0123456789abcdef)",
        "{01234567-89ab-cdef-0123-456789abcde}",
        "0123-4567-89ab-cdef-0123-4567-89ab-cdef-",
        "urn:uuid:01234567-89ab-cdef-0123-456789abcdef",
    };
    uint8_t expected[16], out[16];
    assert_int_equal(uuid_parse("01234567-89ab-cdef-0123-456789abcdef", expected), 0);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        memset(out, 0xAA, 16);
        if (!parse(forms[i], out))
            fail_msg("refused: %s", forms[i]);
        assert_memory_equal(out, expected, 16);
    }
    memset(expected, 0xAA, 16);
    memset(out, 0xAA, 16);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (parse(others[i], out))
            fail_msg("taken: %s", others[i]);
    assert_memory_equal(out, expected, 16);
}

/* Hyphens and braces at random. */
static void test_parses_all_hyphens(void **state)
{
    (void)state;
    stream s = {.state = 11};
    for (unsigned hyphens = 0; hyphens < 256; hyphens++) {
        uint8_t id[16], out[16];
        char text[64], *at = text;
        fill(&s, id, 16);
        if (hyphens & 128)
            *at++ = '{';
        for (int i = 0; i < 16; i++) {
            if (i > 0 && i % 2 == 0 && hyphens >> (i / 2 - 1) & 1)
                *at++ = '-';
            at += sprintf(at, "%02x", id[i]);
        }
        if (hyphens & 128)
            *at++ = '}';
        *at = '\0';
        if (!parse(text, out))
            fail_msg("refused: %s", text);
        assert_memory_equal(out, id, 16);
    }
}

static void test_formats_as_libuuid(void **state)
{
    (void)state;
    stream s = {.state = 3};
    for (int i = 0; i < ROUNDS; i++) {
        uint8_t id[16];
        char expected[37], text[37];
        fill(&s, id, 16);
        uuid_unparse_lower(id, expected);
        text[36] = '!';
        wb_uuid_format(id, text);
        assert_memory_equal(text, expected, 36);
        assert_int_equal(text[36], '!');
    }
}

static void test_v4_is_random_with_its_version(void **state)
{
    (void)state;
    stream s = {.state = 4};
    wb_uuid_source *source = new_source(&s);
    uint8_t all[16], any[16], id[16];
    memset(all, 0xFF, 16);
    memset(any, 0, 16);
    for (int i = 0; i < ROUNDS; i++) {
        wb_uuid_v4(source, id);
        assert_int_equal(uuid_type(id), 4);
        assert_int_equal(uuid_variant(id), UUID_VARIANT_DCE);
        for (int j = 0; j < 16; j++) {
            all[j] &= id[j];
            any[j] |= id[j];
        }
    }
    /* Every bit but the six fixed ones was seen both ways. */
    for (int j = 0; j < 16; j++)
        assert_int_equal(all[j] ^ any[j], j == 6 ? 0x0F : j == 8 ? 0x3F : 0xFF);
    assert_int_equal(s.calls, (ROUNDS * 16 + WB_UUID_POOL_BYTES - 1) / WB_UUID_POOL_BYTES);
    free(source);
}

static void test_random_bytes_are_used_once(void **state)
{
    (void)state;
    stream s = {.state = 5};
    wb_uuid_source *source = new_source(&s);
    static uint8_t ids[WB_UUID_POOL_BYTES / 16 * 3][16];
    size_t count = sizeof ids / 16;
    for (size_t i = 0; i < count; i++)
        wb_uuid_v4(source, ids[i]);
    for (size_t i = 0; i < count; i++)
        for (size_t j = i + 1; j < count; j++)
            assert_int_not_equal(memcmp(ids[i], ids[j], 16), 0);
    free(source);
}

static uint64_t millis_of(const uint8_t id[16])
{
    uint64_t sum = 0;
    for (int i = 0; i < 6; i++)
        sum = sum << 8 | id[i];
    return sum;
}

static unsigned fraction_of(const uint8_t id[16])
{
    return (id[6] & 0x0Fu) << 8 | id[7];
}

static void test_v7_carries_the_time(void **state)
{
    (void)state;
    stream s = {.state = 6};
    static const struct {
        int64_t us;
        uint64_t millis;
        unsigned fraction;
    } cases[] = {
        {INT64_C(1645557742000000), UINT64_C(0x17F22E279B0), 0}, /* RFC 9562, appendix A.6 */
        {INT64_C(1645557742000500), UINT64_C(0x17F22E279B0), 2048},
        {INT64_C(1645557742000999), UINT64_C(0x17F22E279B0), 4091},
        {INT64_C(1645557742001000), UINT64_C(0x17F22E279B1), 0},
        {INT64_C(253402300799999999), UINT64_C(253402300799999), 4091},
    };
    wb_uuid_source *source = new_source(&s);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t id[16];
        wb_uuid_v7(source, cases[i].us, id);
        assert_int_equal(id[6] >> 4, 7);
        assert_int_equal(uuid_variant(id), UUID_VARIANT_DCE);
        assert_int_equal(millis_of(id), cases[i].millis);
        assert_int_equal(fraction_of(id), cases[i].fraction);
    }
    free(source);
}

/* The same time again and again, steps of a µs, and a clock that is set back by some seconds. */
static void test_v7_ascends(void **state)
{
    (void)state;
    stream s = {.state = 7};
    wb_uuid_source *source = new_source(&s);
    int64_t us = INT64_C(1700000000000000);
    uint8_t last[16] = {0}, id[16];
    for (int i = 0; i < 20000; i++) {
        us += i == 10000 ? INT64_C(-9000000) : (int64_t)(next(&s) % 3);
        wb_uuid_v7(source, us, id);
        assert_true(memcmp(last, id, 16) < 0);
        assert_int_equal(id[6] >> 4, 7);
        memcpy(last, id, 16);
    }
    free(source);
}

/* A clock that was a day ahead for one id: the next ones have its time again, and ascend. */
static void test_v7_comes_back_after_a_jump(void **state)
{
    (void)state;
    stream s = {.state = 10};
    wb_uuid_source *source = new_source(&s);
    const int64_t us = INT64_C(1700000000000000), day_us = INT64_C(86400000000);
    uint8_t last[16] = {0}, id[16];
    wb_uuid_v7(source, us + day_us, id);
    assert_int_equal(millis_of(id), (us + day_us) / 1000);
    for (int i = 0; i < 100; i++) {
        wb_uuid_v7(source, us + i * 100, id);
        assert_int_equal(millis_of(id), (us + i * 100) / 1000);
        assert_true(memcmp(last, id, 16) < 0);
        memcpy(last, id, 16);
    }
    free(source);
}

static void test_v7_before_1970_counts_as_1970(void **state)
{
    (void)state;
    stream s = {.state = 8};
    wb_uuid_source *source = new_source(&s);
    uint8_t id[16];
    wb_uuid_v7(source, INT64_MIN, id);
    assert_int_equal(millis_of(id), 0);
    assert_int_equal(fraction_of(id), 1);
    free(source);
}

/* The child of a fork asks for bytes of its own before its first id; the parent goes on with its pool. */
static void test_child_of_fork_has_its_own_bytes(void **state)
{
    (void)state;
    stream s = {.state = 9};
    wb_uuid_source *source = new_source(&s);
    uint8_t id[16];
    wb_uuid_v4(source, id);
    assert_int_equal(s.calls, 1);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        wb_uuid_v4(source, id);
        bool once = s.calls == 2;
        wb_uuid_v7(source, 1, id);
        _exit(once && s.calls == 2 ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    wb_uuid_v4(source, id);
    assert_int_equal(s.calls, 1);
    free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parses_random_ids),
        cmocka_unit_test(test_refuses_every_corruption),
        cmocka_unit_test(test_refuses_other_lengths),
        cmocka_unit_test(test_reads_exactly_36),
        cmocka_unit_test(test_parses_other_forms),
        cmocka_unit_test(test_parses_all_hyphens),
        cmocka_unit_test(test_formats_as_libuuid),
        cmocka_unit_test(test_v4_is_random_with_its_version),
        cmocka_unit_test(test_random_bytes_are_used_once),
        cmocka_unit_test(test_v7_carries_the_time),
        cmocka_unit_test(test_v7_ascends),
        cmocka_unit_test(test_v7_comes_back_after_a_jump),
        cmocka_unit_test(test_v7_before_1970_counts_as_1970),
        cmocka_unit_test(test_child_of_fork_has_its_own_bytes),
    };
    return cmocka_run_group_tests_name("uuid", tests, NULL, NULL);
}
