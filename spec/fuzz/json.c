/* SPDX-License-Identifier: MIT
 * JSON that is taken is JSON with any white space around it, and an error lies within the text. */
#include "fuzz.h"

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    size_t at = 0;
    const char *text = (const char *)data;
    const char *wrong = wb_json_check(text, bytes, &at);
    HOLDS(wrong == NULL || at <= bytes);
    char *spaced = malloc(bytes + 2);
    HOLDS(spaced != NULL);
    spaced[0] = ' ';
    memcpy(spaced + 1, data, bytes);
    spaced[bytes + 1] = '\n';
    HOLDS((wb_json_check(spaced, bytes + 2, &at) == NULL) == (wrong == NULL));
    free(spaced);
    return 0;
}
