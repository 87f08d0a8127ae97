package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"

	"github.com/georedkit/georedkit/internal/lab/config"
	"github.com/georedkit/georedkit/internal/lab/kubeapi"
	"github.com/georedkit/georedkit/internal/lab/node"
)

// awaitReady follows the site's start through its API server.
func (s *site) awaitReady(ctx context.Context, started time.Time) error {
	api, err := s.api()
	if err != nil {
		return err
	}
	err = s.await(ctx, 0, config.APIServer, func() error { return api.Get(ctx, "/readyz", nil) })
	if err != nil {
		return err
	}
	for i, address := range s.plan.Further {
		further, err := s.apiAt(config.ServerAt(address))
		if err != nil {
			return err
		}
		if err := s.await(ctx, 0, config.FurtherAPIServer(i), func() error { return further.Get(ctx, "/readyz", nil) }); err != nil {
			return err
		}
	}
	if err := createNodes(ctx, api, s.plan); err != nil {
		return err
	}
	// What people changed or removed in an earlier life stays as it is.
	completed := s.lab.folder.completed(s.plan.Name)
	_, err = os.Stat(completed)
	first := errors.Is(err, fs.ErrNotExist)
	if first {
		if err := createObjects(ctx, api, s.plan); err != nil {
			return err
		}
	}
	for i, n := range s.plan.Nodes {
		err := s.await(ctx, i, config.Kubelet, func() error { return nodeReady(ctx, api, n.Name, started) })
		if err != nil {
			return err
		}
		s.report(n.Name, "node ready", "")
	}
	if !first {
		return nil
	}
	if err := s.await(ctx, 0, config.Kubelet, func() error { return s.dnsAnswers(ctx) }); err != nil {
		return fmt.Errorf("CoreDNS: %w", err)
	}
	s.report("", "dns", "")
	return os.WriteFile(completed, nil, 0o600)
}

// await repeats a question until it is answered. On failure it shows the log of the server it waited for.
func (s *site) await(ctx context.Context, nodeIndex int, server string, ready func() error) error {
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
				n := s.plan.Nodes[nodeIndex]
				return fmt.Errorf("node %s: %s is not ready in time: %w%s", n.Name, server, err, logTail(s.describe(n), server))
			}
			return ctx.Err()
		case <-time.After(30 * time.Millisecond):
		}
	}
}

func nodeReady(ctx context.Context, api *kubeapi.Client, name string, since time.Time) error {
	var object struct {
		Status struct {
			Conditions []struct {
				Type, Status, Message string
				LastHeartbeatTime     time.Time
			}
		}
	}
	if err := api.Get(ctx, "/api/v1/nodes/"+name, &object); err != nil {
		return err
	}
	for _, condition := range object.Status.Conditions {
		if condition.Type != "Ready" {
			continue
		}
		// An earlier life may have left a "True" behind.
		if condition.LastHeartbeatTime.Before(since.Truncate(time.Second)) {
			return errors.New("the kubelet has not reported yet")
		}
		if condition.Status != "True" {
			return errors.New(condition.Message)
		}
		return nil
	}
	return errors.New("the kubelet has not reported yet")
}

// dnsAnswers asks the site's name server through its Service address, as a pod does.
func (s *site) dnsAnswers(ctx context.Context) error {
	const name = "kubernetes.default.svc.cluster.local."
	addresses, err := s.resolve(ctx, name)
	if err != nil {
		return err
	}
	if len(addresses) != 1 || addresses[0] != s.plan.APIServer.String() {
		return fmt.Errorf("%s is %v, not %s", name, addresses, s.plan.APIServer)
	}
	return nil
}

// resolve asks the site's name servers through their Service, as a pod does.
func (s *site) resolve(ctx context.Context, name string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return s.running()[0].namespace.Dial(ctx, network, net.JoinHostPort(s.plan.DNS.String(), "53"))
	}}
	return resolver.LookupHost(ctx, name)
}

// logTail is the end of a server's log and where the rest is.
func logTail(m config.Machine, server string) string {
	server, _, _ = strings.Cut(server, ":")
	if server == "" {
		server = "init"
	}
	path := node.LogFile(m, server)
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	const most = 15
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	if len(lines) > most {
		lines = lines[len(lines)-most:]
	}
	return "\n  " + strings.Join(lines, "\n  ") + "\nall of it: " + path
}
