# SPDX-License-Identifier: MIT
# The charts of docs/img from a run's figures: gnuplot -e "data='…'; histogram='…'; out='…'" bench/charts.gp
set terminal svg size 760,400 font "system-ui,sans-serif,13" background "white"
set datafile separator whitespace
set border 3 linecolor "#818b98"
set tics nomirror textcolor "#1f2328"
set xtics noenhanced font ",11"
set bmargin 4.5
set grid y linecolor "#d1d9e0"
set key top left reverse Left
set linetype 1 linecolor "#0969da" linewidth 2
set linetype 2 linecolor "#54aeff" linewidth 2
set linetype 3 linecolor "#bf8700" linewidth 2
set linetype 4 linecolor "#818b98" linewidth 2
set linetype 5 linecolor "#8250df" linewidth 2
set linetype 6 linecolor "#cf222e" linewidth 2

set style data histogram
set style histogram clustered gap 1
set style fill solid border
set yrange [0:*]

set output out."/adds.svg"
set title "One add (ns; lower is better)"
set key top right
plot for [c=2:4] data index "One add, ns" using c:xtic(1) title columnheader(c)

set output out."/stored.svg"
set title "From add to commit (rows/s; higher is better)"
set key outside right top
plot for [c=2:7] data index "From add to commit" every 2 using c:xtic(1) title columnheader(c)

set style data lines
set logscale xy
set key inside top right
set xtics enhanced font ",13"
set format x "10^{%T}"
set format y "10^{%T}"
set yrange [*:*]
set output out."/frozen.svg"
set title "One add while the database is frozen: calls by how long they took"
set xlabel "ns"
set ylabel "calls of a million"
plot histogram index "lua5.4" with steps linetype 1 title "lua5.4", \
    "" index "luajit" with steps linetype 2 title "luajit", \
    "" index "clock" with steps linetype 4 title "reading the clock as long"

unset ylabel
unset logscale y
set format y "%.0f"
set yrange [0:*]
set xlabel "rows that pend"
set output out."/growth.svg"
set multiplot layout 1,2 title "While the database is frozen"
set title "one add, ns"
set key bottom right
plot for [c=2:3] data index "One add while rows pend, ns" using 1:c title columnheader(c)
set title "memory, bytes a row"
plot for [c=2:3] data index "Memory while rows pend, bytes a row" using 1:c \
    title columnheader(c)
unset multiplot
