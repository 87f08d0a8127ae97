package objecttest

import (
	"net/http"
	"slices"
	"time"
)

// Fault is something wrong with a [Server].
type Fault struct{ fault }

type fault struct {
	kind  faultKind
	span  time.Duration
	count int // how often, or behind how many entries
	key   string
}

type faultKind string

const (
	slow         faultKind = "slow"
	cutListing   faultKind = "cut listing"
	staleListing faultKind = "stale listing"
	unsorted     faultKind = "unsorted listing"
	wrongETag    faultKind = "wrong ETag"
	lostEvents   faultKind = "lost events"
	lostDeletes  faultKind = "lost deletes"
	throttled    faultKind = "throttled"
	clockSkew    faultKind = "clock skew"
	denied       faultKind = "denied"
	hiddenTags   faultKind = "hidden tags"
	expired      faultKind = "expired"
	unreachable  faultKind = "unreachable"
	hanging      faultKind = "hanging"
)

// Slow makes every answer wait.
func Slow(d time.Duration) Fault { return Fault{fault{kind: slow, span: d}} }

// CutListing breaks every page off behind n entries that stand after the key, as a connection does that is cut: the
// status was 200 already.
func CutListing(after string, n int) Fault {
	return Fault{fault{kind: cutListing, key: after, count: n}}
}

// StaleListing leaves the key out of every listing, although it can be read by its name.
func StaleListing(key string) Fault { return Fault{fault{kind: staleListing, key: key}} }

// Unsorted turns the order of every page round.
func Unsorted() Fault { return Fault{fault{kind: unsorted}} }

// WrongETag shows another ETag for the key in listings than HEAD does.
func WrongETag(key string) Fault { return Fault{fault{kind: wrongETag, key: key}} }

// LostEvents keeps changes from the mirrors, as a watcher does that was away; see [Server.MirrorTo].
func LostEvents() Fault { return Fault{fault{kind: lostEvents}} }

// LostDeletes keeps deletions from the mirrors, and nothing else.
func LostDeletes() Fault { return Fault{fault{kind: lostDeletes}} }

// Throttled answers the next n requests with 503 SlowDown.
func Throttled(n int) Fault { return Fault{fault{kind: throttled, count: n}} }

// ClockSkew sets the server's clock ahead, for signatures.
func ClockSkew(d time.Duration) Fault { return Fault{fault{kind: clockSkew, span: d}} }

// Denied refuses all requests.
func Denied() Fault { return Fault{fault{kind: denied}} }

// HiddenTags tells nobody the tags of objects, as MinIO does to credentials without s3:GetObjectTagging: listings look as if
// there were none.
func HiddenTags() Fault { return Fault{fault{kind: hiddenTags}} }

// Expired refuses all requests because the session token is too old.
func Expired() Fault { return Fault{fault{kind: expired}} }

// Unreachable closes every connection without an answer.
func Unreachable() Fault { return Fault{fault{kind: unreachable}} }

// Hanging never answers; the request ends with the client's patience.
func Hanging() Fault { return Fault{fault{kind: hanging}} }

// Break puts a fault on the server, beside those it has.
func (s *Server) Break(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f.fault)
}

// Mend takes all faults away. [Server.Bites] keeps its count.
func (s *Server) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Bites counts how often faults took effect.
func (s *Server) Bites() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bites
}

// has is the fault without a bite. The server is locked.
func (s *Server) has(kind faultKind) *fault {
	i := slices.IndexFunc(s.faults, func(f *fault) bool { return f.kind == kind })
	if i < 0 {
		return nil
	}
	return s.faults[i]
}

// bite is the fault, taking effect. The server is locked.
func (s *Server) bite(kind faultKind) *fault {
	f := s.has(kind)
	if f != nil {
		s.bites++
	}
	return f
}

// serveFault lets the faults of a whole request take effect and says whether it goes on.
func (s *Server) serveFault(w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	var refused *refusal
	var wait time.Duration
	hang, cut := s.bite(hanging) != nil, s.bite(unreachable) != nil
	if f := s.bite(slow); f != nil {
		wait = f.span
	}
	switch {
	case s.throttle():
		refused = &refusal{http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate"}
	case s.bite(denied) != nil:
		refused = &refusal{http.StatusForbidden, "AccessDenied", "Access Denied"}
	case s.bite(expired) != nil:
		refused = &refusal{http.StatusBadRequest, "ExpiredToken", "The provided token has expired"}
	}
	s.mu.Unlock()
	switch {
	case cut:
		panic(http.ErrAbortHandler) // closes the connection without an answer
	case hang:
		<-r.Context().Done()
		return false
	case refused != nil:
		refused.write(w, r)
		return false
	}
	select {
	case <-time.After(wait):
		return true
	case <-r.Context().Done():
		return false
	}
}

func (s *Server) throttle() bool {
	for _, f := range s.faults {
		if f.kind == throttled && f.count > 0 {
			f.count--
			s.bites++
			return true
		}
	}
	return false
}
