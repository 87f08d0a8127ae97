package servers

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Kafka is what a client needs to know of running brokers and workers.
type Kafka struct {
	Sites []KafkaSite `json:"sites"`
	// Control takes faults: POST /fault?name=…&site=…&to=… brings one about, DELETE takes it away.
	Control string `json:"control"`
	// With -secure only:
	User         string `json:"user,omitempty"`
	PasswordFile string `json:"passwordFile,omitempty"`
	CA           string `json:"ca,omitempty"` // file
}

// KafkaSite is one site's broker, and the Connect worker that mirrors all other sites into it.
type KafkaSite struct {
	Name      string   `json:"name"`
	Bootstrap []string `json:"bootstrap"`
	Connect   string   `json:"connect"` // base URL of the REST API
}

// kafkaLab is the sites of one start.
type kafkaLab struct {
	dir, jars string
	set       *Set
	sites     []*kafkaSite
	links     map[[2]string]*link // by the site of the brokers and that of the worker
	secret    *kafkaSecret        // nil: plain
}

type kafkaSite struct {
	name                         string
	broker, controller, rest     int
	fromOutside                  map[string]int // port for the workers of each other site, behind the link
	brokerProcess, workerProcess *os.Process
}

func startKafka(ctx context.Context, dir string, args []string) (*Set, any, error) {
	flags := flag.NewFlagSet("servers kafka", flag.ContinueOnError)
	sites := flags.Int("sites", 2, "sites, each with one broker and one Connect worker: dc1, dc2, …")
	secure := flags.Bool("secure", false, "TLS and SASL/SCRAM-SHA-512")
	if err := flags.Parse(args); err != nil {
		return nil, nil, err
	}
	if *sites < 2 {
		return nil, nil, fmt.Errorf("%d sites: mirrors need two at least", *sites)
	}
	jars, err := Jars(ctx, "kafka")
	if err != nil {
		return nil, nil, err
	}
	lab := &kafkaLab{dir: dir, jars: jars, set: NewSet(dir), links: map[[2]string]*link{}}
	if *secure {
		if lab.secret, err = newKafkaSecret(dir); err != nil {
			return nil, nil, err
		}
	}
	ready, err := lab.start(ctx, *sites)
	if err != nil {
		lab.stop()
		return nil, nil, err
	}
	lab.set.AfterStop(lab.stopLinks)
	return lab.set, ready, nil
}

func (k *kafkaLab) stop() {
	k.set.Stop()
	k.stopLinks()
}

func (k *kafkaLab) start(ctx context.Context, sites int) (Kafka, error) {
	if err := k.plan(sites); err != nil {
		return Kafka{}, err
	}
	steps := []func(context.Context, *kafkaSite) error{k.format, k.startBroker, k.awaitBroker, k.startWorker, k.awaitWorker, k.mirror}
	for _, step := range steps {
		errs := make(chan error, len(k.sites))
		for _, s := range k.sites {
			go func() { errs <- step(ctx, s) }()
		}
		var all []error
		for range k.sites {
			all = append(all, <-errs)
		}
		if err := errors.Join(all...); err != nil {
			return Kafka{}, err
		}
	}
	ready := Kafka{}
	for _, s := range k.sites {
		ready.Sites = append(ready.Sites, KafkaSite{s.name, []string{loopback(s.broker)}, "http://" + loopback(s.rest)})
	}
	if k.secret != nil {
		ready.User, ready.PasswordFile, ready.CA = k.secret.user, k.secret.passwordFile, k.secret.caFile
	}
	var err error
	ready.Control, err = k.set.control(k.fault)
	return ready, err
}

// plan gives every listener a port, and every way between two sites a link.
func (k *kafkaLab) plan(sites int) error {
	var ports lowPorts
	for i := range sites {
		k.sites = append(k.sites, &kafkaSite{name: fmt.Sprintf("dc%d", i+1), broker: ports.next(), controller: ports.next(), rest: ports.next(), fromOutside: map[string]int{}})
	}
	for _, s := range k.sites {
		for _, other := range k.sites {
			if other == s {
				continue
			}
			s.fromOutside[other.name] = ports.next()
			l, err := newLink(loopback(ports.next()), loopback(s.fromOutside[other.name]))
			if err != nil {
				return err
			}
			k.links[[2]string{s.name, other.name}] = l
		}
	}
	return ports.err
}

func (k *kafkaLab) stopLinks() {
	for _, l := range k.links {
		l.close()
	}
}

func (k *kafkaLab) path(s *kafkaSite, name string) string {
	return filepath.Join(k.dir, s.name+"-"+name)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// lowPorts are free ports below those that the kernel gives to outgoing connections: a broker that starts must not find
// its port taken by one.
type lowPorts struct {
	last int
	err  error
}

func (p *lowPorts) next() int {
	if p.last == 0 {
		p.last = 20_000 + os.Getpid()%500*20
	}
	for p.last++; p.last < 32_000; p.last++ {
		listener, err := net.Listen("tcp", loopback(p.last))
		if err == nil {
			_ = listener.Close()
			return p.last
		}
	}
	p.err = errors.New("no free port below 32000")
	return 0
}

// gone waits until a killed process is no more.
func gone(ctx context.Context, process *os.Process) error {
	for {
		if err := process.Signal(syscall.Signal(0)); err != nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("process %d does not end: %w", process.Pid, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
