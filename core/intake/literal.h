/* SPDX-License-Identifier: MIT
 * An array's literal of one dimension (PostgreSQL manual, "Array Input and Output Syntax"): {1,"a b",NULL}. */
#ifndef WB_LITERAL_H
#define WB_LITERAL_H

#include "intake/record.h"

/* Its elements, as pieces without names: fields, or NULL, which stands without quotes in any case. White space around an
 * element without quotes is skipped. What is no such literal is wrong. WB_SPLIT_RECORD, WB_SPLIT_MEMORY. */
int wb_literal_split(const char *text, size_t bytes, wb_record *record);

#endif
