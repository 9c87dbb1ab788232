/* SPDX-License-Identifier: MIT
 * What the C tests share: cmocka with its headers, a small schema, values, a seeded generator. */
#ifndef WB_SPEC_SUPPORT_H
#define WB_SPEC_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include <writebehind.h>

#define assert_ok(expression) assert_int_equal((expression), WB_OK)

static inline wb_value int_value(int64_t i)
{
    return (wb_value){.kind = WB_INT, .i = i};
}

static inline wb_value text_value(const char *text)
{
    return (wb_value){.kind = WB_TEXT, .bytes = (uint32_t)strlen(text), .text = text};
}

static inline wb_value uuid_value(const uint8_t id[16])
{
    return (wb_value){.kind = WB_TEXT, .bytes = 16, .text = (const char *)id};
}

/* n int8, note text nullable */
static inline wb_schema *small_schema(void)
{
    const wb_column columns[] = {
        {.name = "n", .type = WB_TYPE_INT8},
        {.name = "note", .type = WB_TYPE_TEXT, .null = true},
    };
    wb_schema *schema = NULL;
    wb_err err;
    assert_ok(wb_schema_new(columns, 2, &schema, &err));
    return schema;
}

/* SplitMix64 (Steele, Lea, Flood 2014): the same sequence everywhere. */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static inline uint64_t random_below(uint64_t *state, uint64_t limit)
{
    return next_random(state) % limit;
}

#endif
