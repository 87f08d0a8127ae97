package ice

import "github.com/georedkit/georedkit/geored/report"

// RecoveryDepartures are the points at which a recovery does something else than the guide's chapter 5, in its order.
func RecoveryDepartures() []report.Departure {
	return []report.Departure{
		because("hours", "5", "less than 1 hour, 1 to 2 hours and more decide what is done", "the outage is held against each store's own limits, read live",
			"hint windows, retention and gc_grace differ from installation to installation, and the hours leave exactly two undefined"),
		because("gates", "5", "the stores are looked at first", "mesh, DNS and credentials are proven before", "a name server or worker that started during the outage stays broken"),
		because("running", "5.1.1", "conditions are True and connectors RUNNING", "positions pass the ends of the logs, and a canary arrives; only what FAILED is restarted",
			"NotReady is True as well, and connectors are RUNNING during a cut"),
		because("repair", "5.2", "nodetool repair on each node, whatever the outage", "hints first, then a full repair of primary ranges; beyond gc_grace a rebuild that a person confirms",
			"the default is incremental, and a repair after gc_grace brings deleted rows back"),
		because("ring", "5.2", "a repair is all that a partition asks for", "a ring that stays split is healed by looking its seeds up again", "pods that were restarted on both sides never find each other, and a repair refuses"),
		because("jobs", "5.3", "two jobs are named by the minute", "each bears the recovery's mark and its site, and the index is held against the rows", "two in one minute collide; a job that succeeded proves nothing"),
		because("order", "5.3", "the index may be filled at any time", "it is filled once Kafka and the rows of Cassandra are proven; Cassandra's own keyspaces are held beside it", "it would be filled with what was missing"),
		because("together", "5", "Kafka, Cassandra, search and objects one after another", "Kafka, Cassandra and objects side by side, search after the first two",
			"they do not fill one another, and users wait"),
		because("mirror", "5.4", "the ReplicaSet of the mirror is deleted", "objects that one site has are carried over and conflicts confirmed; then the mirrors are restarted one after the other, and compared",
			"a mirror that lists everything decides silently between two versions; several ReplicaSets bear that prefix"),
	}
}
