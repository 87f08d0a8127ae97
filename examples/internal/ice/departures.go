package ice

import "github.com/georedkit/georedkit/geored/report"

// Departures are the points at which this program does something else than the guide, in its order.
func (*Deployment) Departures() []report.Departure {
	return []report.Departure{
		because("password", "2", "user and password of the chart repository stand on helm's command line",
			"they are read from files, and go to the repository's own host only", "everybody on the machine sees a command line, and the shell keeps it"),
		because("pinned", "2, 4.2.2", "charts come from two names of one repository, one of which was never added; nothing says which archive was installed",
			"one repository; the digest of each archive is held against the index, where that has one, and stands in the plan and in the release", "a version can be published twice"),
		because("annotate", "4.2.2", "the node's address is .status.addresses[0], whatever its type; annotate fails when it is repeated",
			"the first address of type InternalIP, or the endpoint of the topology, written over what was there", "the first address may be a host name, or one that only the node's cloud knows"),
		because("wg-ip", "4.2.3", "Kilo's annotation is copied by hand, as 10.80.0.1/16", "it is read, and allowed as 10.80.0.1/32",
			"its bits are those of the whole range: one peer would take what all nodes have"),
		because("slices", "4.2.4", "the peer of a node carries the cluster's whole pod range", "each peer carries its own node's slice", "WireGuard leaves a prefix to one peer; with two nodes the other's pods are lost"),
		because("service-range", "4.2.4", "the service range is listed on every peer", "it is listed on one peer of each site",
			"Kilo leaves it with the first by name, without a word; who carries it should be known, and be moved when that node goes"),
		because("wg-cidr", "4.2.4", "kilo_dc2_part2.json has the service range of DC2 as wgCIDR", "the range of part 1, in both parts", "it would renumber the interface into the services"),
		because("handshake", "4.2.5", "lines that wg shows say that a peer is connected", "two readings with a packet through the tunnel between them, and bytes counted on both sides",
			"on a cut link the last handshake looks healthy for three minutes"),
		because("dns-gap", "4.3.2", "the cluster's DNS is deleted before the new one is installed",
			"the new name servers start beside the old ones, are proven one by one, and get the Service with its address in one update",
			"until the new ones serve there is no DNS at all, and the freed address may go to another Service"),
		because("token", "4.3.2", "kubemcsa takes the token that Kubernetes made for the service account", "a token Secret is made for it, in the shape that kubemcsa writes",
			"since Kubernetes 1.24 there is none to take, and kubemcsa gives up after a minute"),
		because("least-privilege", "4.3.2", "every Secret is copied to every cluster", "each site gets those of the other sites, and reads its own cluster with its own account; the account may list and watch what DNS needs",
			"access that nobody reads can only be stolen"),
		because("server", "4.3.2", "the server in the Secret is the one of the operator's kubeconfig", "an address that the other site reaches, with a certificate that covers it; both are tried first",
			"127.0.0.1 and lb-apiserver.kubernetes.local lead the other site to itself"),
		because("local-first", "4.3.2", "all clusters can use the same dcs array", "each site stands first in its own", "the first that knows a name answers: with DC1 first, DC2 would take DC1's API server for its own"),
		because("current-dc", "4.3.2", "the DNS chart's values name no currentDC", "they name it, as those of the guide's other charts do", "the own site needs no Secret then; a chart that does not know the value is told so by its schema"),
		because("wget", "4.3.3", "a web page is fetched once from one side, with pods left in the namespace default", "every name server is asked by its own address and through the Service, over UDP and TCP, for names of one site, of several and of none; then a page is fetched by name in each direction",
			"a fetch through the Service shows one of the pods behind it"),
		because("no-wait", "4.4.2", "one helm command installs the first site, without --version's line continued: its values are left out",
			"the values are part of the step, and refused when they hold a placeholder; Helm does not wait, and a step of its own sees that it hangs for the missing Secrets and nothing else",
			"an installation that hangs for another reason hangs on when the credentials are there"),
		because("operator-access", "4.4.4", "every site gets the credentials of all sites, its own too", "the first site gets those of the others", "MultiCassKop mounts no more, and runs in one site"),
		because("ring", "4.4.5", "nodetool status and describecluster are read at one node; counts of one table are compared at cqlsh's level ONE",
			"every node is asked for its own view, and all tables are compared by keys, values and write times inside each site",
			"a ring that fell apart looks whole to each half; ONE may be answered by the other site, and equal counts are not equal rows"),
		because("repair", "4.4.5", "nodetool repair, without keyspace, on one node after the other", "-full -pr of the product's keyspace, each node once, and all again when the ring has grown, watched to its end by the node's own record",
			"an incremental repair compares less, and a connection that breaks does not end it"),
		because("initial-password", "4.4.6", "the password is shown, and stands on a command line in the shell's history; it is patched before the chart that makes it is installed",
			"it is copied unseen before the installation, as the release's own, and looked at again behind it; what reads it is restarted when it had to be copied again",
			"the chart may make another, and running pods do not read it again"),
		because("one-modelmanager", "4.4.7", "the other sites are completed", "one after the other", "two modelmanagers that change the schema at once split it"),
		because("running", "4.4.5, 4.4.8", "pods are Running", "they are ready, and a pod on its way out is waited for", "a program that dies again and again is Running too"),
		because("mirror-restart", "4.4.8", "all MirrorMaker pods are deleted as a precaution", "a record is written and seen to arrive; what has failed is restarted, and Strimzi's status is waited for",
			"a restart stops what works, and proves nothing"),
	}
}

func because(id, section, guide, instead, why string) report.Departure {
	return report.Departure{ID: id, Section: section, Guide: guide, Instead: instead, Why: why}
}
