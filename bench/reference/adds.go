// SPDX-License-Identifier: MIT

package main

import (
	"time"

	"github.com/google/uuid"
)

type ids struct {
	user, agent, workspace, template uuid.UUID
}

func newIDs() ids {
	return ids{uuid.New(), uuid.New(), uuid.New(), uuid.New()}
}

var start = time.Unix(1715673600, 731000)

// The report is a new one, and so is its map, as a decoder makes them.
func addFresh(b *Batcher, of ids, from, to int64) {
	for i := from; i < to; i++ {
		stats := &Stats{
			ConnectionsByProto: map[string]int64{"vscode": 2, "ssh": 1}, ConnectionCount: 1, RxPackets: i, RxBytes: 86,
			TxPackets: i, TxBytes: 35, SessionVSCode: 1, SessionJetBrains: 0, SessionPTY: 0, SessionSSH: 1,
			MedianLatencyMS: 12.5,
		}
		b.Add(start, of.agent, of.template, of.user, of.workspace, stats, false)
	}
}

func addReused(b *Batcher, of ids, stats *Stats, from, to int64) {
	for i := from; i < to; i++ {
		stats.RxPackets, stats.TxPackets = i, i
		b.Add(start, of.agent, of.template, of.user, of.workspace, stats, false)
	}
}

// Calls in runs that fill no batch, so that none of them waits for a flush: ns a call.
func alone(b *Batcher, count int64, add func(from, to int64)) float64 {
	const run = forceAt - 1
	var spent time.Duration
	for i := int64(0); i < count; i += run {
		b.Flush()
		began := time.Now()
		add(i, i+run)
		spent += time.Since(began)
	}
	return float64(spent.Nanoseconds()) / float64((count+run-1)/run*run)
}

// Calls as fast as they come, with the flusher at work into a store that takes all at once: ns a call.
func flatOut(count int64, add func(b *Batcher, from, to int64)) float64 {
	b := NewBatcher(Nothing{})
	defer b.Close()
	began := time.Now()
	add(b, 0, count)
	return float64(time.Since(began).Nanoseconds()) / float64(count)
}

func adds([]string) error {
	const count, warm = 80000, 10000
	b, of := NewBatcher(Nothing{}), newIDs()
	stats := &Stats{ConnectionsByProto: map[string]int64{"vscode": 2, "ssh": 1}, ConnectionCount: 1, RxBytes: 86,
		TxBytes: 35, SessionVSCode: 1, SessionSSH: 1, MedianLatencyMS: 12.5}
	fresh := func(from, to int64) { addFresh(b, of, from, to) }
	reused := func(from, to int64) { addReused(b, of, stats, from, to) }
	alone(b, warm, reused)
	sample("stats:add, reused", alone(b, count, reused))
	alone(b, warm, fresh)
	sample("stats:add, fresh", alone(b, count, fresh))
	sample("stats:add, fresh, flat out", flatOut(count, func(b *Batcher, from, to int64) { addFresh(b, of, from, to) }))
	return b.Close()
}
