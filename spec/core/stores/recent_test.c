/* SPDX-License-Identifier: MIT
 * The list of the tables used last: its order, and how long it gets. */
#include "support/support.h"

#include <stdio.h>

#include "stores/recent.h"

enum { TABLES = WB_RECENT_TABLES + 6 };

static struct entry {
    wb_recent base;
    char name[16];
} entries[TABLES];

static wb_recent *entry(int i)
{
    snprintf(entries[i].name, sizeof entries[i].name, "t%d", i);
    entries[i].base = (wb_recent){.name = entries[i].name};
    return &entries[i].base;
}

static int length_of(const wb_recent *list)
{
    int length = 0;
    for (; list != NULL; list = list->next)
        length++;
    return length;
}

static void found_comes_first(void **state)
{
    (void)state;
    wb_recent *list = NULL;
    char other_place[] = "t1";
    assert_null(wb_recent_find(&list, "t0"));
    assert_null(wb_recent_take(&list));
    for (int i = 0; i < 3; i++)
        assert_null(wb_recent_put(&list, entry(i)));
    assert_string_equal(list->name, "t2");
    assert_ptr_equal(wb_recent_find(&list, other_place), &entries[1]);
    assert_ptr_equal(wb_recent_find(&list, "t1"), &entries[1]);
    assert_null(wb_recent_find(&list, "t"));
    assert_null(wb_recent_find(&list, "t11"));
    static const char *const order[] = {"t1", "t2", "t0"};
    for (int i = 0; i < 3; i++)
        assert_string_equal(wb_recent_take(&list)->name, order[i]);
    assert_null(list);
}

/* Once the list is full, the table that was used longest ago goes. To find one is to use it. */
static void bounded(void **state)
{
    (void)state;
    wb_recent *list = NULL;
    for (int i = 0; i < WB_RECENT_TABLES; i++)
        assert_null(wb_recent_put(&list, entry(i)));
    assert_ptr_equal(wb_recent_find(&list, "t0"), &entries[0]);
    for (int i = WB_RECENT_TABLES; i < TABLES; i++) {
        wb_recent *gone = wb_recent_put(&list, entry(i));
        assert_ptr_equal(gone, &entries[i - WB_RECENT_TABLES + 1]);
        assert_int_equal(length_of(list), WB_RECENT_TABLES);
    }
    assert_ptr_equal(wb_recent_find(&list, "t0"), &entries[0]);
    assert_null(wb_recent_find(&list, "t1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found_comes_first),
        cmocka_unit_test(bounded),
    };
    return cmocka_run_group_tests_name("store_recent", tests, NULL, NULL);
}
