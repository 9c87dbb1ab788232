-- The program that hands out keys makes these rows; a tracker only moves last_used_at forward. It has no index, and
-- pages have room for a row's next version: so its update touches no index at all.
CREATE TABLE IF NOT EXISTS api_keys (
    id uuid NOT NULL PRIMARY KEY,
    owner text NOT NULL,
    last_used_at timestamptz
) WITH (fillfactor = 80);
