/* SPDX-License-Identifier: MIT
 * What the server's errors mean for the rows. Pure: no connection, no state, no locks; nothing fails.
 *
 * The table has classes of SQLSTATEs and their exceptions; the longest prefix counts. Four questions decide, in this
 * order. Would the same rows do later, or elsewhere? RETRY. Is it the row's own fault, so that others would do? ROW.
 * Is it a fault of the table, the server or a trigger's text? Then no row can die of it: TABLE, of which a few rows may
 * show it while the others do, or WHOLE, where a write of anything would fail alike. What is in no class is what
 * somebody's trigger raised, or a later server: UNKNOWN, and what adds up decides.
 * TABLE and UNKNOWN count only of an error that a row met with; of a statement that the server refuses they are WHOLE,
 * which is HOLD. */
#include "stores/postgres/postgres.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum fault { RETRY, ROW, TABLE, WHOLE, UNKNOWN };

typedef struct meaning {
    const char *prefix;
    enum fault fault;
} meaning;

/* PostgreSQL manual, appendix A. */
static const meaning meanings[] = {
    {"08", RETRY}, /* the connection; also a pooler's loss of its server */
    {"09", ROW},   /* a trigger's action failed, as 20, 27, 2F, 38 and P0: it was given a row */
    {"0A", TABLE}, /* what a trigger or a partition can't do */
    {"0B", WHOLE}, /* a transaction can't be begun */
    {"0L", WHOLE}, /* roles, as 0P */
    {"0P", WHOLE},      {"20", ROW},   {"21", ROW}, /* cardinality */
    {"22", ROW},                                    /* data */
    {"22P03", WHOLE}, /* the form of a binary value, in all rows alike: the table has changed */
    {"22P04", WHOLE}, /* the form of the COPY stream: the same */
    {"23", ROW},      /* constraints; but see is_without_partition */
    {"24", TABLE},    /* a cursor of a trigger, as 34 */
    {"25", RETRY},    /* transaction state: 25006 is a standby, or a primary that was one */
    {"26", RETRY},    /* a statement's name, behind a pooler */
    {"27", ROW},        {"28", WHOLE}, /* authorization */
    {"2D", TABLE},                     /* a trigger that commits */
    {"2F", ROW},        {"34", TABLE}, {"38", ROW},
    {"39", TABLE}, /* how a trigger's function was called */
    {"3B", RETRY}, /* savepoints */
    {"3D", WHOLE}, /* no such database */
    {"3F", TABLE}, /* no such schema: a trigger may name one */
    {"40", RETRY}, /* deadlock, serialization */
    {"42", TABLE}, /* a name or a right that is missing: of the table, or within a trigger of some rows alone */
    {"44", ROW},        /* a view's check option */
    {"53", RETRY},      /* resources: memory, connections */
    {"53100", TABLE},   /* a disk is full: a tablespace may be that of one partition */
    {"54", ROW},        /* a limit: an index entry too long */
    {"54001", TABLE},   /* too complex: triggers that call each other; but see is_of_column */
    {"54011", WHOLE},   /* too many columns */
    {"54023", WHOLE},   /* too many arguments */
    {"55", RETRY},      /* locked, or in use */
    {"55000", UNKNOWN}, /* not in the state for it: triggers raise it, too */
    {"55P02", WHOLE},   /* a setting that can't be made now */
    {"57", RETRY},      /* an operator: shutdown, cancel, timeout */
    {"57P04", WHOLE},   /* the database was dropped */
    {"58", RETRY},      /* the system: I/O */
    {"58P01", TABLE},   /* a file is missing: of one partition, or of a trigger's language */
    {"72", RETRY},      /* a snapshot that is too old */
    {"F0", WHOLE},      /* the server's configuration */
    {"HV", TABLE},      /* a foreign table, which one partition may be */
    {"P0", ROW},        /* raised by a trigger */
    {"XX", UNKNOWN},    /* internal: mostly a bug, which some rows meet */
    {"XX001", TABLE},   /* corrupted data: of one partition or index page */
    {"XX002", TABLE},   /* a corrupted index: the same */
};

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static enum fault fault_of(const char *sqlstate)
{
    size_t longest = 0;
    enum fault fault = UNKNOWN;
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        size_t bytes = strlen(meanings[i].prefix);
        if (bytes > longest && starts_with(sqlstate, meanings[i].prefix)) {
            longest = bytes;
            fault = meanings[i].fault;
        }
    }
    return fault;
}

static int class_of(enum fault fault)
{
    return fault == RETRY ? WB_RETRY : fault == ROW ? WB_REJECT : WB_HOLD;
}

int wb_pg_class(const char *sqlstate)
{
    return class_of(fault_of(sqlstate));
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

/* The first line of a text that says something. */
static const char *first_line(const char *text, int *bytes)
{
    text += strspn(text, "\r\n\t ");
    *bytes = (int)strcspn(text, "\r\n");
    return text;
}

/* 42501 also says that a policy refuses a row, which is that row's. */
static bool is_of_policy(const PGresult *result, const char *sqlstate)
{
    return strcmp(sqlstate, "42501") == 0 &&
           strcmp(field_of(result, PG_DIAG_SOURCE_FUNCTION), "ExecWithCheckOptions") == 0;
}

int wb_pg_fail(wb_err *err, const PGresult *result)
{
    const char *sqlstate = field_of(result, PG_DIAG_SQLSTATE);
    const char *primary = field_of(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = field_of(result, PG_DIAG_MESSAGE_DETAIL);
    if (*primary == '\0')
        primary = PQresultErrorMessage(result); /* libpq's own */
    int class = *sqlstate == '\0' ? WB_RETRY : wb_pg_class(sqlstate);
    if (is_of_policy(result, sqlstate))
        class = WB_REJECT;
    int bytes;
    primary = first_line(primary, &bytes);
    if (bytes == 0)
        wb_fail_store(err, class, "an error without a text (%s)",
                      *sqlstate != '\0' ? sqlstate : PQresStatus(PQresultStatus(result)));
    else if (*detail == '\0')
        wb_fail_store(err, class, "%.*s", bytes, primary);
    else
        wb_fail_store(err, class, "%.*s (%s)", bytes, primary, detail);
    if (err != NULL && strlen(sqlstate) < sizeof err->sqlstate) {
        strcpy(err->sqlstate, sqlstate);
        err->timed_out = strcmp(sqlstate, "57014") == 0; /* statement_timeout */
    }
    return WB_STORE;
}

/* ---- of a row ---- */

/* 23514 without a constraint's name: no partition takes the row. That of a partition which was named as the table says
 * that the row belongs elsewhere, and is the row's own. */
static bool is_without_partition(const PGresult *result, const char *sqlstate)
{
    return strcmp(sqlstate, "23514") == 0 && *field_of(result, PG_DIAG_CONSTRAINT_NAME) == '\0' &&
           strcmp(field_of(result, PG_DIAG_SOURCE_FUNCTION), "ExecPartitionCheckEmitError") != 0;
}

/* What follows the table's name in the context that COPY gives, `line 7` or `line 7, column c` in the server's
 * language; NULL: there is none. It is the last line. */
static const char *place_in_copy(const PGresult *result, const char *table)
{
    const char *context = field_of(result, PG_DIAG_CONTEXT);
    const char *last = strrchr(context, '\n');
    last = last == NULL ? context : last + 1;
    const char *point = strrchr(table, '.');
    const char *name = point == NULL ? table : point + 1;
    size_t bytes = strlen(name);
    if (!starts_with(last, "COPY ") || strncmp(last + 5, name, bytes) != 0 ||
        last[5 + bytes] != ',')
        return NULL;
    return last + 5 + bytes + 1;
}

static size_t line_at(const char *place)
{
    place += strcspn(place, "0123456789");
    return strtoull(place, NULL, 10);
}

/* A value that was being read is its row's. */
static bool is_of_column(const char *place)
{
    return place != NULL && strchr(place, ',') != NULL;
}

/* The input functions of some types (name, tsquery, regclass, hstore) use codes that are a table's elsewhere. What runs
 * SQL meanwhile, such as a domain's check, adds a line to the context: then the fault may be its own. */
static bool is_of_value(const PGresult *result, const char *place, enum fault fault)
{
    bool alone = strchr(field_of(result, PG_DIAG_CONTEXT), '\n') == NULL;
    return is_of_column(place) && alone && (fault == TABLE || fault == UNKNOWN);
}

int wb_pg_fail_row(wb_err *err, const PGresult *result, const char *table, size_t *line)
{
    const char *sqlstate = field_of(result, PG_DIAG_SQLSTATE);
    const char *place = place_in_copy(result, table);
    enum fault fault = *sqlstate == '\0' ? RETRY : fault_of(sqlstate);
    if (is_of_value(result, place, fault) ||
        (strcmp(sqlstate, "54001") == 0 && is_of_column(place)))
        fault = ROW;
    if (is_without_partition(result, sqlstate))
        fault = TABLE;
    if (is_of_policy(result, sqlstate))
        fault = ROW;
    int code = wb_pg_fail(err, result);
    err->error_class = class_of(fault);
    err->some_rows = fault == TABLE;
    err->unsure = fault == UNKNOWN;
    *line = place == NULL ? 0 : line_at(place);
    return code;
}

/* ---- at connecting ---- */

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
    int bytes;
    begin = first_line(begin, &bytes);
    if (bytes == 0)
        wb_fail_store(err, class, "the connection failed, and nobody says why");
    else
        wb_fail_store(err, class, "%.*s", bytes, begin);
    if (err != NULL)
        memcpy(err->sqlstate, sqlstate, sizeof sqlstate);
    return WB_STORE;
}
