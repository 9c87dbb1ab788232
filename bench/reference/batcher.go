// SPDX-License-Identifier: MIT

// The reference: what a service in Go has for its agents' statistics and for its workspaces' use. A batcher collects
// rows as parallel columns under a mutex, which it also holds while it writes them; main.go measures it.
package main

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	batchSize = 1024
	forceAt   = batchSize * 8 / 10
	interval  = time.Second
)

// Stats is one report of an agent.
type Stats struct {
	ConnectionsByProto map[string]int64
	ConnectionCount    int64
	RxPackets, RxBytes int64
	TxPackets, TxBytes int64
	SessionVSCode      int64
	SessionJetBrains   int64
	SessionPTY         int64
	SessionSSH         int64
	MedianLatencyMS    float64
}

// Columns is a batch: the values of all rows, column by column. The maps are encoded when it is written.
type Columns struct {
	IDs, UserIDs, AgentIDs, WorkspaceIDs, TemplateIDs       []uuid.UUID
	CreatedAt                                               []time.Time
	ConnectionsByProto                                      []map[string]int64
	ConnectionCount, RxPackets, RxBytes, TxPackets, TxBytes []int64
	SessionVSCode, SessionJetBrains, SessionPTY, SessionSSH []int64
	MedianLatencyMS                                         []float64
	Usage                                                   []bool
}

// Store writes a batch, whose maps are one array of JSON; an error keeps the batch.
type Store interface {
	Insert(columns *Columns, connections json.RawMessage) error
}

// Batcher is safe for any number of callers.
type Batcher struct {
	store   Store
	mutex   sync.Mutex // of columns, also while they are written
	columns Columns
	full    chan struct{}
	quit    chan struct{}
	done    chan struct{}
}

func NewBatcher(store Store) *Batcher {
	b := &Batcher{store: store, full: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	b.columns.reserve(batchSize)
	go b.run()
	return b
}

func (c *Columns) reserve(n int) {
	for _, ids := range []*[]uuid.UUID{&c.IDs, &c.UserIDs, &c.AgentIDs, &c.WorkspaceIDs, &c.TemplateIDs} {
		*ids = make([]uuid.UUID, 0, n)
	}
	for _, numbers := range c.integers() {
		*numbers = make([]int64, 0, n)
	}
	c.CreatedAt = make([]time.Time, 0, n)
	c.ConnectionsByProto = make([]map[string]int64, 0, n)
	c.MedianLatencyMS = make([]float64, 0, n)
	c.Usage = make([]bool, 0, n)
}

func (c *Columns) integers() []*[]int64 {
	return []*[]int64{&c.ConnectionCount, &c.RxPackets, &c.RxBytes, &c.TxPackets, &c.TxBytes,
		&c.SessionVSCode, &c.SessionJetBrains, &c.SessionPTY, &c.SessionSSH}
}

func (c *Columns) clear() {
	for _, ids := range []*[]uuid.UUID{&c.IDs, &c.UserIDs, &c.AgentIDs, &c.WorkspaceIDs, &c.TemplateIDs} {
		*ids = (*ids)[:0]
	}
	for _, numbers := range c.integers() {
		*numbers = (*numbers)[:0]
	}
	c.CreatedAt = c.CreatedAt[:0]
	c.ConnectionsByProto = c.ConnectionsByProto[:0]
	c.MedianLatencyMS = c.MedianLatencyMS[:0]
	c.Usage = c.Usage[:0]
}

// Add takes one report. It waits while a batch is written.
func (b *Batcher) Add(now time.Time, agent, template, user, workspace uuid.UUID, stats *Stats, usage bool) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	c := &b.columns
	c.IDs = append(c.IDs, uuid.New())
	c.CreatedAt = append(c.CreatedAt, now.Round(time.Microsecond))
	c.UserIDs = append(c.UserIDs, user)
	c.AgentIDs = append(c.AgentIDs, agent)
	c.WorkspaceIDs = append(c.WorkspaceIDs, workspace)
	c.TemplateIDs = append(c.TemplateIDs, template)
	c.ConnectionsByProto = append(c.ConnectionsByProto, stats.ConnectionsByProto)
	c.ConnectionCount = append(c.ConnectionCount, stats.ConnectionCount)
	c.RxPackets = append(c.RxPackets, stats.RxPackets)
	c.RxBytes = append(c.RxBytes, stats.RxBytes)
	c.TxPackets = append(c.TxPackets, stats.TxPackets)
	c.TxBytes = append(c.TxBytes, stats.TxBytes)
	c.SessionVSCode = append(c.SessionVSCode, stats.SessionVSCode)
	c.SessionJetBrains = append(c.SessionJetBrains, stats.SessionJetBrains)
	c.SessionPTY = append(c.SessionPTY, stats.SessionPTY)
	c.SessionSSH = append(c.SessionSSH, stats.SessionSSH)
	c.MedianLatencyMS = append(c.MedianLatencyMS, stats.MedianLatencyMS)
	c.Usage = append(c.Usage, usage)
	if len(c.IDs) >= forceAt {
		select {
		case b.full <- struct{}{}:
		default: // it was told already
		}
	}
}

func (b *Batcher) run() {
	defer close(b.done)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-b.full:
		case <-b.quit:
			return
		}
		b.Flush()
	}
}

// Flush writes what is there. What can't be written stays, for the next one.
func (b *Batcher) Flush() error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if len(b.columns.IDs) == 0 {
		return nil
	}
	connections, err := json.Marshal(b.columns.ConnectionsByProto)
	if err != nil {
		return err
	}
	if err := b.store.Insert(&b.columns, connections); err != nil {
		return err
	}
	b.columns.clear()
	return nil
}

// Close writes what is left.
func (b *Batcher) Close() error {
	close(b.quit)
	<-b.done
	return b.Flush()
}
