// Package credstest lets users of creds test their tooling without clusters: [New] starts a [Cluster] that speaks the part
// of the Kubernetes API by which credentials are minted, used and taken back, over TLS with an authority of its own, with
// as many API servers as wanted and with faults by name. [Conformance] is the suite that holds it, and real API servers,
// to the same behaviour.
//
// What it keeps: token Secrets are filled by a controller some time after they are made, and not listed in the service
// account's secrets; a token dies with its Secret, with the Secret's mark of invalidity and with the service account; bound
// tokens live at least 600 s and die with what they are bound to; each API server goes on taking a token for 10 s after it
// took it last time it looked. The clock is injected.
//
// Known gaps: it speaks JSON only, so that clients made with client-go need ContentType application/json; applying merges and knows no owners of fields; nobody but the administrator is authorised for anything but
// asking who he is; no watches, no pagination, no admission; what was made is ready at once; tokens are signed with HMAC.
package credstest
