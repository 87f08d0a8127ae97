package georedundancy

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/geotest"
	"github.com/georedkit/georedkit/geored/metrics"
	"github.com/georedkit/georedkit/geored/otel"
	"github.com/georedkit/georedkit/geored/report"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/broker"
	"github.com/georedkit/georedkit/kafka/stream"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/objectstore"
	"github.com/georedkit/georedkit/objectstore/s3"
)

const planted = "c3VwZXItc2VjcmV0LW9mLWFjbWU-do-not-show"

// secrets are all types of secrets that the SDK has, each around what must not come out.
func secrets(t *testing.T) map[string]any {
	t.Helper()
	token, err := creds.ParseToken(planted)
	if err != nil {
		t.Fatal(err)
	}
	key, err := mesh.NewPrivateKey(bytes.NewReader(bytes.Repeat([]byte(planted), 2)))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"creds.Token": token, "creds.Document": creds.NewDocument(planted), "mesh.PrivateKey": key,
		"cassandra.Password": cassandra.NewPassword(planted), "kafka.Secret": kafka.NewSecret(planted), "s3.Secret": s3.NewSecret(planted)}
}

// careless is how people put values into messages.
func careless(v any) string {
	text, _ := json.Marshal(v)
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "v", v)
	return fmt.Sprintf("%v %+v %#v %s %q %d %x %s %s %v", v, v, v, v, v, v, v, text, logged.String(), []any{v})
}

// What a careless author writes of a secret into steps, findings and errors comes out nowhere: no report, no journal, no
// event, no metric, no trace.
func TestSecretsComeOutNowhere(t *testing.T) {
	for name, secret := range secrets(t) {
		t.Run(name, func(t *testing.T) {
			said := careless(secret)
			var outputs strings.Builder
			spans := tracetest.NewSpanRecorder()
			provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
			tracer := otel.New(t.Context(), provider)
			journal := &geotest.Journal{}
			task := geored.Task{Step: geored.Step{ID: "join", Site: "paris", Target: said, Action: geored.Apply, Reason: said, Manual: []string{said}},
				Observe: func(context.Context) (geored.State, error) { return geored.State{Detail: said}, nil },
				Apply:   func(context.Context) error { return errors.New(said) }}
			result, err := geored.Runbook{Name: "acme", Stages: []geored.Stage{geored.StageOf("join", task)}}.Run(t.Context(), geored.RunConfig{
				Journal: journal, StepTimeout: time.Minute, Observer: func(e geored.Event) {
					tracer.Observe(e)
					fmt.Fprintf(&outputs, "%+v", e)
				}})
			fmt.Fprint(&outputs, err)
			proof, err := geored.Prove(t.Context(), geored.CheckConfig{}, geored.Check{ID: "acme/x", Title: "x", Run: func(ctx context.Context) []geored.Finding {
				answers := geored.Ask(ctx, []geored.Target{{Site: "paris"}, {Site: "london"}}, func(_ context.Context, target geored.Target) (any, error) {
					if target.Site == "london" {
						return nil, errors.New(said)
					}
					return secret, nil
				})
				return answers.Each(func(_ geored.Target, v any) geored.Finding {
					return geored.Finding{Verdict: geored.Fail, Message: careless(v), Evidence: []string{careless(v)}, Remedy: careless(v)}
				})
			}})
			if err != nil {
				t.Fatal(err)
			}
			d := report.Document{Run: result, Report: proof, Problem: said, Operator: said, Inputs: []geored.Input{{Name: said, Digest: said}}}
			for _, extension := range report.Extensions() {
				if err := report.Write(&outputs, extension, d); err != nil {
					t.Fatal(err)
				}
			}
			if err := metrics.WriteText(&outputs, d); err != nil {
				t.Fatal(err)
			}
			for r := range journal.Records(t.Context()) {
				fmt.Fprintf(&outputs, "%+v", r)
			}
			for _, s := range spans.Ended() {
				fmt.Fprintf(&outputs, "%v %v %v", s.Name(), s.Attributes(), s.Events())
			}
			if !strings.Contains(outputs.String(), geored.Redacted) || fmt.Sprint(secret) != geored.Redacted {
				t.Errorf("%v stands where %s should, so this shows nothing", secret, geored.Redacted)
			}
			for form, text := range map[string]string{"plain": planted, "in base64": base64.StdEncoding.EncodeToString([]byte(planted)),
				"in hexadecimal": fmt.Sprintf("%x", planted), "in a URL": url.QueryEscape(planted), "as the key itself": base64.StdEncoding.EncodeToString([]byte(planted)[:32])} {
				if i := strings.Index(outputs.String(), text); i >= 0 {
					t.Errorf("%s: it stands there %s: %.80s", name, form, outputs.String()[max(0, i-40):])
				}
			}
		})
	}
}

// What holds a secret in a field that fmt prints without asking its methods shows it no more than the secret itself.
func TestHoldersOfSecretsShowNothing(t *testing.T) {
	must := func(holder any, err error) any {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return holder
	}
	ring := cassandra.Config{User: "u", Password: cassandra.NewPassword(planted), Sites: []cassandra.Site{{Name: "dc1", Nodes: []string{"127.0.0.1"}}}}
	sasl := kafka.SASL{Mechanism: kafka.ScramSHA512, User: "u", Password: kafka.NewSecret(planted)}
	access := kafka.Access{Bootstrap: []string{"127.0.0.1:9092"}, SASL: &sasl}
	store := s3.Config{URL: "http://127.0.0.1:1", AccessKey: "u", SecretKey: s3.NewSecret(planted), SessionToken: s3.NewSecret(planted)}
	store.Attempts = 1
	client, err := s3.New(store)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.List(t.Context(), objectstore.Query{Bucket: "files"}); err == nil { // it has opened its secrets now
		t.Error("somebody listens there")
	}
	type mine struct{ hidden any } // as users embed them
	for name, holder := range map[string]any{
		"cassandra.Config": ring, "cassandra.Cluster": must(cassandra.Open(ring)),
		"kafka.SASL": sasl, "kafka.Access": access, "broker.Cluster": must(broker.Open(access)), "stream.Reader": must(stream.Open(access)),
		"s3.Config": store, "s3.Client": client,
	} {
		for form, text := range map[string]string{"as it is": careless(holder), "in a field": careless(mine{holder}), "behind a pointer": careless(&mine{holder})} {
			if strings.Contains(text, planted) || strings.Contains(text, fmt.Sprintf("%x", planted)) || text == "" {
				t.Errorf("%s, %s, shows it: %s", name, form, text)
			}
		}
	}
	if text := fmt.Sprintf("%+v", mine{struct{ password string }{planted}}); !strings.Contains(text, planted) {
		t.Errorf("a string in such a field is not shown, so this shows nothing: %s", text)
	}
}
