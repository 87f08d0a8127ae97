package kube

import (
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/mesh"
)

// TunnelTasks are gates, one per ordered pair of sites in the order of the network: each is done when every tunnel of
// the layout from the one to the other carries a packet there and back. The steps are for the caller to name.
func (m Mesh) TunnelTasks(layout mesh.Layout) []geored.Task { return m.sight().tunnelTasks(layout) }

func (m Mesh) sight() sight {
	s := sight{ends: map[geored.SiteName]view{}}
	for _, site := range m.Network.Sites {
		end := m.Ends[site.Name]
		s.sites = append(s.sites, site.Name)
		s.ends[site.Name] = view{end.Gateways, podOf(end.Gateways.Cluster, end.Probe)}
	}
	return s
}
