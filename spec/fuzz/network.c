/* SPDX-License-Identifier: MIT
 * An address that is taken is written and read as the same bytes; a network is an address as well. */
#include "fuzz.h"

#include "rows/network.h"

static void comes_back(const uint8_t *address, size_t bytes, bool cidr)
{
    char text[64];
    uint8_t back[20];
    size_t again;
    wb_inet_format(address, text);
    HOLDS(strlen(text) < sizeof text);
    HOLDS(wb_inet_read(text, strlen(text), cidr, back, &again) == NULL);
    HOLDS(again == bytes && memcmp(address, back, bytes) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    uint8_t address[20], mac[6], back[6];
    size_t written;
    char text[20];
    for (int cidr = 0; cidr <= 1; cidr++)
        if (wb_inet_read((const char *)data, bytes, cidr, address, &written) == NULL)
            comes_back(address, written, cidr);
    if (wb_macaddr_read((const char *)data, bytes, mac)) {
        wb_macaddr_format(mac, text);
        HOLDS(wb_macaddr_read(text, strlen(text), back) && memcmp(mac, back, sizeof mac) == 0);
    }
    return 0;
}
