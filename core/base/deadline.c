/* SPDX-License-Identifier: MIT
 * Waiting on a descriptor, to a deadline or a request to stop. Invariant: once `asked` is set it stays set. No locks:
 * the request is atomic. Where no eventfd can be made, a wait looks at the request every tenth of a second. Where poll
 * fails, a wait says that all events are ready: the call that follows meets the error. */
#include "base/deadline.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { LOOK_AGAIN_MS = 100, LONGEST_MS = 3600 * 1000 };

void wb_cancel_init(wb_cancel *cancel)
{
    atomic_init(&cancel->asked, false);
    atomic_init(&cancel->will_restart, false);
    cancel->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void wb_cancel_fini(wb_cancel *cancel)
{
    if (cancel->fd >= 0)
        close(cancel->fd);
    cancel->fd = -1;
}

void wb_cancel_ask(wb_cancel *cancel)
{
    if (atomic_exchange(&cancel->asked, true) || cancel->fd < 0)
        return;
    uint64_t one = 1;
    if (write(cancel->fd, &one, sizeof one) < 0)
        return; /* `asked` ends the wait at its next look */
}

bool wb_deadline_passed(const wb_deadline *deadline)
{
    if (deadline->cancel != NULL && atomic_load(&deadline->cancel->asked))
        return true;
    return deadline->at_us != WB_NEVER && wb_now_us() >= deadline->at_us;
}

static int left_ms(const wb_deadline *deadline)
{
    int most = deadline->cancel != NULL && deadline->cancel->fd < 0 ? LOOK_AGAIN_MS : LONGEST_MS;
    if (deadline->at_us == WB_NEVER)
        return most;
    int64_t left_us = deadline->at_us - wb_now_us();
    int64_t left = left_us <= 0 ? 0 : (left_us + 999) / 1000;
    return left < most ? (int)left : most;
}

static int events_of(short revents)
{
    int events = 0;
    if (revents & (POLLIN | POLLERR | POLLHUP | POLLNVAL))
        events |= WB_WAIT_READ;
    if (revents & (POLLOUT | POLLERR | POLLHUP | POLLNVAL))
        events |= WB_WAIT_WRITE;
    return events;
}

int wb_deadline_wait(const wb_deadline *deadline, int fd, int events)
{
    struct pollfd polled[2] = {
        {.fd = fd},
        {.fd = deadline->cancel != NULL ? deadline->cancel->fd : -1, .events = POLLIN},
    };
    if (events & WB_WAIT_READ)
        polled[0].events |= POLLIN;
    if (events & WB_WAIT_WRITE)
        polled[0].events |= POLLOUT;

    while (!wb_deadline_passed(deadline)) {
        int ready = poll(polled, 2, left_ms(deadline));
        if (ready > 0 && polled[0].revents != 0)
            return events_of(polled[0].revents);
        if (ready < 0 && errno != EINTR)
            return events;
    }
    return 0;
}

int64_t wb_deadline_half_us(const wb_deadline *deadline)
{
    int64_t now_us = wb_now_us();
    return deadline->at_us == WB_NEVER ? WB_NEVER : now_us + (deadline->at_us - now_us) / 2;
}
