package kafka

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka/connect"
)

// Selection is which topics a mirror copies: MirrorSourceConnector's own rules, read from its settings.
type Selection struct {
	Policy      Policy
	SourceAlias string
	TargetAlias string
	// ReadCommitted says that the mirror leaves out records of aborted transactions. By default it copies them.
	ReadCommitted bool

	heartbeats       bool
	include, exclude []*regexp.Regexp
}

// defaultExclude is topics.exclude where it is not set (DefaultTopicFilter of Kafka 4; Kafka 3 also left out every topic
// that ends in "-internal" or ".internal").
const defaultExclude = `mm2.*\.internal,.*\.replica,__.*`

// ReadSelection reads the settings of a MirrorSourceConnector. The error is [geored.Faults].
func ReadSelection(site geored.SiteName, s connect.Settings) (Selection, error) {
	var faults geored.Faults
	policy, err := PolicyOf(s)
	if err != nil {
		faults = append(faults, geored.Fault{Site: site, Field: "replication.policy.class", Value: s["replication.policy.class"],
			Problem: "is not known", Remedy: "give the Mirror a Policy that names copies alike"})
	}
	selection := Selection{
		Policy:        policy,
		SourceAlias:   s["source.cluster.alias"],
		TargetAlias:   s["target.cluster.alias"],
		ReadCommitted: s["source.consumer.isolation.level"] == "read_committed" || s["consumer.isolation.level"] == "read_committed",
		heartbeats:    s["heartbeats.replication.enabled"] != "false",
		include:       patterns(&faults, site, "topics", orDefault(s, "topics", ".*")),
		exclude:       patterns(&faults, site, "topics.exclude", orDefault(s, "topics.exclude", defaultExclude)),
	}
	for _, field := range []string{"source.cluster.alias", "target.cluster.alias"} {
		if s[field] == "" {
			faults = append(faults, geored.Fault{Site: site, Field: field, Problem: "is not set", Remedy: "is this a MirrorSourceConnector?"})
		}
	}
	return selection, faults.Err()
}

func orDefault(s connect.Settings, key, fallback string) string {
	if value, ok := s[key]; ok {
		return value
	}
	return fallback
}

// patterns reads a list of Java's regular expressions, each of which must match a whole name.
func patterns(faults *geored.Faults, site geored.SiteName, field, list string) []*regexp.Regexp {
	var compiled []*regexp.Regexp
	for pattern := range strings.SplitSeq(list, ",") {
		if pattern = strings.TrimSpace(pattern); pattern == "" {
			continue
		}
		re, err := regexp.Compile(`^(?:` + pattern + `)$`)
		if err != nil {
			*faults = append(*faults, geored.Fault{Site: site, Field: field, Value: pattern,
				Problem: fmt.Sprintf("cannot be read: %v", err), Remedy: "write it without Java's own constructs"})
			continue
		}
		compiled = append(compiled, re)
	}
	return compiled
}

// Has says whether a topic of the source is copied (MirrorSourceConnector.shouldReplicateTopic).
func (s Selection) Has(topic string) bool {
	if s.Policy.isInternal(topic) || s.Policy.comesFrom(s.TargetAlias, topic) {
		return false
	}
	return matches(s.include, topic) && !matches(s.exclude, topic) || s.heartbeats && s.Policy.isHeartbeats(topic)
}

// Unmatched are the patterns of topics that select none of the source's, as a misspelt one does.
func (s Selection) Unmatched(topics []Topic) []string {
	var unmatched []string
	for _, p := range s.include {
		alone := s
		alone.include, alone.heartbeats = []*regexp.Regexp{p}, false
		if !slices.ContainsFunc(topics, func(t Topic) bool { return alone.Has(t.Name) }) {
			unmatched = append(unmatched, strings.TrimSuffix(strings.TrimPrefix(p.String(), "^(?:"), ")$"))
		}
	}
	return unmatched
}

// Copy is the name of the topic's copy at the target.
func (s Selection) Copy(topic string) string { return s.Policy.Copy(s.SourceAlias, topic) }

func matches(patterns []*regexp.Regexp, topic string) bool {
	for _, p := range patterns {
		if p.MatchString(topic) {
			return true
		}
	}
	return false
}

// GroupSelection is which consumer groups a mirror translates: MirrorCheckpointConnector's own rules. The zero value selects none.
type GroupSelection struct{ include, exclude []*regexp.Regexp }

// defaultGroupExclude is groups.exclude where it is not set (DefaultGroupFilter).
const defaultGroupExclude = `console-consumer-.*,connect-.*,__.*`

// ReadGroupSelection reads the settings of a MirrorCheckpointConnector. The error is [geored.Faults].
func ReadGroupSelection(site geored.SiteName, s connect.Settings) (GroupSelection, error) {
	var faults geored.Faults
	selection := GroupSelection{patterns(&faults, site, "groups", orDefault(s, "groups", ".*")),
		patterns(&faults, site, "groups.exclude", orDefault(s, "groups.exclude", defaultGroupExclude))}
	return selection, faults.Err()
}

// Has says whether a group is translated.
func (s GroupSelection) Has(group string) bool {
	return matches(s.include, group) && !matches(s.exclude, group)
}
