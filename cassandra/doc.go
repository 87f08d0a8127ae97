// Package cassandra proves that one Cassandra ring over several sites is whole and that the sites hold the same rows,
// finds the rows that differ and the direction, says what an outage asks for, and repairs in the right order.
//
// It installs nothing. It changes nothing but what a repair, a cure, a rebuild or a replacement does that its caller carries
// out.
//
// Two sites, compared:
//
//	config := cassandra.Config{
//		Sites: []cassandra.Site{{Name: "dc1", Nodes: []string{"10.90.0.51"}}, {Name: "dc2", Nodes: []string{"10.91.0.51"}}},
//		User:  "reader", Password: password,
//	}
//	cluster, err := cassandra.Open(config)
//	if err != nil {
//		log.Fatal(err)
//	}
//	defer cluster.Close()
//	found, err := cluster.Compare(ctx, cassandra.Comparing{
//		Reading: cassandra.Reading{Table: cassandra.Table{Keyspace: "dev", Name: "changeset"}},
//	})
//	if err != nil {
//		log.Fatal(err)
//	}
//	fmt.Println(found)
//	for _, d := range found.Differences {
//		fmt.Println(d.Key, "missing in", d.Missing())
//	}
//
// The types to know: [Config] and [Open] give a [Cluster]. [Cluster.Checks] are the checks of the ring: every node is
// asked for its own view, one by one, and who does not answer is part of the result. [Cluster.Compare] gives a
// [Comparison]: [Equal], [Different] or [Unproven], with the reasons; [Cluster.CompareAll] takes several tables.
// [Cluster.Count] only counts. [Cluster.Limits] is the input for recovery: from it follow [Cluster.PlanRepair] and
// [Cluster.PlanRebuild]; [Cluster.PlanReplace] is for a node that is gone for good, and [Cluster.PlanSchemaCure] for a
// schema that stays split. Each plan becomes a stage of a [geored.Runbook]; nodetool is run by the caller's [Nodetool], and a
// new server in the place of a lost one is started by the caller's [Replacer].
//
// # What equal means
//
// Every read is at LOCAL_ONE through a node of the site in question, so that no other site can answer and nothing is
// repaired on the way. A cqlsh session reads at ONE unless it is told otherwise: then the coordinator may take rows from
// the other site, so that "SELECT COUNT(*)" typed in both sites, as guides have it, may count one and the same site
// twice, or a mixture; on a real ring two of three such reads through one site were answered by the other.
//
// LOCAL_ONE reads one replica. A site with several is [Equal] only where [Comparing].Trees agree, or with [Comparing].EveryReplica, which reads each node in
// turn and holds against the nodes' own counters (system_views.local_scan_latency) that the node asked is the one that
// answered: the dynamic snitch passes reads on, on idle rings too. If another client reads the same table meanwhile, the
// counters cannot tell, and the result is [Unproven].
//
// With [Comparing].Trees the nodes compare Merkle trees first, all replicas of each range, and rows are read only where
// the trees differ. That a preview took place, over which ranges, and which nodes had part in it, is read from the node
// that coordinated it (system_views.repairs), not from what nodetool printed.
//
// Rows are compared by keys, values and write times. Deletions have no trace in CQL: a row that one site lacks may never
// have arrived there, or be deleted there, or be deleted and brought back in the other. TTLs are not compared, but
// expired rows that only one look saw are taken for rows in flight. Counter tables can be counted only. Partitions are
// held in memory one at a time, and only in ranges that differ.
//
// # Results and errors
//
// [Cluster.Compare], [Cluster.Count], [Cluster.Ring] and [Cluster.Limits] give a complete result also with an error.
// Mistakes in the input, a site that is silent among them, are [geored.Faults]; nodes that fail on the way are no error
// but part of the result. Durations are time.Duration, write times microseconds as Cassandra has them.
//
// Servers do not tell by CQL of hints that they dropped: only a comparison shows what was lost.
//
// It is shown with Cassandra 4.1 and 5.0, by gocql 1.7 in protocol version 4. Older servers lack virtual tables: checks
// and coverage that need them are then unknown.
package cassandra
