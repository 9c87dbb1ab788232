/* SPDX-License-Identifier: MIT
 * A conninfo of any text: taken, or refused without a word of the password that is in it. */
#include "fuzz.h"

static void try(const char *conninfo)
{
    wb_store *store = NULL;
    wb_err err = {0};
    if (wb_store_postgres(conninfo, &store, &err) == WB_OK) {
        wb_store_unref(store);
        return;
    }
    check_message(&err);
    HOLDS(strstr(err.text, "hunter2") == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const char *const forms[] = {
        "postgresql://user:hunter2%s",         "host=x password=hunter2%s",
        "host=x password = 'hunter2%s",        "%s password=hunter2",
        "postgresql://h/d?password=hunter2%s", "%s"};
    char *text = text_of(data, bytes);
    char *conninfo = malloc(bytes + 64);
    HOLDS(conninfo != NULL);
    bool names_it = strstr(text, "hunter2") != NULL; /* in a place that is none for a password */
    for (size_t i = 0; i < sizeof forms / sizeof *forms && !names_it; i++) {
        sprintf(conninfo, forms[i], text);
        try(conninfo);
    }
    free(conninfo);
    free(text);
    return 0;
}
