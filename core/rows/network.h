/* SPDX-License-Identifier: MIT
 * IP addresses, networks and MAC addresses as PostgreSQL's binary forms (network_send in
 * src/backend/utils/adt/network.c, macaddr_send in mac.c). An address: a family (2: IPv4, 3: IPv6), the bits of its mask,
 * 1 for cidr or 0 for inet, the number of its bytes (4 or 16), its bytes. A MAC address: six bytes. */
#ifndef WB_NETWORK_H
#define WB_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads what PostgreSQL 15 reads as inet, or as cidr, which has no bits right of its mask. A mask is written /24. Octets
 * of IPv4 are decimal, whatever zeros they begin with. Those at the end may be left out: of inet where the mask does not
 * reach them, of cidr always; its mask is then the one of its class (192.168.1 is a /24, 10 a /8). No white space is
 * taken, as there. NULL, or why not: then the outputs are as they were. */
const char *wb_inet_read(const char *text, size_t bytes, bool cidr, uint8_t to[20],
                         size_t *written);
/* As PostgreSQL writes it, with a NUL: the mask of a cidr always, of an inet where it is not the whole address. The data
 * is what wb_inet_read wrote. */
void wb_inet_format(const uint8_t *data, char out[64]);

/* Six pairs of hex digits: with colons or hyphens between them, where a pair may be one digit; 08002b:010203,
 * 08002b-010203, 0800.2b01.0203, 0800-2b01-0203, 08002b010203. White space around it is skipped. */
bool wb_macaddr_read(const char *text, size_t bytes, uint8_t to[6]);
void wb_macaddr_format(const uint8_t data[6], char out[20]); /* 08:00:2b:01:02:03, with a NUL */

#endif
