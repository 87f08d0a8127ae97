package mesh_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// probed gives the answers of a path on which packets above hole bytes are lost.
func probed(tunnel, hole int) []mesh.SizeProbe {
	var probes []mesh.SizeProbe
	for _, size := range mesh.ProbeSizes(tunnel) {
		probes = append(probes, mesh.SizeProbe{Bytes: size, Answered: size <= hole})
	}
	return probes
}

func TestTunnelMTU(t *testing.T) {
	if a, b := mesh.TunnelMTU(1500, false), mesh.TunnelMTU(1500, true); a != 1440 || b != 1420 {
		t.Errorf("%d and %d", a, b)
	}
}

func TestJudgeMTU(t *testing.T) {
	cases := map[string]struct {
		change  func(*mesh.MTUSample)
		verdict geored.Verdict
		says    string
		remedy  string
	}{
		"good":                 {func(*mesh.MTUSample) {}, geored.Pass, "1420 bytes cross", ""},
		"hole":                 {func(s *mesh.MTUSample) { s.Probes = probed(1420, 1340) }, geored.Fail, "of 1320 bytes cross the tunnel and those of 1360 do not", "MTU to 1320 at both ends"},
		"nothing crosses":      {func(s *mesh.MTUSample) { s.Probes = probed(1420, 0) }, geored.Unknown, "no probe of any size", "handshake"},
		"nobody probed":        {func(s *mesh.MTUSample) { s.Probes = nil }, geored.Unknown, "no probe of any size", ""},
		"only small probes":    {func(s *mesh.MTUSample) { s.Probes = s.Probes[:3] }, geored.Unknown, "nothing larger than 1200", "probe with 1420"},
		"tunnel unknown":       {func(s *mesh.MTUSample) { s.Tunnel = 0 }, geored.Unknown, "not known", ""},
		"pods unknown":         {func(s *mesh.MTUSample) { s.Pods = 0 }, geored.Unknown, "pods' MTU is not known", ""},
		"guide 3.2: pods 1500": {func(s *mesh.MTUSample) { s.Pods = 1500 }, geored.Warn, "pods' MTU is 1500 and the tunnel's 1420", "MTU of the pods' network to 1420, or clamp"},
		"pods 1500, clamped":   {func(s *mesh.MTUSample) { s.Pods, s.Clamped = 1500, true }, geored.Pass, "", ""},
		"pods below the tunnel": {func(s *mesh.MTUSample) {
			s.Pods, s.Probes = 1380, append(probed(1380, 1380), mesh.SizeProbe{Bytes: 1381})
		}, geored.Pass, "packets of 1380 bytes cross; the tunnel's MTU is 1420 and the pods' 1380", ""},
		"a hole below the pods": {func(s *mesh.MTUSample) { s.Pods, s.Probes = 1380, probed(1380, 1320) }, geored.Fail, "those of 1360 do not", "MTU to 1320"},
		"pods, hardly probed":   {func(s *mesh.MTUSample) { s.Pods, s.Probes = 1380, probed(1280, 1280) }, geored.Unknown, "nothing larger than 1280", "probe with 1380"},
		"fragmented":            {func(s *mesh.MTUSample) { s.Underlay = 1400 }, geored.Warn, "does not fit into the underlay's 1400", "MTU to 1340"},
		"fragmented over IPv6":  {func(s *mesh.MTUSample) { s.Underlay, s.OuterIPv6 = 1492, true }, geored.Warn, "does not fit", "MTU to 1412"},
		"ends differ":           {func(s *mesh.MTUSample) { s.Far = 1380 }, geored.Warn, "1420 here and 1380 at the other end", "both to 1380"},
		"underlay, far unknown": {func(s *mesh.MTUSample) { s.Underlay, s.Far = 0, 0 }, geored.Pass, "", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := mesh.MTUSample{Underlay: 1500, Tunnel: 1420, Far: 1420, Pods: 1420, Probes: probed(1420, 1420)}
			c.change(&s)
			if j := s.Judge(); j.Verdict != c.verdict || !strings.Contains(j.Message, c.says) || !strings.Contains(j.Remedy, c.remedy) {
				t.Errorf("judged %+v", j)
			}
		})
	}
}

func TestMTUFindings(t *testing.T) {
	targets := []geored.Target{{Site: "dc1", To: "dc2"}, {Site: "dc2", To: "dc1"}}
	answers := geored.Ask(t.Context(), targets, func(_ context.Context, target geored.Target) (mesh.MTUSample, error) {
		s := mesh.MTUSample{Tunnel: 1420, Pods: 1420, Probes: probed(1420, 1420)}
		if target.Site == "dc2" {
			return s, errors.New("no route to host")
		}
		return s, nil
	})
	findings := mesh.MTUFindings(answers)
	if findings[0].Verdict != geored.Pass || findings[1].Verdict != geored.Unknown || len(findings[1].Unanswered) != 1 {
		t.Errorf("%+v", findings)
	}
}
