package ice

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// Ask sends GET to a Service of a site, "platform-services.ice-arcus.svc:8080", and decodes the answer when it is a success.
func (i *ICE) Ask(site geored.SiteName, service, path string, into any) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(i.t.Context()), time.Minute)
	defer cancel()
	client := http.Client{Transport: &http.Transport{DialContext: i.Clusters[site].Dial, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+service+path, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("site %s: %s%s: %s: %.300s", site, service, path, response.Status, text)
	}
	return json.Unmarshal(text, into)
}

// Services that answer.
const (
	platform   = "platform-services.ice-arcus.svc:8080"
	restBridge = "rest-bridge.ice-arcus.svc:8080"
	ksqldb     = "ksqldb.ice-kafka.svc:8080"
)

// Write makes messages at a site and gives their names.
func (i *ICE) Write(site geored.SiteName, n int) []string {
	i.t.Helper()
	var answer struct{ Written []string }
	i.must(i.Ask(site, platform, fmt.Sprintf("/write?n=%d", n), &answer))
	if len(answer.Written) != n {
		i.t.Fatalf("site %s: %d of %d messages were written", site, len(answer.Written), n)
	}
	return answer.Written
}

// Counts are how many messages a site has, by kind of store.
type Counts struct{ Rows, Objects, Documents int }

// Counts asks a site, by the way of its rest-bridge.
func (i *ICE) Counts(site geored.SiteName) (Counts, error) {
	var answer struct{ Counts Counts }
	err := i.Ask(site, restBridge, "/counts", &answer)
	return answer.Counts, err
}

// AwaitCounts waits until each store of a site has n messages.
func (i *ICE) AwaitCounts(site geored.SiteName, n int) {
	i.t.Helper()
	i.Await(fmt.Sprintf("%d messages at %s", n, site), func() (string, bool) {
		counts, err := i.Counts(site)
		return fmt.Sprint(counts, err), err == nil && counts == Counts{n, n, n}
	})
}

// Resync runs a site's elastic-sync once, as the guide does (5.3).
func (i *ICE) Resync(site geored.SiteName, name string) {
	i.t.Helper()
	client := i.Clusters[site].Client().BatchV1()
	cron, err := client.CronJobs("ice-arcus").Get(i.t.Context(), "elastic-sync-"+string(site), metav1.GetOptions{})
	i.must(err)
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: cron.Spec.JobTemplate.Spec}
	_, err = client.Jobs("ice-arcus").Create(i.t.Context(), job, metav1.CreateOptions{})
	i.must(err)
	i.Await("job "+name, func() (string, bool) {
		job, err := client.Jobs("ice-arcus").Get(i.t.Context(), name, metav1.GetOptions{})
		i.must(err)
		return fmt.Sprint(job.Status), job.Status.Succeeded > 0
	})
}

// CQL has a statement answered by cqlsh in a site's Cassandra pod, as the guide does (4.4.5).
func (i *ICE) CQL(site geored.SiteName, statement string) string {
	i.t.Helper()
	output, err := i.Clusters[site].Exec(i.t.Context(), kube.Command{Namespace: "ice-cassandra", Pod: fmt.Sprintf("ice-%s-rack1-0", site), Container: "cassandra", Argv: []string{"cqlsh", "-e", statement}})
	i.must(err)
	return string(output.Stdout)
}

// DropIndex makes a site's search server forget all.
func (i *ICE) DropIndex(site geored.SiteName) {
	i.t.Helper()
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DialContext: i.Clusters[site].Dial, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(i.t.Context(), http.MethodDelete, "http://elasticsearch-arcus-es-member.ice-arcus.svc:9200/messages", nil)
	i.must(err)
	response, err := client.Do(request)
	i.must(err)
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		i.t.Fatalf("site %s: drop the index: %s", site, response.Status)
	}
}
