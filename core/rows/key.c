/* SPDX-License-Identifier: MIT
 * Values to keys and back. Invariant: two keys of a type are one id if their bytes are equal, and what goes in comes out.
 * No state, no memory, no locks. A value that is refused leaves the key as it was. */
#include "rows/key.h"

#include <string.h>

#include "base/bigendian.h"
#include "base/utf8.h"
#include "rows/convert.h"

/* Negative numbers come first. */
#define SIGN       (UINT64_C(1) << 63)
#define MOST_EXACT (INT64_C(1) << 53) /* of a float's whole numbers */

bool wb_key_may_be(int type)
{
    return type == WB_TYPE_UUID || type == WB_TYPE_INT4 || type == WB_TYPE_INT8 ||
           type == WB_TYPE_TEXT;
}

static const char *uuid_of(const wb_value *value, wb_key *out)
{
    if (value->kind == WB_TEXT && value->bytes == 16)
        memcpy(out->id, value->text, 16);
    else if (value->kind != WB_TEXT || !wb_uuid_parse(value->text, value->bytes, out->id))
        return "not a uuid of 36 characters or 16 raw bytes";
    return NULL;
}

static const char *int_of(int type, const wb_value *value, wb_key *out)
{
    int64_t number;
    const char *why = wb_convert_int(value, &number);
    if (why)
        return why;
    if (value->kind == WB_FLOAT && (number > MOST_EXACT || number < -MOST_EXACT))
        return "a float beyond 2^53 no longer says which integer is meant";
    if (type == WB_TYPE_INT4 && number != (int32_t)number)
        return "not within -2147483648 to 2147483647";
    wb_put64(wb_put64(out->id, 0), (uint64_t)number ^ SIGN);
    return NULL;
}

static const char *text_of(const wb_value *value, wb_key *out)
{
    if (value->kind != WB_TEXT)
        return "not text";
    if (value->bytes > WB_KEY_TEXT_BYTES)
        return "more than 1024 bytes";
    size_t good = wb_utf8_check(value->text, value->bytes);
    if (good != value->bytes)
        return value->text[good] ? "not UTF-8" : "it holds a NUL";
    out->text.sort = 0;
    out->text.bytes = value->bytes;
    out->text.at = value->text;
    return NULL;
}

int wb_key_of(const wb_column *column, const wb_value *value, wb_key *out, wb_err *err)
{
    const char *why;
    if (value->kind == WB_ABSENT || value->kind == WB_NULL)
        return wb_refuse_missing(column, value->kind == WB_NULL, err), WB_INVALID;
    if (column->type == WB_TYPE_UUID)
        why = uuid_of(value, out);
    else if (column->type == WB_TYPE_TEXT)
        why = text_of(value, out);
    else
        why = int_of(column->type, value, out);
    return why == NULL ? WB_OK : (wb_refuse(column, value, why, err), WB_INVALID);
}

void wb_key_value(int type, const wb_key *key, wb_value *out)
{
    if (type == WB_TYPE_TEXT)
        *out = (wb_value){.kind = WB_TEXT, .bytes = key->text.bytes, .text = key->text.at};
    else if (type == WB_TYPE_UUID)
        *out = (wb_value){.kind = WB_TEXT, .bytes = 16, .text = (const char *)key->id};
    else
        *out = (wb_value){.kind = WB_INT, .i = (int64_t)(wb_get64(key->id + 8) ^ SIGN)};
}
