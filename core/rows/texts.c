/* SPDX-License-Identifier: MIT
 * Texts, one behind the other in blocks that double in size. Invariant: a block is never moved. No locks: their owner's.
 * Only memory fails, and then nothing has changed. */
#include "rows/texts.h"

#include <string.h>

#include "base/env.h"

struct wb_texts_block {
    struct wb_texts_block *older;
    size_t used, room;
    char data[];
};

enum { FIRST_ROOM = 4000, LARGEST_ROOM = 256000 };

static struct wb_texts_block *add_block(wb_texts *texts, size_t bytes)
{
    struct wb_texts_block *newest = texts->newest;
    size_t room = newest == NULL ? FIRST_ROOM : newest->room * 2;
    if (room > LARGEST_ROOM)
        room = LARGEST_ROOM;
    if (room < bytes)
        room = bytes;
    struct wb_texts_block *block = wb_alloc(sizeof *block + room);
    if (block == NULL)
        return NULL;
    *block = (struct wb_texts_block){.older = newest, .room = room};
    texts->newest = block;
    texts->bytes += sizeof *block + room;
    return block;
}

const char *wb_texts_put(wb_texts *texts, const char *text, size_t bytes)
{
    struct wb_texts_block *block = texts->newest;
    if (block == NULL || block->room - block->used < bytes)
        block = add_block(texts, bytes);
    if (block == NULL)
        return NULL;
    char *copy = block->data + block->used;
    if (bytes > 0)
        memcpy(copy, text, bytes);
    block->used += bytes;
    return copy;
}

void wb_texts_fini(wb_texts *texts)
{
    while (texts->newest != NULL) {
        struct wb_texts_block *block = texts->newest;
        texts->newest = block->older;
        wb_free(block);
    }
    texts->bytes = 0;
}
