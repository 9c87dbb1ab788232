/* SPDX-License-Identifier: MIT
 * What the parts of reading text share. */
#ifndef LWB_READER_H
#define LWB_READER_H

#include "intake/reader.h"
#include "lua/base/pipeline.h"

/* Raises where the argument is no reader, or one that was collected. */
wb_reader *lwb_reader_living(lua_State *L, int index);
void lwb_raw_reader(lua_State *L); /* these set their functions in the table at the top */
void lwb_raw_origins(lua_State *L);
void lwb_raw_records(lua_State *L);

#endif
