// Package georedkit is the map of the SDK; it holds no code.
//
// georedkit makes a vendor's software survive the loss of a data centre, and proves that it did. Vendors describe that
// in guides: forty pages of kubectl, helm, wg and nodetool by hand, in an exact order, over two clusters. The SDK turns
// such guides into building blocks for Go programs.
//
//   - Package geored is the core: sites, runbooks whose steps end when their effect is observed, checks whose verdict is
//     never pass while somebody has not answered, reports. Package geored/probe asks questions from inside a site,
//     geored/kube reaches clusters, geored/kube/helm installs charts, geored/geotest lets programs be tested without any.
//     geored/report writes what was done and proven, geored/drift holds sites against it, geored/watch repeats checks,
//     geored/metrics and the module geored/otel give all of it to Prometheus and OpenTelemetry.
//   - Package mesh plans WireGuard tunnels between sites and judges them; mesh/device reads and sets up interfaces,
//     mesh/gateway and mesh/kube run a gateway in each cluster, mesh/kilo knows Kilo, mesh/meshtest pretends the devices.
//   - Package dnsfed knows which name each site must answer and how, merges that into a Corefile and holds the servers to
//     it; dnsfed/resolver asks them, dnsfed/coredns reads and replaces a cluster's DNS, dnsfed/dnstest pretends the servers.
//   - Package cassandra knows whether a ring over all sites is whole and whether the sites hold the same rows, package
//     kafka whether MirrorMaker 2 really replicates, package objectstore whether buckets are equal. Each has a test kit
//     beside it (cassandratest, kafkatest, objecttest), and packages for what it runs on, such as cassandra/kube,
//     kafka/strimzi and objectstore/s3.
//   - Package creds judges access that one site gives another, plans who receives it, and writes it as kubemcsa does;
//     creds/kube mints, copies, rotates and revokes it with proof, creds/serving asks what certificate a consumer is shown,
//     creds/credstest pretends the clusters.
//
// geored imports no other package of the SDK, the domain packages import geored and not each other, and Kubernetes is
// known only to packages that are named after it and to dnsfed/coredns. So a program compiles what it uses: geored, mesh,
// dnsfed and creds need one YAML reader beyond the standard library.
//
// The programs below examples carry out documented deployments with these packages, on sites of one's own or on a
// laboratory of real Kubernetes clusters on one machine. Begin with examples/ice-install.
package georedkit
