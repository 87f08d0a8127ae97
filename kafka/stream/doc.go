// Package stream reads records of one site's brokers: the tails that a mirror has not copied yet, and whole logs to be
// compared. franz-go stands behind it, for it shows the marks of transactions, which sarama hides and without which a
// small constant lag cannot be explained, and because it takes a third less processor time for the same records.
//
// The type to know is [Reader]. Nothing is committed: no consumer group is made or moved.
package stream
