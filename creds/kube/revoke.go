package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/geored"
)

// Revoke takes a token Secret of the account out of use, and deletes it when every API server of the source refuses the
// token. Until then its error is geored.Retriable: API servers remember for a while what they accepted. A Secret that is
// not there is no error. Where the source heeds no marks (see [InvalidSince]) the Secret is deleted first.
func (s Source) Revoke(ctx context.Context, name string) error {
	m, there, err := s.token(ctx, name)
	if err != nil || !there {
		return err
	}
	if m.token.IsZero() {
		return s.discard(ctx, name) // it was never filled: there is nothing to be refused
	}
	tooOld, err := s.heedsNoMarks(ctx)
	if err != nil {
		return geored.Retriable(fmt.Errorf("secret %s: %w", name, err))
	}
	if tooOld != "" {
		if err := s.discard(ctx, name); err != nil {
			return err
		}
		return s.awaitRefusal(ctx, m.token)
	}
	if !m.invalid {
		if err := s.invalidate(ctx, name); err != nil {
			return err
		}
	}
	why, err := s.refused(ctx, m.token)
	if err == nil && why != "" {
		err = errors.New(why)
	}
	if err != nil {
		return geored.Retriable(fmt.Errorf("secret %s: %w", name, err))
	}
	return s.discard(ctx, name)
}

// refusalPause is the pause between two looks at what API servers make of a token.
const refusalPause = time.Second

// awaitRefusal is for a token whose Secret is gone: nobody could ask for it again.
func (s Source) awaitRefusal(ctx context.Context, token creds.Token) error {
	for {
		why, err := s.refused(ctx, token)
		if err == nil && why == "" {
			return nil
		}
		if s.clock().Sleep(ctx, refusalPause) != nil {
			return fmt.Errorf("a deleted token is not seen to be refused: %s: %w", why, errors.Join(err, context.Cause(ctx)))
		}
	}
}

// TakeBack removes the account's roles. The account stays: a site's own name servers, say, use the same one, an API server
// does not tell who made an object that has nothing but a name, and without its roles and tokens it may do nothing.
func (s Source) TakeBack(ctx context.Context) error {
	objects, err := s.Objects()
	if err != nil {
		return err
	}
	return s.Cluster.TakeBack(ctx, objects[1:]...)
}

// TakenBack says whether nothing is left of what [Source.TakeBack] takes away.
func (s Source) TakenBack(ctx context.Context) (geored.State, error) {
	objects, err := s.Objects()
	if err != nil {
		return geored.State{}, err
	}
	return s.Cluster.Gone(ctx, objects[1:]...)
}
