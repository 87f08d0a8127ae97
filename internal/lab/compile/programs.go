// Package compile builds the programs that run inside a laboratory, once per state of their sources.
package compile

// kubernetesVersion is linked in: clients refuse an API server that does not know its version.
const kubernetesVersion = "v1.36.3"

// module is one Go module below the laboratory's folder and the programs built from it.
type module struct {
	folder   string // relative to the laboratory's module
	ldflags  string
	tags     string
	programs []program
}

type program struct{ name, path string }

const versionPackage = "k8s.io/component-base/version"

const (
	containerdPath = "github.com/containerd/containerd/v2/cmd/"
	pluginsPath    = "github.com/containernetworking/plugins/plugins/"
)

// Group is programs that are built together and lie in one folder.
type Group struct {
	name    string
	modules []module
}

// Site is what every site runs. It begins with the slowest one, so that a first build fails early or not at all.
var Site = Group{"site", []module{
	{
		folder: "build/kube",
		ldflags: "-s -w -X " + versionPackage + ".gitVersion=" + kubernetesVersion +
			" -X " + versionPackage + ".gitMajor=1 -X " + versionPackage + ".gitMinor=36",
		programs: []program{{"kube", "."}},
	},
	{folder: "build/coredns", ldflags: "-s -w", programs: []program{{"coredns", "."}}},
	{
		folder:  "build/containerd",
		ldflags: "-s -w",
		tags:    "no_btrfs,no_zfs,no_devmapper",
		programs: []program{
			{"containerd", containerdPath + "containerd"},
			{"containerd-shim-runc-v2", containerdPath + "containerd-shim-runc-v2"},
			{"ctr", containerdPath + "ctr"},
			{"bridge", pluginsPath + "main/bridge"},
			{"host-local", pluginsPath + "ipam/host-local"},
		},
	},
	{folder: ".", ldflags: "-s -w", programs: []program{{"app", "./pod/app"}, {"kilo", "./pod/kilo"}, {"pause", "./pod/pause"}}},
}}
