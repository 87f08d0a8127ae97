package report_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/report"
)

var began = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

// after is a time since the run began.
func after(d time.Duration) time.Time { return began.Add(d) }

// step is the outcome of a step.
func step(stage string, id geored.StepID, site geored.SiteName, target string, status geored.Status, from, took time.Duration, detail string) geored.Outcome {
	o := geored.Outcome{Step: geored.Step{ID: id, Site: site, Target: target, Action: geored.Apply, Reason: "the sites are to be joined"},
		Stage: stage, Status: status, Detail: detail, Took: took}
	if status != geored.Pending {
		o.Began = after(from)
	}
	if status == geored.Changed {
		o.Attempts = 1
	}
	return o
}

// finding is one between two sites, or within one.
func finding(id geored.CheckID, from, to geored.SiteName, verdict geored.Verdict, message string, evidence ...string) geored.Finding {
	f := geored.Finding{Check: id, Title: titles[id], Site: from, To: to, Verdict: verdict, Message: message, Evidence: evidence,
		Started: after(19 * time.Second), Took: 420 * time.Millisecond}
	if verdict != geored.Skipped {
		f.Asked = []geored.Target{{Site: from, To: to}}
	}
	return f
}

var titles = map[geored.CheckID]string{
	"site/clock":     "the sites' clocks agree",
	"dns/own-api":    "each site's DNS answers with its own API server",
	"dns/headless":   "headless services lead to their pods",
	"mesh/handshake": "every tunnel carries traffic both ways",
	"mesh/path-mtu":  "packets as large as the tunnel's MTU arrive",
	"store/schema":   "all nodes have one schema",
}

// passed is a document of a run over some sites in which all is well.
func passed(sites ...geored.SiteName) report.Document {
	d := report.Document{
		Run:      geored.Result{Run: "20260314T092653.000Z", Runbook: "ice-install", Plan: "sha256:7f3a9c51d0b64e0f9a7c2f1f5f0f7f6c8f3b8e1d2c4a5968", Began: began, Took: 18400 * time.Millisecond},
		Report:   geored.Report{Title: "ice-install", Started: after(18500 * time.Millisecond), Took: 1900 * time.Millisecond},
		Operator: "ada@ops-01.example.org",
		Client:   report.Usage{User: 2100 * time.Millisecond, System: 300 * time.Millisecond, PeakMemory: 96<<20 - 1},
		Inputs: []geored.Input{{Name: "sites.yaml", Digest: "sha256:0d7c3b9e55f1"},
			{Name: "values/ice-arcus.yaml", Digest: "sha256:9b1d2f0c7a44"}},
		Versions: []report.Version{{Name: "ice-install", Version: "v0.3.0"}, {Name: "Kubernetes of dc1", Version: "v1.33.4"}, {Name: "Kubernetes of dc2", Version: "v1.33.4"}},
		Departures: []report.Departure{
			{ID: "D1", Section: "4.2.4", Guide: "The whole service range goes to the peer of every node.",
				Instead: "It goes to one peer of each site.", Why: "WireGuard leaves a prefix to the peer that was configured last, without a word."},
			{ID: "D2", Section: "4.2.5", Guide: "“latest handshake” proves the tunnel.",
				Instead: "A packet is sent through each tunnel between two readings of its counters.", Why: "On a cut link the handshake looks healthy for three minutes."},
		},
	}
	at := time.Duration(0)
	for i, site := range sites {
		from := time.Duration(i) * 300 * time.Millisecond
		d.Run.Outcomes = append(d.Run.Outcomes,
			step("gateways", geored.StepID("gateways/"+site), site, "daemonset georedkit/wireguard-gateway", geored.Changed, from, 6200*time.Millisecond, "1 of 1 ready"))
	}
	for _, site := range sites {
		at += 1200 * time.Millisecond
		d.Run.Outcomes = append(d.Run.Outcomes,
			step("peers", geored.StepID("peers/"+site), site, "configmap georedkit/peers", geored.Unchanged, 6800*time.Millisecond+at, 2500*time.Millisecond, "all peers are there"))
	}
	for _, from := range sites {
		d.Report.Findings = append(d.Report.Findings, finding("dns/own-api", from, "", geored.Pass, "kubernetes.default.svc.cluster.local. is 10.100.0.1 over UDP and TCP", "udp: NOERROR [10.100.0.1]", "tcp: NOERROR [10.100.0.1]"))
		for _, to := range sites {
			if from != to {
				d.Report.Findings = append(d.Report.Findings,
					finding("mesh/handshake", from, to, geored.Pass, "104 bytes came back through the tunnel"),
					finding("mesh/path-mtu", from, to, geored.Pass, "1420 bytes arrive", "ping 56: ok", "ping 1372: ok"))
			}
		}
	}
	clock := finding("site/clock", "", "", geored.Pass, "the clocks are 2ms apart, give or take 1ms", "dc1 is 0s ahead of this machine, give or take 1ms", "dc2 is 2ms ahead of this machine, give or take 1ms")
	d.Report.Findings = append([]geored.Finding{clock}, d.Report.Findings...)
	return d
}

// failed is a document in which something of everything went wrong.
func failed() report.Document {
	d := passed("dc1", "dc2", "dc3")
	d.Run.Outcomes = append(d.Run.Outcomes,
		step("dns", "dns/dc1/corefile", "dc1", "configmap kube-system/coredns", geored.Changed, 13*time.Second, 1800*time.Millisecond, "kubernetai answers"),
		step("dns", "dns/dc2/corefile", "dc2", "configmap kube-system/coredns", geored.Failed, 13*time.Second, 5*time.Second, "waiting for the new CoreDNS"),
		step("dns", "dns/dc3/corefile", "dc3", "configmap kube-system/coredns", geored.Interrupted, 13200*time.Millisecond, 5*time.Second, "waiting: 1 of 2 pods ready"),
		step("dns", "dns/dc2/proof", "dc2", "names of dc1", geored.Pending, 0, 0, "needs dns/dc2/corefile, which is failed"))
	broken := &d.Run.Outcomes[7]
	broken.Err = &geored.StepError{Step: broken.Step, Err: errors.New("not done after 5s: waiting for the new CoreDNS to answer kubernetes.default: i/o timeout")}
	broken.Attempts = 3
	broken.Retries = []geored.Retry{{Reason: "server is overloaded", Times: 2, Last: after(15 * time.Second)}}

	mtu := finding("mesh/path-mtu", "dc1", "dc2", geored.Fail, "packets larger than 1320 bytes do not arrive", "ping 56: ok", "ping 1292: ok", "ping 1372: lost", "ping 1372: lost")
	mtu.Remedy, mtu.DocURL = "lower the tunnel's MTU to 1320 in sites.yaml (mtu: 1320), and run the installation again", "https://example.org/docs/mesh#path-mtu"
	d.Report.Findings[3] = mtu
	headless := finding("dns/headless", "dc2", "", geored.Unknown, "service coredns: 3 of 4 questions were answered")
	headless.Asked = []geored.Target{{Site: "dc2", Name: "pod/coredns-1"}, {Site: "dc2", Name: "pod/coredns-2"}}
	headless.Unanswered = []geored.Silence{{Target: headless.Asked[0], Reason: "read udp 10.130.0.10:53: i/o timeout"}}
	clock := finding("site/clock", "", "", geored.Warn, "the clocks are 3.1s apart, give or take 40ms", "dc1 is 0s ahead of this machine, give or take 20ms", "dc2 is 3.1s ahead of this machine, give or take 20ms")
	clock.Remedy = "let NTP set the clocks of all nodes (ICE guide, 3.3.3.1)"
	d.Report.Findings[0] = clock
	d.Report.Findings = append(d.Report.Findings, headless,
		finding("store/schema", "dc3", "", geored.Skipped, "no Cassandra runs in dc3"),
		finding("store/schema", "dc1", "", geored.Pass, "2 nodes have schema 59adb24e-f3cd-3e02-97f0-5b395827453f"))
	return d
}

// interrupted is a document of a run that was stopped before anything was proven.
func interrupted() report.Document {
	d := failed()
	d.Report, d.Problem = geored.Report{}, "interrupted"
	d.Run.Outcomes = d.Run.Outcomes[:6]
	d.Run.Outcomes[5].Status = geored.Interrupted
	return d
}

// documents are all samples by name.
func documents() map[string]report.Document {
	return map[string]report.Document{
		"empty": {}, "passed": passed("dc1", "dc2"), "failed": failed(), "interrupted": interrupted(), "five": passed("ams", "fra", "lis", "osl", "waw"),
	}
}

// large is a document of n findings between many sites.
func large(n, sites int) report.Document {
	d := report.Document{Title: "large", Started: began, Took: time.Minute, Report: geored.Report{Started: began, Took: time.Minute}}
	for i := range n {
		from, to := geored.SiteName(fmt.Sprintf("dc%d", i%sites)), geored.SiteName(fmt.Sprintf("dc%d", (i/sites+i+1)%sites))
		f := finding("mesh/path-mtu", from, to, geored.Pass, "1420 bytes arrive", "ping 56: ok", "ping 1372: ok")
		if i%100 == 0 {
			f.Verdict, f.Message, f.Remedy = geored.Fail, "packets larger than 1320 bytes do not arrive", "lower the tunnel's MTU to 1320"
		}
		d.Report.Findings = append(d.Report.Findings, f)
	}
	return d
}
