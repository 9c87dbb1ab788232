/* SPDX-License-Identifier: MIT
 * A worker that stores. Its session opens a private state in the flusher's thread, by the first write or touch,
 * and closes it there. The Lua half, writebehind.worker.session, calls the store and judges its answer as driven
 * mode does. The session lends a batch or marks as a claim, which is completed once. After the call the claim holds
 * nothing, whoever kept it. A store that throws or gives no answer has failed, as has a state that does not open.
 * Nothing interrupts a store at work: its deadlines are those of the libraries that it calls. */
#include "lua/worker/worker.h"

#include <string.h>

#include "base/env.h"
#include "base/err.h"

static const char lent_key; /* of the registry: the claim that is lent */

typedef struct worker_session {
    wb_session base;
    lwb_state state;
    lwb_pipeline lender; /* of the one claim that the store has while it is at work */
    const char *entry;   /* of the delivery under way: "write" or "touch" */
    const lwb_kind *kind;
    void *work;
    bool answered;
    int code;
    wb_touched touched;
    wb_err *err;
} worker_session;

/* ---- a session's life ---- */

/* A copy in one piece of memory, with the texts behind: the state's own may be collected. NULL: no memory. */
static wb_verdict *keep_verdicts(const wb_verdict *verdicts, size_t rows)
{
    size_t bytes = rows * sizeof *verdicts;
    for (size_t i = 0; i < rows; i++)
        bytes += verdicts[i].text != NULL ? strlen(verdicts[i].text) + 1 : 0;
    wb_verdict *kept = wb_alloc(bytes);
    char *text = kept != NULL ? (char *)(kept + rows) : NULL;
    for (size_t i = 0; i < rows && kept != NULL; i++) {
        kept[i].fate = verdicts[i].fate;
        kept[i].text = verdicts[i].text != NULL ? text : NULL;
        if (verdicts[i].text != NULL)
            text = stpcpy(text, verdicts[i].text) + 1;
    }
    return kept;
}

static void forget_answer(worker_session *session)
{
    session->base.stored = 0;
    wb_free((void *)session->base.verdicts);
    session->base.verdicts = NULL;
}

static void lent_complete(lwb_pipeline *lender, lwb_claim *claim, const wb_outcome *outcome)
{
    worker_session *session = lender->core;
    session->answered = true;
    session->code = outcome->code;
    session->touched = (wb_touched){.updated = claim->updated, .unmatched = claim->unmatched};
    if (outcome->code == WB_OK)
        return;
    wb_fail_store(session->err, outcome->error_class, "%s", outcome->text);
    session->base.stored = outcome->stored;
    if (outcome->verdicts == NULL)
        return;
    session->base.verdicts = keep_verdicts(outcome->verdicts, claim->count);
    if (session->base.verdicts == NULL)
        wb_fail_store(session->err, WB_RETRY, "out of memory for what the store said of each row");
}

wb_session *lwb_worker_session(wb_store *base, const wb_target *target)
{
    worker_session *session = wb_alloc_zeroed(sizeof *session);
    if (session == NULL)
        return NULL;
    session->base.class = base->class;
    session->state.worker = (lwb_worker *)wb_store_ref(base);
    session->state.target = target;
    session->lender.complete = lent_complete;
    session->lender.core = session;
    return &session->base;
}

void lwb_worker_end(wb_session *base)
{
    worker_session *session = (worker_session *)base;
    lwb_state_close(&session->state);
    forget_answer(session);
    wb_store_unref(&session->state.worker->base);
    wb_free(session);
}

/* ---- lending ---- */

static void describe_batch(lwb_claim *claim, const wb_target *target, const wb_batch *batch)
{
    lwb_claim_goes_to(claim, wb_target_table(target, batch));
    claim->count = wb_batch_rows(batch);
    claim->attempt = wb_batch_attempt(batch);
    claim->reason = wb_batch_reason(batch);
    memcpy(claim->id, wb_batch_id(batch), sizeof claim->id);
}

static void describe_marks(lwb_claim *claim, const wb_marks *marks)
{
    claim->count = wb_marks_count(marks);
    claim->attempt = wb_marks_attempt(marks);
    claim->at_us = wb_marks_at_us(marks);
}

/* deliver(entry, claim), which completes the claim. It is anchored until it has been taken back. */
static int lend(lua_State *L)
{
    worker_session *session = lua_touserdata(L, 1);
    lwb_state_push(L, "deliver");
    lua_pushstring(L, session->entry);
    lwb_claim *claim = lwb_claim_blank(L, session->kind, 2);
    lwb_state_keep(L, &lent_key, -1);
    if (session->kind == &lwb_batch_kind)
        describe_batch(claim, session->state.target, session->work);
    else
        describe_marks(claim, session->work);
    lwb_claim_link(claim, &session->lender, session->work);
    lua_call(L, 2, 0);
    return 0;
}

static void take_back(worker_session *session)
{
    lwb_claim *claim = session->lender.claims;
    session->lender.claims = NULL;
    if (claim != NULL) {
        claim->work = NULL;
        claim->pipeline = NULL;
    }
}

static int deliver(worker_session *session, wb_err *err)
{
    lua_State *L = session->state.L;
    session->err = err;
    session->answered = false;
    int status = lwb_state_call(L, lend, session);
    take_back(session);
    if (!session->answered)
        session->code =
            wb_fail_store(err, WB_RETRY, "worker \"%s\": %s", session->state.worker->module,
                          status != 0 ? lwb_state_error(L) : "the store gave no answer");
    lua_settop(L, 0);
    return session->code;
}

static int open_and_deliver(worker_session *session, const char *entry, const lwb_kind *kind,
                            void *work, wb_err *err)
{
    forget_answer(session);
    if (session->state.L == NULL) {
        int code = lwb_state_open(&session->state, "writebehind.worker.session", err);
        if (code != WB_OK)
            return code;
    }
    session->entry = entry;
    session->kind = kind;
    session->work = work;
    return deliver(session, err);
}

int lwb_worker_write(wb_session *base, const wb_batch *batch, const wb_deadline *deadline,
                     wb_err *err)
{
    (void)deadline;
    return open_and_deliver((worker_session *)base, "write", &lwb_batch_kind, (void *)batch, err);
}

int lwb_worker_touch(wb_session *base, const wb_marks *marks, const wb_deadline *deadline,
                     wb_touched *out, wb_err *err)
{
    (void)deadline;
    worker_session *session = (worker_session *)base;
    int code = open_and_deliver(session, "touch", &lwb_marks_kind, (void *)marks, err);
    if (code == WB_OK)
        *out = session->touched;
    return code;
}
