package supervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// ErrNotRunning means that a laboratory has no living supervisor.
var ErrNotRunning = errors.New("not running")

// Client talks to the supervisor of a laboratory.
type Client struct {
	name string
	http *http.Client
}

// NewClient makes a client; nothing is connected yet.
func NewClient(name string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socketName(name))
	}
	return &Client{name, &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Status asks how the laboratory is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var status Status
	return status, c.do(ctx, http.MethodGet, "/status", nil, &status)
}

// Fault applies a fault and returns what was seen afterwards.
func (c *Client) Fault(ctx context.Context, r Request) ([]string, error) {
	var response Response
	if err := c.do(ctx, http.MethodPost, "/fault", r, &response); err != nil {
		return nil, err
	}
	if response.Error != "" {
		return response.Evidence, errors.New(response.Error)
	}
	return response.Evidence, nil
}

// Down ends the laboratory and returns when its supervisor is gone.
func (c *Client) Down(ctx context.Context) error {
	if err := c.do(ctx, http.MethodPost, "/down", nil, nil); err != nil {
		return err
	}
	for {
		if !alive(c.name) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("laboratory %s: %w", c.name, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (c *Client) do(ctx context.Context, method, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://laboratory"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		if !alive(c.name) {
			err = ErrNotRunning
		}
		return fmt.Errorf("laboratory %s: %w", c.name, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		message, _ := io.ReadAll(response.Body)
		return fmt.Errorf("laboratory %s: %s %s", c.name, response.Status, bytes.TrimSpace(message))
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// alive tells whether a name has a supervisor.
func alive(name string) bool {
	connection, err := net.Dial("unix", socketName(name))
	if err != nil {
		return false
	}
	connection.Close()
	return true
}

// Living lists the laboratories that have a supervisor.
func Living() ([]string, error) {
	text, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		return nil, err
	}
	var names []string
	for field := range strings.FieldsSeq(string(text)) {
		if name, ok := strings.CutPrefix(field, socketName("")); ok && alive(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
