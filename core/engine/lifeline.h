/* SPDX-License-Identifier: MIT
 * The list of pipelines that are alive: those whose thread runs, and driven ones that were used. Process exit takes
 * them out (exit.h). A child of fork starts with none. */
#ifndef WB_LIFELINE_H
#define WB_LIFELINE_H

#include "engine/pipeline.h"

void wb_lifeline_enter(
    wb_pipeline *pipeline); /* before its thread starts; at a driven one's first use */
void wb_lifeline_leave(
    wb_pipeline *pipeline); /* from the thread, last; when a driven one is let go */
/* Takes one out of the list, with a reference; NULL: there is none. */
wb_pipeline *wb_lifeline_take(void);

#endif
