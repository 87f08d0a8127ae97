//go:build lab

package dnstest

import (
	"testing"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/dnsfed/coredns"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// The part of the ServiceImport that CoreDNS reads (sigs.k8s.io/mcs-api, config/crd).
const importCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: serviceimports.multicluster.x-k8s.io
  annotations: {api-approved.kubernetes.io: "https://github.com/kubernetes/enhancements/pull/1646"}
spec:
  group: multicluster.x-k8s.io
  names: {kind: ServiceImport, listKind: ServiceImportList, plural: serviceimports, singular: serviceimport}
  scope: Namespaced
  versions:
  - name: v1alpha1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

const importOfDB = `
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceImport
metadata: {namespace: default, name: db}
spec: {type: ClusterSetIP, ips: [10.100.200.200], ports: [{name: cql, protocol: TCP, port: 9042}]}
`

// imported has the in-tree plugin answer for a ServiceImport in dc1, and not in dc2, which has none.
func imported(t *testing.T, sites *realSites, program string) {
	f := sites.federation
	f.Plugin = dnsfed.Multicluster
	for name, cluster := range sites.clusters {
		objects, err := kube.ReadObjects([]byte(importCRD))
		check(t, err)
		task := cluster.ApplyTask(geored.Step{ID: geored.StepID("crd/" + string(name)), Target: "crd", Action: geored.Apply}, objects...)
		_, err = geored.Runbook{Stages: []geored.Stage{geored.StageOf("crd", task)}}.Run(t.Context(), geored.RunConfig{})
		check(t, err)
	}
	objects, err := kube.ReadObjects([]byte(importOfDB))
	check(t, err)
	eventually(t, "an import", func() error { return sites.clusters["dc1"].Apply(t.Context(), objects...) })
	var servers []dnsfed.Server
	records := dnsfed.Records{}
	for _, site := range f.Sites {
		address, ready := start(t, program, f, site)
		eventually(t, "ready", func() error { return wantReady(ready) })
		server := dnsfed.Server{Site: site.Name, Kind: dnsfed.ServerPod, Name: "in-tree", Address: address}
		sites.listens(t, server)
		servers = append(servers, server)
		own, err := coredns.Imports(t.Context(), sites.clusters[site.Name])
		check(t, err)
		records.Imports = append(records.Imports, own...)
	}
	if len(records.Imports) != 1 {
		t.Fatalf("%+v", records.Imports)
	}
	verdicts := func(r dnsfed.Records) (first, second geored.Verdict) {
		table, err := f.Expect(r, servers)
		check(t, err)
		for _, c := range table.Checks(sites) {
			if c.ID == dnsfed.Imported.CheckID() {
				findings := c.Run(t.Context())
				return findings[0].Verdict, findings[1].Verdict
			}
		}
		t.Fatal("nobody asks for imports")
		return "", ""
	}
	if first, second := verdicts(records); first != geored.Pass || second != geored.Pass {
		t.Errorf("dc1 %s, dc2 %s", first, second)
	}
	moved := records
	moved.Imports = []dnsfed.Service{records.Imports[0]}
	moved.Imports[0].Site = "dc2"
	if _, second := verdicts(moved); second != geored.Fail {
		t.Errorf("dc2 has no such import and answers for it: %s", second)
	}
}
