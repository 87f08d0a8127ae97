// Package objectstore proves that buckets hold the same objects at several sites, shows whether they are being mirrored
// now, and brings them together again after an outage.
//
// The two types to know are [Comparer] and [Difference]. A comparison reads the listings of all sites at once, in ranges
// of keys side by side, and holds a few pages of each, however large a bucket is. It names every object that is not
// shown to be equal, with its kind, its direction and the proof: what one listing shows and another does not, the size,
// the ETag, a checksum over the whole object, or the bytes. Between equal and different there is a third state: unproven,
// because an ETag often tells nothing (see [Judge]). Objects in doubt are asked for by HEAD, and read where that is wanted
// ([Effort]).
//
// A listing that breaks off, or is not in key order, is never taken for its end: what was not compared is part of the
// [Comparison], and a later one goes on there ([Comparer.Resume]). Its verdict is unknown until it did.
//
// [Canary] proves that a mirror works now, by an object each way and by its deletion. [PlanCatchUp] turns differences into
// copies in one direction, [CatchUp.Run] carries them out and verifies each. [Outage.Recover] says what an outage leaves
// behind with each kind of mirror. [ReplicationCheck] and [SiteReplicationCheck] say what servers believe of their mirrors;
// [ResetWatchMirrors] and [Replicator] reset a mirror; a comparison must follow.
//
// All calls give what they have together with an error. Sizes are in bytes.
//
// # Out of reach
//
// A comparison sees what listings show. MinIO hides an object below an object: when "a" and "a/b" are both written, "a/b"
// can be read and is in no listing. A server that pays no heed to encoding-type=url, as versitygw 1.8, cannot list keys
// with control characters as they are. Listing is not without effect everywhere: MinIO queues what it finds unreplicated.
// What is written while a comparison runs may show as a difference; compare again to see whether it stays.
//
// The package itself imports no client library; package s3 has one. The Kubernetes side of a reset is behind [MirrorPods]
// and no part of this package.
package objectstore
