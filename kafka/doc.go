// Package kafka proves that MirrorMaker 2 mirrors, for every ordered pair of sites, and says what was lost.
//
// The two types to know are [Replication], which asks, and [History], which remembers. Neither a green status nor lag 0
// proves replication: connectors stay RUNNING while their source cannot be reached, a mirror that jumped over a gap or
// over the beginning of a recreated topic has lag 0, and one behind a transaction has a lag for ever. So a verdict is
// made from several things that cannot all be wrong in the same way:
//
//   - [StatusFinding]: what Connect and Strimzi believe, task by task, and where they contradict each other;
//   - [Position.Stand]: where the mirror is in each log, what kind of records waits behind it, and since when;
//   - [History.With]: topic identities and log starts from look to look, and so the [Incident] that lag cannot show;
//   - [TranslateGroups]: whether consumer groups would lose records by a fail-over, or read how many again;
//   - [CompareSpan]: whether the copy holds the records of its source;
//   - [Replication.Canaries]: whether a record that is written now arrives.
//
// The README holds a table of what Strimzi, Connect, plain lag and this package say of each fault; the conformance suite of
// package kafkatest holds the fake and real servers to it.
//
// The functions that judge are pure and take what was seen as plain data. Nothing is ever written to the brokers but
// canaries, and those only through [Replication.Canaries]. Results are complete also with errors: one entry per
// partition, with the reason why it could not be asked.
//
// Offsets are offsets: the next one to be copied, the first one of a log, the one that the next record gets. Times of
// records are those that their producers gave.
//
// Package broker asks brokers, package stream reads records, package connect and strimzi ask for status; package
// kafkatest holds a fake of all of it and the conformance suite.
//
// For a canary within some milliseconds the mirror needs producer.override.linger.ms=0, consumer.poll.timeout.ms=200 and
// offset.lag.max=0 in its source connector. By default a worker commits positions once a minute
// (offset.flush.interval.ms), so that a position lags behind the copy by as much.
//
// Out of scope: copying records, and running MirrorMaker.
package kafka
