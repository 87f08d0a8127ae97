// Package cassandratest lets users of cassandra test against a ring without a server: [New] starts, in the test's own
// process, nodes that speak the CQL native protocol, version 4, on loopback ports, as sites with seeded rows and named
// faults. [Conform] is the suite that this ring and real ones are held to.
//
// It needs neither root nor Java, and ends with the test.
//
// [Ring.Nodetool] pretends nodetool, [Ring.Replacer] replaces lost nodes, and the ring itself is a [cassandra.Restarter].
//
// Known gaps: there are SELECT, ALTER KEYSPACE, TRUNCATE system.available_ranges_v2 and DELETE of a peer. SELECT has the columns,
// COUNT(*), token and WRITETIME that package cassandra asks for, restricted by tokens and by equality. Merkle trees
// have a leaf for each row, and neither a rebuild nor a replacement brings deletions. Every node of a site holds every row of the site; there
// is no placement. Types are the native ones and lists, sets and maps of them; tuples, user types, vectors, counters
// and TTL are missing. Rows of one partition come in the order of their clustering columns' bytes. Consistency levels
// are not looked at: a node answers from its own rows, or from those of the node it is told to pass reads on to. Schema
// and gossip are what the test says, and do not change by themselves, except that heartbeats rise with every look.
package cassandratest
