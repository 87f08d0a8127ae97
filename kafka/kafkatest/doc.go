// Package kafkatest lets users of package kafka test without a Kafka: [New] starts one fake cluster per site, on
// loopback and speaking the real protocol (kfake), and one fake Connect worker per site whose MirrorMaker 2 really copies
// records between them, with offset syncs, checkpoints and heartbeats. [World.Inject] brings faults about by name.
//
// [Conformance] is one suite of what package kafka promises. It runs against the fake here and against real servers,
// and users can hold deployments of their own to it: [Deployment] is all it needs.
//
// Known gaps of the fake: one broker per site; a cut link stops the copying and cannot lose half of a reply; all tasks of
// a connector share one fate; a kill loses the position of the last batch, when it was within half a second; offset syncs
// are written once per batch; topic settings and ACLs are not copied; Connect answers 409 only when it is told to
// ([Rebalancing]).
package kafkatest
