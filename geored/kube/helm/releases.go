package helm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// Releases are the releases of one cluster.
type Releases struct {
	Cluster *kube.Cluster
	// Lock is what the run holds. It is checked before a release that a killed run left pending is repaired. Zero: such a
	// release is an error.
	Lock   geored.Lock
	Logger *slog.Logger // for what Helm tells while it works; zero: none
}

// Release is what is wanted of one release.
type Release struct {
	Name      string
	Namespace string // must be there
	Chart     Chart
	Values    Values
	// Edit changes the rendered objects before they are sent. What it makes of them is part of what is wanted: Edited must
	// name it. Zero: they are sent as they are.
	Edit   func([]*kube.Object) ([]*kube.Object, error)
	Edited string // up to 63 letters, digits, dashes, dots
	// NoWait makes a release done when Helm has sent its objects: for those that must hang until a later step.
	NoWait bool
	// Adopt takes over objects that are there already and that no release owns.
	Adopt bool
}

// Marks on a release, as labels of Helm's.
const (
	digestLabel = "georedkit-chart" // the beginning of the digest: a label's value holds 63 letters
	editedLabel = "georedkit-edited"
)

func (w Release) labels() map[string]string {
	labels := map[string]string{digestLabel: shortDigest(w.Chart.Digest), editedLabel: w.Edited}
	if w.Edited == "" {
		labels[editedLabel] = "null" // which is how Helm forgets a label
	}
	return labels
}

func shortDigest(digest string) string {
	const prefix, length = len("sha256:"), 40
	if len(digest) < prefix+length {
		return "none"
	}
	return digest[prefix : prefix+length]
}

// store is where Helm keeps releases: Secrets of the release's namespace.
func (r Releases) store(namespace string) *storage.Storage {
	store := storage.Init(driver.NewSecrets(r.Cluster.Client().CoreV1().Secrets(namespace)))
	store.Log = r.log
	return store
}

func (r Releases) log(format string, args ...any) {
	if r.Logger != nil {
		r.Logger.Debug(fmt.Sprintf(format, args...), "site", r.Cluster.Site(), "from", "helm")
	}
}

// last is the newest revision of a release; nil when there is none.
func (r Releases) last(ctx context.Context, name, namespace string) (*release.Release, error) {
	found, err := within(ctx, func() (*release.Release, error) { return r.store(namespace).Last(name) })
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("release %s/%s: %w", namespace, name, err)
	}
	return found, nil
}

// configuration is what Helm's actions need.
func (r Releases) configuration(namespace string) (*action.Configuration, error) {
	getter := &clientGetter{cluster: r.Cluster, namespace: namespace}
	config := &action.Configuration{}
	if err := config.Init(getter, namespace, "secret", r.log); err != nil {
		return nil, err
	}
	return config, nil
}

// clientGetter is how Helm asks for its clients.
type clientGetter struct {
	cluster   *kube.Cluster
	namespace string
}

func (g *clientGetter) ToRESTConfig() (*rest.Config, error) { return g.cluster.Config(), nil }

func (g *clientGetter) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	return memory.NewMemCacheClient(g.cluster.Client().Discovery()), nil
}

func (g *clientGetter) ToRESTMapper() (meta.RESTMapper, error) { return g.cluster.Mapper(), nil }

func (g *clientGetter) ToRawKubeConfigLoader() clientcmd.ClientConfig {
	return clientcmd.NewDefaultClientConfig(clientcmdapi.Config{}, &clientcmd.ConfigOverrides{Context: clientcmdapi.Context{Namespace: g.namespace}})
}

// grace is how long a change that is under way may go on when its context ends: objects half sent are worse.
const grace = 10 * time.Second

// within waits for a call that takes no context, no longer than the context lives.
func within[T any](ctx context.Context, call func() (T, error)) (T, error) {
	return finish(ctx, 0, call)
}

// finish is within for calls that change something.
func finish[T any](ctx context.Context, grace time.Duration, call func() (T, error)) (T, error) {
	type reply struct {
		value T
		err   error
	}
	came := make(chan reply, 1)
	go func() {
		value, err := call()
		came <- reply{value, err}
	}()
	select {
	case r := <-came:
		return r.value, r.err
	case <-ctx.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case r := <-came:
		return r.value, r.err
	case <-timer.C:
		var none T
		return none, context.Cause(ctx)
	}
}
