/* SPDX-License-Identifier: MIT
 * Identifiers, quoted for SQL. Like snprintf: counts all, writes what fits, ends what it wrote with a NUL.
 * No state, no locks, no failure. */
#include "rows/schema.h"

#include <string.h>

/* Where the quoted name goes. */
typedef struct sink {
    char *out;
    size_t size; /* of out, its NUL included */
    size_t used; /* bytes so far, also those that don't fit */
} sink;

static void part_quote(sink *to, const char *name, size_t bytes);
static size_t quoted_bytes(const char *name);

static void put(sink *to, char c)
{
    if (to->used + 1 < to->size)
        to->out[to->used] = c;
    to->used++;
}

static size_t finish(sink *to)
{
    if (to->size > 0)
        to->out[to->used < to->size ? to->used : to->size - 1] = '\0';
    return to->used;
}

size_t wb_quote_name(const char *name, char *out, size_t size)
{
    sink to = {out, size, 0};
    part_quote(&to, name, strlen(name));
    return finish(&to);
}

/* Parts end at dots; one that is quoted already stays as it is. */
size_t wb_quote_table(const char *table, char *out, size_t size)
{
    sink to = {out, size, 0};
    for (;;) {
        size_t bytes = quoted_bytes(table);
        if (bytes > 0) {
            for (size_t i = 0; i < bytes; i++)
                put(&to, table[i]);
        } else {
            bytes = strcspn(table, ".");
            part_quote(&to, table, bytes);
        }
        table += bytes;
        if (*table != '.')
            return finish(&to);
        put(&to, *table++);
    }
}

static void part_quote(sink *to, const char *name, size_t bytes)
{
    put(to, '"');
    for (size_t i = 0; i < bytes; i++) {
        if (name[i] == '"')
            put(to, '"');
        put(to, name[i]);
    }
    put(to, '"');
}

/* The length of the quoted part that starts here and is followed by a dot or the end; 0: it is none. */
static size_t quoted_bytes(const char *name)
{
    if (name[0] != '"')
        return 0;
    size_t i = 1;
    while (name[i] != '\0' && (name[i] != '"' || name[i + 1] == '"'))
        i += name[i] == '"' ? 2 : 1;
    bool whole = i > 1 && name[i] == '"' && (name[i + 1] == '.' || name[i + 1] == '\0');
    return whole ? i + 1 : 0;
}
