/* SPDX-License-Identifier: MIT
 * A random test that is played by seeds: each the same way every time. By itself it plays the usual ones; with COUNT [FIRST]
 * on its command line so many, from that on. A count of 1 tells what happens. */
#ifndef WB_SPEC_SEEDS_H
#define WB_SPEC_SEEDS_H

#include <inttypes.h>
#include <stdio.h>

#include "support/rounds.h"
#include "support/support.h"

/* Plays `count` seeds; answers how many failed. */
typedef int seeds_play(uint64_t count, uint64_t first);

static inline int seeds_each(uint64_t count, uint64_t first, bool (*play)(uint64_t seed, bool told))
{
    int failures = 0;
    for (uint64_t seed = first; seed < first + count; seed++)
        failures += !play(seed, count == 1);
    printf("%" PRIu64 " seeds from %" PRIu64 ", %d failed\n", count, first, failures);
    return failures;
}

static int the_usual_seeds;
static seeds_play *the_seeds_play;

static void usual_seeds(void **state)
{
    (void)state;
    assert_int_equal(the_seeds_play((uint64_t)rounds(the_usual_seeds), 1), 0);
}

static inline int seeds_main(int count, char **words, const char *name, int usual, seeds_play *play)
{
    const struct CMUnitTest tests[] = {{name, usual_seeds, NULL, NULL, NULL}};
    the_usual_seeds = usual;
    the_seeds_play = play;
    if (count > 1)
        return play(strtoull(words[1], NULL, 10), count > 2 ? strtoull(words[2], NULL, 10) : 1) > 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
