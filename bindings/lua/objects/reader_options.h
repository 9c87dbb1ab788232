/* SPDX-License-Identifier: MIT
 * The options of a reader. */
#ifndef LWB_READER_OPTIONS_H
#define LWB_READER_OPTIONS_H

#include "lua/base/lwb.h"

/* Those in the table at `index`, which were checked. Leaves on the stack what they borrow. */
void lwb_reader_options(lua_State *L, int index, wb_reader_options *out);

#endif
