//go:build lab

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/examples/internal/ice"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

var drills = []drill{
	{name: "link-cut", fault: "link cut for seconds", strike: (*rig).cut, mend: (*rig).join, lasts: 30 * time.Second},
	{name: "hint-window", fault: "link cut for longer than the hint window (20 s), the length found from evidence", lasts: 200 * time.Second,
		before: hintWindow("20000"), after: hintWindow("10800000"), strike: (*rig).cut, mend: (*rig).join,
		args: (*rig).foundByItself, does: []geored.StepID{"cassandra/keyspace/dev/repair"}},
	{name: "retention", fault: "link cut for longer than the retention of Kafka's topic", lasts: 30 * time.Second, early: true,
		strike: (*rig).cut, mend: (*rig).join, during: (*rig).expire, args: (*rig).confirmed, lost: recordsAreLost},
	{name: "retention-unseen", fault: "the same, and nobody looks before the mirror has jumped over the gap", lasts: 30 * time.Second, late: true, early: true,
		strike: (*rig).cut, mend: (*rig).join, during: (*rig).expire, own: jumped, args: (*rig).confirmed, lost: recordsAreLost},
	{name: "one-way", fault: "nothing passes from dc1 to dc2, and all from dc2 to dc1", lasts: 30 * time.Second, leaky: true,
		strike: func(r *rig) { r.Fault("cut-oneway", "dc1", "dc2"); r.bites("dc1", "dc2") }, mend: (*rig).join,
		during: func(r *rig) { r.apart([]geored.SiteName{"dc2"}) }}, // dc2's first segments arrive, and are never acknowledged
	{name: "worker-in-the-cut", fault: "link cut; the MirrorMaker worker of dc1 started in it", lasts: 30 * time.Second,
		strike: (*rig).cut, during: (*rig).workerInTheCut, mend: (*rig).join, does: []geored.StepID{"kafka/restart/dc1/dc2"}},
	{name: "worker-restarted", fault: "link cut; the MirrorMaker worker of dc1 replaced in it, names still known", lasts: 30 * time.Second,
		strike: (*rig).cut, during: func(r *rig) { r.Replaced("dc1", "ice-kafka", "mm-dc2-mirrormaker2-0") }, mend: (*rig).join},
	{name: "cassandra-restarted", fault: "link cut; Cassandra of both sites restarted in it", lasts: 30 * time.Second,
		strike: (*rig).cut, during: (*rig).bothRestarted, mend: (*rig).join, does: []geored.StepID{"cassandra/ring"}},
	{name: "power-cut", fault: "power cut of dc2, started again", lasts: 30 * time.Second, writes: []geored.SiteName{"dc1"}, late: true, leaky: true,
		strike: func(r *rig) { r.Fault("stop", "dc2"); r.gone("dc2") }, mend: func(r *rig) { r.Mend(); r.back() }},
	{name: "freeze", fault: "all processes of dc2 stand still", lasts: 35 * time.Second, writes: []geored.SiteName{"dc1"}, late: true, leaky: true,
		strike: func(r *rig) { r.Fault("freeze", "dc2"); r.gone("dc2") }, mend: func(r *rig) { r.Mend() }},
	{name: "credentials", fault: "link cut; the token with which dc2 reads dc1 revoked in it", lasts: 30 * time.Second,
		strike: (*rig).cut, during: (*rig).revoke, mend: (*rig).join, late: true, own: refusedForCredentials},
	{name: "dns-at-start", fault: "link cut; the name servers of both sites started in it", lasts: 30 * time.Second,
		strike: (*rig).cut, during: (*rig).nameServersRestarted, mend: (*rig).join},
	{name: "index-wiped", fault: "link cut; the search index of dc2 lost in it", lasts: 30 * time.Second,
		strike: (*rig).cut, during: func(r *rig) { r.DropIndex("dc2") }, mend: (*rig).join, does: []geored.StepID{"search/dc2/refill"}},
	{name: "objects-wiped", fault: "link cut; the disk of dc2's objects lost in it, with the only copies of most of what was written there", lasts: 30 * time.Second, leaky: true, early: true,
		strike: (*rig).cut, during: func(r *rig) { r.wipe("dc2") }, mend: (*rig).join, lost: objectsAreLost, after: (*rig).giveUp},
	{name: "mtu-hole", fault: "what is longer than 1300 bytes is lost between the sites", lasts: 30 * time.Second, leaky: true,
		strike: (*rig).hole, mend: (*rig).join},
	{name: "gc-grace", fault: "link cut for longer than gc_grace (10 s), with a deletion in it that is forgotten", lasts: 75 * time.Second, leaky: true, early: true,
		before: (*rig).beforeGrace, after: grace(864000), strike: (*rig).cut, during: (*rig).deletion, mend: (*rig).join,
		args: (*rig).refusedThenConfirmed, lost: rebuilt, does: []geored.StepID{"cassandra/keyspace/dev/rebuild"}},
	{name: "cut-again", fault: "link cut again while the recovery is under way", lasts: 30 * time.Second,
		strike: (*rig).cut, mend: (*rig).join, late: true, own: halted},
}

func (r *rig) cut() {
	r.Fault("cut", "dc1", "dc2")
	r.bites("dc1", "dc2")
	r.bites("dc2", "dc1")
}

func (r *rig) join() { r.Mend() }

// hole wants large packets to be lost while small ones pass.
func (r *rig) hole() {
	r.Fault("hole", "dc1", "dc2")
	checks := slices.DeleteFunc(r.d.Checks(), func(c geored.Check) bool {
		return !strings.HasPrefix(string(c.ID), "mesh/") && c.ID != ice.CheckAnswers
	})
	r.Await("the path MTU is seen to be less", func() (string, bool) {
		report, err := geored.Prove(r.t.Context(), geored.CheckConfig{}, checks...)
		r.must(err)
		return fmt.Sprint(report.Findings), slices.ContainsFunc(report.Findings, func(f geored.Finding) bool {
			return f.Check == meshkube.CheckPathMTU && f.Verdict == geored.Fail
		})
	})
	r.must(r.reaches("dc1", "dc2"))
}

// gone waits until the API server of a site does not answer any more.
func (r *rig) gone(site geored.SiteName) {
	r.Await("no answer of "+string(site), func() (string, bool) {
		ctx, cancel := context.WithTimeout(r.t.Context(), 5*time.Second)
		defer cancel()
		_, err := r.Clusters[site].UID(ctx)
		return "it answers", err != nil
	})
}

// back waits until the pods of the product are there again: without them nothing can be asked.
func (r *rig) back() {
	for _, site := range r.Names {
		r.AwaitReady(site)
	}
}

func hintWindow(milliseconds string) func(*rig) {
	return func(r *rig) {
		for _, site := range r.Names {
			r.nodetool(site, "setmaxhintwindow", milliseconds)
			if said := r.nodetool(site, "getmaxhintwindow"); !strings.Contains(said, milliseconds) {
				r.t.Errorf("%s: %s", site, said)
			}
		}
	}
}

// foundByItself says nothing of the outage: handshakes and hints tell while the link is down.
func (r *rig) foundByItself(since time.Time) []string {
	plan := r.plan()
	text := fmt.Sprint(plan.Steps())
	if !strings.Contains(text, "(found)") {
		r.t.Errorf("the length was not found from evidence: %.2000s", text)
	}
	if !strings.Contains(text, "keeps hints for 20s") {
		r.t.Errorf("the plan does not name the window: %.2000s", text)
	}
	return confirmations(plan) // that no older outage lies behind it, unless a recovery came to its end before
}

// confirmed accepts what the plan gives up, after it was refused without.
func (r *rig) confirmed(since time.Time) []string {
	flags := []string{"-since", since.UTC().Format(time.RFC3339)}
	if c := r.recover(flags...)(); c.code != 2 || !strings.Contains(c.stderr, "must be confirmed") {
		r.t.Errorf("without a confirmation: exit code %d\n%s", c.code, c.stderr)
	}
	allow := confirmations(r.plan(flags...))
	if len(allow) == 0 {
		r.t.Error("nothing is to be confirmed")
	}
	return append(flags, allow...)
}

const topic = "messages"

// expire takes away what dc1's topic holds, as retention does: its broker looks at retention every five minutes only.
func (r *rig) expire() {
	r.retain("dc1", topic, kadm.SetConfig)
	r.t.Cleanup(func() {
		r.retain("dc1", topic, kadm.DeleteConfig)
		r.retain("dc2", "dc1."+topic, kadm.DeleteConfig) // the mirror copies settings too: what it copies next would go at once
	})
	client := r.brokers("dc1")
	defer client.Close()
	admin := kadm.NewClient(client)
	ends, err := admin.ListEndOffsets(r.t.Context(), topic)
	r.must(err)
	gone, err := admin.DeleteRecords(r.t.Context(), ends.Offsets())
	r.must(err)
	r.must(gone.Error())
	starts, err := admin.ListStartOffsets(r.t.Context(), topic)
	r.must(err)
	starts.Each(func(o kadm.ListedOffset) {
		if end, _ := ends.Lookup(o.Topic, o.Partition); o.Offset != end.Offset {
			r.t.Errorf("%s/%d begins at %d, and was to be empty up to %d", o.Topic, o.Partition, o.Offset, end.Offset)
		}
	})
}

// retain sets a topic's retention to ten seconds, or takes that away again.
func (r *rig) retain(site geored.SiteName, topic string, op kadm.IncrementalOp) {
	r.t.Helper()
	client, millis := r.brokers(site), "10000"
	defer client.Close()
	changed, err := kadm.NewClient(client).AlterTopicConfigs(context.WithoutCancel(r.t.Context()), []kadm.AlterConfig{{Op: op, Name: "retention.ms", Value: &millis}}, topic)
	r.must(err)
	r.must(changed[0].Err)
}

func (r *rig) brokers(site geored.SiteName) *kgo.Client {
	r.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(fmt.Sprintf("kafka-%s-0.kafka-%[1]s.ice-kafka.svc.cluster.local:9092", site)), kgo.Dialer(r.Clusters[site].Dial))
	r.must(err)
	return client
}

// recordsAreLost wants the partitions and offsets that are gone to be named, and the messages themselves to be at both sites:
// rows, objects and the index filled from the rows do not come by Kafka.
func recordsAreLost(r *rig, found result) {
	r.wants(found, ice.CheckDecisions, "messages/")
	r.wants(found, ice.CheckLosses, "were removed by retention before they were copied")
	r.holds(r.with(r.Names...), r.Names...)
}

// jumped waits until the mirror is at the end of the log again, behind the gap: its lag tells of nothing then. Its position
// moves with what is copied, and the broker's look at retention can take that away first: then more is written.
func jumped(r *rig, _ time.Time) {
	var wrote time.Time
	r.Await("the mirror waits for nothing", func() (string, bool) {
		if time.Since(wrote) > time.Minute {
			r.write(10, "dc1")
			wrote = time.Now()
		}
		return r.pass(kafka.CheckPosition)
	})
}

// wants a failed finding of a check that says something.
func (r *rig) wants(found result, id geored.CheckID, text string) {
	r.t.Helper()
	if !found.fails(id, text) {
		r.t.Errorf("no failed finding of %s says %q", id, text)
	}
}

// fails says whether a failed finding of a check says so.
func (found result) fails(id geored.CheckID, text string) bool {
	return slices.ContainsFunc(found.Findings, func(f geored.Finding) bool {
		return f.Check == id && f.Verdict == geored.Fail && strings.Contains(f.Message+strings.Join(f.Evidence, "\n"), text)
	})
}

func (r *rig) workerInTheCut() {
	r.nameServers("dc1")
	r.Replaced("dc1", "ice-kafka", "mm-dc2-mirrormaker2-0")
}

func (r *rig) bothRestarted() {
	for _, site := range r.Names {
		r.Replaced(site, "ice-cassandra", fmt.Sprintf("ice-%s-rack1-0", site))
	}
}

func (r *rig) nameServersRestarted() {
	for _, site := range r.Names {
		r.nameServers(site)
	}
}

// nameServers starts a site's name servers anew: what they knew of the other site is forgotten.
func (r *rig) nameServers(site geored.SiteName) {
	r.t.Helper()
	const selector = "app.kubernetes.io/name=ice-coredns"
	pods := r.Clusters[site].Client().CoreV1().Pods(metav1.NamespaceSystem)
	old, err := pods.List(r.t.Context(), metav1.ListOptions{LabelSelector: selector})
	r.must(err)
	r.must(pods.DeleteCollection(r.t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: selector}))
	r.Await("other name servers run", func() (string, bool) {
		now, err := pods.List(r.t.Context(), metav1.ListOptions{LabelSelector: selector})
		r.must(err)
		for _, pod := range now.Items {
			if slices.ContainsFunc(old.Items, func(o corev1.Pod) bool { return o.UID == pod.UID }) {
				return pod.Name + " is still there", false
			}
		}
		return "none", len(now.Items) > 0 && now.Items[0].Status.Phase == corev1.PodRunning
	})
}

// revoke deletes the tokens with which the name servers of other sites read dc1.
func (r *rig) revoke() {
	secrets := r.Clusters["dc1"].Client().CoreV1().Secrets(metav1.NamespaceSystem)
	all, err := secrets.List(r.t.Context(), metav1.ListOptions{})
	r.must(err)
	n := 0
	for _, s := range all.Items {
		if s.Type == corev1.SecretTypeServiceAccountToken && s.Annotations[corev1.ServiceAccountNameKey] == "coredns" {
			r.must(secrets.Delete(r.t.Context(), s.Name, metav1.DeleteOptions{}))
			n++
		}
	}
	if n == 0 {
		r.t.Fatal("there is no token to revoke")
	}
}

// refusedForCredentials: no store is touched while a token does not let in; ice-install makes another, and the recovery goes on.
func refusedForCredentials(r *rig, since time.Time) {
	c := r.recover("-since", since.UTC().Format(time.RFC3339), "-timeout", "1m")()
	found := r.parsed(c)
	for _, s := range found.Run.Steps {
		store, _, _ := strings.Cut(string(s.ID), "/")
		if s.ID == "credentials/proof" && s.Status != geored.Failed || slices.Contains([]string{"kafka", "cassandra", "search", "objects"}, store) && s.Status != geored.Pending {
			r.t.Errorf("%s: %s: %s %s", s.ID, s.Status, s.Detail, s.Error)
		}
	}
	if c.code == 0 || !strings.Contains(c.stderr, "dc1") {
		r.t.Errorf("with a token that was revoked: exit code %d\n%s", c.code, c.stderr)
	}
	r.install()
}

// wipe gives a site's object store an empty disk.
func (r *rig) wipe(site geored.SiteName) {
	const namespace = "ice-minio"
	client := r.Clusters[site].Client().CoreV1()
	r.must(client.PersistentVolumeClaims(namespace).Delete(r.t.Context(), "data-minio-0", metav1.DeleteOptions{}))
	r.Replaced(site, namespace, "minio-0")
}

// objectsAreLost wants each row to be named whose object was on the lost disk alone, and all other objects to be back. What a
// mirror had sent already when the link was cut arrives behind it all the same.
func objectsAreLost(r *rig, found result) {
	lost := 0
	for _, id := range r.wrote["dc2"] {
		if found.fails(ice.CheckReferences, "names object messages/"+id) {
			lost++
		}
	}
	if lost == 0 {
		r.t.Error("no object was lost with its disk")
	}
	want := r.with(r.Names...)
	want.Objects -= lost
	r.holds(want, r.Names...)
}

// giveUp takes the messages out whose objects are lost, as one who accepts the loss would.
func (r *rig) giveUp() {
	for _, id := range r.wrote["dc2"] {
		r.Delete("dc1", id)
	}
}

// grace sets gc_grace of the product's tables.
func grace(seconds int) func(*rig) {
	return func(r *rig) {
		for _, table := range []string{"message", "changeset"} {
			r.CQL("dc1", fmt.Sprintf("ALTER TABLE dev.%s WITH gc_grace_seconds = %d", table, seconds))
		}
	}
}

// beforeGrace writes the message that is deleted during the outage, and shortens gc_grace.
func (r *rig) beforeGrace() {
	grace(10)(r)
	r.write(1, "dc1")
	r.settled()
}

// deletion deletes at dc1 what both sites have, and has the deletion itself forgotten: from then on dc2's row is one that
// dc1 lacks, and a repair brings it back.
func (r *rig) deletion() {
	r.Delete("dc1", r.wrote["dc1"][0])
	time.Sleep(12 * time.Second)
	r.nodetool("dc1", "flush", "dev")
	r.nodetool("dc1", "compact", "dev")
}

// refusedThenConfirmed: nothing is repaired beyond gc_grace; who was away must be said, and that its rows are given up.
func (r *rig) refusedThenConfirmed(since time.Time) []string {
	flags := []string{"-since", since.UTC().Format(time.RFC3339)}
	if c := r.recover(flags...)(); c.code != 2 || !strings.Contains(c.stderr, "-away") {
		r.t.Errorf("nobody said who was away: exit code %d\n%s", c.code, c.stderr)
	}
	flags = append(flags, "-away", "dc2")
	if c := r.recover(flags...)(); c.code != 2 || !strings.Contains(c.stderr, "must be confirmed") {
		r.t.Errorf("without a confirmation: exit code %d\n%s", c.code, c.stderr)
	}
	return append(flags, confirmations(r.plan(flags...))...)
}

// rebuilt: the deleted row stays away, dc2's own rows of the outage were given up, and each of them is told.
func rebuilt(r *rig, found result) {
	for _, id := range r.wrote["dc2"] {
		r.wants(found, ice.CheckDecisions, id)
	}
	deleted := r.wrote["dc1"][0]
	for _, site := range r.Names {
		if text := r.CQL(site, "SELECT count(*) FROM dev.message;"); !strings.Contains(text, fmt.Sprintf(" %d\n", r.base.Rows-1+10)) {
			r.t.Errorf("%s: %s, want %d", site, text, r.base.Rows-1+10)
		}
		if text := r.CQL(site, "SELECT count(*) FROM dev.message WHERE id = '"+deleted+"';"); !strings.Contains(text, " 0\n") {
			r.t.Errorf("%s: the deleted row is back: %s", site, text)
		}
	}
}

// halted: the link is cut again once the stores are being brought together; the run ends with a clear state, and goes on
// when it is started again.
func halted(r *rig, since time.Time) {
	wait := r.recover("-since", since.UTC().Format(time.RFC3339))
	r.Await("a store is being recovered", func() (string, bool) {
		r.goesOn()
		return "", r.recorded(geored.Intent, "cassandra/ring") || r.recorded(geored.Evidence, "mesh/proof")
	})
	r.cut()
	c := wait()
	found := r.parsed(c)
	if c.code != 4 || !strings.Contains(c.stderr, "the sites are apart again") {
		r.t.Errorf("exit code %d\n%s", c.code, c.stderr)
	}
	if found.Verdict() == geored.Pass {
		r.t.Error("a recovery that was halted passes")
	}
	r.Mend()
}
