package ice

import (
	"strings"
	"testing"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
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

const oneSchema = "\tSchema versions:\n\t\t9ea2339d-3cc4-4970-af4f-39c7ffbd9508: [10.90.0.17, 10.120.0.13]\n"

// guided is a site of which all of the guide's checks pass.
type guided struct {
	*apiServer
	peers    []mesh.PeerState  // of kilo0
	nodetool map[string]string // what it prints, by its first argument
}

func (g *guided) pod(namespace, name, phase string, labels table) {
	g.put("/api/v1/namespaces/"+namespace+"/pods/"+name, table{"kind": "Pod", "apiVersion": "v1",
		"metadata": table{"name": name, "namespace": namespace, "labels": labels}, "spec": table{"nodeName": name}, "status": table{"phase": phase}})
}

func (g *guided) mirror(from, condition, connector string) {
	connectors := []any{table{"name": from + ".MirrorSourceConnector", "connector": table{"state": connector}}}
	if connector == "" {
		connectors = nil
	}
	g.put("/apis/kafka.strimzi.io/v1/namespaces/ice-kafka/kafkamirrormaker2s/mm-"+from, table{"apiVersion": "kafka.strimzi.io/v1", "kind": "KafkaMirrorMaker2", "metadata": meta("mm-"+from, kafkaNamespace),
		"status": table{"conditions": []table{{"type": "Ready", "status": condition}, {"type": "Other", "status": "False"}}, "connectors": connectors}})
}

// byTheGuide are two sites as the guide wants them.
func byTheGuide(t *testing.T) (*Deployment, *guided) {
	t.Helper()
	d, servers := onServers(t, withApplications(2), Options{})
	sites := map[geored.SiteName]*guided{}
	for site, server := range servers {
		g := &guided{server, []mesh.PeerState{{LastHandshake: noon.Add(-day)}}, map[string]string{"status": wholeRing, "describecluster": oneSchema}}
		probes := probing(t, func(string, string, []byte) (any, error) {
			return mesh.DeviceState{Interface: "kilo0", Peers: g.peers}, nil
		})
		g.runs(func(pod string, argv []string, input []byte) (string, error) {
			if argv[0] == "nodetool" {
				return g.nodetool[argv[1]], nil
			}
			return probes(pod, argv, input)
		})
		g.pod(Namespace, string(site)+"-1", "Running", table{"app.kubernetes.io/name": "wireguard-observer"})
		g.pod(arcusNamespace, "modelmanager-1", "Succeeded", table{"run": "modelmanager"})
		g.pod(arcusNamespace, "platform-1", "Running", nil)
		g.pod(rallypointNamespace, "rallypoint-1", "Running", nil)
		g.pod(minioNamespace, "minio-mirror-1", "Running", table{"app": "minio-mirror"})
		g.pod(minioNamespace, "minio-1", "Pending", table{"app": "minio"}) // which the guide does not look at
		g.put("/apis/kafka.strimzi.io", table{"kind": "APIGroup", "apiVersion": "v1", "name": "kafka.strimzi.io", "versions": []any{table{"groupVersion": "kafka.strimzi.io/v1", "version": "v1"}}})
		g.mirror(map[geored.SiteName]string{"dc1": "dc2", "dc2": "dc1"}[site], "True", "RUNNING")
		sites[site] = g
	}
	return d, sites["dc1"]
}

// Each of the guide's checks passes where the guide would have it pass, fails at the site that is spoiled and there alone, and
// is unknown where nobody answers.
func TestTheGuidesChecksAnswerBothWays(t *testing.T) {
	for name, c := range map[string]struct {
		check geored.CheckID
		spoil func(*guided)
		says  string
	}{
		"a peer without a handshake": {"guide/4.2.5-wg", func(g *guided) { g.peers = append(g.peers, mesh.PeerState{}) }, "dc1-1: 2 peers, 1 with a latest handshake"},
		"no peer":                    {"guide/4.2.5-wg", func(g *guided) { g.peers = nil }, "dc1-1: 0 peers"},
		"modelmanager runs still": {"guide/4.4.5-arcus", func(g *guided) { g.pod(arcusNamespace, "modelmanager-1", "Running", table{"run": "modelmanager"}) },
			"modelmanager-1 Running"},
		"no modelmanager": {"guide/4.4.5-arcus", func(g *guided) { g.pod(arcusNamespace, "modelmanager-1", "Succeeded", nil) }, "platform-1 Running"},
		"another of its pods waits": {"guide/4.4.5-arcus", func(g *guided) { g.pod(arcusNamespace, "platform-1", "Pending", nil) },
			"platform-1 Pending"},
		"rallypoint failed":  {"guide/4.4.5-rallypoint", func(g *guided) { g.pod(rallypointNamespace, "rallypoint-2", "Failed", nil) }, "rallypoint-2 Failed"},
		"no rallypoint":      {"guide/4.4.5-rallypoint", func(g *guided) { g.remove("/api/v1/namespaces/ice-rallypoint/pods/rallypoint-1") }, "the guide's check fails"},
		"a node is down":     {"guide/4.4.5-status", func(g *guided) { g.nodetool["status"] = strings.Replace(wholeRing, "UN", "DN", 1) }, "DN 10.90.0.17"},
		"two schemas":        {"guide/4.4.5-schema", func(g *guided) { g.nodetool["describecluster"] += strings.Replace(oneSchema, "9ea2", "1ea2", 1) }, "2 schema versions"},
		"no condition":       {"guide/5.1.1-mirror", func(g *guided) { g.mirror("dc2", "False", "RUNNING") }, "mm-dc2"},
		"a connector failed": {"guide/5.1.1-mirror", func(g *guided) { g.mirror("dc2", "True", "FAILED") }, "mm-dc2"},
		"no connector":       {"guide/5.1.1-mirror", func(g *guided) { g.mirror("dc2", "True", "") }, "mm-dc2"},
		"minio-mirror waits": {"guide/5.4-minio", func(g *guided) { g.pod(minioNamespace, "minio-mirror-1", "Pending", table{"app": "minio-mirror"}) }, "minio-mirror-1 Pending"},
		"there is no such pod": {"guide/5.4-minio", func(g *guided) { g.remove("/api/v1/namespaces/ice-minio/pods/minio-mirror-1") },
			"the guide's check fails"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, dc1 := byTheGuide(t)
			looks := func(want geored.Verdict, says string) {
				t.Helper()
				found := foundBy(t, d.documented(), c.check)
				if f := found["dc1"]; f.Verdict != want || !strings.Contains(f.Message, says) {
					t.Errorf("%s, want %s with %q: %s", f.Verdict, want, says, f.Message)
				}
				if f := found["dc2"]; f.Verdict != geored.Pass {
					t.Errorf("the other site: %s: %s", f.Verdict, f.Message)
				}
			}
			looks(geored.Pass, "the guide's check passes")
			c.spoil(dc1)
			looks(geored.Fail, c.says)
			dc1.silent = true
			looks(geored.Unknown, "did not answer")
		})
	}
	fewer, err := judgeCount([]cassandra.SiteCount{{Site: "dc1", Rows: 107}, {Site: "dc2", Rows: 106}}) // a ring takes more than an API server
	if f := judgeSaid(fewer); err != nil || f.Verdict != geored.Fail || f.Message != "the guide's check fails: dc1 counts 107, dc2 counts 106" {
		t.Errorf("guide/4.4.5-count: %+v, %v", f, err)
	}
}
