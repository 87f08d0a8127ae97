// Package helm replaces the name servers of a site by those of a Helm release, which takes over the Service that all
// pods ask, and brings the old ones back, without an answer lost either way.
package helm
