// Command strimzi stands in for Strimzi's cluster operator where only KafkaMirrorMaker2 matters: it configures the
// connectors of a Connect worker, obeys the annotations that restart them, and fills the status from Connect's REST API, with
// the blind spots of the real one: a task that FAILED does not count, and the status is as old as the last reconciliation.
// It makes no pods: the chart does.
package main

import (
	"flag"
	"log"
	"time"

	"github.com/georedkit/georedkit/internal/lab/standin/rest"
)

func main() {
	namespace := flag.String("namespace", "", "whose resources are reconciled")
	interval := flag.Duration("interval", 2*time.Minute, "between two reconciliations of a resource that nobody changed")
	flag.Parse()
	server, err := rest.InCluster()
	if err != nil {
		log.Fatal(err)
	}
	api := &kubernetes{*namespace, server}
	seen := map[string]state{}
	for ; ; time.Sleep(500 * time.Millisecond) {
		resources, err := api.list()
		if err != nil {
			log.Print(err)
			continue
		}
		for _, r := range resources {
			now := state{r.Metadata.Generation, r.Metadata.Annotations[restartConnector], r.Metadata.Annotations[restartTask], r.Metadata.Annotations[pause], time.Now()}
			if before, ok := seen[r.Metadata.Name]; ok && !now.changed(before) && now.at.Sub(before.at) < *interval {
				continue
			}
			if ready, err := api.reconcile(r); err != nil {
				log.Printf("%s: %v", r.Metadata.Name, err)
			} else if ready {
				seen[r.Metadata.Name] = now
			}
		}
	}
}

// state is what makes a reconciliation due.
type state struct {
	generation             int64
	connector, task, pause string
	at                     time.Time
}

func (s state) changed(before state) bool {
	before.at = s.at
	return s != before
}
