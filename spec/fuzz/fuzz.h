/* SPDX-License-Identifier: MIT
 * What the fuzz targets share. A target is a program of libFuzzer's (clang): it calls LLVMFuzzerTestOneInput with one
 * input after another, and ends the process where a promise is broken. `make fuzz` builds and runs them all. */
#ifndef WB_FUZZ_H
#define WB_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <writebehind.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* A promise; also without assertions. */
#define HOLDS(promise)                                                                             \
    do {                                                                                           \
        if (!(promise)) {                                                                          \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #promise);                  \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* A message is one line that a terminal shows as it is. */
static inline void check_message(const wb_err *err)
{
    HOLDS(err->text[0] != '\0');
    for (const char *at = err->text; *at != '\0'; at++)
        HOLDS((unsigned char)*at >= 0x20 && *at != 0x7f);
}

/* The input as a C string: what precedes its first NUL. To be freed. */
static inline char *text_of(const uint8_t *data, size_t bytes)
{
    char *text = malloc(bytes + 1);
    HOLDS(text != NULL);
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    return text;
}

#endif
