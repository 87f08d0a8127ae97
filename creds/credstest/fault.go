package credstest

import "time"

// Fault is something wrong with a cluster. Make it with one of the functions below, and give the same to [Cluster.Mend] as
// to [Cluster.Break].
type Fault struct {
	kind     string
	instance int
	by       time.Duration
}

// NotFilled leaves token Secrets empty, as a cluster without its controller does.
func NotFilled() Fault { return Fault{kind: "not-filled"} }

// Refused has every API server refuse every service account's token.
func Refused() Fault { return Fault{kind: "refused"} }

// BornExpired has token requests answered with tokens whose life is over.
func BornExpired() Fault { return Fault{kind: "born-expired"} }

// ForeignCA has the cluster publish another cluster's authority in kube-root-ca.crt.
func ForeignCA() Fault { return Fault{kind: "foreign-ca"} }

// Slow has every answer take that long, by the cluster's clock.
func Slow(by time.Duration) Fault { return Fault{kind: "slow", by: by} }

// Unreachable cuts connections to one of the API servers.
func Unreachable(instance int) Fault { return Fault{kind: "unreachable", instance: instance} }

// StaleCache has one of the API servers go on taking every token that it took once.
func StaleCache(instance int) Fault { return Fault{kind: "stale-cache", instance: instance} }

// RestartsLost has the cluster take restarts of workloads without carrying them out.
func RestartsLost() Fault { return Fault{kind: "restarts-lost"} }

// Break puts a fault on the cluster.
func (c *Cluster) Break(f Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults[f] = true
}

// Mend takes it away again.
func (c *Cluster) Mend(f Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.faults, f)
}

// slowness is by how much answers are late.
func (c *Cluster) slowness() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	for f := range c.faults {
		if f.kind == "slow" {
			return f.by
		}
	}
	return 0
}

func (c *Cluster) cut(instance int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.faults[Unreachable(instance)]
}
