package objectstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/objectstore"
)

type told struct {
	objectstore.SiteGroup
	err error
}

func (t told) SiteReplication(context.Context) (objectstore.SiteGroup, error) {
	return t.SiteGroup, t.err
}

func TestSiteReplication(t *testing.T) {
	group := func(edit func(*objectstore.SiteGroup)) objectstore.SiteGroup {
		g := objectstore.SiteGroup{Enabled: true, Peers: []objectstore.SitePeer{{Name: "dc1"}, {Name: "dc2", Linked: true, Online: true}, {Name: "dc3", Linked: true, Online: true}}}
		edit(&g)
		return g
	}
	for _, c := range []struct {
		name string
		told told
		want geored.Verdict
		says string
	}{
		{"works", told{SiteGroup: group(func(*objectstore.SiteGroup) {})}, geored.Pass, "dc1, dc2, dc3"},
		{"no group", told{}, geored.Fail, "no group"},
		{"alone", told{SiteGroup: objectstore.SiteGroup{Enabled: true, Peers: []objectstore.SitePeer{{Name: "dc1"}}}}, geored.Fail, "no group"},
		{"offline", told{SiteGroup: group(func(g *objectstore.SiteGroup) { g.Peers[1].Online, g.Peers[1].LastOnline = false, time.Unix(0, 0) })}, geored.Fail, "dc2 (): offline"},
		{"failed objects", told{SiteGroup: group(func(g *objectstore.SiteGroup) { g.Peers[2].Failed = 7 })}, geored.Warn, "7 objects failed"},
		{"a bucket is missing", told{SiteGroup: group(func(g *objectstore.SiteGroup) { g.Mismatches = []string{"bucket files at dc2: is missing"} })}, geored.Fail, "is missing"},
		{"a site is silent", told{SiteGroup: group(func(g *objectstore.SiteGroup) { g.Unreached = true })}, geored.Unknown, "did not tell"},
		{"no answer", told{err: errors.New("connection refused")}, geored.Unknown, "connection refused"},
		{"another server", told{err: objectstore.ErrUnsupported}, geored.Unknown, "cannot do that"},
	} {
		report, err := geored.Prove(t.Context(), geored.CheckConfig{}, objectstore.SiteReplicationCheck(objectstore.ReplicatedSite{Name: "dc1", Store: c.told}))
		if err != nil || len(report.Findings) != 1 {
			t.Fatalf("%s: %v %+v", c.name, err, report.Findings)
		}
		f := report.Findings[0]
		text := f.Message + strings.Join(f.Evidence, " ")
		for _, s := range f.Unanswered {
			text += s.Reason
		}
		if f.Verdict != c.want || !strings.Contains(text, c.says) {
			t.Errorf("%s: %s %q", c.name, f.Verdict, text)
		}
	}
}
