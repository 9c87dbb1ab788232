/* SPDX-License-Identifier: MIT
 * What is known of each column type besides its name. */
#ifndef WB_TYPES_H
#define WB_TYPES_H

#include <writebehind.h>

int wb_type_of_oid(uint32_t oid); /* enum wb_type, or -1 */
uint32_t wb_type_bytes(int type); /* of a binary value; 0: it varies */
/* The declared type that a column of SQLite gets: the type's name, then its storage class where the name
 * does not give the affinity ("uuid TEXT", "int8"). */
const char *wb_type_sqlite(int type);

#endif
