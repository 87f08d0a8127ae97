package stores

import (
	"context"
	"io"
	"slices"

	"github.com/georedkit/georedkit/internal/lab/compile"
)

const iceFolder = "/lab/ice"

// withICE completes names of stores: the stand-ins of ICE's applications need all stores, and come along where those that
// hold its data are wanted.
func withICE(names []string) []string {
	lacks := func(name string) bool { return !slices.Contains(names, name) }
	if lacks("ice") && (lacks("minio") || lacks("kafka") || lacks("cassandra")) {
		return names
	}
	for _, need := range []string{"minio", "kafka", "cassandra", "search", "ice"} {
		if lacks(need) {
			names = append(names, need)
		}
	}
	return names
}

// iceVersions are those of chart ice-helm-operator-develop.
var iceVersions = []string{"3.5.41629", "3.5.41630", "3.5.41631"}

// ice is the stand-ins of ICE's applications, as one image of each version.
func ice(ctx context.Context, progress io.Writer) (Stores, error) {
	bin, err := compile.Ensure(ctx, compile.ICE, progress)
	if err != nil {
		return Stores{}, err
	}
	s := Stores{Folders: map[string]string{iceFolder: bin}}
	for _, version := range iceVersions {
		one := image("localhost/lab/ice:"+version, iceFolder+"/ice", nil)
		one.Env = append(one.Env, "VERSION="+version)
		s.Images = append(s.Images, one)
	}
	return s, nil
}
