package connect

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
)

// RestartOptions say what a restart takes along.
type RestartOptions struct {
	IncludeTasks bool // its tasks too; without it the connector alone
	OnlyFailed   bool // only what is FAILED
}

// Restart asks for a restart and does not wait for it. With the zero options Connect answers when the connector has
// been restarted; else at once.
func (c *Client) Restart(ctx context.Context, connector string, o RestartOptions) error {
	query := fmt.Sprintf("/restart?includeTasks=%t&onlyFailed=%t", o.IncludeTasks, o.OnlyFailed)
	return c.call(ctx, http.MethodPost, path("connectors", connector)+query, nil, nil)
}

// RestartTask restarts one task.
func (c *Client) RestartTask(ctx context.Context, connector string, task int) error {
	return c.call(ctx, http.MethodPost, path("connectors", connector, "tasks", strconv.Itoa(task), "restart"), nil, nil)
}

// Pause asks that a connector and its tasks stop copying; they keep what they hold.
func (c *Client) Pause(ctx context.Context, connector string) error {
	return c.call(ctx, http.MethodPut, path("connectors", connector, "pause"), nil, nil)
}

// Stop asks that a connector ends its tasks; its offsets can be changed then (Kafka 3.5).
func (c *Client) Stop(ctx context.Context, connector string) error {
	return c.call(ctx, http.MethodPut, path("connectors", connector, "stop"), nil, nil)
}

// Resume asks that a paused or stopped connector goes on.
func (c *Client) Resume(ctx context.Context, connector string) error {
	return c.call(ctx, http.MethodPut, path("connectors", connector, "resume"), nil, nil)
}

// Delete removes a connector. Its committed offsets stay.
func (c *Client) Delete(ctx context.Context, connector string) error {
	return c.call(ctx, http.MethodDelete, path("connectors", connector), nil, nil)
}
