package ice

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/cassandra"
	cassandrakube "github.com/georedkit/georedkit/cassandra/kube"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/broker"
	"github.com/georedkit/georedkit/kafka/connect"
	"github.com/georedkit/georedkit/kafka/stream"
	strimzikube "github.com/georedkit/georedkit/kafka/strimzi/kube"
	"github.com/georedkit/georedkit/objectstore"
	objectkube "github.com/georedkit/georedkit/objectstore/kube"
	"github.com/georedkit/georedkit/objectstore/s3"
)

// Secrets in which the product keeps who may use its stores, with the keys user and password.
const (
	cassandraSecret = "cassandra-credentials"
	minioSecret     = "minio-credentials"
)

const (
	keyspace     = "dev"   // of the product (ICE guide, 4.4.5)
	filesBucket  = "files" // the only one that is mirrored (ICE guide, 5.4)
	mirrorDeploy = "minio-mirror"
)

// login is a user of a store; the password stays in the types of the stores' own packages.
type login struct{ user, password string }

func (d *Deployment) login(ctx context.Context, site geored.SiteName, namespace, secret string) (login, error) {
	found, err := d.Clusters[site].Client().CoreV1().Secrets(namespace).Get(ctx, secret, metav1.GetOptions{})
	if err != nil {
		return login{}, err
	}
	l := login{string(found.Data["user"]), string(found.Data["password"])}
	if l.user == "" || l.password == "" {
		return login{}, fmt.Errorf("secret %s/%s has no keys user and password", namespace, secret)
	}
	return l, nil
}

// ringName is the StatefulSet of a site's Cassandra nodes, and its Service.
func ringName(site geored.SiteName) string { return "ice-" + string(site) + "-rack1" }

func (d *Deployment) cassandraPods() cassandrakube.Pods {
	return cassandrakube.Pods{Clusters: d.inOrder(), Namespace: cassandraNamespace, Container: "cassandra"}
}

// ring is the ring, reached through the API servers at its pods' addresses of the moment. A site whose API server is silent is
// an error: of its nodes nothing is known, and silence is no node that is down. The caller closes it.
func (d *Deployment) ring(ctx context.Context) (*cassandra.Cluster, error) {
	who, err := d.login(ctx, d.first(), cassandraNamespace, cassandraSecret)
	if err != nil {
		return nil, err
	}
	config := cassandra.Config{User: who.user, Password: cassandra.NewPassword(who.password), Dial: kube.DialAny(d.inOrder()...), ConnectTimeout: 15 * time.Second, Logger: d.options.Logger}
	at := map[string]*kube.Cluster{}
	for _, site := range d.Topology.Sites {
		name := ringName(site.Name) + "." + cassandraNamespace + ".svc"
		at[name] = d.Clusters[site.Name]
		if _, err := at[name].Resolve(ctx, name); err != nil && !errors.Is(err, kube.ErrNoPod) {
			return nil, err
		}
		config.Sites = append(config.Sites, cassandra.Site{Name: site.Name, Nodes: []string{name}})
	}
	config.Resolve = func(ctx context.Context, host string) ([]netip.Addr, error) { return at[host].Resolve(ctx, host) }
	return cassandra.Open(config)
}

// mirrorMaker is the resource that mirrors into a site, named after where it mirrors from (ICE guide, 5.1.1).
func (d *Deployment) mirrorMaker(m kafka.Mirror) strimzikube.Resource {
	return strimzikube.Resource{Cluster: d.Clusters[m.To], Namespace: kafkaNamespace, Name: "mm-" + string(m.From)}
}

// brokers names a site's Kafka as its own brokers do.
func brokers(site geored.SiteName) string {
	return fmt.Sprintf("kafka-%s-0.kafka-%[1]s.%s.svc.cluster.local:9092", site, kafkaNamespace)
}

// worker is the Connect REST API of a mirror.
func (d *Deployment) worker(m kafka.Mirror) (*connect.Client, error) {
	return connect.New(connect.Config{URL: fmt.Sprintf("http://%s-mirrormaker2-api.%s.svc:8083", d.mirrorMaker(m).Name, kafkaNamespace),
		HTTP: &http.Client{Transport: &http.Transport{DialContext: d.Clusters[m.To].Dial, DisableKeepAlives: true}}})
}

// replication is one mirror with the brokers at both its ends: a site has a worker for every other. It connects to nothing
// yet; the caller ends it.
func (d *Deployment) replication(m kafka.Mirror) (r *kafka.Replication, end func(), err error) {
	resource := d.mirrorMaker(m)
	worker, err := d.worker(m)
	if err != nil {
		return nil, nil, err
	}
	from, err1 := d.kafkaSite(m.From)
	to, err2 := d.kafkaSite(m.To)
	end = func() {
		for _, site := range []kafka.Site{from, to} {
			if b, ok := site.Messenger.(*broker.Cluster); ok {
				b.Close()
			}
		}
	}
	if err := errors.Join(err1, err2); err != nil {
		end()
		return nil, nil, err
	}
	to.Worker, to.Resource, to.Restarter, to.Pods = worker, resource, worker, strimzikube.Workers{resource}
	to.Control = strimzikube.Control{Control: worker, Resource: resource}
	r, err = kafka.New(kafka.Config{Sites: []kafka.Site{from, to}, Mirrors: []kafka.Mirror{m}, Budget: 40 * time.Second})
	return r, end, err
}

func (d *Deployment) kafkaSite(site geored.SiteName) (kafka.Site, error) {
	access := kafka.Access{Site: site, Bootstrap: []string{brokers(site)}, Dial: d.Clusters[site].Dial, Timeout: 15 * time.Second}
	records, err := stream.Open(access)
	if err != nil {
		return kafka.Site{}, fmt.Errorf("site %s: %w", site, err)
	}
	b, err := broker.Open(access)
	if err != nil {
		return kafka.Site{}, fmt.Errorf("site %s: %w", site, err)
	}
	return kafka.Site{Name: site, Brokers: b, Records: records, Messenger: b}, nil
}

// store is MinIO of a site.
func (d *Deployment) store(ctx context.Context, site geored.SiteName) (*s3.Client, error) {
	who, err := d.login(ctx, site, minioNamespace, minioSecret)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{DialContext: d.Clusters[site].Dial, MaxIdleConnsPerHost: 8}
	d.closeLater(transport.CloseIdleConnections)
	return s3.New(s3.Config{Site: site, URL: fmt.Sprintf("http://minio-%s.%s.svc:9000", site, minioNamespace), AccessKey: who.user,
		SecretKey: s3.NewSecret(who.password), Transport: transport})
}

// objectMirrors are the pods that copy the objects.
func (d *Deployment) objectMirrors() objectkube.Mirrors {
	m := objectkube.Mirrors{Namespace: minioNamespace, Deployment: mirrorDeploy}
	for _, cluster := range d.inOrder() {
		m.Clusters = append(m.Clusters, cluster)
	}
	return m
}

// objects compares the sites' files.
func (d *Deployment) objects(ctx context.Context) (objectstore.Comparer, error) {
	c := objectstore.Comparer{Buckets: []string{filesBucket}, Effort: objectstore.Bytes}
	for _, site := range d.Topology.Sites {
		store, err := d.store(ctx, site.Name)
		if err != nil {
			return c, fmt.Errorf("site %s: %w", site.Name, err)
		}
		c.Sites = append(c.Sites, objectstore.Site{Name: site.Name, Store: store})
	}
	return c, nil
}
