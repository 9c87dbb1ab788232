/* SPDX-License-Identifier: MIT
 * Marks that another process left in a tracker's spool. */
#ifndef WB_MARKBOX_ADOPT_H
#define WB_MARKBOX_ADOPT_H

#include "engine/markbox.h"

/* Takes over what is there, in the keeper's thread: its ids are marked with their times, and put into this spool. */
void wb_markbox_adopt(wb_markbox *markbox);

#endif
