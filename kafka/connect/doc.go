// Package connect is a typed client of the Kafka Connect REST API (Kafka 3.5 and later), as far as one needs it to see
// and to restart MirrorMaker 2: connectors and their tasks, configurations, committed source offsets and how to reset
// them, life cycle, logging levels.
//
// The two types to know are [Client] and [Connector]. Every call takes a context; an answer other than success is an
// [Error], which says whether another try is worth it.
//
// What the API says is what Connect believes. A connector and its tasks stay RUNNING while their source cannot be
// reached, so nothing here proves replication: package kafka does.
//
// Source: https://kafka.apache.org/documentation/#connect_rest. Out of scope: writing connector plugins, and sink
// connectors beyond their status.
package connect
