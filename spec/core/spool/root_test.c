/* SPDX-License-Identifier: MIT
 * Where a spool may be, and where not, with the reason. */
#include "support/support.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/folder.h"
#include "support/spool_root.h"

enum { LONG = 600 };

static void refuse(const char *path, const char *why)
{
    wb_err err = {0};
    assert_int_equal(wb_root_check(path, false, &err), WB_MISUSE);
    assert_non_null(strstr(err.text, why));
    assert_non_null(strstr(err.text, "spool.path"));
}

static void test_roots_that_are_refused(void **state)
{
    (void)state;
    char path[LONG], link[LONG], deep[LONG];
    snprintf(path, sizeof path, "%s/r", test_root);
    snprintf(link, sizeof link, "%s/link", test_root);
    snprintf(deep, sizeof deep, "%s/none/r", test_root);
    refuse(deep, "can't be made");
    assert_ok(wb_root_check(path, false, NULL));
    assert_ok(wb_root_check(path, false, NULL));
    chmod(path, 0770);
    refuse(path, "others can write there (mode 770)");
    chmod(path, 0702);
    refuse(path, "others can write there (mode 702)");
    chmod(path, 0755);
    assert_ok(wb_root_check(path, false, NULL));
    assert_int_equal(symlink(path, link), 0);
    refuse(link, "symbolic link");
    unlink(link);
    root_write(link, "x", 1);
    refuse(link, "is no folder");
    unlink(link);
    if (geteuid() == 0 && chown(path, 12345, 0) == 0)
        refuse(path, "is of user 12345");
    rmdir(path);
}

static void test_a_root_in_memory_does_not_outlive_the_machine(void **state)
{
    (void)state;
    wb_err err = {0};
    if (strncmp(test_root, "/dev/shm", 8) != 0)
        return;
    assert_int_equal(wb_root_check(test_root, true, &err), WB_MISUSE);
    assert_non_null(strstr(err.text, "in memory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roots_that_are_refused),
        cmocka_unit_test(test_a_root_in_memory_does_not_outlive_the_machine),
    };
    return cmocka_run_group_tests(tests, root_open, root_close);
}
