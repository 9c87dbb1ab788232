/* SPDX-License-Identifier: MIT
 * ASCII as PostgreSQL's readers of texts see it, whatever the locale: white space around a text, words in any case.
 * Header only. */
#ifndef WB_WORDS_H
#define WB_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* C's isspace in the "C" locale. */
static inline bool wb_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Takes the white space off both ends. */
static inline void wb_trim(const char **text, size_t *bytes)
{
    for (; *bytes > 0 && wb_is_space(**text); (*bytes)--)
        (*text)++;
    while (*bytes > 0 && wb_is_space((*text)[*bytes - 1]))
        (*bytes)--;
}

static inline char wb_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

/* The value of a hex digit, or -1. */
static inline int wb_hex_digit(char c)
{
    char lower = wb_lower(c);
    if (c >= '0' && c <= '9')
        return c - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Is the text that word, given in lower case? */
static inline bool wb_is_word(const char *text, size_t bytes, const char *word)
{
    for (size_t i = 0; i < bytes; i++)
        if (word[i] == '\0' || wb_lower(text[i]) != word[i])
            return false;
    return word[bytes] == '\0';
}

#endif
