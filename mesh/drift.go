package mesh

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// Difference is one way in which a device is not as it should be.
type Difference struct {
	Peer  string `json:"peer,omitempty"` // "dc2/dc2-1", or the public key of one that nobody asked for; zero: the device itself
	Field string `json:"field"`
	Want  string `json:"want,omitempty"`
	Got   string `json:"got,omitempty"`
}

// String is the difference in words: "peer dc2/dc2-1: allowedIPs is 10.110.0.1/32 instead of …".
func (d Difference) String() string {
	subject := d.Field
	if d.Peer != "" {
		subject = "peer " + d.Peer + ": " + d.Field
	}
	switch {
	case d.Want == "":
		return fmt.Sprintf("%s is %s and should not be", subject, d.Got)
	case d.Got == "":
		return fmt.Sprintf("%s is missing: %s", subject, d.Want)
	}
	return fmt.Sprintf("%s is %s instead of %s", subject, d.Got, d.Want)
}

// Drift is every difference between the wanted device and the one that was read, in a fixed order; none when they agree.
//
// An endpoint other than the wanted one is no difference while the session with it is fresh: the peer itself told it by
// sending from there, and taking it back would cut the tunnel. Neither is the address behind a wanted DNS name, which
// only a resolver can tell.
func (d Device) Drift(s DeviceState) []Difference {
	var drift differences
	drift.compare("", "publicKey", d.PublicKey.String(), s.PublicKey.String())
	drift.compare("", "listenPort", fmt.Sprint(d.ListenPort), fmt.Sprint(s.ListenPort))
	drift.compare("", "mtu", fmt.Sprint(d.MTU), fmt.Sprint(s.MTU))
	drift.compare("", "link", "up", map[bool]string{true: "up", false: "down"}[s.Up])
	drift.compare("", "addresses", joined([]netip.Prefix{d.Address}), joined(s.Addresses))
	drift.compare("", "routes", joined(d.Routes()), joined(s.Routes))
	for _, want := range d.Peers {
		got, ok := s.Peer(want.PublicKey)
		if !ok {
			drift = append(drift, Difference{Peer: want.name(), Field: "publicKey", Want: want.PublicKey.String()})
			continue
		}
		drift.comparePeer(want, got, s)
	}
	for _, got := range s.Peers {
		if _, ok := d.Peer(got.PublicKey); !ok {
			drift = append(drift, Difference{Peer: got.PublicKey.String(), Field: "publicKey", Got: got.PublicKey.String()})
		}
	}
	return drift
}

// DriftFindings makes one finding per device that was asked for its state; a target's Site and Name are the device's.
// Who did not answer is unknown, and so is a device that the layout does not have.
func DriftFindings(l Layout, answers geored.Answers[DeviceState]) []geored.Finding {
	return answers.Each(func(t geored.Target, s DeviceState) geored.Finding {
		d, ok := l.Device(t.Site, t.Name)
		if !ok {
			return geored.Finding{Verdict: geored.Unknown, Message: fmt.Sprintf("the layout has no device at %s", t)}
		}
		drift := d.Drift(s)
		if len(drift) == 0 {
			return geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("%s is as it should be", d.Interface)}
		}
		f := geored.Finding{Verdict: geored.Fail, Remedy: "configure the device anew",
			Message: fmt.Sprintf("%s is not as it should be: %s", d.Interface, drift[0])}
		for _, difference := range drift {
			f.Evidence = append(f.Evidence, difference.String())
		}
		return f
	})
}

type differences []Difference

func (ds *differences) compare(peer, field, want, got string) {
	if want != got {
		*ds = append(*ds, Difference{Peer: peer, Field: field, Want: want, Got: got})
	}
}

func (ds *differences) comparePeer(want Peer, got PeerState, s DeviceState) {
	name := want.name()
	ds.compare(name, "allowedIPs", joined(canonical(want.AllowedIPs)), joined(got.AllowedIPs))
	ds.compare(name, "persistentKeepalive", want.PersistentKeepalive.String(), got.PersistentKeepalive.String())
	age, known := got.age(s.SampledAt)
	switch roams := known && age <= sessionLife; {
	case !want.Endpoint.IsValid():
	case !got.Endpoint.IsValid():
		ds.compare(name, "endpoint", want.Endpoint.String(), "")
	case want.Endpoint.Addr().IsValid() && !roams:
		ds.compare(name, "endpoint", want.Endpoint.String(), got.Endpoint.String())
	}
}

func (p Peer) name() string { return string(p.Site) + "/" + p.Node }

func joined(prefixes []netip.Prefix) string {
	texts := make([]string, 0, len(prefixes))
	for _, p := range prefixes {
		texts = append(texts, p.String())
	}
	slices.Sort(texts)
	return strings.Join(texts, ",")
}
