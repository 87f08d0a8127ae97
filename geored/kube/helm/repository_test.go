package helm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
)

const secretPassword = "p4ss-planted-in-a-test"

// archive packs the files of a chart as helm package does.
func archive(t *testing.T, name, version string, files map[string]string) []byte {
	t.Helper()
	all := map[string]string{"Chart.yaml": fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\n", name, version)}
	for path, text := range files {
		all[path] = text
	}
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	tape := tar.NewWriter(zip)
	for path, text := range all {
		if err := tape.WriteHeader(&tar.Header{Name: name + "/" + path, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := tape.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tape.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

var sample = map[string]string{
	"values.yaml": "replicas: 1\nconfig: {}\n",
	"values.schema.json": `{"type": "object", "additionalProperties": false, "properties": {
		"replicas": {"type": "integer"}, "text": {"type": "string"}, "image": {"type": "string"},
		"config": {"type": "object", "additionalProperties": false, "properties": {"cidr": {"type": "string"}}}}}`,
	"templates/map.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  cidr: {{ .Values.config.cidr | quote }}\n  text: {{ .Values.text | quote }}\n",
}

// served is a repository as a test can spoil it.
type served struct {
	files map[string][]byte
}

func (s *served) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	if user != "lab" || password != secretPassword {
		http.Error(w, "who is that", http.StatusUnauthorized)
		return
	}
	body, ok := s.files[strings.TrimPrefix(r.URL.Path, "/charts/")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(body)
}

// serve makes a repository of one chart.
func serve(t *testing.T, name, version string, files map[string]string) (*served, Repository) {
	t.Helper()
	text := archive(t, name, version, files)
	index := fmt.Sprintf("apiVersion: v1\nentries:\n  %s:\n  - {name: %s, version: %s, digest: %x, urls: [%s-%s.tgz]}\n  - {name: %s, version: 1.0.0, urls: [old.tgz]}\n",
		name, name, version, sha256.Sum256(text), name, version, name)
	s := &served{files: map[string][]byte{"index.yaml": []byte(index), name + "-" + version + ".tgz": text}}
	server := httptest.NewTLSServer(s)
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return s, Repository{URL: server.URL + "/charts", CA: ca, User: "lab", Password: NewPassword(secretPassword + "\n")}
}

func TestPull(t *testing.T) {
	_, repository := serve(t, "sample", "2.0.10", sample)
	chart, err := repository.Pull(t.Context(), "sample", "2.0.10")
	if err != nil {
		t.Fatal(err)
	}
	if chart.String() != "sample-2.0.10" || !strings.HasPrefix(chart.Digest, "sha256:") || len(chart.Digest) != 71 {
		t.Errorf("%s %s", chart, chart.Digest)
	}
}

func TestPullRefuses(t *testing.T) {
	_, foreign := serve(t, "other", "1.0.0", nil)
	cases := map[string]struct {
		spoil   func(*testing.T, *served, *Repository)
		version string
		want    string
		is      error
	}{
		"wrong password":  {spoil: func(_ *testing.T, _ *served, r *Repository) { r.Password = NewPassword(secretPassword + "x") }, want: "refuses this user and password (401 Unauthorized)"},
		"no user":         {spoil: func(_ *testing.T, _ *served, r *Repository) { r.User = "" }, want: "401 Unauthorized"},
		"wrong CA":        {spoil: func(t *testing.T, _ *served, r *Repository) { r.CA = selfSigned(t) }, want: "certificate"},
		"no CA":           {spoil: func(_ *testing.T, _ *served, r *Repository) { r.CA = nil }, want: "certificate signed by unknown authority"},
		"CA that is none": {spoil: func(_ *testing.T, _ *served, r *Repository) { r.CA = []byte("?") }, want: "CA: holds no certificate"},
		"plain http":      {spoil: func(_ *testing.T, _ *served, r *Repository) { r.URL = strings.Replace(r.URL, "https", "http", 1) }, want: "is not https"},
		"password in URL": {spoil: func(_ *testing.T, _ *served, r *Repository) {
			r.URL = strings.Replace(r.URL, "https://", "https://lab:"+secretPassword+"@", 1)
		}, want: "carries a user or password"},
		"no such version": {version: "2.0.11", want: "chart sample 2.0.11: the repository has no such version, but 2.0.10, 1.0.0"},
		"a range":         {version: "^2", want: "has no such version"},
		"tampered": {spoil: func(t *testing.T, s *served, _ *Repository) {
			s.files["sample-2.0.10.tgz"] = archive(t, "sample", "2.0.10", map[string]string{"templates/evil.yaml": "apiVersion: v1\nkind: Pod\n"})
		}, is: ErrTampered},
		"another chart inside": {spoil: func(t *testing.T, s *served, _ *Repository) {
			text := archive(t, "sample", "9.9.9", nil)
			s.files["sample-2.0.10.tgz"] = text
			s.files["index.yaml"] = []byte("entries:\n  sample:\n  - {name: sample, version: 2.0.10, urls: [sample-2.0.10.tgz]}\n")
		}, want: "the archive holds chart sample 9.9.9"},
		"archive is gone": {spoil: func(_ *testing.T, s *served, _ *Repository) { delete(s.files, "sample-2.0.10.tgz") }, want: "404 Not Found"},
		"password to another host": {spoil: func(_ *testing.T, s *served, r *Repository) {
			s.files["index.yaml"] = []byte("entries:\n  sample:\n  - {name: sample, version: 2.0.10, urls: [\"" + foreign.URL + "/sample.tgz\"]}\n")
			r.CA = append(r.CA, foreign.CA...)
		}, want: "401 Unauthorized"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			state, repository := serve(t, "sample", "2.0.10", sample)
			if c.spoil != nil {
				c.spoil(t, state, &repository)
			}
			if c.version == "" {
				c.version = "2.0.10"
			}
			_, err := repository.Pull(t.Context(), "sample", c.version)
			if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("error: %v\nwant one with: %s %v", err, c.want, c.is)
			}
			if err != nil && strings.Contains(err.Error(), secretPassword) {
				t.Error("the error shows the password")
			}
		})
	}
}

func TestPullEndsWithItsContext(t *testing.T) {
	_, repository := serve(t, "sample", "2.0.10", sample)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := repository.Pull(ctx, "sample", "2.0.10"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestPasswordShowsItselfNowhere(t *testing.T) {
	repository := Repository{User: "lab", Password: NewPassword(secretPassword)}
	text, err := json.Marshal(repository)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "p", repository.Password, "r", repository)
	shown := fmt.Sprintf("%v %+v %#v %s %q %x", repository, repository, repository, repository.Password, repository.Password, repository.Password) + string(text) + log.String()
	if strings.Contains(shown, secretPassword) || strings.Contains(shown, fmt.Sprintf("%x", secretPassword)) || !strings.Contains(shown, geored.Redacted) {
		t.Error(shown)
	}
	if repository.Password.Reveal() != secretPassword || NewPassword("\n").Reveal() != "" {
		t.Error("a password does not open")
	}
}

// selfSigned is the certificate of another server.
func selfSigned(t *testing.T) []byte {
	t.Helper()
	certificate := selfSignedCertificate(t)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
}
