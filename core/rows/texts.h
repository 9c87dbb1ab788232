/* SPDX-License-Identifier: MIT
 * Copies of texts that live and are freed together: those of a set's keys. They stay where they are. No lock: their
 * owner's. */
#ifndef WB_TEXTS_H
#define WB_TEXTS_H

#include <stddef.h>

/* All zero: empty. Who copies the struct hands the texts over. */
typedef struct wb_texts {
    struct wb_texts_block *newest;
    size_t bytes; /* of memory */
} wb_texts;

/* A copy of a text; NULL: no memory, nothing has changed. */
const char *wb_texts_put(wb_texts *texts, const char *text, size_t bytes);
void wb_texts_fini(wb_texts *texts); /* empty and usable again */

#endif
