/* SPDX-License-Identifier: MIT
 * CRC-32C (Castagnoli, polynomial 0x1EDC6F41 reflected), as iSCSI and ext4 have it. Source: RFC 3720, appendix B.4. */
#ifndef WB_CRC32C_H
#define WB_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The sum of what had `crc` and these bytes behind it; of nothing it is 0. */
uint32_t wb_crc32c(uint32_t crc, const void *bytes, size_t count);
/* The same where the processor has no instruction for it. */
uint32_t wb_crc32c_by_table(uint32_t crc, const void *bytes, size_t count);

#endif
