/* SPDX-License-Identifier: MIT
 * Folders of spools: whose lock it is, over descriptors and forks, and who takes over what. */
#include "support/support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utime.h>

#include "spool/disk.h"
#include "spool/folder.h"
#include "support/spool_root.h"

enum { LONG = 600 };

static void make(const char *name, wb_folder *out)
{
    assert_ok(wb_folder_make(test_root, "batcher", name, out, NULL));
}

static void path_in(const char *folder, const char *name, char out[LONG])
{
    assert_true(snprintf(out, LONG, "%s/%s", folder, name) < LONG);
}

static void put_file(const char *folder, const char *name)
{
    char path[LONG];
    path_in(folder, name, path);
    root_write(path, "x", 1);
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* As if its process had died: it stays as it is, and its lock is free. */
static void die(wb_folder *folder)
{
    put_file(folder->path, "0000000000000001.seg");
    wb_folder_fini(folder);
}

/* What a look from the first folder on finds. */
static int find(const wb_folder *own, const char *name, wb_found_folder *found)
{
    size_t at = 0;
    return wb_folder_find(test_root, own, "batcher", name, &at, found);
}

/* Does another process find it free? */
static bool is_free(const char *path)
{
    char owner[LONG];
    path_in(path, "owner", owner);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int fd = open(owner, O_RDWR);
        _exit(fd >= 0 && fcntl(fd, F_OFD_SETLK, &whole) == 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WEXITSTATUS(status) == 1;
}

/* ---- locks ---- */

static void test_a_folder_says_whose_it_is(void **state)
{
    (void)state;
    char owner[LONG];
    size_t bytes;
    struct stat status;
    wb_folder folder;
    make("stats of t", &folder);
    path_in(folder.path, "owner", owner);
    uint8_t *text = root_read(owner, &bytes);
    const char *wanted = "writebehind spool 1\nkind batcher\nname stats of t\n";
    assert_int_equal(bytes, strlen(wanted));
    assert_memory_equal(text, wanted, bytes);
    free(text);
    assert_true(stat(folder.path, &status) == 0 && (status.st_mode & 0777) == 0700);
    assert_true(stat(owner, &status) == 0 && (status.st_mode & 0777) == 0600);
    assert_true(wb_folder_is_lock(folder.lock));
    assert_false(wb_folder_is_lock(folder.lock + 1000));
    int lock = folder.lock;
    char *path = strdup(folder.path);
    wb_folder_fini(&folder);
    assert_false(wb_folder_is_lock(lock));
    assert_false(is_there(path));
    free(path);
}

static void test_a_second_descriptor_has_no_lock_and_takes_none(void **state)
{
    (void)state;
    char owner[LONG];
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    wb_found_folder found;
    wb_folder own, other;
    make("a", &own);
    make("a", &other);
    path_in(own.path, "owner", owner);
    int fd = open(owner, O_RDWR);
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &whole), -1);
    close(fd);
    assert_false(is_free(own.path));
    assert_int_equal(find(&other, "a", &found), WB_FOUND_NONE);
    assert_false(is_free(own.path));
    wb_folder_fini(&other);
    assert_false(is_free(own.path));
    wb_folder_fini(&own);
}

/* The exit status of a child that runs on while the parent asks. */
static pid_t child_that_waits(int *go)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) != 0);
    }
    close(ends[0]);
    *go = ends[1];
    return child;
}

static void end_child(pid_t child, int go)
{
    int status;
    close(go);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_a_child_has_no_lock(void **state)
{
    (void)state;
    int go;
    wb_folder folder;
    make("a", &folder);
    char *path = strdup(folder.path);
    pid_t child = child_that_waits(&go);
    assert_false(is_free(path));
    die(&folder);
    assert_true(is_free(path)); /* though the child lives */
    end_child(child, go);
    root_empty(path);
    assert_int_equal(rmdir(path), 0);
    free(path);
}

static void test_a_child_in_its_parents_place_has_the_lock(void **state)
{
    (void)state;
    int go;
    wb_folder folder;
    make("a", &folder);
    char *path = strdup(folder.path);
    wb_folders_keep_over_fork(true);
    pid_t child = child_that_waits(&go);
    wb_folders_keep_over_fork(false);
    die(&folder);
    assert_false(is_free(path));
    end_child(child, go);
    assert_true(is_free(path));
    root_empty(path);
    assert_int_equal(rmdir(path), 0);
    free(path);
}

/* The child's own folder is its own, and it lets go of nothing of its parent's. */
static void test_a_child_makes_its_own(void **state)
{
    (void)state;
    wb_folder folder;
    make("a", &folder);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        wb_folder own;
        bool dropped = !wb_folder_is_lock(folder.lock) && folder.lock == -1;
        bool made = wb_folder_make(test_root, "batcher", "a", &own, NULL) == WB_OK;
        wb_found_folder found;
        bool none = made && find(&own, "a", &found) == WB_FOUND_NONE;
        if (made)
            wb_folder_fini(&own);
        _exit(dropped && none ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_false(is_free(folder.path));
    wb_folder_fini(&folder);
}

/* ---- what is found ---- */

static void test_what_is_left_is_taken_over(void **state)
{
    (void)state;
    wb_found_folder found;
    char path[LONG], name[40];
    size_t at = 0;
    wb_folder dead, own;
    make("a", &dead);
    make("a", &own);
    char *was = strdup(dead.path);
    assert_int_equal(find(&own, "a", &found), WB_FOUND_NONE); /* it is alive */
    die(&dead);
    assert_int_equal(find(&own, "a", &found), WB_FOUND_OURS);
    assert_false(is_there(was));
    snprintf(name, sizeof name, "%s", strrchr(was, '/') + 1);
    path_in(own.path, name, path);
    assert_string_equal(found.path, path);
    assert_int_equal(root_count(path, ".seg"), 1);
    assert_true(wb_folder_inner(&own, &at, path));
    assert_string_equal(found.path, path);
    assert_false(wb_folder_inner(&own, &at, path));
    assert_int_equal(find(&own, "a", &found), WB_FOUND_NONE);
    root_empty(own.path);
    wb_folder_fini(&own);
    free(was);
}

static void test_what_is_anothers_is_named(void **state)
{
    (void)state;
    wb_found_folder found;
    wb_folder dead, own;
    make("b b", &dead);
    make("a", &own);
    char *was = strdup(dead.path);
    die(&dead);
    assert_int_equal(find(&own, "a", &found), WB_FOUND_OTHER);
    assert_string_equal(found.owner, "batcher b b");
    assert_string_equal(found.path, was);
    assert_true(is_there(was) && is_free(was));
    size_t at = 0;
    assert_int_equal(wb_folder_find(test_root, &own, "tracker", "b b", &at, &found),
                     WB_FOUND_OTHER);
    at = 0;
    assert_int_equal(wb_folder_find(test_root, &own, "batcher", "b b", &at, &found), WB_FOUND_OURS);
    root_empty(own.path);
    wb_folder_fini(&own);
    free(was);
}

/* What an heir did not end with goes with it to the next one. */
static void test_an_heirs_heir_has_all(void **state)
{
    (void)state;
    wb_found_folder found;
    char path[512];
    size_t at = 0;
    wb_folder first, second, third;
    make("a", &first);
    make("a", &second);
    make("a", &third);
    die(&first);
    assert_int_equal(find(&second, "a", &found), WB_FOUND_OURS);
    die(&second);
    assert_int_equal(find(&third, "a", &found), WB_FOUND_OURS);
    assert_int_equal(root_count(third.path, ".seg"), 2);
    const wb_folder inner = {.path = found.path};
    assert_true(wb_folder_inner(&inner, &at, path));
    assert_int_equal(root_count(path, ".seg"), 1);
    root_empty(third.path);
    wb_folder_fini(&third);
}

static void make_old(const char *path)
{
    assert_int_equal(utime(path, &(struct utimbuf){.actime = 1000, .modtime = 1000}), 0);
}

static void test_empty_folders_are_removed(void **state)
{
    (void)state;
    wb_found_folder found;
    char fresh[LONG], old[LONG], used[LONG], strange[LONG];
    wb_folder dead, own;
    make("a", &dead);
    make("a", &own);
    char *was = strdup(dead.path);
    close(dead.lock); /* its process died before it had a row */
    dead.lock = -1;
    path_in(test_root, "00000000-0000-4000-8000-000000000001", fresh);
    path_in(test_root, "00000000-0000-4000-8000-000000000002", old);
    path_in(test_root, "00000000-0000-4000-8000-000000000003", used);
    path_in(test_root, "something else", strange);
    mkdir(fresh, 0700), mkdir(old, 0700), mkdir(used, 0700), mkdir(strange, 0700);
    put_file(used, "0000000000000001.seg");
    make_old(old), make_old(used), make_old(strange);
    for (int i = 0; i < 3; i++)
        assert_int_equal(find(&own, "a", &found), WB_FOUND_NONE);
    assert_true(is_there(fresh) && is_there(used) && is_there(strange));
    assert_false(is_there(old) || is_there(was));
    wb_folder_fini(&dead);
    wb_folder_fini(&own);
    root_empty(test_root);
    free(was);
}

static void test_a_folder_that_can_not_be_made_leaves_nothing(void **state)
{
    (void)state;
    wb_folder folder;
    wb_err err = {0};
    for (size_t n = 1; n <= 3; n++) {
        wb_disk_fail_after(n);
        assert_int_equal(wb_folder_make(test_root, "batcher", "a", &folder, &err), WB_STORE);
        wb_disk_fail_after(0);
        assert_non_null(strstr(err.text, test_root));
        assert_null(folder.path);
        assert_true(rmdir(test_root) == 0 && mkdir(test_root, 0700) == 0);
    }
    char deep[LONG];
    memset(deep, 'x', sizeof deep);
    deep[sizeof deep - 1] = '\0';
    assert_int_equal(wb_folder_make(deep, "batcher", "a", &folder, &err), WB_MISUSE);
    assert_non_null(strstr(err.text, "too long"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_folder_says_whose_it_is),
        cmocka_unit_test(test_a_second_descriptor_has_no_lock_and_takes_none),
        cmocka_unit_test(test_a_child_has_no_lock),
        cmocka_unit_test(test_a_child_in_its_parents_place_has_the_lock),
        cmocka_unit_test(test_a_child_makes_its_own),
        cmocka_unit_test(test_what_is_left_is_taken_over),
        cmocka_unit_test(test_what_is_anothers_is_named),
        cmocka_unit_test(test_an_heirs_heir_has_all),
        cmocka_unit_test(test_empty_folders_are_removed),
        cmocka_unit_test(test_a_folder_that_can_not_be_made_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, root_open, root_close);
}
