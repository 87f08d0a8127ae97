package cli

import (
	"context"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/report"
)

// Deployment is the sites that a program works on. What else it can do it says by the interfaces below.
type Deployment interface {
	Sites() []geored.SiteName
	// Connect holds the topology against the clusters and changes nothing; what is wrong is geored.Faults, and a site that does
	// not answer its geored.Silence.
	Connect(ctx context.Context) error
	Runbook() geored.Runbook
	Checks() []geored.Check
}

// Identifier knows which clusters it works on, so that a plan is for these and no others.
type Identifier interface {
	Identities(ctx context.Context) ([]geored.Cluster, error)
}

// Pinner knows by their digests what is fetched from elsewhere, such as charts, so that a plan is for these and no others:
// a version can be published twice.
type Pinner interface {
	Pins(ctx context.Context) ([]geored.Input, error)
}

// Locker keeps runners on other machines away. What is on this one has a lock file already.
type Locker interface {
	Lock(holder geored.Holder) geored.Lock
}

// Recorder keeps the journal in its clusters too, beside the local one.
type Recorder interface {
	Journal(ctx context.Context, name string, local geored.Journal) (geored.Journal, error)
}

// Departer does something else than its guide says in places, and tells where.
type Departer interface {
	Departures() []report.Departure
}

// Attendant looks on while its runbook runs, and may end the run: watched is the context that the run gets. stop is called
// when the run has come to its end, before the proof.
type Attendant interface {
	Attend(ctx context.Context, journal geored.Journal) (watched context.Context, stop func())
}

// Reviewer looks at a whole report once more: at what one check says against what another does.
type Reviewer interface {
	Review(geored.Report) geored.Report
}

// Closer holds connections open, which are to be closed when its checks were asked: a watch makes a deployment for each
// round.
type Closer interface{ Close() }
