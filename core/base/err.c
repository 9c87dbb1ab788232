/* SPDX-License-Identifier: MIT
 * Codes and their names; filling a wb_err. Invariant: the text is one line of UTF-8 and ends with a NUL; what does not
 * fit is cut between two characters. No state, no locks, no failure. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const code_names[] = {
#define X(constant, name, text) [constant] = name,
#include <writebehind/errors.def>
#undef X
};

static void cut_at_character(char *text, size_t size)
{
    size_t end = strlen(text);
    if (end + 1 < size)
        return;
    while (end > 0 && ((unsigned char)text[end - 1] & 0xC0) == 0x80)
        end--;
    if (end > 0 && (unsigned char)text[end - 1] >= 0xC0)
        text[end - 1] = '\0';
}

static void keep_one_line(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n' || *text == '\r')
            *text = ' ';
    }
}

static void fill(wb_err *err, int code, int error_class, const char *format, va_list arguments)
{
    memset(err, 0, sizeof *err);
    err->code = code;
    err->error_class = error_class;
    vsnprintf(err->text, sizeof err->text, format, arguments);
    cut_at_character(err->text, sizeof err->text);
    keep_one_line(err->text);
}

const char *wb_code_name(int code)
{
    size_t count = sizeof code_names / sizeof *code_names;
    return code >= 0 && (size_t)code < count ? code_names[code] : "unknown";
}

int wb_fail(wb_err *err, int code, const char *format, ...)
{
    if (err != NULL) {
        va_list arguments;
        va_start(arguments, format);
        fill(err, code, WB_RETRY, format, arguments);
        va_end(arguments);
    }
    return code;
}

int wb_fail_store(wb_err *err, int error_class, const char *format, ...)
{
    if (err != NULL) {
        va_list arguments;
        va_start(arguments, format);
        fill(err, WB_STORE, error_class, format, arguments);
        va_end(arguments);
    }
    return WB_STORE;
}

int wb_wrap(wb_err *err, int code, const char *format, ...)
{
    if (err == NULL)
        return code;
    char context[sizeof err->text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(context, sizeof context, format, arguments);
    va_end(arguments);

    char cause[sizeof err->text];
    memcpy(cause, err->text, sizeof cause);
    char whole[sizeof context + sizeof cause + 2];
    snprintf(whole, sizeof whole, "%s: %s", context, cause);
    memcpy(err->text, whole, sizeof err->text - 1);
    err->text[sizeof err->text - 1] = '\0';
    cut_at_character(err->text, sizeof err->text);
    return err->code;
}
