/* SPDX-License-Identifier: MIT
 * See schema_text.h. No state; fails for text that is damaged and without memory. */
#include "rows/schema_text.h"

#include <string.h>

#include "base/env.h"

enum { PARTS = 4 };

uint8_t *wb_schema_text(const wb_schema *schema, size_t *bytes)
{
    wb_buffer text = WB_BUFFER_EMPTY;
    for (size_t i = 0; i < schema->count; i++) {
        const wb_column *column = &schema->columns[i].column;
        char flags[PARTS + 1], *flag = flags;
        if (column->array)
            *flag++ = 'a';
        if (column->null)
            *flag++ = 'n';
        if (column->server_default)
            *flag++ = 's';
        if (column->generate != WB_GIVEN)
            *flag++ = column->generate == WB_UUIDV4 ? '4' : '7';
        *flag = '\0';
        const char *parts[PARTS] = {column->name, wb_type_name(column->type), flags,
                                    column->cast != NULL ? column->cast : ""};
        for (int part = 0; part < PARTS; part++)
            wb_buffer_put(&text, parts[part], strlen(parts[part]) + 1);
    }
    return (uint8_t *)wb_buffer_take(&text, bytes);
}

static bool read_flags(const char *flags, wb_column *column)
{
    for (; *flags != '\0'; flags++) {
        switch (*flags) {
        case 'a':
            column->array = true;
            break;
        case 'n':
            column->null = true;
            break;
        case 's':
            column->server_default = true;
            break;
        case '4':
            column->generate = WB_UUIDV4;
            break;
        case '7':
            column->generate = WB_UUIDV7;
            break;
        default:
            return false;
        }
    }
    return true;
}

static bool read_column(const char *parts[PARTS], wb_column *column)
{
    *column = (wb_column){
        .name = parts[0],
        .type = wb_type_find(parts[1], strlen(parts[1])),
        .cast = parts[3][0] != '\0' ? parts[3] : NULL,
    };
    return column->type >= 0 && read_flags(parts[2], column);
}

static size_t count_parts(const uint8_t *text, size_t bytes)
{
    size_t parts = 0;
    for (size_t i = 0; i < bytes; i++)
        parts += text[i] == '\0';
    return bytes > 0 && text[bytes - 1] == '\0' ? parts : 0;
}

static bool read_columns(const uint8_t *text, wb_column *columns, size_t count)
{
    const char *at = (const char *)text, *parts[PARTS];
    for (size_t i = 0; i < count; i++) {
        for (int part = 0; part < PARTS; part++) {
            parts[part] = at;
            at += strlen(at) + 1;
        }
        if (!read_column(parts, &columns[i]))
            return false;
    }
    return true;
}

int wb_schema_of_text(const uint8_t *text, size_t bytes, wb_schema **out, wb_err *err)
{
    size_t parts = count_parts(text, bytes), count = parts / PARTS;
    if (count == 0 || parts % PARTS != 0)
        return wb_fail(err, WB_INVALID, "what should be a schema's text is damaged");
    wb_column *columns = wb_alloc(count * sizeof *columns);
    if (columns == NULL)
        return wb_fail(err, WB_MEMORY, "out of memory for a schema");
    int code = read_columns(text, columns, count)
                   ? wb_schema_new(columns, count, out, err)
                   : wb_fail(err, WB_INVALID, "a schema's text has a type or a flag that is none");
    wb_free(columns);
    return code;
}
