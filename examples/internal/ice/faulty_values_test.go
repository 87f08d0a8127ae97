package ice

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/version"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/cassandra/cassandratest"
	"github.com/georedkit/georedkit/creds"
	credskube "github.com/georedkit/georedkit/creds/kube"
	"github.com/georedkit/georedkit/dnsfed/coredns"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube/helm"
	"github.com/georedkit/georedkit/geored/probe"
	"github.com/georedkit/georedkit/kafka"
	"github.com/georedkit/georedkit/kafka/connect"
	"github.com/georedkit/georedkit/kafka/strimzi"
	"github.com/georedkit/georedkit/mesh"
	"github.com/georedkit/georedkit/mesh/kilo"
	meshkube "github.com/georedkit/georedkit/mesh/kube"
)

// Groups that follow the guide's numbered faults.
const (
	asPrinted  = "JSON"
	minimal    = "samples"
	symmetries = "symmetry"
)

// faultyValues are all faults of the guide.
func faultyValues() []faulty {
	return append(append(faultyMesh(), faultyProduct()...), append(faultyOperations(), faultyFiles()...)...)
}

// twoPeers are the guide's kilo_dc1_part2.json for two nodes of dc2, each with the ranges that it has for one.
const twoPeers = `{"config": {"multidatacenter": {"wgCIDR": "10.80.0.0/16"}, "peers": [
  {"name": "dc2-1", "allowedIPs": ["10.120.0.0/16", "10.110.0.1/32", "10.130.0.0/16"], "endpoint": {"ip": "192.168.1.106", "port": 51820}, "publicKey": "___KEY_1___", "persistentKeepalive": 10},
  {"name": "dc2-2", "allowedIPs": ["10.120.0.0/16", "10.110.0.2/32", "10.130.0.0/16"], "endpoint": {"ip": "192.168.1.107", "port": 51820}, "publicKey": "___KEY_2___", "persistentKeepalive": 10}]}}`

// onePeer is the guide's kilo_dc1_part2.json with its comma, and with something replaced.
func onePeer(old, new string) string {
	text := strings.Replace(guideKiloDC1, `"10.110.0.1/32"`, `"10.110.0.1/32",`, 1)
	return strings.Replace(text, old, new, 1)
}

// faultyMesh are those of chapters 2 to 4.3.
func faultyMesh() []faulty {
	part2 := "kilo/kilo_dc1_part2.json"
	return []faulty{
		{number: "1", line: "415", value: `"wgCIDR": "10.130.0.0/16" in kilo_dc2_part2.json: the service range of DC2, and not the range of part 1`, by: "-lint",
			says: "is not that of part 1, 10.110.0.0/16", find: linted("kilo/kilo_dc2_part2.json", guideKiloDC2)},
		{number: "1", line: "415", value: "the same range for WireGuard and for the services, in the topology", by: "topology",
			says: "is the same as wireguardCIDR", find: topologyWith("wireguardCIDR: 10.110.0.0/16", "wireguardCIDR: 10.130.0.0/16")},
		{number: "2", line: "393, 441, 494", value: `the whole pod range "10.120.0.0/16" for a node, of which another has a part`, by: "-lint",
			says: "allowedIPs 10.120.0.0/16: is lost to", find: linted(part2, twoPeers)},
		{number: "3", line: "456", value: `the service range "10.130.0.0/16" "for all nodes"`, by: "-lint",
			says: "allowedIPs 10.130.0.0/16: is lost to", find: linted(part2, twoPeers)},
		{number: "4", line: "394", value: `"10.110.0.1/32" without a comma behind it`, by: "-lint", says: "kilo_dc1_part2.json: file", find: linted(part2, guideKiloDC1)},
		{number: "5", line: "130, 140", value: "kubectl get node dc1_1, dc2_1", by: "topology", says: "dc1_1: is not a Kubernetes node name", find: topologyWith("name: dc1-1", "name: dc1_1")},
		{number: "5", line: "158 to 164", value: "dcl as the host in the inventory of dc1", by: "-lint", says: "[all] dcl: is no node of the topology", find: linted("inventory/dc1/inventory.ini", guideInventory)},
		{number: "5", line: "152, 130", value: "dc1 as the host in the inventory, and dc1-1 in the tables", by: "-lint", says: "[all] dc1: is no node of the topology",
			find: linted("inventory/dc1/inventory.ini", strings.ReplaceAll(guideInventory, "dcl", "dc1"))},
		{number: "5", line: "202", value: "inventory/dcl beside inventory/dc1", by: "-lint", says: "is of a site that the topology does not have", find: linted("inventory/dcl/inventory.ini", guideInventory)},
		{number: "5", line: "202, 661", value: "~/.kube/dcl", by: "topology", says: "kubeconfig ~/.kube/dcl", find: openedAs("topology", "dc1.kubeconfig", "~/.kube/dcl", Charts{})},
		{number: "6", line: "358, 397", value: "the annotation 10.110.0.1/16 where an allowed address is wanted", by: "-lint", says: "10.110.0.1/16: has host bits set", find: linted(part2, onePeer("10.110.0.1/32", "10.110.0.1/16"))},
		{number: "7", line: "355, 396", value: "192.168.1.106 as endpoint, which is the internal address too: what kgctl prints allows it", by: "-lint", says: "lies inside its own allowedIPs",
			find: linted(part2, onePeer(`"10.120.0.0/16"`, `"192.168.1.106/32", "10.120.0.0/16"`))},
		{number: "7", line: "105, 396, 422", value: "192.168.1.105 and .106: one network for two data centres",
			open: "two sites on one network work, until that network fails; from two addresses nobody can tell. preflight/path says whether UDP arrives"},
		{number: "8", line: "276, 285", value: "status.addresses[0], which may be a host name", by: "topology", says: "is a name, and Kilo's chart takes addresses only",
			find: topologyWith(`endpoint: "192.168.1.105:51820"`, `endpoint: "dc1-1.example.org:51820"`)},
		{number: "8", line: "278, 287", value: "an IPv6 address without brackets in force-endpoint", by: string(meshkube.CheckKiloNodes), says: "is not host:port: Kilo passes over it",
			find: func(*testing.T) []caught {
				_, faults := kilo.ParseNode(kilo.Source{Site: "dc1", Name: "dc1-1", Annotations: map[string]string{kilo.ForceEndpoint: "2001:db8::1:51820"}})
				return faultsBy(string(meshkube.CheckKiloNodes), faults.Err())
			}},
		{number: "8", line: "278, 279", value: "kubectl annotate without --overwrite, which fails the second time", instead: "annotate/SITE/NODE applies what is wanted, and leaves alone what is there"},
		{number: "9", line: "62, 312, 464", value: "instantconnect/ice-kilo: an alias that was never added", by: "-chart-repo", says: "is not a URL",
			find: openedAs("-chart-repo", "", "", Charts{Repository: helm.Repository{URL: "instantconnect"}})},
		{number: "9", line: "795", value: "ice-helm-operator-develop, a chart for development, in production", open: "the vendor has no other; the archive's digest stands in the plan, and another one under the same version is refused"},
		{number: "10", line: "70, 73", value: "the repository's user and password in clear", by: "-chart-repo", says: "carries a user or password",
			find: openedAs("-chart-repo", "", "", Charts{Repository: helm.Repository{URL: "https://user:password@charts.example.org/icet-helm"}})},
		{number: "10", line: "1388", value: `"password" of the mail server in the values`, by: "-lint", says: "smtp.password: is a secret that stands in a file of values",
			find: lintedProduct("ice/ice_dc1.json", `"user": "apikey"`, `"user": "apikey", "password": "planted"`)},
		{number: "10", line: "1058", value: "the initial password on a command line", instead: "password/SITE/init-superuser-pass copies it unseen"},
		{number: "11", line: "146", value: "Kubespray v2.15.0, which installs Kubernetes 1.19", by: string(CheckVersion), says: "is older than 1.29",
			find: judged(CheckVersion, func(*testing.T) geored.Finding {
				return judgeVersion(version.Info{Major: "1", Minor: "19", GitVersion: "v1.19.7"})
			})},
		{number: "12", line: "79, 560", value: "kubemcsa v0.6.1, which finds no token on Kubernetes 1.24 and later", instead: "the mint step of each site makes the token's Secret and waits until it is filled; the copies have the same five keys"},
		{number: "13", line: "632", value: `"all clusters can use the same dcs array"`, by: "-lint", says: "has dc1 first", find: linted("coredns/coredns_dc2.json", dnsFile("10.130.0.53"))},
		{number: "14", line: "542", value: "delete svc kube-dns, and nothing else yet", by: string(CheckDNSService), says: "there is no Service kube-dns",
			find: judged(CheckDNSService, func(*testing.T) geored.Finding { return judgeDNSService(dc1, coredns.DNS{}) })},
		{number: "14", line: "541, 542", value: "no name server between the deletion and helm; another ClusterIP behind it", instead: "dns/SITE/switch changes the name servers over behind the Service, which keeps its address; dns/change-over tells of each answer that was lost"},
		{number: "15", line: "684, 685", value: "delete pod test-dc1` with a backtick", instead: "dns/fetch asks for the other sites' probes by name, from where they are; nothing is made for it"},
		{number: "16", line: "96", value: "another back end than host-gw", by: string(CheckCNI), says: "vxlan, not host-gw",
			find: judged(CheckCNI, func(*testing.T) geored.Finding { return judgeCNI(flannelWith(`{"Backend": {"Type": "vxlan"}}`)) })},
		{number: "16", line: "96", value: "pods with an MTU of 1500 behind a tunnel of 1420", by: string(meshkube.CheckPathMTU), says: "the pods' MTU is 1500 and the tunnel's 1420",
			find: judged(meshkube.CheckPathMTU, largePods)},
		{number: "16", line: "263", value: "a mesh between all nodes, with Kilo's default of one tunnel a location", instead: "peers/SITE/part2 plans over what Kilo tells of its nodes, in either granularity"},
		{number: "17", line: "499", value: "a handshake as a proof that a peer is connected", by: string(meshkube.CheckHandshake), says: "the session is fresh and the probe got no answer",
			find: judged(meshkube.CheckHandshake, freshAndCut)},
		{number: "17", line: "487 to 497", value: "wg shows no keepalive, though the peers ask for one: Kilo takes it from the node's annotation", instead: "annotate/SITE/NODE writes the annotation that counts"},
		{number: "18", line: "553 to 581", value: "every Secret in every cluster", by: string(credskube.CheckPrivilege), says: "with access that no consumer here reads", find: everywhereCopied},
		{number: "19", line: "617, 621", value: "kubernetesEndpoint beside the server of the Secret's kubeconfig: two places for one address", by: "-lint", says: "is not apiServerIP",
			find: linted("coredns/coredns_dc1.json", strings.Replace(dnsFile("10.100.0.10"), "10.130.0.1\"", "192.168.1.106:6443\"", 1))},
		{number: "20", line: "583, 876", value: "a Secret dc2 in kube-system and one in ice-cassandra, of two accounts", by: string(credskube.CheckCopies), says: "two accounts under one Secret name are easily mixed up", find: mixedUp},
	}
}

// largePods are pods whose packets do not fit into the tunnel.
func largePods(*testing.T) geored.Finding {
	s := mesh.MTUSample{Underlay: 1500, Tunnel: 1420, Far: 1420, Pods: 1500}
	for _, size := range mesh.ProbeSizes(1420) {
		s.Probes = append(s.Probes, mesh.SizeProbe{Bytes: size, Answered: true})
	}
	j := s.Judge()
	return geored.Finding{Verdict: j.Verdict, Message: j.Message}
}

// freshAndCut is a tunnel whose link was cut a moment ago: wg still shows a handshake.
func freshAndCut(*testing.T) geored.Finding {
	handshake := mesh.PeerState{LastHandshake: noon.Add(-90 * second), ReceivedBytes: 348, SentBytes: 404}
	after := handshake
	after.ReceivedBytes += 32 // a keepalive that was on its way
	j := mesh.Crossing{Before: handshake, BeforeAt: noon, After: after, AfterAt: noon.Add(second), Probe: mesh.Probe{Sent: true, Bytes: mesh.ProbeBytes, Detail: "nothing came back"}}.Judge()
	return geored.Finding{Verdict: j.Verdict, Message: j.Message}
}

// faultyProduct are those of chapter 4.4 and the appendices.
func faultyProduct() []faulty {
	return []faulty{
		{number: "21", line: "755, 841, 1114", value: "config.include.multiCassKop and multi-casskop.enabled: two switches for one thing", by: "-lint", says: "two switches stand for one thing",
			find: lintedProduct("ice/ice_dc1.json", `"multiCassKop": true`, `"multiCassKop": false`)},
		{number: "21", line: "781", value: "MultiCassKop in two clusters", by: "-lint", says: "runs in 2 sites",
			find: linted("ice/ice_dc2.json", strings.Replace(right()["ice/ice_dc2.json"], `"multiCassKop": false`, `"multiCassKop": true`, 1))},
		{number: "21", line: "781", value: "MultiCassKop in two clusters that run", by: string(CheckMultiCassKop), says: "is in the wrong sites",
			find: judged(CheckMultiCassKop, func(t *testing.T) geored.Finding {
				return judgeOperators(answered(t, map[geored.Target]int{{Site: "dc1"}: 1, {Site: "dc2"}: 1}), "dc1")
			})},
		{number: "22", line: "1472, 1473", value: `"nCassandraNodes": 1, "replicationFactor": 1`, by: string(CheckReplicas), says: "holds one copy of each row",
			find: judged(CheckReplicas, func(t *testing.T) geored.Finding {
				n, err := copies(telling(map[string]string{"dc1": "1", "dc2": "1"}), "dc1")
				if err != nil {
					t.Fatal(err)
				}
				return judgeReplicas("dc1", n, false)
			})},
		{number: "23", line: "943", value: "nodetool status that shows dc1 alone, as a ring does that fell apart", by: string(cassandra.CheckView), says: "does not know", find: func(t *testing.T) []caught {
			if !judgeStatus(wholeRing).passes {
				t.Error("the guide's check sees it")
			}
			return ringWith(t, func(dc1, dc2 *cassandratest.Node) { dc1.Forget(dc2, true); dc2.Forget(dc1, true) })
		}},
		{number: "24", line: "991, 1007", value: "equal counts of dev.changeset, by cqlsh's level ONE", by: string(CheckRows), says: "tables of dev differ", find: equalCounts},
		{number: "25", line: "1019, 1235", value: "nodetool repair, without -full and -pr, on the first pod; once without its container", instead: "ring/SITE/repair runs -full -pr of the product's keyspace on every node, one after the other, and sees each end"},
		{number: "26", line: "1052", value: "init-superuser-pass is patched before the chart that makes it is there", by: string(CheckPassword), says: "is not that of dc1, or is empty",
			find: judged(CheckPassword, func(t *testing.T) geored.Finding {
				return judgePasswords(answered(t, map[geored.Target]creds.Document{{Site: "dc1"}: creds.NewDocument("planted"), {Site: "dc2"}: {}}), "dc1")
			})},
		{number: "33", line: "795", value: "--version 3.5.41629 without a backslash: installed without -f ice/ice_dc1.json", by: string(CheckRelease), says: "has another value of", find: judged(CheckRelease, func(t *testing.T) geored.Finding {
			installed := helm.Installed{Chart: ProductChart + "-" + ProductVersion, Deployed: true, Revision: 1, Values: helm.Values{}}
			return judgeRelease(productFound{installed, true}, ProductVersion, productOf(t, 2).productValues("dc1"))
		})},
		{number: "34", line: "876 to 897", value: "kubemcsa without its backslashes and its |: nothing is imported", by: string(credskube.CheckCopies), says: "secret ice-cassandra/dc2 is not there", find: nothingImported},
		{number: "35", line: "223", value: "a patch that is broken inside a key: no storage class is the default", by: string(CheckStorageClass), says: "0 of 1 storage classes are the default",
			find: judged(CheckStorageClass, func(*testing.T) geored.Finding { return judgeClasses(classes("")) })},
		{number: "35", line: "211, 212", value: "a URL over two lines", instead: "prepare/SITE/storage has a volume bound before anything is installed, of whatever class the operator chose"},
		{number: "36", line: "212", value: "the storage class from the branch master, which is another one tomorrow", open: "what was applied leaves no trace of its branch; the class is remembered by its UID, and another is tried anew"},
	}
}

const notReady = `{"apiVersion":"kafka.strimzi.io/v1beta2","kind":"KafkaMirrorMaker2","metadata":{"name":"mm-dc2","namespace":"ice-kafka","generation":1},
"spec":{"connectCluster":"dc1","mirrors":[{"sourceCluster":"dc2"}]},
"status":{"observedGeneration":1,"conditions":[{"type":"NotReady","status":"True","reason":"TimeoutException","message":"Exceeded timeout"}]}}`

// faultyOperations are those of chapters 5 and 6, and of the text.
func faultyOperations() []faulty {
	mirror := kafka.Mirror{From: "dc2", To: "dc1"}
	return []faulty{
		{number: "27", line: "1211", value: `"'Conditions' state should be 'True'": NotReady is True as well`, by: string(kafka.CheckResource), says: "NotReady: TimeoutException",
			find: judged(kafka.CheckResource, func(t *testing.T) geored.Finding {
				m, err := strimzi.Decode([]byte(notReady))
				if err != nil {
					t.Fatal(err)
				}
				return kafka.ResourceFinding(m, nil)
			})},
		{number: "27", line: "1211", value: "connectors RUNNING, whose tasks nobody looks at", by: string(kafka.CheckStatus), says: "task 0 of dc2->dc1.MirrorSourceConnector FAILED",
			find: judged(kafka.CheckStatus, func(*testing.T) geored.Finding {
				c := connect.Connector{Name: mirror.Connector(kafka.SourceConnector), State: connect.Running, Tasks: []connect.Task{{State: connect.Failed}}}
				return kafka.StatusFinding(mirror, []connect.Connector{c})
			})},
		{number: "27", line: "1208, 1216", value: "kubectl without --kubeconfig: both may be asked of one cluster; \"in this event\" of no event", instead: "each mirror is asked at the site that runs it, and only what has failed is restarted"},
		{number: "28", line: "1251 to 1259", value: "two jobs resync-DATE of one name, without --kubeconfig", instead: "search/SITE makes one job in each site, named after the recovery and its step"},
		{number: "29", line: "1292, 1306", value: "delete replicaset minio-mirror-....; nothing is verified", instead: "objects/mirror/SITE restarts the mirror's Deployment where it is deaf, and objectstore/equal compares what both sites hold"},
		{number: "30", line: "1197", value: `"1-2 hours: takes place automatically", whatever the hint window is: here one of an hour`, by: "ice-recover", says: "repair: outage 1h30m0s > site dc1 keeps hints for 1h0m0s",
			find: func(*testing.T) []caught {
				return decided(DecideCassandra(away(90*time.Minute), limits(time.Hour, 10*day))...)
			}},
		{number: "30", line: "1199", value: "a repair after any outage, however long: gc_grace is not mentioned", by: "ice-recover", says: "rebuild: outage 264h0m0s > table dev.changeset forgets deletions after 240h0m0s",
			find: func(*testing.T) []caught {
				return decided(DecideCassandra(away(11*day), limits(3*time.Hour, 10*day))...)
			}},
		{number: "30", line: "1196", value: "Kafka is synchronised by itself, whatever its retention: here one of an hour", by: "ice-recover", says: "retention.ms 1h0m0s of orders",
			find: func(*testing.T) []caught {
				return decided(DecideMirror(away(90*time.Minute), MirrorFacts{Mirror: mirror, Positions: []kafka.Position{mirrored(10, 0, 20)},
					Retention: map[string]kafka.Retention{"orders": {Delete: true, Time: time.Hour, Bytes: -1}}, Status: geored.Finding{Verdict: geored.Pass}}))
			}},
		{number: "31", line: "1326", value: "two versions at once, of which nobody looks how far they are apart", by: string(CheckSkew), says: "are too far apart to run together",
			find: judged(CheckSkew, func(t *testing.T) geored.Finding {
				return judgeSkew(answered(t, map[geored.Target]string{{Site: "dc1"}: "3.5.41629", {Site: "dc2"}: "3.4.28975"}), "3.5.41630")
			})},
		{number: "31", line: "1326", value: `"it does not matter which cluster is upgraded first", though one of them holds MultiCassKop`, instead: "ice-upgrade goes from site to site, with ice/multi-casskop and the ring among the gates before and behind each"},
		{number: "32", line: "1240", value: "ICE 2.0.0 and 2.1.0 in a guide of 3.5; tables that begin at 2; two spellings of one word", instead: "prose: no value is taken from it; versions are read from the releases that are installed"},
	}
}

// decided are decisions that do not leave everything to time.
func decided(decisions ...Decision) []caught {
	var all []caught
	for _, d := range decisions {
		if d.Cure != AwaitCure {
			all = append(all, caught{"ice-recover", d.Part + ": " + d.Reason()})
		}
	}
	return all
}

// faultyFiles are the files as they are printed, and what the guide's samples make different for no reason.
func faultyFiles() []faulty {
	var all []faulty
	for _, f := range []struct{ line, value, file, fragment, says string }{
		{"293 to 303", "kilo_dc1_part1.json, split by a page: a brace is missing", "kilo/kilo_dc1_part1.json", "kilo_dc1_part1.json", "kilo_dc1_part1.json: file"},
		{"712 to 762", "the minimal ice_dc1.json, without its beginning and its end", "ice/ice_dc1.json", "ice_dc1_minimal.json", "is not JSON"},
		{"806 to 851", "the minimal seed_dc2.json: a sign that is no bracket, and a stray false", "seed/seed_dc2.json", "seed_dc2_minimal.json", "is not JSON"},
		{"1067 to 1134", "the minimal ice_dc2.json: rallypoint is closed twice, iceCassandra is missing", "ice/ice_dc2.json", "ice_dc2_minimal.json", "is not JSON"},
		{"1336 to 1513", "appendix A: a bracket that is a 1, and iceCassandra is missing", "ice/ice_dc1.json", "appendix_a.json", "is not JSON"},
		{"1521 to 1571", "appendix B: a sign that is no bracket", "seed/seed_dc2.json", "appendix_b.json", "is not JSON"},
		{"1579 to 1744", "appendix C: iceIngress, iceMonitoring and loki are missing", "ice/ice_dc2.json", "appendix_c.json", "is not JSON"},
	} {
		all = append(all, faulty{number: asPrinted, line: f.line, value: f.value, by: "-lint", says: f.says, find: lintedPrint(f.file, f.fragment)})
	}
	without := func(site, other string) string {
		return `"multidatacenter": {
          "currentDC": "` + site + `",
          "enabled": true,
          "remoteDC": "` + other + `"
        }`
	}
	return append(all,
		faulty{number: minimal, line: "712", value: "the minimal ice_dc1.json has no iceMinio, that of dc2 has", by: "-lint", says: "charts.iceMinio.values.multidatacenter: is missing, and the file of dc2 has it",
			find: lintedProduct("ice/ice_dc1.json", without("dc1", "dc2"), `"other": {}`)},
		faulty{number: minimal, line: "835", value: "the minimal seed_dc2.json names no multicast interface, appendix B does", by: "-lint", says: "multicastInterfaceName: is missing",
			find: lintedProduct("seed/seed_dc2.json", `"multicastInterfaceName"`, `"other"`)},
		faulty{number: minimal, line: "729", value: "eth0, whatever the nodes have", by: string(CheckMulticast), says: "has no interface eth0",
			find: judged(CheckMulticast, func(*testing.T) geored.Finding {
				return judgeLink("dc1-1", "eth0", probe.LinkAnswer{Others: []string{"ens3"}})
			})},
		faulty{number: minimal, line: "814", value: "remoteDC is one name, and dcs is a list", instead: "of three sites or more each mirrors into the next: a ring; objectstore/equal compares all of them"},
		faulty{number: symmetries, line: "759", value: "currentDC of another site", by: "-lint", says: "currentDC dc2: is not the file's own site", find: lintedProduct("ice/ice_dc1.json", `"currentDC": "dc1"`, `"currentDC": "dc2"`)},
		faulty{number: symmetries, line: "814", value: "remoteDC is no other site", by: "-lint", says: "remoteDC dc7: is no other site", find: lintedProduct("ice/ice_dc2.json", `"remoteDC": "dc1"`, `"remoteDC": "dc7"`)},
		faulty{number: symmetries, line: "717", value: "peerMeshes is not the other site's", by: "-lint", says: "lacks ice-rallypoint-discovery-dc2", find: lintedProduct("ice/ice_dc1.json", "ice-rallypoint-discovery-dc2", "ice-rallypoint-discovery-dc3")},
		faulty{number: symmetries, line: "760", value: "a site is missing in dcs", by: "-lint", says: "dcs dc2 dc2: lacks dc1", find: lintedProduct("ice/ice_dc2.json", "\"name\": \"dc1\"\n", "\"name\": \"dc2\"\n")},
		faulty{number: symmetries, line: "740", value: "multi-casskop.k8s.remote is the own site", by: "-lint", says: "multi-casskop.k8s.remote dc2: is the own site", find: linted("ice/ice_dc2.json", product)},
		faulty{number: symmetries, line: "627", value: "dnsIP outside the site's services", by: "topology", says: "lies outside serviceCIDR 10.130.0.0/16", find: topologyWith("dnsIP: 10.130.0.53", "dnsIP: 10.100.0.10")},
		faulty{number: symmetries, line: "428", value: "___PUBLIC_KEY_OF_KILO0_INTERFACE_ON_DC1___", by: "-lint", says: "publicKey ___PUBLIC_KEY_OF_KILO0_INTERFACE_ON_DC1___: is a placeholder", find: linted("kilo/kilo_dc2_part2.json", guideKiloDC2)},
		faulty{number: symmetries, line: "1351, 1732", value: "___DC1_FQDN___, and __DC2_FQDN___ with another number of underscores", by: "-lint", says: "__DC1_FQDN___/ipphone: is a placeholder",
			find: lintedProduct("ice/ice_dc1.json", "https://ice.dc1.example.org/ipphone", "https://__DC1_FQDN___/ipphone")},
		faulty{number: symmetries, line: "795, 866", value: "another version in one of the sites", by: string(CheckRelease), says: "is of chart ice-helm-operator-develop-3.5.41160, not of",
			find: judged(CheckRelease, func(t *testing.T) geored.Finding {
				installed := helm.Installed{Chart: ProductChart + "-3.5.41160", Deployed: true, Revision: 1}
				return judgeRelease(productFound{installed, true}, ProductVersion, productOf(t, 2).productValues("dc2"))
			})},
	)
}
