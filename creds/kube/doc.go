// Package kube is the rim of creds: it mints tokens of a site's service account, copies them to the sites that read them,
// rotates them without a gap and takes them back with proof, over geored/kube.
//
// The two types to know are [Source], one service account of one site, and [Rotation], the stages that bring all its
// consumers to a new token. [Proof] holds the result against what every site and every API server says.
//
// Taking back needs Kubernetes 1.29 or later in the source: a token Secret is first marked as invalid, which every API
// server must be seen to heed, and only then deleted, so that an interrupted run can still prove it.
package kube
