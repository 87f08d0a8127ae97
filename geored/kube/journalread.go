package kube

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/georedkit/georedkit/geored"
)

// journalRead is what was read of all sites.
type journalRead struct {
	entries   map[string]*readEntry // by key, which sorts as the records do
	held      map[geored.SiteName]map[string]bool
	last      uint64
	lastChunk int
	silent    []geored.Silence
}

// readEntry is one record, from the first site that has it whole.
type readEntry struct {
	entry
	seq    uint64
	record geored.Record
	err    error // no site has it whole
}

func (j *Journal) read(ctx context.Context) (*journalRead, error) {
	targets, bySite := make([]geored.Target, len(j.replica)), map[geored.SiteName]*replica{}
	for i, r := range j.replica {
		targets[i].Site = r.cluster.site
		bySite[r.cluster.site] = r
	}
	answers := geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) ([]corev1.ConfigMap, error) {
		return bySite[t.Site].chunks(ctx)
	}, geored.AskClock(j.Clock))
	read := &journalRead{entries: map[string]*readEntry{}, held: map[geored.SiteName]map[string]bool{}, silent: answers.Unanswered()}
	if answered := len(targets) - len(read.silent); answered < j.Least {
		return nil, fmt.Errorf("journal %s: %d of %d sites answer, and %d must: %w", j.Name, answered, len(targets), j.Least, silences(read.silent))
	}
	for t, chunks := range answers.All() {
		read.held[t.Site] = map[string]bool{}
		for i := range chunks {
			read.add(t.Site, j.Name, &chunks[i])
		}
	}
	return read, nil
}

func (r *journalRead) add(site geored.SiteName, name string, c *corev1.ConfigMap) {
	var chunk int
	if _, err := fmt.Sscanf(c.Name[min(len(name), len(c.Name)):], "-%d", &chunk); err == nil {
		r.lastChunk = max(r.lastChunk, chunk)
	}
	for key, line := range c.Data {
		e := &readEntry{entry: entry{chunk, key, line}}
		if _, err := fmt.Sscanf(key, "%d.", &e.seq); err != nil {
			e.err = fmt.Errorf("%w: no record has this key", geored.ErrJournalCorrupt)
		} else {
			e.record, e.err = geored.DecodeRecord([]byte(line))
		}
		r.last = max(r.last, e.seq)
		if e.err != nil {
			e.err = fmt.Errorf("site %s: configmap %s/%s, key %s: %w", site, c.Namespace, c.Name, key, e.err)
		} else {
			r.held[site][key] = true
		}
		if known := r.entries[key]; known == nil || known.err != nil {
			r.entries[key] = e
		}
	}
}

func (r *journalRead) record(key string) (geored.Record, error) {
	return r.entries[key].record, r.entries[key].err
}

// missing are the records that others have and a site has not, in their order.
func (r *journalRead) missing(site geored.SiteName) []entry {
	held, answered := r.held[site]
	if !answered {
		held = map[string]bool{} // it gets all of them: what it has already is only written again
	}
	var missing []entry
	for _, key := range slices.Sorted(maps.Keys(r.entries)) {
		if e := r.entries[key]; e.err == nil && !held[key] {
			missing = append(missing, e.entry)
		}
	}
	return missing
}

// without says who was silent, for whom a fault could have another reason.
func (r *journalRead) without() string {
	text := ""
	for _, s := range r.silent {
		text += "; " + s.Error()
	}
	return text
}
