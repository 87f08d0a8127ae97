package helm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/dnsfed/coredns"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// Record is the ConfigMap of kube-system that holds what served before an adoption, one object each as it was, so that it
// can be brought back, by kubectl apply too.
const Record = "georedkit-dns-before"

// writeDown adds to the record what the release is about to take over or to replace. What stands there already is older,
// and stays.
func (a Adoption) writeDown(ctx context.Context) error {
	before, err := a.before(ctx)
	if err != nil {
		return err
	}
	maps := a.cluster().Client().CoreV1().ConfigMaps(coredns.Namespace)
	record, err := maps.Get(ctx, Record, metav1.GetOptions{})
	fresh := apierrors.IsNotFound(err)
	if err != nil && !fresh {
		return err
	}
	if fresh {
		record = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: coredns.Namespace, Name: Record, Labels: map[string]string{"app.kubernetes.io/managed-by": kube.FieldManager}}}
	}
	added, err := add(record, before)
	switch {
	case err != nil || !added:
		return err
	case fresh:
		_, err = maps.Create(ctx, record, metav1.CreateOptions{FieldManager: kube.FieldManager})
	default:
		_, err = maps.Update(ctx, record, metav1.UpdateOptions{FieldManager: kube.FieldManager})
	}
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return geored.Retriable(err)
	}
	return err
}

// before is what the release takes over, and the other name servers with their Corefiles.
func (a Adoption) before(ctx context.Context) ([]*kube.Object, error) {
	wanted := a.Wanted
	wanted.Adopt = true
	conflicts, err := a.Releases.Conflicts(ctx, wanted)
	if err != nil {
		return nil, err
	}
	var found []*kube.Object
	for _, c := range conflicts {
		if c.Live.GetKind() == "Secret" {
			return nil, fmt.Errorf("the chart would take over %s: what it holds is not written down; rename one of the two", c.Object)
		}
		found = append(found, c.Live)
	}
	others, err := a.others(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range others {
		wanted := []*kube.Object{deployment(d.Name)}
		if d.ConfigMap != "" {
			wanted = append(wanted, object("v1", "ConfigMap", d.ConfigMap))
		}
		for _, o := range wanted {
			live, there, err := a.cluster().Live(ctx, o)
			if err != nil {
				return nil, err
			}
			if there {
				found = append(found, live)
			}
		}
	}
	return found, nil
}

// add says whether there was anything to add. A ConfigMap comes first when it is brought back, and a Service last.
func add(record *corev1.ConfigMap, objects []*kube.Object) (bool, error) {
	added := false
	for _, o := range objects {
		key := strings.ReplaceAll(strings.ToLower(o.GetKind())+"."+o.GetName(), ":", "_") + ".json"
		if _, there := record.Data[key]; there {
			continue
		}
		text, err := kube.AsWritten(o).MarshalJSON()
		if err != nil {
			return false, err
		}
		if record.Data == nil {
			record.Data = map[string]string{}
		}
		record.Data[key], added = string(text), true
	}
	return added, nil
}

// errNoRecord: an adoption by hand, or by a program that kept none.
var errNoRecord = errors.New("configmap " + coredns.Namespace + "/" + Record + " is not there: what served before is not known")

// recorded are the objects of the record, sorted by kind and name; false when there is no record.
func (a Adoption) recorded(ctx context.Context) ([]*kube.Object, bool, error) {
	record, err := a.cluster().Client().CoreV1().ConfigMaps(coredns.Namespace).Get(ctx, Record, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	var objects []*kube.Object
	for _, key := range slices.Sorted(maps.Keys(record.Data)) {
		read, err := kube.ReadObjects([]byte(record.Data[key]))
		if err != nil {
			return nil, true, fmt.Errorf("configmap %s: %s: %w", Record, key, err)
		}
		objects = append(objects, read...)
	}
	return objects, true, nil
}
