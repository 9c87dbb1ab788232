/* SPDX-License-Identifier: MIT
 * nginx tells its state through variables that it exports to its modules. They are weak here: in other programs they
 * don't exist. Only fork can fail. */
#include "engine/nginx.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/folder.h"

/* nginx, src/os/unix: ngx_process_cycle.c and .h, ngx_channel.h. Each is NULL outside of nginx. */
extern volatile sig_atomic_t ngx_terminate __attribute__((weak)); /* stopped: TERM, INT */
extern uintptr_t ngx_process __attribute__((weak));               /* what this process is */
extern int ngx_channel __attribute__((weak)); /* a worker's socket to the master process */

enum { NGX_PROCESS_WORKER = 3, NGX_CMD_TERMINATE = 4 };

struct channel_message {
    uintptr_t command;
    pid_t pid;
    intptr_t slot;
    int fd;
};

/* A worker that is stopped after it has left its loop is told only through the channel. By then nobody else reads
 * it. */
static bool is_told_to_stop(void)
{
    struct channel_message message;
    while (recv(ngx_channel, &message, sizeof message, MSG_DONTWAIT) == (ssize_t)sizeof message) {
        if (message.command == NGX_CMD_TERMINATE)
            return true;
    }
    return false;
}

static bool is_worker(void)
{
    return &ngx_terminate != NULL && &ngx_process != NULL && &ngx_channel != NULL &&
           ngx_process == NGX_PROCESS_WORKER;
}

bool wb_nginx_is_no_worker(void)
{
    return &ngx_process != NULL && ngx_process != NGX_PROCESS_WORKER;
}

bool wb_nginx_is_hurried(void)
{
    return is_worker() && (ngx_terminate != 0 || is_told_to_stop());
}

/* The library's own: its alarms and requests to stop. */
static bool is_event(int fd)
{
    char link[64], what[32] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return readlink(link, what, sizeof what - 1) > 0 &&
           (strcmp(what, "anon_inode:[eventfd]") == 0 || strcmp(what, "anon_inode:[timerfd]") == 0);
}

/* Ports, clients, log files, shared memory. The objects' connections ended with their threads. */
static void close_all(void)
{
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return;
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        int fd = atoi(entry->d_name);
        if (fd > STDERR_FILENO && fd != dirfd(folder) && !is_event(fd) && !wb_folder_is_lock(fd))
            close(fd);
    }
    closedir(folder);
}

static volatile sig_atomic_t told_to_end;

static void note_end(int signal)
{
    (void)signal;
    told_to_end = 1;
}

/* nginx's own handlers would tell nginx's loop, which does not run here. */
static void hear_the_end(void)
{
    struct sigaction action = {.sa_handler = note_end};
    sigset_t none;
    sigemptyset(&action.sa_mask);
    sigemptyset(&none);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

bool wb_nginx_child_is_told(void)
{
    return told_to_end != 0;
}

/* A reader of this process's output would wait for the child too. */
static void leave_output(void)
{
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nowhere < 0)
        return;
    dup2(nowhere, STDIN_FILENO);
    dup2(nowhere, STDOUT_FILENO);
    close(nowhere);
}

pid_t wb_nginx_fork(void)
{
    pid_t child = fork();
    if (child == 0) {
        setsid();
        prctl(PR_SET_NAME, "writebehind");
        hear_the_end();
        close_all();
        leave_output();
    }
    return child;
}
