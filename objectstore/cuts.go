package objectstore

import (
	"context"
	"slices"
)

// maxCutRequests bounds what is spent on finding out how a bucket is laid out.
const maxCutRequests = 16

// findCuts looks for keys at which a bucket can be cut into parts that are read side by side: the folders of one site,
// from the top until there are enough. It gives none for a flat bucket: there a cut costs the server more than it saves.
// Cuts only affect speed, so that a site which does not answer here is no error; listing will tell.
func findCuts(ctx context.Context, c Comparer, reader Reader, query Query, want int) []string {
	var cuts []string
	folders := []string{query.Prefix}
	for requests := 0; len(folders) > 0 && len(cuts) < want && requests < maxCutRequests; requests++ {
		page, err := within(ctx, c, func(ctx context.Context) (Page, error) {
			return reader.List(ctx, Query{Bucket: query.Bucket, Prefix: folders[0], Delimiter: "/"})
		})
		if err != nil {
			return nil
		}
		cuts = append(cuts, page.Prefixes...)
		folders = append(folders[1:], page.Prefixes...)
	}
	slices.Sort(cuts)
	return slices.Compact(cuts)
}
