/* SPDX-License-Identifier: MIT
 * What is read from an answer of JetStream, and from what is none. */
#include "support/support.h"

#include <nats/nats.h>

#include "stores/nats/nats.h"

static wb_nats_answer read(const char *json)
{
    wb_nats_answer answer = {.error = 99};
    assert_true(wb_nats_read_answer(json, strlen(json), &answer));
    return answer;
}

static void test_answers(void **state)
{
    (void)state;
    wb_nats_answer answer =
        read("{\"stream\":\"S\", \"seq\":18446744073709551615,\"duplicate\": true}");
    assert_true(answer.sequence == UINT64_MAX && answer.error == 0);
    answer = read(
        " {\"error\":{\"code\":503,\"err_code\":10077,\"description\":\"maximum bytes exceeded\"},"
        "\"stream\":\"S\",\"seq\":0} ");
    assert_int_equal(answer.error, 10077);
    assert_string_equal(answer.why, "maximum bytes exceeded");
    assert_true(answer.sequence == 0);
    answer = read("{\"config\":{\"subjects\":[\"a\",{\"max_bytes\":1}],\"max_bytes\":60000}}");
    assert_true(answer.most_bytes == 60000);
    assert_true(read("{\"config\":{\"max_bytes\":-1}}").most_bytes == 0);
}

/* JSON that says nothing of it is no error, and nothing stored. */
static void test_other_json(void **state)
{
    (void)state;
    const char *const others[] = {"{}",
                                  "[]",
                                  "1",
                                  "\"seq\"",
                                  "{\"error\":[]}",
                                  "{\"x\":{\"seq\":5}}",
                                  "{\"seq\":\"x\"}",
                                  "{\"config\":5}",
                                  "{\"error\":{\"description\":7}}"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_true(read(others[i]).sequence == 0);
    assert_int_equal(read("{\"error\":{}}").error, -1);
}

static void test_no_json(void **state)
{
    (void)state;
    const char *const none[] = {"", "{", "{\"seq\":}", "{\"seq\":1", "+OK", "{\"seq\":1}}", "\xff"};
    wb_nats_answer answer;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_false(wb_nats_read_answer(none[i], strlen(none[i]), &answer));
    const char *whole = "{\"seq\":12,\"error\":{\"err_code\":1,\"description\":\"a\\\"b\"}}";
    for (size_t bytes = 0; bytes < strlen(whole); bytes++)
        assert_false(wb_nats_read_answer(whole, bytes, &answer));
}

static void test_classes(void **state)
{
    (void)state;
    const int errors[][2] = {
        {10077, WB_RETRY}, {10059, WB_HOLD}, {10054, WB_REJECT}, {1, WB_RETRY}};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        wb_err err = {0};
        const wb_nats_answer answer = {.error = errors[i][0], .why = "why"};
        assert_int_equal(wb_nats_refused(&answer, "S", &err), WB_STORE);
        assert_int_equal(err.error_class, errors[i][1]);
        assert_non_null(strstr(err.text, "stream \"S\": why ("));
    }
}

static void test_subjects(void **state)
{
    (void)state;
    wb_nats_settings settings = {.stream = "S"};
    wb_buffer subject = WB_BUFFER_EMPTY;
    assert_true(wb_nats_subject(&settings, "public.a *>\tb", &subject));
    char *text = wb_buffer_take(&subject, NULL);
    assert_string_equal(text, "S.public_a____b");
    wb_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),  cmocka_unit_test(test_other_json),
        cmocka_unit_test(test_no_json),  cmocka_unit_test(test_classes),
        cmocka_unit_test(test_subjects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
