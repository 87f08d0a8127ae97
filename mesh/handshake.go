package mesh

import (
	"fmt"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// sessionLife is how long after its handshake a session carries data: REJECT_AFTER_TIME of the WireGuard protocol.
const sessionLife = 180 * time.Second

// Handshake is how a tunnel stands in one direction. The zero value means that it cannot be told.
type Handshake string

// The states of a tunnel.
const (
	Never  Handshake = "never"   // no handshake was ever completed
	Fresh  Handshake = "fresh"   // there is a session that may carry data
	Stale  Handshake = "stale"   // the last session is too old to carry data
	OneWay Handshake = "one-way" // what is sent gets no answer: a firewall, or the other side has another key
)

// Probe is the outcome of a packet sent through the tunnel between the two samples.
type Probe struct {
	Sent     bool   `json:"sent"`     // false: nobody probed
	Answered bool   `json:"answered"` // by the other site's end
	Bytes    int    `json:"bytes"`    // of the answer, IP header included; zero: unknown
	Detail   string `json:"detail,omitempty"`
}

// ProbeBytes is a good size for a probe: more than what the protocol itself receives between two samples, keepalives and a
// handshake, so that an answer that took another way is not taken for one through the tunnel.
const ProbeBytes = 512

// Crossing is what was seen of one tunnel from one end: two samples with a probe between them.
type Crossing struct {
	Before   PeerState `json:"before"`
	BeforeAt time.Time `json:"beforeAt"` // by the clock of the machine that was asked
	After    PeerState `json:"after"`
	AfterAt  time.Time `json:"afterAt"`
	Probe    Probe     `json:"probe"`
}

// Judgement is what follows from a [Crossing].
type Judgement struct {
	Handshake Handshake
	Verdict   geored.Verdict // pass, fail or unknown
	Message   string
	Remedy    string
}

// age is how old the last handshake is by the machine's own clock. It is not known of one that never was, or that
// stands in the clock's future.
func (p PeerState) age(at time.Time) (time.Duration, bool) {
	if p.LastHandshake.IsZero() || p.LastHandshake.After(at) {
		return 0, false
	}
	return at.Sub(p.LastHandshake), true
}

// Judge says whether the tunnel carries traffic. A fresh handshake alone proves nothing: on a cut link it stays fresh
// for three minutes. An old one alone neither: an idle tunnel without keepalive is as old as its last packet. So it
// passes only when a probe was answered, a session stands and as many bytes came in between the samples as the answer has.
func (c Crossing) Judge() Judgement {
	if j, ok := c.unusable(); ok {
		return j
	}
	j := Judgement{Handshake: c.state(), Verdict: geored.Fail}
	came := c.After.ReceivedBytes - c.Before.ReceivedBytes
	age, aged := c.After.age(c.AfterAt)
	switch {
	case c.Probe.Answered && came >= c.Probe.through() && j.Handshake == Fresh:
		j.Verdict = geored.Pass
		j.Message = fmt.Sprintf("the probe was answered through the tunnel, %d bytes came in", came)
	case c.Probe.Answered:
		j.Message = "the probe was answered, but not through this tunnel: " + c.seen(came)
		j.Remedy = "look for a route to the other site that does not lead into the tunnel"
	case j.Handshake == Never:
		j.Message, j.Remedy = "no handshake was ever completed", "look at endpoint, UDP port, firewall and the public key on both sides"
		j.Verdict = c.unlessTried()
	case j.Handshake == OneWay:
		j.Message = "packets leave and none comes back: " + c.seen(came)
		j.Remedy = "look at the firewall of this site for incoming UDP, at this side's public key in the other's peer, and whether the probed address answers at all"
		j.Verdict = c.unlessProbed()
	case !aged:
		j.Handshake, j.Verdict = "", geored.Unknown
		j.Message, j.Remedy = "the last handshake stands in the future of the machine's own clock", "set the clock right and ask again"
	case j.Handshake == Stale:
		j.Message, j.Remedy = fmt.Sprintf("the last handshake is %s old", age.Round(time.Second)), "look whether the other site and its WireGuard are up"
		j.Verdict = c.unlessKept()
	case !c.Probe.Sent:
		j.Verdict, j.Message = geored.Unknown, "the session is fresh, and nobody sent a probe through it"
	default:
		j.Message = "the session is fresh and the probe got no answer: " + c.Probe.Detail
		j.Remedy = "look at allowed IPs and routes on both sides, and at what was to answer"
	}
	return j
}

// through is what an answer adds to the bytes received when it comes through the tunnel, at least.
func (p Probe) through() int64 {
	const header = 32 // WireGuard's own, with the tag
	if p.Bytes == 0 {
		return 1
	}
	return int64(p.Bytes) + header
}

// unusable finds samples of which nothing can be told.
func (c Crossing) unusable() (Judgement, bool) {
	unknown := func(message string) (Judgement, bool) {
		return Judgement{Verdict: geored.Unknown, Message: message, Remedy: "sample again"}, true
	}
	switch {
	case c.Before.PublicKey != c.After.PublicKey:
		return unknown("the two samples are of different peers")
	case !c.AfterAt.After(c.BeforeAt):
		return unknown("the second sample is not later than the first by the machine's own clock")
	case c.After.ReceivedBytes < c.Before.ReceivedBytes, c.After.SentBytes < c.Before.SentBytes:
		return unknown("the counters went back between the samples: the device was made anew")
	}
	return Judgement{}, false
}

// state takes a handshake in the clock's future for fresh: the clock was set back since.
func (c Crossing) state() Handshake {
	age, aged := c.After.age(c.AfterAt)
	switch {
	case c.After.LastHandshake.IsZero():
		return Never
	case !c.Probe.Answered && c.After.SentBytes > c.Before.SentBytes && c.After.ReceivedBytes == c.Before.ReceivedBytes:
		return OneWay
	case aged && age > sessionLife:
		return Stale
	}
	return Fresh
}

// unlessTried: without a probe, a tunnel that nobody used yet has had no handshake either.
func (c Crossing) unlessTried() geored.Verdict {
	if c.Probe.Sent || c.After.SentBytes > c.Before.SentBytes {
		return geored.Fail
	}
	return geored.Unknown
}

// unlessKept: without a probe, an old handshake is a failure only where a keepalive should have renewed it.
func (c Crossing) unlessKept() geored.Verdict {
	if c.Probe.Sent || c.After.PersistentKeepalive > 0 {
		return geored.Fail
	}
	return geored.Unknown
}

// unlessProbed: without a probe, what left may have been keepalives, which nobody answers.
func (c Crossing) unlessProbed() geored.Verdict {
	if c.Probe.Sent {
		return geored.Fail
	}
	return geored.Unknown
}

func (c Crossing) seen(came int64) string {
	return fmt.Sprintf("%d bytes out, %d bytes in, handshake %s", c.After.SentBytes-c.Before.SentBytes, came, c.state())
}
