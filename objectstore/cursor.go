package objectstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// maxVersions is how many versions of one key are held at once.
const maxVersions = 10_000

// cursor is one site's side of a merge: it reads the next page while the one before is compared.
type cursor struct {
	site    geored.SiteName
	listing *listing
	task    *task
	within  Comparer // its budget and clock
	pages   chan []Object
	used    chan []Object // pages that the merger is done with, to be used again
	broken  error         // why read ended; set before pages is closed

	page    []Object
	head    []Object // what is left of the page
	count   int64
	ended   bool
	err     error // as seen by the merger, once all that was read is used up
	dropped bool
}

// read sends the pages of the span. It ends with the span, with the listing or with the context.
func (c *cursor) read(ctx context.Context) {
	defer close(c.pages)
	for {
		var room []Object
		select {
		case room = <-c.used:
		default:
		}
		objects, err := within(ctx, c.within, func(ctx context.Context) ([]Object, error) { return c.listing.next(ctx, room) })
		if err != nil || objects == nil {
			c.broken = err
			return
		}
		objects, end := c.task.clip(objects)
		if len(objects) > 0 {
			select {
			case c.pages <- objects:
			case <-ctx.Done():
				c.broken = context.Cause(ctx)
				return
			}
		}
		if end {
			return
		}
	}
}

// peek is the next key; false at the end, and when the listing broke off. What was taken before must not be looked at any
// more.
func (c *cursor) peek() (string, bool) {
	if len(c.head) == 0 && !c.ended {
		clear(c.page) // its texts are not to be kept until the room is filled again
		select {
		case c.used <- c.page:
		default: // there is room enough
		}
		page, ok := <-c.pages
		c.page, c.head = page, page
		c.count += int64(len(page))
		if !ok {
			c.ended, c.err = true, c.broken
		}
	}
	if len(c.head) == 0 {
		return "", false
	}
	return c.head[0].Key, true
}

// take gives all versions of the key and goes behind them; none when the site does not have it.
func (c *cursor) take(key string) []Object {
	n := 0
	for n < len(c.head) && c.head[n].Key == key {
		n++
	}
	group := c.head[:n:n]
	c.head = c.head[n:]
	if n == 0 || len(c.head) > 0 || !c.listing.query.Versions {
		return group
	}
	group = slices.Clone(group)
	for { // the key's versions may go on with the next page
		next, ok := c.peek()
		if !ok || next != key {
			return group
		}
		more := c.take(key)
		if len(group)+len(more) > maxVersions {
			c.err = fmt.Errorf("%w: %q has more than %d versions", ErrUnsupported, key, maxVersions)
			return group
		}
		group = append(group, more...)
	}
}
