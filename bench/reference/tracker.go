// SPDX-License-Identifier: MIT

package main

import (
	"sync"
	"time"

	"github.com/google/uuid"
)

// Tracker is a set of the ids that were used since it was last emptied.
type Tracker struct {
	mutex sync.Mutex
	ids   map[uuid.UUID]struct{}
}

func NewTracker() *Tracker {
	return &Tracker{ids: map[uuid.UUID]struct{}{}}
}

func (t *Tracker) Add(id uuid.UUID) {
	t.mutex.Lock()
	t.ids[id] = struct{}{}
	t.mutex.Unlock()
}

func newUUIDs(n int) []uuid.UUID {
	list := make([]uuid.UUID, n)
	for i := range list {
		list[i] = uuid.New()
	}
	return list
}

// Adds each of the ids: ns a call.
func pass(t *Tracker, list []uuid.UUID) float64 {
	began := time.Now()
	for _, id := range list {
		t.Add(id)
	}
	return float64(time.Since(began).Nanoseconds()) / float64(len(list))
}

func longest(t *Tracker, list []uuid.UUID) float64 {
	var most time.Duration
	for _, id := range list {
		began := time.Now()
		t.Add(id)
		if took := time.Since(began); took > most {
			most = took
		}
	}
	return float64(most.Nanoseconds()) / 1e3
}

func track([]string) error {
	many, t := newUUIDs(1000000), NewTracker()
	hot := many[:1000]
	for i := 0; i < 10; i++ {
		pass(t, hot)
	}
	var sum float64
	for i := 0; i < 200; i++ {
		sum += pass(t, hot)
	}
	sample("1,000 hot ids, ns", sum/200)
	t = NewTracker()
	sample("1 M ids, the first time, ns", pass(t, many))
	sample("1 M ids, the second time, ns", pass(t, many))
	t = NewTracker()
	sample("1 M ids, the first time: the longest, us", longest(t, many))
	sample("1 M ids, the second time: the longest, us", longest(t, many))
	return nil
}
