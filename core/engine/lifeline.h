/* SPDX-License-Identifier: MIT
 * Process exit waits for the flushers that are alive: an exit handler closes them all, waits for each up to
 * its owner's close_timeout, and has the owner say what is lost of the rest. A worker of nginx's that is to be
 * killed before leaves the rest to a child. One that was never started (its
 * owner is driven) is not waited for, only asked what is lost. A child of fork starts with none. */
#ifndef WB_LIFELINE_H
#define WB_LIFELINE_H

#include "engine/flusher.h"

void wb_lifeline_enter(
    wb_flusher *flusher); /* before its thread starts, or what is driven is used */
void wb_lifeline_leave(
    wb_flusher *flusher); /* from the thread, last; when what is driven is let go */
/* Registers the exit handler anew, so that it runs before handlers that libraries registered meanwhile:
 * OpenSSL's would take away what a session still needs. Once per process; called after a first write. */
void wb_lifeline_renew(void);

#endif
