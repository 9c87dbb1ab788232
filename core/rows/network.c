/* SPDX-License-Identifier: MIT
 * Addresses from text and to text, with PostgreSQL's verdicts (src/backend/utils/adt/inet_net_pton.c,
 * src/port/inet_net_ntop.c). A scan goes over a text once. No state, no locks, no memory. */
#include "rows/network.h"

#include <stdio.h>
#include <string.h>

#include "base/calendar.h"
#include "base/words.h"

enum { FAMILY_IPV4 = 2, FAMILY_IPV6 = 3, IPV4_BYTES = 4, IPV6_BYTES = 16, IPV6_GROUPS = 8 };
enum { NO_MASK = -1 };

#define NOT_ADDRESS "not an IP address"

typedef struct scan {
    const char *at;
    const char *end;
} scan;

static bool read_ipv4(scan *s, bool cidr, uint8_t address[16], int *bits);
static bool read_ipv6(scan *s, uint8_t address[16], int *bits);
static char *put_ipv4(char *out, const uint8_t *address);
static char *put_ipv6(char *out, const uint8_t *address);

static bool next_is(const scan *s, char c)
{
    return s->at < s->end && *s->at == c;
}

/* Digits up to a largest number. `zeros`: they may begin with some. */
static bool read_number(scan *s, int most, bool zeros, int *out)
{
    const char *first = s->at;
    int sum = 0;
    for (; s->at < s->end && wb_is_digit(*s->at); s->at++) {
        if (!zeros && s->at > first && sum == 0)
            return false;
        sum = sum * 10 + (*s->at - '0');
        if (sum > most)
            return false;
    }
    *out = sum;
    return s->at > first;
}

/* The mask after a slash, and the end; or the end alone. */
static bool read_mask(scan *s, int most, bool zeros, int *bits)
{
    *bits = NO_MASK;
    if (s->at == s->end)
        return true;
    if (*s->at++ != '/')
        return false;
    return read_number(s, most, zeros, bits) && s->at == s->end;
}

/* Is anything set right of the mask? */
static bool has_host(const uint8_t *address, int bytes, int bits)
{
    for (int i = bits / 8; i < bytes; i++) {
        int kept = i == bits / 8 ? bits % 8 : 0;
        if (address[i] & (0xFF >> kept))
            return true;
    }
    return false;
}

const char *wb_inet_read(const char *text, size_t bytes, bool cidr, uint8_t to[20], size_t *written)
{
    scan s = {text, text + bytes};
    uint8_t address[IPV6_BYTES] = {0};
    int bits;
    bool ipv6 = bytes > 0 && memchr(text, ':', bytes) != NULL;
    if (!(ipv6 ? read_ipv6(&s, address, &bits) : read_ipv4(&s, cidr, address, &bits)))
        return NOT_ADDRESS;
    int size = ipv6 ? IPV6_BYTES : IPV4_BYTES;
    if (cidr && has_host(address, size, bits))
        return "a network with bits right of its mask";
    to[0] = ipv6 ? FAMILY_IPV6 : FAMILY_IPV4;
    to[1] = (uint8_t)bits;
    to[2] = cidr;
    to[3] = (uint8_t)size;
    memcpy(to + 4, address, (size_t)size);
    *written = 4 + (size_t)size;
    return NULL;
}

/* ---- IPv4 ---- */

/* One to four octets. Answers how many, 0 where they are none. */
static int read_octets(scan *s, bool zeros, uint8_t *address)
{
    for (int count = 0; count < IPV4_BYTES; count++) {
        int octet;
        if (!read_number(s, 255, zeros, &octet))
            return 0;
        address[count] = (uint8_t)octet;
        if (!next_is(s, '.') || count == IPV4_BYTES - 1)
            return count + 1;
        s->at++;
    }
    return 0;
}

/* What a network's first octet says of its mask, before there was CIDR. All octets that are written count. */
static int class_bits(int first, int octets)
{
    int bits = first >= 240 ? 32 : first >= 224 ? 8 : first >= 192 ? 24 : first >= 128 ? 16 : 8;
    if (bits < octets * 8)
        bits = octets * 8;
    return bits == 8 && first == 224 ? 4 : bits; /* all of multicast */
}

static bool read_ipv4(scan *s, bool cidr, uint8_t address[16], int *bits)
{
    int octets = read_octets(s, true, address);
    if (octets == 0 || !read_mask(s, 32, true, bits))
        return false;
    if (cidr) {
        if (*bits == NO_MASK)
            *bits = class_bits(address[0], octets);
        return true;
    }
    if (*bits == NO_MASK && octets == IPV4_BYTES)
        *bits = 32;
    return *bits != NO_MASK && *bits / 8 <= octets;
}

/* ---- IPv6 ---- */

/* One to four hex digits. */
static bool read_group(scan *s, uint8_t *to)
{
    const char *first = s->at;
    unsigned sum = 0;
    for (; s->at < s->end && wb_hex_digit(*s->at) >= 0 && s->at - first < 4; s->at++)
        sum = sum << 4 | (unsigned)wb_hex_digit(*s->at);
    to[0] = (uint8_t)(sum >> 8);
    to[1] = (uint8_t)sum;
    return s->at > first;
}

/* The colon or the two after a group; *gap is where the zeros go that two of them stand for. */
static bool read_colons(scan *s, int count, int *gap)
{
    if (!next_is(s, ':'))
        return false;
    s->at++;
    if (!next_is(s, ':'))
        return s->at < s->end && *s->at != '/';
    s->at++;
    if (*gap >= 0)
        return false;
    *gap = count;
    return true;
}

/* Groups, perhaps with an IPv4 address at the end. Answers how many bytes they make, or -1. */
static int read_groups(scan *s, uint8_t address[16], int *gap)
{
    int count = 0;
    while (s->at < s->end && *s->at != '/') {
        const char *first = s->at;
        if (count == IPV6_BYTES || !read_group(s, address + count))
            return -1;
        if (next_is(s, '.')) {
            s->at = first;
            bool whole = count <= IPV6_BYTES - IPV4_BYTES &&
                         read_octets(s, false, address + count) == IPV4_BYTES;
            return whole ? count + IPV4_BYTES : -1;
        }
        count += 2;
        if (s->at < s->end && *s->at != '/' && !read_colons(s, count, gap))
            return -1;
    }
    return count;
}

static bool read_ipv6(scan *s, uint8_t address[16], int *bits)
{
    int gap = -1;
    if (next_is(s, ':')) {
        if (!read_colons(s, 0, &gap) || gap < 0)
            return false;
    }
    int count = read_groups(s, address, &gap);
    if (count < 0 || !read_mask(s, 128, false, bits))
        return false;
    if (*bits == NO_MASK)
        *bits = 128;
    if (gap < 0)
        return count == IPV6_BYTES;
    if (count == IPV6_BYTES)
        return false;
    memmove(address + IPV6_BYTES - (count - gap), address + gap, (size_t)(count - gap));
    memset(address + gap, 0, (size_t)(IPV6_BYTES - count));
    return true;
}

/* ---- writing ---- */

void wb_inet_format(const uint8_t *data, char out[64])
{
    bool ipv6 = data[0] == FAMILY_IPV6, cidr = data[2] != 0;
    char *at = ipv6 ? put_ipv6(out, data + 4) : put_ipv4(out, data + 4);
    if (cidr || data[1] != (ipv6 ? 128 : 32))
        at += sprintf(at, "/%d", data[1]);
    *at = '\0';
}

static char *put_ipv4(char *out, const uint8_t *address)
{
    return out + sprintf(out, "%d.%d.%d.%d", address[0], address[1], address[2], address[3]);
}

static unsigned group_at(const uint8_t *address, int group)
{
    return (unsigned)address[2 * group] << 8 | address[2 * group + 1];
}

/* The longest run of at least two zero groups, the first of them. Answers its length. */
static int find_zeros(const uint8_t *address, int *from)
{
    int best = 1, run = 0;
    for (int i = 0; i < IPV6_GROUPS; i++) {
        run = group_at(address, i) == 0 ? run + 1 : 0;
        if (run > best) {
            best = run;
            *from = i - run + 1;
        }
    }
    return best > 1 ? best : 0;
}

/* An IPv4 address in IPv6: ::1.2.3.4 or ::ffff:1.2.3.4. */
static bool holds_ipv4(const uint8_t *address, int from, int zeros)
{
    return from == 0 && (zeros == 6 || (zeros == 5 && group_at(address, 5) == 0xFFFF));
}

static char *put_ipv6(char *out, const uint8_t *address)
{
    int from = -1, zeros = find_zeros(address, &from);
    bool ipv4 = holds_ipv4(address, from, zeros);
    for (int i = 0; i < IPV6_GROUPS; i++) {
        if (zeros > 0 && i == from) {
            out += sprintf(out, i == 0 ? "::" : ":");
            i += zeros - 1;
        } else if (ipv4 && i == 6) {
            return put_ipv4(out, address + 12);
        } else {
            out += sprintf(out, i == IPV6_GROUPS - 1 ? "%x" : "%x:", group_at(address, i));
        }
    }
    return out;
}

/* ---- MAC addresses ---- */

/* One or two hex digits, or just two. */
static bool read_pair(scan *s, bool two, uint8_t *to)
{
    int high = s->at < s->end ? wb_hex_digit(*s->at) : -1;
    if (high < 0)
        return false;
    s->at++;
    int low = s->at < s->end ? wb_hex_digit(*s->at) : -1;
    if (low < 0) {
        *to = (uint8_t)high;
        return !two;
    }
    s->at++;
    *to = (uint8_t)(high << 4 | low);
    return true;
}

/* Six pairs, with a separator after every so many; 0: there is none. */
static bool read_pairs(scan *s, int every, char separator, uint8_t mac[6])
{
    for (int i = 0; i < 6; i++) {
        if (every > 0 && i > 0 && i % every == 0) {
            if (!next_is(s, separator))
                return false;
            s->at++;
        }
        if (!read_pair(s, every != 1, &mac[i]))
            return false;
    }
    return s->at == s->end;
}

bool wb_macaddr_read(const char *text, size_t bytes, uint8_t to[6])
{
    static const struct {
        int every;
        char separator;
    } forms[] = {{1, ':'}, {1, '-'}, {3, ':'}, {3, '-'}, {2, '.'}, {2, '-'}, {0, '\0'}};
    uint8_t mac[6];
    wb_trim(&text, &bytes);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        scan s = {text, text + bytes};
        if (read_pairs(&s, forms[i].every, forms[i].separator, mac)) {
            memcpy(to, mac, sizeof mac);
            return true;
        }
    }
    return false;
}

void wb_macaddr_format(const uint8_t data[6], char out[20])
{
    sprintf(out, "%02x:%02x:%02x:%02x:%02x:%02x", data[0], data[1], data[2], data[3], data[4],
            data[5]);
}
