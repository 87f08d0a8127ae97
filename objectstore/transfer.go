package objectstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/georedkit/georedkit/geored"
)

// Target is a store that is written to and looked at.
type Target interface {
	Opener
	Writer
}

// TransferConfig is how a [CatchUp] is carried out.
type TransferConfig struct {
	Source  Opener // of the site From. Required.
	Target  Target // of the site To. Required.
	Workers int    // transfers at once; zero: 8
	// Done is told of each transfer as it ends, one at a time. Zero: nobody.
	Done func(TransferOutcome)
}

// TransferOutcome is what became of a transfer.
type TransferOutcome struct {
	Transfer
	Status geored.Status // Changed: copied or deleted, and seen; Unchanged: it was so already
	Err    error         // when it failed or was interrupted
}

// Run carries the plan out. Each object is looked at again before it is touched, and refused when either side changed
// since the plan was made; after a copy both sides are compared, by a checksum over the whole object or else by their
// bytes. What is equal already is left alone, so that a plan which was interrupted is simply run again. Nothing holds off
// those who write an object between the look and the copy: keep its users to one site meanwhile. A copy has the encryption,
// storage class and retention that its bucket gives it, and no legal hold: where the source asks for more, set them as the
// bucket's default before.
//
// There is one outcome per transfer, in the order of the plan, also when the error is not nil; it joins the errors of
// all transfers. Look for [geored.Pending] after an interruption.
func (c CatchUp) Run(ctx context.Context, config TransferConfig) ([]TransferOutcome, error) {
	outcomes := make([]TransferOutcome, len(c.Transfers))
	for i, t := range c.Transfers {
		outcomes[i] = TransferOutcome{Transfer: t, Status: geored.Pending}
	}
	if config.Source == nil || config.Target == nil {
		return outcomes, geored.Faults{{Field: "Source, Target", Problem: "one is missing", Remedy: "give the stores of both sites"}}
	}
	if config.Workers <= 0 {
		config.Workers = 8
	}
	work := make(chan int)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range config.Workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range work {
				o := c.transfer(ctx, config, c.Transfers[i])
				mu.Lock()
				outcomes[i] = o
				if config.Done != nil {
					config.Done(o)
				}
				mu.Unlock()
			}
		}()
	}
	for i := range c.Transfers {
		if ctx.Err() != nil {
			break
		}
		work <- i
	}
	close(work)
	wg.Wait()
	var errs []error
	for _, o := range outcomes {
		errs = append(errs, o.Err)
	}
	return outcomes, errors.Join(append(errs, ctx.Err())...)
}

func (c CatchUp) transfer(ctx context.Context, config TransferConfig, t Transfer) TransferOutcome {
	x := &transfer{Transfer: t, TransferConfig: config, ref: Ref{Bucket: t.Bucket, Key: t.Key}}
	status, err := x.run(ctx)
	if err != nil {
		status = geored.Failed
		if ctx.Err() != nil {
			status = geored.Interrupted
		}
		err = &SiteError{Site: c.To, Verb: string(t.Action), What: x.ref.String(), Err: err}
	}
	return TransferOutcome{Transfer: t, Status: status, Err: err}
}

// transfer is one under way.
type transfer struct {
	Transfer
	TransferConfig
	ref Ref
}

func (x *transfer) run(ctx context.Context) (geored.Status, error) {
	source, err := lookAt(ctx, x.TransferConfig.Source, x.ref)
	if err != nil {
		return "", fmt.Errorf("look at the source: %w", err)
	}
	target, err := lookAt(ctx, x.TransferConfig.Target, x.ref)
	if err != nil {
		return "", fmt.Errorf("look at the target: %w", err)
	}
	if x.Action == geored.Delete {
		return x.delete(ctx, source, target)
	}
	return x.copy(ctx, source, target)
}

// lookAt gives nil for what is not there.
func lookAt(ctx context.Context, store Opener, ref Ref) (*Object, error) {
	o, err := store.Stat(ctx, ref)
	if errors.Is(err, ErrNoObject) {
		return nil, nil
	}
	return &o, err
}

func etagOf(o *Object) ETag {
	if o == nil {
		return ""
	}
	return o.ETag
}

// ErrChanged is the error of a transfer that is not what was planned any more.
var ErrChanged = errors.New("it changed since it was planned; compare again")

func (x *transfer) copy(ctx context.Context, source, target *Object) (geored.Status, error) {
	switch {
	case source == nil || source.ETag != x.Transfer.Source:
		return "", fmt.Errorf("source: %w", ErrChanged)
	case target != nil && sameObject(*source, *target):
		return geored.Unchanged, nil
	case etagOf(target) != x.Transfer.Target:
		return "", fmt.Errorf("target: %w", ErrChanged)
	}
	if err := x.send(ctx, *source); err != nil {
		return "", err
	}
	return geored.Changed, x.verify(ctx)
}

// sameObject says whether a copy of source would change nothing. A content type that the source does not have is the target's
// own default.
func sameObject(source, target Object) bool {
	if Judge(source, target).State != Equal || source.Metadata == nil || target.Metadata == nil {
		return false
	}
	headers := target.Metadata.Headers
	if source.Metadata.Headers["content-type"] == "" {
		headers = maps.Clone(headers)
		delete(headers, "content-type")
	}
	return sameValues(source.Metadata.Headers, headers) && sameValues(source.Metadata.User, target.Metadata.User) && sameValues(source.Metadata.Tags, target.Metadata.Tags)
}

func (x *transfer) send(ctx context.Context, source Object) error {
	body, err := x.TransferConfig.Source.Open(ctx, x.ref)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	defer body.Close()
	meta := Metadata{}
	if source.Metadata != nil {
		meta = *source.Metadata
	}
	return x.TransferConfig.Target.Put(ctx, x.ref, source.Size, meta, body)
}

// verify looks at both again: the source may have changed while it was read.
func (x *transfer) verify(ctx context.Context) error {
	source, err := lookAt(ctx, x.TransferConfig.Source, x.ref)
	if err != nil {
		return fmt.Errorf("verify the source: %w", err)
	}
	target, err := lookAt(ctx, x.TransferConfig.Target, x.ref)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if source == nil || target == nil {
		return fmt.Errorf("verify: %w", ErrChanged)
	}
	j := Judge(*source, *target)
	if j.State == Unproven {
		same, err := sameBytes(ctx, x.ref, x.TransferConfig.Source, x.TransferConfig.Target)
		if err != nil {
			return fmt.Errorf("verify by bytes: %w", err)
		}
		if j = (Judgement{State: Different, Proof: ByBytes}); same {
			j.State = Equal
		}
	}
	if j.State != Equal {
		return fmt.Errorf("the copy is %s by %s", j.State, j.Proof)
	}
	return nil
}

func (x *transfer) delete(ctx context.Context, source, target *Object) (geored.Status, error) {
	switch {
	case target == nil:
		return geored.Unchanged, nil
	case source != nil:
		return "", fmt.Errorf("source: %w", ErrChanged)
	case target.ETag != x.Transfer.Target:
		return "", fmt.Errorf("target: %w", ErrChanged)
	}
	if err := x.TransferConfig.Target.Delete(ctx, x.ref); err != nil {
		return "", err
	}
	switch left, err := lookAt(ctx, x.TransferConfig.Target, x.ref); {
	case err != nil:
		return "", fmt.Errorf("verify: %w", err)
	case left != nil:
		return "", errors.New("it is still there")
	}
	return geored.Changed, nil
}
