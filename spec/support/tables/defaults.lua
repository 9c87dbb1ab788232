-- A default of each kind for each type: constants, which the schema knows, and what the server fills.

local tables = require "spec.support.tables"

local FILLED = tables.FILLED

return {
    { name = "constants", ddl = [[create type mood as enum ('sad', 'it''s ok');
        create table constants (b bool default true, i2 int2 default -1, i4 int4 not null default 42, i8 int8 default
        '1099511627776', f4 real default 0.5, f8 float8 default 'NaN', n numeric(6,2) default 1.5, t text default
        E'it''s\n\\', v varchar(10) default 'x', c char(4) default 'ab', m mood not null default 'it''s ok', u uuid
        default '018bcfe5-6be8-7000-ba42-55942e14460b', d date default '2024-02-29', tz timestamptz default
        '2024-05-14 08:00:00+00', j json default '{"a": 1}', jb jsonb not null default '[]', by bytea default '\x00ff',
        nothing text default null, neg int4 default (-5), ci citext default 'Ci', x xml default '<a/>', hex uuid
        default '30313233-3435-3637-3839-616263646566')]],
      columns = {
          { "b", "bool null default=true", false, least = "true" }, { "i2", "int2 null default=-1", 1, least = "-1" },
          { "i4", "int4 default=42", 0, least = "42" },
          { "i8", "int8 null default=1099511627776", 2, least = "1099511627776" },
          { "f4", "float4 null default=0.5", 1.5, least = "0.5" },
          { "f8", "float8 null default=nan", 0.5, least = "NaN" },
          { "n", "numeric null default=1.50", "2.25", least = "1.50" },
          { "t", "text null default=it's\n\\", "", least = "it's\n\\" },
          { "v", "text max=10 null default=x", "y", least = "x" },
          { "c", "text max=4 null default=ab", "z", least = "ab" },
          { "m", "text default=it's ok", "sad", least = "it's ok" },
          { "u", "uuid null default=018bcfe5-6be8-7000-ba42-55942e14460b", "00000000-0000-0000-0000-000000000000",
            least = "018bcfe5-6be8-7000-ba42-55942e14460b" },
          { "d", "date null default=19782", "2024-03-01", least = "2024-02-29" },
          { "tz", "timestamptz null default=2024-05-14T08:00:00.000000Z", 0, text = "1970-01-01 00:00:00+00",
            least = "2024-05-14 08:00:00+00" },
          { "j", 'json null default={"a": 1}', "1", least = '{"a": 1}' },
          { "jb", "jsonb default=[]", "{}", least = "[]" },
          { "by", "bytea null default=\0\255", "x", text = "\\x78", least = "\\x00ff" },
          { "nothing", "text null", "x" },
          { "neg", "int4 null default=-5", 5, least = "-5" }, { "ci", "text null default=Ci", "cI", least = "Ci" },
          { "x", "text null default=<a/>", "<b/>", least = "<a/>" },
          { "hex", "uuid null default=30313233-3435-3637-3839-616263646566", "0123456789abcdef0123456789abcdef",
            text = "01234567-89ab-cdef-0123-456789abcdef", least = "30313233-3435-3637-3839-616263646566" },
      } },
    { name = "server_constants", ddl = [[ -- constants of types whose values the schema does not keep
        create table server_constants (ts timestamp default '2024-05-14 08:00:00', t time not null default '08:00',
        i interval default '1 day', a inet default '192.0.2.7', c cidr default '10.0.0.0/8', m macaddr default
        '08:00:2b:01:02:03', ia int4[] not null default '{1,2}', ta text[] default array['a'], r int4range default
        '[1,2)', b bit(3) default b'101', mo money default 1, forever timestamptz default 'infinity', old date default
        '0044-03-15 BC', h hstore default '')]],
      columns = {
          { "ts", "timestamp null server", 0, text = "1970-01-01 00:00:00", least = "2024-05-14 08:00:00" },
          { "t", "time server", "09:00:00", least = "08:00:00" },
          { "i", "interval null server", "2 days", least = "1 day" },
          { "a", "inet null server", "10.0.0.1/8", least = "192.0.2.7/32" },
          { "c", "cidr null server", "10.1.0.0/16", least = "10.0.0.0/8" },
          { "m", "macaddr null server", "08:00:2b:01:02:04", least = "08:00:2b:01:02:03" },
          { "ia", "int4[] server", {}, text = "{}", least = "{1,2}" },
          { "ta", "text[] null server", {}, text = "{}", least = "{a}" },
          { "r", "text as int4range null server", "[2,3)", least = "[1,2)" },
          { "b", "text as bit(3) null server", "000", least = "101" },
          { "mo", "text as money null server", "$2.00", least = "$1.00" },
          { "forever", "timestamptz null server", "-infinity", least = "infinity" },
          { "old", "date null server", "2024-02-29", least = "0044-03-15 BC" },
          { "h", "text as hstore null server", '"a"=>"1"', least = "" },
      } },
    { name = "expressions", ddl = [[create sequence numbers_of start 500;
        create function next_code() returns text language sql as $$ select 'C' || nextval('wb_tables.numbers_of') $$;
        create table expressions (n int8 not null default nextval('numbers_of'), code text not null default next_code(),
        at timestamptz not null default now(), ts timestamp default (now() at time zone 'utc'), day date default
        current_date, t time default localtime, who text default current_user, app name default current_user, sum int4
        default 1 + 1, rnd float8 default random(), up text default upper('x'), ms int8 default (extract(epoch from
        now()) * 1000), later timestamptz default now() + '1 day'::interval, b bool default (1 = 1), nr numeric
        default pi(), j jsonb default jsonb_build_object('a', 1), doc json default row_to_json(row(1)), by bytea
        default decode('00', 'hex'), u uuid default md5('x')::uuid, ip inet default inet_client_addr(), v7 uuid not
        null default gen_random_uuid())]],
      columns = {
          { "n", "int8 server", 1, least = "500" }, { "code", "text server", "X", least = "C501" },
          { "at", "timestamptz server", 0, text = "1970-01-01 00:00:00+00", least = FILLED },
          { "ts", "timestamp null server", 0, text = "1970-01-01 00:00:00", least = FILLED },
          { "day", "date null server", "2024-02-29", least = FILLED },
          { "t", "time null server", "08:00:00", least = FILLED },
          { "who", "text null server", "x", least = FILLED }, { "app", "text null server", "x", least = FILLED },
          { "sum", "int4 null server", 3, least = "2" }, { "rnd", "float8 null server", 0.5, least = FILLED },
          { "up", "text null server", "y", least = "X" }, { "ms", "int8 null server", 1, least = FILLED },
          { "later", "timestamptz null server", 0, text = "1970-01-01 00:00:00+00", least = FILLED },
          { "b", "bool null server", false, least = "true" },
          { "nr", "numeric null server", "3", least = "3.14159265358979" },
          { "j", "jsonb null server", "{}", least = '{"a": 1}' },
          { "doc", "json null server", "{}", least = '{"f1":1}' },
          { "by", "bytea null server", "x", text = "\\x78", least = "\\x00" },
          { "u", "uuid null server", "00000000-0000-0000-0000-000000000000",
            least = "9dd4e461-268c-8034-f5c8-564e155c67a6" },
          { "ip", "inet null server", "10.0.0.1/8" },
          { "v7", "uuid uuidv4", "00000000-0000-0000-0000-000000000000", least = FILLED },
      } },
    { name = "always", ddl = [[create table always (id bigint generated always as identity primary key, a int4 not null,
        b int4, twice int4 generated always as (a * 2) stored, name text generated always as ('n' || a) stored)]],
      columns = { { "a", "int4", 4 }, { "b", "int4 null", 5 } },
      left_out = { "id: always generated by the database", "twice: always generated by the database",
          "name: always generated by the database" } },
    { name = "all_filled", ddl = [[
        create table all_filled (id serial primary key, at timestamptz not null default now())]],
      columns = { { "id", "int4 server", 4, least = "1" },
          { "at", "timestamptz server", 0, text = "1970-01-01 00:00:00+00", least = FILLED } } },
    { name = "unfit_defaults", ddl = [[ -- which the server refuses only when they are used
        create domain positive as int4 check (value > 0);
        create domain filled as text not null;
        create table unfit_defaults (n positive default 0, price numeric(3,2) default 100,
          v varchar(3) default 'abcdef',
            small int2 default 100000, f filled default null, id int4 not null default 7, m char(2) default 'abc')]],
      kinds = { "full" },
      columns = {
          { "n", "int4 null server", 1 }, { "price", "numeric null server", "1.50" },
          { "v", "text max=3 null server", "abc" }, { "small", "int2 null server", 1 }, { "f", "text server", "x" },
          { "id", "int4 server", 8, least = "7" }, { "m", "text max=2 null server", "ab" },
      } },
}
