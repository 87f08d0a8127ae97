package servers

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed templates
var templates embed.FS

// CassandraRing is what a client needs to know of a ring.
type CassandraRing struct {
	Version      string          `json:"version"`
	Sites        []CassandraSite `json:"sites"`
	User         string          `json:"user"` // a superuser
	PasswordFile string          `json:"passwordFile"`
	CAFile       string          `json:"caFile,omitempty"`     // of who signed the servers' certificates; none: clients speak no TLS
	ClientFile   string          `json:"clientFile,omitempty"` // key and certificate of a client; none: the servers want none
	Control      string          `json:"control"`              // URL: POST brings a fault about, DELETE takes it back
}

// CassandraSite is a data center of the ring.
type CassandraSite struct {
	Name  string          `json:"name"` // of the data center
	Nodes []CassandraNode `json:"nodes"`
}

// CassandraNode is one server.
type CassandraNode struct {
	Address  string   `json:"address"` // of CQL
	Process  int      `json:"process"`
	Data     string   `json:"data"`     // folder of all that it keeps
	Nodetool []string `json:"nodetool"` // the command that an administrator would call nodetool
}

// cassandra is a ring to be started.
type cassandra struct {
	version      string
	sites, nodes int
	heap         string
	dir, jars    string
	network      int             // second number of the servers' addresses: 127.x.site.node
	trust        *cassandraTrust // nil: clients speak no TLS
	state        *cassandraState
}

// CassandraJars gives the folder with the jars of version 4.1 or 5.0; see [Jars].
func CassandraJars(ctx context.Context, version string) (string, error) {
	build, ok := map[string]string{"4.1": "cassandra41", "5.0": "cassandra50"}[version]
	if !ok {
		return "", fmt.Errorf("version %s of Cassandra: there are 4.1 and 5.0", version)
	}
	return Jars(ctx, build)
}

func startCassandra(ctx context.Context, dir string, args []string) (*Set, any, error) {
	c := cassandra{dir: dir, state: newCassandraState()}
	flags := flag.NewFlagSet("servers cassandra", flag.ContinueOnError)
	flags.StringVar(&c.version, "version", "4.1", "4.1 or 5.0")
	flags.IntVar(&c.sites, "sites", 2, "data centers: dc1, dc2, …")
	flags.IntVar(&c.nodes, "nodes", 1, "servers in each of them")
	flags.StringVar(&c.heap, "heap", "256m", "Java heap of each server")
	encrypted := flags.Bool("tls", false, "clients must speak TLS")
	mutual := flags.Bool("client-certificates", false, "clients must speak TLS and have a certificate")
	if err := flags.Parse(args); err != nil {
		return nil, nil, err
	}
	if c.sites < 1 || c.nodes < 1 {
		return nil, nil, fmt.Errorf("%d sites of %d nodes: there is at least one of each", c.sites, c.nodes)
	}
	var err error
	if c.jars, err = CassandraJars(ctx, c.version); err != nil {
		return nil, nil, err
	}
	if *encrypted || *mutual {
		if c.trust, err = newCassandraTrust(dir, *mutual); err != nil {
			return nil, nil, err
		}
	}
	var claim io.Closer
	if c.network, claim, err = claimNetwork(); err != nil {
		return nil, nil, err
	}
	set := NewSet(dir)
	set.AfterStop(func() { _ = claim.Close() }) // nobody can do anything about it
	ring, err := c.start(ctx, set)
	if err != nil {
		set.Stop()
		return nil, nil, err
	}
	if ring.Control, err = set.control(func(r *http.Request) error { return c.fault(set, r) }); err != nil {
		set.Stop()
		return nil, nil, err
	}
	return set, ring, nil
}

// claimNetwork finds a second number of loopback addresses that no ring has, and keeps others from it until the claim is
// closed.
func claimNetwork() (number int, claim io.Closer, err error) {
	for n := 41; n < 250; n++ {
		claim, err := net.Listen("tcp", fmt.Sprintf("127.%d.255.254:7000", n))
		if err == nil {
			return n, claim, nil
		}
	}
	return 0, nil, errors.New("no loopback network is free")
}

// start runs the seeds, one of each site, then the others, and waits until all serve CQL.
func (c cassandra) start(ctx context.Context, set *Set) (CassandraRing, error) {
	ring := CassandraRing{Version: c.version}
	if c.trust != nil {
		ring.CAFile, ring.ClientFile = c.trust.caFile, c.trust.clientFile
	}
	for s := range c.sites {
		ring.Sites = append(ring.Sites, CassandraSite{Name: fmt.Sprintf("dc%d", s+1), Nodes: make([]CassandraNode, c.nodes)})
	}
	for i := range c.nodes {
		for s := range c.sites {
			node, err := c.run(set, s, i)
			if err != nil {
				return ring, err
			}
			ring.Sites[s].Nodes[i] = node
		}
		for s := range c.sites {
			if err := set.AwaitPort(ctx, ring.Sites[s].Nodes[i].Address); err != nil {
				return ring, fmt.Errorf("%w\n%s", err, c.lastWords(s, i))
			}
		}
	}
	return ring, c.openTo(ctx, &ring)
}

func (c cassandra) host(s, i int) string {
	return fmt.Sprintf("127.%d.%d.%d", c.network, s+1, i+1+movedBy*c.state.moves[c.name(s, i)])
}
func (c cassandra) name(s, i int) string { return fmt.Sprintf("dc%d-%d", s+1, i+1) }

func (c cassandra) lastWords(s, i int) []byte {
	log, _ := os.ReadFile(filepath.Join(c.dir, c.name(s, i)+".log")) // none is no words
	return log[max(0, len(log)-2000):]
}

// token spreads the nodes of each site evenly over the ring; no two nodes have the same one.
func (c cassandra) token(s, i int) int64 {
	return math.MinInt64 + int64(uint64(i)*(math.MaxUint64/uint64(c.nodes))) + int64(1000*s) + 1
}

// run writes one server's settings and starts it, with options for Java beyond the usual ones.
func (c cassandra) run(set *Set, s, i int, options ...string) (CassandraNode, error) {
	home := filepath.Join(c.dir, c.name(s, i))
	management, err := c.state.port(c.name(s, i))
	if err != nil {
		return CassandraNode{}, err
	}
	if err := c.configure(home, s, i); err != nil {
		return CassandraNode{}, err
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return CassandraNode{}, err
	}
	if err := c.writeNames(); err != nil {
		return CassandraNode{}, err
	}
	process, err := set.Run(c.name(s, i), nil, java, c.daemon(home, management, options...)...)
	if err != nil {
		return CassandraNode{}, err
	}
	c.state.processes[c.name(s, i)] = process
	return CassandraNode{c.host(s, i) + ":9042", process.Pid, c.data(s, i), append([]string{java}, c.nodetool(home, management)...)}, nil
}

// configure writes one server's settings.
func (c cassandra) configure(home string, s, i int) error {
	if err := os.MkdirAll(filepath.Join(home, "data"), 0o755); err != nil {
		return err
	}
	var seeds []string
	for seed := range c.sites {
		if name := c.name(seed, 0); name != c.name(s, i) || !c.state.replaced[name] {
			seeds = append(seeds, name)
		}
	}
	values := map[string]any{"Cluster": "lab", "Listen": c.host(s, i), "Token": c.token(s, i), "Seeds": strings.Join(seeds, ","), "Host": c.host(s, i)}
	if c.trust != nil {
		keyStore, err := c.trust.issue(home, c.host(s, i))
		if err != nil {
			return err
		}
		values["KeyStore"], values["TrustStore"], values["Mutual"] = keyStore, c.trust.caFile, c.trust.clientFile != ""
	}
	settings, err := render("cassandra.yaml", values)
	if err != nil {
		return err
	}
	log, err := render("logback.xml", nil)
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{
		"cassandra.yaml": settings, "logback.xml": log,
		"cassandra-rackdc.properties": fmt.Appendf(nil, "dc=dc%d\nrack=rack%d\n", s+1, i+1),
	} {
		if err := os.WriteFile(filepath.Join(home, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func render(name string, data any) ([]byte, error) {
	t, err := template.ParseFS(templates, "templates/"+name)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, data)
	return b.Bytes(), err
}
