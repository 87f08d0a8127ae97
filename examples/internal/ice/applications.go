package ice

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Applications are what the product's own values need besides the sites (ICE guide, 4.4 and appendices A to C).
type Applications struct {
	First              geored.SiteName // where the product is installed first, and MultiCassKop runs. Zero in the file: the first site
	MulticastInterface string          // of the nodes, to which the reflectors bind. Zero in the file: eth0
	Retention          string          // of metrics and logs, as Prometheus writes it. Zero in the file: 7d
	Mail               *Mail           // through which Grafana tells of alarms. nil: it does not
	IPPhoneBridge      bool
	CassandraNodes     int // of each site. Zero in the file: 1
	ReplicationFactor  int // in each site. Zero in the file: 1
	// OneCopy says that the file itself asks for one copy of each row in a site: then nobody is warned of it.
	OneCopy bool
	// Timeout is what the operator gives the product to come up (spec.timeout), and so the time of the steps that wait for
	// it. Zero in the file: 3 hours.
	Timeout time.Duration
}

// Mail is a server that takes mail.
type Mail struct {
	From, FromName string
	Server         string // host:port
	User           string
	PasswordFile   string // its first line is the password
	SkipVerify     bool   // the server's certificate is not looked at
}

type applicationsFile struct {
	First              string    `yaml:"first,omitempty"`
	MulticastInterface string    `yaml:"multicastInterface,omitempty"`
	Retention          string    `yaml:"retention,omitempty"`
	Mail               *mailFile `yaml:"mail,omitempty"`
	IPPhoneBridge      bool      `yaml:"ipPhoneBridge,omitempty"`
	CassandraNodes     int       `yaml:"cassandraNodes,omitempty"`
	ReplicationFactor  int       `yaml:"replicationFactor,omitempty"`
	Timeout            string    `yaml:"timeout,omitempty"`
}

type mailFile struct {
	From         string `yaml:"from"`
	FromName     string `yaml:"fromName,omitempty"`
	Server       string `yaml:"server"`
	User         string `yaml:"user,omitempty"`
	PasswordFile string `yaml:"passwordFile,omitempty"`
	SkipVerify   bool   `yaml:"skipVerify,omitempty"`
}

const defaultProductTimeout = 3 * time.Hour // 10800 s (ICE guide, 4.4.2)

func or[T comparable](value, otherwise T) T {
	if value == *new(T) {
		return otherwise
	}
	return value
}

// applications reads the section and tells all its faults.
func (f applicationsFile) applications(sites []Site) (Applications, geored.Faults) {
	a := Applications{First: geored.SiteName(f.First), MulticastInterface: or(f.MulticastInterface, "eth0"), Retention: or(f.Retention, "7d"),
		IPPhoneBridge: f.IPPhoneBridge, CassandraNodes: or(f.CassandraNodes, 1), ReplicationFactor: or(f.ReplicationFactor, 1), OneCopy: f.ReplicationFactor == 1, Timeout: defaultProductTimeout}
	if f.Mail != nil {
		mail := Mail(*f.Mail)
		a.Mail = &mail
	}
	if a.First == "" && len(sites) > 0 {
		a.First = sites[0].Name
	}
	var faults geored.Faults
	if f.Timeout != "" {
		timeout, err := time.ParseDuration(f.Timeout)
		if err != nil || timeout < time.Second {
			faults = append(faults, geored.Fault{Field: "applications.timeout", Value: f.Timeout, Problem: "is no time of a second or more", Remedy: "write something like 3h"})
		}
		a.Timeout = timeout
	}
	return a, append(faults, a.faults(sites)...)
}

var (
	interfaceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$`)
	retention     = regexp.MustCompile(`^[1-9][0-9]*[smhdwy]$`)
	domainName    = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

func (a Applications) faults(sites []Site) geored.Faults {
	var faults geored.Faults
	fault := func(field, value, problem, remedy string) {
		faults = append(faults, geored.Fault{Field: "applications." + field, Value: value, Problem: problem, Remedy: remedy})
	}
	if !slices.ContainsFunc(sites, func(s Site) bool { return s.Name == a.First }) {
		fault("first", string(a.First), "is none of the sites", "name one of them")
	}
	if !interfaceName.MatchString(a.MulticastInterface) {
		fault("multicastInterface", a.MulticastInterface, "is no name of a network interface", "see ip link on the nodes")
	}
	if !retention.MatchString(a.Retention) {
		fault("retention", a.Retention, "is no time as Prometheus writes it", "write something like 7d")
	}
	if a.CassandraNodes < 1 {
		fault("cassandraNodes", fmt.Sprint(a.CassandraNodes), "is below 1", "write 1 or more")
	}
	if a.ReplicationFactor < 1 || a.ReplicationFactor > max(a.CassandraNodes, 1) {
		fault("replicationFactor", fmt.Sprint(a.ReplicationFactor), fmt.Sprintf("is not between 1 and cassandraNodes %d", a.CassandraNodes), "a site cannot hold more copies than it has nodes")
	}
	return append(append(faults, a.Mail.faults()...), fqdnFaults(sites, a.IPPhoneBridge)...)
}

func (m *Mail) faults() geored.Faults {
	if m == nil {
		return nil
	}
	var faults geored.Faults
	fault := func(field, value, problem, remedy string) {
		faults = append(faults, geored.Fault{Field: "applications.mail." + field, Value: value, Problem: problem, Remedy: remedy})
	}
	if m.From == "" {
		fault("from", "", "is missing", "write the address that mail comes from")
	}
	if host, port, err := net.SplitHostPort(m.Server); err != nil || host == "" || port == "" {
		fault("server", m.Server, "is not of the form host:port", "write the mail server and its port")
	}
	for _, text := range []string{m.From, m.FromName, m.Server, m.User} {
		if placeholder.MatchString(text) {
			fault("…", text, "is a placeholder", "write what it stands for")
		}
	}
	return faults
}

// fqdnFaults: a name for every site or for none, each its own.
func fqdnFaults(sites []Site, bridge bool) geored.Faults {
	var faults geored.Faults
	owner, named := map[string]geored.SiteName{}, slices.ContainsFunc(sites, func(s Site) bool { return s.FQDN != "" })
	for _, s := range sites {
		fault := func(problem, remedy string) {
			faults = append(faults, geored.Fault{Site: s.Name, Field: "fqdn", Value: s.FQDN, Problem: problem, Remedy: remedy})
		}
		switch {
		case s.FQDN == "" && (named || bridge):
			fault("is missing", "name every site, or none and no IP phone bridge")
		case s.FQDN == "":
		case placeholder.MatchString(s.FQDN):
			fault("is a placeholder", "write what it stands for")
		case !domainName.MatchString(s.FQDN):
			fault("is no domain name", "write one in lower case, such as ice.dc1.example.org")
		case owner[s.FQDN] != "":
			fault("is that of site "+string(owner[s.FQDN])+" too", "give each site a name of its own")
		}
		owner[s.FQDN] = s.Name
	}
	return faults
}

// in takes the relative path of the password's file from a folder.
func (a *Applications) in(folder string) *Applications {
	if a == nil || a.Mail == nil || a.Mail.PasswordFile == "" || filepath.IsAbs(a.Mail.PasswordFile) {
		return a
	}
	moved, mail := *a, *a.Mail
	mail.PasswordFile = filepath.Join(folder, mail.PasswordFile)
	moved.Mail = &mail
	return &moved
}
