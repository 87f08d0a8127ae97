package ice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// RecoveryNote is what a recovery remembers from one call to the next: what was decided before anything was changed, and
// what steps must know that are taken up again. It holds no secret.
type RecoveryNote struct {
	ID        string                     `json:"id"`     // of the recovery; what it leaves behind in the sites bears it
	Number    int                        `json:"number"` // rises with each change
	Outage    Outage                     `json:"outage"`
	Evidence  []Evidence                 `json:"evidence,omitempty"`
	Decisions []Decision                 `json:"decisions"`
	Apart     time.Time                  `json:"apart,omitzero"`  // when it last saw that the sites were apart; zero: it never did
	Joined    time.Time                  `json:"joined,omitzero"` // when it first saw that they were together; zero: not yet
	Missing   []Missing                  `json:"missing,omitempty"`
	Kept      map[string]json.RawMessage `json:"kept,omitempty"`  // what steps keep, by name
	Halted    time.Time                  `json:"halted,omitzero"` // when it was halted because the sites went apart again; zero: not since it decided
	Done      time.Time                  `json:"done,omitzero"`   // when all was proven; zero: it is under way
	// Before is what was known each time that it was halted, oldest first: what is looked at afterwards does not show it any more.
	Before []BeforeCut `json:"before,omitempty"`
}

// BeforeCut is what a recovery knew when the sites went apart again.
type BeforeCut struct {
	Apart     time.Time  `json:"apart,omitzero"` // as in a [RecoveryNote]
	Joined    time.Time  `json:"joined,omitzero"`
	Halted    time.Time  `json:"halted"`
	Missing   []Missing  `json:"missing,omitempty"`
	Decisions []Decision `json:"decisions,omitempty"` // those by which something is lost
}

// halted is the note of a recovery that was halted, for the sites were apart again since then.
func (n RecoveryNote) halted(since, seen time.Time) RecoveryNote {
	cut := BeforeCut{Apart: n.Apart, Joined: n.Joined, Halted: since, Missing: n.Missing}
	for _, d := range n.Decisions {
		if d.Cure == LostCure || d.Cure == RebuildCure {
			cut.Decisions = append(cut.Decisions, d)
		}
	}
	if len(n.Before) >= mostCuts { // a note has little room: how many they were stays
		cut.Missing = slices.Clone(cut.Missing)
		for i := range cut.Missing {
			cut.Missing[i].Keys = nil
		}
	}
	n.Before = append(slices.Clone(n.Before), cut)
	n.Joined, n.Apart, n.Halted, n.Missing = time.Time{}, seen, since, nil
	n.Number++
	return n
}

// left are the parts that the recovery left as they were.
func (n RecoveryNote) left() (parts []string) {
	for _, d := range n.Decisions {
		if d.Cure == LeaveCure {
			parts = append(parts, d.Part)
		}
	}
	return parts
}

// mostCuts are as many as keys are kept of.
const mostCuts = 5

// Missing is what one site lacked of another's writes in one store when it was looked at, before anything was changed.
type Missing struct {
	Store  string          `json:"store"`
	From   geored.SiteName `json:"from"`
	To     geored.SiteName `json:"to"`
	Count  int64           `json:"count"`
	More   int64           `json:"more,omitempty"`  // differ as well, and were not looked at: they may be of any way
	Keys   []string        `json:"keys,omitempty"`  // some of them, where the store tells
	Oldest time.Time       `json:"oldest,omitzero"` // write among them; zero: none is missing, or none bears a time
	Seen   time.Time       `json:"seen"`            // when the look ended
	Took   time.Duration   `json:"tookNs"`          // the look
	Err    string          `json:"error,omitempty"` // why it is not known
	// None is when a look began, while the sites were apart, at which nothing was missing. Zero: none did.
	None time.Time `json:"none,omitzero"`
}

// began is when the look began: what was written since may be missing and not counted.
func (m Missing) began() time.Time { return m.Seen.Add(-m.Took) }

// none is when the look began at which nothing was missing.
func (m Missing) none() time.Time {
	if m.Count+m.More > 0 || m.unmeasured() {
		return time.Time{}
	}
	return m.began()
}

// with is what both looks tell, the later one once the sites were together: what was carried over until then was seen before, and
// what was written until then afterwards.
func (m Missing) with(later Missing) Missing {
	later.None = m.none()
	if m.unmeasured() {
		return later
	}
	if m.Count > later.Count {
		later.Count = m.Count
	}
	later.More = max(later.More, m.More)
	later.Keys = unique(append(slices.Clone(later.Keys), m.Keys...))
	later.Keys = later.Keys[:min(len(later.Keys), mostMissing)]
	if !m.Oldest.IsZero() && (later.Oldest.IsZero() || m.Oldest.Before(later.Oldest)) {
		later.Oldest = m.Oldest
	}
	if later.unmeasured() {
		later.Err = fmt.Sprintf("since %s: %s", clockText(m.Seen), later.Err)
	}
	return later
}

// noteVersion tells notes apart, and that there is none.
type noteVersion struct {
	ID     string
	Number int
	found  bool
}

func noteVersionOf(n RecoveryNote, found bool) noteVersion { return noteVersion{n.ID, n.Number, found} }

func (m Missing) unmeasured() bool { return m.Err != "" }

// Notes keep the note. [SiteNotes] keeps it in the sites.
type Notes interface {
	// Load gives the latest note, and false when there is none.
	Load(ctx context.Context) (RecoveryNote, bool, error)
	// Save returns when every site has it.
	Save(ctx context.Context, note RecoveryNote) error
}

// SiteNotes keeps the note as a ConfigMap in every site.
type SiteNotes []*kube.Cluster

const (
	noteNamespace = metav1.NamespaceSystem
	noteName      = "ice-recover"
	noteKey       = "note"
	everyNote     = "configmap " + noteNamespace + "/" + noteName + " in every site"
	forgetNote    = "delete " + everyNote // what a person does to have all decided anew
)

// Load reads the note of every site; a site that does not answer may have a later one, and so is an error.
func (s SiteNotes) Load(ctx context.Context) (latest RecoveryNote, found bool, err error) {
	for _, cluster := range s {
		m, err := cluster.Client().CoreV1().ConfigMaps(noteNamespace).Get(ctx, noteName, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return latest, false, &geored.Silence{Target: geored.Target{Site: cluster.Site()}, Reason: err.Error()}
		}
		var note RecoveryNote
		if err := json.Unmarshal([]byte(m.Data[noteKey]), &note); err != nil {
			return latest, false, fmt.Errorf("site %s: configmap %s/%s: %w", cluster.Site(), noteNamespace, noteName, err)
		}
		if !found || note.Number > latest.Number {
			latest, found = note, true
		}
	}
	return latest, found, nil
}

// Save writes the note into every site.
func (s SiteNotes) Save(ctx context.Context, note RecoveryNote) error {
	text, err := json.Marshal(note)
	if err != nil {
		return err
	}
	objects, err := kube.Objects(&corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Namespace: noteNamespace, Name: noteName}, Data: map[string]string{noteKey: string(text)}})
	if err != nil {
		return err
	}
	errs := make([]error, len(s))
	var saved sync.WaitGroup // a site that is silent must not keep the others from having it in time
	for i, cluster := range s {
		saved.Add(1)
		go func() {
			defer saved.Done()
			if err := cluster.Apply(ctx, objects...); err != nil {
				errs[i] = fmt.Errorf("site %s: %w", cluster.Site(), err)
			}
		}()
	}
	saved.Wait()
	return errors.Join(errs...)
}
