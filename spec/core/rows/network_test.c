/* SPDX-License-Identifier: MIT
 * Addresses: texts and their bytes, refusals, and what is written; libc's inet_ntop and inet_pton as the oracle. What
 * PostgreSQL says of them is asked in stores/postgres/types_oracle_test.c. */
#include "support/rounds.h"
#include "support/support.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "rows/network.h"

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* From memory of just the text's size, so that a checker of memory sees a look past its end. */
static const char *read_text(const char *text, bool cidr, uint8_t to[20], size_t *written)
{
    size_t bytes = strlen(text);
    char *copy = malloc(bytes + !bytes);
    memcpy(copy, text, bytes);
    const char *why = wb_inet_read(copy, bytes, cidr, to, written);
    free(copy);
    return why;
}

/* What is written of it. */
static const char *written_back(const char *text, bool cidr)
{
    static char out[64];
    uint8_t data[20];
    size_t bytes = 0;
    const char *why = read_text(text, cidr, data, &bytes);
    if (why != NULL)
        fail_msg("%s: %s", text, why);
    assert_int_equal(bytes, data[0] == 2 ? 8 : 20);
    wb_inet_format(data, out);
    return out;
}

static void test_bytes(void **state)
{
    (void)state;
    uint8_t data[20];
    size_t bytes;
    assert_null(read_text("192.168.1.5/24", false, data, &bytes));
    assert_int_equal(bytes, 8);
    assert_memory_equal(data, "\2\x18\0\4\xc0\xa8\1\5", 8);
    assert_null(read_text("10.1", true, data, &bytes));
    assert_int_equal(bytes, 8);
    assert_memory_equal(data, "\2\x10\1\4\x0a\1\0\0", 8);
    assert_null(read_text("2001:db8::1", false, data, &bytes));
    assert_int_equal(bytes, 20);
    assert_memory_equal(data, "\3\x80\0\x10\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 20);
}

static void test_addresses(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"192.168.1.5", "192.168.1.5"},
        {"192.168.1.5/24", "192.168.1.5/24"},
        {"192.168.1.5/32", "192.168.1.5"},
        {"192.168.1/24", "192.168.1.0/24"},
        {"10/8", "10.0.0.0/8"},
        {"10/15", "10.0.0.0/15"},
        {"0/0", "0.0.0.0/0"},
        {"001.002.003.0004/08", "1.2.3.4/8"},
        {"255.255.255.255", "255.255.255.255"},
        {"::", "::"},
        {"::1", "::1"},
        {"::/0", "::/0"},
        {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
        {"2001:db8::1/128", "2001:db8::1"},
        {"2001:db8::1/32", "2001:db8::1/32"},
        {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
        {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
        {"1:0:0:2:0:0:0:3", "1:0:0:2::3"},
        {"1:0:0:2:3:0:0:4", "1::2:3:0:0:4"},
        {"1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"},
        {"1::", "1::"},
        {"::5", "::5"},
        {"::1:2", "::0.1.0.2"},
        {"::1.2.3.4", "::1.2.3.4"},
        {"::ffff:1.2.3.4", "::ffff:1.2.3.4"},
        {"1:2:3:4:5:6:1.2.3.4/64", "1:2:3:4:5:6:102:304/64"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(written_back(cases[i][0], false), cases[i][1]);
}

static void test_networks(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"192.168.1.5", "192.168.1.5/32"},
        {"192.168.1.0/24", "192.168.1.0/24"},
        {"192.168.1", "192.168.1.0/24"},
        {"192.168/24", "192.168.0.0/24"},
        {"10", "10.0.0.0/8"},
        {"10.1", "10.1.0.0/16"},
        {"128", "128.0.0.0/16"},
        {"192", "192.0.0.0/24"},
        {"224", "224.0.0.0/4"},
        {"225", "225.0.0.0/8"},
        {"240", "240.0.0.0/32"},
        {"0/0", "0.0.0.0/0"},
        {"10.0/7", "10.0.0.0/7"},
        {"::", "::/128"},
        {"::/0", "::/0"},
        {"2001:db8::/32", "2001:db8::/32"},
        {"fe80::/10", "fe80::/10"},
        {"::ffff:1.2.3.0/120", "::ffff:1.2.3.0/120"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(written_back(cases[i][0], true), cases[i][1]);
}

static void refused(const char *text, bool cidr, const char *expected)
{
    uint8_t data[20], before[20];
    size_t bytes = 4711;
    memset(data, 0xAA, sizeof data);
    memset(before, 0xAA, sizeof before);
    const char *why = read_text(text, cidr, data, &bytes);
    if (why == NULL || strcmp(why, expected) != 0)
        fail_msg("%s: %s", text, why ? why : "taken");
    assert_int_equal(bytes, 4711);
    assert_memory_equal(data, before, sizeof data);
}

static void test_refuses(void **state)
{
    (void)state;
    static const char *const neither[] = {
        "",
        " ",
        "localhost",
        "10.",
        ".1",
        "1..2",
        "1.2.3.",
        "1.2.3.4.",
        "1.2.3.4.5",
        "256.1.1.1",
        "1.2.3.256",
        "1.2.3.4/33",
        "1.2.3.4/",
        "1.2.3.4/-1",
        "1.2.3.4/+8",
        "1.2.3.4/8x",
        "1.2.3.4/ 8",
        " 1.2.3.4",
        "1.2.3.4 ",
        "1.2.3.4//8",
        "0x0a",
        "1.2.3.4/255.0.0.0",
        "1,2,3,4",
        "/8",
        "4294967296.1.1.1",
        "99999999999.1.1.1",
        ":",
        ":::",
        ":1",
        "1:",
        "1:::2",
        "1::2::3",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8",
        "12345::",
        "00001::",
        "::g",
        "fe80::1%eth0",
        "[::1]",
        "::1.2.3",
        "::1.2.3.256",
        "::01.2.3.4",
        "::1.2.3.4.5",
        "::1.2.3.4:5",
        "1.2.3.4::",
        "1:2:3:4:5:6:7:1.2.3.4",
        "::/129",
        "::/0128",
        "::1/00",
        "::/",
        "::1.2.3.4/",
        "1:2:3:4:5:6:7:8:/64",
        "1:/64",
        " ::1",
        "::1 ",
    };
    static const char *const no_inet[] = {"10", "10.1", "192.168.1", "192.168/24", "10/16"};
    static const char *const no_cidr[] = {"192.168.1.5/24", "10.1/8",         "1.2.3.4/0",
                                          "11.0/7",         "2001:db8::1/32", "::1/127",
                                          "2001:db8::/28",  "128.0.0.1/31"};
    for (size_t i = 0; i < COUNT(neither); i++) {
        refused(neither[i], false, "not an IP address");
        refused(neither[i], true, "not an IP address");
    }
    for (size_t i = 0; i < COUNT(no_inet); i++)
        refused(no_inet[i], false, "not an IP address");
    for (size_t i = 0; i < COUNT(no_cidr); i++)
        refused(no_cidr[i], true, "a network with bits right of its mask");
    uint8_t data[20];
    size_t bytes;
    assert_non_null(wb_inet_read("1.2.3.4\0", 8, false, data, &bytes));
}

/* Addresses of many zeros, as libc writes and reads them. */
static void test_as_libc(void **state)
{
    (void)state;
    uint64_t seed = 61;
    for (int i = 0; i < rounds(50000); i++) {
        char expected[64], text[64];
        uint8_t data[20] = {3, 128, 0, 16}, back[20];
        size_t bytes;
        bool ipv6 = random_below(&seed, 2);
        for (int at = 4; at < 20; at++)
            data[at] = random_below(&seed, 3) ? 0 : (uint8_t)next_random(&seed);
        if (!ipv6)
            memcpy(data, "\2\x20\0\4", 4);
        assert_non_null(inet_ntop(ipv6 ? AF_INET6 : AF_INET, data + 4, expected, sizeof expected));
        wb_inet_format(data, text);
        assert_string_equal(text, expected);
        assert_null(read_text(text, false, back, &bytes));
        assert_int_equal(bytes, ipv6 ? 20 : 8);
        assert_memory_equal(back, data, bytes);
    }
}

/* Any mask, as inet and as cidr. */
static void test_reads_back_what_it_writes(void **state)
{
    (void)state;
    uint64_t seed = 62;
    for (int i = 0; i < rounds(50000); i++) {
        char text[64];
        uint8_t data[20], back[20];
        size_t bytes;
        int size = random_below(&seed, 2) ? 16 : 4, bits = (int)random_below(&seed, size * 8 + 1);
        bool cidr = random_below(&seed, 2);
        data[0] = size == 16 ? 3 : 2;
        data[1] = (uint8_t)bits;
        data[2] = cidr;
        data[3] = (uint8_t)size;
        for (int bit = 0; bit < size * 8; bit++) {
            uint8_t mask = (uint8_t)(0x80 >> bit % 8);
            data[4 + bit / 8] = (uint8_t)(bit % 8 ? data[4 + bit / 8] : 0);
            if ((!cidr || bit < bits) && random_below(&seed, 2))
                data[4 + bit / 8] |= mask;
        }
        wb_inet_format(data, text);
        const char *why = read_text(text, cidr, back, &bytes);
        if (why != NULL)
            fail_msg("%s: %s", text, why);
        assert_int_equal(bytes, size + 4);
        assert_memory_equal(back, data, bytes);
    }
}

static bool read_mac(const char *text, uint8_t to[6])
{
    size_t bytes = strlen(text);
    char *copy = malloc(bytes + !bytes);
    memcpy(copy, text, bytes);
    bool taken = wb_macaddr_read(copy, bytes, to);
    free(copy);
    return taken;
}

static void test_macs(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "08:00:2b:01:02:03", "08-00-2b-01-02-03", "08002b:010203",        "08002b-010203",
        "0800.2b01.0203",    "0800-2b01-0203",    "08002b010203",         "08002B010203",
        "8:0:2b:1:2:3",      "8-0-2B-1-2-3",      " 08:00:2b:01:02:03\n",
    };
    static const char *const others[] = {
        "",
        "08:00:2b:01:02",
        "08:00:2b:01:02:03:04",
        "08:00:2b:01:02:",
        "08:00-2b:01:02:03",
        "0800:2b01:0203",
        "08.00.2b.01.02.03",
        "08002b.010203",
        "0800.2b01-0203",
        "08002b01020",
        "08002b0102034",
        "008:00:2b:01:02:03",
        "0g:00:2b:01:02:03",
        "8002b:10203",
        "08 00 2b 01 02 03",
        "0x8:0:2b:1:2:3",
        "08::2b:01:02:03",
        ":8:0:2b:1:2:3",
        "8:0:2b:1:2:3:",
        "+8:0:2b:1:2:3",
        "0800.2b01.203",
        "800.2b01.0203",
    };
    uint8_t mac[6];
    for (size_t i = 0; i < COUNT(forms); i++) {
        memset(mac, 0xAA, 6);
        if (!read_mac(forms[i], mac))
            fail_msg("refused: %s", forms[i]);
        assert_memory_equal(mac, "\x08\0\x2b\1\2\3", 6);
    }
    memset(mac, 0xAA, 6);
    for (size_t i = 0; i < COUNT(others); i++)
        if (read_mac(others[i], mac))
            fail_msg("taken: %s", others[i]);
    assert_memory_equal(mac, "\xAA\xAA\xAA\xAA\xAA\xAA", 6);
}

static void test_macs_at_random(void **state)
{
    (void)state;
    uint64_t seed = 63;
    for (int i = 0; i < rounds(20000); i++) {
        uint8_t mac[6], back[6];
        char text[20];
        for (int at = 0; at < 6; at++)
            mac[at] = (uint8_t)next_random(&seed);
        wb_macaddr_format(mac, text);
        assert_int_equal(strlen(text), 17);
        assert_true(read_mac(text, back));
        assert_memory_equal(back, mac, 6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),    cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_networks), cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_as_libc),  cmocka_unit_test(test_reads_back_what_it_writes),
        cmocka_unit_test(test_macs),     cmocka_unit_test(test_macs_at_random),
    };
    return cmocka_run_group_tests_name("network", tests, NULL, NULL);
}
