/* SPDX-License-Identifier: MIT
 * Array literals: their elements, and what is wrong at which byte. */
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/env.h"
#include "intake/literal.h"

typedef struct literal_case {
    const char *text;
    const char *elements; /* `element|…`, NULL as it is */
    const char *wrong;    /* and where; NULL: nothing */
    size_t wrong_at;
} literal_case;

/* The text in memory of its own size. */
static int split(const char *text, wb_record *record, char **own)
{
    size_t bytes = strlen(text);
    *own = malloc(bytes > 0 ? bytes : 1);
    assert_non_null(*own);
    memcpy(*own, text, bytes);
    return wb_literal_split(*own, bytes, record);
}

static void show(const wb_record *record, char *out)
{
    *out = '\0';
    for (size_t i = 0; i < record->count; i++) {
        const wb_piece *piece = &record->pieces[i];
        if (piece->kind == WB_PIECE_NULL)
            strcat(out, "NULL|");
        else
            sprintf(out + strlen(out), "%.*s|", (int)piece->bytes, piece->text);
    }
}

static void check(const literal_case *cases, size_t count)
{
    wb_record record = {0};
    for (size_t i = 0; i < count; i++) {
        char *own, out[256];
        assert_int_equal(split(cases[i].text, &record, &own), WB_SPLIT_RECORD);
        if (cases[i].wrong != NULL) {
            assert_non_null(record.wrong);
            assert_string_equal(record.wrong, cases[i].wrong);
            assert_int_equal(record.wrong_at, cases[i].wrong_at);
        } else {
            assert_null(record.wrong);
            show(&record, out);
            assert_string_equal(out, cases[i].elements);
        }
        free(own);
    }
    wb_record_fini(&record);
}

#define CHECK(cases) check(cases, sizeof(cases) / sizeof *(cases))

static void test_right_ones(void **state)
{
    (void)state;
    static const literal_case cases[] = {
        {"{}", "", NULL, 0},
        {" \t{ \n} ", "", NULL, 0},
        {"{1}", "1|", NULL, 0},
        {"{1,22,333}", "1|22|333|", NULL, 0},
        {"{ a b , c }", "a b|c|", NULL, 0},
        {"{\" a b \",\"\"}", " a b ||", NULL, 0},
        {"{ \"a\" , b }", "a|b|", NULL, 0},
        {"{null,NULL,nUlL,\"null\",nulls}", "NULL|NULL|NULL|null|nulls|", NULL, 0},
        {"{\\null,n\\ull}", "null|null|", NULL, 0},
        {"{\"a\\\"b\\\\c\\n\"}", "a\"b\\cn|", NULL, 0},
        {"{a\\,b,\\{,\\ ,x\\  }", "a,b|{| |x |", NULL, 0},
        {"{\",{}\"}", ",{}|", NULL, 0},
        {"{\xc3\xa9}", "\xc3\xa9|", NULL, 0},
    };
    CHECK(cases);
}

static void test_wrong_ones(void **state)
{
    (void)state;
    static const literal_case cases[] = {
        {"", NULL, "expected {", 0},
        {"  ", NULL, "expected {", 2},
        {"1,2", NULL, "expected {", 0},
        {"[0:1]={1,2}", NULL, "expected {", 0},
        {"{", NULL, "expected , or }", 1},
        {"{1", NULL, "expected , or }", 2},
        {"{1,", NULL, "expected , or }", 3},
        {"{1,}", NULL, "an element is missing", 3},
        {"{,1}", NULL, "an element is missing", 1},
        {"{ , }", NULL, "an element is missing", 2},
        {"{1}}", NULL, "text after the array", 3},
        {"{1} x", NULL, "text after the array", 3},
        {"{{1}}", NULL, "an array of more than one dimension", 1},
        {"{1,{2}}", NULL, "an array of more than one dimension", 3},
        {"{1{}", NULL, "expected , or }", 2},
        {"{\"a}", NULL, "a quoted element has no end", 1},
        {"{\"a\\\"}", NULL, "a quoted element has no end", 1},
        {"{\"a\\", NULL, "a quoted element has no end", 1},
        {"{a\\", NULL, "expected , or }", 3},
        {"{\"a\"b}", NULL, "expected , or }", 4},
        {"{a\"b\"}", NULL, "expected , or }", 2},
    };
    CHECK(cases);
}

static void test_memory(void **state)
{
    (void)state;
    char text[200] = "{0";
    for (int i = 1; i < 90; i++)
        strcat(text, ",0");
    strcat(text, "}");
    int answer = WB_SPLIT_MEMORY;
    for (size_t n = 1; answer != WB_SPLIT_RECORD; n++) {
        wb_record record = {0};
        char *own;
        wb_alloc_fail_after(n);
        answer = split(text, &record, &own);
        wb_alloc_fail_after(0);
        free(own);
        assert_int_equal(split(text, &record, &own), WB_SPLIT_RECORD);
        assert_int_equal(record.count, 90);
        free(own);
        wb_record_fini(&record);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right_ones),
        cmocka_unit_test(test_wrong_ones),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
