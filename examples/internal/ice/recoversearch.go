package ice

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Reference is a row of Cassandra that names what other stores hold.
type Reference struct {
	Row      string // its key
	Object   string // in the mirrored bucket; zero: it names none
	Document string // in the index; zero: it names none
}

// Referring reads what rows name, and what there is, at one site each. The rows are read through that site alone.
type Referring interface {
	References(ctx context.Context, site geored.SiteName) ([]Reference, error)
	Objects(ctx context.Context, site geored.SiteName) (map[string]bool, error)
	Documents(ctx context.Context, site geored.SiteName) (map[string]bool, error)
}

// Refilling runs the jobs that fill the indexes from Cassandra.
type Refilling interface {
	// Filled says which job refills a site's index, "" when none does, and when it last succeeded.
	Filled(ctx context.Context, site geored.SiteName) (job string, when time.Time, err error)
	// Refill starts it under a name, once however often it is asked to.
	Refill(ctx context.Context, site geored.SiteName, name string) error
	// Refilled is done when the job of that name has succeeded. One that failed for good is an [ErrRefill].
	Refilled(ctx context.Context, site geored.SiteName, name string) (geored.State, error)
}

// ErrRefill is the error of a job that fills an index and failed for good.
var ErrRefill = errors.New("the job failed")

// SearchStore is the indexes of all sites as a recovery sees them.
type SearchStore struct {
	Jobs    Refilling
	Content Referring
}

type searchRecovery struct {
	SearchStore
	*Recovery
}

// Search makes the store of a recovery.
func (r *Recovery) Search(s SearchStore) Store {
	x := &searchRecovery{s, r}
	return Store{Name: storeSearch, After: []string{storeKafka, storeCassandra}, Read: x.read, Tasks: x.tasks, Checks: func() []geored.Check { return ReferenceChecks(r.Sites, s.Content) }}
}

func (s *searchRecovery) read(ctx context.Context) ([]Evidence, decider) {
	var facts []SearchFacts
	for _, site := range s.Sites {
		job, when, err := s.Jobs.Filled(ctx, site)
		facts = append(facts, SearchFacts{site, job, when, err})
	}
	return nil, func(o Outage) ([]Decision, error) {
		var decisions []Decision
		for _, f := range facts {
			decisions = append(decisions, DecideSearch(o, f))
		}
		return decisions, nil
	}
}

// indexOf begins the part that is a site's index.
const indexOf = "index of "

// tasks refill each index, all at once, then hold each against the rows of its own site.
func (s *searchRecovery) tasks(decisions []Decision) ([]geored.Task, error) {
	var tasks []geored.Task
	for _, d := range decisions {
		site := geored.SiteName(strings.TrimPrefix(d.Part, indexOf))
		if d.Cure == RefillCure {
			step := geored.Step{ID: stepID("search", site, "refill"), Site: site, Target: d.Part, Action: geored.Execute, Reason: d.Reason(), Permanent: "an index that was filled stays so",
				Manual: []string{fmt.Sprintf("kubectl -n ice-arcus create job resync-%s-$(date +%%Y%%m%%d-%%H%%M%%S) --from=cronjob/elastic-sync-%[1]s", site)}}
			name := "resync-" + s.mark(step.ID)
			step.Needs = []geored.StepID{} // of no other site
			tasks = append(tasks, geored.Task{Step: step, Timeout: dataTimeout,
				Observe: s.paced(func(ctx context.Context) (geored.State, error) { return s.refilled(ctx, site, name) }),
				Apply:   func(ctx context.Context) error { return s.refill(ctx, site, name) }})
		}
		step := geored.Step{ID: stepID("search", site, "proof"), Site: site, Target: d.Part, Action: geored.Await, Reason: "a job that succeeded proves nothing: the index must hold a document for every row, and none without a row"}
		tasks = append(tasks, geored.Task{Step: step, Observe: s.unhurried(func(ctx context.Context) (geored.State, error) { return s.holds(ctx, site) })})
	}
	return tasks, nil
}

// refilled takes a job that failed for one that is not done: only who starts it can end the step on that.
func (s *searchRecovery) refilled(ctx context.Context, site geored.SiteName, name string) (geored.State, error) {
	state, err := s.Jobs.Refilled(ctx, site, name)
	if errors.Is(err, ErrRefill) {
		return geored.State{Detail: err.Error()}, nil
	}
	return state, err
}

// refill starts the job and waits for its end.
func (s *searchRecovery) refill(ctx context.Context, site geored.SiteName, name string) error {
	if err := s.Jobs.Refill(ctx, site, name); err != nil {
		return err
	}
	for {
		state, err := s.Jobs.Refilled(ctx, site, name)
		switch {
		case errors.Is(err, ErrRefill):
			return fmt.Errorf("site %s: job %s: %w: see why, delete the job and start again", site, name, err)
		case err == nil && state.Done:
			return nil
		}
		if err := s.clock().Sleep(ctx, provePause); err != nil {
			return err
		}
	}
}

func (s *searchRecovery) holds(ctx context.Context, site geored.SiteName) (geored.State, error) {
	seen, err := readSite(ctx, s.Content, site, false)
	if err != nil {
		return geored.State{}, err
	}
	lines := seen.documentFaults()
	if len(lines) > 0 {
		return geored.State{Detail: fmt.Sprintf("%d faults, such as: %s", len(lines), lines[0])}, nil
	}
	return geored.State{Done: true, Detail: fmt.Sprintf("%d rows, %d documents", len(seen.rows), len(seen.documents))}, nil
}

// Checks of what refers to what.
const (
	CheckReferences geored.CheckID = "recover/references"
	CheckIndex      geored.CheckID = "recover/index"
)

// content is what one site holds.
type content struct {
	rows      []Reference
	objects   map[string]bool // nil: not read
	documents map[string]bool
}

func readSite(ctx context.Context, c Referring, site geored.SiteName, objects bool) (content, error) {
	rows, err := c.References(ctx, site)
	documents, err2 := c.Documents(ctx, site)
	seen := content{rows: rows, documents: documents}
	if err = errors.Join(err, err2); err == nil && objects {
		seen.objects, err = c.Objects(ctx, site)
	}
	return seen, err
}

// documentFaults are rows without their document, and documents without a row.
func (c content) documentFaults() []string {
	var lines []string
	named := map[string]bool{}
	for _, row := range c.rows {
		if named[row.Document] = true; row.Document != "" && !c.documents[row.Document] {
			lines = append(lines, fmt.Sprintf("row %s names document %s, which the index lacks", row.Row, row.Document))
		}
	}
	for document := range c.documents {
		if !named[document] {
			lines = append(lines, fmt.Sprintf("document %s belongs to no row", document))
		}
	}
	return unique(lines)
}

func (c content) objectFaults() []string {
	var lines []string
	for _, row := range c.rows {
		if row.Object != "" && !c.objects[row.Object] {
			lines = append(lines, fmt.Sprintf("row %s names object %s, which the bucket lacks", row.Row, row.Object))
		}
	}
	return unique(lines)
}

// ReferenceChecks hold, at each site, what rows name against what there is.
func ReferenceChecks(sites []geored.SiteName, c Referring) []geored.Check {
	check := func(id geored.CheckID, title string, objects bool, judge func(geored.Target, content) geored.Finding) geored.Check {
		return geored.Check{ID: id, Title: title, Run: func(ctx context.Context) []geored.Finding {
			var targets []geored.Target
			for _, site := range sites {
				targets = append(targets, geored.Target{Site: site, Name: "rows, objects and documents"})
			}
			return geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (content, error) {
				return readSite(ctx, c, t.Site, objects)
			}, geored.AskBudget(RecoveryBudget)).Each(judge)
		}}
	}
	return []geored.Check{
		check(CheckIndex, "each index holds what the rows of its site name, and nothing else", false, judgeIndex),
		check(CheckReferences, "each row's object and document are at its site", true, judgeReferences),
	}
}

func judgeIndex(_ geored.Target, c content) geored.Finding {
	return judgeFaults(fmt.Sprintf("%d rows, %d documents", len(c.rows), len(c.documents)), c.documentFaults())
}

func judgeReferences(_ geored.Target, c content) geored.Finding {
	var lines []string
	for _, row := range c.rows {
		if row.Document != "" && !c.documents[row.Document] {
			lines = append(lines, fmt.Sprintf("row %s names document %s, which the index lacks", row.Row, row.Document))
		}
	}
	f := judgeFaults(fmt.Sprintf("%d rows, %d objects, %d documents", len(c.rows), len(c.objects), len(c.documents)), append(c.objectFaults(), lines...))
	if unnamed := c.unnamed(); len(unnamed) > 0 {
		f.Evidence = append(f.Evidence, fmt.Sprintf("%d objects are named by no row: they are of something else, or were deleted at one site during the outage and a mirror brought them back", len(unnamed)))
		f.Evidence = append(f.Evidence, firstOf(unnamed)...)
	}
	return f
}

// unnamed are the objects that no row names.
func (c content) unnamed() []string {
	left := maps.Clone(c.objects)
	for _, row := range c.rows {
		delete(left, row.Object)
	}
	return slices.Sorted(maps.Keys(left))
}

func judgeFaults(seen string, lines []string) geored.Finding {
	f := geored.Finding{Verdict: geored.Pass, Message: seen, Evidence: []string{"method: every row through its own site; coverage: all rows"}}
	if len(lines) > 0 {
		f.Verdict, f.Message, f.Remedy = geored.Fail, fmt.Sprintf("%s; %d references lead nowhere", seen, len(lines)), "start ice-recover again with the true length of the outage; what was never copied must be written again"
		f.Evidence = append(f.Evidence, firstOf(lines)...)
	}
	return f
}
