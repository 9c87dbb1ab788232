/* SPDX-License-Identifier: MIT
 * How often a random test goes round. */
#ifndef WB_SPEC_ROUNDS_H
#define WB_SPEC_ROUNDS_H

#include <stdlib.h>

/* A tenth of what is usual where each costs many times as much: WRITEBEHIND_FEW_ROUNDS, set by valgrind's and the thread
 * sanitizer's runs, which look for what the first rounds show. */
static inline int rounds(int usual)
{
    return getenv("WRITEBEHIND_FEW_ROUNDS") != NULL ? usual / 10 : usual;
}

#endif
