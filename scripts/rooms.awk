# The rooms of core/ and of bindings/lua/, checked: arrows run one way between them, and no files run in a circle. An
# arrow is an include, or a call, which headers don't show: a symbol that one object takes from another.
# Reads lines "include FROM TO", "define UNIT SYMBOL" and "take UNIT SYMBOL"; a unit is a path without its suffix.
BEGIN {
    floors("core", "include base rows spool intake stores engine")
    floors("lua", "base objects worker module")
}

function floors(house, names, list, n, i) {
    n = split(names, list, " ")
    for (i = 1; i <= n; i++) floor[house "/" list[i]] = i
}

# "core/rows" of core/rows/row; a file of the house itself stands for a room of its own.
function room(unit, part) {
    split(unit, part, "/")
    return part[1] "/" part[2]
}

function arrow(from, to, why, a, b) {
    if (from == to) return
    a = floor[room(from)]
    b = floor[room(to)]
    if (!a || !b) complain(from " -> " to ": " (a ? to : from) " is in no room")
    else if (substr(from, 1, 4) == substr(to, 1, 4) && b > a) complain(from " -> " to ": upwards, by " why)
    else if (room(from) ~ /^core/ && room(to) ~ /^lua/) complain(from " -> " to ": the core knows no Lua, by " why)
    if (!((from, to) in reason)) {
        reason[from, to] = why
        next_of[from] = next_of[from] " " to
    }
}

function complain(text) {
    if (!(text in said)) print text
    said[text]
    bad = 1
}

# Does a way lead from one to the other?
function reaches(from, to, seen, list, n, i) {
    if (from == to) return 1
    if (from in seen) return 0
    seen[from]
    n = split(next_of[from], list, " ")
    for (i = 1; i <= n; i++) if (reaches(list[i], to, seen)) return 1
    return 0
}

$1 == "include" { arrow($2, $3, "an include") }
$1 == "define" { home[$3] = $2 }
$1 == "take" { taken[++takes] = $2 " " $3 }

END {
    for (i = 1; i <= takes; i++) {
        split(taken[i], part, " ")
        if (part[2] in home) arrow(part[1], home[part[2]], part[2])
    }
    for (pair in reason) {
        split(pair, part, SUBSEP)
        split("", seen)
        if (reaches(part[2], part[1], seen)) complain("in a circle: " part[1] " -> " part[2] ", by " reason[pair])
    }
    exit bad
}
