package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/georedkit/georedkit/geored"
)

// replica is a journal at one site.
type replica struct {
	journal *JournalConfig
	cluster *Cluster

	mu     sync.Mutex
	missed []entry   // what the site does not have yet
	rest   time.Time // not asked before
	reason string    // why it misses something
}

// send writes what was missed and the batch. What fails is kept for the next time.
func (r *replica) send(ctx context.Context, batch []entry) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.missed = append(r.missed, batch...)
	if r.journal.Clock.Now().Before(r.rest) {
		return fmt.Errorf("site %s: %s", r.cluster.site, r.reason)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, siteBudget, geored.ErrBudget)
	defer cancel()
	for len(r.missed) > 0 {
		n, err := r.write(ctx)
		if err != nil {
			r.reason, r.rest = err.Error(), r.journal.Clock.Now().Add(siteRest)
			return fmt.Errorf("site %s: %w", r.cluster.site, err)
		}
		r.missed = r.missed[n:]
	}
	r.missed, r.reason = nil, ""
	return nil
}

// behind says why the site does not have all records; "" when it has.
func (r *replica) behind() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reason == "" && len(r.missed) > 0 {
		return fmt.Sprintf("%d records are still to be written there", len(r.missed))
	}
	return r.reason
}

// write adds the first missed records, as many as belong into one chunk, and says how many they were.
func (r *replica) write(ctx context.Context) (int, error) {
	chunk, data, n := r.missed[0].chunk, map[string]string{}, 0
	for ; n < len(r.missed) && r.missed[n].chunk == chunk; n++ {
		data[r.missed[n].key] = r.missed[n].line
	}
	configMaps := r.cluster.client.CoreV1().ConfigMaps(r.journal.Namespace)
	name := fmt.Sprintf("%s-%06d", r.journal.Name, chunk)
	patch, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		return 0, err
	}
	_, err = configMaps.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: FieldManager})
	if apierrors.IsNotFound(err) {
		first := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{journalLabel: r.journal.Name}}, Data: data}
		_, err = configMaps.Create(ctx, first, metav1.CreateOptions{FieldManager: FieldManager})
	}
	return n, err
}

// chunks are the site's ConfigMaps.
func (r *replica) chunks(ctx context.Context) ([]corev1.ConfigMap, error) {
	list, err := r.cluster.client.CoreV1().ConfigMaps(r.journal.Namespace).List(ctx, metav1.ListOptions{LabelSelector: journalLabel + "=" + r.journal.Name})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}
