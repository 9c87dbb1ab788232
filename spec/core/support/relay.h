/* SPDX-License-Identifier: MIT
 * A relay between a store and its PostgreSQL: a unix socket of its own, and one connection at a time that a thread passes
 * on. What passes, and how, are the test's two functions. */
#ifndef SPEC_RELAY_H
#define SPEC_RELAY_H

#include "support/postgres_support.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

typedef struct relay relay;
struct relay {
    char directory[32], server[108]; /* as long as an address may be */
    int listener, client, upstream;
    pthread_t thread;
    atomic_bool stop;
    /* Pass on what can be read. False: the connection is over. */
    bool (*from_client)(relay *r);
    bool (*from_server)(relay *r);
    void (*hung_up)(relay *r); /* for the next connection */
};

static inline int relay_socket(const char *path, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address->sun_path, sizeof address->sun_path, "%s", path);
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* False: the other end is gone. */
static inline bool relay_pass(int fd, const void *data, size_t bytes)
{
    const char *at = data;
    while (bytes > 0) {
        ssize_t sent = send(fd, at, bytes, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        bytes -= (size_t)sent;
    }
    return true;
}

static inline void relay_hang_up(relay *r)
{
    if (r->client >= 0)
        close(r->client);
    if (r->upstream >= 0)
        close(r->upstream);
    r->client = r->upstream = -1;
    r->hung_up(r);
}

static inline void relay_answer_call(relay *r)
{
    struct sockaddr_un address;
    r->client = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);
    r->upstream = relay_socket(r->server, &address);
    if (r->client < 0 || connect(r->upstream, (struct sockaddr *)&address, sizeof address) != 0)
        relay_hang_up(r);
}

static inline void *relay_serve(void *context)
{
    relay *r = context;
    while (!atomic_load(&r->stop)) {
        struct pollfd polled[2] = {
            {.fd = r->client >= 0 ? r->client : r->listener, .events = POLLIN},
            {.fd = r->upstream, .events = POLLIN}};
        if (poll(polled, 2, 20) <= 0)
            continue;
        bool goes_on = true;
        if (r->client < 0)
            relay_answer_call(r);
        else if (polled[1].revents != 0)
            goes_on = r->from_server(r);
        else
            goes_on = r->from_client(r);
        if (!goes_on)
            relay_hang_up(r);
    }
    relay_hang_up(r);
    return NULL;
}

static inline void relay_path(const relay *r, char path[64])
{
    snprintf(path, 64, "%s/.s.PGSQL.1", r->directory);
}

/* The functions are set; all else is zero. A store finds it as host=directory port=1. */
static inline void relay_start(relay *r, fixture *f)
{
    struct sockaddr_un address;
    char path[64];
    r->client = r->upstream = -1;
    r->hung_up(r);
    snprintf(r->directory, sizeof r->directory, "/tmp/wb-relay-XXXXXX");
    assert_non_null(mkdtemp(r->directory));
    snprintf(r->server, sizeof r->server, "%s/.s.PGSQL.%s", PQhost(f->admin), PQport(f->admin));
    relay_path(r, path);
    r->listener = relay_socket(path, &address);
    assert_int_equal(bind(r->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(r->listener, 8), 0);
    assert_int_equal(pthread_create(&r->thread, NULL, relay_serve, r), 0);
}

static inline void relay_end(relay *r)
{
    char path[64];
    atomic_store(&r->stop, true);
    pthread_join(r->thread, NULL);
    close(r->listener);
    relay_path(r, path);
    unlink(path);
    rmdir(r->directory);
}

#endif
