/* SPDX-License-Identifier: MIT
 * What the server's errors mean for the rows. Pure: no connection, no state, no locks; nothing fails.
 *
 * The table has classes of SQLSTATEs and their exceptions; the longest prefix counts. Three questions decide. Would
 * the same rows do later, or elsewhere? RETRY. Is it the fault of some row, so that others would do? REJECT. Else
 * HOLD, of which no row can die: so an unknown state is HOLD too. */
#include "stores/postgres/postgres.h"

#include <ctype.h>
#include <string.h>

typedef struct meaning {
    const char *prefix;
    int class;
} meaning;

/* PostgreSQL manual, appendix A. */
static const meaning meanings[] = {
    {"08", WB_RETRY},  /* the connection; also a pooler's loss of its server */
    {"09", WB_REJECT}, /* a trigger's action failed, as 20, 27, 2F, 38 and P0: it was given a row */
    {"20", WB_REJECT},  {"21", WB_REJECT}, /* cardinality */
    {"22", WB_REJECT},                     /* data */
    {"22P03", WB_HOLD}, /* the form of a binary value, in all rows alike: the table has changed */
    {"22P04", WB_HOLD}, /* the form of the COPY stream: the same */
    {"23", WB_REJECT},  /* constraints */
    {"25", WB_RETRY},   /* transaction state: 25006 is a standby, or a primary that was one */
    {"26", WB_RETRY},   /* a statement's name, behind a pooler */
    {"27", WB_REJECT},  {"2F", WB_REJECT}, {"38", WB_REJECT}, {"3B", WB_RETRY}, /* savepoints */
    {"40", WB_RETRY},   /* deadlock, serialization */
    {"44", WB_REJECT},  /* a view's check option */
    {"53", WB_RETRY},   /* resources: disk, memory, connections */
    {"54", WB_REJECT},  /* a limit: an index entry too long, JSON too deep */
    {"54011", WB_HOLD}, /* too many columns */
    {"54023", WB_HOLD}, /* too many arguments */
    {"55", WB_RETRY},   /* locked, or not in the state for it */
    {"57", WB_RETRY},   /* an operator: shutdown, cancel, timeout */
    {"57P04", WB_HOLD}, /* the database was dropped */
    {"58", WB_RETRY},   /* the system: I/O */
    {"58P01", WB_HOLD}, /* a file of the installation is missing */
    {"HV", WB_RETRY},   /* behind a foreign table */
    {"P0", WB_REJECT},  /* raised by a trigger */
    {"XX", WB_RETRY},   /* internal */
    {"XX001", WB_HOLD}, /* corrupted data */
    {"XX002", WB_HOLD}, /* a corrupted index */
};

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

int wb_pg_class(const char *sqlstate)
{
    size_t longest = 0;
    int class = WB_HOLD;
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        size_t bytes = strlen(meanings[i].prefix);
        if (bytes > longest && starts_with(sqlstate, meanings[i].prefix)) {
            longest = bytes;
            class = meanings[i].class;
        }
    }
    return class;
}

/* An error of the server means that it rolled back. A pooler's does not: it has lost its server, and says so in
 * class 08 (PgBouncer) or 58. 40003 means that the server does not know. */
bool wb_pg_doubtful(const char *sqlstate)
{
    return starts_with(sqlstate, "08") || starts_with(sqlstate, "58") ||
           strcmp(sqlstate, "40003") == 0;
}

static const char *field_of(const PGresult *result, int field)
{
    const char *text = PQresultErrorField(result, field);
    return text == NULL ? "" : text;
}

int wb_pg_fail(wb_err *err, const PGresult *result)
{
    const char *sqlstate = field_of(result, PG_DIAG_SQLSTATE);
    const char *primary = field_of(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = field_of(result, PG_DIAG_MESSAGE_DETAIL);
    if (*primary == '\0')
        primary = PQresultErrorMessage(result); /* libpq's own */
    int class = *sqlstate == '\0' ? WB_RETRY : wb_pg_class(sqlstate);
    int bytes = (int)strcspn(primary, "\n");
    if (*detail == '\0')
        wb_fail_store(err, class, "%.*s", bytes, primary);
    else
        wb_fail_store(err, class, "%.*s (%s)", bytes, primary, detail);
    if (err != NULL && strlen(sqlstate) < sizeof err->sqlstate) {
        strcpy(err->sqlstate, sqlstate);
        err->timed_out = strcmp(sqlstate, "57014") == 0; /* statement_timeout */
    }
    return WB_STORE;
}

static bool is_sqlstate(const char *text)
{
    for (int i = 0; i < 5; i++)
        if (!isdigit((unsigned char)text[i]) && !isupper((unsigned char)text[i]))
            return false;
    return text[5] == ':' && text[6] == ' ';
}

/* At connecting libpq gives an error as text alone: "FATAL:  28P01: …", with the severity in the server's
 * language. */
void wb_pg_sqlstate_in(const char *text, char sqlstate[6])
{
    sqlstate[0] = '\0';
    for (const char *at = strstr(text, ":  "); at != NULL; at = strstr(at + 1, ":  ")) {
        if (is_sqlstate(at + 3)) {
            memcpy(sqlstate, at + 3, 5);
            sqlstate[5] = '\0';
        }
    }
}

/* The last attempt counts: libpq may have tried without TLS, or another address, before. Its first line is
 * shown. */
int wb_pg_fail_connect(wb_err *err, const char *text, bool needs_password)
{
    char sqlstate[6];
    wb_pg_sqlstate_in(text, sqlstate);
    const char *begin = text, *last = strstr(text, "connection to server ");
    for (; last != NULL; last = strstr(last + 1, "connection to server "))
        begin = last;
    int class = WB_RETRY;
    if (*sqlstate != '\0')
        class = wb_pg_class(sqlstate);
    else if (needs_password)
        class = WB_HOLD;
    wb_fail_store(err, class, "%.*s", (int)strcspn(begin, "\n"), begin);
    if (err != NULL)
        memcpy(err->sqlstate, sqlstate, sizeof sqlstate);
    return WB_STORE;
}
