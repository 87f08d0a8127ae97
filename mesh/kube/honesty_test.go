package kube

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/mesh/kilo"
	"github.com/georedkit/georedkit/mesh/meshtest"
)

// recorded lets answers of the sites be taken away.
func (s *sites) recorded(r *geotest.Recorded) *sites {
	s.asked = func(format string, args ...any) error { return r.Answer(fmt.Sprintf(format, args...)) }
	return s
}

// Without an answer of a gateway, a probe or an API server, no check passes.
func TestHonestyOfGateways(t *testing.T) {
	s := joinedSites(t, 2, 1)
	for _, id := range []geored.CheckID{CheckGateways, CheckHandshake, CheckPods, CheckServices, CheckTunnel, CheckPathMTU} {
		t.Run(string(id), func(t *testing.T) {
			geotest.Honest(t, id, func(r *geotest.Recorded) []geored.Check { return s.recorded(r).gatewayProof().Checks() })
		})
	}
}

func TestHonestyOfKilo(t *testing.T) {
	s := joinedSites(t, 2, 2)
	for _, id := range []geored.CheckID{CheckKiloNodes, CheckKiloPeers, CheckGateways, CheckHandshake, CheckTunnel} {
		t.Run(string(id), func(t *testing.T) {
			geotest.Honest(t, id, func(r *geotest.Recorded) []geored.Check { return s.recorded(r).kiloProof().Checks() })
		})
	}
}

// verdicts are those of each check, and of all together.
func verdicts(t *testing.T, p *Proof) (map[geored.CheckID]geored.Verdict, geored.Verdict) {
	t.Helper()
	report, err := geored.Prove(t.Context(), geored.CheckConfig{}, p.Checks()...)
	must(t, err)
	found := map[geored.CheckID]geored.Verdict{}
	for _, f := range report.Findings {
		if before, ok := found[f.Check]; ok {
			f.Verdict = geored.Join(before, f.Verdict)
		}
		found[f.Check] = f.Verdict
	}
	return found, report.Verdict()
}

// Each check passes on sites that are joined and fails for what it is there for.
func TestChecksFailForWhatTheyProve(t *testing.T) {
	carried := []geored.CheckID{CheckHandshake, CheckPods, CheckServices, CheckTunnel, CheckPathMTU}
	for name, c := range map[string]struct {
		nodes int
		spoil func(*sites)
		fails []geored.CheckID
	}{
		"gateways stand":    {1, func(*sites) {}, nil},
		"Kilo stands":       {2, func(*sites) {}, nil},
		"a way is lost":     {1, func(s *sites) { s.Break(meshtest.OneWay("dc2", "dc1")) }, carried},
		"Kilo's way lost":   {2, func(s *sites) { s.Break(meshtest.OneWay("dc2", "dc1")) }, carried},
		"the own answers":   {1, func(s *sites) { s.overlap = true }, []geored.CheckID{CheckPods, CheckServices}},
		"a hole in the MTU": {1, func(s *sites) { s.Break(meshtest.MTUHole("dc1", "dc2", 1300)) }, []geored.CheckID{CheckTunnel, CheckPathMTU}},
		"a key is new":      {1, func(s *sites) { s.ReplaceKey("dc2", "dc2-1", privateKey(t, "new").Public()) }, []geored.CheckID{CheckGateways}},
		"Kilo is not done":  {2, func(s *sites) { s.nodes[3].LastSeen = noon.AddDate(0, 0, -1) }, []geored.CheckID{CheckKiloNodes}},
		"Kilo's clock":      {2, func(s *sites) { s.nodes[3].LastSeen = noon.Add(time.Minute) }, []geored.CheckID{CheckKiloNodes}},
		"of another shape":  {2, func(s *sites) { s.granularity = kilo.ByLocation }, []geored.CheckID{CheckKiloNodes}},
		"a peer is missing": {2, func(s *sites) { s.layout.Devices[0].Peers = s.layout.Devices[0].Peers[:1] }, []geored.CheckID{CheckKiloPeers}},
	} {
		t.Run(name, func(t *testing.T) {
			s := joinedSites(t, 2, c.nodes)
			proof := (*sites).gatewayProof
			if c.nodes > 1 {
				proof = (*sites).kiloProof
			}
			c.spoil(s)
			found, all := verdicts(t, proof(s))
			for _, id := range c.fails {
				if found[id] != geored.Fail {
					t.Errorf("%s is %s", id, found[id])
				}
			}
			if (all == geored.Pass) != (len(c.fails) == 0) {
				t.Errorf("%s: %v", all, found)
			}
		})
	}
}

// What Kilo passes over is told, and breaks nothing.
func TestKiloPassesOverAnAnnotation(t *testing.T) {
	s := joinedSites(t, 2, 2)
	s.passedOver = geored.Faults{{Field: kilo.PersistentKeepalive, Value: "x", Problem: "is no number"}}
	if found, all := verdicts(t, s.kiloProof()); found[CheckKiloNodes] != geored.Warn || all != geored.Warn {
		t.Errorf("%s: %v", all, found)
	}
}

// Who says nothing is unknown, neither well nor broken.
func TestSilenceOfASiteIsUnknown(t *testing.T) {
	for question, ids := range map[string][]geored.CheckID{
		"dc2 nodes":       {CheckKiloNodes},
		"dc2 peers":       {CheckKiloPeers},
		"dc2-1 interface": {CheckGateways},
		"dc2 addresses":   {CheckPods, CheckServices},
	} {
		t.Run(question, func(t *testing.T) {
			s := joinedSites(t, 2, 2)
			s.asked = func(format string, args ...any) error {
				if strings.HasPrefix(fmt.Sprintf(format, args...), question) {
					return errLost
				}
				return nil
			}
			found, _ := verdicts(t, s.kiloProof())
			for _, id := range ids {
				if found[id] != geored.Unknown {
					t.Errorf("%s is %s", id, found[id])
				}
			}
		})
	}
}

// What others send does not stand in for what the probe sends.
func TestABusyTunnel(t *testing.T) {
	for name, c := range map[string]struct {
		busy   int
		beside bool
		want   geored.Verdict
	}{
		"idle":            {0, false, geored.Pass},
		"idle, beside":    {0, true, geored.Fail},
		"busy":            {2 << 20, false, geored.Pass},
		"busy, beside":    {2 << 20, true, geored.Fail},
		"too busy":        {80 << 20, false, geored.Unknown},
		"too busy beside": {65 << 20, true, geored.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			s := joinedSites(t, 2, 1)
			s.busy, s.beside = c.busy, c.beside
			way := geored.Target{Site: "dc1", To: "dc2"} // alone: the other way's answers would be others
			x, err := s.gatewayProof().transfer(t.Context(), s.layout, way)
			if f := x.finding(way); err != nil || f.Verdict != c.want {
				t.Errorf("%s, want %s: %s, %v", f.Verdict, c.want, f.Message, err)
			}
		})
	}
}

// What others send counts for as long as the transfer takes: a slow one beside the tunnel gives them time to send as much.
func TestWhatTheTunnelCarried(t *testing.T) {
	const mib = 1 << 20
	for name, c := range map[string]struct {
		x    transfer
		want geored.Verdict
	}{
		"alone":             {transfer{bytes: mib, sentBytes: mib + 90, others: 90}, geored.Unknown}, // of clocks that stand still nothing is known
		"with others":       {transfer{bytes: 8 * mib, sentBytes: 10 * mib, others: mib, interval: time.Second, window: 2 * time.Second}, geored.Pass},
		"without any":       {transfer{bytes: mib, sentBytes: mib}, geored.Pass},
		"beside":            {transfer{bytes: 8 * mib, sentBytes: 2 * mib, others: mib, interval: time.Second, window: 2 * time.Second}, geored.Fail},
		"as fast as others": {transfer{bytes: 8 * mib, sentBytes: 16 * mib, others: mib, interval: time.Second, window: 8 * time.Second}, geored.Pass},
		"slower":            {transfer{bytes: 8 * mib, sentBytes: 17 * mib, others: mib, interval: time.Second, window: 9 * time.Second}, geored.Unknown},
		"slowly beside":     {transfer{bytes: 8 * mib, sentBytes: 9 * mib, others: mib, interval: time.Second, window: 9 * time.Second}, geored.Unknown},
		"clocks went back":  {transfer{bytes: mib, sentBytes: mib, others: 90, interval: time.Second, window: -time.Second}, geored.Unknown},
		"nothing came":      {transfer{bytes: mib, err: errLost}, geored.Fail},
		"the peer was gone": {transfer{}, geored.Fail},
	} {
		c.x.hasPeer = name != "the peer was gone"
		if f := c.x.finding(geored.Target{Site: "dc1", To: "dc2"}); f.Verdict != c.want {
			t.Errorf("%s: %s %s", name, f.Verdict, f.Message)
		}
	}
}
