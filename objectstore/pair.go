package objectstore

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// maxPending is how many keys that are not plainly equal are gathered, to be judged at once: each may need both sites.
const maxPending = 32

// compare judges one key between two sites, or leaves it for [merger.flush].
func (m *merger) compare(ctx context.Context, p *mergePair, key string) {
	a, b := m.groups[p.a], m.groups[p.b]
	if len(a) == 0 && len(b) == 0 {
		return
	}
	if len(a) == 1 && len(b) == 1 && !a[0].DeleteMarker && !b[0].DeleteMarker && (!m.Metadata || p.sameMetadata(&a[0], &b[0])) {
		if j := judge(&a[0], &b[0]); j.State == Equal && j.Proof == ByETag { // nearly all keys go this way
			p.byETag++
			return
		}
	}
	// Copies, so that a key which waits does not hold the page it stands in.
	m.pending = append(m.pending, &verdicts{merger: m, pair: p, key: strings.Clone(key), a: cloned(a), b: cloned(b)})
	if len(m.pending) >= maxPending {
		m.flush(ctx)
	}
}

func cloned(objects []Object) []Object {
	objects = slices.Clone(objects)
	for i := range objects {
		o := &objects[i]
		o.Key, o.ETag, o.VersionID = strings.Clone(o.Key), ETag(strings.Clone(string(o.ETag))), strings.Clone(o.VersionID)
	}
	return objects
}

// flush judges what is pending, side by side, and counts it in its order.
func (m *merger) flush(ctx context.Context) {
	var wg sync.WaitGroup
	for _, v := range m.pending {
		wg.Add(1)
		go func() {
			defer wg.Done()
			v.judge(ctx)
		}()
	}
	wg.Wait()
	for _, v := range m.pending {
		v.count()
	}
	m.pending = nil
}

// sameMetadata says whether the metadata of two objects is known and the same. Adapters may share one piece of metadata
// among many objects: then it is compared once.
func (p *mergePair) sameMetadata(a, b *Object) bool {
	if a.Metadata == nil || b.Metadata == nil {
		return false
	}
	if p.metadata != [2]*Metadata{a.Metadata, b.Metadata} {
		p.metadata = [2]*Metadata{a.Metadata, b.Metadata}
		p.same = sameValues(a.Metadata.User, b.Metadata.User) && sameValues(a.Metadata.Headers, b.Metadata.Headers) &&
			sameValues(a.Metadata.Tags, b.Metadata.Tags)
	}
	return p.same
}

// verdicts is what is found at one key between two sites.
type verdicts struct {
	*merger
	pair  *mergePair
	key   string
	a, b  []Object // versions, newest first
	equal Proof    // of the content
	found []Difference
	// noMetadata says that it was asked for and not told.
	noMetadata bool
}

func (v *verdicts) judge(ctx context.Context) {
	a, b := v.a, v.b
	here, there := current(a), current(b)
	switch {
	case here == nil && there == nil:
		v.equal = ByListing
	case here == nil || there == nil:
		v.oneSided(ctx, here, there, a, b)
	default:
		v.content(ctx, here, there)
	}
	differs := len(v.found) > 0
	if v.Metadata && here != nil && there != nil && !differs {
		v.metadata(here, there)
	}
	if v.Versions && len(a) > 0 && len(b) > 0 || here == nil && there == nil {
		if j, detail := history(a, b, differs); j.State != Equal {
			v.note(Difference{Kind: History, State: j.State, Proof: j.Proof, Doubt: j.Doubt, Detail: detail, Here: here, There: there})
		}
	}
}

// current is the version that a plain GET would give.
func current(versions []Object) *Object {
	for i := range versions {
		if versions[i].Latest {
			if versions[i].DeleteMarker {
				return nil
			}
			return &versions[i]
		}
	}
	return nil
}

func marker(versions []Object) *Object {
	for i := range versions {
		if versions[i].Latest && versions[i].DeleteMarker {
			return &versions[i]
		}
	}
	return nil
}

// oneSided judges a key that only one of the two has.
func (v *verdicts) oneSided(ctx context.Context, here, there *Object, a, b []Object) {
	d := Difference{Kind: Missing, State: Different, Proof: ByListing, Here: here, There: there}
	if m := marker(a); m != nil {
		d.Kind, d.Here = Deleted, m
	} else if m := marker(b); m != nil {
		d.Kind, d.There = Deleted, m
	}
	if d.Kind == Deleted {
		v.note(d)
		return
	}
	v.prove(ctx, d)
}

func (v *verdicts) content(ctx context.Context, here, there *Object) {
	j := Judge(*here, *there)
	if j.State == Equal {
		v.equal = j.Proof
		return
	}
	d := Difference{Kind: Content, State: j.State, Proof: j.Proof, Doubt: j.Doubt, Here: here, There: there}
	if j.Proof == BySize {
		d.Kind = Size
	}
	if j.State == Different {
		v.note(d)
		return
	}
	v.prove(ctx, d)
}

func (v *verdicts) metadata(here, there *Object) {
	if here.Metadata == nil || there.Metadata == nil {
		v.noMetadata = true
		return
	}
	d := Difference{State: Different, Proof: ByListing, Here: here, There: there}
	if !sameValues(here.Metadata.User, there.Metadata.User) || !sameValues(here.Metadata.Headers, there.Metadata.Headers) {
		d.Kind = Headers
		v.note(d)
	}
	if !sameValues(here.Metadata.Tags, there.Metadata.Tags) {
		d.Kind = Tags
		v.note(d)
	}
}

// note keeps a difference, with its direction.
func (v *verdicts) note(d Difference) {
	d.Bucket, d.Key = v.name, v.key
	d.From, d.To = v.pair.From, v.pair.To
	swap := d.Here == nil
	if d.Here != nil && d.There != nil {
		order := newer(*d.Here, *d.There)
		d.Directed, swap = order != 0, order < 0
	} else {
		d.Directed = d.Here != nil || d.There != nil
	}
	if d.Kind == History { // histories have no one direction
		d.Directed = false
	}
	if swap && d.Directed {
		d.From, d.To, d.Here, d.There = d.To, d.From, d.There, d.Here
	}
	v.found = append(v.found, d)
}

// count adds the key to the pair, by the worst that was found of it, and tells of each difference.
func (v *verdicts) count() {
	different := false
	if v.noMetadata {
		v.pair.NoMetadata++
	}
	for _, d := range v.found {
		different = different || d.State == Different
		v.pair.Kinds[d.Kind]++
		v.tell(d)
	}
	switch {
	case different:
		v.pair.Different++
	case len(v.found) > 0:
		v.pair.Unproven++
	case v.equal != "":
		v.pair.EqualBy[v.equal]++
	}
}
