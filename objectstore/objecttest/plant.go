package objecttest

import (
	"context"
	"fmt"
	"strings"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/objectstore"
)

// Planted is a difference that was made on purpose.
type Planted struct {
	Key      string
	Kind     objectstore.Kind
	From, To geored.SiteName
	Directed bool
	// Plain says that listings of keys, sizes and ETags are enough to find it.
	Plain bool
}

// Plantation is where [Plant] plants. Sites A and B have the same bucket, with versioning.
type Plantation struct {
	A, B   geored.SiteName
	StoreA objectstore.Writer
	StoreB objectstore.Writer
	Bucket string
	Prefix string                      // of all planted keys
	Pause  func(context.Context) error // longer than objectstore.ClockTolerance on the servers' clocks
}

// Plant makes a hundred differences of every kind that a mirror leaves behind: 20 objects only at A and 20 only at B, 15
// of other sizes, 7 of the same size but other content where A is newer and 8 where B is, 10 deleted at A, 10 deleted
// and written again at A, 5 with other user metadata and 5 with other tags. 80 of them show in plain listings, 90 with
// metadata and all with metadata and versions.
func Plant(ctx context.Context, p Plantation) ([]Planted, error) {
	g := &gardener{Plantation: p, ctx: ctx}
	early := func(kind objectstore.Kind, n int, newer string) {
		for i := range n {
			key := g.key(string(kind)+"-"+newer, i)
			old, from, to := p.StoreB, p.A, p.B
			if newer == "b" {
				old, from, to = p.StoreA, p.B, p.A
			}
			g.put(old, key, "content 0", objectstore.Metadata{})
			g.plant(Planted{Key: key, Kind: kind, From: from, To: to, Directed: true, Plain: true})
		}
	}
	early(objectstore.Content, 7, "a")
	early(objectstore.Content, 8, "b")
	early(objectstore.Size, 15, "a")
	g.each("marker", 10, func(key string) { g.both(key, "x", "x") })
	g.each("history", 10, func(key string) { g.both(key, "x", "x") })
	if g.err == nil {
		g.err = p.Pause(ctx)
	}
	g.late()
	return g.planted, g.err
}

// gardener plants until the first error.
type gardener struct {
	Plantation
	ctx     context.Context
	planted []Planted
	err     error
}

func (g *gardener) late() {
	none := objectstore.Metadata{}
	g.each("content-a", 7, func(key string) { g.put(g.StoreA, key, "content 1", none) })
	g.each("content-b", 8, func(key string) { g.put(g.StoreB, key, "content 1", none) })
	g.each("size-a", 15, func(key string) { g.put(g.StoreA, key, "longer content", none) })
	g.each("only-a", 20, func(key string) {
		g.put(g.StoreA, key, "x", none)
		g.plant(Planted{Key: key, Kind: objectstore.Missing, From: g.A, To: g.B, Directed: true, Plain: true})
	})
	g.each("only-b", 20, func(key string) {
		g.put(g.StoreB, key, "x", none)
		g.plant(Planted{Key: key, Kind: objectstore.Missing, From: g.B, To: g.A, Directed: true, Plain: true})
	})
	g.each("marker", 10, func(key string) {
		g.delete(key)
		g.plant(Planted{Key: key, Kind: objectstore.Deleted, From: g.A, To: g.B, Directed: true, Plain: true})
	})
	g.each("history", 10, func(key string) {
		g.delete(key)
		g.put(g.StoreA, key, "x", none)
		g.plant(Planted{Key: key, Kind: objectstore.History, From: g.A, To: g.B})
	})
	g.each("metadata", 5, func(key string) {
		g.put(g.StoreA, key, "x", objectstore.Metadata{User: map[string]string{"owner": "a"}})
		g.put(g.StoreB, key, "x", objectstore.Metadata{User: map[string]string{"owner": "b"}})
		g.plant(Planted{Key: key, Kind: objectstore.Headers, From: g.A, To: g.B})
	})
	g.each("tags", 5, func(key string) {
		g.put(g.StoreA, key, "x", objectstore.Metadata{Tags: map[string]string{"kind": "a"}})
		g.put(g.StoreB, key, "x", none)
		g.plant(Planted{Key: key, Kind: objectstore.Tags, From: g.A, To: g.B})
	})
}

func (g *gardener) key(what string, i int) string {
	return fmt.Sprintf("%sp%02d/%s-%d", g.Prefix, i%4, what, i)
}

func (g *gardener) each(what string, n int, do func(key string)) {
	for i := range n {
		do(g.key(what, i))
	}
}

func (g *gardener) put(store objectstore.Writer, key, body string, meta objectstore.Metadata) {
	if g.err == nil {
		g.err = store.Put(g.ctx, objectstore.Ref{Bucket: g.Bucket, Key: key}, int64(len(body)), meta, strings.NewReader(body))
	}
}

func (g *gardener) both(key, a, b string) {
	g.put(g.StoreA, key, a, objectstore.Metadata{})
	g.put(g.StoreB, key, b, objectstore.Metadata{})
}

func (g *gardener) delete(key string) {
	if g.err == nil {
		g.err = g.StoreA.Delete(g.ctx, objectstore.Ref{Bucket: g.Bucket, Key: key})
	}
}

func (g *gardener) plant(p Planted) { g.planted = append(g.planted, p) }

// Score holds what a comparison found against what was planted: the planted ones that were missed, and the found ones
// that nobody planted. A difference is only found when its kind is right, and its direction where one was planted. In
// plain listings a deleted object looks like a missing one at the other site.
func Score(planted []Planted, found []objectstore.Difference, plain bool) (missed []Planted, invented []objectstore.Difference) {
	left := map[Planted]bool{}
	for _, p := range planted {
		if plain && !p.Plain {
			continue
		}
		left[expected(p, plain)] = true
	}
	for _, d := range found {
		p := Planted{Key: d.Key, Kind: d.Kind, From: d.From, To: d.To, Directed: d.Directed}
		undirected := p
		undirected.Directed = false
		switch {
		case d.State == objectstore.Different && left[p]:
			delete(left, p)
		case d.State == objectstore.Different && left[undirected]:
			delete(left, undirected)
		default:
			invented = append(invented, d)
		}
	}
	for _, p := range planted {
		if left[expected(p, plain)] {
			missed = append(missed, p)
		}
	}
	return missed, invented
}

func expected(p Planted, plain bool) Planted {
	p.Plain = false // not a property of what is found
	if plain && p.Kind == objectstore.Deleted {
		p.Kind, p.From, p.To, p.Directed = objectstore.Missing, p.To, p.From, true
	}
	return p
}
