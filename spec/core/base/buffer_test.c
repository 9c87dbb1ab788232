/* SPDX-License-Identifier: MIT
 * Strings of JSON against an encoder that goes byte by byte; a buffer without memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/rounds.h"

#include "base/buffer.h"
#include "base/env.h"
#include "base/json_bytes.h"

enum { LONGEST = 80 };

static size_t encode_slowly(const uint8_t *text, size_t bytes, char *out)
{
    static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    char *to = out;
    *to++ = '"';
    for (size_t i = 0; i < bytes; i++) {
        const char *letter = letters;
        while (*letter && (uint8_t)*letter != text[i])
            letter += 2;
        if (*letter)
            to += sprintf(to, "\\%c", letter[1]);
        else if (text[i] < ' ')
            to += sprintf(to, "\\u%04x", text[i]);
        else
            *to++ = (char)text[i];
    }
    *to++ = '"';
    return (size_t)(to - out);
}

static bool is_plain(const uint8_t *text, size_t bytes, bool escaped)
{
    for (size_t i = 0; i < bytes; i++)
        if (text[i] >= 0x80 || text[i] == 0)
            return false;
        else if (escaped && (text[i] < ' ' || text[i] == '"' || text[i] == '\\'))
            return false;
    return true;
}

/* In memory of just that size, so that a sanitizer sees what reads or writes past it. */
static void check(const uint8_t *bytes, size_t count)
{
    char expected[6 * LONGEST + 2];
    size_t length = encode_slowly(bytes, count, expected);
    uint8_t *text = malloc(count + 1);
    char *copy = malloc(count + 1);
    wb_buffer json = WB_BUFFER_EMPTY;
    memcpy(text, bytes, count);
    text = realloc(text, count ? count : 1);
    copy = realloc(copy, count ? count : 1);
    bool plain = wb_buffer_put_json_string(&json, (const char *)text, count);
    assert_int_equal(plain, is_plain(bytes, count, false));
    assert_int_equal(json.bytes, length);
    assert_memory_equal(json.data, expected, length);
    bool copied = wb_json_copy_plain(copy, (const char *)text, count);
    assert_int_equal(copied, is_plain(bytes, count, true));
    if (copied && count > 0)
        assert_memory_equal(copy, text, count);
    wb_buffer_fini(&json);
    free(text);
    free(copy);
}

static void test_each_byte_at_each_place(void **state)
{
    (void)state;
    uint8_t text[LONGEST];
    for (size_t bytes = 1; bytes <= 40; bytes++)
        for (size_t at = 0; at < bytes; at++)
            for (int byte = 0; byte < 256; byte++) {
                memset(text, 'a', bytes);
                text[at] = (uint8_t)byte;
                check(text, bytes);
            }
    check(text, 0);
}

static void test_random_bytes(void **state)
{
    (void)state;
    uint8_t text[LONGEST];
    srand(1);
    for (int round = 0; round < rounds(100000); round++) {
        size_t bytes = (size_t)(rand() % LONGEST);
        for (size_t i = 0; i < bytes; i++)
            text[i] = (uint8_t)(rand() % 8 ? ' ' + rand() % 95 : rand());
        check(text, bytes);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    char text[2000];
    memset(text, '"', sizeof text);
    for (size_t n = 1;; n++) {
        wb_buffer json = WB_BUFFER_EMPTY;
        wb_alloc_fail_after(n);
        bool put = wb_buffer_put_json_string(&json, text, sizeof text);
        wb_alloc_fail_after(0);
        bool failed = json.failed;
        assert_int_equal(put, !failed);
        wb_buffer_fini(&json);
        if (!failed) {
            assert_true(n > 2);
            return;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_byte_at_each_place),
        cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
