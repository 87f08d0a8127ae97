// Package objecttest lets users of objectstore test without an object store: a [Server] that speaks S3 over HTTP on
// loopback and checks signatures, with named faults ([Slow], [CutListing], [StaleListing], [WrongETag], [LostEvents],
// [Throttled], [ClockSkew] and more); [Plant], which makes a hundred differences between two stores; and [Run], the
// contract that every adapter of objectstore.Reader and objectstore.Writer is held to.
//
// A fault that is put in place says by [Server.Bites] how often it took effect: a test that has not seen its fault bite
// has shown nothing.
//
// Known gaps of the server: no multipart uploads (seed their ETags with [Server.Seed]), no policies or users but one, no
// lifecycle, no object lock, no replication but [Server.MirrorTo], virtual-host addressing, presigned requests; the
// signatures of single chunks are not checked, the one over the request is.
package objecttest
