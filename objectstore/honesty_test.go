package objectstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/objectstore"
)

// recordedStore answers from what was recorded of a site's store. What is written is not: a canary must arrive each time.
type recordedStore struct {
	objectstore.Reader
	answers *geotest.Recorded
	site    geored.SiteName
}

func (s recordedStore) question(what string, of any) string {
	return fmt.Sprintf("%s: %s %v", s.site, what, of)
}

func (s recordedStore) Buckets(ctx context.Context) ([]string, error) {
	return geotest.Recall(s.answers, s.question("buckets", ""), func() ([]string, error) { return s.Reader.Buckets(ctx) })
}

func (s recordedStore) Bucket(ctx context.Context, name string) (objectstore.Bucket, error) {
	return geotest.Recall(s.answers, s.question("bucket", name), func() (objectstore.Bucket, error) { return s.Reader.Bucket(ctx, name) })
}

func (s recordedStore) List(ctx context.Context, q objectstore.Query) (objectstore.Page, error) {
	// Folded listings only part the work; without them it is one part.
	if q.Delimiter == "" {
		asked := q
		asked.Room = nil
		if err := s.answers.Answer(s.question("list", asked)); err != nil {
			return objectstore.Page{}, err
		}
	}
	return s.Reader.List(ctx, q) // a page is its caller's to change
}

func (s recordedStore) Stat(ctx context.Context, ref objectstore.Ref) (objectstore.Object, error) {
	return geotest.Recall(s.answers, s.question("stat", ref), func() (objectstore.Object, error) { return s.Reader.Stat(ctx, ref) })
}

func (s recordedStore) Open(ctx context.Context, ref objectstore.Ref) (io.ReadCloser, error) {
	whole, err := geotest.Recall(s.answers, s.question("open", ref), func() ([]byte, error) {
		body, err := s.Reader.Open(ctx, ref)
		if err != nil {
			return nil, err
		}
		defer body.Close()
		return io.ReadAll(body)
	})
	return io.NopCloser(bytes.NewReader(whole)), err
}

// With any answer of any store removed, the comparison does not pass, whether it needs the bytes or not.
func TestHonestComparison(t *testing.T) {
	servers, sites := world(t, 2)
	seedBoth(servers, 12)
	for _, effort := range []objectstore.Effort{objectstore.Heads, objectstore.Bytes} {
		t.Run(fmt.Sprint(effort), func(t *testing.T) {
			geotest.Honest(t, "objectstore/equal", func(answers *geotest.Recorded) []geored.Check {
				c := objectstore.Comparer{Effort: effort, Workers: 1} // the same questions in each run
				for _, site := range sites {
					c.Sites = append(c.Sites, objectstore.Site{Name: site.Name, Store: recordedStore{site.Store, answers, site.Name}})
				}
				return []geored.Check{c.Check()}
			})
		})
	}
}

// silentStore keeps no record: each canary is a new one. What is written or deleted is at the other site at once, so that
// each run takes as many looks as the one before.
type silentStore struct {
	objectstore.Target
	mirror  objectstore.Target
	answers *geotest.Recorded
	site    geored.SiteName
}

func (s silentStore) Stat(ctx context.Context, ref objectstore.Ref) (objectstore.Object, error) {
	if err := s.answers.Answer(fmt.Sprintf("%s: stat", s.site)); err != nil {
		return objectstore.Object{}, err
	}
	return s.Target.Stat(ctx, ref)
}

func (s silentStore) Put(ctx context.Context, ref objectstore.Ref, size int64, meta objectstore.Metadata, body io.Reader) error {
	if err := s.answers.Answer(fmt.Sprintf("%s: put", s.site)); err != nil {
		return err
	}
	whole, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	return errors.Join(s.Target.Put(ctx, ref, size, meta, bytes.NewReader(whole)), s.mirror.Put(ctx, ref, size, meta, bytes.NewReader(whole)))
}

func (s silentStore) Delete(ctx context.Context, ref objectstore.Ref) error {
	return errors.Join(s.Target.Delete(ctx, ref), s.mirror.Delete(ctx, ref))
}

// With what a site says of its canaries removed, the mirrors do not pass.
func TestHonestCanary(t *testing.T) {
	_, sites := world(t, 2)
	stores := []objectstore.Target{sites[0].Store.(objectstore.Target), sites[1].Store.(objectstore.Target)}
	geotest.Honest(t, "objectstore/mirror", func(answers *geotest.Recorded) []geored.Check {
		c := objectstore.Canary{Bucket: "files", Patience: 100 * time.Millisecond, Interval: 5 * time.Millisecond}
		for i, site := range sites {
			c.Sites = append(c.Sites, objectstore.CanarySite{Name: site.Name, Store: silentStore{stores[i], stores[1-i], answers, site.Name}})
		}
		return []geored.Check{c.Check()}
	})
}

// silentReplicator is a server of a healthy group.
type silentReplicator struct {
	answers *geotest.Recorded
	site    geored.SiteName
}

func (s silentReplicator) SiteReplication(context.Context) (objectstore.SiteGroup, error) {
	return objectstore.SiteGroup{Enabled: true, Peers: []objectstore.SitePeer{{Name: "dc1"}, {Name: "dc2", Linked: true, Online: true}}}, s.answers.Answer(string(s.site))
}

// With what a server says of its group removed, site replication does not pass.
func TestHonestSiteReplication(t *testing.T) {
	geotest.Honest(t, objectstore.CheckSiteReplication, func(answers *geotest.Recorded) []geored.Check {
		return []geored.Check{objectstore.SiteReplicationCheck(
			objectstore.ReplicatedSite{Name: "dc1", Store: silentReplicator{answers, "dc1"}},
			objectstore.ReplicatedSite{Name: "dc2", Store: silentReplicator{answers, "dc2"}})}
	})
}

// silentRules is a server with one rule that works.
type silentRules struct {
	objectstore.Replicator
	answers *geotest.Recorded
	site    geored.SiteName
}

func (s silentRules) Replication(context.Context, string) ([]objectstore.ReplicationTarget, error) {
	return []objectstore.ReplicationTarget{{Target: "arn", Deletes: true, Existing: true}}, s.answers.Answer(string(s.site))
}

// With what a server says of its rules removed, bucket replication does not pass.
func TestHonestReplication(t *testing.T) {
	geotest.Honest(t, objectstore.CheckReplication, func(answers *geotest.Recorded) []geored.Check {
		return []geored.Check{objectstore.ReplicationCheck("files",
			objectstore.ReplicatingSite{Name: "dc1", Store: silentRules{nil, answers, "dc1"}},
			objectstore.ReplicatingSite{Name: "dc2", Store: silentRules{nil, answers, "dc2"}})}
	})
}
