// Package broker asks the brokers of one site what package kafka must know of them, with sarama behind it.
//
// The type to know is [Cluster]. sarama takes no context and can hang on a broker that accepts connections and does not
// answer; therefore every call here ends with its context or its timeout, whatever sarama does, and the connections of
// a call that did not come back are thrown away.
//
// Offsets of many partitions are asked in one request per broker and end.
package broker
