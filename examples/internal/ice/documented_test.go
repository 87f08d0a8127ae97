package ice

import (
	"strings"
	"testing"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
)

const wholeRing = `Datacenter: dc1
===============
--  Address     Load     Tokens  Owns  Host ID                               Rack
UN  10.90.0.17  389 KiB  256     100%  9ea2339d-3cc4-4970-af4f-39c7ffbd9508  rack1
`

func TestTheGuidesChecksReadAsTheGuideDoes(t *testing.T) {
	for name, c := range map[string]struct {
		said said
		want bool
	}{
		"one data center alone":     {judgeStatus(wholeRing), true}, // which is what a ring shows that fell apart
		"a node is down":            {judgeStatus(strings.Replace(wholeRing, "UN", "DN", 1)), false},
		"nothing":                   {judgeStatus(""), false},
		"one schema":                {judgeSchemaText("\tSchema versions:\n\t\t9ea2339d-3cc4-4970-af4f-39c7ffbd9508: [10.90.0.17, 10.120.0.13]\n"), true},
		"two schemas":               {judgeSchemaText("\t\t9ea2339d-3cc4-4970-af4f-39c7ffbd9508: [10.90.0.17]\n\t\t1ea2339d-3cc4-4970-af4f-39c7ffbd9508: [10.120.0.13]\n"), false},
		"a node that cannot be had": {judgeSchemaText("\t\tUNREACHABLE: [10.120.0.13]\n"), false},
	} {
		if c.said.passes != c.want {
			t.Errorf("%s: %+v", name, c.said)
		}
	}
	equal, _ := judgeCount([]cassandra.SiteCount{{Site: "dc1", Rows: 107}, {Site: "dc2", Rows: 107}})
	fewer, _ := judgeCount([]cassandra.SiteCount{{Site: "dc1", Rows: 107}, {Site: "dc2", Rows: 106}})
	none, _ := judgeCount([]cassandra.SiteCount{{Site: "dc1"}, {Site: "dc2"}})
	if _, err := judgeCount([]cassandra.SiteCount{{Site: "dc1", Failed: []cassandra.RangeError{{Err: "x"}}}}); !equal.passes || fewer.passes || none.passes || err == nil {
		t.Errorf("%+v %+v %+v %v", equal, fewer, none, err)
	}
}

// Where the guide's check and ours part, the report says so, and neither makes the other pass.
func TestReviewTellsDisagreements(t *testing.T) {
	asked := []geored.Target{{Site: "dc1"}}
	for name, c := range map[string]struct{ guide, ours, want geored.Verdict }{
		"both pass":        {geored.Pass, geored.Pass, geored.Pass},
		"both fail":        {geored.Fail, geored.Fail, geored.Fail},
		"falsely green":    {geored.Pass, geored.Fail, geored.Warn},
		"falsely red":      {geored.Fail, geored.Pass, geored.Warn},
		"ours are unknown": {geored.Pass, geored.Unknown, geored.Unknown},
		"it cannot be had": {geored.Unknown, geored.Pass, geored.Unknown},
	} {
		report := geored.Report{Findings: []geored.Finding{
			{Check: cassandra.CheckGossip, Site: "dc1", Verdict: c.ours, Message: "what we saw", Asked: asked},
			{Check: cassandra.CheckNodes, Site: "dc2", Verdict: geored.Fail, Message: "of another site", Asked: asked},
			{Check: "guide/4.4.5-status", Site: "dc1", Verdict: c.guide, Message: "UN", Asked: asked},
		}}
		reviewed := (&Deployment{}).Review(report)
		f := reviewed.Findings[2]
		if f.Verdict != c.want || (c.want == geored.Warn) != strings.HasPrefix(f.Message, "disagreement") && c.want != geored.Unknown {
			t.Errorf("%s: %+v", name, f)
		}
		if strings.Contains(strings.Join(f.Evidence, " "), "of another site") {
			t.Errorf("%s: %v", name, f.Evidence)
		}
		if report.Findings[2].Verdict != c.guide {
			t.Errorf("%s: the report that was given is changed", name)
		}
	}
}
