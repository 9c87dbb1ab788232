/* SPDX-License-Identifier: MIT
 * Making a schema: checks the columns and encodes the defaults. Invariant: `count` is of the columns that own memory,
 * so that a schema can be freed half-way. No locks: nobody else has it yet. Fails with WB_INVALID, naming the column,
 * or with WB_MEMORY; what was made is freed. */
#include <string.h>

#include "base/env.h"
#include "base/show.h"
#include "base/utf8.h"
#include "rows/array.h"
#include "rows/row.h"
#include "rows/types.h"

enum {
    NAME_BYTES = 63,       /* PostgreSQL's NAMEDATALEN - 1: a longer one would be cut there */
    SCHEMA_COLUMNS = 1600, /* PostgreSQL's MaxHeapAttributeNumber */
};

static int column_add(wb_schema *schema, const wb_column *column, wb_err *err);
static int name_check(const wb_schema *schema, const char *name, wb_err *err);
static void place_columns(wb_schema *schema);
static int column_check(const wb_column *column, wb_err *err);
static bool texts_copy(wb_column_plan *plan, const wb_column *column);
static int default_copy(wb_column_plan *plan, const wb_value *value, wb_err *err);
static size_t room_of(const wb_column_plan *plan);
static int no_memory(wb_err *err);

int wb_schema_new(const wb_column *columns, size_t count, wb_schema **out, wb_err *err)
{
    if (count < 1 || count > SCHEMA_COLUMNS)
        return wb_fail(err, WB_INVALID, "a schema has 1 to %d columns, not %zu", SCHEMA_COLUMNS,
                       count);
    wb_schema *schema = wb_alloc_zeroed(sizeof *schema + count * sizeof schema->columns[0]);
    if (!schema)
        return no_memory(err);
    atomic_init(&schema->references, 1);
    schema->fixed_bytes = sizeof(uint16_t);
    for (size_t i = 0; i < count; i++) {
        int code = column_add(schema, &columns[i], err);
        if (code != WB_OK) {
            wb_schema_unref(schema);
            return code;
        }
    }
    place_columns(schema);
    *out = schema;
    return WB_OK;
}

static void place_columns(wb_schema *schema)
{
    uint32_t given = 0, generated = schema->given;
    for (size_t i = 0; i < schema->count; i++) {
        wb_column_plan *plan = &schema->columns[i];
        plan->place = plan->column.generate == WB_GIVEN ? given++ : generated++;
    }
}

/* Counts the column before it makes something that must be freed. */
static int column_add(wb_schema *schema, const wb_column *column, wb_err *err)
{
    int code = name_check(schema, column->name, err);
    if (code == WB_OK)
        code = column_check(column, err);
    if (code != WB_OK)
        return code;
    wb_column_plan *plan = &schema->columns[schema->count++];
    plan->column = *column;
    plan->column.default_value = (wb_value){.kind = WB_ABSENT};
    plan->column.cast = NULL;
    plan->column.values = NULL;
    schema->given += column->generate == WB_GIVEN;
    plan->left_bit = schema->left;
    schema->left += column->server_default;
    schema->lenient = schema->lenient || column->lenient;
    schema->arrays = schema->arrays || column->array;
    plan->code = wb_column_code(column);
    plan->column.name = wb_strdup(column->name);
    if (!plan->column.name || !texts_copy(plan, column))
        return no_memory(err);
    code = default_copy(plan, &column->default_value, err);
    schema->fixed_bytes += room_of(plan);
    return code;
}

/* The list and its texts are one piece. */
static const char *const *values_copy(const char *const *values)
{
    size_t count = 0, bytes = 0;
    for (; values[count] != NULL; count++)
        bytes += strlen(values[count]) + 1;
    const char **copy = wb_alloc((count + 1) * sizeof *copy + bytes);
    char *at = (char *)(copy + count + 1);
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = at;
        at = stpcpy(at, values[i]) + 1;
    }
    if (copy != NULL)
        copy[count] = NULL;
    return copy;
}

/* False: no memory. */
static bool texts_copy(wb_column_plan *plan, const wb_column *column)
{
    if (column->cast != NULL)
        plan->column.cast = wb_strdup(column->cast);
    if (column->values != NULL)
        plan->column.values = values_copy(column->values);
    return (column->cast == NULL) == (plan->column.cast == NULL) &&
           (column->values == NULL) == (plan->column.values == NULL);
}

static int name_check(const wb_schema *schema, const char *name, wb_err *err)
{
    unsigned number = schema->count + 1u;
    char shown[WB_SHOWN_BYTES];
    if (!name || name[0] == '\0')
        return wb_fail(err, WB_INVALID, "column %u has no name", number);
    size_t bytes = strlen(name);
    wb_show_text(name, bytes, shown);
    if (bytes > NAME_BYTES)
        return wb_fail(err, WB_INVALID, "column %u: the name %s has %zu bytes, more than %d",
                       number, shown, bytes, NAME_BYTES);
    if (wb_utf8_check(name, bytes) != bytes)
        return wb_fail(err, WB_INVALID, "column %u: the name %s is not UTF-8", number, shown);
    if (wb_schema_find(schema, name, bytes) >= 0)
        return wb_fail(err, WB_INVALID, "column %u: the name %s is taken by column %d", number,
                       shown, wb_schema_find(schema, name, bytes) + 1);
    return WB_OK;
}

static int column_check(const wb_column *column, wb_err *err)
{
    char shown[WB_SHOWN_BYTES];
    wb_show_text(column->name, strlen(column->name), shown);
    if (!wb_type_name(column->type))
        return wb_fail(err, WB_INVALID, "column %s: there is no type %d", shown, (int)column->type);
    const char *type = wb_type_name(column->type);
    bool of_text = column->max > 0 || column->values != NULL || column->cast != NULL;
    if (of_text && column->type != WB_TYPE_TEXT)
        return wb_fail(err, WB_INVALID, "column %s (%s): only text has max, values or a cast",
                       shown, type);
    if (column->cast != NULL && (column->array || column->cast[0] == '\0'))
        return wb_fail(
            err, WB_INVALID,
            "column %s: a cast names the type of the whole value, such as \"tsvector\" or "
            "\"box[]\"",
            shown);
    bool made_here = column->generate != WB_GIVEN || column->default_value.kind != WB_ABSENT;
    if (column->server_default && made_here)
        return wb_fail(
            err, WB_INVALID,
            "column %s (%s): what the server fills has no other default and no generator", shown,
            type);
    if (column->generate == WB_GIVEN)
        return WB_OK;
    if (column->generate != WB_UUIDV4 && column->generate != WB_UUIDV7)
        return wb_fail(err, WB_INVALID, "column %s (%s): there is no generator %d", shown, type,
                       (int)column->generate);
    if (column->type != WB_TYPE_UUID || column->array)
        return wb_fail(err, WB_INVALID, "column %s (%s): only a uuid can be generated", shown,
                       type);
    if (column->default_value.kind != WB_ABSENT)
        return wb_fail(err, WB_INVALID, "column %s (%s): it is generated and has a default", shown,
                       type);
    if (column->null)
        return wb_fail(err, WB_INVALID, "column %s (%s): it is generated and may be NULL", shown,
                       type);
    return WB_OK;
}

/* A nullable column has the default NULL without being told. */
static int default_copy(wb_column_plan *plan, const wb_value *value, wb_err *err)
{
    if (value->kind == WB_ABSENT || (value->kind == WB_NULL && plan->column.null))
        return WB_OK;
    size_t text_bytes = value->kind == WB_TEXT ? value->bytes : 0, bytes;
    if (value->kind == WB_LIST)
        text_bytes = wb_array_bound(value);
    plan->default_field = wb_alloc(sizeof(uint32_t) + WB_FIELD_SLACK + text_bytes);
    if (!plan->default_field)
        return no_memory(err);
    int code = wb_field_encode(&plan->column, value, plan->default_field, &bytes, err);
    if (code != WB_OK)
        return wb_wrap(err, code, "default");
    plan->default_bytes = (uint32_t)bytes;
    if (value->kind == WB_LIST) {
        wb_field_value(&plan->column, plan->default_field, &plan->column.default_value);
        return WB_OK;
    }
    if (value->kind == WB_TEXT) {
        char *text = wb_alloc(text_bytes + 1);
        if (!text)
            return no_memory(err);
        if (text_bytes > 0)
            memcpy(text, value->text, text_bytes);
        text[text_bytes] = '\0';
        plan->column.default_value.text = text;
    } else {
        plan->column.default_value.i = value->i;
    }
    plan->column.default_value.kind = value->kind;
    plan->column.default_value.bytes = (uint32_t)text_bytes;
    return WB_OK;
}

/* The room of the column in a tuple, without a text that is given. */
static size_t room_of(const wb_column_plan *plan)
{
    uint32_t type_bytes = plan->column.array ? 0 : wb_type_bytes(plan->column.type);
    size_t room = sizeof(uint32_t) + (type_bytes > 0 ? type_bytes : WB_FIELD_SLACK);
    return room < plan->default_bytes ? plan->default_bytes : room;
}

static int no_memory(wb_err *err)
{
    return wb_fail(err, WB_MEMORY, "no memory for a schema");
}
