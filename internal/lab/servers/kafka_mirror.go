package servers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// awaitWorker waits until the REST API answers with the worker's connectors: its port is open long before.
func (k *kafkaLab) awaitWorker(ctx context.Context, s *kafkaSite) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		err := k.rest(ctx, s, http.MethodGet, "connectors", nil)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("worker of %s: %w", s.name, err)
		case name := <-k.set.died:
			return fmt.Errorf("%s ended; see its log below %s", name, k.dir)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// mirror makes the three connectors of every mirror into a site.
func (k *kafkaLab) mirror(ctx context.Context, s *kafkaSite) error {
	for _, from := range k.sites {
		if from == s {
			continue
		}
		for _, class := range []string{"MirrorSourceConnector", "MirrorCheckpointConnector", "MirrorHeartbeatConnector"} {
			name := from.name + "->" + s.name + "." + class
			if err := k.rest(ctx, s, http.MethodPut, "connectors/"+url.PathEscape(name)+"/config", k.connector(from, s, class)); err != nil {
				return fmt.Errorf("connector %s: %w", name, err)
			}
			if err := k.awaitConnector(ctx, s, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// awaitConnector waits until the worker knows the connector: it answers a PUT before it does.
func (k *kafkaLab) awaitConnector(ctx context.Context, s *kafkaSite, name string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := k.rest(ctx, s, http.MethodGet, "connectors/"+url.PathEscape(name)+"/status", nil)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("connector %s: %w", name, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// connector are the settings of a connector: everything is looked at again every second, and nothing waits for more.
func (k *kafkaLab) connector(from, to *kafkaSite, class string) map[string]string {
	settings := map[string]string{
		"connector.class": "org.apache.kafka.connect.mirror." + class, "tasks.max": "2",
		"source.cluster.alias": from.name, "target.cluster.alias": to.name,
		"source.cluster.bootstrap.servers": k.links[[2]string{from.name, to.name}].address,
		"target.cluster.bootstrap.servers": loopback(to.broker),
		"topics":                           ".*", "groups": ".*", "topics.exclude": `.*[\-\.]internal,.*\.replica,__.*,mm-.*`,
		"replication.factor": "1", "offset-syncs.topic.replication.factor": "1",
		"checkpoints.topic.replication.factor": "1", "heartbeats.topic.replication.factor": "1",
		"refresh.topics.interval.seconds": "1", "refresh.groups.interval.seconds": "1",
		"sync.topic.configs.interval.seconds": "5", "sync.topic.acls.enabled": "false",
		"emit.checkpoints.interval.seconds": "1", "emit.heartbeats.interval.seconds": "1",
		"sync.group.offsets.enabled": "true", "sync.group.offsets.interval.seconds": "1",
		"offset.lag.max": "0", "consumer.poll.timeout.ms": "200", "admin.request.timeout.ms": "5000",
		"source.consumer.metadata.max.age.ms": "1000", "producer.override.linger.ms": "0",
	}
	if k.secret != nil {
		for key, value := range k.secret.Client() {
			settings["source.cluster."+key], settings["target.cluster."+key] = value, value
		}
	}
	return settings
}

func (k *kafkaLab) rest(ctx context.Context, s *kafkaSite, method, path string, body any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+loopback(s.rest)+"/"+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		answer, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
		return fmt.Errorf("%s: %s", response.Status, answer)
	}
	return nil
}
