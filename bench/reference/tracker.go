// SPDX-License-Identifier: MIT

package main

import (
	"sync"

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
