package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/georedkit/georedkit/internal/lab/standin/rest"
)

// imports is where MultiCassKop finds the kubeconfigs of other sites, each in a folder of the site's name.
const imports = "/var/run/secrets/admiralty.io/serviceaccountimports"

// ringPart is the nodes of one site.
type ringPart struct {
	site, path string
	api        rest.API
}

// multiCassKop gives every site's StatefulSet the wanted size, one after the other, again and again: the next one's turn
// comes when the one before it is ready. As MultiCassKop it ends at its start when a site cannot be reached, and one that
// cannot be reached later keeps those after it waiting.
func multiCassKop(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("multi-casskop", flag.ExitOnError)
	local := flags.String("local", "", "this site")
	remote := flags.String("remote", "", "the other sites, with commas")
	nodes := flags.Int("nodes", 1, "of each site")
	if err := flags.Parse(args); err != nil {
		return err
	}
	here, err := rest.InCluster()
	if err != nil {
		return err
	}
	parts := []ringPart{newPart(*local, here)}
	for _, site := range strings.FieldsFunc(*remote, func(r rune) bool { return r == ',' }) {
		api, err := rest.FromKubeconfig(filepath.Join(imports, site, "config"))
		if err != nil {
			return fmt.Errorf("site %s: %w", site, err)
		}
		parts = append(parts, newPart(site, api))
	}
	for _, p := range parts {
		if _, err := p.get(); err != nil {
			return err
		}
		log.Printf("site %s: reached at %s", p.site, p.api.Server)
	}
	for {
		if err := until(ctx, time.Second, func() error { return reconcile(parts, *nodes) }); err != nil {
			return err
		}
		if err := sleep(ctx, 5*time.Second); err != nil {
			return err
		}
	}
}

func newPart(site string, api rest.API) ringPart {
	return ringPart{site, "/apis/apps/v1/namespaces/ice-cassandra/statefulsets/ice-" + site + "-rack1", api}
}

// size is as much of a StatefulSet as is looked at.
type size struct {
	Metadata struct {
		Generation int64 `json:"generation"`
	} `json:"metadata"`
	Spec struct {
		Replicas int `json:"replicas"`
	} `json:"spec"`
	Status struct {
		Observed int64 `json:"observedGeneration"`
		Ready    int   `json:"readyReplicas"`
	} `json:"status"`
}

func (p ringPart) get() (size, error) {
	var s size
	if err := p.api.Call(http.MethodGet, p.path, nil, &s); err != nil {
		return s, fmt.Errorf("site %s: %w", p.site, err)
	}
	return s, nil
}

// reconcile does what can be done now; an error says what is waited for.
func reconcile(parts []ringPart, nodes int) error {
	for _, p := range parts {
		s, err := p.get()
		if err != nil {
			return err
		}
		if s.Spec.Replicas != nodes {
			log.Printf("site %s: %d nodes become %d", p.site, s.Spec.Replicas, nodes)
			wanted := map[string]any{"spec": map[string]any{"replicas": nodes}}
			if err := p.api.Call(http.MethodPatch, p.path, wanted, nil); err != nil {
				return fmt.Errorf("site %s: %w", p.site, err)
			}
			return fmt.Errorf("site %s: starts", p.site)
		}
		if s.Status.Observed < s.Metadata.Generation || s.Status.Ready < nodes {
			return fmt.Errorf("site %s: %d of %d nodes are ready", p.site, s.Status.Ready, nodes)
		}
	}
	return nil
}
