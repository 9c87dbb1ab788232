// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// As rows.values of bench/rows.lua: some maps, two of four with one key.
var maps = []map[string]int64{{}, {"ssh": 1}, {"vscode": 2, "ssh": 1}, {"jetbrains": 1}}

func cpu() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func addRows(b *Batcher, of []ids, count int) {
	for n := 1; n <= count; n++ {
		i, id := int64(n), of[n%len(of)]
		b.Add(start.Add(time.Duration(n)*731*time.Microsecond), id.agent, id.template, id.user, id.workspace, &Stats{
			ConnectionsByProto: maps[i%4], ConnectionCount: i % 4, RxPackets: i, RxBytes: i * 86, TxPackets: i,
			TxBytes: i * 35, SessionVSCode: i % 3, SessionSSH: i % 2, MedianLatencyMS: 12.5,
		}, false)
	}
}

// Rows a second from the first Add to the last commit, and the process's CPU a row.
func stored(args []string) error {
	place := args[0]
	count, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	store, err := OpenPostgres(args[1])
	if err != nil {
		return err
	}
	of := make([]ids, 1000)
	for i := range of {
		of[i] = newIDs()
	}
	b := NewBatcher(store)
	began, used := time.Now(), cpu()
	addRows(b, of, count)
	if err := b.Close(); err != nil {
		return err
	}
	sample(place+", rows/s", float64(count)/time.Since(began).Seconds())
	sample(place+", CPU a row, ns", float64((cpu()-used).Nanoseconds())/float64(count))
	return nil
}

// The longest Add while the database is frozen for a second (FREEZE and THAW are commands of bench/run's).
func frozen(args []string) error {
	store, err := OpenPostgres(args[0])
	if err != nil {
		return err
	}
	b, of := NewBatcher(store), newIDs()
	if err := exec.Command("sh", "-c", os.Getenv("FREEZE")).Run(); err != nil {
		return err
	}
	thawed := make(chan error, 1)
	time.AfterFunc(time.Second, func() { thawed <- exec.Command("sh", "-c", os.Getenv("THAW")).Run() })
	var longest time.Duration
	for i := int64(0); len(thawed) == 0; i++ {
		began := time.Now()
		addFresh(b, of, i, i+1)
		if took := time.Since(began); took > longest {
			longest = took
		}
	}
	sample("add while frozen, the longest, us", float64(longest.Microseconds()))
	if err := <-thawed; err != nil {
		return err
	}
	return b.Close()
}
