/* SPDX-License-Identifier: MIT
 * See upsert.h. */
#include "rows/upsert.h"

#include <string.h>

#include "base/env.h"
#include "base/err.h"
#include "rows/schema.h"

static const struct wb_column *column_of(const wb_schema *schema, size_t column)
{
    return &schema->columns[column].column;
}

/* ---- checking ---- */

static bool may_sum(int type)
{
    return type == WB_TYPE_INT2 || type == WB_TYPE_INT4 || type == WB_TYPE_INT8 ||
           type == WB_TYPE_FLOAT4 || type == WB_TYPE_FLOAT8 || type == WB_TYPE_NUMERIC ||
           type == WB_TYPE_INTERVAL;
}

/* The order of text is that of the server's collation. */
static bool has_order(int type)
{
    return (may_sum(type) && type != WB_TYPE_INTERVAL) || type == WB_TYPE_TIMESTAMPTZ ||
           type == WB_TYPE_TIMESTAMP || type == WB_TYPE_DATE || type == WB_TYPE_TIME ||
           type == WB_TYPE_UUID;
}

/* Two keys are one where their bytes are: that is not so of what has several forms of one value. */
static bool may_be_key(int type)
{
    return type == WB_TYPE_BOOL || type == WB_TYPE_INT2 || type == WB_TYPE_INT4 ||
           type == WB_TYPE_INT8 || type == WB_TYPE_TEXT || type == WB_TYPE_BYTEA ||
           type == WB_TYPE_UUID || type == WB_TYPE_TIMESTAMPTZ || type == WB_TYPE_TIMESTAMP ||
           type == WB_TYPE_DATE || type == WB_TYPE_TIME || type == WB_TYPE_INET ||
           type == WB_TYPE_CIDR || type == WB_TYPE_MACADDR;
}

/* What is checked: the option, and whether its rows are merged while they wait. */
struct checked {
    const char *option;
    bool waits;
};

/* NULL: it may be a key. */
static const char *unfit_for_key(const struct checked *checked, const wb_column *column)
{
    if (column->null && !checked->waits)
        return "may be NULL: a key's value has to be there";
    if (column->server_default && !checked->waits)
        return "may be left to the server: a key's value has to be there";
    if (column->generate != WB_GIVEN && checked->waits)
        return "is generated: no two rows have the same";
    if (column->array)
        return "is an array: a key's value has to be one";
    if (column->cast != NULL)
        return "is cast: the server may make one value of two";
    return may_be_key(column->type) ? NULL : "is of a type that writes one value in several ways";
}

static int check_key(const struct checked *checked, const wb_upsert *upsert,
                     const wb_schema *schema, wb_err *err)
{
    const char *option = checked->option;
    if (upsert->key_count == 0)
        return wb_fail(err, WB_MISUSE, "%s: key: names no column", option);
    for (size_t i = 0; i < upsert->key_count; i++) {
        if (upsert->key[i] < 0 || (size_t)upsert->key[i] >= schema->count)
            return wb_fail(err, WB_MISUSE, "%s: key: %d is no column", option, (int)upsert->key[i]);
        const wb_column *column = column_of(schema, (size_t)upsert->key[i]);
        const char *unfit = unfit_for_key(checked, column);
        if (unfit != NULL)
            return wb_fail(err, WB_MISUSE, "%s: key: column \"%s\" %s", option, column->name,
                           unfit);
        for (size_t other = 0; other < i; other++)
            if (upsert->key[other] == upsert->key[i])
                return wb_fail(err, WB_MISUSE, "%s: key: column \"%s\" is named twice", option,
                               column->name);
    }
    return WB_OK;
}

static int check_word(const struct checked *checked, const wb_upsert *upsert,
                      const wb_column *column, size_t index, wb_err *err)
{
    int word = upsert->merge[index];
    const char *option = checked->option;
    bool plain = !column->array && column->cast == NULL;
    if (word < WB_MERGE_KEEP || word > WB_MERGE_EXPRESSION - checked->waits)
        return wb_fail(err, WB_MISUSE, "%s: merge: column \"%s\": %d is no way to merge", option,
                       column->name, word);
    if (word != WB_MERGE_KEEP && wb_upsert_is_key(upsert, index))
        return wb_fail(err, WB_MISUSE, "%s: column \"%s\" is of the key: it stays as it is", option,
                       column->name);
    if (word == WB_MERGE_SUM && !(plain && may_sum(column->type)))
        return wb_fail(err, WB_MISUSE, "%s: merge: column \"%s\": a sum is of numbers or intervals",
                       option, column->name);
    if ((word == WB_MERGE_MIN || word == WB_MERGE_MAX) && !(plain && has_order(column->type)))
        return wb_fail(err, WB_MISUSE,
                       "%s: merge: column \"%s\": min and max are of numbers, times and uuids",
                       option, column->name);
    if (word == WB_MERGE_EXPRESSION &&
        (upsert->expressions == NULL || upsert->expressions[index] == NULL))
        return wb_fail(err, WB_MISUSE, "upsert: columns: column \"%s\" has no expression",
                       column->name);
    return WB_OK;
}

static int check_newest(const struct checked *checked, const wb_upsert *upsert,
                        const wb_schema *schema, wb_err *err)
{
    const char *option = checked->option;
    if (upsert->newest < 0)
        return WB_OK;
    if ((size_t)upsert->newest >= schema->count)
        return wb_fail(err, WB_MISUSE, "%s: newest: %d is no column", option, (int)upsert->newest);
    const wb_column *column = column_of(schema, (size_t)upsert->newest);
    if (column->array || column->cast != NULL || column->server_default ||
        (checked->waits && column->generate != WB_GIVEN) || !has_order(column->type))
        return wb_fail(err, WB_MISUSE,
                       "%s: newest: column \"%s\" has to be a number, a time or a uuid, which "
                       "is given",
                       option, column->name);
    if (upsert->merge[upsert->newest] != WB_MERGE_SET)
        return wb_fail(err, WB_MISUSE,
                       "%s: newest: column \"%s\" can't be merged, nor be of the key, nor stay "
                       "as it is",
                       option, column->name);
    return WB_OK;
}

static int check(const struct checked *checked, const wb_upsert *upsert, const wb_schema *schema,
                 wb_err *err)
{
    int code = check_key(checked, upsert, schema, err);
    if (code != WB_OK || upsert->nothing)
        return code;
    for (size_t i = 0; i < schema->count && code == WB_OK; i++)
        code = check_word(checked, upsert, column_of(schema, i), i, err);
    return code == WB_OK ? check_newest(checked, upsert, schema, err) : code;
}

int wb_upsert_check(const wb_upsert *upsert, const wb_schema *schema, wb_err *err)
{
    return check(&(struct checked){"upsert", false}, upsert, schema, err);
}

int wb_coalesce_check(const wb_upsert *coalesce, const wb_schema *schema, wb_err *err)
{
    if (coalesce->nothing)
        return wb_fail(err, WB_MISUSE, "coalesce: the option says how two rows become one");
    return check(&(struct checked){"coalesce", true}, coalesce, schema, err);
}

/* ---- copying ---- */

void wb_upsert_free(wb_upsert *upsert, const wb_schema *schema)
{
    if (upsert == NULL)
        return;
    for (size_t i = 0; upsert->expressions != NULL && i < schema->count; i++)
        wb_free((void *)upsert->expressions[i]);
    wb_free((void *)upsert->expressions);
    wb_free((void *)upsert->merge);
    wb_free((void *)upsert->key);
    wb_free(upsert);
}

static void *copy_bytes(const void *from, size_t bytes)
{
    void *copy = from != NULL ? wb_alloc(bytes) : NULL;
    return copy != NULL ? memcpy(copy, from, bytes) : NULL;
}

static const char *const *copy_texts(const char *const *from, size_t count)
{
    const char **texts = wb_alloc_zeroed(count * sizeof *texts);
    for (size_t i = 0; texts != NULL && i < count; i++) {
        if (from[i] == NULL || (texts[i] = wb_strdup(from[i])) != NULL)
            continue;
        while (i > 0)
            wb_free((void *)texts[--i]);
        wb_free(texts);
        return NULL;
    }
    return texts;
}

wb_upsert *wb_upsert_copy(const wb_upsert *upsert, const wb_schema *schema)
{
    wb_upsert *copy = wb_alloc_zeroed(sizeof *copy);
    if (copy == NULL)
        return NULL;
    copy->key_count = upsert->key_count;
    copy->newest = upsert->nothing ? -1 : upsert->newest;
    copy->nothing = upsert->nothing;
    copy->key = copy_bytes(upsert->key, upsert->key_count * sizeof *upsert->key);
    copy->merge = upsert->nothing
                      ? wb_alloc_zeroed(schema->count * sizeof *upsert->merge)
                      : copy_bytes(upsert->merge, schema->count * sizeof *upsert->merge);
    if (upsert->expressions != NULL && !upsert->nothing)
        copy->expressions = copy_texts(upsert->expressions, schema->count);
    bool whole = copy->key != NULL && copy->merge != NULL &&
                 (upsert->expressions == NULL || upsert->nothing || copy->expressions != NULL);
    if (whole)
        return copy;
    wb_upsert_free(copy, schema);
    return NULL;
}

/* ---- what follows from it ---- */

bool wb_upsert_is_key(const wb_upsert *upsert, size_t column)
{
    for (size_t i = 0; i < upsert->key_count; i++)
        if ((size_t)upsert->key[i] == column)
            return true;
    return false;
}

static bool has(const wb_upsert *upsert, const wb_schema *schema, int word)
{
    for (size_t i = 0; i < schema->count; i++)
        if (upsert->merge[i] == word)
            return true;
    return false;
}

bool wb_upsert_gathers(const wb_upsert *upsert, const wb_schema *schema)
{
    return has(upsert, schema, WB_MERGE_SUM) || has(upsert, schema, WB_MERGE_MIN) ||
           has(upsert, schema, WB_MERGE_MAX) || has(upsert, schema, WB_MERGE_FIRST) ||
           has(upsert, schema, WB_MERGE_LAST);
}

bool wb_upsert_expresses(const wb_upsert *upsert, const wb_schema *schema)
{
    return has(upsert, schema, WB_MERGE_EXPRESSION);
}

bool wb_upsert_repeats(const wb_upsert *upsert, const wb_schema *schema)
{
    return !has(upsert, schema, WB_MERGE_SUM) && !wb_upsert_expresses(upsert, schema);
}

bool wb_upsert_ordered(const wb_upsert *upsert, const wb_schema *schema)
{
    return upsert->nothing || (upsert->newest < 0 && has(upsert, schema, WB_MERGE_SET)) ||
           has(upsert, schema, WB_MERGE_FIRST) || has(upsert, schema, WB_MERGE_LAST) ||
           wb_upsert_expresses(upsert, schema);
}

bool wb_upsert_skips(const wb_upsert *upsert, const wb_schema *schema)
{
    return upsert->nothing || (upsert->newest >= 0 && !wb_upsert_gathers(upsert, schema) &&
                               !wb_upsert_expresses(upsert, schema));
}
