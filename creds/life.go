package creds

import "time"

// Life is the span of a token. The zero value never ends.
type Life struct {
	Issued  time.Time // zero: not known
	Expires time.Time // zero: never
}

// Age is where in its life a token stands.
type Age string

// The ages.
const (
	Alive    Age = "alive"
	Expiring Age = "expiring" // it must be replaced now
	Expired  Age = "expired"
)

// At says where in its life a token stands, when it must have margin left.
func (l Life) At(now time.Time, margin time.Duration) Age {
	switch {
	case l.Expires.IsZero():
		return Alive
	case !now.Before(l.Expires):
		return Expired
	case now.Add(margin).After(l.Expires):
		return Expiring
	}
	return Alive
}

// RenewAt is when four fifths of the life are over, as the kubelet renews its own; zero when it never ends or its
// beginning is not known.
func (l Life) RenewAt() time.Time {
	if l.Expires.IsZero() || l.Issued.IsZero() || !l.Issued.Before(l.Expires) {
		return time.Time{}
	}
	return l.Issued.Add(l.Expires.Sub(l.Issued) / 5 * 4)
}
