package creds

import (
	"encoding/json"
	"fmt"

	"github.com/georedkit/georedkit/geored"
)

// Access is a way to a cluster that a ClusterProfile offers: all but the token.
type Access struct {
	Provider string // its name: which plugin makes the token
	Server   string
	CA       []byte // PEM
}

// Export completes an access with the token that a plugin made.
func (a Access) Export(name string, account Account, credential ExecCredential) Export {
	return Export{Name: name, Server: a.Server, CA: a.CA, Account: account, Token: credential.Token, Expires: credential.Expires}
}

// ParseClusterProfile reads the ways to a cluster from the JSON of a ClusterProfile (multicluster.x-k8s.io, KEP-4322), in
// its order. They stand below status.accessProviders, or below status.credentialProviders in older versions. Fields that
// this package does not know are passed over; ways without certificate verification are refused. The error is
// geored.Faults.
func ParseClusterProfile(data []byte) ([]Access, error) {
	type provider struct {
		Name    string `json:"name"`
		Cluster struct {
			Server   string `json:"server"`
			CA       []byte `json:"certificate-authority-data"`
			Insecure bool   `json:"insecure-skip-tls-verify"`
		} `json:"cluster"`
	}
	var file struct {
		Kind   string `json:"kind"`
		Status struct {
			Access      []provider `json:"accessProviders"`
			Credentials []provider `json:"credentialProviders"`
		} `json:"status"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, geored.Faults{{Field: "cluster profile", Problem: "is not JSON of the kind: " + err.Error()}}
	}
	if file.Kind != "ClusterProfile" {
		return nil, geored.Faults{{Field: "kind", Value: file.Kind, Problem: "is not ClusterProfile"}}
	}
	field, providers := "status.accessProviders", file.Status.Access
	if len(providers) == 0 {
		field, providers = "status.credentialProviders", file.Status.Credentials
	}
	if len(providers) == 0 {
		return nil, geored.Faults{{Field: "status.accessProviders", Problem: "names none", Remedy: "let the cluster manager fill it in"}}
	}
	var ways []Access
	var faults geored.Faults
	for i, p := range providers {
		at := fmt.Sprintf("%s[%d]", field, i)
		switch {
		case p.Name == "":
			faults = append(faults, geored.Fault{Field: at + ".name", Problem: "is missing"})
		case p.Cluster.Server == "":
			faults = append(faults, geored.Fault{Field: at + ".cluster.server", Problem: "is missing"})
		case p.Cluster.Insecure:
			faults = append(faults, geored.Fault{Field: at + ".cluster.insecure-skip-tls-verify", Problem: "takes any server for the source", Remedy: "give its CA"})
		default:
			ways = append(ways, Access{p.Name, p.Cluster.Server, p.Cluster.CA})
		}
	}
	return ways, faults.Err()
}
