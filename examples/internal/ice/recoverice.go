package ice

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	miniocreds "github.com/minio/minio-go/v7/pkg/credentials"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/connect"
	strimzikube "github.com/georedkit/georedkit/kafka/strimzi/kube"
	"github.com/georedkit/georedkit/mesh"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

// RecoveryOptions are what an operator says of an outage.
type RecoveryOptions struct {
	Said OutageSaid
	Away geored.SiteName // whose rows are given up when a rebuild is needed; zero: nobody said
	Keep geored.SiteName // whose schema stays when no version of it has most nodes; zero: nobody said
	// ProveOnly leaves the outage alone: nothing is decided and nothing can be changed.
	ProveOnly bool
}

// Recovery binds the stores of ICE, as they are installed in the sites, to a recovery. It reads the stores' credentials
// and connects to nothing else.
func (d *Deployment) Recovery(ctx context.Context, o RecoveryOptions) (*Recovery, error) {
	r, err := d.RecoverStores(ctx, o)
	if err != nil {
		return nil, err
	}
	r.Gates = d.recoveryGates()
	r.Apart, r.Look, r.Skewed = d.apart, d.look, d.skewed
	r.Proofs = append(r.Proofs, geored.Check{ID: "site/clock", Title: "the sites' clocks agree", Run: d.clocks})
	return r, nil
}

// RecoverStores is [Deployment.Recovery] for sites that something else than Kilo and ICE's DNS has joined: without gates,
// and going apart means that an API server does not answer. An index that no site has is left out.
func (d *Deployment) RecoverStores(ctx context.Context, o RecoveryOptions) (*Recovery, error) {
	r := &Recovery{Notes: SiteNotes(d.inOrder()), Said: o.Said, ProveOnly: o.ProveOnly, AskAgain: 3 * time.Minute, Lock: d.held, Sites: d.Topology.Names(), Apart: func(ctx context.Context) []geored.Silence { return d.silent(ctx).Unanswered() }}
	if len(r.Sites) != 2 {
		return nil, geored.Faults{{Field: "sites", Value: fmt.Sprint(len(r.Sites)), Problem: "ICE mirrors between two sites", Remedy: "list these two"}}
	}
	config, err := d.kafkaConfig(r.Sites)
	objects, err2 := d.objectStore(ctx)
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	mirrors, err := r.Kafka(KafkaStore{Config: config})
	if err != nil {
		return nil, err
	}
	r.Stores = []Store{mirrors, r.Cassandra(CassandraStore{Open: d.ring, Tool: d.cassandraPods(), Restarter: d.cassandraPods(), Away: o.Away, Keep: o.Keep})}
	index := &siteContent{Deployment: d, objects: objects.Access}
	switch there, err := index.exists(ctx); {
	case err != nil:
		return nil, err
	case there:
		r.Stores = append(r.Stores, r.Search(SearchStore{Jobs: syncJobs{d}, Content: index}))
	}
	r.Stores = append(r.Stores, r.Objects(objects))
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

// apart asks every site's API server, and meanwhile from every site's probe every other site's.
func (d *Deployment) apart(ctx context.Context) []geored.Silence {
	sites := make(chan []geored.Silence, 1)
	go func() { sites <- d.silent(ctx).Unanswered() }()
	ways := geored.Ask(ctx, d.pairs(), func(ctx context.Context, t geored.Target) (struct{}, error) {
		address, _, err := d.mesh.Ends[t.To].Probe.Addresses(ctx, d.Clusters[t.To])
		if err == nil {
			_, err = probe.Ask(ctx, d.probe(t.Site), probe.HTTP{URL: "http://" + net.JoinHostPort(address, strconv.Itoa(probe.HTTPPort)) + "/", Timeout: wayPatience})
		}
		return struct{}{}, err
	}, geored.AskBudget(apartBudget))
	return append(<-sites, ways.Unanswered()...)
}

// wayPatience is long enough for a packet that was lost to be sent again; a link that is cut must not take up the time in which
// it may have come back.
const wayPatience = 2 * time.Second

// skewed refuses a machine whose clock is not the sites': the length of an outage is told by both. Sites that are silent tell
// nothing of it.
func (d *Deployment) skewed(ctx context.Context) error {
	answers := geored.Ask(ctx, d.perSite(), func(ctx context.Context, t geored.Target) (time.Duration, error) {
		now, err := d.Clusters[t.Site].ServerTime(ctx)
		return time.Since(now), err
	}, geored.AskBudget(apartBudget))
	var faults geored.Faults
	for t, ahead := range answers.All() {
		if ahead.Abs() > skewFail {
			faults = append(faults, geored.Fault{Site: t.Site, Field: "clock", Value: clockText(time.Now()),
				Problem: fmt.Sprintf("this machine's clock is %s off the API server's: the length of the outage cannot be told", geored.RoundDuration(ahead.Abs())), Remedy: "let NTP set both, and start again"})
		}
	}
	return faults.Err()
}

// silent asks every site's API server.
func (d *Deployment) silent(ctx context.Context) geored.Answers[string] {
	return geored.Ask(ctx, d.perSite(), func(ctx context.Context, t geored.Target) (string, error) { return d.Clusters[t.Site].UID(ctx) }, geored.AskBudget(apartBudget))
}

const apartBudget = 5 * time.Second

// handshakes are evidence while the link is still down: the last one was when it was up. A fresh one tells of no outage.
func (d *Deployment) handshakes(ctx context.Context, t geored.Target) (Evidence, error) {
	device, err := d.mesh.Ends[t.Site].Observers.Device(ctx, t.Name, "kilo0")
	if err != nil {
		return Evidence{}, err
	}
	now, err := d.mesh.Ends[t.Site].Observers.Now(ctx)
	var elsewhere []netip.Prefix
	for _, s := range d.Topology.Sites {
		if s.Name != t.Site {
			elsewhere = append(elsewhere, slices.Concat(s.Pods, s.Services)...)
		}
	}
	return handshakeEvidence(t, device, elsewhere, now), err
}

// handshakeEvidence takes the latest handshake with a peer that leads elsewhere when all of them are old: a node of the same
// site, or one that is of no site at all, is heard whatever became of the link.
func handshakeEvidence(t geored.Target, device mesh.DeviceState, elsewhere []netip.Prefix, now time.Time) Evidence {
	e := Evidence{Source: "handshakes of " + t.String(), Says: "none was ever made"}
	var latest time.Time
	for _, peer := range device.Peers {
		leads := slices.ContainsFunc(peer.AllowedIPs, func(p netip.Prefix) bool { return slices.ContainsFunc(elsewhere, p.Overlaps) })
		if leads && peer.LastHandshake.After(latest) {
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

// kafkaConfig has a mirror each way, each with the worker of the site that it writes into.
func (d *Deployment) kafkaConfig(sites []geored.SiteName) (kafka.Config, error) {
	config := kafka.Config{Mirrors: kafka.MirrorsBothWays(sites...), Budget: lookBudget}
	for _, m := range config.Mirrors {
		site, err := d.kafkaSite(m.To)
		if err != nil {
			return config, err
		}
		resource := d.mirrorMaker(m)
		worker, err := connect.New(connect.Config{URL: fmt.Sprintf("http://%s-mirrormaker2-api.%s.svc:8083", resource.Name, kafkaNamespace),
			HTTP: &http.Client{Transport: &http.Transport{DialContext: d.Clusters[m.To].Dial, DisableKeepAlives: true}}})
		if err != nil {
			return config, err
		}
		site.Worker, site.Resource, site.Control = worker, resource, strimzikube.Control{Control: worker, Resource: resource}
		config.Sites = append(config.Sites, site)
	}
	return config, nil
}

func (d *Deployment) objectStore(ctx context.Context) (ObjectStore, error) {
	o := ObjectStore{Access: map[geored.SiteName]ObjectAccess{}, Mirrors: d.objectMirrors(), MakeBucket: d.makeBucket}
	for _, site := range d.Topology.Sites {
		client, err := d.store(ctx, site.Name)
		if err != nil {
			return o, fmt.Errorf("site %s: %w", site.Name, err)
		}
		o.Access[site.Name] = client
		removes, err := mirrorRemoves(ctx, d.Clusters[site.Name])
		if err != nil {
			return o, err
		}
		o.Removes = o.Removes || removes
	}
	return o, nil
}

// makeBucket makes the bucket that is mirrored, where it is not.
func (d *Deployment) makeBucket(ctx context.Context, site geored.SiteName) error {
	who, err := d.login(ctx, site, minioNamespace, minioSecret)
	if err != nil {
		return err
	}
	client, err := minio.New(fmt.Sprintf("minio-%s.%s.svc:9000", site, minioNamespace), &minio.Options{Creds: miniocreds.NewStaticV4(who.user, who.password, ""),
		Transport: &http.Transport{DialContext: d.Clusters[site].Dial, DisableKeepAlives: true}})
	if err != nil {
		return err
	}
	err = client.MakeBucket(ctx, filesBucket, minio.MakeBucketOptions{})
	if code := minio.ToErrorResponse(err).Code; code == minio.BucketAlreadyOwnedByYou {
		return nil
	}
	return err
}

// mirrorRemoves says whether a site's mirror was started with --remove.
func mirrorRemoves(ctx context.Context, c *kube.Cluster) (bool, error) {
	deployment, err := c.Client().AppsV1().Deployments(minioNamespace).Get(ctx, mirrorDeploy, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, fmt.Errorf("site %s: deployment %s/%s: there is none: nothing mirrors its objects", c.Site(), minioNamespace, mirrorDeploy)
	}
	if err != nil {
		return false, fmt.Errorf("site %s: %w", c.Site(), err)
	}
	return slices.ContainsFunc(deployment.Spec.Template.Spec.Containers, func(container corev1.Container) bool {
		return strings.Contains(strings.Join(slices.Concat(container.Command, container.Args), " "), "--remove") // a shell may start it
	}), nil
}
