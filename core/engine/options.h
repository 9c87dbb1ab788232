/* SPDX-License-Identifier: MIT
 * Options, checked: WB_MISUSE with the option's name, in the words of the Lua API, and what it must be. The lists
 * of options.def, for those who read options from elsewhere. */
#ifndef WB_OPTIONS_H
#define WB_OPTIONS_H

#include <writebehind.h>

/* What the member of an option is: see options.def. */
enum wb_option_type {
    WB_OPTION_COUNT,
    WB_OPTION_LIMIT,
    WB_OPTION_TRIES,
    WB_OPTION_SHARE,
    WB_OPTION_TIME,
    WB_OPTION_CHOICE,
    WB_OPTION_INDEX,
    WB_OPTION_FLAG,
};

/* One line of options.def. */
typedef struct wb_option {
    const char *name;
    const char *unit;
    const char *const *choices; /* names of a choice's values, from 0 on; NULL: of no choice */
    size_t offset;
    int type;
    bool live; /* it may change while its batcher runs */
    double initial, least, most;
} wb_option;

/* Each ends with an entry whose name is NULL. */
extern const wb_option wb_batcher_option_list[], wb_tracker_option_list[];

/* A limit of so many, which a double holds exactly, is none. */
#define WB_NO_LIMIT UINT64_C(9000000000000000)

/* Sets one option in its struct. A count that no member holds is WB_NO_LIMIT. */
void wb_option_set(const wb_option *option, void *options, double value);

int wb_batcher_options_check(const wb_batcher_options *options, wb_err *err);
/* The same of options that a batcher is to have from now on; and they differ from those it has only where it may. */
int wb_batcher_options_check_change(const wb_batcher_options *now, const wb_batcher_options *wanted,
                                    wb_err *err);
int wb_tracker_options_check(const wb_tracker_options *options, wb_err *err);

#endif
