/* SPDX-License-Identifier: MIT
 * The ground of writebehind.h, which includes it: errors, values, schemas, times and uuids. */
#ifndef WRITEBEHIND_VALUES_H
#define WRITEBEHIND_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WB_API   __attribute__((visibility("default")))
#define WB_NEVER INT64_MAX

#define WB_TABLE_BYTES 255 /* that the name of a table has at the most */

/* ---- errors ---- */

enum wb_code {
#define X(constant, name, text) constant,
#include "errors.def"
#undef X
};

/* What a failed write means for its rows. */
enum wb_class {
    WB_RETRY,  /* passing: the same rows will do later */
    WB_REJECT, /* some row is bad: isolate it */
    WB_HOLD,   /* systemic: keep the rows, raise the alarm, keep probing */
};

typedef struct wb_err {
    int32_t code;        /* enum wb_code */
    int32_t error_class; /* enum wb_class, where code is WB_STORE */
    bool in_doubt;       /* the write was sent, and its fate is unknown */
    bool ruled_out;      /* of a batch in doubt: its earlier writes are not in, and never will be */
    bool timed_out;      /* the store was at work on the write when its time was up */
    bool too_large;      /* the store takes no write of this size, and nothing was sent */
    bool some_rows;      /* a fault of the table that only some rows may show; theirs it is not */
    bool unsure;         /* nobody knows whether it is a row's fault or the table's */
    uint32_t row;        /* which row of the batch it is about, from 1; 0: not known */
    uint32_t group_column; /* of some_rows: the column that says which, from 1; 0: not known */
    char sqlstate[6];      /* the server's, or empty */
    char text[256];        /* what was wrong, by name; one line */
} wb_err;

/* The stable name of a code ("invalid", "full", …); "unknown" for any other number. */
WB_API const char *wb_code_name(int code);

/* ---- values and schemas ---- */

enum wb_type {
#define X(constant, name, oid, bytes, sqlite) constant,
#include "types.def"
#undef X
    WB_TYPES /* how many there are */
};

enum wb_kind {
    WB_ABSENT, /* not given: becomes the column's default, else NULL. Of a row's value: the server's default */
    WB_NULL,  /* stays NULL where the column allows it, else as WB_ABSENT */
    WB_BOOL,  /* i is 0 or 1 */
    WB_INT,   /* i */
    WB_FLOAT, /* f */
    WB_TEXT,  /* text, bytes: text, JSON, bytea, a uuid (36 characters or 16 raw bytes), RFC 3339 */
    WB_LIST,  /* list, `bytes` of them: an array's elements, on its way in */
    WB_ARRAY, /* text, bytes: an array on its way out; wb_array_next reads it */
};

/* A value on its way in or out; text is borrowed. */
typedef struct wb_value {
    int32_t kind;   /* enum wb_kind */
    uint32_t bytes; /* of text; of a list its length */
    union {
        int64_t i;
        double f;
        const char *text;
        const struct wb_value *list;
    };
} wb_value;

enum wb_generate { WB_GIVEN, WB_UUIDV4, WB_UUIDV7 };

typedef struct wb_column {
    const char *name;
    int32_t type;        /* enum wb_type; of an array, its elements' */
    bool array;          /* one-dimensional */
    int32_t generate;    /* enum wb_generate; other than WB_GIVEN only for uuid */
    bool null;           /* may be NULL */
    bool server_default; /* absent: the server fills it; then without default and generate */
    /* Takes a number's or a boolean's text where they are wanted, a number as text, any bytes as text: those that are no
     * UTF-8 become U+FFFD, and what is longer than max is cut. Not in arrays. */
    bool lenient;
    /* Of text alone. Copied by wb_schema_new. */
    uint32_t max;              /* characters, at the most; 0: any number */
    const char *const *values; /* one of these, up to a NULL; NULL: any */
    const char *cast;       /* a type, whose own input function reads the text; NULL: text itself */
    wb_value default_value; /* WB_ABSENT: none */
} wb_column;

/* The named, typed columns of a row. Immutable and counted: whoever keeps one takes a reference. */
typedef struct wb_schema wb_schema;

/* A schema of `count` columns (1 to 1600), which are copied. WB_INVALID names the column that is wrong. */
WB_API int wb_schema_new(const wb_column *columns, size_t count, wb_schema **out, wb_err *err);
WB_API wb_schema *wb_schema_ref(wb_schema *schema);
WB_API void wb_schema_unref(wb_schema *schema); /* NULL is fine */
WB_API size_t wb_schema_count(const wb_schema *schema);
/* How many columns are not generated. */
WB_API size_t wb_schema_given(const wb_schema *schema);
/* Column `index`, from 0; lives as long as the schema. */
WB_API const wb_column *wb_schema_column(const wb_schema *schema, size_t index);
/* The index of the column of that name, or -1. */
WB_API int wb_schema_find(const wb_schema *schema, const char *name, size_t bytes);
/* The place of column `index` among the values that add takes: in order, but the generated columns after all others. */
WB_API size_t wb_schema_place(const wb_schema *schema, size_t index);
/* The CREATE TABLE statement for "postgresql" or "sqlite"; the caller frees it with wb_free. */
WB_API int wb_schema_ddl(const wb_schema *schema, const char *dialect, const char *table,
                         char **out, wb_err *err);
/* Of an array that came out: how many elements it has; the next one, where *at is 0 at the beginning. False: it was the
 * last. */
WB_API size_t wb_array_length(const wb_value *array);
WB_API bool wb_array_next(const wb_column *column, const wb_value *array, size_t *at,
                          wb_value *element);
/* The text of a value that is neither NULL nor absent, as PostgreSQL's input for the column's type takes it. Writes at
 * most `size` bytes of it, without a NUL. Answers its length, which may be more; SIZE_MAX: no memory. */
WB_API size_t wb_value_text(const wb_column *column, const wb_value *value, char *out, size_t size);
WB_API const char *wb_type_name(int type);               /* "int8", …; NULL for another number */
WB_API int wb_type_find(const char *name, size_t bytes); /* enum wb_type, or -1 */
/* The type's name, of an array with [] behind it, or what it is cast to. Writes at most `size` bytes and a NUL; returns
 * out. */
WB_API const char *wb_column_type(const wb_column *column, char *out, size_t size);
WB_API void wb_free(void *memory); /* what this library allocated; NULL is fine */

/* ---- time ---- */

/* A clock that stands still until somebody advances it. A test gives it in place of the system's. Counted. */
typedef struct wb_clock wb_clock;
WB_API int wb_clock_new(int64_t start_unix_us, wb_clock **out, wb_err *err);
WB_API wb_clock *wb_clock_ref(wb_clock *clock);
WB_API void wb_clock_unref(wb_clock *clock);
WB_API void wb_clock_advance(wb_clock *clock, int64_t by_us); /* by_us >= 0 */
WB_API int64_t wb_clock_now_us(const wb_clock *clock);

WB_API int64_t wb_now_us(void);  /* the system's monotonic clock */
WB_API int64_t wb_unix_us(void); /* the system's wall clock, since 1970 */

/* RFC 3339 text of a time, "2024-05-14T08:00:00.115245Z", always with six digits; NUL-terminated. */
WB_API void wb_timestamp_format(int64_t unix_us, char out[40]);
/* Reads a date-time of the years 0001 to 9999 with its zone: RFC 3339 ("T", "t" or a space between; "Z", "z" or an
 * offset), or another form of ISO 8601 that PostgreSQL takes: an offset as +0200 or +02, UTC or GMT, a space before it,
 * no seconds, 20240514T080000Z. A leap second becomes the next minute's first; digits past the microsecond are rounded
 * half up. */
WB_API bool wb_timestamp_parse(const char *text, size_t bytes, int64_t *unix_us);
/* Seconds, rounded to the nearest µs; false for what is not finite or out of that range. */
WB_API bool wb_timestamp_of_seconds(double seconds, int64_t *unix_us);

/* ---- uuids ---- */

/* The 36 characters, any case; or the other forms that PostgreSQL takes: no hyphens, hyphens after any four digits, braces
 * around it. */
WB_API bool wb_uuid_parse(const char *text, size_t bytes, uint8_t out[16]);
WB_API void wb_uuid_format(const uint8_t id[16], char out[36]); /* lower case, no NUL */

#ifdef __cplusplus
}
#endif

#endif
