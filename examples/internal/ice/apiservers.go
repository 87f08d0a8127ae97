package ice

import (
	"context"
	"fmt"
	"net"
	"net/url"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/creds/serving"
	"github.com/georedkit/georedkit/geored"
)

// APIServer is one of a site's several API servers.
type APIServer struct {
	Address  geored.Endpoint // as the service default/kubernetes lists it
	Endpoint geored.Endpoint // where this machine reaches it, and it alone
}

type apiServerFile struct {
	Address  string `yaml:"address"`
	Endpoint string `yaml:"endpoint"`
}

// readAPIServers: an endpoint that stands there twice may be that of a load balancer, and one of two API servers would never
// be asked.
func readAPIServers(read *geored.Reader, files []apiServerFile) []APIServer {
	var servers []APIServer
	seen := map[string]bool{}
	fault := func(field, value, problem, remedy string) {
		read.Faults = append(read.Faults, geored.Fault{Site: read.Site, Field: field, Value: value, Problem: problem, Remedy: remedy})
	}
	for i, f := range files {
		s := APIServer{read.Endpoint(fmt.Sprintf("apiServers[%d].address", i), f.Address), read.Endpoint(fmt.Sprintf("apiServers[%d].endpoint", i), f.Endpoint)}
		for _, x := range []struct {
			name, written string
			read          geored.Endpoint
		}{{"address", f.Address, s.Address}, {"endpoint", f.Endpoint, s.Endpoint}} {
			field, key := fmt.Sprintf("apiServers[%d].%s", i, x.name), x.name+" "+x.read.String()
			switch {
			case x.written == "":
				fault(field, "", "is missing", "write host:port")
			case x.read.IsValid() && seen[key]:
				fault(field, x.written, "is that of another API server too", "name each by its own: a load balancer before them leads to one of them only")
			case x.name == "address" && x.read.IsValid() && !x.read.Addr().IsValid():
				fault(field, x.written, "is a name", "write the address that kubectl get endpointslices -n default shows")
			}
			seen[key] = true
		}
		servers = append(servers, s)
	}
	return servers
}

// dial reaches single API servers: where the topology says so, else by their own addresses. Where a site has one only, and its
// address is not reached from here, the kubeconfig's is as good: both are that one.
func (d *Deployment) dial(site geored.SiteName) serving.Dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		for _, s := range d.site(site).APIServers {
			if s.Address.String() == address {
				return new(net.Dialer).DialContext(ctx, network, s.Endpoint.String())
			}
		}
		slices, err := d.Clusters[site].Client().DiscoveryV1().EndpointSlices(metav1.NamespaceDefault).List(ctx, metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=kubernetes"})
		if err != nil {
			return nil, err
		}
		if len(slices.Items) == 1 && len(slices.Items[0].Endpoints) == 1 && len(slices.Items[0].Endpoints[0].Addresses) == 1 {
			host, err := url.Parse(d.Clusters[site].Config().Host)
			if err == nil && host.Host != "" {
				address = withPort(host)
			}
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
}

func withPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), "443")
}
