-- Keys, constraints, triggers, partitions, inheritance, views, and names that must be quoted.

local tables = require "spec.support.tables"

local FILLED = tables.FILLED
local ID, OTHER = "018bcfe5-6be8-7000-ba42-55942e14460b", "9b2d3c84-0f6e-4b8e-9c1a-0d5e4f3a2b1c"

return {
    { name = "profiles", ddl = [[ -- a uuid key that refers to another table is given
        create table people (id uuid primary key);
        insert into people values ('018bcfe5-6be8-7000-ba42-55942e14460b');
        create table profiles (person_id uuid primary key references people, bio text)]],
      columns = { { "person_id", "uuid", ID }, { "bio", "text null", "x" } } },
    { name = "memberships", ddl = [[create table teams (org int4, id uuid, primary key (org, id));
        insert into teams values (1, '018bcfe5-6be8-7000-ba42-55942e14460b');
        create table memberships (org int4 not null, team_id uuid not null, user_id uuid not null, role text not null
            default 'member', since date not null default current_date, primary key (org, team_id, user_id), foreign
            key (org, team_id) references teams (org, id) on delete cascade)]],
      columns = {
          { "org", "int4", 1 }, { "team_id", "uuid", ID }, { "user_id", "uuid", OTHER },
          { "role", "text default=member", "owner", least = "member" },
          { "since", "date server", "2024-02-29", least = FILLED },
      } },
    { name = "bookings", ddl = [[ -- no two at once
        create table bookings (room int4 not null, during tstzrange not null, code text unique nulls not distinct,
            seats int4 check (seats > 0), check (room > 0 or seats is null), exclude using gist (room with =, during
            with &&))]],
      columns = {
          { "room", "int4", 4 },
          { "during", "text as tstzrange", '["2024-05-14 08:00:00+00","2024-05-14 09:00:00+00")' },
          { "code", "text null", "A1" }, { "seats", "int4 null", 2 },
      } },
    { name = "no_key", ddl = "create unlogged table no_key (a int4, b uuid, c text not null)",
      columns = { { "a", "int4 null", 1 }, { "b", "uuid null", ID }, { "c", "text", "x" } } },
    { name = "folders", ddl = [[ -- a tree of itself
        create table folders (id uuid primary key default gen_random_uuid(), parent_id uuid references folders, path
        text not null, depth int4 not null default 0)]],
      columns = {
          { "id", "uuid uuidv4", ID, least = FILLED }, { "parent_id", "uuid null", ID }, { "path", "text", "/" },
          { "depth", "int4 default=0", 1, least = "0" },
      } },
    { name = "trips", ddl = [[ -- what a trigger fills
        create table trips (id int8 primary key, slug text not null, created timestamptz not null, updated_by text,
            title text not null);
        create function fill_trip() returns trigger language plpgsql as $$ begin
            new.id := coalesce(new.id, 77);
            new.slug := coalesce(new.slug, lower(new.title));
            new.created := coalesce(new.created, now());
            return new; end $$;
        create trigger fill before insert on trips for each row execute function fill_trip()]],
      filled = { "id", "slug", "created" },
      columns = {
          { "id", "int8 server", 5, least = "77" }, { "slug", "text server", "given", least = "trip" },
          { "created", "timestamptz server", 0, text = "1970-01-01 00:00:00+00", least = FILLED },
          { "updated_by", "text null", "ann" }, { "title", "text", "Trip" },
      } },
    { name = "readings", ddl = [[
        create table readings (id uuid not null default gen_random_uuid(), device int4 not null, at timestamptz not
            null, value float8, primary key (id, at)) partition by range (at);
        create table readings_2024 partition of readings for values from ('2024-01-01') to ('2025-01-01');
        create table readings_rest partition of readings default]],
      columns = {
          { "id", "uuid uuidv4", ID, least = FILLED }, { "device", "int4", 1 },
          { "at", "timestamptz", "2024-05-14T08:00:00Z", text = "2024-05-14 08:00:00+00" },
          { "value", "float8 null", 0.5 },
      } },
    { name = "hashed", ddl = [[create table hashed (tenant text not null, n serial, kind text not null default 'a',
      primary key
            (tenant, n, kind)) partition by list (kind);
        create table hashed_a partition of hashed for values in ('a') partition by hash (tenant);
        create table hashed_a0 partition of hashed_a for values with (modulus 2, remainder 0);
        create table hashed_a1 partition of hashed_a for values with (modulus 2, remainder 1)]],
      columns = { { "tenant", "text", "t1" }, { "n", "int4 server", 4, least = "1" },
      { "kind", "text default=a", "a", least = "a" } } },
    { name = "by_day", ddl = [[ -- parted by an expression
        create table by_day (at timestamp not null, n int4) partition by range (date_trunc('day', at));
        create table by_day_all partition of by_day for values from (minvalue) to (maxvalue)]],
      columns = { { "at", "timestamp", "2024-05-14 08:00:00" }, { "n", "int4 null", 1 } } },
    { name = "cities", ddl = [[create table places (id serial primary key, name text not null, area float8 default 0);
        create table cities (mayor text, "NAME 2" text) inherits (places)]],
      columns = {
          { "id", "int4 server", 4, least = "1" }, { "name", "text", "Wien" },
          { "area", "float8 null default=0", 0.5, least = "0" },
          { "mayor", "text null", "x" }, { "NAME 2", "text null", "y" },
      } },
    { name = "odd names", table = 'odd names', ddl = [[create type "Ö t" as enum ('A b', 'c"d', 'e\f');
        create table "odd names" ("select" int4 not null, "Größe" text, "with space" text default 'x',
            "quo""te" int4 not null default 1, "a%sb\" text, "Ö" "Ö t" default 'A b', "Ös" "Ö t"[], "UPPER" bool,
            dropped int4, "$1" text, "column-with-dash" "char", "0" int4);
        alter table "odd names" drop column dropped]],
      columns = {
          { "select", "int4", 1 }, { "Größe", "text null", "x" },
          { "with space", "text null default=x", "y", least = "x" },
          { 'quo"te', "int4 default=1", 2, least = "1" }, { "a%sb\\", "text null", "x" },
          { "Ö", "text null default=A b", 'c"d', least = "A b" },
          { "Ös", "text[] null", { 'c"d', "e\\f", "A b" }, text = [[{"c\"d","e\\f","A b"}]] },
          { "UPPER", "bool null", true },
          { "$1", "text null", "x" }, { "column-with-dash", 'text as "char" null', "x" }, { "0", "int4 null", 1 },
      } },
    { name = "orders_view", ddl = [[create table orders (id bigserial primary key, customer text not null,
      total numeric(10,2) not null
            default 0, note text);
        create view orders_view as select id, customer, total, note from orders;
        alter view orders_view alter column total set default 5;
        create function into_orders() returns trigger language plpgsql as $$ begin
            insert into wb_tables.orders (id, customer, total, note) values (coalesce(new.id,
              nextval('wb_tables.orders_id_seq')),
                coalesce(new.customer, 'nobody'), coalesce(new.total, 0), new.note);
            return new; end $$;
        create trigger into_orders instead of insert on orders_view for each row execute function into_orders()]],
      columns = {
          { "id", "int8 null", 9, least = "1", null = "1" },
          { "customer", "text null", "ann", least = "nobody", null = "nobody" },
          { "total", "numeric null default=5.00", "1.50", least = "5.00", null = "0.00" }, { "note", "text null", "x" },
      } },
    { name = "a_copy", ddl = [[create table original (id int8 generated by default as identity,
      t text collate "C" default 'x', n
            int4 constraint positive check (n > 0) not null);
        create table a_copy (like original including all, extra int4)]],
      columns = { { "id", "int8 server", 5, least = "1" }, { "t", "text null default=x", "y", least = "x" },
      { "n", "int4", 1 },
          { "extra", "int4 null", 1 } } },
    { name = "typed", ddl = [[create type point_3 as (x int4, y int4,
      z text); create table typed of point_3 (x primary key, z with options not null
            default 'deep')]],
      columns = { { "x", "int4", 1 }, { "y", "int4 null", 1 }, { "z", "text default=deep", "flat", least = "deep" } } },
}
