package connect

import (
	"context"
	"net/http"
)

// Worker is what a worker says of itself.
type Worker struct {
	Version        string `json:"version"`
	Commit         string `json:"commit"`
	KafkaClusterID string `json:"kafka_cluster_id"` // of the brokers that hold its own topics: the target's
}

// Worker asks the worker who it is: the way to tell whether an address is a Connect REST API at all.
func (c *Client) Worker(ctx context.Context) (Worker, error) {
	var w Worker
	if err := c.get(ctx, "", &w); err != nil {
		return Worker{}, err
	}
	if w.Version == "" || w.KafkaClusterID == "" {
		return Worker{}, &Error{Host: c.base.Host, Method: http.MethodGet, Path: "", Status: http.StatusOK,
			Message: "the answer is not Connect's; is " + c.base.String() + " the base of its REST API?"}
	}
	return w, nil
}

// Logger is the level of one logger of the worker.
type Logger struct {
	Level        string `json:"level"`
	LastModified int64  `json:"last_modified"` // milliseconds since 1970; 0: never
}

// Loggers gives the levels of all loggers that were set.
func (c *Client) Loggers(ctx context.Context) (map[string]Logger, error) {
	var loggers map[string]Logger
	err := c.get(ctx, "admin/loggers", &loggers)
	return loggers, err
}

// SetLogger changes a logger's level on this worker until it restarts.
func (c *Client) SetLogger(ctx context.Context, name, level string) error {
	return c.call(ctx, http.MethodPut, path("admin", "loggers", name), map[string]string{"level": level}, nil)
}

// Topics gives the topics that a connector has used since it was made or its list was reset.
func (c *Client) Topics(ctx context.Context, connector string) ([]string, error) {
	var answer map[string]struct {
		Topics []string `json:"topics"`
	}
	err := c.get(ctx, path("connectors", connector, "topics"), &answer)
	return answer[connector].Topics, err
}

// ResetTopics empties the list that [Client.Topics] gives.
func (c *Client) ResetTopics(ctx context.Context, connector string) error {
	return c.call(ctx, http.MethodPut, path("connectors", connector, "topics", "reset"), nil, nil)
}

// Health asks whether the worker is ready (Kafka 3.9). It says nothing of connectors, nor of replication.
func (c *Client) Health(ctx context.Context) error {
	return c.get(ctx, "health", nil)
}

// Plugin is a connector class that the worker can run.
type Plugin struct {
	Class   string `json:"class"`
	Type    string `json:"type"`
	Version string `json:"version"`
}

// Plugins gives the connector classes that the worker can run.
func (c *Client) Plugins(ctx context.Context) ([]Plugin, error) {
	var plugins []Plugin
	err := c.get(ctx, "connector-plugins", &plugins)
	return plugins, err
}
