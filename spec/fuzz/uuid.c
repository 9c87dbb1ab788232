/* SPDX-License-Identifier: MIT
 * What the parser of the usual form takes, all take; and a text that is taken comes back. */
#include "fuzz.h"

#include <strings.h>

#include "base/uuid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    uint8_t id[16], plain[16];
    char back[37] = "";
    bool taken = wb_uuid_parse((const char *)data, bytes, id);
    bool usual = bytes == 36 && data[8] == '-' && data[13] == '-' && data[18] == '-' &&
                 data[23] == '-' && wb_uuid_parse_portable((const char *)data, plain);
    HOLDS(!usual || (taken && memcmp(id, plain, sizeof id) == 0));
    if (!taken)
        return 0;
    wb_uuid_format(id, back);
    HOLDS(!usual || strncasecmp(back, (const char *)data, 36) == 0);
    HOLDS(wb_uuid_parse(back, 36, plain) && memcmp(id, plain, sizeof id) == 0);
    return 0;
}
