/* SPDX-License-Identifier: MIT
 * Filling a wb_err. The innermost function names the cause, and each one outside it may put in front what it was
 * doing. */
#ifndef WB_ERR_H
#define WB_ERR_H

#include <writebehind.h>

/* Fills *err (may be NULL) and returns code, so that a failure is one statement. */
int wb_fail(wb_err *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same for WB_STORE; error_class: enum wb_class. */
int wb_fail_store(wb_err *err, int error_class, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts "context: " before the text and returns err->code (`code` where err is NULL). */
int wb_wrap(wb_err *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
