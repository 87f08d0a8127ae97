package agent

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/georedkit/georedkit/internal/lab/pod/kilo/overlay"
)

// api speaks to the cluster's API server with the pod's account.
type api struct {
	server string
	token  string // a file
	http   *http.Client
}

const account = "/var/run/secrets/kubernetes.io/serviceaccount"

func inCluster() (*api, error) {
	authority, err := os.ReadFile(filepath.Join(account, "ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, errors.New("certificate authority: not PEM")
	}
	return &api{
		server: "https://" + net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")),
		token:  filepath.Join(account, "token"),
		http: &http.Client{Transport: &http.Transport{
			TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			ResponseHeaderTimeout: 10 * time.Second,
			IdleConnTimeout:       30 * time.Second,
		}},
	}, nil
}

const (
	nodesPath = "/api/v1/nodes"
	peersPath = "/apis/kilo.squat.ai/v1alpha1/peers"
)

type metadata struct {
	Name            string            `json:"name"`
	ResourceVersion string            `json:"resourceVersion"`
	Labels          map[string]string `json:"labels"`
	Annotations     map[string]string `json:"annotations"`
}

type nodeObject struct {
	Metadata metadata `json:"metadata"`
	Spec     struct {
		PodCIDR string `json:"podCIDR"`
	} `json:"spec"`
	Status struct {
		Addresses []struct{ Type, Address string } `json:"addresses"`
	} `json:"status"`
}

type peerObject struct {
	Metadata metadata         `json:"metadata"`
	Spec     overlay.PeerSpec `json:"spec"`
}

type list[T any] struct {
	Metadata metadata `json:"metadata"`
	Items    []T      `json:"items"`
}

func listOf[T any](ctx context.Context, a *api, path string) (l list[T], err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	body, err := a.do(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return l, err
	}
	defer body.Close()
	return l, json.NewDecoder(body).Decode(&l)
}

// watch calls changed whenever an object of a kind changes, and when it may have missed that.
func (a *api) watch(ctx context.Context, path string, changed func()) {
	for ctx.Err() == nil {
		// An error ends this watch; the next one begins with a look at everything.
		_ = a.watchOnce(ctx, path, changed)
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
		changed()
	}
}

func (a *api) watchOnce(ctx context.Context, path string, changed func()) error {
	now, err := listOf[struct{}](ctx, a, path)
	if err != nil {
		return err
	}
	body, err := a.do(ctx, http.MethodGet, path+"?watch=1&timeoutSeconds=300&resourceVersion="+now.Metadata.ResourceVersion, "", nil)
	if err != nil {
		return err
	}
	defer body.Close()
	changed()
	lines := bufio.NewReader(body)
	for {
		if _, err := lines.ReadSlice('\n'); err == nil {
			changed()
		} else if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

func (a *api) patchNode(ctx context.Context, name, contentType string, patch any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	text, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	body, err := a.do(ctx, http.MethodPatch, nodesPath+"/"+name, contentType, text)
	if err != nil {
		return err
	}
	return body.Close()
}

func (a *api) do(ctx context.Context, method, path, contentType string, content []byte) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, method, a.server+path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	token, err := os.ReadFile(a.token)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	request.Header.Set("Accept", "application/json")
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := a.http.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, response.Status, bytes.TrimSpace(text))
	}
	return response.Body, nil
}
