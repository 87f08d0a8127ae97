package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/gorilla/websocket"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/remotecommand"
	transport "k8s.io/client-go/transport/websocket"
)

// stream is a WebSocket of the protocol v5.channel.k8s.io: each message begins with the number of its channel.
//
// The client of client-go reads before its channels are open, up to v0.33, and then drops what a quick program printed;
// it takes a connection that ended without the program's status for success; and it logs past its caller.
type stream struct{ conn *websocket.Conn }

func (c *Cluster) dial(ctx context.Context, target *url.URL) (stream, error) {
	tripper, holder, err := transport.RoundTripperFor(c.config)
	if err != nil {
		return stream{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return stream{}, err
	}
	conn, err := transport.Negotiate(tripper, holder, request, remotecommand.StreamProtocolV5Name)
	return stream{conn}, err
}

// run sends the input, and receives until the server ends the connection.
func (s stream) run(ctx context.Context, input []byte, stdout, stderr io.Writer) error {
	defer s.conn.Close()
	defer context.AfterFunc(ctx, func() { s.conn.Close() })()
	if len(input) > 0 {
		// What keeps it from being sent ends the receiving as well.
		go func() { _ = s.send(input) }()
	}
	return s.receive(stdout, stderr)
}

// mostInput is as large as the server's buffers.
const mostInput = 32 << 10

// send cuts the input into messages, and says that it ends.
func (s stream) send(input []byte) error {
	message := make([]byte, 0, mostInput+1)
	for len(input) > 0 {
		n := min(len(input), mostInput)
		message = append(append(message[:0], remotecommand.StreamStdIn), input[:n]...)
		if err := s.conn.WriteMessage(websocket.BinaryMessage, message); err != nil {
			return err
		}
		input = input[n:]
	}
	return s.conn.WriteMessage(websocket.BinaryMessage, []byte{remotecommand.StreamClose, remotecommand.StreamStdIn})
}

// receive gives what the program's status says, which the server sends last.
func (s stream) receive(stdout, stderr io.Writer) error {
	var status []byte
	for {
		_, message, err := s.conn.ReadMessage()
		if err != nil {
			if len(status) == 0 || !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
				return fmt.Errorf("the end was not seen: %w", err)
			}
			return ended(status)
		}
		if len(message) == 0 {
			continue
		}
		switch channel, content := message[0], message[1:]; channel {
		case remotecommand.StreamStdOut:
			_, err = stdout.Write(content)
		case remotecommand.StreamStdErr:
			_, err = stderr.Write(content)
		case remotecommand.StreamErr:
			status = append(status, content...)
		}
		if err != nil {
			return err
		}
	}
}

// ended reads the status of a program that ended, or could not be started.
func ended(text []byte) error {
	var status metav1.Status
	if err := json.Unmarshal(text, &status); err != nil {
		return fmt.Errorf("the status is none: %w", err)
	}
	switch {
	case status.Status == metav1.StatusSuccess:
		return nil
	case status.Reason != remotecommand.NonZeroExitCodeReason:
		return &apierrors.StatusError{ErrStatus: status}
	case status.Details != nil:
		for _, cause := range status.Details.Causes {
			if code, err := strconv.Atoi(cause.Message); err == nil && cause.Type == remotecommand.ExitCodeCauseType {
				return &ExitError{Code: code}
			}
		}
	}
	return errors.New("the status has no exit code: " + status.Message)
}
