package ice

import (
	"bytes"
	"os"
	"slices"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube/helm"
)

type table = map[string]any

// partner is the one site whose objects and records a site has mirrored into it: iceMinio.multidatacenter.remoteDC is one
// name. Of two sites it is the other; more make a ring.
func (t Topology) partner(own geored.SiteName) geored.SiteName {
	i := slices.IndexFunc(t.Sites, func(s Site) bool { return s.Name == own })
	return t.Sites[(i+1)%len(t.Sites)].Name
}

// productValues are those of ice_dcN.json (ICE guide, 4.4.2, 4.4.7, appendices A and C). They hold no password.
func (d *Deployment) productValues(own geored.SiteName) helm.Values {
	a, site := d.Topology.Applications, d.site(own)
	casskop := table{"enabled": false}
	if own == a.First {
		casskop = table{"enabled": true, "k8s": table{"local": string(own), "remote": list(d.others(own))}}
	}
	charts := table{
		"iceMinio":                 d.minioValues(site),
		"iceLogging":               table{"enabled": false},
		"iceMonitoring":            monitoringValues(*a, site),
		"rallypoint":               d.rallypointValues(own),
		"iceCassandra":             table{"enabled": true, "values": table{"multi-casskop": casskop}},
		"instantConnectEnterprise": d.enterpriseValues(site),
		"sonobuoy":                 table{"enabled": false},
	}
	if site.FQDN != "" {
		charts["iceIngress"] = table{"enabled": true, "values": table{"host": site.FQDN}}
	}
	return helm.Values{"charts": charts}
}

// seedValues are those of seed_dcN.json (ICE guide, 4.4.3 and appendix B): all but the applications.
func (d *Deployment) seedValues(own geored.SiteName) helm.Values {
	site := d.site(own)
	site.FQDN = "" // there is nothing to reach yet
	return helm.Values{"charts": table{
		"iceMinio":                 d.minioValues(site),
		"rallypoint":               d.rallypointValues(own),
		"iceMonitoring":            table{"enabled": false},
		"iceCassandra":             table{"enabled": true, "values": table{"multi-casskop": table{"enabled": false}}},
		"instantConnectEnterprise": table{"enabled": false},
	}}
}

func (d *Deployment) minioValues(s Site) table {
	values := table{"multidatacenter": table{"enabled": true, "currentDC": string(s.Name), "remoteDC": string(d.Topology.partner(s.Name))}}
	if s.FQDN != "" {
		values["config"] = table{"ingress": table{"hosts": []any{s.FQDN}}}
	}
	return table{"enabled": true, "values": values}
}

func (d *Deployment) rallypointValues(own geored.SiteName) table {
	var peers []any
	for _, other := range d.others(own) {
		peers = append(peers, discovery(other))
	}
	return table{"enabled": true, "values": table{
		"rallypoint": table{"name": string(own), "peerMeshes": peers},
		"patch":      table{"agent": table{"patchAgentName": "Default Patch Agent - " + string(own)}},
		"reflector": table{"name": "Default Reflector - " + string(own),
			"config": table{"multicastInterfaceName": d.Topology.Applications.MulticastInterface}},
	}}
}

// discovery is the Service under which a site's rallypoints find those of another.
func discovery(site geored.SiteName) string { return "ice-rallypoint-discovery-" + string(site) }

func monitoringValues(a Applications, s Site) table {
	grafana := table{}
	ini := table{}
	if s.FQDN != "" {
		ini["server"] = table{"domain": s.FQDN}
		grafana["ingress"] = table{"enabled": true, "hosts": []any{s.FQDN}}
	}
	if m := a.Mail; m != nil {
		ini["smtp"] = table{"enabled": true, "from_address": m.From, "from_name": m.FromName, "host": m.Server, "user": m.User, "skip_verify": m.SkipVerify}
	}
	if len(ini) > 0 {
		grafana["grafana.ini"] = ini
	}
	values := table{
		"prometheus": table{"server": table{"retention": a.Retention}},
		"loki":       table{"config": table{"table_manager": table{"retention_deletes_enabled": true, "retention_period": a.Retention}}},
	}
	if len(grafana) > 0 {
		values["grafana"] = grafana
	}
	return table{"enabled": true, "values": values}
}

func (d *Deployment) enterpriseValues(s Site) table {
	a := d.Topology.Applications
	var dcs []any
	for _, site := range d.Topology.Sites {
		dcs = append(dcs, table{"name": string(site.Name)})
	}
	config := table{
		"include":         table{"multiCassKop": s.Name == a.First},
		"cassandra":       table{"nCassandraNodes": a.CassandraNodes, "replicationFactor": a.ReplicationFactor},
		"multidatacenter": table{"enabled": true, "currentDC": string(s.Name), "dcs": dcs},
	}
	values := table{"config": config}
	if s.FQDN != "" {
		config["ingress"] = table{"enabled": true, "hosts": []any{s.FQDN}}
		config["swaggerUI"] = swaggerUI(s)
	}
	if a.IPPhoneBridge {
		base := "https://" + s.FQDN + "/ipphone"
		values["devInclude"] = table{"IPPhoneBridge": true}
		values["env"] = table{"arcusComponents": table{"ipphone-bridge": table{"redirect.base.url": base, "static.resource.server.url": base}}}
	}
	return table{"enabled": true, "spec": table{"timeout": int(a.Timeout.Seconds())}, "values": values}
}

// swaggerUI is off, and would name the site's own address when somebody turns it on (ICE guide, appendices A and C).
func swaggerUI(s Site) table {
	server := table{"description": "public rest endpoint", "url": "https://" + s.FQDN + "/instant-connect"}
	return table{"enabled": false, "json": table{"merge.json": table{"servers": []any{server}}}, "mergeJson": true}
}

func list(sites []geored.SiteName) []any {
	var names []any
	for _, site := range sites {
		names = append(names, string(site))
	}
	return names
}

// withPassword adds what the files of values do not hold: the mail server's password.
func (d *Deployment) withPassword(values helm.Values) (helm.Values, error) {
	password, err := d.Topology.Applications.Mail.password()
	if err != nil || password == "" {
		return values, err
	}
	return helm.Merge(values, helm.Values{"charts": table{"iceMonitoring": table{"values": table{"grafana": table{"grafana.ini": table{"smtp": table{"password": password}}}}}}}), nil
}

// password is the first line of its file. Zero: no file is named. The error is geored.Faults.
func (m *Mail) password() (string, error) {
	if m == nil || m.PasswordFile == "" {
		return "", nil
	}
	fault := geored.Fault{Field: "applications.mail.passwordFile", Value: m.PasswordFile, Remedy: "write the mail server's password into its first line"}
	text, err := os.ReadFile(m.PasswordFile)
	line, _, _ := bytes.Cut(text, []byte("\n"))
	password := string(bytes.TrimSpace(line))
	switch {
	case err != nil:
		fault.Problem = "cannot be read: " + err.Error()
	case password == "":
		fault.Problem = "has an empty first line"
	default:
		return password, nil
	}
	return "", geored.Faults{fault}
}

// Secrets says whether the files that hold the product's secrets can be read, before anything is changed. The error is
// geored.Faults.
func (d *Deployment) Secrets() error {
	if d.Topology.Applications == nil {
		return nil
	}
	_, err := d.Topology.Applications.Mail.password()
	return err
}
