package ice

import "github.com/georedkit/georedkit/geored/report"

// UpgradeDepartures are the points at which an upgrade does something else than the guide's chapter 6, in its order.
func UpgradeDepartures() []report.Departure {
	return []report.Departure{
		because("backup", "6", "a backup is recommended", "one of every store is named, with its time and digest, or a person confirms that there is none",
			"what an upgrade does to the schema is not taken back by rolling a release back"),
		because("gates-before", "6", "the upgrade begins as the sites stand", "mesh, DNS, ring, schema, rows, positions, objects, pods and drift pass before anything is touched",
			"an upgrade of one site leans on the other, and does not heal"),
		because("order", "6", "it does not matter which cluster is first", "the order of the topology", "a run that was killed must know what it had begun"),
		because("skew", "6", "nothing is said of versions", "two versions at once at most, with the same first two numbers, and never an older one", "two that differ by more were never meant to share a ring and a schema"),
		because("gates", "6", "the initial check of 4.4.5, on the one site", "all gates, over both sites too, for ten seconds in a row", "what crashes again and again passes in between"),
		because("repair", "6", "nodetool repair on every node behind the first site, and its Cassandra pods restarted where the schema is split (4.4.5)",
			"rows are compared by keys, values and write times, and the schema at every node; nothing is repaired or restarted",
			"what is the same needs no repair; a schema that stays split is a gate that does not pass"),
		because("back", "6", "nothing is said of a failure", "the release is rolled back, and no other site is touched; when a gate cannot be asked nothing is", "silence is no evidence"),
		because("restart", "4.4.8", "pods of MirrorMaker and ksqldb are deleted once more", "canaries come through every mirror; ksqldb is restarted once for the version", "a restart stops what runs, and proves nothing"),
	}
}
