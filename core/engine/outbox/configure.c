/* SPDX-License-Identifier: MIT
 * Other options for an outbox that runs: they count at once, for what is there too. Locked; nothing fails. */
#include "engine/outbox/outbox.h"

void wb_outbox_configure(wb_outbox *outbox, const wb_batcher_options *options)
{
    wb_backlog *backlog = &outbox->backlog;
    wb_outbox_set_options(outbox, options);
    wb_outbox_lanes_configured(outbox);
    wb_outbox_look_for_room(outbox);
    wb_monitor_tell(&backlog->monitor); /* an add that waits may have room now */
    wb_monitor_wake_by(&backlog->monitor, wb_outbox_next_due_us(backlog));
    wb_backlog_changed(backlog);
}
