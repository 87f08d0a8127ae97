package helm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/repo"
	"sigs.k8s.io/yaml"

	"github.com/georedkit/georedkit/geored"
)

// Repository is a chart repository.
type Repository struct {
	URL      string // https; required
	CA       []byte // PEM; zero: the authorities of the machine
	User     string // zero: none
	Password Password
}

// ErrTampered says that a chart is not the one whose digest stands in the repository's index.
var ErrTampered = errors.New("the chart's digest is not that of the index")

// most is larger than any chart: Helm stores a release in a Secret of at most 1 MiB.
const most = 20 << 20

// Faults tells what is wrong with the repository before it is asked.
func (r Repository) Faults() geored.Faults {
	var faults geored.Faults
	u, err := url.Parse(r.URL)
	switch {
	case err != nil || u.Host == "":
		faults = append(faults, geored.Fault{Field: "chart repository", Problem: "is not a URL", Remedy: "write https://host/path"})
	case u.User != nil:
		faults = append(faults, geored.Fault{Field: "chart repository", Value: u.Host, Problem: "carries a user or password", Remedy: "give them by file"})
	case u.Scheme != "https":
		faults = append(faults, geored.Fault{Field: "chart repository", Value: r.URL, Problem: "is not https: charts and passwords would cross the network in clear", Remedy: "write https://host/path"})
	}
	if len(r.CA) > 0 && !x509.NewCertPool().AppendCertsFromPEM(r.CA) {
		faults = append(faults, geored.Fault{Field: "chart repository: CA", Problem: "holds no certificate", Remedy: "give a file in PEM"})
	}
	return faults
}

// Pull fetches one version of a chart, which must be the one whose digest stands in the index, where one does: another is [ErrTampered].
// The version is taken as it is written; ranges are not looked for.
func (r Repository) Pull(ctx context.Context, name, version string) (Chart, error) {
	if err := r.Faults().Err(); err != nil {
		return Chart{}, err
	}
	chart, err := r.pull(ctx, name, version)
	if err != nil {
		return Chart{}, fmt.Errorf("chart %s %s: %w", name, version, err)
	}
	return chart, nil
}

func (r Repository) pull(ctx context.Context, name, version string) (Chart, error) {
	base := strings.TrimSuffix(r.URL, "/") + "/"
	text, err := r.get(ctx, base+"index.yaml")
	if err != nil {
		return Chart{}, err
	}
	var index repo.IndexFile
	if err := yaml.Unmarshal(text, &index); err != nil {
		return Chart{}, fmt.Errorf("the repository's index: %w", err)
	}
	entry, err := find(index, name, version)
	if err != nil {
		return Chart{}, err
	}
	location, err := repo.ResolveReferenceURL(base, entry.URLs[0])
	if err != nil {
		return Chart{}, err
	}
	archive, err := r.get(ctx, location)
	if err != nil {
		return Chart{}, err
	}
	sum := sha256.Sum256(archive)
	digest := hex.EncodeToString(sum[:])
	if entry.Digest != "" && !strings.EqualFold(strings.TrimPrefix(entry.Digest, "sha256:"), digest) {
		return Chart{}, fmt.Errorf("%w: it is sha256:%s, not sha256:%s", ErrTampered, digest, entry.Digest)
	}
	loaded, err := loader.LoadArchive(bytes.NewReader(archive))
	if err != nil {
		return Chart{}, err
	}
	if loaded.Metadata.Name != name || loaded.Metadata.Version != version {
		return Chart{}, fmt.Errorf("the archive holds chart %s %s", loaded.Metadata.Name, loaded.Metadata.Version)
	}
	return Chart{Name: name, Version: version, Digest: "sha256:" + digest, chart: loaded}, nil
}

// find says which versions there are when the one that is wanted is not.
func find(index repo.IndexFile, name, version string) (*repo.ChartVersion, error) {
	versions, ok := index.Entries[name]
	if !ok {
		return nil, errors.New("the repository has no chart of that name")
	}
	var others []string
	for _, v := range versions {
		if v == nil || v.Metadata == nil || len(v.URLs) == 0 {
			continue
		}
		if v.Version == version {
			return v, nil
		}
		others = append(others, v.Version)
	}
	return nil, fmt.Errorf("the repository has no such version, but %s", strings.Join(others, ", "))
}

// get fetches a file. User and password go to the repository's own host only.
func (r Repository) get(ctx context.Context, location string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, err
	}
	if request.URL.Scheme != "https" {
		return nil, fmt.Errorf("%s is not https", request.URL.Redacted())
	}
	if home, err := url.Parse(r.URL); err == nil && home.Host == request.URL.Host && r.User != "" {
		request.SetBasicAuth(r.User, r.Password.Reveal())
	}
	response, err := r.client().Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, fmt.Errorf("%s: the repository refuses this user and password (%s)", request.URL.Redacted(), response.Status)
	default:
		return nil, fmt.Errorf("%s: %s", request.URL.Redacted(), response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, most+1))
	if err == nil && len(body) > most {
		err = fmt.Errorf("%s: is larger than %d bytes", request.URL.Redacted(), most)
	}
	return body, err
}

func (r Repository) client() *http.Client {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if len(r.CA) > 0 {
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(r.CA)
	}
	return &http.Client{Transport: transport, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		switch {
		case next.URL.Scheme != "https":
			return fmt.Errorf("the repository leads on to %s, which is not https", next.URL.Redacted())
		case len(via) > 5:
			return errors.New("the repository leads on and on")
		}
		return nil
	}}
}
