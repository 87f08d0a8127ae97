package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/apimachinery/pkg/util/remotecommand"
	"k8s.io/client-go/transport/spdy"
)

// spdyStreams are those of the protocol v4.channel.k8s.io. The client of client-go takes a connection that ended without the
// program's status for success.
type spdyStreams struct {
	conn  httpstream.Connection
	input httpstream.Stream // nil: the program has none
	// of the server
	status, stdout, stderr httpstream.Stream
}

func (c *Cluster) dialSPDY(ctx context.Context, target *url.URL, input bool) (*spdyStreams, error) {
	transport, upgrader, err := spdy.RoundTripperFor(c.config)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), nil)
	if err != nil {
		return nil, err
	}
	// The credentials are for this server alone.
	refuse := func(*http.Request, []*http.Request) error { return errors.New("the server redirects") }
	conn, _, err := spdy.Negotiate(upgrader, &http.Client{Transport: transport, CheckRedirect: refuse}, request, remotecommand.StreamProtocolV4Name)
	if err != nil {
		return nil, err
	}
	s := &spdyStreams{conn: conn}
	if err := s.open(input); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return s, nil
}

// open makes the streams, in the order in which kubectl makes them.
func (s *spdyStreams) open(input bool) error {
	wanted := []struct {
		kind string
		into *httpstream.Stream
	}{{corev1.StreamTypeError, &s.status}, {corev1.StreamTypeStdin, &s.input}, {corev1.StreamTypeStdout, &s.stdout}, {corev1.StreamTypeStderr, &s.stderr}}
	for _, w := range wanted {
		if w.kind == corev1.StreamTypeStdin && !input {
			continue
		}
		stream, err := s.conn.CreateStream(http.Header{corev1.StreamType: {w.kind}})
		if err != nil {
			return err
		}
		*w.into = stream
	}
	return nil
}

// send cuts the input into pieces as large as the server's buffers: a frame has a size that it must not exceed. Input that could
// not be sent whole has no end: the program would take it for all.
func (s *spdyStreams) send(input []byte) {
	for piece := range slices.Chunk(input, mostInput) {
		if _, err := s.input.Write(piece); err != nil {
			return
		}
	}
	_ = s.input.Close()
}

// run sends the input, and receives until the server ends its streams.
func (s *spdyStreams) run(ctx context.Context, input []byte, stdout, stderr io.Writer) error {
	defer s.conn.Close()
	defer context.AfterFunc(ctx, func() { s.conn.Close() })()
	if s.input != nil {
		go s.send(input)
	}
	printed := make(chan error, 2)
	receive := func(into io.Writer, from io.Reader) {
		_, err := io.Copy(into, from)
		printed <- err
	}
	go receive(stdout, s.stdout)
	go receive(stderr, s.stderr)
	status, err := io.ReadAll(s.status)
	if err := errors.Join(err, <-printed, <-printed); err != nil {
		return fmt.Errorf("the end was not seen: %w", err)
	}
	if len(status) == 0 {
		return fmt.Errorf("the end was not seen: %w", io.ErrUnexpectedEOF)
	}
	return ended(status)
}
