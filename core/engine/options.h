/* SPDX-License-Identifier: MIT
 * Options, checked: WB_MISUSE with the option's name, in the words of the Lua API, and what it must be. */
#ifndef WB_OPTIONS_H
#define WB_OPTIONS_H

#include <writebehind.h>

int wb_batcher_options_check(const wb_batcher_options *options, wb_err *err);
int wb_tracker_options_check(const wb_tracker_options *options, wb_err *err);

#endif
