package objectstore

import (
	"context"
	"fmt"
	"strings"
)

// listing reads one site's listing of a part of a bucket, page by page, and holds it to its contract: keys ascend,
// nothing stands outside of what was asked for, and the end is where the server says so.
//
// Pages are asked for in one of two ways. Behind a key: the server keeps nothing, and the next page may be anywhere. Or
// by token within one folder: some servers read a folder again for each page that begins behind a key, so that a folder
// of more than a page is read by token, and its end, not the bucket's, is where the server may stop.
type listing struct {
	reader Reader
	query  Query // bucket, prefix, versions, metadata

	last        string // the last key seen, or where to begin
	lastVersion string // of that key; only with versions
	begun       bool   // last was really seen
	folder      string // read by token
	token       string
	byToken     bool
	idle        int // pages in a row without anything new
	done        bool
}

// maxIdlePages is how many pages without a single new object are borne: a server may skip what was deleted, but not for
// ever.
const maxIdlePages = 100

// next gives the objects of the next page, none at the end. The slice belongs to the caller, who may give back one that
// is done with as room.
func (l *listing) next(ctx context.Context, room []Object) ([]Object, error) {
	for !l.done {
		q := l.ask()
		q.Room = room
		page, err := l.reader.List(ctx, q)
		if err != nil {
			return nil, err
		}
		room = page.Objects
		objects, err := l.take(page.Objects)
		if err != nil {
			return nil, err
		}
		if l.idle++; len(objects) > 0 {
			l.idle = 0
		}
		if l.idle > maxIdlePages {
			return nil, fmt.Errorf("%w: %d pages behind %q held nothing new", ErrIncomplete, l.idle, l.last)
		}
		l.advance(page, objects)
		if len(objects) > 0 {
			return objects, nil
		}
	}
	return nil, nil
}

func (l *listing) ask() Query {
	q := l.query
	if l.byToken {
		q.Prefix = l.folder
	}
	if l.token != "" {
		q.Token = l.token
		return q
	}
	q.StartAfter, q.StartAfterVersion = l.last, l.lastVersion
	return q
}

// take checks the order of a page and drops what was seen before: some servers repeat the version at which a page ended.
func (l *listing) take(objects []Object) ([]Object, error) {
	kept := 0
	for i := range objects {
		o := &objects[i]
		switch {
		case !strings.HasPrefix(o.Key, l.query.Prefix):
			return nil, fmt.Errorf("%w: %q does not begin with %q", ErrOrder, o.Key, l.query.Prefix)
		case o.Key < l.last, o.Key == l.last && !l.query.Versions:
			return nil, fmt.Errorf("%w: %q behind %q", ErrOrder, o.Key, l.last)
		case l.begun && o.Key == l.last && o.VersionID == l.lastVersion, !l.begun && o.Key == l.last:
			continue
		}
		if kept != i {
			objects[kept] = *o
		}
		kept++
		l.last, l.begun = o.Key, true
		if l.query.Versions {
			l.lastVersion = o.VersionID
		}
	}
	return objects[:kept], nil
}

// advance decides how the page behind this one is asked for.
func (l *listing) advance(page Page, objects []Object) {
	more := page.Token != ""
	switch {
	case !more && l.byToken && l.folder != l.query.Prefix:
		l.byToken, l.token = false, "" // the folder's end is not the bucket's
	case !more:
		l.done = true
	case len(objects) == 0:
		l.token = page.Token // nothing to begin behind
	case l.byToken:
		l.token = page.Token
	case folderOf(objects[0].Key) == folderOf(objects[len(objects)-1].Key):
		l.byToken, l.folder, l.token = true, folderOf(objects[0].Key), ""
		if l.folder == l.query.Prefix || strings.HasPrefix(l.query.Prefix, l.folder) {
			l.folder, l.token = l.query.Prefix, page.Token
		}
	default:
		l.token = ""
	}
}

// folderOf is the key up to its last slash.
func folderOf(key string) string { return key[:strings.LastIndexByte(key, '/')+1] }
