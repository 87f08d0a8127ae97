// Package dnsfed lets the name servers of several Kubernetes clusters answer for one another, and proves that they do.
//
// The two types to know are [Federation], which sites there are and by what plugin they are joined, and [Table], what
// each name must be answered by each name server of each site. [Federation.Merge] puts a federation into the Corefile
// that a site already has, and [Remove] gives that file back byte for byte. [Federation.Lint] finds what is wrong in a Corefile,
// with line numbers. [Table.Checks] ask and judge: an answer that did not come makes a verdict unknown, never pass.
//
// All of it is pure but the asking, which goes through a [Resolver] of the caller's. The site that a file or an answer
// belongs to is always named; its own cluster is asked first, the others in the order of the federation.
//
// Out of scope: the credentials with which a name server reads another cluster, and the way there. Kubernetes objects
// are read and changed by dnsfed/coredns; dnsfed/dnstest is name servers on loopback, with faults by name.
//
// Sources: the plugin kubernetes of CoreDNS (plugin/kubernetes/README.md, setup.go, handler.go), kubernetai
// (plugin/kubernetai/README.md), the Caddyfile syntax (coredns/caddy, caddyfile/lexer.go and parse.go).
package dnsfed
