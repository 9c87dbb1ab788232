-- A column of each type, with values at its edges.

local tables = require "spec.support.tables"

local FILLED = tables.FILLED

return {
    { name = "numbers", ddl = [[create table numbers (id serial primary key, s smallserial, i2 smallint, i4 integer,
        i8 bigint, f4 real, f8 double precision, n numeric, n2 numeric(10,2), n0 numeric(5,0), neg numeric(3,-2),
          small numeric(2,4),
        big numeric, m money, o oid, l pg_lsn)]],
      columns = {
          { "id", "int4 server", 2147483647, least = "1" }, { "s", "int2 server", -32768, least = "1" },
          { "i2", "int2 null", 32767 }, { "i4", "int4 null", -2147483648, text = "-2147483648" },
          { "i8", "int8 null", -9007199254740991, text = "-9007199254740991" },
          { "f4", "float4 null", 1.5 }, { "f8", "float8 null", 1 / 3, text = "0.3333333333333333" },
          { "n", "numeric null", "-0.000000000000000000000000000001" }, { "n2", "numeric null", "12345678.91" },
          { "n0", "numeric null", 99999 }, { "neg", "numeric null", "12300" }, { "small", "numeric null", "0.0099" },
          { "big", "numeric null", ("9"):rep(500) .. "." .. ("1"):rep(200) },
          { "m", "text as money null", "-$1,234.50" }, { "o", "text as oid null", "4294967295" },
          { "l", "text as pg_lsn null", "16/B374D848" },
      } },
    { name = "not_numbers", ddl = "create table not_numbers (a float4 not null, b float8 not null, c numeric not null, "
        .. "d float8 not null, e numeric not null)",
      columns = {
          { "a", "float4", math.huge, text = "Infinity" }, { "b", "float8", 0 / 0, text = "NaN" },
          { "c", "numeric", "NaN" }, { "d", "float8", -math.huge, text = "-Infinity" }, { "e", "numeric", "-Infinity" },
      } },
    { name = "texts", ddl = [[create table texts (t text not null, v varchar, v3 varchar(3), c5 char(5), c "char",
        n name, x xml, ci citext, b bytea, u uuid, empty text, tricky text not null)]],
      columns = {
          { "t", "text", "tab\tnewline\nreturn\rbackslash\\quote'\"pipe|\\N\\." }, { "v", "text null", "Ω" },
          { "v3", "text max=3 null", "日本語" }, { "c5", "text max=5 null", "ab" },
          { "c", 'text as "char" null', "x" },
          { "n", "text null", "pg_class" }, { "x", "text null", '<a b="1">ü</a>' },
          { "ci", "text null", "MiXed" }, { "b", "bytea null", "\0\1\255", text = "\\x0001ff" },
          { "u", "uuid null", "00010203-0405-0607-0809-0a0b0c0d0e0f" }, { "empty", "text null", "" },
          { "tricky", "text", "\\N" },
      } },
    { name = "times", ddl = [[create table times (tz timestamptz, tz0 timestamptz(0), ts timestamp, ts3 timestamp(3),
        d date, t time, t2 time(2), ttz timetz, i interval, i0 interval(0), ym interval year to month, forever
        timestamptz, never timestamp, never_day date, id int not null)]],
      columns = {
          { "tz", "timestamptz null", "0001-01-01T00:00:00Z", text = "0001-01-01 00:00:00+00" },
          { "tz0", "timestamptz null", "2024-05-14T08:00:00Z", text = "2024-05-14 08:00:00+00" },
          { "ts", "timestamp null", "9999-12-31 23:59:59.999999" },
          { "ts3", "timestamp null", "2024-05-14 08:00:00.125" },
          { "d", "date null", "1969-12-31" }, { "t", "time null", "24:00:00" }, { "t2", "time null", "08:00:00.25" },
          { "ttz", "text as time with time zone null", "08:00:00+02" },
          { "i", "interval null", "1 year 2 mons -3 days +04:05:06.789" ,
            text = "1 year 2 mons -3 days +04:05:06.789" },
          { "i0", "interval null", 90, text = "00:01:30" }, { "ym", "interval null", "P1Y2M", text = "1 year 2 mons" },
          { "forever", "timestamptz null", "infinity" }, { "never", "timestamp null", "-infinity" },
          { "never_day", "date null", "infinity" }, { "id", "int4", 1 },
      } },
    { name = "addresses", ddl = [[create table addresses (a inet not null, net inet, b cidr, m macaddr, m8 macaddr8,
        six cidr)]],
      columns = {
          { "a", "inet", "::ffff:1.2.3.4", text = "::ffff:1.2.3.4/128" }, { "net", "inet null", "10.1.2.3/8" },
          { "b", "cidr null", "10/8", text = "10.0.0.0/8" },
          { "m", "macaddr null", "08002b-010203", text = "08:00:2b:01:02:03" },
          { "m8", "text as macaddr8 null", "08:00:2b:01:02:03:04:05" }, { "six", "cidr null", "2001:db8::/32" },
      } },
    { name = "searches", ddl = [[create table searches (v tsvector not null, q tsquery, r int4range, nr numrange, tr
        tstzrange, dr daterange, m int4multirange, j json, jb jsonb, p jsonpath)]],
      columns = {
          { "v", "text as tsvector", "'cat':3 'fat':2", text = "'cat':3 'fat':2" },
          { "q", "text as tsquery null", "'fat' & 'cat'" }, { "r", "text as int4range null", "[1,5]", text = "[1,6)" },
          { "nr", "text as numrange null", "(,1.5]" },
          { "tr", "text as tstzrange null", '["2024-05-14 08:00:00+00",)' },
          { "dr", "text as daterange null", "empty" }, { "m", "text as int4multirange null", "{[1,3),[5,7)}" },
          { "j", "json null", '{"a":1,"a":2,  "b":[]}' }, { "jb", "jsonb null", '{"a":1,"a":2}', text = '{"a": 2}' },
          { "p", "text as jsonpath null", '$."a"[*]' },
      } },
    { name = "shapes", ddl = [[create table shapes (id uuid primary key default gen_random_uuid(), p point not null,
      l line, s lseg,
        b box, w path, y polygon, c circle, ps point[], bs box[])]],
      columns = {
          { "id", "uuid uuidv4", "00010203-0405-0607-0809-0a0b0c0d0e0f", least = FILLED },
          { "p", "text as point", "(1,2.5)" }, { "l", "text as line null", "{1,2,3}" },
          { "s", "text as lseg null", "[(0,0),(1,1)]" }, { "b", "text as box null", "(3,4),(1,2)" },
          { "w", "text as path null", "((0,0),(1,1))" }, { "y", "text as polygon null", "((0,0),(1,1),(2,0))" },
          { "c", "text as circle null", "<(0,0),2>" }, { "ps", "text as point[] null", '{"(1,2)","(3,4)"}' },
          { "bs", "text as box[] null", "{(3,4),(1,2);(5,6),(3,4)}" },
      } },
    { name = "systems", ddl = [[create table systems (rc regclass, rt regtype, t tid, x xid, x8 xid8, s pg_snapshot,
        b bit, vb varbit(5), id int8 not null)]],
      columns = {
          { "rc", "text as regclass null", "pg_class" }, { "rt", "text as regtype null", "integer" },
          { "t", "text as tid null", "(1,2)" }, { "x", "text as xid null", "7" }, { "x8", "text as xid8 null", "8" },
          { "s", "text as pg_snapshot null", "10:20:10,14" }, { "b", "text as bit(1) null", "1" },
          { "vb", "text as bit varying(5) null", "10101" }, { "id", "int8", 1 },
      } },
}
