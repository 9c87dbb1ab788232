/* SPDX-License-Identifier: MIT
 * The keeper's work on a spool's files, and waiting for it. */
#ifndef WB_SPOOL_TEND_H
#define WB_SPOOL_TEND_H

#include "spool/files.h"

/* Makes a segment ready, proves and syncs what is new, removes what is empty. Answers how long it may wait with the next
 * time, if nothing wakes it: WB_NEVER. */
int64_t wb_spool_tend(wb_spool *spool);
/* Nothing more is put: what is settled goes, and the folder where no row waits in it. */
void wb_spool_leave(wb_spool *spool);
/* Sleeps, at most so long, until there is something to tend. */
void wb_spool_wait(wb_spool *spool, int64_t until_us);
void wb_spool_wake(wb_spool *spool);
/* Waits until what was put has the spool's durability. Where there is no keeper it tends. WB_TIMEOUT, WB_STORE. */
int wb_spool_sync(wb_spool *spool, int64_t deadline_us, wb_err *err);
/* What keeps it from taking rows, if anything does. */
bool wb_spool_trouble(wb_spool *spool, wb_err *err);
uint64_t wb_spool_bytes(wb_spool *spool); /* of its files */

#endif
