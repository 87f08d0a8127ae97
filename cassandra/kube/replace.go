package kube

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// Replacer has a pod of a StatefulSet that lost its volume start with an empty one, in the place of the node that ran in
// it. For that start alone the StatefulSet's template gets the option for Java, and update strategy OnDelete, so that no
// other pod starts anew. What was there before stands in an annotation until [Replacer.End] gives it back. Where an
// operator makes the StatefulSet, have it leave it alone meanwhile.
//
// A volume is lost when its claim is: its phase is Lost, which is irrevocable. That comes of taking the volume away, with
// kubectl delete pv NAME and its finalizers. Never delete the claim of a lost node by hand: the next pod starts at once on
// an empty volume, and could join with no rows.
//
// It needs the rights to get and patch statefulsets, get and delete pods, and get and delete persistentvolumeclaims.
type Replacer struct {
	Pods
	// Pod is the one whose volume is lost, as "ring-dc1-0". Required.
	Pod string
	// Variable of the container's environment holds options for Java. Zero: JVM_EXTRA_OPTS, as Cassandra's own scripts
	// have it.
	Variable string
	// Environment is what else the container needs for that start alone: above all its seeds without the pod's own name,
	// for a seed takes no rows from others and refuses to start as a replacement.
	Environment map[string]string
	Clock       geored.Clock // zero: [geored.SystemClock]
}

var _ cassandra.Replacer = Replacer{}

// Lost is the loss of all volumes of a pod that does not run.
func (r Replacer) Lost(ctx context.Context, n cassandra.Node) (string, error) {
	s, err := r.look(ctx, n)
	if err == nil {
		err = s.alive(n)
	}
	if err != nil {
		return "", r.wrap(n, err)
	}
	var lost []string
	for _, name := range s.absent {
		lost = append(lost, fmt.Sprintf("claim %s was lost and is given up", name))
	}
	for _, c := range s.claims {
		lost = append(lost, fmt.Sprintf("claim %s has lost volume %s", c.Name, c.Spec.VolumeName))
	}
	return strings.Join(lost, ", "), nil
}

func (r Replacer) wrap(n cassandra.Node, err error) error {
	return fmt.Errorf("site %s: replace pod %s/%s: %w", n.Site, r.Namespace, r.Pod, err)
}

// Progress tells from the StatefulSet's annotation, the pod and its claims how far the replacement is.
func (r Replacer) Progress(ctx context.Context, n cassandra.Node) (cassandra.ReplaceProgress, error) {
	s, err := r.look(ctx, n)
	if err != nil {
		return cassandra.ReplaceNotBegun, r.wrap(n, err)
	}
	switch {
	case s.note.Node != n.HostID || !s.note.Ended && len(s.lostClaims())+len(s.absent) > 0:
		return cassandra.ReplaceNotBegun, nil
	case !s.note.Ended || s.pod != nil && s.isReplacing(s.pod.Spec):
		return cassandra.ReplaceBegun, nil
	}
	return cassandra.ReplaceEnded, nil
}

// seen is the pod, and what it is made from, at one look.
type seen struct {
	Replacer
	cluster *kube.Cluster
	set     setSeen
	pod     *corev1.Pod // nil: there is none now
	claims  []corev1.PersistentVolumeClaim
	absent  []string // claims that are not there now
	note    note
}

// look reads the StatefulSet, the pod and all its claims.
func (r Replacer) look(ctx context.Context, n cassandra.Node) (seen, error) {
	s := seen{Replacer: r}
	dash := strings.LastIndexByte(r.Pod, '-')
	ordinal, err := strconv.Atoi(r.Pod[dash+1:])
	if dash < 1 || err != nil {
		return s, fmt.Errorf("it is no pod of a StatefulSet: its name ends in no number")
	}
	if s.cluster, err = r.cluster(n.Site); err != nil {
		return s, err
	}
	core := s.cluster.Client().CoreV1()
	if s.set, err = r.readSet(ctx, s.cluster, r.Pod[:dash], ordinal); err != nil {
		return s, err
	}
	if s.note, err = readNote(s.set.Annotations[noteKey]); err != nil {
		return s, err
	}
	if s.pod, err = core.Pods(r.Namespace).Get(ctx, r.Pod, metav1.GetOptions{}); apierrors.IsNotFound(err) {
		s.pod, err = nil, nil
	}
	if err != nil {
		return s, err
	}
	for _, t := range s.set.Spec.VolumeClaimTemplates {
		name := t.Name + "-" + r.Pod
		claim, err := core.PersistentVolumeClaims(r.Namespace).Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			s.absent = append(s.absent, name)
		case err != nil:
			return s, err
		default:
			s.claims = append(s.claims, *claim)
		}
	}
	return s, nil
}

// alive says why the node may come back: its pod runs, as far as its cluster knows, or a volume of it is there. Claims that
// are missing were lost when the replacement had begun.
func (s seen) alive(n cassandra.Node) error {
	if s.pod != nil && s.pod.Status.Phase != corev1.PodPending {
		return fmt.Errorf("its phase is %s: as far as its cluster knows it runs", s.pod.Status.Phase)
	}
	if begun := s.note.Node == n.HostID && !s.note.Ended; len(s.absent) > 0 && !begun || len(s.absent)+len(s.claims) == 0 {
		return fmt.Errorf("nothing shows what became of its volumes: claims %v are not there", s.absent)
	}
	for _, c := range s.claims {
		if c.Status.Phase != corev1.ClaimLost {
			return fmt.Errorf("claim %s is %s to volume %s; when that is gone for good, take it away: kubectl delete pv, with its finalizers", c.Name, c.Status.Phase, c.Spec.VolumeName)
		}
	}
	return nil
}

func (s seen) lostClaims() []corev1.PersistentVolumeClaim {
	var lost []corev1.PersistentVolumeClaim
	for _, c := range s.claims {
		if c.Status.Phase == corev1.ClaimLost {
			lost = append(lost, c)
		}
	}
	return lost
}
