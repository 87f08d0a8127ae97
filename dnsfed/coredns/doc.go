// Package coredns is the Kubernetes side of dnsfed: it reads what serves DNS in a cluster, and puts other name servers
// in its place without a gap.
//
// The two types to know are [DNS], what [Read] found, and [ChangeOver], whose tasks start new pods under a label of
// their own, prove each by its address, turn the Service to them in one update, and remove the old Deployment when
// nothing leads to it any more. The Service is never deleted: its cluster IP stands in every pod's resolv.conf.
//
// Every task observes before it acts, so a change-over that was interrupted goes on where it stood.
package coredns
