// Package kube is the rim of the core: one [Cluster] per site, reached through client-go. It applies objects and says
// when they are really there, executes programs in containers, reads logs, and puts questions to probe pods.
//
// The two types to know are [Cluster] and [Probe]. [Cluster.ApplyTask] makes a task for geored that ends when its
// objects are as they should be and ready, by the API server's own dry run; [Probe] is a probe.Client.
//
// [LeaseLock] keeps a second runner away, and [Journal] keeps the evidence of runs, in all clusters at once.
//
// Nothing here prefixes errors with the site but [Open], the lock and the journal: a step or a finding knows its site already.
package kube
