package main

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/georedkit/georedkit/internal/lab/standin/rest"
)

var client = &http.Client{Timeout: 10 * time.Second}

// reconcile does once what the resource asks for, and writes its status. Not ready means: look again soon.
func (k *kubernetes) reconcile(r resource) (ready bool, err error) {
	status := map[string]any{"observedGeneration": r.Metadata.Generation}
	if r.Metadata.Annotations[pause] == "true" {
		status["conditions"] = []condition{k.condition(r, "ReconciliationPaused", "", "")}
		return true, k.patch(r.Metadata.Name, "/status", map[string]any{"status": status})
	}
	w := worker(fmt.Sprintf("http://%s-mirrormaker2-api.%s.svc.cluster.local:8083", r.Metadata.Name, k.namespace))
	status["url"], status["replicas"] = string(w), r.Spec.Replicas
	status["labelSelector"] = "strimzi.io/cluster=" + r.Metadata.Name + ",strimzi.io/kind=KafkaMirrorMaker2"
	var conditions []condition
	connectors, err := w.configure(r)
	if err == nil {
		conditions, err = k.restart(r, w)
	}
	if err == nil {
		connectors, err = w.statuses()
	}
	switch failed := failedConnector(connectors); {
	case err != nil:
		conditions = append(conditions, k.condition(r, "NotReady", "ConnectRestException", err.Error()))
	case failed != "":
		conditions = append(conditions, k.condition(r, "NotReady", "Throwable", "The following connectors have failed: "+failed))
	default:
		ready = true
		conditions = append(conditions, k.condition(r, "Ready", "", ""))
	}
	status["conditions"], status["connectors"] = conditions, connectors
	return ready || err == nil, k.patch(r.Metadata.Name, "/status", map[string]any{"status": status})
}

// condition keeps the time of one that was so before.
func (k *kubernetes) condition(r resource, kind, reason, message string) condition {
	now := condition{Type: kind, Status: "True", Reason: reason, Message: message, Since: time.Now().UTC()}
	for _, before := range r.Status.Conditions {
		if before.Type == kind {
			now.Since = before.Since
		}
	}
	return now
}

// failedConnector looks at connectors and not at their tasks: so does Strimzi for MirrorMaker 2.
func failedConnector(connectors []map[string]any) string {
	var failed []string
	for _, c := range connectors {
		if state, ok := c["connector"].(map[string]any); ok && state["state"] == "FAILED" {
			failed = append(failed, fmt.Sprint(c["name"]))
		}
	}
	return strings.Join(failed, ", ")
}

// worker is the base of a Connect REST API.
type worker string

func (w worker) call(method, path string, body, answer any) error {
	return rest.Call(client, "", method, string(w)+path, body, answer)
}

func (w worker) statuses() ([]map[string]any, error) {
	var all map[string]struct {
		Status map[string]any `json:"status"`
	}
	if err := w.call(http.MethodGet, "/connectors?expand=status", nil, &all); err != nil {
		return nil, err
	}
	var statuses []map[string]any
	for _, name := range slices.Sorted(maps.Keys(all)) {
		statuses = append(statuses, all[name].Status)
	}
	return statuses, nil
}

// configure makes the connectors that the resource wants, where they differ.
func (w worker) configure(r resource) ([]map[string]any, error) {
	for _, m := range r.Spec.Mirrors {
		for class, c := range map[string]connector{"MirrorSourceConnector": m.SourceConnector, "MirrorCheckpointConnector": m.CheckpointConnector} {
			name := m.Source.Alias + "->" + r.Spec.Target.Alias + "." + class
			wanted := map[string]string{
				"connector.class": "org.apache.kafka.connect.mirror." + class, "name": name, "tasks.max": fmt.Sprint(max(c.TasksMax, 1)),
				"source.cluster.alias": m.Source.Alias, "source.cluster.bootstrap.servers": m.Source.BootstrapServers,
				"target.cluster.alias": r.Spec.Target.Alias, "target.cluster.bootstrap.servers": r.Spec.Target.BootstrapServers,
			}
			for key, value := range map[string]string{"topics": m.TopicsPattern, "topics.exclude": m.TopicsExclude, "groups": m.GroupsPattern} {
				if value != "" {
					wanted[key] = value
				}
			}
			for key, value := range c.Config {
				wanted[key] = fmt.Sprint(value)
			}
			path := "/connectors/" + url.PathEscape(name) + "/config"
			has := map[string]string{}
			// One that is not there yet has no settings.
			if err := w.call(http.MethodGet, path, nil, &has); err == nil && maps.Equal(has, wanted) {
				continue
			}
			if err := w.call(http.MethodPut, path, wanted, nil); err != nil {
				return nil, err
			}
		}
	}
	return w.statuses()
}

var taskPattern = regexp.MustCompile(`^(.+):(\d+)$`)

// restart obeys the annotations and takes them away; one that cannot be read stays, with a warning.
func (k *kubernetes) restart(r resource, w worker) ([]condition, error) {
	var warnings []condition
	paths := map[string]string{}
	if text, ok := r.Metadata.Annotations[restartConnector]; ok {
		if path, ok := connectorPath(text); ok {
			paths[restartConnector] = path
		} else {
			warnings = append(warnings, k.condition(r, "Warning", "RestartConnector", "Invalid annotation format: "+text))
		}
	}
	if text, ok := r.Metadata.Annotations[restartTask]; ok {
		if parts := taskPattern.FindStringSubmatch(text); parts != nil {
			paths[restartTask] = "/connectors/" + url.PathEscape(parts[1]) + "/tasks/" + parts[2] + "/restart"
		} else {
			warnings = append(warnings, k.condition(r, "Warning", "RestartConnectorTask", "Invalid annotation format: "+text))
		}
	}
	for annotation, path := range paths {
		if err := w.call(http.MethodPost, path, nil, nil); err != nil {
			warnings = append(warnings, k.condition(r, "Warning", "RestartConnector", err.Error()))
			continue
		}
		gone := map[string]any{"metadata": map[string]any{"annotations": map[string]any{annotation: nil}}}
		if err := k.patch(r.Metadata.Name, "", gone); err != nil {
			return warnings, err
		}
	}
	return warnings, nil
}

// connectorPath reads NAME, NAME:includeTasks, NAME:onlyFailed, NAME:includeTasks,onlyFailed.
func connectorPath(text string) (string, bool) {
	name, options, _ := strings.Cut(text, ":")
	query := url.Values{}
	if options != "" {
		for option := range strings.SplitSeq(options, ",") {
			if option != "includeTasks" && option != "onlyFailed" {
				return "", false
			}
			query.Set(option, "true")
		}
	}
	return "/connectors/" + url.PathEscape(name) + "/restart?" + query.Encode(), name != ""
}
