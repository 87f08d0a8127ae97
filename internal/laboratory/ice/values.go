package ice

import (
	"slices"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube/helm"
)

type table = map[string]any

// Values are those of a site as the guide's appendices A and C have them, with its placeholders filled in: whole for the
// first site and for every other one.
func Values(site geored.SiteName, sites []geored.SiteName) helm.Values {
	v := seed(site, sites)
	first := site == sites[0]
	if first {
		var remote []any
		for _, other := range others(site, sites) {
			remote = append(remote, string(other))
		}
		v["iceCassandra"] = table{"values": table{"multi-casskop": table{"k8s": table{"local": string(site), "remote": remote}}}}
	}
	var dcs []any
	for _, s := range sites {
		dcs = append(dcs, table{"name": string(s)})
	}
	v["instantConnectEnterprise"] = table{"spec": table{"timeout": 10800}, "values": table{"config": table{
		"include":         table{"multiCassKop": first},
		"cassandra":       table{"nCassandraNodes": 1, "replicationFactor": 1},
		"multidatacenter": table{"enabled": true, "currentDC": string(site), "dcs": dcs},
	}}}
	return helm.Values{"charts": v}
}

// Seed are the values of a site that is not the first, before that one is complete (appendix B).
func Seed(site geored.SiteName, sites []geored.SiteName) helm.Values {
	v := seed(site, sites)
	v["instantConnectEnterprise"] = table{"enabled": false}
	return helm.Values{"charts": v}
}

func seed(site geored.SiteName, sites []geored.SiteName) table {
	var meshes []any
	for _, other := range others(site, sites) {
		meshes = append(meshes, "ice-rallypoint-discovery-"+string(other))
	}
	return table{
		"iceMinio": table{"enabled": true, "values": table{"multidatacenter": table{"enabled": true, "currentDC": string(site), "remoteDC": string(others(site, sites)[0])}}},
		"rallypoint": table{"values": table{
			"rallypoint": table{"name": string(site), "peerMeshes": meshes},
			"patch":      table{"agent": table{"patchAgentName": "Default Patch Agent - " + string(site)}},
			"reflector":  table{"name": "Default Reflector - " + string(site), "config": table{"multicastInterfaceName": "eth0"}},
		}},
		"iceMonitoring": table{"enabled": false},
		"iceCassandra":  table{"values": table{"multi-casskop": table{"enabled": false}}},
	}
}

func others(site geored.SiteName, sites []geored.SiteName) []geored.SiteName {
	return slices.DeleteFunc(slices.Clone(sites), func(s geored.SiteName) bool { return s == site })
}
