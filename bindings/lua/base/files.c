/* SPDX-License-Identifier: MIT
 * What the command line needs of files and terminals besides Lua's io: what a pipe has so far, whether two paths are one
 * file, how wide a terminal is, and text of other encodings (iconv(3)). */
#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lua/base/lwb.h"

enum { MOST_AT_ONCE = 1 << 20, LONGEST_CHARACTER = 16 };

static int fail(lua_State *L, const char *why)
{
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
}

/* ---- files ---- */

/* The file of Lua's io; its handle begins with the pointer, in each Lua. */
static FILE *check_file(lua_State *L, int index)
{
    FILE **handle = luaL_checkudata(L, index, "FILE*");
    luaL_argcheck(L, *handle != NULL, index, "a closed file");
    return *handle;
}

/* read(file, bytes) → what read(2) has of so many, "" at the end; nil and why not: a signal too. What was read before by
 * Lua's io is not seen. */
static int file_read(lua_State *L)
{
    int fd = fileno(check_file(L, 1));
    double asked = luaL_checknumber(L, 2);
    size_t bytes = asked >= 1 && asked <= MOST_AT_ONCE ? (size_t)asked : MOST_AT_ONCE;
    char *text = lua_newuserdata(L, bytes);
    ssize_t got = read(fd, text, bytes);
    if (got < 0)
        return fail(L, strerror(errno));
    lua_pushlstring(L, text, (size_t)got);
    return 1;
}

/* same_file(path, path) → are they one? */
static int file_same(lua_State *L)
{
    struct stat a, b;
    bool known = stat(luaL_checkstring(L, 1), &a) == 0 && stat(luaL_checkstring(L, 2), &b) == 0;
    lua_pushboolean(L, known && a.st_dev == b.st_dev && a.st_ino == b.st_ino);
    return 1;
}

/* size(path) → of a regular file, in bytes; else nil */
static int file_size(lua_State *L)
{
    struct stat of;
    if (stat(luaL_checkstring(L, 1), &of) != 0 || !S_ISREG(of.st_mode))
        return 0;
    lua_pushnumber(L, (double)of.st_size);
    return 1;
}

/* width(fd) → a terminal's columns, or nil */
static int terminal_width(lua_State *L)
{
    struct winsize size;
    if (ioctl((int)luaL_checkinteger(L, 1), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 0;
    lua_pushinteger(L, size.ws_col);
    return 1;
}

/* ---- encodings ---- */

typedef struct decoder {
    iconv_t to_utf8;
    size_t left; /* bytes of a character that is not whole yet */
    char rest[LONGEST_CHARACTER];
} decoder;

static const char decoder_name[] = "writebehind.decoder";

static int decoder_gc(lua_State *L)
{
    decoder *d = luaL_checkudata(L, 1, decoder_name);
    if (d->to_utf8 != (iconv_t)-1)
        iconv_close(d->to_utf8);
    d->to_utf8 = (iconv_t)-1;
    return 0;
}

/* Decodes what it can of `in`. → false: there is a byte that is none of a character */
static bool decode_all(decoder *d, char *in, size_t bytes, luaL_Buffer *out)
{
    char piece[4096];
    while (bytes > 0) {
        char *to = piece;
        size_t room = sizeof piece;
        size_t done = iconv(d->to_utf8, &in, &bytes, &to, &room);
        int why = errno;
        luaL_addlstring(out, piece, sizeof piece - room);
        if (done == (size_t)-1 && why == EILSEQ)
            return false;
        if (done == (size_t)-1 && why == EINVAL)
            break;
    }
    if (bytes > sizeof d->rest)
        return false;
    memcpy(d->rest, in, bytes);
    d->left = bytes;
    return true;
}

/* decoder(text) → the text as UTF-8; nil and why not. Without a text: is nothing left? */
static int decode(lua_State *L)
{
    size_t bytes;
    decoder *d = luaL_checkudata(L, 1, decoder_name);
    if (lua_isnoneornil(L, 2)) {
        lua_pushboolean(L, d->left == 0);
        return 1;
    }
    const char *text = luaL_checklstring(L, 2, &bytes);
    char *all = lua_newuserdata(L, d->left + bytes);
    memcpy(all, d->rest, d->left);
    memcpy(all + d->left, text, bytes);
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    bool right = decode_all(d, all, d->left + bytes, &out);
    luaL_pushresult(&out);
    return right ? 1 : fail(L, "a byte that is no character of the encoding");
}

/* decoder(encoding) → a decoder, nil where iconv knows no such one */
static int new_decoder(lua_State *L)
{
    const char *encoding = luaL_checkstring(L, 1);
    decoder *d = lua_newuserdata(L, sizeof *d);
    *d = (decoder){.to_utf8 = iconv_open("UTF-8", encoding)};
    if (d->to_utf8 == (iconv_t)-1)
        return 0;
    if (luaL_newmetatable(L, decoder_name)) {
        lua_pushcfunction(L, decoder_gc);
        lua_setfield(L, -2, "__gc");
        lua_pushcfunction(L, decode);
        lua_setfield(L, -2, "__call");
    }
    lua_setmetatable(L, -2);
    return 1;
}

void lwb_process_files(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"read", file_read},       {"same_file", file_same}, {"size", file_size},
        {"width", terminal_width}, {"decoder", new_decoder}, {NULL, NULL},
    };
    lwb_setfuncs(L, functions);
}
