package kafkatest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/connect"
)

// handler answers as Connect's REST API does.
func (w *worker) handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, answer func(*workerState, *http.Request) (int, any)) {
		mux.HandleFunc(pattern, func(rw http.ResponseWriter, r *http.Request) { w.answer(rw, r, answer) })
	}
	handle("GET /{$}", func(*workerState, *http.Request) (int, any) {
		return 200, connect.Worker{Version: "4.3.1-fake", Commit: "0", KafkaClusterID: string(w.site.name)}
	})
	handle("GET /health", func(*workerState, *http.Request) (int, any) { return 200, map[string]string{"status": "healthy"} })
	handle("GET /connectors", all)
	handle("GET /connectors/{name}/status", of(func(c *connector, _ *http.Request) (int, any) { return 200, c.file() }))
	handle("GET /connectors/{name}/config", of(func(c *connector, _ *http.Request) (int, any) { return 200, map[string]string(c.settings) }))
	handle("GET /connectors/{name}/offsets", of(func(c *connector, _ *http.Request) (int, any) { return 200, c.offsets() }))
	handle("GET /connectors/{name}/tasks/{id}/status", of(taskStatus))
	handle("PUT /connectors/{name}/config", w.putConfig)
	handle("PUT /connectors/{name}/pause", of(w.move(connect.Paused)))
	handle("PUT /connectors/{name}/stop", of(w.move(connect.Stopped)))
	handle("PUT /connectors/{name}/resume", of(w.move(connect.Running)))
	handle("POST /connectors/{name}/restart", of(w.restart))
	handle("POST /connectors/{name}/tasks/{id}/restart", of(func(c *connector, _ *http.Request) (int, any) { w.startUnlessHeld(c); return 204, nil }))
	handle("DELETE /connectors/{name}/offsets", of(forget))
	handle("PATCH /connectors/{name}/offsets", of(forget))
	handle("DELETE /connectors/{name}", func(s *workerState, r *http.Request) (int, any) {
		name := r.PathValue("name")
		if s.connectors[name] == nil {
			return 404, refusal{404, "Connector " + name + " not found"}
		}
		delete(s.connectors, name)
		return 204, nil
	})
	return mux
}

type refusal struct {
	Code    int    `json:"error_code"`
	Message string `json:"message"`
}

// answer waits while the worker is paused and hangs up when it was killed.
func (w *worker) answer(rw http.ResponseWriter, r *http.Request, answer func(*workerState, *http.Request) (int, any)) {
	w.mu.Lock()
	for w.state.paused && r.Context().Err() == nil {
		w.moved.Wait()
	}
	if w.state.killed {
		w.mu.Unlock()
		panic(http.ErrAbortHandler)
	}
	status, body := 409, any(refusal{409, "Cannot complete request momentarily due to stale configuration (typically caused by a concurrent config change)"})
	if r.Method == http.MethodGet || !w.state.rebalancing {
		status, body = answer(&w.state, r)
	}
	data, err := json.Marshal(body)
	w.mu.Unlock()
	if err != nil {
		http.Error(rw, err.Error(), 500)
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	if status != 204 {
		_, _ = rw.Write(data)
	}
}

// of finds the connector that is asked about.
func of(answer func(*connector, *http.Request) (int, any)) func(*workerState, *http.Request) (int, any) {
	return func(s *workerState, r *http.Request) (int, any) {
		c := s.connectors[r.PathValue("name")]
		if c == nil {
			return 404, refusal{404, fmt.Sprintf("Connector %s not found", r.PathValue("name"))}
		}
		return answer(c, r)
	}
}

func all(s *workerState, _ *http.Request) (int, any) {
	answer := map[string]any{}
	for name, c := range s.connectors {
		answer[name] = map[string]any{"status": c.file(), "info": map[string]any{"name": name, "type": "source", "config": map[string]string(c.settings)}}
	}
	return 200, answer
}

func (c *connector) file() map[string]any {
	tasks := []map[string]any{}
	for _, t := range c.tasks {
		tasks = append(tasks, map[string]any{"id": t.ID, "state": t.State, "worker_id": "fake:8083", "trace": t.Trace})
	}
	return map[string]any{"name": c.name, "type": "source", "tasks": tasks,
		"connector": map[string]any{"state": c.state, "worker_id": "fake:8083", "trace": c.trace}}
}

func (c *connector) offsets() map[string]any {
	list := []map[string]any{}
	for p, last := range c.committed {
		if c.class() == kafka.SourceConnector {
			list = append(list, map[string]any{
				"partition": map[string]any{"cluster": c.settings["source.cluster.alias"], "topic": p.Topic, "partition": p.Number},
				"offset":    map[string]any{"offset": last}})
		}
	}
	return map[string]any{"offsets": list}
}

func taskStatus(c *connector, r *http.Request) (int, any) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || id >= len(c.tasks) {
		return 404, refusal{404, "No status found for task " + r.PathValue("id")}
	}
	return 200, map[string]any{"id": id, "state": c.tasks[id].State, "worker_id": "fake:8083", "trace": c.tasks[id].Trace}
}

func (w *worker) putConfig(s *workerState, r *http.Request) (int, any) {
	var settings connect.Settings
	if err := json.NewDecoder(r.Body).Decode(&settings); err != nil {
		return 400, refusal{400, err.Error()}
	}
	name := r.PathValue("name")
	w.putLocked(s, name, settings)
	return 201, map[string]any{"name": name}
}

// move pauses, stops or resumes; a resumed connector begins with new tasks.
func (w *worker) move(to connect.State) func(*connector, *http.Request) (int, any) {
	return func(c *connector, _ *http.Request) (int, any) {
		c.changed++
		switch {
		case to == connect.Running:
			w.start(c)
		case to == connect.Stopped:
			c.state, c.tasks = to, nil
		default:
			c.state = to
			for i := range c.tasks {
				c.tasks[i].State = to
			}
		}
		return 202, nil
	}
}

func (w *worker) restart(c *connector, r *http.Request) (int, any) {
	failed := c.state == connect.Failed
	for _, t := range c.tasks {
		failed = failed || t.State == connect.Failed && r.FormValue("includeTasks") == "true"
	}
	if failed || r.FormValue("onlyFailed") != "true" {
		w.startUnlessHeld(c)
	}
	return 202, c.file()
}

// forget resets offsets: all, or those that a PATCH names.
func forget(c *connector, r *http.Request) (int, any) {
	if c.state != connect.Stopped {
		return 400, refusal{400, "Connectors must be in the STOPPED state before their offsets can be modified."}
	}
	if r.Method == http.MethodDelete {
		clear(c.committed)
		return 200, map[string]string{"message": "The offsets for this connector have been reset successfully"}
	}
	var body struct {
		Offsets []struct {
			Partition kafka.Partition `json:"partition"`
		} `json:"offsets"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return 400, refusal{400, err.Error()}
	}
	for _, o := range body.Offsets {
		delete(c.committed, o.Partition)
	}
	return 200, map[string]string{"message": "The offsets for this connector have been altered successfully"}
}
