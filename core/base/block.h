/* SPDX-License-Identifier: MIT
 * The memory of rows. A large block is pages of its own: it grows without being copied, what was never written takes no
 * memory, and what is freed is the system's again at once. Who has a block remembers its size. */
#ifndef WB_BLOCK_H
#define WB_BLOCK_H

#include <stddef.h>

enum { WB_BLOCK_PAGES = 1 << 16 }; /* from so many bytes on */

/* As realloc, of a block of `size` bytes; NULL has none. NULL: no memory, the block is as it was. */
void *wb_block_resize(void *block, size_t size, size_t bytes);
void wb_block_free(void *block, size_t size); /* NULL is fine */

#endif
