/* SPDX-License-Identifier: MIT
 * A value as text: what PostgreSQL's input for its type takes, whatever a session's settings are, and what all formats
 * and stores write that keep a value as text. */
#ifndef WB_VALUE_TEXT_H
#define WB_VALUE_TEXT_H

#include <writebehind.h>

#include "base/buffer.h"

/* Writes a value of a column that is neither NULL nor absent. Only the buffer fails. */
void wb_put_value(wb_buffer *out, const wb_column *column, const wb_value *value);

/* The same as a JSON value on one line, NULL too: of a type that JSON has no form for as a string. */
void wb_put_json_value(wb_buffer *json, const wb_column *column, const wb_value *value);

#endif
