package cassandra

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gocql/gocql"
)

// RepairRecord is a repair that a node coordinates or coordinated since it started.
type RepairRecord struct {
	ID        string
	Began     time.Time // by its ID; zero: the ID bears no time
	Keyspace  string
	Full      bool // not incremental and no preview
	Primary   bool // primary ranges only
	Completed bool
	Failure   string // why it failed; zero: it did not, or not yet
	Preview   bool   // Merkle trees were compared and nothing was changed; then it is not Full
	Tables    []string
	Narrow    []string // what it was told to leave out or to pass over, in words; none: it is of all tables and all replicas

	message      string
	ranges       []Range
	participants []string // addresses of the other nodes
}

// Repairs asks a node for the repairs it coordinates or coordinated since it started, by system_views.repairs, which
// servers from 4.1 on have.
func (c *Cluster) Repairs(ctx context.Context, n Node) ([]RepairRecord, error) {
	var records []RepairRecord
	q := Query{CQL: `SELECT id, keyspace_name, options_incremental, options_preview_kind, options_primary_range, completed, failure_cause, ` +
		`table_names, options_ranges, participants, success_message, options_column_families, options_data_centers, options_hosts, ` +
		`options_subrange_repair, options_force_repair, options_pull_repair FROM system_views.repairs`}
	err := c.query(ctx, n.Address, q, func(r Row) error {
		records = append(records, repairRecord(r))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("node %s: read system_views.repairs: %w", n.Address, err)
	}
	return records, nil
}

func repairRecord(r Row) RepairRecord {
	kind := r.text("options_preview_kind")
	record := RepairRecord{
		ID: r.uuid("id"), Keyspace: r.text("keyspace_name"), Primary: r.bool("options_primary_range"),
		Full:      !r.bool("options_incremental") && (kind == "" || kind == "NONE"),
		Completed: r.bool("completed"), Failure: r.text("failure_cause"),
		Preview: kind == "ALL", Tables: r.texts("table_names"), Narrow: narrow(r), message: r.text("success_message"),
	}
	if id, err := gocql.ParseUUID(record.ID); err == nil && id.Version() == 1 {
		record.Began = id.Time()
	}
	for _, text := range r.texts("options_ranges") {
		record.ranges = append(record.ranges, parseRanges(text)...)
	}
	for _, text := range r.texts("participants") { // "/10.0.0.1:7000", or with a name before the slash
		if at, err := netip.ParseAddrPort(text[strings.LastIndexByte(text, '/')+1:]); err == nil {
			record.participants = append(record.participants, at.Addr().Unmap().String())
		}
	}
	return record
}

// narrow says what a repair was told to leave out: options of nodetool repair that RepairOption knows.
func narrow(r Row) (left []string) {
	for column, means := range map[string]string{"options_column_families": "only tables", "options_data_centers": "only data centers", "options_hosts": "only hosts"} {
		if named := r.texts(column); len(named) > 0 {
			left = append(left, means+" "+strings.Join(named, ", "))
		}
	}
	for column, means := range map[string]string{"options_subrange_repair": "only some ranges", "options_force_repair": "not the replicas that were down", "options_pull_repair": "in one direction"} {
		if r.bool(column) {
			left = append(left, means)
		}
	}
	slices.Sort(left)
	return left
}
