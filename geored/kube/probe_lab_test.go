//go:build lab

package kube_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/probe"
)

func TestQuestionsFromAPod(t *testing.T) {
	l, c, namespace := site(t)
	spec := kube.ProbeSpec{Namespace: namespace, Name: "probe", Site: "dc1", Image: l.Probe}
	objects, err := spec.Objects()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := spec.Addresses(t.Context(), c); err == nil {
		t.Error("a probe that is not there has addresses")
	}
	if _, err := probe.Ask(t.Context(), spec.Probe(c), probe.Clock{}); err == nil || errors.As(err, new(*probe.RemoteError)) {
		t.Errorf("a probe that is not there: %v", err)
	}
	apply(t, c, objects)
	await(t, state(t, c, objects), "done: true")
	podIP, serviceIP, err := spec.Addresses(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	p := spec.Probe(c)

	before := time.Now()
	clock, err := probe.Ask(t.Context(), p, probe.Clock{})
	if skew := probe.SkewOf(clock, before, time.Now()); err != nil || skew.Ahead.Abs() > skew.Error {
		t.Errorf("one machine, two clocks: %+v, %v", skew, err)
	}
	if answer, err := probe.Ask(t.Context(), p, probe.TCP{Address: "kubernetes.default.svc:443"}); err != nil || !strings.HasPrefix(answer.Local, podIP) {
		t.Errorf("%+v, %v", answer, err)
	}
	await(t, func() string { // a Service has its pod a moment after it is ready
		answer, err := probe.Ask(t.Context(), p, probe.HTTP{URL: "http://" + serviceIP + "/"})
		var who probe.Identity
		if err == nil {
			err = json.Unmarshal([]byte(answer.Body), &who)
		}
		return fmt.Sprintf("%s %s %v", who.Site, who.Pod, err)
	}, "dc1 probe <nil>")
	const size = 10 << 20
	if answer, err := probe.Ask(t.Context(), p, probe.Bulk{Address: net.JoinHostPort(podIP, "8081"), Bytes: size}); err != nil || answer.Bytes != size {
		t.Errorf("%+v, %v", answer, err)
	}
	if answer, err := probe.Ask(t.Context(), p, probe.PathMTU{Address: net.JoinHostPort(podIP, "8082"), Max: 1500}); err != nil || answer.MTU != 1500 {
		t.Errorf("%+v, %v", answer, err)
	}
	for _, network := range []string{"udp", "tcp"} {
		ask := func(name string) (probe.DNSAnswer, error) {
			return probe.Ask(t.Context(), p, probe.DNS{Server: "10.100.0.10:53", Name: name, Network: network})
		}
		if answer, err := ask("probe." + namespace + ".svc.cluster.local"); err != nil || len(answer.Records) != 1 || answer.Records[0] != serviceIP {
			t.Errorf("%s: %+v, %v", network, answer, err)
		}
		if answer, err := ask("nowhere." + namespace + ".svc.cluster.local"); err != nil || answer.Code != "NXDOMAIN" {
			t.Errorf("%s: %+v, %v", network, answer, err)
		}
	}
	t.Run("what gets no answer there is the probe's own error", func(t *testing.T) { noAnswers(t, p, podIP) })
}

func noAnswers(t *testing.T, p probe.Client, podIP string) {
	silent := "192.0.2.1" // nobody's, and there is no route to it
	for name, ask := range map[string]func(context.Context) error{
		"tcp": func(ctx context.Context) error {
			_, err := probe.Ask(ctx, p, probe.TCP{Address: podIP + ":9"})
			return err
		},
		"http": func(ctx context.Context) error {
			_, err := probe.Ask(ctx, p, probe.HTTP{URL: "http://" + silent + "/"})
			return err
		},
		"dns": func(ctx context.Context) error {
			_, err := probe.Ask(ctx, p, probe.DNS{Server: podIP + ":53", Name: "x"})
			return err
		},
		"bulk": func(ctx context.Context) error {
			_, err := probe.Ask(ctx, p, probe.Bulk{Address: silent + ":8081", Bytes: 1})
			return err
		},
		"path-mtu": func(ctx context.Context) error {
			_, err := probe.Ask(ctx, p, probe.PathMTU{Address: podIP + ":9"})
			return err
		},
	} {
		if err := ask(t.Context()); !errors.As(err, new(*probe.RemoteError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
