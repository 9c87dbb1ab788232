// SPDX-License-Identifier: MIT

package main

import (
	"database/sql"
	"encoding/json"

	"github.com/lib/pq"
)

const insert = `INSERT INTO workspace_agent_stats (id, created_at, user_id, agent_id, workspace_id, template_id,
    connections_by_proto, connection_count, rx_packets, rx_bytes, tx_packets, tx_bytes, session_count_vscode,
    session_count_jetbrains, session_count_reconnecting_pty, session_count_ssh, connection_median_latency_ms, usage)
SELECT unnest($1::uuid[]), unnest($2::timestamptz[]), unnest($3::uuid[]), unnest($4::uuid[]), unnest($5::uuid[]),
    unnest($6::uuid[]), jsonb_array_elements($7::jsonb), unnest($8::bigint[]), unnest($9::bigint[]),
    unnest($10::bigint[]), unnest($11::bigint[]), unnest($12::bigint[]), unnest($13::bigint[]),
    unnest($14::bigint[]), unnest($15::bigint[]), unnest($16::bigint[]), unnest($17::double precision[]),
    unnest($18::boolean[])`

// Postgres writes a batch by one statement, which is prepared once.
type Postgres struct {
	statement *sql.Stmt
}

func OpenPostgres(conninfo string) (*Postgres, error) {
	db, err := sql.Open("postgres", conninfo+" sslmode=disable")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	statement, err := db.Prepare(insert)
	return &Postgres{statement}, err
}

func (p *Postgres) Insert(c *Columns, connections json.RawMessage) error {
	_, err := p.statement.Exec(pq.Array(c.IDs), pq.Array(c.CreatedAt), pq.Array(c.UserIDs), pq.Array(c.AgentIDs),
		pq.Array(c.WorkspaceIDs), pq.Array(c.TemplateIDs), string(connections), pq.Array(c.ConnectionCount),
		pq.Array(c.RxPackets), pq.Array(c.RxBytes), pq.Array(c.TxPackets), pq.Array(c.TxBytes),
		pq.Array(c.SessionVSCode), pq.Array(c.SessionJetBrains), pq.Array(c.SessionPTY), pq.Array(c.SessionSSH),
		pq.Array(c.MedianLatencyMS), pq.Array(c.Usage))
	return err
}

// Nothing is a store that takes all, at once.
type Nothing struct{}

func (Nothing) Insert(*Columns, json.RawMessage) error {
	return nil
}
