/* SPDX-License-Identifier: MIT
 * The rows of a reader into an outbox. */
#ifndef WB_OUTBOX_READ_H
#define WB_OUTBOX_READ_H

#include "engine/outbox/outbox.h"

/* See wb_batcher_read; `driven`: it stops where work is due. *out is empty before, err is not NULL. */
int wb_outbox_read(wb_outbox *outbox, wb_reader *reader, const wb_choice *choice, uint64_t most,
                   bool driven, wb_reading *out, wb_err *err);

#endif
