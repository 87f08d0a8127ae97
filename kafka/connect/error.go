package connect

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Kinds of errors, for errors.Is.
var (
	ErrNotFound    = errors.New("not found")                     // no such connector, task or path
	ErrRebalancing = errors.New("the workers are rebalancing")   // 409: try again
	ErrUnreachable = errors.New("the worker gives no answer")    // no connection, or none in time
	ErrDenied      = errors.New("the worker denies the request") // 401 or 403
)

// Error is an answer other than the one that was asked for, or none at all.
type Error struct {
	Host    string // whom it was asked of
	Method  string
	Path    string
	Status  int    // HTTP status; 0: there was no answer
	Message string // what the worker said
	Err     error  // one of the kinds above, or what the transport said; may be nil
}

// Error is one line: "connect 127.0.0.1:8083: GET connectors/x: 404: Connector x not found".
func (e *Error) Error() string {
	text := fmt.Sprintf("connect %s: %s %s: ", e.Host, e.Method, e.Path)
	if e.Status != 0 {
		text += fmt.Sprintf("%d: ", e.Status)
	}
	switch {
	case e.Message != "":
		return text + e.Message
	case e.Err != nil:
		return text + e.Err.Error()
	}
	return text + http.StatusText(e.Status)
}

// Unwrap gives the kind and the cause.
func (e *Error) Unwrap() error { return e.Err }

// Retriable says that another try may succeed: during a rebalance, after a 5xx, and when there was no answer. A request
// without an answer may have had its effect all the same; Connect's life-cycle requests are safe to repeat.
func (e *Error) Retriable() bool {
	return e.Status == http.StatusConflict || e.Status >= 500 || e.Status == 0
}

func (c *Client) unreached(method, path string, cause error) error {
	var wrapped *url.Error // repeats method and URL
	if errors.As(cause, &wrapped) {
		cause = wrapped.Err
	}
	return &Error{Host: c.base.Host, Method: method, Path: path,
		Message: fmt.Sprintf("%v: %v", ErrUnreachable, cause), Err: errors.Join(ErrUnreachable, cause)}
}

// refused reads Connect's error body: {"error_code":404,"message":"…"}.
func (c *Client) refused(method, path string, status int, data []byte) error {
	e := &Error{Host: c.base.Host, Method: method, Path: path, Status: status}
	var body struct {
		Code    int    `json:"error_code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(data, &body) == nil && body.Code != 0 {
		e.Message = firstLine(body.Message)
	} else {
		e.Message = "the answer is not Connect's; is " + c.base.String() + " the base of its REST API?"
	}
	switch status {
	case http.StatusNotFound:
		e.Err = ErrNotFound
	case http.StatusConflict:
		e.Err = ErrRebalancing
	case http.StatusUnauthorized, http.StatusForbidden:
		e.Err, e.Message = ErrDenied, "the worker denies the request"
	}
	return e
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
