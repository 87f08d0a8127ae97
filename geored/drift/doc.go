// Package drift keeps what an installation left at each site, and says later what is not so any more.
//
// The two types to know are [Record], which is written once all is proven, and [Difference], which [Compare] finds between a
// record and what is there now. Both are plain data: who reads the things of a site, and where the record is kept, is for the
// importer to say. A record holds no secret: see [Salt].
package drift
