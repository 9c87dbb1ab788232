/* SPDX-License-Identifier: MIT
 * Log lines, limited by topic, and the queue of the owner's events. Invariant: an event is in one of the two queues,
 * handed out, printed, or counted as lost. Locks: the log's own, held for copies only; a line is printed with no lock
 * held. Fails: without memory for a queue its events are lost, and counted. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "base/show.h"

struct topic {
    int64_t quiet_until_us; /* lines of no higher level than that are held back before */
    int level;
    uint64_t suppressed; /* lines held back since the last */
};

/* A ring that drops its oldest. */
struct queue {
    size_t begin, used, room;
    uint64_t ids;     /* in its events */
    wb_event *events; /* `room` of them, made with the first */
};

struct wb_log {
    wb_monitor monitor;
    char name[WB_LOG_NAME_BYTES];
    atomic_bool queue_lines;
    bool queue_flushes;
    atomic_bool unprinted; /* `lines` is not empty */
    struct topic topics[WB_TOPICS];
    uint64_t lost;
    uint64_t most_ids;
    struct queue lines;  /* for stderr */
    struct queue events; /* for the owner's hooks */
};

static void push(wb_log *log, struct queue *queue, const wb_event *event);
static bool pop(struct queue *queue, wb_event *out);
static void print_line(const char *name, const wb_event *event);

wb_log *wb_log_new(const char *name, bool queue_lines, bool queue_flushes)
{
    wb_log *log = wb_alloc_zeroed(sizeof *log);
    if (log == NULL)
        return NULL;
    wb_monitor_init(&log->monitor);
    wb_log_rename(log, name);
    atomic_init(&log->unprinted, false);
    for (size_t i = 0; i < WB_TOPICS; i++)
        log->topics[i].quiet_until_us = INT64_MIN;
    atomic_init(&log->queue_lines, queue_lines);
    log->queue_flushes = queue_flushes;
    log->most_ids = UINT64_MAX;
    log->lines.room = log->events.room = WB_LOG_QUEUE;
    return log;
}

void wb_log_rename(wb_log *log, const char *name)
{
    wb_monitor_lock(&log->monitor);
    snprintf(log->name, sizeof log->name, "%s", name);
    wb_monitor_unlock(&log->monitor);
}

void wb_log_limit(wb_log *log, uint64_t events, uint64_t ids)
{
    wb_monitor_lock(&log->monitor);
    if (log->events.events == NULL)
        log->events.room = events;
    log->most_ids = ids;
    wb_monitor_unlock(&log->monitor);
}

void wb_log_free(wb_log *log)
{
    wb_event event = {.ids = NULL};
    if (log == NULL)
        return;
    while (pop(&log->events, &event))
        wb_free(event.ids);
    wb_monitor_fini(&log->monitor);
    wb_free(log->lines.events);
    wb_free(log->events.events);
    wb_free(log);
}

/* Locked. Whether a line of this topic goes out now, with the count of those held back before it. */
static bool admit(struct topic *topic, int level, int64_t now_us, uint64_t *suppressed)
{
    if (now_us < topic->quiet_until_us && level <= topic->level) {
        topic->suppressed++;
        return false;
    }
    *suppressed = topic->suppressed;
    topic->suppressed = 0;
    topic->quiet_until_us = wb_after_us(now_us, WB_LOG_QUIET_US);
    topic->level = level;
    return true;
}

void wb_log_line(wb_log *log, int topic, int level, int64_t now_us, uint64_t rows,
                 const char *format, ...)
{
    wb_event event = {.kind = WB_EVENT_LOG, .level = level, .rows = rows};
    wb_monitor_lock(&log->monitor);
    bool admitted =
        topic == WB_TOPIC_FREE || admit(&log->topics[topic], level, now_us, &event.suppressed);
    wb_monitor_unlock(&log->monitor);
    if (!admitted)
        return;

    va_list arguments;
    va_start(arguments, format);
    vsnprintf(event.text, sizeof event.text, format, arguments);
    va_end(arguments);
    wb_show_line(event.text, sizeof event.text);
    bool queued = atomic_load(&log->queue_lines);
    push(log, queued ? &log->events : &log->lines, &event);
    if (!queued)
        atomic_store(&log->unprinted, true);
}

void wb_log_print(wb_log *log)
{
    if (!atomic_load_explicit(&log->unprinted, memory_order_relaxed))
        return;
    wb_event event;
    char name[WB_LOG_NAME_BYTES];
    for (;;) {
        wb_monitor_lock(&log->monitor);
        memcpy(name, log->name, sizeof name);
        bool found = pop(&log->lines, &event);
        if (!found)
            atomic_store(&log->unprinted, false);
        wb_monitor_unlock(&log->monitor);
        if (!found)
            return;
        print_line(name, &event);
    }
}

void wb_log_flush(wb_log *log, const wb_event *event)
{
    if (log->queue_flushes)
        push(log, &log->events, event);
    else
        wb_free(event->ids);
}

static uint64_t count_ids(const wb_event *event)
{
    return event->ids != NULL ? event->rows : 0;
}

/* Locked. The oldest give way to the event. */
static void make_room(wb_log *log, struct queue *queue, const wb_event *event)
{
    wb_event oldest = {.ids = NULL};
    while (queue->used == queue->room ||
           (event->ids != NULL && queue->ids > 0 && queue->ids + event->rows > log->most_ids)) {
        pop(queue, &oldest);
        wb_free(oldest.ids);
        log->lost++;
    }
}

static void push(wb_log *log, struct queue *queue, const wb_event *event)
{
    wb_monitor_lock(&log->monitor);
    if (queue->events == NULL)
        queue->events = wb_alloc(queue->room * sizeof *queue->events);
    if (queue->events == NULL) {
        log->lost++;
        wb_free(event->ids);
    } else {
        make_room(log, queue, event);
        queue->events[(queue->begin + queue->used++) % queue->room] = *event;
        queue->ids += count_ids(event);
    }
    wb_monitor_unlock(&log->monitor);
}

static bool pop(struct queue *queue, wb_event *out)
{
    if (queue->used == 0)
        return false;
    *out = queue->events[queue->begin];
    queue->begin = (queue->begin + 1) % queue->room;
    queue->used--;
    queue->ids -= count_ids(out);
    return true;
}

bool wb_log_next(wb_log *log, wb_event *out)
{
    wb_monitor_lock(&log->monitor);
    bool found = pop(&log->events, out);
    wb_monitor_unlock(&log->monitor);
    return found;
}

bool wb_log_waiting(wb_log *log)
{
    wb_monitor_lock(&log->monitor);
    bool waiting = log->events.used > 0;
    wb_monitor_unlock(&log->monitor);
    return waiting;
}

void wb_log_orphan(wb_log *log)
{
    atomic_store(&log->queue_lines, false);
}

uint64_t wb_log_lost(wb_log *log)
{
    wb_monitor_lock(&log->monitor);
    uint64_t lost = log->lost;
    wb_monitor_unlock(&log->monitor);
    return lost;
}

const char *wb_level_name(int level)
{
    static const char *const names[] = {
        [WB_DEBUG] = "debug", [WB_INFO] = "info", [WB_WARN] = "warn", [WB_ERROR] = "error"};
    return level >= 0 && level <= WB_ERROR ? names[level] : "unknown";
}

/* One write, so that lines of several processes don't mix. A stderr that takes nothing loses the line. */
static void print_line(const char *name, const wb_event *event)
{
    char line[512] = "";
    int used = snprintf(line, sizeof line, "writebehind: %s: %s: %s", name,
                        wb_level_name(event->level), event->text);
    if (used > 0 && (size_t)used < sizeof line && event->suppressed > 0) {
        used += snprintf(line + used, sizeof line - (size_t)used,
                         " (%llu more like this were held back)",
                         (unsigned long long)event->suppressed);
    }
    wb_show_line(line, sizeof line - 1);
    size_t end = strlen(line);
    line[end] = '\n';
    if (write(STDERR_FILENO, line, end + 1) < 0)
        return;
}
