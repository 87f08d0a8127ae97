package objectstore

import (
	"bytes"
	"context"
	"errors"
	"io"
)

// prove asks both sites for an object that the listings leave in doubt, and notes what is still different or unproven.
func (v *verdicts) prove(ctx context.Context, d Difference) {
	if v.Effort == ListingsOnly {
		v.note(d)
		return
	}
	if v.proofs.Add(1) > int64(v.ProofLimit) {
		if d.State == Unproven {
			d.Doubt = ProofLimitReached
		}
		v.note(d)
		return
	}
	here, there, err := v.stat(ctx)
	switch {
	case err != nil:
		if d.State == Unproven {
			d.Doubt = SiteSilent
		}
		v.note(d)
	case here == nil && there == nil:
		v.equal = ByAbsence // gone from both in the meantime
	case here == nil || there == nil:
		v.note(Difference{Kind: Missing, State: Different, Proof: ByAbsence, Here: here, There: there})
	default:
		v.settle(ctx, here, there)
	}
}

// settle judges by what HEAD told, and by the bytes where that is wanted and still needed.
func (v *verdicts) settle(ctx context.Context, here, there *Object) {
	j := Judge(*here, *there)
	if j.State == Unproven && v.Effort == Bytes {
		if same, err := sameBytes(ctx, Ref{Bucket: v.name, Key: v.key}, v.stores[v.pair.From], v.stores[v.pair.To]); err != nil {
			j.Doubt = SiteSilent
		} else if j = (Judgement{State: Different, Proof: ByBytes}); same {
			j.State = Equal
		}
	}
	if j.State == Equal {
		v.equal = j.Proof
		return
	}
	d := Difference{Kind: Content, State: j.State, Proof: j.Proof, Doubt: j.Doubt, Here: here, There: there}
	if j.Proof == BySize {
		d.Kind = Size
	}
	v.note(d)
}

// stat gives what HEAD tells of the key at both sites, nil where it is not there.
func (v *verdicts) stat(ctx context.Context) (here, there *Object, err error) {
	answers := askSites(ctx, v.Comparer, v.sites(), func(ctx context.Context, s Site) (*Object, error) {
		o, err := s.Store.Stat(ctx, Ref{Bucket: v.name, Key: v.key})
		if errors.Is(err, ErrNoObject) {
			return nil, nil
		}
		return &o, err
	})
	return answers[0].value, answers[1].value, errors.Join(answers[0].err, answers[1].err)
}

func (v *verdicts) sites() []Site {
	return []Site{{v.pair.From, v.stores[v.pair.From]}, {v.pair.To, v.stores[v.pair.To]}}
}

// sameBytes reads both objects side by side. There is no budget for it: objects may be large.
func sameBytes(ctx context.Context, ref Ref, a, b Opener) (bool, error) {
	var bodies [2]io.ReadCloser
	for i, store := range []Opener{a, b} {
		body, err := store.Open(ctx, ref)
		if err != nil {
			return false, err
		}
		defer body.Close()
		bodies[i] = body
	}
	return equalStreams(bodies[0], bodies[1])
}

// equalStreams compares two streams to their ends. One that breaks off is an error, also when all was equal until then.
func equalStreams(a, b io.Reader) (bool, error) {
	bufA, bufB := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, endA, errA := fill(a, bufA)
		k, endB, errB := fill(b, bufB)
		switch {
		case errA != nil || errB != nil:
			return false, errors.Join(errA, errB)
		case !bytes.Equal(bufA[:n], bufB[:k]), endA != endB:
			return false, nil
		case endA:
			return true, nil
		}
	}
}

// fill is [io.ReadFull] that tells the end of a stream from a stream that broke off.
func fill(r io.Reader, buf []byte) (n int, end bool, err error) {
	for n < len(buf) && err == nil {
		var k int
		k, err = r.Read(buf[n:])
		n += k
	}
	if err == io.EOF {
		return n, true, nil
	}
	return n, false, err
}
