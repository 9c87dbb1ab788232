/* SPDX-License-Identifier: MIT
 * Blocks: they keep what they hold while they grow and shrink, small or large, and give their memory back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/block.h"
#include "base/env.h"

static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i * 7 + i / 251);
}

static void fill(uint8_t *block, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        block[i] = byte_at(i);
}

static void holds(const uint8_t *block, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (block[i] != byte_at(i))
            fail_msg("byte %zu of %zu is another one", i, bytes);
}

static void keeps_what_it_holds(void **state)
{
    (void)state;
    static const size_t sizes[] = {
        1,
        100,
        WB_BLOCK_PAGES - 1,
        WB_BLOCK_PAGES,
        WB_BLOCK_PAGES + 1,
        1 << 20,
        (1 << 22) + 5,
        1 << 18,
        WB_BLOCK_PAGES,
        50000,
        1 << 21,
        3,
    };
    uint8_t *block = NULL;
    size_t size = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t *resized = wb_block_resize(block, size, sizes[i]);
        assert_non_null(resized);
        holds(resized, size < sizes[i] ? size : sizes[i]);
        fill(resized, size < sizes[i] ? size : 0, sizes[i]);
        block = resized;
        size = sizes[i];
    }
    wb_block_free(block, size);
    wb_block_free(NULL, 0);
}

static void stays_without_memory(void **state)
{
    (void)state;
    static const size_t sizes[] = {100, WB_BLOCK_PAGES - 1, WB_BLOCK_PAGES, 1 << 20};
    for (size_t from = 0; from < 4; from++) {
        uint8_t *block = wb_block_resize(NULL, 0, sizes[from]);
        fill(block, 0, sizes[from]);
        for (size_t to = 0; to < 4; to++) {
            wb_alloc_fail_after(1);
            assert_null(wb_block_resize(block, sizes[from], sizes[to]));
            wb_alloc_fail_after(0);
            holds(block, sizes[from]);
        }
        assert_null(wb_block_resize(block, sizes[from], SIZE_MAX / 4)); /* the system has none */
        holds(block, sizes[from]);
        wb_block_free(block, sizes[from]);
    }
    wb_alloc_fail_after(1);
    assert_null(wb_block_resize(NULL, 0, 1 << 20));
    wb_alloc_fail_after(0);
}

static size_t resident(void)
{
    size_t all, here;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%zu %zu", &all, &here), 2);
    fclose(file);
    return here * (size_t)sysconf(_SC_PAGESIZE);
}

/* The thread sanitizer keeps as much again of what is freed. */
static void takes_what_is_written(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip();
#endif
    enum { MIB = 1 << 20 };
    size_t before = resident();
    uint8_t *block = wb_block_resize(NULL, 0, 64 * MIB);
    assert_non_null(block);
    assert_true(resident() < before + 16 * MIB);
    memset(block, 1, 48 * MIB);
    assert_true(resident() >= before + 40 * MIB);
    block = wb_block_resize(block, 64 * MIB, 128 * MIB);
    assert_true(resident() < before + 64 * MIB);
    wb_block_free(block, 128 * MIB);
    assert_true(resident() < before + 16 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_it_holds),
        cmocka_unit_test(stays_without_memory),
        cmocka_unit_test(takes_what_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
