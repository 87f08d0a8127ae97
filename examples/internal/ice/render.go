package ice

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
	"github.com/georedkit/georedkit/geored/kube/helm"
	"github.com/georedkit/georedkit/mesh/kilo"
)

// Render gives the folder tree of the guide's section 4.1 and the manifests of what this program adds to it. Part 2 of
// Kilo's values needs the keys that Kilo makes: a site where Kilo has not run yet has none, which is an error that comes
// with everything else.
func (d *Deployment) Render(ctx context.Context) (map[string][]byte, error) {
	files := map[string][]byte{}
	add := func(name string, objects []*kube.Object, err error) error {
		text, err := manifest(objects, err)
		files[name] = text
		return err
	}
	objects, err := runnerObjects(d.rules())
	errs := []error{add("rbac/runner.yaml", objects, err)}
	for _, site := range d.mesh.Network.Sites {
		name := string(site.Name)
		first, err := valuesOf(kilo.Part1(site))
		errs = append(errs, err, d.addValues(files, site.Name, "kilo/"+kilo.FileName(site.Name, 1), KiloChart, first),
			d.addValues(files, site.Name, "coredns/coredns_"+name+".json", CoreDNSChart, d.dnsValues(site.Name)))
		errs = append(errs, d.renderProduct(files, site.Name))
		account, err := d.source(site.Name).Objects()
		errs = append(errs, add("credentials/account_"+name+".yaml", account, err))
		observers, err := d.mesh.Ends[site.Name].Observers.Objects()
		errs = append(errs, add("georedkit/observers_"+name+".yaml", observers, err))
		probe, err := d.mesh.Ends[site.Name].Probe.Objects()
		errs = append(errs, add("georedkit/probe_"+name+".yaml", probe, err))
	}
	errs = append(errs, d.renderPeers(ctx, files))
	return files, errors.Join(errs...)
}

// renderProduct writes the files of chapter 4.4: of the first site one, of each other its seed too. The mail server's
// password is in none of them: give it with --set-file.
func (d *Deployment) renderProduct(files map[string][]byte, site geored.SiteName) error {
	if d.Topology.Applications == nil {
		return nil
	}
	whole, err := valuesOf(d.productValues(site))
	errs := []error{err, d.addValues(files, site, "ice/ice_"+string(site)+".json", ProductChart, whole)}
	if site != d.first() {
		seed, err := valuesOf(d.seedValues(site))
		errs = append(errs, err, d.addValues(files, site, "seed/seed_"+string(site)+".json", ProductChart, seed))
	}
	return errors.Join(errs...)
}

// renderPeers writes what hangs on the keys, where all sites have them.
func (d *Deployment) renderPeers(ctx context.Context, files map[string][]byte) error {
	full, err := d.mesh.Plan(d.mesh.Observe(ctx))
	if err != nil {
		files["kilo/PART2-IS-MISSING.txt"] = []byte(fmt.Sprintf("Install part 1 at every site first, then render again: the peers need the keys that Kilo makes.\n\n%v\n", err))
		return nil
	}
	layout := full.Layout()
	var errs []error
	for _, site := range d.mesh.Network.Sites {
		values, err := secondPart(site, layout)
		errs = append(errs, err, d.addValues(files, site.Name, "kilo/"+kilo.FileName(site.Name, 2), KiloChart, values))
		device, _ := layout.Device(site.Name, "")
		var peers bytes.Buffer
		for _, peer := range kilo.Peers(device) {
			text, err := json.Marshal(peer)
			if err == nil {
				text, err = yaml.JSONToYAML(text)
			}
			fmt.Fprintf(&peers, "---\n%s", text)
			errs = append(errs, err)
		}
		files["kilo/peers_"+string(site.Name)+".yaml"] = peers.Bytes()
	}
	return errors.Join(errs...)
}

func (d *Deployment) addValues(files map[string][]byte, site geored.SiteName, name, chart string, ours helm.Values) error {
	text, err := json.MarshalIndent(helm.Merge(ours, d.charts.Overlay.shown(site, chart)), "", "  ")
	files[name] = append(text, '\n')
	return err
}

func manifest(objects []*kube.Object, err error) ([]byte, error) {
	var out bytes.Buffer
	for _, object := range objects {
		text, more := yaml.Marshal(object.Object)
		err = errors.Join(err, more)
		fmt.Fprintf(&out, "---\n%s", text)
	}
	return out.Bytes(), err
}
