package kafka

import (
	"fmt"
	"strings"

	"github.com/georedkit/georedkit/kafka/connect"
)

// Policy says how the copy of a topic is named at the target. The zero value is not valid: use [DefaultPolicy],
// [IdentityPolicy] or [PolicyOf].
type Policy struct {
	identity       bool
	separator      string
	dottedInternal bool // MirrorMaker's own topics have dots, whatever the separator is
}

// DefaultPolicy names the copy of orders of source dc1 "dc1.orders", with separator ".". A topic that already holds
// the separator looks like a copy to MirrorMaker: "a.b" as one of b from a.
func DefaultPolicy(separator string) Policy {
	if separator == "" {
		separator = "."
	}
	return Policy{separator: separator}
}

// IdentityPolicy keeps the names. It cannot tell a copy from an original, so it must not lie on any circle of mirrors.
func IdentityPolicy() Policy { return Policy{identity: true} }

// PolicyOf reads the policy from a connector's settings. A class of one's own is an error.
func PolicyOf(s connect.Settings) (Policy, error) {
	class := s["replication.policy.class"]
	policy := DefaultPolicy(s["replication.policy.separator"])
	policy.dottedInternal = s["replication.policy.internal.topic.separator.enabled"] == "false"
	switch class[strings.LastIndexByte(class, '.')+1:] {
	case "", "DefaultReplicationPolicy":
		return policy, nil
	case "IdentityReplicationPolicy":
		policy.identity = true
		return policy, nil
	}
	return Policy{}, fmt.Errorf("replication.policy.class %s: is neither DefaultReplicationPolicy nor IdentityReplicationPolicy; give the Mirror a Policy that names copies alike", class)
}

// IsValid is false for the zero policy only.
func (p Policy) IsValid() bool { return p.identity || p.separator != "" }

// IsIdentity says that copies keep their names.
func (p Policy) IsIdentity() bool { return p.identity }

// Copy is the name of a topic's copy. Kafka's IdentityReplicationPolicy renames whatever ends like heartbeats.
func (p Policy) Copy(sourceAlias, topic string) string {
	if p.identity && !strings.HasSuffix(topic, heartbeats) {
		return topic
	}
	return sourceAlias + p.sep() + topic
}

// Original takes one copying back: from "dc1.orders" come "dc1" and "orders". ok is false when the topic is no copy, as
// far as its name tells.
func (p Policy) Original(topic string) (sourceAlias, original string, ok bool) {
	if p.identity && !strings.HasSuffix(topic, p.sep()+heartbeats) {
		return "", topic, false
	}
	return strings.Cut(topic, p.sep())
}

func (p Policy) sep() string {
	if p.separator == "" {
		return "."
	}
	return p.separator
}

// ownSep is what stands in the names of MirrorMaker's own topics (DefaultReplicationPolicy of Kafka 3.6 and later).
func (p Policy) ownSep() string {
	if p.dottedInternal {
		return "."
	}
	return p.sep()
}

// offsetSyncs is the topic of the offset syncs of the mirror to or from a cluster, whichever of the two does not hold it.
func (p Policy) offsetSyncs(alias string) string {
	return "mm2-offset-syncs" + p.ownSep() + alias + p.ownSep() + "internal"
}

// isInternal is ReplicationPolicy.isInternalTopic of Kafka 4.
func (p Policy) isInternal(topic string) bool {
	return strings.HasPrefix(topic, "__") || strings.HasPrefix(topic, ".") ||
		strings.HasPrefix(topic, "mm2") && strings.HasSuffix(topic, p.ownSep()+"internal") ||
		strings.HasSuffix(topic, "checkpoints"+p.ownSep()+"internal")
}

// heartbeats is MirrorMaker's topic of signs of life; it is renamed under every policy.
const heartbeats = "heartbeats"

// isHeartbeats also finds copies of heartbeats, and copies of those.
func (p Policy) isHeartbeats(topic string) bool {
	for {
		_, original, ok := p.Original(topic)
		if !ok {
			return topic == heartbeats
		}
		topic = original
	}
}

// comesFrom says that a topic is a copy of something that came from alias, at any depth: copying it there would go
// round in a circle.
func (p Policy) comesFrom(alias, topic string) bool {
	for {
		source, original, ok := p.Original(topic)
		if !ok {
			return false
		}
		if source == alias {
			return true
		}
		topic = original
	}
}
