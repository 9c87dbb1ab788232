/* SPDX-License-Identifier: MIT
 * See foreign.h. No state, no locks; nothing fails. */
#include "intake/foreign.h"

#include <string.h>

#include "base/words.h"

typedef struct start {
    const char *text;
    size_t bytes;
} start;

static bool begins_with(start s, const char *wanted, size_t count)
{
    return s.bytes >= count && memcmp(s.text, wanted, count) == 0;
}

static bool is_utf16(start s)
{
    return begins_with(s, "\xff\xfe", 2) || begins_with(s, "\xfe\xff", 2) ||
           (s.bytes >= 2 && (s.text[0] == '\0') != (s.text[1] == '\0'));
}

static bool is_list(start s)
{
    size_t at = begins_with(s, WB_BYTE_ORDER_MARK, 3) ? 3 : 0;
    while (at < s.bytes && wb_is_space(s.text[at]))
        at++;
    return at < s.bytes && s.text[at] == '[';
}

const char *wb_foreign_text(const char *text, size_t bytes, bool ndjson)
{
    const start s = {text, bytes};
    if (is_utf16(s))
        return "the text is UTF-16, not UTF-8";
    if (begins_with(s, "\x1f\x8b", 2))
        return "the text is compressed by gzip";
    if (begins_with(s, "PK\3\4", 4))
        return "the text is a ZIP archive, as spreadsheets are";
    if (ndjson && is_list(s))
        return "the text is a JSON list, not a JSON object a line";
    return NULL;
}
