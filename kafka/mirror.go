package kafka

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// Mirror is one direction of replication: what is written at From is copied to To by the Connect worker of To.
type Mirror struct {
	From, To geored.SiteName // required
	// Source and Target are what MirrorMaker calls the two sites. Zero: the names of the sites.
	Source, Target string
	// Policy names the copies. Zero: read from the connector's settings, which can only tell Kafka's own two.
	Policy Policy
}

func (m Mirror) source() string { return cmp.Or(m.Source, string(m.From)) }
func (m Mirror) target() string { return cmp.Or(m.Target, string(m.To)) }

// Connector is the name that MirrorMaker and Strimzi give one of the mirror's connectors; class is
// "MirrorSourceConnector", "MirrorCheckpointConnector" or "MirrorHeartbeatConnector".
func (m Mirror) Connector(class string) string {
	return m.source() + "->" + m.target() + "." + class
}

// The classes of a mirror's connectors. Strimzi from 1.0 makes no heartbeat connector.
const (
	SourceConnector     = "MirrorSourceConnector"
	CheckpointConnector = "MirrorCheckpointConnector"
	HeartbeatConnector  = "MirrorHeartbeatConnector"
)

// asked is the mirror as one who is asked.
func (m Mirror) asked() geored.Target { return geored.Target{Site: m.From, To: m.To} }

// String is "dc1 -> dc2".
func (m Mirror) String() string { return m.asked().String() }

// MirrorsBothWays is a mirror for every ordered pair of sites, in their order.
func MirrorsBothWays(sites ...geored.SiteName) []Mirror {
	var mirrors []Mirror
	for _, from := range sites {
		for _, to := range sites {
			if from != to {
				mirrors = append(mirrors, Mirror{From: from, To: to})
			}
		}
	}
	return mirrors
}

// ValidateMirrors reports every fault at once, as [geored.Faults]: sites that are not among the given ones, mirrors that
// stand twice or mirror a site into itself, and identity policies on a circle, where every record goes round for ever.
func ValidateMirrors(sites []geored.SiteName, mirrors []Mirror) error {
	var faults geored.Faults
	seen := map[geored.Target]bool{}
	for _, m := range mirrors {
		for _, name := range []geored.SiteName{m.From, m.To} {
			if !slices.Contains(sites, name) {
				faults = append(faults, m.fault("names a site that there is not", fmt.Sprintf("use one of %v", sites)))
			}
		}
		if m.From == m.To || m.source() == m.target() {
			faults = append(faults, m.fault("mirrors a site into itself", "name two sites with two aliases"))
		}
		if seen[m.asked()] {
			faults = append(faults, m.fault("stands twice", "keep one"))
		}
		seen[m.asked()] = true
	}
	return append(faults, loopFaults(mirrors)...).Err()
}

func (m Mirror) fault(problem, remedy string) geored.Fault {
	return geored.Fault{Site: m.To, Field: "mirror " + m.String(), Problem: problem, Remedy: remedy}
}

// loopFaults finds identity policies on a circle. One is enough: under its names no policy on the way back can tell a
// copy from an original.
func loopFaults(mirrors []Mirror) geored.Faults {
	var faults geored.Faults
	for _, m := range mirrors {
		if m.Policy.IsIdentity() && reaches(mirrors, m.To, m.From, map[geored.SiteName]bool{}) {
			faults = append(faults, m.fault("keeps the names of topics on a circle of mirrors: every record goes round for ever",
				"use DefaultReplicationPolicy, or mirror one way only"))
		}
	}
	return faults
}

func reaches(mirrors []Mirror, from, to geored.SiteName, seen map[geored.SiteName]bool) bool {
	if from == to {
		return true
	}
	seen[from] = true
	for _, m := range mirrors {
		if m.From == from && !seen[m.To] && reaches(mirrors, m.To, to, seen) {
			return true
		}
	}
	return false
}
