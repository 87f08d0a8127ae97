package ice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/objectstore"
	objectkube "github.com/georedkit/georedkit/objectstore/kube"
)

// ObjectAccess reads and writes one site's objects. *s3.Client is one.
type ObjectAccess interface {
	objectstore.Reader
	objectstore.Writer
}

// ObjectMirrors reads and restarts the mirrors. [objectkube.Mirrors] is one.
type ObjectMirrors interface {
	objectstore.MirrorPods
	Read(ctx context.Context, site geored.SiteName) (objectkube.Mirror, error)
	Stop(ctx context.Context, site geored.SiteName) error
	Stopped(ctx context.Context, site geored.SiteName) (geored.State, error)
	Start(ctx context.Context, site geored.SiteName) error
}

// ObjectStore is the object stores with their mirrors as a recovery sees them.
type ObjectStore struct {
	Access  map[geored.SiteName]ObjectAccess
	Mirrors ObjectMirrors
	// MakeBucket makes the bucket at a site that has lost it. Zero: a person must.
	MakeBucket func(ctx context.Context, site geored.SiteName) error
	// Removes says that the mirrors were started with --remove.
	Removes bool
	// Patience is how long an object may take to the other site. Zero: 1 minute.
	Patience time.Duration
}

type objectRecovery struct {
	ObjectStore
	*Recovery
}

// Objects makes the store of a recovery.
func (r *Recovery) Objects(s ObjectStore) Store {
	if s.Patience <= 0 {
		s.Patience = time.Minute
	}
	o := &objectRecovery{s, r}
	return Store{Name: storeObjects, Read: o.read, Measure: o.measure, Tasks: o.tasks, Checks: o.checks}
}

// canaries are no data: two mirrors may pass a deleted one to each other once more.
const canaries = "georedkit-canary/"

// differences compares the bucket between all sites, with every byte that is in doubt.
func (o *objectRecovery) differences(ctx context.Context, effort objectstore.Effort) (objectstore.Comparison, []objectstore.Difference, error) {
	var mu sync.Mutex
	var all []objectstore.Difference
	c := objectstore.Comparer{Buckets: []string{filesBucket}, Effort: effort, Clock: o.clock(), Found: func(d objectstore.Difference) {
		mu.Lock()
		defer mu.Unlock()
		if !strings.HasPrefix(d.Key, canaries) {
			all = append(all, d)
		}
	}}
	var absent []geored.SiteName
	for _, site := range o.Sites {
		var store objectstore.Reader = o.Access[site]
		if _, err := store.Bucket(ctx, filesBucket); errors.Is(err, objectstore.ErrNoBucket) {
			absent, store = append(absent, site), emptyBucket{store}
		}
		c.Sites = append(c.Sites, objectstore.Site{Name: site, Store: store})
	}
	if len(absent) == len(o.Sites) {
		return objectstore.Comparison{}, nil, fmt.Errorf("no site has bucket %s", filesBucket)
	}
	found, err := c.Compare(ctx)
	if err == nil {
		err = found.Err()
	}
	for _, bucket := range found.Buckets {
		if err == nil && (len(bucket.Rest) > 0 || len(bucket.Missing) > 0) {
			err = fmt.Errorf("bucket %s was not compared to its end", bucket.Bucket)
		}
	}
	slices.SortFunc(all, func(a, b objectstore.Difference) int { return strings.Compare(a.String(), b.String()) })
	return found, all, err
}

// emptyBucket is a store whose bucket is gone with its disk: all that others have is missing in it.
type emptyBucket struct{ objectstore.Reader }

func (e emptyBucket) Buckets(ctx context.Context) ([]string, error) {
	names, err := e.Reader.Buckets(ctx)
	return append(names, filesBucket), err
}

func (emptyBucket) Bucket(context.Context, string) (objectstore.Bucket, error) {
	return objectstore.Bucket{Name: filesBucket, Versioning: objectstore.Unversioned}, nil
}

func (emptyBucket) List(context.Context, objectstore.Query) (objectstore.Page, error) {
	return objectstore.Page{}, nil
}

// conflicts are the objects that two sites have, each in a version of its own.
func conflicts(differences []objectstore.Difference) []string {
	var keys []string
	for _, d := range differences {
		if d.Here != nil && d.There != nil && !d.Here.DeleteMarker && !d.There.DeleteMarker && d.Kind != objectstore.History {
			keys = append(keys, d.Bucket+"/"+d.Key)
		}
	}
	return unique(keys)
}

func (o *objectRecovery) read(ctx context.Context) ([]Evidence, decider) {
	f := ObjectFacts{Mechanism: objectstore.WatchMirror, Started: map[geored.SiteName]time.Time{}, Sites: o.Sites, Removes: o.Removes, Versioning: objectstore.Unversioned}
	for _, site := range o.Sites {
		bucket, err := o.Access[site].Bucket(ctx, filesBucket)
		if err == nil && bucket.Versioning != objectstore.Unversioned {
			f.Versioning = bucket.Versioning
		}
		if errors.Is(err, objectstore.ErrNoBucket) {
			f.Absent = append(f.Absent, site)
		}
		mirror, err := o.Mirrors.Read(ctx, site)
		if err != nil {
			continue // when it began is not known
		}
		for _, pod := range mirror.Pods {
			if pod.Mirrors {
				f.Started[site] = pod.Started
			}
		}
	}
	_, found, err := o.differences(ctx, objectstore.Bytes)
	f.Conflicts, f.Err = conflicts(found), err
	return nil, func(outage Outage) ([]Decision, error) {
		d, err := DecideObjects(outage, f)
		d.Confirm = o.confirms(f.Conflicts)
		return []Decision{d}, err
	}
}

// confirms is what a person must accept before mirrors are restarted. Zero: nothing.
func (o *objectRecovery) confirms(conflicts []string) string {
	switch n := len(conflicts); {
	case n > 0:
		return confirmation(fmt.Sprintf("one-version-of-%d-objects", n), conflicts...)
	case o.Removes:
		return confirmation("mirrors-may-remove-objects")
	}
	return ""
}

func (o *objectRecovery) measure(ctx context.Context) []Missing {
	began := o.clock().Now()
	_, found, err := o.differences(ctx, objectstore.Heads)
	var all []Missing
	for _, from := range o.Sites {
		for _, to := range o.Sites {
			if from == to {
				continue
			}
			m := Missing{Store: storeObjects, From: from, To: to, Seen: o.clock().Now(), Took: o.clock().Now().Sub(began)}
			if err != nil {
				m.Err = err.Error()
			}
			for _, d := range found {
				if d.From == from && d.To == to && d.Directed && d.Here != nil {
					if m.Count++; m.Oldest.IsZero() || d.Here.Modified.Before(m.Oldest) {
						m.Oldest = d.Here.Modified
					}
				}
			}
			all = append(all, m)
		}
	}
	return all
}

// tasks carry over what only one site has, before a mirror touches it, then restart the mirrors that are deaf, then prove.
func (o *objectRecovery) tasks(decisions []Decision) ([]geored.Task, error) {
	d := decisions[0]
	var tasks []geored.Task
	step := geored.Step{ID: "objects/conflicts", Target: d.Part, Action: geored.Execute, Confirm: d.Confirm, Permanent: "the version that is not kept is gone, unless the bucket keeps versions",
		Reason: "objects that both sites changed are looked for once the sites are together: a mirror keeps one version of each and does not say which"}
	if o.Removes {
		step.Reason += "; these mirrors remove (--remove) what the other site has alone: what is written while one of them restarts may be lost"
	}
	tasks = append(tasks, o.once(step, dataTimeout, func(ctx context.Context) error { return o.onlyConfirmed(ctx, d) }))
	removing := o.Removes && len(d.Empty) > 0
	if removing {
		tasks = append(tasks, o.onceAt(d.Empty, "stop", "this mirror removes (--remove): from an empty bucket it would learn to empty the other site's", o.stop)...)
	}
	for _, site := range o.Sites {
		if slices.Contains(d.Empty, site) {
			tasks = append(tasks, o.bucketTask(site, d))
		}
	}
	step = geored.Step{ID: "objects/catch-up", Target: d.Part, Action: geored.Copy, Reason: "what only one site has is carried over and verified, before a mirror decides about it", Permanent: "copies stay",
		Manual: []string{"mc mirror here/" + filesBucket + " there/" + filesBucket}}
	tasks = append(tasks, geored.Task{Step: step, Timeout: dataTimeout, Observe: o.unhurried(o.nothingMissing), Apply: o.catchUp})
	if removing {
		tasks = append(tasks, o.onceAt(d.Empty, "start", "its site has again what the other one has", o.Mirrors.Start)...)
	}
	for _, site := range o.Sites {
		if o.Removes && !slices.Contains(d.Empty, site) {
			tasks = append(tasks, o.startTask(site))
		}
	}
	if d.Cure == ResetCure {
		for _, task := range objectstore.ResetWatchMirrors(restartedOnce{o.Mirrors, o.mark("objects/canary")}, o.mark("objects/mirror"), o.Sites...) {
			task.ID, task.Reason, task.Permanent = "objects/"+task.ID, d.Reason(), "a mirror that runs stays so"
			task.Needs = nil // one after another, as all the rest
			task.Manual = []string{"kubectl -n ice-minio rollout restart deployment/minio-mirror"}
			tasks = append(tasks, task)
		}
	}
	canary := geored.Step{ID: "objects/canary", Target: d.Part, Action: geored.Execute, Permanent: "it is deleted at once",
		Reason: "an object that is written now arrives: a mirror runs on while it is deaf"}
	proof := geored.Step{ID: "objects/proof", Target: d.Part, Action: geored.Await, Reason: "that mirrors were restarted proves nothing: all sites must hold the same objects"}
	return append(tasks, o.once(canary, dataTimeout, o.canary), geored.Task{Step: proof, Observe: o.unhurried(o.equal)}), nil
}

// onceAt does something to the mirror of each of these sites, once in a recovery.
func (o *objectRecovery) onceAt(sites []geored.SiteName, verb, reason string, do func(context.Context, geored.SiteName) error) []geored.Task {
	replicas := map[string]string{"stop": "0", "start": "1"}[verb]
	var tasks []geored.Task
	for _, site := range sites {
		step := geored.Step{ID: stepID("objects", site, verb), Site: site, Target: "object mirror", Action: geored.Execute, Reason: reason, Permanent: "what is stopped here is started here",
			Manual: []string{"kubectl -n ice-minio scale deployment/minio-mirror --replicas=" + replicas}}
		tasks = append(tasks, o.once(step, 0, func(ctx context.Context) error { return do(ctx, site) }))
	}
	return tasks
}

// startTask starts a mirror again that a recovery stopped which did not come to its end.
func (o *objectRecovery) startTask(site geored.SiteName) geored.Task {
	step := geored.Step{ID: stepID("objects", site, "start"), Site: site, Target: "object mirror", Action: geored.Execute, Reason: "a recovery that did not come to its end may have stopped it", Permanent: "what is stopped here is started here",
		Manual: []string{"kubectl -n ice-minio scale deployment/minio-mirror --replicas=1"}}
	return geored.Task{Step: step, Apply: func(ctx context.Context) error { return o.Mirrors.Start(ctx, site) },
		Observe: func(ctx context.Context) (geored.State, error) {
			mirror, err := o.Mirrors.Read(ctx, site)
			if err != nil || mirror.Stopped {
				return geored.State{Detail: "a recovery stopped it"}, err
			}
			return geored.State{Done: true, Detail: "no recovery stopped it"}, nil
		}}
}

// stop returns when no pod of the mirror is left.
func (o *objectRecovery) stop(ctx context.Context, site geored.SiteName) error {
	if err := o.Mirrors.Stop(ctx, site); err != nil {
		return err
	}
	state, err := o.Mirrors.Stopped(ctx, site)
	if err == nil && !state.Done {
		err = fmt.Errorf("the mirror of %s is not stopped yet: %s", site, state.Detail)
	}
	return geored.Retriable(err)
}

// restartedOnce are mirrors of which one that was restarted for the canary has listed everything later than it would be for the
// reset: a recovery that goes on leaves it alone.
type restartedOnce struct {
	ObjectMirrors
	canary string // the mark of that restart
}

func (m restartedOnce) Restart(ctx context.Context, site geored.SiteName, mark string) error {
	mark, err := m.mark(ctx, site, mark)
	if err != nil {
		return geored.Retriable(err)
	}
	return m.ObjectMirrors.Restart(ctx, site, mark)
}

func (m restartedOnce) Running(ctx context.Context, site geored.SiteName, mark string) (geored.State, error) {
	mark, err := m.mark(ctx, site, mark)
	if err != nil {
		return geored.State{}, err
	}
	return m.ObjectMirrors.Running(ctx, site, mark)
}

func (m restartedOnce) mark(ctx context.Context, site geored.SiteName, mark string) (string, error) {
	mirror, err := m.Read(ctx, site)
	if err == nil && mirror.Mark == m.canary {
		mark = m.canary
	}
	return mark, err
}

// bucketTask makes a bucket that was lost, for what the other site has.
func (o *objectRecovery) bucketTask(site geored.SiteName, d Decision) geored.Task {
	step := geored.Step{ID: stepID("objects", site, "bucket"), Site: site, Target: "bucket " + filesBucket, Action: geored.Apply, Reason: d.Reason(), Permanent: "a bucket stays",
		Manual: []string{"mc mb " + string(site) + "/" + filesBucket}}
	task := geored.Task{Step: step, Observe: func(ctx context.Context) (geored.State, error) {
		_, err := o.Access[site].Bucket(ctx, filesBucket)
		if errors.Is(err, objectstore.ErrNoBucket) {
			return geored.State{Detail: "it is not there"}, nil
		}
		return geored.State{Done: err == nil, Detail: "it is there"}, err
	}}
	if o.MakeBucket != nil {
		task.Apply = func(ctx context.Context) error { return o.MakeBucket(ctx, site) }
	}
	return task
}

// onlyConfirmed refuses conflicts that nobody has confirmed.
func (o *objectRecovery) onlyConfirmed(ctx context.Context, d Decision) error {
	_, found, err := o.differences(ctx, objectstore.Bytes)
	if err != nil {
		return err
	}
	if now := conflicts(found); len(now) > 0 && o.confirms(now) != d.Confirm {
		return fmt.Errorf("%d objects are changed at both sites now, such as %s, and were not confirmed: %s and start again: it asks for them", len(now), now[0], forgetNote)
	}
	return nil
}

func missing(differences []objectstore.Difference) []objectstore.Difference {
	return slices.DeleteFunc(slices.Clone(differences), func(d objectstore.Difference) bool { return d.Kind != objectstore.Missing || !d.Directed })
}

func (o *objectRecovery) nothingMissing(ctx context.Context) (geored.State, error) {
	_, found, err := o.differences(ctx, objectstore.Heads)
	if err != nil {
		return geored.State{}, err
	}
	if left := missing(found); len(left) > 0 {
		return geored.State{Detail: fmt.Sprintf("%d objects are missing at a site, such as %s", len(left), left[0])}, nil
	}
	return geored.State{Done: true, Detail: "no site lacks an object"}, nil
}

// catchUp copies what is missing, each way.
func (o *objectRecovery) catchUp(ctx context.Context) error {
	_, found, err := o.differences(ctx, objectstore.Heads)
	if err != nil {
		return err
	}
	var errs []error
	for _, from := range o.Sites {
		for _, to := range o.Sites {
			if from == to {
				continue
			}
			plan, err := objectstore.PlanCatchUp(missing(found), objectstore.CatchUpRules{From: from, To: to})
			if err != nil {
				return err
			}
			_, err = plan.Run(ctx, objectstore.TransferConfig{Source: o.Access[from], Target: o.Access[to]})
			errs = append(errs, err)
		}
	}
	err = errors.Join(errs...)
	if errors.Is(err, objectstore.ErrChanged) { // a mirror was there first
		return geored.Retriable(err)
	}
	return err
}

// canary sees an object arrive each way. A mirror that began while the sites were apart lists everything by itself; one that
// nobody thought deaf, because the outage was shorter than it was said to be, is found out here. Mirrors are restarted one after
// another, each once: two that list everything at once undo each other's deletes.
func (o *objectRecovery) canary(ctx context.Context) error {
	c := objectstore.Canary{Bucket: filesBucket, Patience: o.Patience, Clock: o.clock()}
	for _, site := range o.Sites {
		c.Sites = append(c.Sites, objectstore.CanarySite{Name: site, Store: o.Access[site]})
	}
	crossings, err := c.Run(ctx)
	deaf := slices.IndexFunc(crossings, func(x objectstore.Crossing) bool { return x.Err == nil && !x.Arrived })
	if deaf < 0 {
		return geored.Retriable(err)
	}
	x := crossings[deaf]
	return geored.Retriable(errors.Join(err, fmt.Errorf("an object that %s wrote did not arrive at %s within %s; the mirror of %s is restarted for it, once", x.From, x.To, o.Patience, x.From),
		o.Mirrors.Restart(ctx, x.From, o.mark("objects/canary"))))
}

func (o *objectRecovery) equal(ctx context.Context) (geored.State, error) {
	found, differences, err := o.differences(ctx, objectstore.Bytes)
	switch {
	case err != nil:
		return geored.State{}, err
	case len(differences) > 0:
		return geored.State{Detail: fmt.Sprintf("%d objects are not shown to be equal, such as %s", len(differences), differences[0])}, nil
	case len(found.Buckets) == 0:
		return geored.State{Detail: "no bucket was compared"}, nil
	}
	return geored.State{Done: true, Detail: found.Buckets[0].String()}, nil
}

// CheckObjects is the check that all sites hold the same objects.
const CheckObjects geored.CheckID = "recover/objects"

func (o *objectRecovery) checks() []geored.Check {
	return []geored.Check{{ID: CheckObjects, Title: "all sites hold the same objects", Run: func(ctx context.Context) []geored.Finding {
		found, differences, err := o.differences(ctx, objectstore.Bytes)
		return []geored.Finding{judgeObjects(o.Sites, found, differences, err)}
	}}}
}

// judgeObjects says how the buckets were compared, and which keys differ.
func judgeObjects(sites []geored.SiteName, found objectstore.Comparison, differences []objectstore.Difference, err error) geored.Finding {
	f := geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("bucket %s: %d objects are not shown to be equal", filesBucket, len(differences)),
		Evidence: []string{"method: listings of all sites, ETags, checksums, and bytes where they leave a doubt; coverage: all keys"}}
	for _, site := range sites {
		f.Asked = append(f.Asked, geored.Target{Site: site, Name: "bucket " + filesBucket})
	}
	var lines []string
	for _, d := range differences {
		if d.State != objectstore.Unproven {
			f.Verdict = geored.Fail
		} else if f.Verdict == geored.Pass {
			f.Verdict = geored.Unknown
		}
		lines = append(lines, d.String())
	}
	f.Evidence = append(f.Evidence, firstOf(lines)...)
	for _, bucket := range found.Buckets {
		f.Evidence = append(f.Evidence, bucket.String())
		for _, s := range bucket.Unanswered {
			f.Unanswered = append(f.Unanswered, geored.Silence{Target: geored.Target{Site: s.Site, Name: "bucket " + filesBucket}, Reason: s.Reason})
		}
	}
	for _, s := range found.Unanswered {
		f.Unanswered = append(f.Unanswered, geored.Silence{Target: geored.Target{Site: s.Site, Name: "bucket " + filesBucket}, Reason: s.Reason})
	}
	if (err != nil || len(found.Buckets) == 0) && f.Verdict != geored.Fail {
		f.Verdict, f.Message = geored.Unknown, fmt.Sprintf("bucket %s was not compared to its end: %v", filesBucket, err)
	}
	if f.Verdict != geored.Pass {
		f.Remedy = "decide about these objects by hand; package objectstore copies what is to be kept"
	}
	return f
}
