package ice

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/cassandra"
	cassandrakube "github.com/georedkit/georedkit/cassandra/kube"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/broker"
	"github.com/georedkit/georedkit/kafka/connect"
	"github.com/georedkit/georedkit/kafka/stream"
	strimzikube "github.com/georedkit/georedkit/kafka/strimzi/kube"
	"github.com/georedkit/georedkit/mesh"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
	objectkube "github.com/georedkit/georedkit/objectstore/kube"
	"github.com/georedkit/georedkit/objectstore/s3"
)

// ICE's own names (guide 000, 4.4 and 5).
const (
	namespaceApplications = "ice-arcus"
	namespaceCassandra    = "ice-cassandra"
	namespaceKafka        = "ice-kafka"
	namespaceObjects      = "ice-minio"
	secretCassandra       = "cassandra-credentials"
	secretObjects         = "minio-credentials"
	mirrorDeployment      = "minio-mirror"
)

// RecoveryOptions are what an operator says of an outage.
type RecoveryOptions struct {
	Said OutageSaid
	Away geored.SiteName // whose rows are given up when a rebuild is needed; zero: nobody said
	// ProveOnly leaves the outage alone: nothing is decided and nothing can be changed.
	ProveOnly bool
}

// Recovery binds the stores of ICE, as they are installed in the sites, to a recovery. It reads the stores' credentials
// and connects to nothing else.
func (d *Deployment) Recovery(ctx context.Context, o RecoveryOptions) (*Recovery, error) {
	stores := Stores{Clusters: d.inOrder()}
	r, err := stores.Recovery(ctx, o)
	if err != nil {
		return nil, err
	}
	r.Gates = d.recoveryGates()
	r.Apart, r.Look = d.apart, d.handshakes
	r.Proofs = append(r.Proofs, geored.Check{ID: "site/clock", Title: "the sites' clocks agree", Run: d.clocks})
	return r, nil
}

// recoveryGates are proven in this order before any store is touched: a store behind a dead link, a name that leads
// nowhere or a token that ran out cannot be cured.
func (d *Deployment) recoveryGates() []Gate {
	mend := "ice-install observes what is there and mends it"
	return []Gate{
		{Name: "mesh", Reason: "packets pass between all sites, in both directions", Remedy: "wait for the link, or " + mend, Manual: []string{"wg"},
			Checks: func() []geored.Check { return meshkube.NewKiloProof(d.mesh).Checks() }},
		{Name: "dns", Reason: "every site's name servers answer for all sites: a name server that started during the outage may not", Remedy: mend, Checks: d.dnsChecks},
		{Name: "credentials", Reason: "the tokens with which the sites read each other are valid still", Remedy: mend, Checks: d.credentialChecks},
	}
}

// apart asks every site's API server, and from every site's probe every other site's.
func (d *Deployment) apart(ctx context.Context) []geored.Silence {
	sites := geored.Ask(ctx, d.perSite(), func(ctx context.Context, t geored.Target) (string, error) { return d.Clusters[t.Site].UID(ctx) }, geored.AskBudget(apartBudget))
	ways := geored.Ask(ctx, d.pairs(), func(ctx context.Context, t geored.Target) (struct{}, error) {
		address, _, err := d.mesh.Ends[t.To].Probe.Addresses(ctx, d.Clusters[t.To])
		if err == nil {
			_, err = probe.Ask(ctx, d.probe(t.Site), probe.HTTP{URL: "http://" + net.JoinHostPort(address, strconv.Itoa(probe.HTTPPort)) + "/"})
		}
		return struct{}{}, err
	}, geored.AskBudget(apartBudget))
	return append(sites.Unanswered(), ways.Unanswered()...)
}

const apartBudget = 5 * time.Second

// handshakes are evidence while the link is still down: the last one was when it was up. A fresh one tells of no outage.
func (d *Deployment) handshakes(ctx context.Context) []Evidence {
	var targets []geored.Target
	for _, site := range d.mesh.Network.Sites {
		for _, node := range site.Nodes {
			targets = append(targets, geored.Target{Site: site.Name, Name: node.Name})
		}
	}
	answers := geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (Evidence, error) {
		device, err := d.mesh.Ends[t.Site].Observers.Device(ctx, t.Name, "kilo0")
		if err != nil {
			return Evidence{}, err
		}
		now, err := d.mesh.Ends[t.Site].Observers.Now(ctx)
		return handshakeEvidence(t, device, now), err
	})
	var all []Evidence
	for _, e := range answers.All() {
		all = append(all, e)
	}
	for _, s := range answers.Unanswered() {
		all = append(all, Evidence{Source: "handshakes of " + s.Target.String(), Says: "not known: " + s.Reason})
	}
	return all
}

// handshakeEvidence takes the latest handshake of a node's peers when all of them are old.
func handshakeEvidence(t geored.Target, device mesh.DeviceState, now time.Time) Evidence {
	e := Evidence{Source: "handshakes of " + t.String(), Says: "none was ever made"}
	var latest time.Time
	for _, peer := range device.Peers {
		if peer.LastHandshake.After(latest) {
			latest = peer.LastHandshake
		}
	}
	switch {
	case latest.IsZero():
	case now.Sub(latest) > handshakeAge:
		e.Joined, e.Apart, e.Says = latest, latest.Add(handshakeAge), "the last one with any other site, and the link is down still"
	default:
		e.Says = "the last one is fresh: the link is up, and nothing tells for how long"
	}
	return e
}

// handshakeAge is the age beyond which a handshake tells that the link is down: WireGuard makes a new one every 2 minutes,
// and gives an old one up after 3.
const handshakeAge = 3 * time.Minute

// Stores are ICE's stores in clusters that are joined already.
type Stores struct{ Clusters []*kube.Cluster }

// Recovery binds what is there: an index that no site has is left out.
func (s Stores) Recovery(ctx context.Context, o RecoveryOptions) (*Recovery, error) {
	r := &Recovery{Notes: SiteNotes(s.Clusters), Said: o.Said, ProveOnly: o.ProveOnly, Apart: s.silent}
	for _, cluster := range s.Clusters {
		r.Sites = append(r.Sites, cluster.Site())
	}
	ring, err := s.cassandra(ctx)
	config, err2 := s.kafka()
	objects, err3 := s.objects(ctx)
	if err := errors.Join(err, err2, err3); err != nil {
		return nil, err
	}
	mirrors, err := r.Kafka(KafkaStore{Config: config})
	if err != nil {
		return nil, err
	}
	pods := cassandrakube.Pods{Clusters: s.Clusters, Namespace: namespaceCassandra, Container: "cassandra"}
	r.Stores = []Store{mirrors, r.Cassandra(CassandraStore{Open: ring.open, Tool: pods, Restarter: pods, Away: o.Away})}
	index := &siteContent{ring: ring, objects: objects.Access, clusters: s.Clusters}
	switch there, err := index.exists(ctx); {
	case err != nil:
		return nil, err
	case there:
		r.Stores = append(r.Stores, r.Search(SearchStore{Jobs: syncJobs(s.Clusters), Content: index}))
	}
	r.Stores = append(r.Stores, r.Objects(objects))
	return r, nil
}

func (s Stores) silent(ctx context.Context) []geored.Silence {
	var targets []geored.Target
	for _, cluster := range s.Clusters {
		targets = append(targets, geored.Target{Site: cluster.Site()})
	}
	return geored.Ask(ctx, targets, func(ctx context.Context, t geored.Target) (string, error) { return s.of(t.Site).UID(ctx) }, geored.AskBudget(apartBudget)).Unanswered()
}

func (s Stores) of(site geored.SiteName) *kube.Cluster {
	return s.Clusters[slices.IndexFunc(s.Clusters, func(c *kube.Cluster) bool { return c.Site() == site })]
}

// login reads a user and a password from a Secret of a site.
func login(ctx context.Context, c *kube.Cluster, namespace, name string) (user, password string, err error) {
	secret, err := c.Client().CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", "", fmt.Errorf("site %s: read secret %s/%s: %w", c.Site(), namespace, name, err)
	}
	if user, password = string(secret.Data["user"]), string(secret.Data["password"]); user == "" || password == "" {
		return "", "", fmt.Errorf("site %s: secret %s/%s lacks user or password", c.Site(), namespace, name)
	}
	return user, password, nil
}

// ringAccess reaches Cassandra where its pods are now.
type ringAccess struct {
	Stores
	user     string
	password cassandra.Password
}

func (s Stores) cassandra(ctx context.Context) (ringAccess, error) {
	user, password, err := login(ctx, s.Clusters[0], namespaceCassandra, secretCassandra)
	return ringAccess{s, user, cassandra.Password(password)}, err
}

func (a ringAccess) nodes(ctx context.Context, c *kube.Cluster) ([]string, error) {
	found, err := c.Resolve(ctx, fmt.Sprintf("ice-%s-rack1.%s.svc", c.Site(), namespaceCassandra))
	if err != nil {
		return nil, fmt.Errorf("site %s: %w", c.Site(), err)
	}
	var nodes []string
	for _, address := range found {
		nodes = append(nodes, address.String())
	}
	return nodes, nil
}

func (a ringAccess) open(ctx context.Context) (*cassandra.Cluster, error) {
	config := cassandra.Config{User: a.user, Password: a.password, Dial: kube.DialAny(a.Clusters...), ConnectTimeout: 5 * time.Second, Timeout: 30 * time.Second}
	for _, c := range a.Clusters {
		nodes, err := a.nodes(ctx, c)
		if err != nil {
			return nil, err
		}
		config.Sites = append(config.Sites, cassandra.Site{Name: c.Site(), Nodes: nodes})
	}
	return cassandra.Open(config)
}

// kafka reaches brokers and workers by the names that they advertise. A site has a worker for each other site.
func (s Stores) kafka() (kafka.Config, error) {
	config := kafka.Config{}
	var names []geored.SiteName
	for _, cluster := range s.Clusters {
		names = append(names, cluster.Site())
		site, err := s.kafkaSite(cluster)
		if err != nil {
			return config, err
		}
		config.Sites = append(config.Sites, site)
	}
	config.Mirrors = kafka.MirrorsBothWays(names...)
	return config, nil
}

func (s Stores) kafkaSite(cluster *kube.Cluster) (kafka.Site, error) {
	name := cluster.Site()
	access := kafka.Access{Site: name, Bootstrap: []string{fmt.Sprintf("kafka-%s-0.kafka-%[1]s.%s.svc.cluster.local:9092", name, namespaceKafka)}, Dial: cluster.Dial}
	brokers, err := broker.Open(access)
	if err != nil {
		return kafka.Site{}, err
	}
	records, err := stream.Open(access)
	if err != nil {
		return kafka.Site{}, err
	}
	other := s.Clusters[slices.IndexFunc(s.Clusters, func(c *kube.Cluster) bool { return c != cluster })].Site()
	resource := strimzikube.Resource{Cluster: cluster, Namespace: namespaceKafka, Name: "mm-" + string(other)}
	worker, err := connect.New(connect.Config{URL: fmt.Sprintf("http://%s-mirrormaker2-api.%s.svc:8083", resource.Name, namespaceKafka),
		HTTP: &http.Client{Transport: &http.Transport{DialContext: cluster.Dial, DisableKeepAlives: true}}})
	return kafka.Site{Name: name, Brokers: brokers, Records: records, Worker: worker, Messenger: brokers, Resource: resource,
		Control: strimzikube.Control{Control: worker, Resource: resource}}, err
}

func (s Stores) objects(ctx context.Context) (ObjectStore, error) {
	mirrors := objectkube.Mirrors{Namespace: namespaceObjects, Deployment: mirrorDeployment}
	o := ObjectStore{Access: map[geored.SiteName]ObjectAccess{}}
	for _, c := range s.Clusters {
		mirrors.Clusters = append(mirrors.Clusters, c)
		user, password, err := login(ctx, c, namespaceObjects, secretObjects)
		if err != nil {
			return o, err
		}
		client, err := s3.New(s3.Config{Site: c.Site(), URL: fmt.Sprintf("http://minio-%s.%s.svc:9000", c.Site(), namespaceObjects), AccessKey: user,
			SecretKey: s3.NewSecret(password), Attempts: 2, Transport: &http.Transport{DialContext: c.Dial, MaxIdleConnsPerHost: 8}})
		if err != nil {
			return o, err
		}
		o.Access[c.Site()] = client
		removes, err := mirrorRemoves(ctx, c)
		if err != nil {
			return o, err
		}
		o.Removes = o.Removes || removes
	}
	o.Mirrors = mirrors
	return o, nil
}

// mirrorRemoves says whether a site's mirror was started with --remove.
func mirrorRemoves(ctx context.Context, c *kube.Cluster) (bool, error) {
	deployment, err := c.Client().AppsV1().Deployments(namespaceObjects).Get(ctx, mirrorDeployment, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, fmt.Errorf("site %s: deployment %s/%s: there is none: nothing mirrors its objects", c.Site(), namespaceObjects, mirrorDeployment)
	}
	if err != nil {
		return false, fmt.Errorf("site %s: %w", c.Site(), err)
	}
	return slices.ContainsFunc(deployment.Spec.Template.Spec.Containers, func(container corev1.Container) bool {
		return slices.ContainsFunc(append(container.Command, container.Args...), func(a string) bool { return strings.HasPrefix(a, "--remove") })
	}), nil
}
