# Includes point one way: base <- data <- rules <- stores <- engine. Of one layer, any may include any.
# Usage: awk -f scripts/includes.awk core/*.[ch]; a file that no layer names is reported too.
BEGIN {
    layer("base", "writebehind writebehind_values errors types err env sync cancel alarm uuid utf8 timestamp json buffer path show")
    layer("data", "uuidset routes schema schema_new marks ddl quote row row_* convert batch batch_* batches dead_letter")
    layer("rules", "policy backoff metrics log options")
    layer("stores", "decider store store_* postgres postgres_* sqlite sqlite_* memory_*")
    layer("engine", "box ask outbox outbox_* markbox markbox_* flusher owner batcher batcher_* tracker tracker_* lifeline exit")
}

function layer(name, patterns, list, n, i) {
    names[++layers] = name
    n = split(patterns, list, " ")
    for (i = 1; i <= n; i++) {
        gsub(/\*/, ".*", list[i])
        of[list[i]] = layers
    }
}

# The layer of a file; exact names go before patterns.
function layer_of(file, pattern) {
    sub(/.*\//, "", file)
    if (file ~ /\.def$/) return 1
    sub(/\.[ch]$/, "", file)
    if (file in of) return of[file]
    for (pattern in of) if (pattern ~ /\*/ && file ~ "^" pattern "$") return of[pattern]
    return 0
}

FNR == 1 {
    mine = layer_of(FILENAME)
    if (!mine) {
        print FILENAME ": belongs to no layer of scripts/includes.awk"
        bad = 1
    }
}

/^#include "/ {
    split($0, part, "\"")
    theirs = layer_of(part[2])
    if (!theirs || theirs > mine) {
        printf "%s:%d: %s includes %s (%s)\n", FILENAME, FNR, names[mine], part[2], theirs ? names[theirs] : "of no layer"
        bad = 1
    }
}

END { exit bad }
