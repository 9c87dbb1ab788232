-- Domains: they count as the type below them, with their NOT NULL, their default and their checks.

local cjson = require "cjson"
local tables = require "spec.support.tables"

return {
    { name = "domain_columns", ddl = [[create domain email as citext check (value ~ '@');
        create domain short as varchar(8);
        create domain shorter as short check (length(value) < 5);
        create domain cents as int8 not null default 0;
        create domain percent as numeric(5,2) check (value between 0 and 100);
        create domain day_id as int4 default 7;
        create domain stamp as timestamptz not null default now();
        create type colour as enum ('red', 'green');
        create domain warm as colour check (value = 'red');
        create domain tags as text[] check (cardinality(value) < 5);
        create domain ids as uuid[];
        create domain ref as uuid;
        create domain span as int4range;
        create domain vec as tsvector not null;
        create table domain_columns (id ref primary key, e email not null, s short, ss shorter, c cents, p percent, d
            day_id, own day_id default 9, at stamp, w warm, t tags, i ids, r span, v vec, es email[], ds shorter[],
            ws warm[], sp span[])]],
      columns = {
          { "id", "uuid uuidv7", "018bcfe5-6be8-7000-ba42-55942e14460b", least = tables.FILLED },
          { "e", "text", "Ann@example.com" }, { "s", "text max=8 null", "12345678" },
          { "ss", "text max=8 null", "1234" },
          { "c", "int8 server", 5, least = "0" }, { "p", "numeric null", "99.50" },
          { "d", "int4 null server", 1, least = "7" },
          { "own", "int4 null default=9", 1, least = "9" },
          { "at", "timestamptz server", 0, text = "1970-01-01 00:00:00+00", least = tables.FILLED },
          { "w", "text null", "red" }, { "t", "text[] null", { "a", "b,c" }, text = '{a,"b,c"}' },
          { "i", "uuid[] null", { "018BCFE5-6be8-7000-ba42-55942e14460b" },
            text = "{018bcfe5-6be8-7000-ba42-55942e14460b}" },
          { "r", "text as wb_tables.span null", "[1,2)" }, { "v", "text as wb_tables.vec", "'a'" },
          { "es", "text[] null", { "A@b", cjson.null }, text = "{A@b,NULL}" },
          { "ds", "text[] max=8 null", { "1234" }, text = "{1234}" },
          { "ws", "text[] null", { "red" }, text = "{red}" },
          { "sp", "text as wb_tables.span[] null", '{"[1,2)"}' },
      } },
}
