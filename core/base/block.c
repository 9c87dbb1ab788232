/* SPDX-License-Identifier: MIT
 * Blocks. Invariant: a block of WB_BLOCK_PAGES and more is a mapping, a smaller one is the allocator's. No locks, no
 * state. Resizing fails where there is no memory.
 * Huge pages are refused: the first row in one would wait until 2 MiB are zeroed, and a few rows would take as much. */
#include "base/block.h"

#include <string.h>
#include <sys/mman.h>

#include "base/env.h"

static void *map(size_t bytes)
{
    void *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED)
        return NULL;
    madvise(block, bytes, MADV_NOHUGEPAGE); /* fails where there are none */
    return block;
}

/* From the allocator to pages, or back. */
static void *move(void *block, size_t size, size_t bytes)
{
    void *moved = bytes < WB_BLOCK_PAGES ? wb_alloc(bytes) : map(bytes);
    if (moved != NULL && block != NULL) {
        memcpy(moved, block, size < bytes ? size : bytes);
        wb_block_free(block, size);
    }
    return moved;
}

static void *remap(void *block, size_t size, size_t bytes)
{
    void *moved = mremap(block, size, bytes, MREMAP_MAYMOVE);
    return moved != MAP_FAILED ? moved : NULL;
}

void *wb_block_resize(void *block, size_t size, size_t bytes)
{
    if (bytes < WB_BLOCK_PAGES && size < WB_BLOCK_PAGES)
        return wb_realloc(block, bytes);
    if (bytes >= WB_BLOCK_PAGES && wb_alloc_fails())
        return NULL;
    return size < WB_BLOCK_PAGES || bytes < WB_BLOCK_PAGES ? move(block, size, bytes)
                                                           : remap(block, size, bytes);
}

void wb_block_free(void *block, size_t size)
{
    if (size < WB_BLOCK_PAGES)
        wb_free(block);
    else
        munmap(block, size);
}
