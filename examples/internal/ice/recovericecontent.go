package ice

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gocql/gocql"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/objectstore"
)

// What refers to what: rows name an object and a document by key.
const (
	referenceQuery = "SELECT id, object_key, document_id FROM dev.message"
	searchService  = "elasticsearch-arcus-es-member"
	searchIndex    = "messages"
	syncPrefix     = "elastic-sync-"
)

// siteContent reads what each site holds, through that site alone.
type siteContent struct {
	*Deployment
	objects map[geored.SiteName]ObjectAccess
}

// exists says whether any site has an index at all.
func (c *siteContent) exists(ctx context.Context) (bool, error) {
	for _, cluster := range c.inOrder() {
		_, err := cluster.Client().CoreV1().Services(arcusNamespace).Get(ctx, searchService, metav1.GetOptions{})
		if err == nil {
			return true, nil
		}
		if !apierrors.IsNotFound(err) {
			return false, fmt.Errorf("site %s: %w", cluster.Site(), err)
		}
	}
	return false, nil
}

type podDialer func(ctx context.Context, network, address string) (net.Conn, error)

func (d podDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d(ctx, network, address)
}

// References reads every row at LOCAL_ONE through a node of the site.
func (c *siteContent) References(ctx context.Context, site geored.SiteName) ([]Reference, error) {
	cluster := c.Clusters[site]
	who, err := c.login(ctx, site, cassandraNamespace, cassandraSecret)
	if err != nil {
		return nil, fmt.Errorf("site %s: %w", site, err)
	}
	nodes, err := cluster.Resolve(ctx, ringName(site)+"."+cassandraNamespace+".svc")
	if err != nil {
		return nil, fmt.Errorf("site %s: %w", site, err)
	}
	config := gocql.NewCluster(nodes[0].String())
	config.ProtoVersion, config.DisableInitialHostLookup, config.Consistency, config.Dialer = 4, true, gocql.LocalOne, podDialer(cluster.Dial)
	config.Authenticator = gocql.PasswordAuthenticator{Username: who.user, Password: who.password}
	config.Timeout, config.ConnectTimeout, config.Logger = 30*time.Second, 10*time.Second, noLog{}
	session, err := config.CreateSession()
	if err != nil {
		return nil, fmt.Errorf("site %s: connect to Cassandra: %w", site, err)
	}
	defer session.Close()
	var all []Reference
	var r Reference
	rows := session.Query(referenceQuery).WithContext(ctx).PageSize(5000).Iter()
	for rows.Scan(&r.Row, &r.Object, &r.Document) {
		all = append(all, r)
		r = Reference{}
	}
	if err := rows.Close(); err != nil {
		return nil, fmt.Errorf("site %s: read dev.message: %w", site, err)
	}
	return all, nil
}

type noLog struct{}

func (noLog) Print(...any)          {}
func (noLog) Printf(string, ...any) {}
func (noLog) Println(...any)        {}

// Objects lists the mirrored bucket of a site.
func (c *siteContent) Objects(ctx context.Context, site geored.SiteName) (map[string]bool, error) {
	keys := map[string]bool{}
	for q := (objectstore.Query{Bucket: filesBucket}); ; {
		page, err := c.objects[site].List(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("site %s: list bucket %s: %w", site, filesBucket, err)
		}
		for _, o := range page.Objects {
			keys[o.Key] = true
		}
		if q.Token = page.Token; q.Token == "" {
			return keys, nil
		}
	}
}

// searchAnswer is a page of a search.
type searchAnswer struct {
	ScrollID string `json:"_scroll_id"`
	TimedOut bool   `json:"timed_out"`
	Shards   struct {
		Failed int `json:"failed"`
	} `json:"_shards"`
	Hits struct {
		Hits []struct {
			ID string `json:"_id"`
		} `json:"hits"`
	} `json:"hits"`
}

// Documents reads the IDs of all documents of a site's index, page by page.
func (c *siteContent) Documents(ctx context.Context, site geored.SiteName) (map[string]bool, error) {
	client := &http.Client{Transport: &http.Transport{DialContext: c.Clusters[site].Dial, DisableKeepAlives: true}, Timeout: time.Minute}
	base := fmt.Sprintf("http://%s.%s.svc:9200", searchService, arcusNamespace)
	if err := post(ctx, client, base+"/"+searchIndex+"/_refresh", map[string]any{}, nil); err != nil {
		return nil, fmt.Errorf("site %s: %w", site, err)
	}
	ids := map[string]bool{}
	url, question := base+"/"+searchIndex+"/_search?scroll=1m", map[string]any{"size": 5000, "_source": false, "sort": []string{"_doc"}}
	for {
		var page searchAnswer
		if err := post(ctx, client, url, question, &page); err != nil {
			return nil, fmt.Errorf("site %s: %w", site, err)
		}
		if page.TimedOut || page.Shards.Failed > 0 {
			return nil, fmt.Errorf("site %s: index %s: part of it gave no answer", site, searchIndex)
		}
		if len(page.Hits.Hits) == 0 {
			return ids, nil
		}
		for _, hit := range page.Hits.Hits {
			ids[hit.ID] = true
		}
		url, question = base+"/_search/scroll", map[string]any{"scroll": "1m", "scroll_id": page.ScrollID}
	}
}

func post(ctx context.Context, client *http.Client, url string, question, answer any) error {
	text, err := json.Marshal(question)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(response.Body, 500)) // it explains at best
		return fmt.Errorf("POST %s: %s: %s", request.URL.Path, response.Status, said)
	}
	if answer == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(answer)
}

// syncJobs are the CronJobs that fill the indexes, each in its own site.
type syncJobs struct{ *Deployment }

// Filled is [Refilling]'s.
func (s syncJobs) Filled(ctx context.Context, site geored.SiteName) (string, time.Time, error) {
	cron, err := s.Clusters[site].Client().BatchV1().CronJobs(arcusNamespace).Get(ctx, syncPrefix+string(site), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return "", time.Time{}, nil
	case err != nil:
		return syncPrefix + string(site), time.Time{}, err // a refill is the safe guess
	case cron.Status.LastSuccessfulTime == nil:
		return cron.Name, time.Time{}, nil
	}
	return cron.Name, cron.Status.LastSuccessfulTime.Time, nil
}

// Refill is [Refilling]'s. It makes the job as `kubectl create job --from=cronjob/…` does.
func (s syncJobs) Refill(ctx context.Context, site geored.SiteName, name string) error {
	client := s.Clusters[site].Client().BatchV1()
	cron, err := client.CronJobs(arcusNamespace).Get(ctx, syncPrefix+string(site), metav1.GetOptions{})
	if err != nil {
		return err
	}
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: arcusNamespace, Labels: cron.Spec.JobTemplate.Labels,
		Annotations: map[string]string{"cronjob.kubernetes.io/instantiate": "manual"}}, Spec: cron.Spec.JobTemplate.Spec}
	if _, err := client.Jobs(arcusNamespace).Create(ctx, job, metav1.CreateOptions{FieldManager: kube.FieldManager}); !apierrors.IsAlreadyExists(err) {
		return err
	}
	return nil
}

// Refilled is [Refilling]'s.
func (s syncJobs) Refilled(ctx context.Context, site geored.SiteName, name string) (geored.State, error) {
	job, err := s.Clusters[site].Client().BatchV1().Jobs(arcusNamespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return geored.State{Detail: "job " + name + " is not there"}, nil
	}
	if err != nil {
		return geored.State{}, err
	}
	for _, condition := range job.Status.Conditions {
		switch {
		case condition.Status != "True":
		case condition.Type == batchv1.JobComplete:
			return geored.State{Done: true, Detail: "job " + name + " completed"}, nil
		case condition.Type == batchv1.JobFailed:
			return geored.State{}, fmt.Errorf("%w: %s", ErrRefill, condition.Message)
		}
	}
	return geored.State{Detail: "job " + name + " runs"}, nil
}
