/* SPDX-License-Identifier: MIT
 * Codes and their names; filling a wb_err. Invariant: the text is one line that a terminal shows as it is (wb_show_line),
 * wherever its parts came from. No state, no locks, no failure. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/show.h"

static const char *const code_names[] = {
#define X(constant, name, text) [constant] = name,
#include <writebehind/errors.def>
#undef X
};

static void fill(wb_err *err, int code, int error_class, const char *format, va_list arguments)
{
    memset(err, 0, sizeof *err);
    err->code = code;
    err->error_class = error_class;
    vsnprintf(err->text, sizeof err->text, format, arguments);
    wb_show_line(err->text, sizeof err->text);
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
    wb_show_line(err->text, sizeof err->text);
    return err->code;
}
