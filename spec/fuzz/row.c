/* SPDX-License-Identifier: MIT
 * A row of every type from any bytes: refused with a message, or encoded, read back as it was, written as NDJSON that is
 * JSON, and as a COPY stream. */
#include "fuzz.h"

#include "base/env.h"
#include "base/json.h"
#include "rows/batch.h"
#include "rows/row.h"

enum { TYPES = WB_TYPE_JSONB + 1 };

static wb_schema *all_types(void)
{
    static wb_schema *schema;
    static const char *const names[TYPES] = {"a", "b", "c", "d", "e", "f", "g",
                                             "h", "i", "j", "k", "l", "m"};
    wb_column columns[TYPES] = {{0}};
    for (int i = 0; i < TYPES; i++)
        columns[i] = (wb_column){.name = names[i], .type = i, .null = true};
    if (schema == NULL)
        HOLDS(wb_schema_new(columns, TYPES, &schema, NULL) == WB_OK);
    return schema;
}

/* From a byte of kind, and a number or a length and text. */
static wb_value take_value(const uint8_t **data, size_t *bytes)
{
    wb_value value = {.kind = WB_NULL};
    if (*bytes < 9)
        return value;
    uint8_t kind = **data;
    memcpy(&value.i, *data + 1, sizeof value.i);
    *data += 9;
    *bytes -= 9;
    value.kind = kind % 6;
    if (value.kind == WB_BOOL)
        value.i = kind > 100;
    if (value.kind != WB_TEXT)
        return value;
    size_t length = (size_t)(kind / 6) < *bytes ? (size_t)(kind / 6) : *bytes;
    value = (wb_value){.kind = WB_TEXT, .text = (const char *)*data, .bytes = (uint32_t)length};
    *data += length;
    *bytes -= length;
    return value;
}

static void check_lines(const char *text, size_t bytes)
{
    while (bytes > 0) {
        const char *end = memchr(text, '\n', bytes);
        size_t at;
        HOLDS(end != NULL);
        HOLDS(wb_json_check(text, (size_t)(end - text), &at) == NULL ||
              memchr(text, '\\', (size_t)(end - text)) != NULL); /* \u0000 is JSON, not jsonb */
        bytes -= (size_t)(end + 1 - text);
        text = end + 1;
    }
}

static void check_batch(const wb_batch *batch)
{
    char *lines = NULL;
    uint8_t *copy = NULL;
    size_t bytes = 0;
    wb_err err = {0};
    if (wb_batch_ndjson(batch, &lines, &bytes, &err) == WB_OK)
        check_lines(lines, bytes);
    else
        check_message(&err);
    wb_free(lines);
    HOLDS(wb_batch_copy_binary(batch, &copy, &bytes, &err) == WB_OK);
    HOLDS(bytes > 21 && memcmp(copy, "PGCOPY\n", 7) == 0);
    wb_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    wb_schema *schema = all_types();
    wb_value values[TYPES], back[TYPES], again[TYPES];
    wb_err err = {0};
    for (int i = 0; i < TYPES; i++)
        values[i] = take_value(&data, &bytes);
    wb_batch *batch = wb_batch_new(schema);
    size_t size = 0;
    HOLDS(batch != NULL && wb_batch_reserve(batch, wb_row_bound(schema, values, TYPES)));
    if (wb_row_encode(schema, NULL, 0, values, TYPES, wb_batch_end(batch), &size, &err) != WB_OK) {
        check_message(&err);
    } else {
        HOLDS(size <= wb_row_bound(schema, values, TYPES));
        wb_batch_push(batch, size, 0);
        size_t whole;
        wb_row_values(schema, wb_batch_row(batch, 0, &whole), back);
        HOLDS(whole == size);
        for (int i = 0; i < TYPES; i++)
            again[i] = wb_row_value(schema, wb_batch_row(batch, 0, &whole), (size_t)i);
        for (int i = 0; i < TYPES; i++)
            HOLDS(again[i].kind == back[i].kind && again[i].i == back[i].i);
        check_batch(batch);
    }
    wb_batch_free(batch);
    return 0;
}
