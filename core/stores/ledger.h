/* SPDX-License-Identifier: MIT
 * What the ledgers of all kinds of stores have in common. A key is a batch's id, a uuid of version 7: its first 48 bits are
 * milliseconds since 1970 (RFC 9562), so that keys are in the order of their time. */
#ifndef WB_LEDGER_H
#define WB_LEDGER_H

#include "base/bigendian.h"
#include "base/env.h"
#include "base/err.h"
#include "rows/batch.h"

#define WB_LEDGER_DAY_US (INT64_C(24) * 3600 * 1000 * 1000)

enum {
    WB_LEDGER_DAYS = 7, /* a key is kept so long */
    WB_LEDGER_TRUSTED_DAYS =
        6, /* less, since clocks differ: later one that is not there may have been forgotten */
    WB_LEDGER_PRUNE_EVERY = 256, /* writes of a session */
    WB_LEDGER_PRUNED = 1000,     /* keys at once, at the most */
};

static inline int64_t wb_ledger_key_us(const uint8_t key[16])
{
    return (int64_t)(wb_get64(key) >> 16) * 1000;
}

/* The first key of those that are kept. */
static inline void wb_ledger_first_kept(uint8_t out[16])
{
    int64_t before_us = wb_unix_us() - WB_LEDGER_DAYS * WB_LEDGER_DAY_US;
    wb_put64(out, (uint64_t)(before_us / 1000) << 16);
    wb_put64(out + 8, 0);
}

/* Does a key that is not there mean that it never was? */
static inline bool wb_ledger_knows(const wb_batch *batch)
{
    return wb_ledger_key_us(wb_batch_id(batch)) >=
           wb_unix_us() - WB_LEDGER_TRUSTED_DAYS * WB_LEDGER_DAY_US;
}

/* HOLD, of a batch in doubt that it does not know. */
static inline int wb_ledger_forgot(const wb_batch *batch, wb_err *err)
{
    char id[37] = "";
    wb_uuid_format(wb_batch_id(batch), id);
    return wb_fail_store(err, WB_HOLD,
                         "write %.36s has been in doubt for longer than the ledger remembers (%d "
                         "days): nobody knows whether its rows are in",
                         id, WB_LEDGER_DAYS);
}

#endif
