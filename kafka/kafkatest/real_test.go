//go:build lab

package kafkatest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/internal/laboratory/labtest"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/broker"
	"github.com/georedkit/georedkit/kafka/connect"
	"github.com/georedkit/georedkit/kafka/kafkatest"
	"github.com/georedkit/georedkit/kafka/stream"
)

// servers are real brokers and workers, started by the laboratory.
type servers struct {
	ready struct {
		Sites []struct {
			Name      geored.SiteName
			Bootstrap []string
			Connect   string
		}
		Control, User, PasswordFile, CA string
	}
	secure   *tls.Config
	password kafka.Secret
}

// start starts real servers for the test.
func start(t testing.TB, args ...string) *servers {
	t.Helper()
	var ready json.RawMessage
	labtest.Servers(t, &ready, "kafka", args...)
	return read(t, ready)
}

func read(t testing.TB, line []byte) *servers {
	t.Helper()
	s := &servers{}
	if err := json.Unmarshal(line, &s.ready); err != nil {
		t.Fatal(err)
	}
	if s.ready.User == "" {
		return s
	}
	password, err := os.ReadFile(s.ready.PasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(s.ready.CA)
	if err != nil {
		t.Fatal(err)
	}
	s.password, s.secure = kafka.NewSecret(string(password)), &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	s.secure.RootCAs.AppendCertsFromPEM(authority)
	return s
}

func (s *servers) Sites() []geored.SiteName {
	var names []geored.SiteName
	for _, site := range s.ready.Sites {
		names = append(names, site.Name)
	}
	return names
}

func (s *servers) Access(name geored.SiteName) kafka.Access {
	for _, site := range s.ready.Sites {
		if site.Name == name {
			access := kafka.Access{Site: name, Bootstrap: site.Bootstrap, TLS: s.secure, Timeout: 5 * time.Second}
			if s.secure != nil {
				access.SASL = &kafka.SASL{Mechanism: kafka.ScramSHA512, User: s.ready.User, Password: s.password}
			}
			return access
		}
	}
	return kafka.Access{}
}

func (s *servers) ConnectURL(name geored.SiteName) string {
	for _, site := range s.ready.Sites {
		if site.Name == name {
			return site.Connect
		}
	}
	return ""
}

func (s *servers) Inject(ctx context.Context, fault kafkatest.Fault, at geored.Target) (func(context.Context) error, error) {
	query := url.Values{"name": {string(fault)}, "site": {string(at.Site)}, "to": {string(at.To)}}
	tell := func(ctx context.Context, method string) error {
		request, err := http.NewRequestWithContext(ctx, method, s.ready.Control+"/fault?"+query.Encode(), nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusOK {
			text, _ := io.ReadAll(response.Body)
			return fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(text)))
		}
		return nil
	}
	return func(ctx context.Context) error { return tell(ctx, http.MethodDelete) }, tell(ctx, http.MethodPost)
}

func TestConformanceOfRealServers(t *testing.T) {
	kafkatest.Conformance(t, start(t))
}

func TestConformanceOfSecureServers(t *testing.T) {
	d := start(t, "-secure")
	if d.secure == nil {
		t.Fatal("the servers are not secure")
	}
	wrong := d.Access(d.Sites()[0])
	wrong.SASL = &kafka.SASL{Mechanism: kafka.ScramSHA512, User: d.ready.User, Password: kafka.NewSecret("not " + d.password.Reveal())}
	brokers, err := broker.Open(wrong)
	if err != nil {
		t.Fatal(err)
	}
	defer brokers.Close()
	if _, err := brokers.Topics(t.Context()); !errors.Is(err, kafka.ErrBadCredentials) || strings.Contains(err.Error(), d.password.Reveal()) {
		t.Errorf("brokers with a wrong password: %v", err)
	}
	reader, err := stream.Open(wrong)
	if err != nil {
		t.Fatal(err)
	}
	err = reader.Read(t.Context(), []kafka.Range{{Partition: kafka.Partition{Topic: "heartbeats"}, To: 1}}, func(kafka.Partition, []kafka.Record) error { return nil })
	if !errors.Is(err, kafka.ErrBadCredentials) {
		t.Errorf("records with a wrong password: %v", err)
	}
	worker, err := connect.New(connect.Config{URL: d.ConnectURL("dc2")})
	if err != nil {
		t.Fatal(err)
	}
	connectors, err := worker.Connectors(t.Context())
	if err != nil || !strings.Contains(connectors[0].Settings["source.cluster.sasl.jaas.config"], d.password.Reveal()) {
		t.Fatalf("the settings hold no password to be hidden: %v", err)
	}
	if shown := fmt.Sprintf("%+v", connectors); strings.Contains(shown, d.password.Reveal()) {
		t.Error("settings show the password")
	}
	kafkatest.Conformance(t, d)
	wrongPassword(t, d, worker)
}

// wrongPassword has a mirror log in at its source with another password: what the worker says of it is logged, the checks
// must not pass, and with the right one everything arrives.
func wrongPassword(t *testing.T, d *servers, worker *connect.Client) {
	m := kafka.Mirror{From: "dc1", To: "dc2"}
	name := m.Connector(kafka.SourceConnector)
	before, err := worker.Settings(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	seeder := kafkatest.Seed(t.Context(), t, d.Access(m.From))
	seeder.Create("locked-out", 1)
	wrong := maps.Clone(before)
	wrong["source.cluster.sasl.jaas.config"] = strings.Replace(before["source.cluster.sasl.jaas.config"], d.password.Reveal(), "wrong", 1)
	if err := worker.PutSettings(t.Context(), name, wrong); err != nil {
		t.Fatal(err)
	}
	r := kafkatest.Open(t, d, kafka.Limits{Age: time.Second})
	verdicts := func() map[geored.CheckID]geored.Verdict {
		found := map[geored.CheckID]geored.Verdict{}
		report, err := geored.Prove(t.Context(), geored.CheckConfig{}, r.Checks(nil)[:2]...)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range report.Findings {
			if f.Site == m.From && f.To == m.To {
				found[f.Check] = f.Verdict
			}
		}
		return found
	}
	seeder.Produce("locked-out", 1, 0, 10)
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until) && geored.Join(slices.Collect(maps.Values(verdicts()))...) != geored.Fail; {
		time.Sleep(time.Second)
	}
	if found := verdicts(); geored.Join(slices.Collect(maps.Values(found))...) != geored.Fail {
		t.Errorf("with a wrong password: %v", found)
	}
	c, err := worker.Connector(t.Context(), name)
	t.Logf("with a wrong password Connect says %s, %d tasks: %s; %v", c.State, len(c.Tasks), connect.Cause(c.Trace), err)
	if err := worker.PutSettings(t.Context(), name, before); err != nil {
		t.Fatal(err)
	}
	tasks, err := r.RestartTasks(m.To)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (geored.Runbook{Name: "restart", Stages: []geored.Stage{geored.StageOf("restart", tasks...)}}).Run(t.Context(), geored.RunConfig{}); err != nil {
		t.Fatal(err)
	}
	target := kafkatest.Seed(t.Context(), t, d.Access(m.To))
	for until := time.Now().Add(time.Minute); target.End("dc1.locked-out", 0) < 10; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("with the right password nothing arrives")
		}
	}
}
