// Package strimzi reads what Strimzi's KafkaMirrorMaker2 resource says, in its versions v1 and v1beta2, from plain JSON or
// YAML: no Kubernetes client is needed to decode it. It also writes the annotations with which Strimzi is asked to
// restart connectors.
//
// The type to know is [MirrorMaker]. What the resource says is older than what Connect says, by up to two minutes
// (STRIMZI_FULL_RECONCILIATION_INTERVAL_MS), it is Ready with tasks FAILED and with no replicas at all, and both say
// nothing of replication. Condition types matter, not a status "True": NotReady is "True" as well.
package strimzi
