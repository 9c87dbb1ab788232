/* SPDX-License-Identifier: MIT
 * What the command line needs of the process: is this a terminal, was there a SIGINT or SIGTERM, a monotonic
 * time, a sleep that a signal ends. The handler only counts; the second SIGINT falls to the system's default,
 * so that a program that hangs can be stopped. State: the process's own, one program a process. */
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "lwb.h"

static volatile sig_atomic_t interrupts;
static struct sigaction old_int, old_term;
static bool installed;

static void count_interrupt(int signal)
{
    (void)signal;
    if (interrupts < 1000)
        interrupts++;
}

static int process_isatty(lua_State *L)
{
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
    return 1;
}

/* on_interrupt(): from now on SIGINT and SIGTERM are counted; once each, then they kill. */
static int process_on_interrupt(lua_State *L)
{
    struct sigaction action = {.sa_handler = count_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    (void)L;
    if (installed)
        return 0;
    interrupts = 0;
    sigaction(SIGINT, &action, &old_int);
    sigaction(SIGTERM, &action, &old_term);
    installed = true;
    return 0;
}

/* restore(): the handlers from before on_interrupt. */
static int process_restore(lua_State *L)
{
    (void)L;
    if (!installed)
        return 0;
    sigaction(SIGINT, &old_int, NULL);
    sigaction(SIGTERM, &old_term, NULL);
    installed = false;
    return 0;
}

static int process_interrupted(lua_State *L)
{
    lua_pushboolean(L, interrupts > 0);
    return 1;
}

static int process_now(lua_State *L)
{
    lwb_push_seconds(L, wb_now_us());
    return 1;
}

static int process_time(lua_State *L)
{
    lwb_push_seconds(L, wb_unix_us());
    return 1;
}

/* sleep(seconds) → true, or false where a signal ended it early. */
static int process_sleep(lua_State *L)
{
    int64_t us = lwb_check_us(L, 1);
    struct timespec left = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    lua_pushboolean(L, nanosleep(&left, NULL) == 0);
    return 1;
}

void lwb_open_process(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"isatty", process_isatty},
        {"on_interrupt", process_on_interrupt},
        {"interrupted", process_interrupted},
        {"restore", process_restore},
        {"now", process_now},
        {"time", process_time},
        {"sleep", process_sleep},
        {NULL, NULL},
    };
    lwb_setfuncs(L, functions);
}
