/* SPDX-License-Identifier: MIT
 * A store of two. The second takes what the first has refused for some time, table by table. Meanwhile the first is tried
 * at most once in that time, never twice without the second's turn between, and takes all again from its first success on.
 * A batch whose fate is unknown belongs to the one that may have it, and goes there until it is settled: ids of batches are
 * the same for both.
 * A session has a session of each, and belongs to its thread: no locks. Without memory for what it remembers of a table
 * the first is asked; a doubt that can't be noted is of the first. */
#include <string.h>

#include "base/env.h"
#include "base/err.h"
#include "stores/recent.h"
#include "stores/store.h"

typedef struct fallback_store {
    wb_store base;
    wb_store_class class; /* it needs what either needs, and does what both do */
    wb_store *first, *second;
    int64_t after_us;
} fallback_store;

typedef struct known_table {
    wb_recent recent;
    int64_t failing_since_us; /* WB_NEVER: the first takes its rows, as far as is known */
    int64_t try_first_us;     /* while it does not: when it is to be tried next */
    bool second_next;         /* it was tried: the second has its turn, however late it comes */
} known_table;

/* A batch that the second may have. */
typedef struct doubt {
    struct doubt *next;
    uint8_t id[16];
} doubt;

typedef struct fallback_session {
    wb_session base;
    fallback_store *store; /* a reference */
    const wb_target *target;
    wb_session *first, *second;
    wb_recent *tables;
    doubt *doubts;
} fallback_session;

/* ---- what is remembered ---- */

static void table_free(known_table *table)
{
    if (table != NULL)
        wb_free(table->recent.name);
    wb_free(table);
}

/* NULL: no memory. */
static known_table *table_of(fallback_session *session, const char *name)
{
    name = name != NULL ? name : "";
    known_table *found = (known_table *)wb_recent_find(&session->tables, name);
    if (found != NULL)
        return found;
    found = wb_alloc_zeroed(sizeof *found);
    if (found == NULL || (found->recent.name = wb_strdup(name)) == NULL) {
        wb_free(found);
        return NULL;
    }
    found->failing_since_us = WB_NEVER;
    table_free((known_table *)wb_recent_put(&session->tables, &found->recent));
    return found;
}

static doubt **doubt_of(fallback_session *session, const wb_batch *batch)
{
    doubt **link = &session->doubts;
    while (*link != NULL && memcmp((*link)->id, batch->id, sizeof batch->id) != 0)
        link = &(*link)->next;
    return link;
}

static void set_doubt(fallback_session *session, const wb_batch *batch, bool in_doubt)
{
    doubt **link = doubt_of(session, batch), *known = *link;
    if (known == NULL && in_doubt && (known = wb_alloc_zeroed(sizeof *known)) != NULL) {
        memcpy(known->id, batch->id, sizeof known->id);
        *link = known;
    } else if (known != NULL && !in_doubt) {
        *link = known->next;
        wb_free(known);
    }
}

/* ---- which of both ---- */

static bool has_refused_long(const fallback_session *session, const known_table *table,
                             int64_t now_us)
{
    return table != NULL && table->failing_since_us != WB_NEVER &&
           now_us - table->failing_since_us >= session->store->after_us;
}

static bool is_for_second(const fallback_session *session, const known_table *table)
{
    int64_t now_us = wb_now_us();
    return has_refused_long(session, table, now_us) &&
           (table->second_next || now_us < table->try_first_us);
}

/* Has a write that failed stored some rows? */
static bool took_some(const wb_session *session, const wb_batch *batch)
{
    if (session->verdicts == NULL)
        return session->stored > 0;
    for (size_t row = 0; row < wb_batch_left(batch); row++) {
        if (session->verdicts[row].fate == WB_FATE_STORED)
            return true;
    }
    return false;
}

static void note_second(known_table *table)
{
    if (table != NULL)
        table->second_next = false;
}

/* How a call to the first ended. */
static void note_first(const fallback_session *session, known_table *table, bool took)
{
    int64_t now_us = wb_now_us();
    if (table == NULL)
        return;
    if (took) {
        table->failing_since_us = WB_NEVER;
        return;
    }
    if (table->failing_since_us == WB_NEVER)
        table->failing_since_us = now_us;
    table->second_next = has_refused_long(session, table, now_us);
    if (table->second_next)
        table->try_first_us = wb_after_us(now_us, session->store->after_us);
}

/* ---- the calls ---- */

static int fallback_write(wb_session *base, const wb_batch *batch, const wb_deadline *deadline,
                          wb_err *err)
{
    fallback_session *session = (fallback_session *)base;
    known_table *table = table_of(session, wb_target_table(session->target, batch));
    bool second =
        batch->in_doubt ? *doubt_of(session, batch) != NULL : is_for_second(session, table);
    wb_session *chosen = second ? session->second : session->first;
    int code = chosen->class->write(chosen, batch, deadline, err);
    base->stored = chosen->stored;
    base->verdicts = chosen->verdicts;
    if (second && !batch->in_doubt)
        note_second(table);
    if (second) /* that a later write failed says nothing of the first of them */
        set_doubt(session, batch, code != WB_OK && (batch->in_doubt || err->in_doubt));
    else
        note_first(session, table, code == WB_OK || took_some(chosen, batch));
    return code;
}

static int fallback_touch(wb_session *base, const wb_marks *marks, const wb_deadline *deadline,
                          wb_touched *out, wb_err *err)
{
    fallback_session *session = (fallback_session *)base;
    known_table *table = table_of(session, session->target->table);
    bool second = is_for_second(session, table);
    wb_session *chosen = second ? session->second : session->first;
    int code = chosen->class->touch(chosen, marks, deadline, out, err);
    if (second)
        note_second(table);
    else
        note_first(session, table, code == WB_OK);
    return code;
}

static int fallback_describe(wb_store *base, const char *table, wb_describing *describing,
                             const wb_deadline *deadline, wb_schema **out, wb_err *err)
{
    wb_store *first = ((fallback_store *)base)->first;
    return first->class->describe(first, table, describing, deadline, out, err);
}

/* ---- life ---- */

static void end_one(wb_session *session)
{
    if (session != NULL)
        session->class->end(session);
}

static void fallback_end(wb_session *base)
{
    fallback_session *session = (fallback_session *)base;
    end_one(session->first);
    end_one(session->second);
    for (wb_recent *table; (table = wb_recent_take(&session->tables)) != NULL;)
        table_free((known_table *)table);
    for (doubt *next; session->doubts != NULL; session->doubts = next) {
        next = session->doubts->next;
        wb_free(session->doubts);
    }
    wb_store_unref(&session->store->base);
    wb_free(session);
}

static wb_session *fallback_session_new(wb_store *base, const wb_target *target)
{
    fallback_session *session = wb_alloc_zeroed(sizeof *session);
    if (session == NULL)
        return NULL;
    session->base.class = base->class;
    session->store = (fallback_store *)wb_store_ref(base);
    session->target = target;
    session->first = session->store->first->class->session(session->store->first, target);
    session->second = session->store->second->class->session(session->store->second, target);
    if (session->first == NULL || session->second == NULL) {
        fallback_end(&session->base);
        return NULL;
    }
    return &session->base;
}

static void fallback_free(wb_store *base)
{
    fallback_store *store = (fallback_store *)base;
    wb_store_unref(store->first);
    wb_store_unref(store->second);
    wb_free(store);
}

int wb_store_fallback(wb_store *first, wb_store *second, int64_t after_us, wb_store **out,
                      wb_err *err)
{
    if (after_us <= 0)
        return wb_fail(err, WB_MISUSE, "fallback: `after` has to be more than 0");
    fallback_store *store = wb_alloc_zeroed(sizeof *store);
    if (store == NULL)
        return wb_fail(err, WB_MEMORY, "store: out of memory");
    store->class = (wb_store_class){
        .kind = "fallback",
        .scripted = first->class->scripted || second->class->scripted,
        .keyed = first->class->keyed || second->class->keyed,
        .one_shape = first->class->one_shape || second->class->one_shape,
        .session = fallback_session_new,
        .write = fallback_write,
        .touch =
            first->class->touch != NULL && second->class->touch != NULL ? fallback_touch : NULL,
        .end = fallback_end,
        .describe = first->class->describe != NULL ? fallback_describe : NULL,
        .free = fallback_free,
    };
    store->base.class = &store->class;
    atomic_init(&store->base.references, 1);
    store->first = wb_store_ref(first);
    store->second = wb_store_ref(second);
    store->after_us = after_us;
    *out = &store->base;
    return WB_OK;
}
