/* SPDX-License-Identifier: MIT
 * The NATS store of a build without libnats. */
#include "base/err.h"

static int absent(wb_err *err)
{
    return wb_fail(err, WB_MISUSE,
                   "nats: this build is without libnats: install libnats-dev and build again");
}

int wb_store_nats(const wb_nats_options *options, wb_store **out, wb_err *err)
{
    (void)options, (void)out;
    return absent(err);
}

int wb_nats_api(const wb_nats_options *options, const char *subject, const char *body,
                int64_t deadline_us, char **out, wb_err *err)
{
    (void)options, (void)subject, (void)body, (void)deadline_us, (void)out;
    return absent(err);
}
