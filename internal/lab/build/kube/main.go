// Command kube is every server of a laboratory site in one binary: etcd, the five Kubernetes servers, and a
// provisioner of volumes.
// One binary links once and shares its pages between the processes. The name it is started under (argv[0])
// selects the server.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

var servers = map[string]func() *cobra.Command{
	"etcd":                    newEtcd,
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllermanager.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kube-proxy":              proxy.NewProxyCommand,
	"local-path-provisioner":  newProvisioner,
	// The kubelet installs its signal handler itself; a second one panics.
	"kubelet": func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
}

func main() {
	name := filepath.Base(os.Args[0])
	server, ok := servers[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "kube: %q is none of its servers\n", name)
		os.Exit(2)
	}
	os.Exit(cli.Run(server()))
}
