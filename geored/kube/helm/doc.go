// Package helm installs charts into a site's cluster: it fetches them from a repository over HTTPS, renders them without
// a cluster, and makes tasks for geored that end when a release is deployed with the wanted chart and values and its
// objects are ready.
//
// The two types to know are [Repository], which gives a [Chart], and [Releases], whose Task installs, upgrades and repairs
// a [Release]. A release that a killed run left pending is repaired under a lock only, and only when it carries the mark
// of this package: any other may be the work of somebody who is still at it.
//
// Types of Helm's own module stand in no exported signature. Helm takes no context: a call goes on by itself for a while
// when its context ends, which is what [Releases.Task] repairs the next time.
//
// Out of scope: OCI registries, plugins, provenance files.
package helm
