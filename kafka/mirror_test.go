package kafka

import (
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka/connect"
)

func TestValidateMirrors(t *testing.T) {
	sites := []geored.SiteName{"dc1", "dc2", "dc3"}
	identity := func(from, to geored.SiteName) Mirror { return Mirror{From: from, To: to, Policy: IdentityPolicy()} }
	renamed := func(from, to geored.SiteName) Mirror { return Mirror{From: from, To: to, Policy: DefaultPolicy("")} }
	for _, c := range []struct {
		name    string
		mirrors []Mirror
		want    string // zero: valid
		faults  int
	}{
		{"both ways", MirrorsBothWays(sites...), "", 0},
		{"identity one way", []Mirror{identity("dc1", "dc2")}, "", 0},
		{"identity in a row", []Mirror{identity("dc1", "dc2"), identity("dc2", "dc3")}, "", 0},
		{"identity both ways", []Mirror{identity("dc1", "dc2"), identity("dc2", "dc1")}, "for ever", 2},
		{"identity round three", []Mirror{identity("dc1", "dc2"), identity("dc2", "dc3"), identity("dc3", "dc1")}, "for ever", 3},
		{"one identity on the circle", []Mirror{identity("dc1", "dc2"), renamed("dc2", "dc1")}, "for ever", 1},
		{"unknown site", []Mirror{renamed("dc1", "dc9")}, "dc9", 1},
		{"itself", []Mirror{renamed("dc1", "dc1")}, "into itself", 1},
		{"twice", []Mirror{renamed("dc1", "dc2"), renamed("dc1", "dc2")}, "stands twice", 1},
	} {
		err := ValidateMirrors(sites, c.mirrors)
		faults, _ := geored.AsFaults(err)
		if len(faults) != c.faults || c.want != "" && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestSelection(t *testing.T) {
	s, err := ReadSelection("dc2", connect.Settings{"source.cluster.alias": "dc1", "target.cluster.alias": "dc2", "topics": "orders.*, heart"})
	if err != nil {
		t.Fatal(err)
	}
	for topic, want := range map[string]bool{
		"orders": true, "orders-eu": true, "xorders": false, "heart": true, "other": false,
		"__consumer_offsets": false, "mm2-offset-syncs.dc2.internal": false, "dc2.checkpoints.internal": false, "orders.replica": false,
		"heartbeats": true, "dc3.heartbeats": true, "dc2.heartbeats": false, "dc2.orders": false, "orders.dc2": true,
	} {
		if got := s.Has(topic); got != want {
			t.Errorf("%s: %t", topic, got)
		}
	}
	if got := s.Copy("orders"); got != "dc1.orders" {
		t.Error(got)
	}
	deep, err := ReadSelection("dc3", connect.Settings{"source.cluster.alias": "dc2", "target.cluster.alias": "dc3"})
	if err != nil || deep.Has("dc1.dc3.orders") || !deep.Has("dc1.orders") {
		t.Errorf("copies of copies: %v", err)
	}
}

// MirrorMaker names its own topics with the separator too, unless it is told not to.
func TestMirrorMakersOwnTopics(t *testing.T) {
	for _, c := range []struct {
		settings connect.Settings
		syncs    string
		own      []string
		others   []string
	}{
		{connect.Settings{}, "mm2-offset-syncs.dc2.internal", []string{"dc2.checkpoints.internal", "mm2-x.internal"}, []string{"mm2-offset-syncs_dc2_internal"}},
		{connect.Settings{"replication.policy.separator": "_"}, "mm2-offset-syncs_dc2_internal", []string{"dc2_checkpoints_internal"}, []string{"mm2-x.internal"}},
		{connect.Settings{"replication.policy.separator": "_", "replication.policy.internal.topic.separator.enabled": "false"}, "mm2-offset-syncs.dc2.internal",
			[]string{"dc2.checkpoints.internal"}, []string{"dc2_checkpoints_internal"}},
		{connect.Settings{"replication.policy.class": "org.apache.kafka.connect.mirror.IdentityReplicationPolicy", "replication.policy.separator": "-"}, "mm2-offset-syncs-dc2-internal", nil, nil},
	} {
		p, err := PolicyOf(c.settings)
		if err != nil || p.offsetSyncs("dc2") != c.syncs || !p.isInternal(c.syncs) {
			t.Errorf("%v: %s, %v", c.settings, p.offsetSyncs("dc2"), err)
		}
		for _, topic := range c.own {
			if !p.isInternal(topic) {
				t.Errorf("%v: %s is copied", c.settings, topic)
			}
		}
		for _, topic := range c.others {
			if p.isInternal(topic) {
				t.Errorf("%v: %s is not copied", c.settings, topic)
			}
		}
	}
}

func TestGroupSelection(t *testing.T) {
	for _, c := range []struct {
		settings connect.Settings
		has      string
		not      []string
	}{
		{connect.Settings{}, "billing", []string{"console-consumer-7", "connect-sink", "__own"}},
		{connect.Settings{"groups": "bill.*, ship", "groups.exclude": "billing-test"}, "billing", []string{"billing-test", "shipping", "other"}},
		{connect.Settings{"groups.exclude": ""}, "console-consumer-7", nil},
	} {
		s, err := ReadGroupSelection("dc2", c.settings)
		if err != nil || !s.Has(c.has) {
			t.Errorf("%v: %s, %v", c.settings, c.has, err)
		}
		for _, group := range c.not {
			if s.Has(group) {
				t.Errorf("%v: %s is translated", c.settings, group)
			}
		}
	}
	if _, err := ReadGroupSelection("dc2", connect.Settings{"groups": "a(?<!b)"}); err == nil {
		t.Error("a pattern that cannot be read")
	}
}

// Groups that are left out are neither translated nor lost, and never a pass.
func TestGroupsThatAreLeftOut(t *testing.T) {
	pass := GroupStanding{GroupOffset: GroupOffset{Group: "billing"}, Verdict: geored.Pass, Again: 3}
	fail := GroupStanding{GroupOffset: GroupOffset{Group: "shipping"}, Verdict: geored.Fail}
	left := GroupStanding{GroupOffset: GroupOffset{Group: "console-consumer-7"}, Verdict: geored.Skipped}
	for _, c := range []struct {
		standings []GroupStanding
		want      geored.Verdict
		says      string
	}{
		{[]GroupStanding{left, left}, geored.Skipped, "groups.exclude leaves out console-consumer-7"},
		{[]GroupStanding{pass, left}, geored.Pass, "1 positions of groups; a fail-over reads up to 3 records again; groups.exclude leaves out console-consumer-7"},
		{[]GroupStanding{fail, left}, geored.Fail, "1 positions"},
	} {
		if f := GroupsFinding(c.standings); f.Verdict != c.want || !strings.Contains(f.Message, c.says) {
			t.Errorf("%s: %s", f.Verdict, f.Message)
		}
	}
}

func TestSelectionFaults(t *testing.T) {
	_, err := ReadSelection("dc2", connect.Settings{"topics": "a(?<!b),[", "replication.policy.class": "com.example.Own"})
	faults, _ := geored.AsFaults(err)
	if len(faults) != 5 { // two aliases, two patterns, one class
		t.Errorf("%d faults: %v", len(faults), err)
	}
}

func TestIdentityPolicyRenamesHeartbeatsAlone(t *testing.T) {
	p := IdentityPolicy()
	if p.Copy("dc1", "orders") != "orders" || p.Copy("dc1", "heartbeats") != "dc1.heartbeats" || p.Copy("dc1", "device-heartbeats") != "dc1.device-heartbeats" {
		t.Error(p.Copy("dc1", "orders"), p.Copy("dc1", "heartbeats"), p.Copy("dc1", "device-heartbeats"))
	}
	if DefaultPolicy("_").Copy("dc1", "orders") != "dc1_orders" {
		t.Error("separator")
	}
}

func TestNewNamesAllFaults(t *testing.T) {
	_, err := New(Config{Sites: []Site{{Name: "dc1"}, {Name: "dc1"}}, Mirrors: []Mirror{{From: "dc1", To: "dc2"}}})
	faults, _ := geored.AsFaults(err)
	if len(faults) != 4 { // no brokers twice, the name twice, an unknown site
		t.Errorf("%d: %v", len(faults), err)
	}
}
