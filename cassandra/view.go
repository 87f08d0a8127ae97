package cassandra

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// Tables that may be missing or closed to the user; a view without them is still a view.
const (
	gossipTable   = "system_views.gossip_info"
	hintsTable    = "system_views.pending_hints"
	settingsTable = "system_views.settings"
	keyspaceTable = "system_schema.keyspaces"
)

// view asks one node for what it knows; for reading, of the ring and its keyspaces alone.
func (c *Cluster) view(ctx context.Context, at netip.AddrPort, forReading bool) (View, error) {
	v, err := c.self(ctx, at)
	if err != nil {
		return View{}, err
	}
	if err := c.peers(ctx, at, &v); err != nil {
		return View{}, err
	}
	c.optional(ctx, at, &v, keyspaceTable, `keyspace_name, replication`, func(r Row) {
		v.Keyspaces = append(v.Keyspaces, keyspaceOf(r.text("keyspace_name"), r.textMap("replication")))
	})
	if !forReading {
		c.watched(ctx, at, &v)
	}
	v.sort()
	return v, ctx.Err()
}

// watched reads what only checks and limits look at.
func (c *Cluster) watched(ctx context.Context, at netip.AddrPort, v *View) {
	c.optional(ctx, at, v, gossipTable, `address, host_id, generation, heartbeat, status_with_port`, func(r Row) {
		v.Gossip = append(v.Gossip, Gossip{
			HostID: r.text("host_id"), Internode: r.addr("address"), Generation: r.number("generation"),
			Heartbeat: r.number("heartbeat"), Status: r.text("status_with_port"),
		})
	})
	c.optional(ctx, at, v, hintsTable, `host_id, files, oldest, newest`, func(r Row) {
		v.Hints = append(v.Hints, Hints{r.uuid("host_id"), r.number("files"), r.time("oldest"), r.time("newest")})
	})
	c.optional(ctx, at, v, settingsTable, `name, value`, func(r Row) {
		if v.Settings == nil {
			v.Settings = map[string]string{}
		}
		v.Settings[r.text("name")] = r.text("value")
	})
}

func (c *Cluster) self(ctx context.Context, at netip.AddrPort) (View, error) {
	var v View
	found := false
	q := Query{CQL: `SELECT cluster_name, partitioner, host_id, data_center, rack, release_version, schema_version, tokens, broadcast_address FROM system.local`}
	err := c.query(ctx, at, q, func(r Row) error {
		found = true
		v.Cluster, v.Partitioner = r.text("cluster_name"), r.text("partitioner")
		v.Node = c.node(r, at, r.addr("broadcast_address"))
		return nil
	})
	if err == nil && !found {
		err = fmt.Errorf("read system.local: it is empty")
	}
	return v, err
}

func (c *Cluster) peers(ctx context.Context, at netip.AddrPort, v *View) error {
	q := Query{CQL: `SELECT peer, native_address, native_port, host_id, data_center, rack, release_version, schema_version, tokens FROM system.peers_v2`}
	return c.query(ctx, at, q, func(r Row) error {
		address := netip.AddrPortFrom(r.addr("native_address"), uint16(r.number("native_port")))
		v.Peers = append(v.Peers, c.node(r, address, r.addr("peer")))
		return nil
	})
}

func (c *Cluster) node(r Row, address netip.AddrPort, internode netip.Addr) Node {
	tokens := r.texts("tokens")
	slices.Sort(tokens)
	return Node{
		Site: c.siteOf(r.text("data_center")), HostID: r.uuid("host_id"), Address: address, Internode: internode,
		DataCenter: r.text("data_center"), Rack: r.text("rack"), Version: r.text("release_version"),
		Schema: r.uuid("schema_version"), Tokens: tokens,
	}
}

// optional reads a table whose absence is part of the view.
func (c *Cluster) optional(ctx context.Context, at netip.AddrPort, v *View, table, columns string, each func(Row)) {
	err := c.query(ctx, at, Query{CQL: "SELECT " + columns + " FROM " + table}, func(r Row) error {
		each(r)
		return nil
	})
	if err != nil {
		v.Unread = append(v.Unread, Unread{table, err.Error()})
	}
}

func (v *View) sort() {
	slices.SortFunc(v.Peers, func(a, b Node) int { return cmp.Compare(a.HostID, b.HostID) })
	slices.SortFunc(v.Gossip, func(a, b Gossip) int { return cmp.Compare(a.HostID, b.HostID) })
	slices.SortFunc(v.Hints, func(a, b Hints) int { return cmp.Compare(a.HostID, b.HostID) })
	slices.SortFunc(v.Keyspaces, func(a, b Keyspace) int { return cmp.Compare(a.Name, b.Name) })
}

func keyspaceOf(name string, options map[string]string) Keyspace {
	k := Keyspace{Name: name, Replication: map[string]string{}}
	for option, value := range options {
		if option == "class" {
			k.Class = value[strings.LastIndexByte(value, '.')+1:]
		} else {
			k.Replication[option] = value
		}
	}
	return k
}

func (c *Cluster) siteOf(dataCenter string) geored.SiteName {
	for _, s := range c.Sites {
		if s.dataCenter() == dataCenter {
			return s.Name
		}
	}
	return ""
}
