package supervisor

import (
	"bytes"
	"encoding/json"
	"os"
	"text/template"

	"github.com/georedkit/georedkit/internal/lab/address"
	"github.com/georedkit/georedkit/internal/lab/wholefile"
)

// Ready describes a laboratory whose sites are all up: the contents of ready.json.
type Ready struct {
	Version   int            `json:"version"`
	Name      string         `json:"name"`
	PID       int            `json:"pid"`
	Dir       string         `json:"dir"`
	Sites     []ReadySite    `json:"sites"`
	ChartRepo ReadyChartRepo `json:"chartRepo"`
}

// ReadySite is one site of Ready.
type ReadySite struct {
	Name          string      `json:"name"`
	Kubeconfig    string      `json:"kubeconfig"`
	WireGuardCIDR string      `json:"wireguardCIDR"`
	PodCIDR       string      `json:"podCIDR"`
	ServiceCIDR   string      `json:"serviceCIDR"`
	DNSIP         string      `json:"dnsIP"`
	APIServerIP   string      `json:"apiServerIP"`
	Nodes         []ReadyNode `json:"nodes"`
	// APIServers are those of a site that has several, each by its address in the site and its endpoint on this machine.
	APIServers []ReadyAPIServer `json:"apiServers,omitempty"`
}

// ReadyAPIServer is one API server of a ReadySite.
type ReadyAPIServer struct {
	Address  string `json:"address"`
	Endpoint string `json:"endpoint"`
}

// ReadyNode is one node of a ReadySite.
type ReadyNode struct {
	Name       string   `json:"name"`
	InternalIP string   `json:"internalIP"`
	Endpoint   string   `json:"endpoint"`
	PodCIDRs   []string `json:"podCIDRs"`
}

func describeSite(plan address.Site, kubeconfig string, tunnels ...*tunnel) ReadySite {
	site := ReadySite{
		Name: plan.Name, Kubeconfig: kubeconfig,
		WireGuardCIDR: plan.WireGuard.String(), PodCIDR: plan.Pods.String(), ServiceCIDR: plan.Services.String(),
		DNSIP: plan.DNS.String(), APIServerIP: plan.APIServer.String(),
	}
	for _, n := range plan.Nodes {
		site.Nodes = append(site.Nodes, ReadyNode{n.Name, n.LAN.String(), n.Endpoint().String(), []string{n.Pods.String()}})
	}
	if len(tunnels) > 1 {
		for _, t := range tunnels {
			site.APIServers = append(site.APIServers, ReadyAPIServer{t.target, t.endpoint()})
		}
	}
	return site
}

var topology = template.Must(template.New("topology").Parse(`sites:
{{- range .}}
  - name: {{.Name}}
    kubeconfig: {{.Kubeconfig}}
    wireguardCIDR: {{.WireGuardCIDR}}
    podCIDR: {{.PodCIDR}}
    serviceCIDR: {{.ServiceCIDR}}
    dnsIP: {{.DNSIP}}
    apiServerIP: {{.APIServerIP}}
    {{- with .APIServers}}
    apiServers:
    {{- range .}}
      - {address: "{{.Address}}", endpoint: "{{.Endpoint}}"}
    {{- end}}
    {{- end}}
    nodes:
    {{- range .Nodes}}
      - {name: {{.Name}}, internalIP: {{.InternalIP}}, endpoint: "{{.Endpoint}}", podCIDRs: [{{range $i, $c := .PodCIDRs}}{{if $i}}, {{end}}{{$c}}{{end}}]}
    {{- end}}
{{- end}}
`))

// writeReady announces the laboratory; ready.json comes last.
func (l *Laboratory) writeReady() error {
	ready := Ready{Version: 1, Name: l.name, PID: os.Getpid(), Dir: string(l.folder), ChartRepo: l.chartRepo}
	for _, s := range l.sites {
		ready.Sites = append(ready.Sites, describeSite(s.plan, l.folder.kubeconfig(s.plan.Name), s.tunnels...))
	}
	var text bytes.Buffer
	if err := topology.Execute(&text, ready.Sites); err != nil {
		return err
	}
	if err := wholefile.Write(l.folder.topology(), text.Bytes(), 0o600); err != nil {
		return err
	}
	document, err := json.MarshalIndent(ready, "", "  ")
	if err != nil {
		return err
	}
	return wholefile.Write(l.folder.ready(), append(document, '\n'), 0o600)
}
