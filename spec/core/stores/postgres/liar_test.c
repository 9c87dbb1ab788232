/* SPDX-License-Identifier: MIT
 * A server that lies. A proxy before the real one changes one message of a dialogue (the connection's start, describe, a
 * write, an upsert, a touch, a batch in doubt): each message in turn into each lie, other messages of the protocol, wrong lengths,
 * cuts, repetitions without end. Whatever it is, a call ends in its time, with an error that has a text, or with success;
 * and the next call, with an honest server, succeeds. Run under ASan and UBSan, nothing is read that is not there.
 * WRITEBEHIND_LIES=all tries all of them, else every one of some, another in each run of a message. */
#include "support/relay.h"

#include <errno.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

/* ---- lies ---- */

enum how {
    AS_IT_IS,
    INSTEAD,
    BEFORE,
    CUT,
    SHORTER,
    LONGER,
    NEGATIVE,
    TWICE,
    WITHOUT_END,
    LEFT_OUT
};

struct lie {
    enum how how;
    const char
        *bytes; /* a whole message, or what it is without its length: length 0 is filled in */
    size_t size;
};

#define MESSAGE(how, text)                                                                         \
    {                                                                                              \
        how, text, sizeof(text) - 1                                                                \
    }

/* Type, four bytes for the length, body (PostgreSQL manual, "Message Formats"). */
static const struct lie lies[] = {
    {CUT, NULL, 0},
    {SHORTER, NULL, 0},
    {LONGER, NULL, 0},
    {NEGATIVE, NULL, 0},
    {TWICE, NULL, 0},
    {WITHOUT_END, NULL, 0},
    {LEFT_OUT, NULL, 0},
    MESSAGE(INSTEAD, "C\0\0\0\0COPY 1\0"),
    MESSAGE(INSTEAD, "C\0\0\0\0UPDATE 99999999999999999999\0"),
    MESSAGE(INSTEAD, "C\0\0\0\0UPDATE -1\0"),
    MESSAGE(INSTEAD, "C\0\0\0\0\0"),
    MESSAGE(INSTEAD, "C\0\0\0\0no end"),
    MESSAGE(INSTEAD, "T\0\0\0\0\0\0"),
    MESSAGE(INSTEAD, "T\0\0\0\0\0\1a\0\0\0\0\0\0\0\0\0\0\x17\0\4\377\377\377\377\0\0"),
    MESSAGE(INSTEAD, "T\0\0\0\0\0\1a\0\0\0\0\0\0\0\0\0\0\x17\0\4\377\377\377\377\0\1"),
    MESSAGE(INSTEAD, "T\0\0\0\0\0\2a\0\0\0\0\0\0\0\0\0\0\x17\0\4\377\377\377\377\0\0"),
    MESSAGE(INSTEAD, "T\0\0\0\0\377\377"),
    MESSAGE(INSTEAD, "D\0\0\0\0\0\0"),
    MESSAGE(INSTEAD, "D\0\0\0\0\0\1\377\377\377\377"),
    MESSAGE(INSTEAD, "D\0\0\0\0\0\1\0\0\0\1"
                     "7"),
    MESSAGE(INSTEAD, "D\0\0\0\0\0\2\0\0\0\x16"
                     "9999999999999999999999\0\0\0\2-1"),
    MESSAGE(INSTEAD, "D\0\0\0\0\0\2\0\0\0\1"
                     "7\0\0\0\1"
                     "7"),
    MESSAGE(INSTEAD, "D\0\0\0\0\0\1\177\377\377\377"),
    MESSAGE(INSTEAD, "D\0\0\0\0\377\377"),
    MESSAGE(INSTEAD, "Z\0\0\0\0I"),
    MESSAGE(INSTEAD, "Z\0\0\0\0T"),
    MESSAGE(INSTEAD, "Z\0\0\0\0?"),
    MESSAGE(INSTEAD, "Z\0\0\0\0"),
    MESSAGE(INSTEAD, "E\0\0\0\0\0"),
    MESSAGE(INSTEAD, "E\0\0\0\0"),
    MESSAGE(INSTEAD, "E\0\0\0\0SERROR\0C23505\0M\0\0"),
    MESSAGE(INSTEAD, "E\0\0\0\0SERROR\0C23505\0Mno\0WCOPY t, line 99999999999999999999\0\0"),
    MESSAGE(INSTEAD, "E\0\0\0\0SFATAL\0C57P01\0M\n\n\x1b[2J\0\0"),
    MESSAGE(INSTEAD, "E\0\0\0\0SERROR\0Ctoolongforastate\0Mno\0\0"),
    MESSAGE(INSTEAD, "E\0\0\0\0SERROR\0C55P03\0Mlocked\0\0"),
    MESSAGE(INSTEAD, "E\0\0\0\0SERROR\0C42501\0Mnot allowed\0\0"),
    MESSAGE(INSTEAD, "G\0\0\0\0\1\0\0"),
    MESSAGE(INSTEAD, "G\0\0\0\0\0\0\2\0\0\0\0"),
    MESSAGE(INSTEAD, "H\0\0\0\0\0\0\0"),
    MESSAGE(INSTEAD, "W\0\0\0\0\0\0\0"),
    MESSAGE(INSTEAD, "d\0\0\0\0some data\n"),
    MESSAGE(INSTEAD, "c\0\0\0\0"),
    MESSAGE(INSTEAD, "I\0\0\0\0"),
    MESSAGE(INSTEAD, "K\0\0\0\0\0\0\0\1\0\0\0\1"),
    MESSAGE(INSTEAD, "R\0\0\0\0\0\0\0\3"),
    MESSAGE(INSTEAD, "R\0\0\0\0\0\0\0\5salt"),
    MESSAGE(INSTEAD, "R\0\0\0\0\0\0\0\x0a"
                     "NOTHING\0\0"),
    MESSAGE(INSTEAD, "R\0\0\0\0\0\0\0\x07"),
    MESSAGE(INSTEAD, "S\0\0\0\0server_version\0"
                     "0\0"),
    MESSAGE(INSTEAD, "S\0\0\0\0client_encoding\0SJIS\0"),
    MESSAGE(INSTEAD, "S\0\0\0\0no end"),
    MESSAGE(INSTEAD, "v\0\0\0\0\0\3\0\0\377\377\377\377"),
    MESSAGE(INSTEAD, "n\0\0\0\0"),
    MESSAGE(INSTEAD, "t\0\0\0\0\377\377"),
    MESSAGE(INSTEAD, "s\0\0\0\0"),
    MESSAGE(INSTEAD, "1\0\0\0\0"),
    MESSAGE(INSTEAD, "V\0\0\0\0\377\377\377\377"),
    MESSAGE(INSTEAD, "\0\0\0\0\0"),
    MESSAGE(INSTEAD, "\377\0\0\0\0what?"),
    MESSAGE(BEFORE, "N\0\0\0\0SWARNING\0C01000\0M\x1b[31m\0\0"),
    MESSAGE(BEFORE, "N\0\0\0\0\0"),
    MESSAGE(BEFORE, "A\0\0\0\0\0\0\0\1channel\0load\0"),
    MESSAGE(BEFORE, "E\0\0\0\0SERROR\0CXX000\0Mno\0\0"),
    MESSAGE(BEFORE, "D\0\0\0\0\0\1\0\0\0\1"
                    "7"),
    MESSAGE(BEFORE, "C\0\0\0\0SET\0"),
    MESSAGE(BEFORE, "Z\0\0\0\0I"),
};

enum { LIES = sizeof lies / sizeof *lies, LARGEST = 1 << 16 };

/* ---- the proxy ---- */

typedef struct proxy {
    relay relay;       /* first: a relay * is its proxy */
    atomic_int target; /* the message that is changed, from 1; 0: none */
    atomic_int seen;   /* messages since the target was set */
    _Atomic(const struct lie *) chosen;
    uint8_t held[LARGEST]; /* of the server's stream, not yet a whole message */
    size_t holds;
} proxy;

static void put32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t get32(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static bool tell_other(proxy *p, const struct lie *lie)
{
    uint8_t other[256];
    memcpy(other, lie->bytes, lie->size);
    put32(other + 1, (uint32_t)lie->size - 1);
    return relay_pass(p->relay.client, other, lie->size);
}

/* Until the client hangs up. */
static bool repeat(proxy *p, const uint8_t *message, size_t bytes)
{
    while (!atomic_load(&p->relay.stop) && relay_pass(p->relay.client, message, bytes))
        continue;
    return false;
}

static bool tell_lie(proxy *p, const struct lie *lie, uint8_t *message, size_t bytes)
{
    switch (lie->how) {
    case INSTEAD:
        return tell_other(p, lie);
    case BEFORE:
        return tell_other(p, lie) && relay_pass(p->relay.client, message, bytes);
    case CUT:
        relay_pass(p->relay.client, message, bytes / 2);
        return false;
    case SHORTER:
        put32(message + 1, (uint32_t)bytes - 2);
        return relay_pass(p->relay.client, message, bytes);
    case LONGER:
        put32(message + 1, (uint32_t)bytes + 1000);
        return relay_pass(p->relay.client, message, bytes);
    case NEGATIVE:
        put32(message + 1, UINT32_MAX);
        return relay_pass(p->relay.client, message, bytes);
    case TWICE:
        return relay_pass(p->relay.client, message, bytes) &&
               relay_pass(p->relay.client, message, bytes);
    case WITHOUT_END:
        return repeat(p, message, bytes);
    case LEFT_OUT:
        return true;
    default:
        return relay_pass(p->relay.client, message, bytes);
    }
}

static bool hand_on(proxy *p, uint8_t *message, size_t bytes)
{
    int number = atomic_fetch_add(&p->seen, 1) + 1;
    return number == atomic_load(&p->target) ? tell_lie(p, atomic_load(&p->chosen), message, bytes)
                                             : relay_pass(p->relay.client, message, bytes);
}

static bool from_server(relay *r)
{
    proxy *p = (proxy *)r;
    ssize_t bytes = read(p->relay.upstream, p->held + p->holds, sizeof p->held - p->holds);
    if (bytes <= 0)
        return false;
    p->holds += (size_t)bytes;
    size_t at = 0;
    while (p->holds - at >= 5 && p->holds - at >= 1 + get32(p->held + at + 1)) {
        size_t whole = 1 + get32(p->held + at + 1);
        if (!hand_on(p, p->held + at, whole))
            return false;
        at += whole;
    }
    memmove(p->held, p->held + at, p->holds - at);
    p->holds -= at;
    return true;
}

static bool from_client(relay *r)
{
    uint8_t data[16384];
    ssize_t bytes = read(r->client, data, sizeof data);
    return bytes > 0 && relay_pass(r->upstream, data, (size_t)bytes);
}

static void hung_up(relay *r)
{
    ((proxy *)r)->holds = 0;
}

/* ---- the dialogues ---- */

enum { LONGEST_US = 200 * 1000 }; /* a call's time: what waits for the liar waits so long */

typedef struct liar {
    fixture *f;
    proxy proxy;
    wb_store *store;
    wb_schema *schema;
    wb_batch *batch;
} liar;

typedef int dialogue(liar *l, int64_t patience_us, wb_err *err);

static wb_session *session_of(liar *l, wb_target *target)
{
    static char table[160];
    snprintf(table, sizeof table, "%s", in_space(l->f, "t"));
    target->table = table;
    target->write_timeout_us = 10 * SECOND_US;
    wb_session *session = l->store->class->session(l->store, target);
    assert_non_null(session);
    return session;
}

static int write_two(liar *l, bool in_doubt, int64_t patience_us, wb_err *err)
{
    wb_target target = {.schema = l->schema, .dedupe = WB_DEDUPE_COLUMN, .dedupe_column = 0};
    wb_session *session = session_of(l, &target);
    l->batch->in_doubt = in_doubt;
    int code = write_until(session, l->batch, patience_us, err);
    session->class->end(session);
    return code;
}

/* A second write does not check the table anew. */
static int write_twice(liar *l, int64_t patience_us, wb_err *err)
{
    wb_target target = {.schema = l->schema, .dedupe = WB_DEDUPE_NONE, .dedupe_column = -1};
    wb_session *session = session_of(l, &target);
    int code = write_until(session, l->batch, patience_us, err);
    if (code == WB_OK) {
        sql(l->f, "TRUNCATE t");
        code = write_until(session, l->batch, patience_us, err);
    }
    session->class->end(session);
    return code;
}

static int write_in_doubt(liar *l, int64_t patience_us, wb_err *err)
{
    return write_two(l, true, patience_us, err);
}

/* Two rows of a schema of two columns, of which the second row may leave one out. */
static int write_as(liar *l, const wb_column *columns, const wb_value *values, int64_t patience_us,
                    wb_err *err)
{
    wb_schema *schema = NULL;
    assert_ok(wb_schema_new(columns, 2, &schema, NULL));
    wb_target target = {.schema = schema, .dedupe = WB_DEDUPE_NONE, .dedupe_column = -1};
    wb_batch *batch = batch_of(schema, values, 2);
    wb_session *session = session_of(l, &target);
    int code = write_until(session, batch, patience_us, err);
    session->class->end(session);
    wb_batch_free(batch);
    wb_schema_unref(schema);
    return code;
}

static int write_as_text(liar *l, int64_t patience_us, wb_err *err)
{
    static const wb_column columns[] = {{.name = "id", .type = WB_TYPE_UUID},
                                        {.name = "n", .type = WB_TYPE_TEXT, .cast = "bigint"}};
    const wb_value values[] = {text_value("018bcfe5-6be8-7000-ba42-55942e14460b"), text_value("1"),
                               text_value("018bcfe5-6be8-7000-ba42-55942e14460c"), text_value("2")};
    return write_as(l, columns, values, patience_us, err);
}

static int write_mixed(liar *l, int64_t patience_us, wb_err *err)
{
    static const wb_column columns[] = {
        {.name = "id", .type = WB_TYPE_UUID},
        {.name = "n", .type = WB_TYPE_INT8, .null = true, .server_default = true}};
    const wb_value values[] = {text_value("018bcfe5-6be8-7000-ba42-55942e14460b"), int_value(1),
                               text_value("018bcfe5-6be8-7000-ba42-55942e14460c"),
                               (wb_value){.kind = WB_ABSENT}};
    return write_as(l, columns, values, patience_us, err);
}

/* The second write updates; it does not check the table anew. */
static int upsert_twice(liar *l, int64_t patience_us, wb_err *err)
{
    static const int32_t key[] = {0}, merge[] = {WB_MERGE_KEEP, WB_MERGE_SET};
    static const wb_upsert upsert = {key, 1, 1, merge, NULL, false};
    wb_target target = {.schema = l->schema, .dedupe_column = -1, .upsert = &upsert};
    wb_session *session = session_of(l, &target);
    int code = WB_OK;
    for (int i = 0; i < 2 && code == WB_OK; i++) {
        code = write_until(session, l->batch, patience_us, err);
        assert_true(session->superseded <= 2);
    }
    session->class->end(session);
    return code;
}

static int describe_table(liar *l, int64_t patience_us, wb_err *err)
{
    wb_schema *schema = NULL;
    memset(err, 0, sizeof *err);
    int code =
        wb_store_schema(l->store, in_space(l->f, "t"), wb_now_us() + patience_us, &schema, err);
    if (code == WB_OK)
        wb_schema_unref(schema);
    return code;
}

static int touch_three(liar *l, bool insert, int64_t patience_us, wb_err *err)
{
    wb_target target = {.key = "id",
                        .key_type = WB_TYPE_UUID,
                        .column = "at",
                        .column_type = WB_TYPE_TIMESTAMPTZ,
                        .unit_us = 1,
                        .insert = insert};
    wb_session *session = session_of(l, &target);
    wb_mark marks[3] = {{.key.id = {1}}, {.key.id = {2}}, {.key.id = {3}}};
    bool again[3] = {false};
    wb_marks all = {.marks = marks,
                    .count = 3,
                    .key_type = WB_TYPE_UUID,
                    .at_us = wb_unix_us(),
                    .again = again};
    wb_touched touched;
    wb_deadline deadline = in_us(patience_us);
    memset(err, 0, sizeof *err);
    int code = session->class->touch(session, &all, &deadline, &touched, err);
    if (code == WB_OK)
        assert_true(touched.updated + touched.unmatched <= 3);
    session->class->end(session);
    return code;
}

static int touch_some(liar *l, int64_t patience_us, wb_err *err)
{
    return touch_three(l, false, patience_us, err);
}

static int touch_and_insert(liar *l, int64_t patience_us, wb_err *err)
{
    return touch_three(l, true, patience_us, err);
}

static const struct {
    const char *name;
    dialogue *run;
    int share; /* of the lies, where not all are tried: one in so many */
} dialogues[] = {
    {"describe", describe_table, 31},
    {"write", write_twice, 31},
    {"in doubt", write_in_doubt, 43},
    {"touch", touch_some, 43},
    {"touch and insert", touch_and_insert, 43},
    {"write as text", write_as_text, 43},
    {"write rows of two shapes", write_mixed, 43},
    {"upsert", upsert_twice, 43},
};

/* ---- the tests ---- */

static void aim(liar *l, int message, const struct lie *lie)
{
    atomic_store(&l->proxy.chosen, lie);
    atomic_store(&l->proxy.seen, 0);
    atomic_store(&l->proxy.target, message);
}

/* libpq forgets the result that it has begun where another begins (getCopyStart, getRowDescriptions in fe-protocol3.c), or
 * a pipeline ends (pqParseInput3), and nobody can free it. */
static bool libpq_forgets(const struct lie *lie)
{
    return (lie->how == INSTEAD || lie->how == BEFORE) && memchr("TGHWZ", lie->bytes[0], 5) != NULL;
}

static int run_with(liar *l, size_t which, const struct lie *lie, wb_err *err)
{
    (void)lie;
#ifdef __SANITIZE_ADDRESS__
    if (libpq_forgets(lie))
        __lsan_disable();
#endif
    int code = dialogues[which].run(l, LONGEST_US, err);
#ifdef __SANITIZE_ADDRESS__
    if (libpq_forgets(lie))
        __lsan_enable();
#endif
    return code;
}

static void lie_once(liar *l, size_t which, int message, const struct lie *lie)
{
    wb_err err;
    sql(l->f, "TRUNCATE t");
    aim(l, message, lie);
    int64_t began_us = wb_now_us();
    int code = run_with(l, which, lie, &err);
    if (wb_now_us() - began_us > 30 * SECOND_US)
        fail_msg("%s, message %d, lie %td: took too long", dialogues[which].name, message,
                 lie - lies);
    if (code != WB_OK &&
        (err.text[0] == '\0' || strstr(err.text, "\": ") == err.text + strlen(err.text) - 3))
        fail_msg("%s, message %d, lie %td: no text: %s", dialogues[which].name, message, lie - lies,
                 err.text);
    if (strpbrk(err.text, "\n\r\x1b") != NULL)
        fail_msg("%s, message %d, lie %td: %s", dialogues[which].name, message, lie - lies,
                 err.text);
    aim(l, 0, NULL);
    sql(l->f, "TRUNCATE t");
    if (dialogues[which].run(l, 30 * SECOND_US, &err) != WB_OK)
        fail_msg("%s, after message %d, lie %td: %s", dialogues[which].name, message, lie - lies,
                 err.text);
}

static int count_messages(liar *l, size_t which)
{
    wb_err err;
    sql(l->f, "TRUNCATE t");
    aim(l, 0, NULL);
    if (dialogues[which].run(l, 30 * SECOND_US, &err) != WB_OK)
        fail_msg("%s: %s", dialogues[which].name, err.text);
    return atomic_load(&l->proxy.seen);
}

static void every_message_of_every_dialogue(void **state)
{
    liar *l = *state;
    const char *which_lies = getenv("WRITEBEHIND_LIES");
    bool all = which_lies != NULL && strcmp(which_lies, "all") == 0;
    bool memcheck = getenv("WRITEBEHIND_MEMCHECK") != NULL;
    for (size_t which = 0; which < sizeof dialogues / sizeof *dialogues; which++) {
        int messages = count_messages(l, which);
        assert_true(messages > 20);
        for (int message = 1; message <= messages; message++)
            for (int i = 0; i < LIES; i++)
                if ((all || (i + message) % dialogues[which].share == 0) &&
                    !(memcheck && libpq_forgets(&lies[i])))
                    lie_once(l, which, message, &lies[i]);
    }
}

/* ---- a liar's life ---- */

static int begin_lying(void **state)
{
    char conninfo[256];
    liar *l = calloc(1, sizeof *l);
    set_up(state);
    fixture *f = l->f = *state;
    sql(f, "CREATE TABLE t (id uuid PRIMARY KEY, n int8 DEFAULT 7, note jsonb DEFAULT '[1]', "
           "day date DEFAULT '2024-02-29', at timestamptz)");
    wb_column columns[] = {{.name = "id", .type = WB_TYPE_UUID, .generate = WB_UUIDV4},
                           {.name = "n", .type = WB_TYPE_INT8}};
    assert_ok(wb_schema_new(columns, 2, &l->schema, NULL));
    wb_value values[] = {int_value(1), int_value(2)};
    l->batch = batch_of(l->schema, values, 2);
    l->proxy.relay =
        (relay){.from_client = from_client, .from_server = from_server, .hung_up = hung_up};
    relay_start(&l->proxy.relay, f);
    snprintf(conninfo, sizeof conninfo, "host=%s port=1 user=%s dbname=%s password=secret",
             l->proxy.relay.directory, PQuser(f->admin), PQdb(f->admin));
    assert_ok(wb_store_postgres(conninfo, &l->store, NULL));
    *state = l;
    return 0;
}

static int end_lying(void **state)
{
    liar *l = *state;
    relay_end(&l->proxy.relay);
    wb_store_unref(l->store);
    wb_batch_free(l->batch);
    wb_schema_unref(l->schema);
    *state = l->f;
    free(l);
    return tear_down(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_message_of_every_dialogue, begin_lying, end_lying),
    };
    return cmocka_run_group_tests_name("postgres_liar", tests, NULL, NULL);
}
