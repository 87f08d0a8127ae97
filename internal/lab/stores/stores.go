// Package stores makes data stores ready to run in the pods of a laboratory: the folders of this machine that their
// containers must see, and images that start what lies there. Charts bring the rest.
package stores

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/internal/lab/images"
)

// Stores are what some stores need, together.
type Stores struct {
	Folders map[string]string // of this machine, by where every container sees them
	Images  []images.Image
}

// kinds prepare one store each.
var kinds = map[string]func(context.Context, io.Writer) (Stores, error){
	"minio":         minio,
	"kafka":         kafka,
	"cassandra":     cassandra("4.1"),
	"cassandra-5.0": cassandra("5.0"),
	"search":        search,
	"ice":           ice,
}

// Names are the stores there are.
func Names() []string { return slices.Sorted(maps.Keys(kinds)) }

// Prepare compiles or fetches what the named stores need, as far as that was not done before. The names stand in a list
// with commas; none is fine.
func Prepare(ctx context.Context, names string, progress io.Writer) (Stores, error) {
	all := Stores{Folders: map[string]string{}}
	if names == "" {
		return all, nil
	}
	wanted := withICE(strings.Split(names, ","))
	var preparing []func(context.Context, io.Writer) (Stores, error)
	for _, name := range wanted {
		prepare, ok := kinds[name]
		if !ok {
			return all, fmt.Errorf("store %q: there are %s", name, strings.Join(Names(), ", "))
		}
		preparing = append(preparing, prepare)
	}
	for i, prepare := range preparing {
		one, err := prepare(ctx, progress)
		if err != nil {
			return all, fmt.Errorf("store %s: %w", wanted[i], err)
		}
		maps.Copy(all.Folders, one.Folders)
		all.Images = append(all.Images, one.Images...)
	}
	return all, nil
}

// image is one that holds scripts and nothing else; the first argument is its entrypoint.
func image(ref, entrypoint string, scripts map[string]string) images.Image {
	return images.Image{Ref: ref, Skeleton: true, Scripts: scripts, Entrypoint: []string{entrypoint},
		Env: []string{strings.Replace(images.SearchPath, "PATH=", "PATH=/lab:", 1), "HOME=/tmp"}}
}
