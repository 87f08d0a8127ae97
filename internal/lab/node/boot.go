package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/georedkit/georedkit/internal/lab/config"
	"github.com/georedkit/georedkit/internal/lab/kubeapi"
	"github.com/georedkit/georedkit/internal/lab/pki"
)

const containerdSocket = "/run/containerd/containerd.sock"

// boot starts the servers, each as soon as what it needs is there. How long that may take is the supervisor's
// decision.
func (n *machine) boot() {
	images := make(chan error, 1)
	go func() { images <- n.startContainerd() }()
	err := n.startControlPlane()
	if err == nil {
		err = <-images
	}
	if err == nil {
		err = n.startNode()
	}
	if err != nil {
		report := Report{Failed: err.Error()}
		var failed *serverError
		if errors.As(err, &failed) {
			report.Server = failed.server
		}
		n.report(report)
	}
}

func (n *machine) startContainerd() error {
	if err := n.run(config.Containerd); err != nil {
		return err
	}
	until(func() error {
		connection, err := net.Dial("unix", containerdSocket)
		if err != nil {
			return err
		}
		connection.Close()
		return n.ctr("version")
	})
	n.report(Report{Stage: "containerd"})
	for _, archive := range n.spec.Images {
		err := n.ctr("--namespace", "k8s.io", "images", "import", "--local", "--snapshotter", n.spec.Machine.Snapshotter, archive)
		if err != nil {
			return &serverError{"ctr", fmt.Errorf("import %s: %w", archive, err)}
		}
	}
	n.report(Report{Stage: "images"})
	return nil
}

// ctr runs containerd's own client to its end.
func (n *machine) ctr(args ...string) error {
	argv := append([]string{"ctr", "--address", containerdSocket}, args...)
	program := filepath.Join(n.spec.Machine.Bin, "ctr")
	_, ended, err := n.processes.start(program, argv, []string{"PATH=/usr/sbin:/usr/bin"}, n.log("ctr"))
	if err != nil {
		return err
	}
	if status := <-ended; status != 0 {
		return errors.New(describe(status))
	}
	return nil
}

func (n *machine) startControlPlane() error {
	if !n.spec.Machine.ControlPlane() {
		return nil
	}
	if err := n.run(config.Etcd); err != nil {
		return err
	}
	until(func() error {
		connection, err := net.Dial("tcp", "127.0.0.1:2379")
		if err == nil {
			connection.Close()
		}
		return err
	})
	n.report(Report{Stage: "etcd"})
	if err := n.run(config.APIServer); err != nil {
		return err
	}
	api, err := n.api()
	if err != nil {
		return err
	}
	until(func() error { return api.Get(context.Background(), "/readyz", nil) })
	n.report(Report{Stage: "api"})
	names := []string{config.ControllerManager, config.Scheduler, config.Provisioner}
	for i := range n.spec.Machine.Site.Further {
		names = append(names, config.FurtherAPIServer(i))
	}
	for _, name := range names {
		if err := n.run(name); err != nil {
			return err
		}
	}
	return nil
}

// startNode starts the kubelet when the laboratory has made the node's object, which carries its range of pods,
// and kube-proxy when the kubelet has filled in the address: earlier it would sleep for half a minute.
func (n *machine) startNode() error {
	api, err := n.api()
	if err != nil {
		return err
	}
	var object struct {
		Status struct{ Addresses []struct{ Address string } }
	}
	path := "/api/v1/nodes/" + n.spec.Machine.Node.Name
	until(func() error { return api.Get(context.Background(), path, &object) })
	if err := n.run(config.Kubelet); err != nil {
		return err
	}
	until(func() error {
		if err := api.Get(context.Background(), path, &object); err != nil {
			return err
		}
		if len(object.Status.Addresses) == 0 {
			return errors.New("no address yet")
		}
		return nil
	})
	n.report(Report{Stage: "kubelet"})
	return n.run(config.Proxy)
}

// api is a client with the node's own identity.
func (n *machine) api() (*kubeapi.Client, error) {
	folder := filepath.Join(n.spec.Machine.Folder, "config")
	authority, err := os.ReadFile(filepath.Join(folder, "ca.crt"))
	if err != nil {
		return nil, err
	}
	identity, err := pki.Read(folder, config.Kubelet)
	if err != nil {
		return nil, err
	}
	return kubeapi.New(config.Server(n.spec.Machine.Site), authority, identity, nil)
}

func until(succeeds func() error) {
	for succeeds() != nil {
		time.Sleep(20 * time.Millisecond)
	}
}
