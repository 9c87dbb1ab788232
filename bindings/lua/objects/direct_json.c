/* SPDX-License-Identifier: MIT
 * A flat table as JSON, written by LuaJIT's compiled code for direct adds (direct.c), which see. */
#include <math.h>
#include <string.h>

#include "base/show.h"
#include "lua/base/json_scalar.h"
#include "lua/objects/direct.h"

#if !LWB_HAS_INTEGERS

const char lwb_direct_marks[LWB_DIRECT_MARKS];

double lwb_direct_open(void *object)
{
    lwb_pipeline *p = object;
    size_t at = p->json.bytes;
    if (p->core == NULL || at > LWB_DIRECT_MOST_BYTES)
        return LWB_DIRECT_UNUSUAL;
    wb_buffer_put(&p->json, "....{", LWB_DIRECT_HEAD + 1);
    return p->json.failed ? LWB_DIRECT_UNUSUAL : (double)at;
}

static bool json_put(wb_buffer *json, const char *text, double number)
{
    if (text == &lwb_direct_marks[LWB_DIRECT_TRUE] || text == &lwb_direct_marks[LWB_DIRECT_FALSE]) {
        wb_buffer_put_text(json, text == &lwb_direct_marks[LWB_DIRECT_TRUE] ? "true" : "false");
        return true;
    }
    if (text != NULL)
        return wb_buffer_put_json_string(json, text, (size_t)number);
    if (!isfinite(number) || !wb_buffer_reserve(json, WB_NUMBER_BYTES))
        return false;
    json->bytes += lwb_float_text(number, json->data + json->bytes);
    return true;
}

bool lwb_direct_pair(void *object, const char *key, double bytes, const char *text, double number)
{
    wb_buffer *json = &((lwb_pipeline *)object)->json;
    bool sure = wb_buffer_put_json_string(json, key, (size_t)bytes);
    wb_buffer_put_char(json, ':');
    sure = json_put(json, text, number) && sure;
    wb_buffer_put_char(json, ',');
    return sure && !json->failed;
}

bool lwb_direct_close(void *object, double at)
{
    wb_buffer *json = &((lwb_pipeline *)object)->json;
    bool full = json->data[json->bytes - 1] == ',';
    json->bytes -= full;
    wb_buffer_put_char(json, '}');
    uint32_t bytes = (uint32_t)(json->bytes - (size_t)at - LWB_DIRECT_HEAD);
    memcpy(json->data + (size_t)at, &bytes, sizeof bytes);
    return full;
}

#else

typedef int lwb_direct_json_unused;

#endif
