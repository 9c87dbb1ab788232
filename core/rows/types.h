/* SPDX-License-Identifier: MIT
 * What is known of each column type besides its name, and the text of its values. */
#ifndef WB_TYPES_H
#define WB_TYPES_H

#include <writebehind.h>

enum { WB_TYPE_TEXT_BYTES = 80 };

uint32_t wb_type_oid(int type);
int wb_type_of_oid(uint32_t oid); /* enum wb_type, or -1 */
uint32_t wb_type_bytes(int type); /* of a binary value; 0: it varies */
/* The type that a column of SQLite declares: the type's name, then a storage class where the name does not make the
 * affinity ("uuid TEXT", "int8"). */
const char *wb_type_sqlite(int type);
/* The text of an integer, a finite number, a uuid, a time, an interval or an address, as every store and format
 * writes it. Answers its length; a NUL may follow. */
size_t wb_type_text(int type, const wb_value *value, char out[WB_TYPE_TEXT_BYTES]);

#endif
