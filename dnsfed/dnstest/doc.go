// Package dnstest lets users of dnsfed test their tooling without a cluster: [New] starts name servers on loopback, over
// UDP and TCP, that play the CoreDNS pods of several sites over [dnsfed.Records], with faults by name. [Conformance] is
// the suite that holds it, and any other [System], to the same behaviour as real CoreDNS.
//
// What it keeps: the order in which stanzas are asked, fallthrough on unknown names alone (an empty answer ends the
// search), services without ready endpoints, headless services, SRV and PTR records, truncated replies.
//
// Known gaps: there is no cache and no TTL; negative answers carry no SOA; names of pods, ExternalName services and
// namespaces without services are unknown; reverse zones are always cut along the sites' ranges; there is no search
// list, no EDNS and no forwarder behind the last stanza. Of the plugins only kubernetai is played.
package dnstest
