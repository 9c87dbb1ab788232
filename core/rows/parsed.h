/* SPDX-License-Identifier: MIT
 * The types whose values mostly come as text that has to be parsed: timestamp, time, interval, numeric, addresses. They
 * lie off the encoder's fast path. */
#ifndef WB_PARSED_H
#define WB_PARSED_H

#include "rows/schema.h"

/* Writes a value as a field, as wb_field_encode does; answers its end. NULL: it was refused. */
uint8_t *wb_parsed_put(const wb_column *column, const wb_value *value, uint8_t *to, wb_err *err);

#endif
