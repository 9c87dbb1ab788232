/* SPDX-License-Identifier: MIT
 * What the command line and the plain loop need of the process: is this a terminal, was there a SIGINT or
 * SIGTERM, a monotonic time, a sleep that a signal ends, poll(2). The handler only counts; the second SIGINT has
 * the system's default, so that a program that hangs can be stopped. The state is the process's: signals have one
 * handler. A wrong argument raises, and so does a poll(2) that fails. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/path.h"
#include "base/show.h"
#include "lua/base/lwb.h"

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

/* The entry at the top as poll wants it; one without a descriptor is passed over. */
static struct pollfd entry_read(lua_State *L)
{
    if (!lua_istable(L, -1))
        luaL_error(L, "poll: expected a table as an entry, got a %s", luaL_typename(L, -1));
    lua_getfield(L, -1, "fd");
    lua_getfield(L, -2, "mode");
    const char *mode = lua_isnil(L, -1) ? "r" : lua_tostring(L, -1);
    if (!lua_isnil(L, -2) && !lua_isnumber(L, -2))
        luaL_error(L, "poll: expected a descriptor as fd, got a %s", luaL_typename(L, -2));
    if (mode == NULL || (strcmp(mode, "r") != 0 && strcmp(mode, "w") != 0))
        luaL_error(L, "poll: expected \"r\" or \"w\" as mode, got %s",
                   mode != NULL ? mode : "none");
    struct pollfd entry = {.fd = lua_isnil(L, -2) ? -1 : (int)lua_tointeger(L, -2)};
    entry.events = mode[0] == 'r' ? POLLIN : POLLOUT;
    lua_pop(L, 2);
    return entry;
}

/* Milliseconds, rounded up, so that what is due then is due after it. */
static int poll_timeout(lua_State *L, int index)
{
    int64_t us = lwb_check_us(L, index);
    if (us == WB_NEVER)
        return -1;
    return us > (int64_t)INT_MAX * 1000 - 999 ? INT_MAX : (int)((us + 999) / 1000);
}

/* poll(list, seconds) → how many are ready; each entry's `ready` is set. An entry has `fd` (nil: it is
 * never ready) and `mode`, "r" (the default) or "w". A signal ends it early, with none ready. */
static int process_poll(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    int timeout_ms = poll_timeout(L, 2);
    size_t count = lwb_rawlen(L, 1);
    struct pollfd *entries = lua_newuserdata(L, (count + 1) * sizeof *entries);
    for (size_t i = 0; i < count; i++, lua_pop(L, 1)) {
        lua_rawgeti(L, 1, (int)i + 1);
        entries[i] = entry_read(L);
    }
    int ready = poll(entries, count, timeout_ms);
    if (ready < 0 && errno != EINTR)
        return luaL_error(L, "poll: %s", strerror(errno));
    for (size_t i = 0; i < count; i++, lua_pop(L, 1)) {
        lua_rawgeti(L, 1, (int)i + 1);
        lua_pushboolean(L, ready > 0 && entries[i].revents != 0);
        lua_setfield(L, -2, "ready");
    }
    lua_pushinteger(L, ready > 0 ? ready : 0);
    return 1;
}

/* shown(text): as one line that a terminal shows as it is. */
static int process_shown(lua_State *L)
{
    char line[WB_LINE_BYTES];
    size_t bytes;
    const char *text = luaL_checklstring(L, 1, &bytes);
    size_t most = bytes < sizeof line - 1 ? bytes : sizeof line - 1;
    for (size_t i = 0; i < most; i++)
        line[i] = text[i] != '\0' ? text[i] : '\x1a'; /* a NUL would end it */
    line[most] = '\0';
    wb_show_line(line, sizeof line);
    lua_pushstring(L, line);
    return 1;
}

/* make_file(path): a regular file, for its owner alone where it is new. → true, or nil and why not */
static int process_make_file(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1), *why;
    int fd = wb_path_open(path, O_WRONLY | O_CREAT, &why);
    if (fd >= 0) {
        close(fd);
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", path, why);
    return 2;
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
        {"poll", process_poll},
        {"shown", process_shown},
        {"make_file", process_make_file},
        {NULL, NULL},
    };
    lwb_setfuncs(L, functions);
    lwb_process_files(L);
}
