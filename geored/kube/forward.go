package kube

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
)

// forwarded is a connection to a port of a pod. Its near end is one of a pipe, which has the deadlines that a stream has not.
type forwarded struct {
	net.Conn
	address string
	tunnel  httpstream.Connection

	mu      sync.Mutex
	failure error // what the kubelet said of the port
}

func (c *Cluster) forward(ctx context.Context, to backend, address string) (net.Conn, error) {
	type reply struct {
		conn net.Conn
		err  error
	}
	came := make(chan reply, 1)
	go func() { // the client takes no context
		conn, err := c.openForward(to, address)
		came <- reply{conn, err}
	}()
	select {
	case r := <-came:
		return r.conn, r.err
	case <-ctx.Done():
		go func() {
			if r := <-came; r.err == nil {
				_ = r.conn.Close() // nobody wants it any more
			}
		}()
		return nil, context.Cause(ctx)
	}
}

// openForward speaks SPDY over a WebSocket, or plain SPDY with servers and proxies that do not know that: Kubernetes before
// 1.30.
func (c *Cluster) openForward(to backend, address string) (net.Conn, error) {
	target := c.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(to.namespace).Name(to.pod).SubResource("portforward").URL()
	overWebSocket, err := portforward.NewSPDYOverWebsocketDialer(target, c.config)
	if err != nil {
		return nil, err
	}
	transport, upgrader, err := spdy.RoundTripperFor(c.config)
	if err != nil {
		return nil, err
	}
	plain := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, target)
	dialer := portforward.NewFallbackDialer(overWebSocket, plain, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	tunnel, _, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
	if err != nil {
		return nil, err
	}
	conn, err := newForwarded(tunnel, to.port, address)
	if err != nil {
		return nil, errors.Join(err, tunnel.Close())
	}
	return conn, nil
}

// newForwarded opens the two streams of the protocol: one for the kubelet's complaint, one for the bytes.
func newForwarded(tunnel httpstream.Connection, port int, address string) (*forwarded, error) {
	open := func(kind string) (httpstream.Stream, error) {
		headers := http.Header{}
		headers.Set(corev1.StreamType, kind)
		headers.Set(corev1.PortHeader, strconv.Itoa(port))
		headers.Set(corev1.PortForwardRequestIDHeader, "0")
		return tunnel.CreateStream(headers)
	}
	complaints, err := open(corev1.StreamTypeError)
	if err != nil {
		return nil, err
	}
	if err := complaints.Close(); err != nil { // it is only read
		return nil, err
	}
	data, err := open(corev1.StreamTypeData)
	if err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	f := &forwarded{Conn: near, address: address, tunnel: tunnel}
	complained := make(chan struct{})
	go func() {
		defer close(complained)
		f.listen(complaints)
	}()
	go func() {
		_, _ = io.Copy(data, far) // who reads sees why it ended
		_ = data.Close()
	}()
	go func() {
		_, _ = io.Copy(far, data)
		<-complained
		_ = far.Close()
		_ = tunnel.Close()
	}()
	return f, nil
}

// listen notes what the kubelet has to say; it ends with the connection.
func (f *forwarded) listen(complaints io.Reader) {
	const longest = 4 << 10
	text, _ := io.ReadAll(io.LimitReader(complaints, longest))
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(text) > 0 {
		f.failure = errors.New("port-forward: " + strings.TrimSpace(string(text)))
	}
}

// Read gives the kubelet's complaint, if there is one, in place of the end.
func (f *forwarded) Read(into []byte) (int, error) {
	n, err := f.Conn.Read(into)
	if errors.Is(err, io.EOF) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.failure != nil {
			return n, f.failure
		}
	}
	return n, err
}

func (f *forwarded) Close() error {
	return errors.Join(f.Conn.Close(), f.tunnel.Close())
}

func (f *forwarded) RemoteAddr() net.Addr { return insideAddress(f.address) }

// insideAddress is an address as pods know it.
type insideAddress string

func (insideAddress) Network() string  { return "tcp" }
func (a insideAddress) String() string { return string(a) }
