/* SPDX-License-Identifier: MIT
 * Process exit waits for the pipelines that are alive: an exit handler closes them all, waits for each up to its
 * close_timeout, and has each say what is lost. A worker of nginx's that is killed before that leaves what is left to
 * a child (nginx.h). What is driven is not waited for, only asked what is lost. */
#ifndef WB_EXIT_H
#define WB_EXIT_H

/* Registers the handler, and again where a store's library has registered one of its own meanwhile. */
void wb_exit_watch(void);
/* Registers it once more, so that it runs before the handlers that libraries registered at their first use: OpenSSL's
 * would take away what a session still needs. Called after each write; does it once a process. */
void wb_exit_watch_again(void);

#endif
