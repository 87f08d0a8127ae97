package stores

import (
	"context"
	"io"
	"slices"

	"github.com/georedkit/georedkit/internal/lab/compile"
)

const iceFolder = "/lab/ice"

// iceNeeds are the stores that the stand-ins of ICE's applications work with: they are there where all of these are.
var iceNeeds = []string{"minio", "kafka", "cassandra"}

// iceVersions are those of chart ice-helm-operator-develop.
var iceVersions = []string{"3.5.41629", "3.5.41630", "3.5.41631"}

func needsICE(names []string) bool {
	return !slices.ContainsFunc(iceNeeds, func(need string) bool { return !slices.Contains(names, need) })
}

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
