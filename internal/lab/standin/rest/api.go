package rest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"go.yaml.in/yaml/v3"
)

// API is an API server of Kubernetes and who asks it.
type API struct {
	Server, Token string
	Namespace     string // of the asker
	client        *http.Client
}

// Call asks for a path of the API.
func (a API) Call(method, path string, body, answer any) error {
	return Call(a.client, a.Token, method, a.Server+path, body, answer)
}

// InCluster is the API server as the pod's service account sees it.
func InCluster() (API, error) {
	const folder = "/var/run/secrets/kubernetes.io/serviceaccount/"
	var files [3][]byte
	for i, name := range []string{"token", "namespace", "ca.crt"} {
		var err error
		if files[i], err = os.ReadFile(folder + name); err != nil {
			return API{}, err
		}
	}
	server := "https://" + net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	return open(server, string(files[0]), string(files[1]), files[2])
}

// FromKubeconfig is the API server of a kubeconfig's current context, with the token in it or in the file it names.
func FromKubeconfig(path string) (API, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return API{}, err
	}
	var file kubeconfig
	if err := yaml.Unmarshal(text, &file); err != nil {
		return API{}, fmt.Errorf("%s: %w", path, err)
	}
	api, err := file.open()
	if err != nil {
		return API{}, fmt.Errorf("%s: %w", path, err)
	}
	return api, nil
}

type kubeconfig struct {
	Current  string `yaml:"current-context"`
	Contexts []struct {
		Name    string
		Context struct{ Cluster, User, Namespace string }
	}
	Clusters []struct {
		Name    string
		Cluster struct {
			Server    string
			Authority string `yaml:"certificate-authority-data"`
		}
	}
	Users []struct {
		Name string
		User struct {
			Token     string
			TokenFile string `yaml:"tokenFile"`
		}
	}
}

func (k kubeconfig) open() (API, error) {
	var server, namespace, token, tokenFile, authority string
	for _, c := range k.Contexts {
		if c.Name != k.Current {
			continue
		}
		namespace = c.Context.Namespace
		for _, cluster := range k.Clusters {
			if cluster.Name == c.Context.Cluster {
				server, authority = cluster.Cluster.Server, cluster.Cluster.Authority
			}
		}
		for _, user := range k.Users {
			if user.Name == c.Context.User {
				token, tokenFile = user.User.Token, user.User.TokenFile
			}
		}
	}
	if tokenFile != "" {
		content, err := os.ReadFile(tokenFile)
		if err != nil {
			return API{}, err
		}
		token = string(content)
	}
	if server == "" || token == "" {
		return API{}, fmt.Errorf("context %q has no server or no token", k.Current)
	}
	decoded, err := base64.StdEncoding.DecodeString(authority)
	if err != nil {
		return API{}, err
	}
	return open(server, token, namespace, decoded)
}

func open(server, token, namespace string, authority []byte) (API, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return API{}, errors.New("the API server's authority is not PEM")
	}
	return API{server, token, namespace, &http.Client{Timeout: 10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}}, nil
}
