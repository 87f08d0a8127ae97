package kube

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
)

// Journal is a geored.Journal in ConfigMaps of every cluster, so that it outlives the loss of a site and of the machine
// of whoever runs the program. Each record goes to every site that answers; a site that was away gets what it missed
// when it is back. Reading merges what the sites have. It is for one process at a time; a lock keeps others away.
type Journal struct {
	JournalConfig
	writer  string // keeps two processes that run in spite of it from overwriting each other's records
	replica []*replica

	mu       sync.Mutex
	flushed  *sync.Cond
	seq      uint64 // of the last record
	synced   uint64 // of the last one that is safe
	chunk    int
	size     int // bytes in the chunk
	pending  []entry
	flushing bool
	err      error // the first failed write; the journal accepts nothing after it
}

// JournalConfig is where a journal is kept.
type JournalConfig struct {
	Clusters  []*Cluster     // of all sites
	Namespace string         // of the ConfigMaps; it must be there. Zero: kube-system
	Name      string         // a DNS-1123 label: what the ConfigMaps' names begin with
	Local     geored.Journal // gets every record first; it is not read. Zero: none
	// Least is how many sites must have a record before Append returns, and must answer when the journal is read.
	// Zero: 1, so that a run goes on when all other sites are lost. Only with more than half of the sites is all that was written
	// also read: with fewer, records that only silent sites have are missing from what is read, without an error
	// ([Journal.Silent] names those sites), and what two runs wrote while different sites were away contradicts
	// itself: geored.ErrJournalCorrupt. A lock that asks for all sites ([NewLeaseLock]) keeps such runs from beginning.
	Least int
	Clock geored.Clock // zero: geored.SystemClock
}

const (
	journalLabel = "georedkit/journal"
	chunkBytes   = 128 << 10 // each write makes etcd keep the whole chunk anew; a ConfigMap holds 1 MiB
	recordBytes  = 512 << 10
	siteBudget   = 5 * time.Second
	siteRest     = 10 * time.Second // before one that did not answer is asked again
)

// entry is one record in its place.
type entry struct {
	chunk int
	key   string // sequence number and writer
	line  string
}

// OpenJournal reads how far the journal is. The error names every site that did not answer when they are too many; what
// is wrong with single records is told by Records.
func OpenJournal(ctx context.Context, c JournalConfig) (*Journal, error) {
	c.Namespace, c.Least = cmp.Or(c.Namespace, metav1.NamespaceSystem), max(c.Least, 1)
	if c.Clock == nil {
		c.Clock = geored.SystemClock()
	}
	if !geored.SiteName(c.Name).IsValid() {
		return nil, fmt.Errorf("journal %q: its name is no DNS-1123 label", c.Name)
	}
	writer := make([]byte, 4)
	rand.Read(writer) // it never fails
	j := &Journal{JournalConfig: c, writer: hex.EncodeToString(writer)}
	j.flushed = sync.NewCond(&j.mu)
	for _, cluster := range c.Clusters {
		j.replica = append(j.replica, &replica{journal: &j.JournalConfig, cluster: cluster})
	}
	read, err := j.read(ctx)
	if err != nil {
		return nil, err
	}
	j.seq, j.chunk = read.last, read.lastChunk+1 // a new chunk, so that nobody's is written to
	j.synced = j.seq
	for _, r := range j.replica {
		r.missed = read.missing(r.cluster.site)
	}
	return j, nil
}

// Append returns when the local journal and as many sites as it takes have the record. After one failed write every
// Append fails: a journal with a gap is worse than none.
func (j *Journal) Append(ctx context.Context, r geored.Record) error {
	line, err := geored.EncodeRecord(r)
	if err == nil && len(line) > recordBytes {
		err = fmt.Errorf("a record of %d bytes does not fit into a ConfigMap", len(line))
	}
	if err != nil {
		return fmt.Errorf("journal %s: %w", j.Name, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	if j.Local != nil {
		if err := j.Local.Append(ctx, r); err != nil {
			return err
		}
	}
	j.line(string(line))
	for mine := j.seq; j.synced < mine && j.err == nil; {
		if j.flushing {
			j.flushed.Wait()
		} else {
			j.flush(ctx)
		}
	}
	return j.err
}

// line gives a record its place.
func (j *Journal) line(line string) {
	if j.size > 0 && j.size+len(line) > chunkBytes {
		j.chunk, j.size = j.chunk+1, 0
	}
	j.seq++
	j.size += len(line)
	j.pending = append(j.pending, entry{j.chunk, fmt.Sprintf("%012d.%s", j.seq, j.writer), line})
}

// flush writes what is pending to all sites; the lock is given up meanwhile, so that others can line up.
func (j *Journal) flush(ctx context.Context) {
	batch, upTo := j.pending, j.seq
	j.pending, j.flushing = nil, true
	j.mu.Unlock()
	err := j.send(ctx, batch)
	j.mu.Lock()
	j.flushing = false
	if err != nil {
		j.err = fmt.Errorf("journal %s: %w", j.Name, err)
	} else {
		j.synced = upTo
	}
	j.flushed.Broadcast()
}

// send comes back when every site took the batch, or did not answer in its time.
func (j *Journal) send(ctx context.Context, batch []entry) error {
	errs := make([]error, len(j.replica))
	var sent sync.WaitGroup
	for i, r := range j.replica {
		sent.Add(1)
		go func() {
			defer sent.Done()
			errs[i] = r.send(ctx, batch)
		}()
	}
	sent.Wait()
	took := 0
	for _, err := range errs {
		if err == nil {
			took++
		}
	}
	if took < j.Least {
		return fmt.Errorf("%d of %d sites took the record, and %d must: %w", took, len(j.replica), j.Least, errors.Join(errs...))
	}
	return nil
}

// Silent are the sites that do not have all records now, with the reason.
func (j *Journal) Silent() []geored.Silence {
	var silent []geored.Silence
	for _, r := range j.replica {
		if reason := r.behind(); reason != "" {
			silent = append(silent, geored.Silence{Target: geored.Target{Site: r.cluster.site}, Reason: reason})
		}
	}
	return silent
}

// Records gives the records that the sites have together. One that no site has whole, or that is missing between others,
// is geored.ErrJournalCorrupt, and so is one place with two records, which only two processes at a time can write.
func (j *Journal) Records(ctx context.Context) iter.Seq2[geored.Record, error] {
	return func(yield func(geored.Record, error) bool) {
		read, err := j.read(ctx)
		if err != nil {
			yield(geored.Record{}, err)
			return
		}
		next := uint64(1)
		for _, key := range slices.Sorted(maps.Keys(read.entries)) {
			record, err := read.record(key)
			if at := read.entries[key].seq; err == nil && at != next {
				err = fmt.Errorf("record %d follows record %d: %w", at, next-1, geored.ErrJournalCorrupt)
			}
			if err != nil {
				err = fmt.Errorf("journal %s: %w%s", j.Name, err, read.without())
			}
			if !yield(record, err) || err != nil {
				return
			}
			next++
		}
	}
}
