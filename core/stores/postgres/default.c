/* SPDX-License-Identifier: MIT
 * A column's default, as pg_get_expr writes it: is it a constant, or does it make a uuid? Pure functions, so no
 * locks, and nothing fails: what they don't know they take for an expression, which stays the server's business.
 * A skip_… moves *at behind what it names; false: that is not there. */
#include "stores/postgres/postgres.h"

#include <ctype.h>
#include <string.h>

static bool skip_expression(const char **at);

static void skip_spaces(const char **at)
{
    while (**at == ' ')
        ++*at;
}

/* '…' with '' in it, or E'…' with \\ too. */
static bool skip_string(const char **at)
{
    bool escapes = **at == 'E';
    const char *p = *at + (escapes ? 2 : 1);
    for (; *p != '\0'; p++) {
        if (escapes && *p == '\\' && p[1] != '\0')
            p++;
        else if (*p == '\'' && p[1] == '\'')
            p++;
        else if (*p == '\'')
            break;
    }
    *at = p + (*p == '\'');
    return *p == '\'';
}

static bool skip_number(const char **at)
{
    size_t bytes = strspn(*at, "0123456789.eE+-");
    *at += bytes;
    return bytes > 0;
}

static bool skip_word(const char **at, const char *word)
{
    size_t bytes = strlen(word);
    if (strncmp(*at, word, bytes) != 0 || isalnum((unsigned char)(*at)[bytes]) ||
        (*at)[bytes] == '_')
        return false;
    *at += bytes;
    return true;
}

/* In brackets, perhaps with a sign before it. */
static bool skip_bracket(const char **at)
{
    ++*at;
    skip_spaces(at);
    if (**at == '-')
        ++*at;
    skip_spaces(at);
    if (!skip_expression(at) || **at != ')')
        return false;
    ++*at;
    return true;
}

static bool skip_primary(const char **at)
{
    if (**at == '(')
        return skip_bracket(at);
    if (**at == '\'' || strncmp(*at, "E'", 2) == 0)
        return skip_string(at);
    if (isdigit((unsigned char)**at) || **at == '-' || **at == '.')
        return skip_number(at);
    return skip_word(at, "true") || skip_word(at, "false") || skip_word(at, "NULL");
}

/* The numbers after a type's name: (10,2), [] or [3]. */
static bool skip_modifier(const char **at)
{
    char close = **at == '(' ? ')' : ']';
    size_t digits = strspn(*at + 1, "0123456789,");
    if ((close == ')' && digits == 0) || (*at)[1 + digits] != close)
        return false;
    *at += digits + 2;
    return true;
}

static bool skip_quoted(const char **at)
{
    const char *end = strchr(*at + 1, '"');
    if (end == NULL)
        return false;
    *at = end + 1;
    return true;
}

/* Words, quoted names, dots between them, modifiers; up to a bracket, a cast or the end. */
static bool skip_type(const char **at)
{
    const char *begin = *at;
    for (;;) {
        unsigned char c = (unsigned char)**at;
        if (c == '(' || c == '[') {
            if (*at == begin || !skip_modifier(at))
                return false;
        } else if (c == '"') {
            if (!skip_quoted(at))
                return false;
        } else if (isalnum(c) || c == '_' || c == ' ' || c == '.' || c >= 0x80) {
            ++*at;
        } else {
            return *at > begin;
        }
    }
}

static bool skip_expression(const char **at)
{
    if (!skip_primary(at))
        return false;
    while (strncmp(*at, "::", 2) == 0) {
        *at += 2;
        if (!skip_type(at))
            return false;
    }
    return true;
}

static bool ends_with(const char *text, const char *end)
{
    size_t bytes = strlen(text), end_bytes = strlen(end);
    return bytes >= end_bytes && strcmp(text + bytes - end_bytes, end) == 0;
}

/* A time's text must mean the same in every session. That of 'now' does not, nor that of a date without a zone. */
static bool is_fixed_time(const char *sql, int type)
{
    const char *cast = type == WB_TYPE_DATE ? "'::date" : "'::timestamp with time zone";
    return sql[0] == '\'' && isdigit((unsigned char)sql[1]) && ends_with(sql, cast) &&
           strlen(sql) > strlen(cast) + 1;
}

bool wb_pg_default_constant(const char *sql, int type)
{
    const char *at = sql;
    if (!skip_expression(&at) || *at != '\0')
        return false;
    bool is_time = type == WB_TYPE_DATE || type == WB_TYPE_TIMESTAMPTZ;
    return !is_time || is_fixed_time(sql, type);
}

int wb_pg_default_generate(const char *sql)
{
    static const struct maker {
        const char *call;
        int generate;
    } makers[] = {
        {"gen_random_uuid()", WB_UUIDV4},  {"uuid_generate_v4()", WB_UUIDV4},
        {"uuidv4()", WB_UUIDV4},           {"uuidv7()", WB_UUIDV7},
        {"uuid_generate_v7()", WB_UUIDV7},
    };
    const char *dot = strrchr(sql, '.'), *call = dot == NULL ? sql : dot + 1;
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
        if (strcmp(call, makers[i].call) == 0)
            return makers[i].generate;
    return -1;
}
