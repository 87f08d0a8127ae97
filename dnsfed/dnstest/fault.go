package dnstest

// Fault is something wrong with a name server.
type Fault string

// The faults. The zero value is none.
const (
	Silent         Fault = "silent"           // takes queries and says nothing
	ServFail       Fault = "servfail"         // SERVFAIL for names that the own site does not have: another site was never reached
	Stale          Fault = "stale"            // answers of the other sites are frozen as they were when the fault came
	WrongSiteFirst Fault = "wrong-site-first" // the last site of the federation is asked first
	Truncated      Fault = "truncated"        // every reply over UDP is cut short
	UDPOnly        Fault = "udp-only"         // TCP connections are taken and closed
	Unfederated    Fault = "unfederated"      // knows the own site alone, as stock CoreDNS does: a second deployment
	Slow           Fault = "slow"             // answers after [SlowBy]
)
