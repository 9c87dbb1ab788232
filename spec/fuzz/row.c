/* SPDX-License-Identifier: MIT
 * A row of every type and of an array of each from any bytes: refused with a message, or encoded, read back as it was, written as NDJSON that is
 * JSON, and as a COPY stream. */
#include "fuzz.h"

#include "base/env.h"
#include "base/json.h"
#include "rows/batch.h"
#include "rows/row.h"

enum { TYPES = WB_ARRAY_CODE, COLUMNS = 2 * TYPES, LONGEST_LIST = 3 };

/* The arrays follow the others. */
static wb_schema *all_types(void)
{
    static wb_schema *schema;
    char names[COLUMNS][8];
    wb_column columns[COLUMNS] = {{0}};
    for (int i = 0; i < COLUMNS; i++) {
        snprintf(names[i], sizeof names[i], "c%d", i);
        columns[i] =
            (wb_column){.name = names[i], .type = i % TYPES, .array = i >= TYPES, .null = true};
    }
    if (schema == NULL)
        HOLDS(wb_schema_new(columns, COLUMNS, &schema, NULL) == WB_OK);
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

/* A byte of length, and elements. */
static wb_value take_list(const uint8_t **data, size_t *bytes, wb_value elements[LONGEST_LIST])
{
    wb_value list = {.kind = WB_LIST, .list = elements};
    if (*bytes == 0)
        return (wb_value){.kind = WB_NULL};
    list.bytes = **data % (LONGEST_LIST + 1);
    ++*data;
    --*bytes;
    for (uint32_t i = 0; i < list.bytes; i++)
        elements[i] = take_value(data, bytes);
    return list;
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

/* An array has as many elements as were given. */
static void check_array(const wb_column *column, const wb_value *list, const wb_value *array)
{
    wb_value element;
    size_t at = 0, count = 0;
    HOLDS(array->kind == WB_ARRAY && wb_array_length(array) == list->bytes);
    while (wb_array_next(column, array, &at, &element)) {
        HOLDS((element.kind == WB_NULL) == (list->list[count].kind <= WB_NULL));
        count++;
    }
    HOLDS(count == list->bytes && (count == 0 || at == array->bytes));
}

static void check_back(const wb_batch *batch, const wb_value *values, size_t size)
{
    const wb_schema *schema = wb_batch_schema(batch);
    wb_value back[COLUMNS];
    size_t whole;
    const uint8_t *tuple = wb_batch_row(batch, 0, &whole);
    HOLDS(whole == size);
    wb_row_values(schema, tuple, back);
    for (size_t i = 0; i < COLUMNS; i++) {
        wb_value again = wb_row_value(schema, tuple, i);
        HOLDS(again.kind == back[i].kind && again.i == back[i].i);
        if (values[i].kind == WB_LIST)
            check_array(wb_schema_column(schema, i), &values[i], &back[i]);
        else
            HOLDS((values[i].kind <= WB_NULL) == (back[i].kind == WB_NULL));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    wb_schema *schema = all_types();
    wb_value values[COLUMNS], elements[TYPES][LONGEST_LIST];
    wb_err err = {0};
    for (int i = 0; i < COLUMNS; i++)
        values[i] =
            i < TYPES ? take_value(&data, &bytes) : take_list(&data, &bytes, elements[i - TYPES]);
    wb_batch *batch = wb_batch_new(schema);
    size_t size = 0, bound = wb_row_bound(schema, values, COLUMNS);
    HOLDS(batch != NULL && wb_batch_reserve(batch, bound));
    if (wb_row_encode(schema, values, COLUMNS, wb_batch_end(batch), &size, &err) != WB_OK) {
        check_message(&err);
    } else {
        HOLDS(size <= bound);
        wb_batch_push(batch, size, 0);
        check_back(batch, values, size);
        check_batch(batch);
    }
    wb_batch_free(batch);
    return 0;
}
