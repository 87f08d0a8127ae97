package stores

import (
	"context"
	"io"
	"path/filepath"
	"strings"

	"github.com/georedkit/georedkit/internal/lab/compile"
	"github.com/georedkit/georedkit/internal/lab/images"
	"github.com/georedkit/georedkit/internal/lab/servers"
)

const kafkaFolder = "/lab/kafka"

// kafka is a broker and a Connect worker, as two images.
func kafka(ctx context.Context, progress io.Writer) (Stores, error) {
	jars, err := servers.Jars(ctx, "kafka")
	if err != nil {
		return Stores{}, err
	}
	pod, err := servers.NewKafkaPod(kafkaFolder)
	if err != nil {
		return Stores{}, err
	}
	s := Stores{Folders: map[string]string{kafkaFolder: jars}}
	bin, err := compile.Ensure(ctx, compile.Standins, progress)
	if err != nil {
		return Stores{}, err
	}
	s.Images = append(s.Images,
		images.Image{Ref: "localhost/lab/strimzi-standin:1", Programs: []string{filepath.Join(bin, "strimzi")}, Entrypoint: []string{"/strimzi"}},
		image("localhost/lab/kafka:4.3.1", "/lab/broker", map[string]string{"lab/broker": pod.Broker}),
		image("localhost/lab/kafka-connect:4.3.1", "/lab/worker", map[string]string{"lab/worker": pod.Worker}))
	return s, nil
}

// cassandra gives a server of one version with its nodetool, and with what stands for cqlsh where the stand-ins of ICE are.
func cassandra(version string) func(context.Context, io.Writer) (Stores, error) {
	return func(ctx context.Context, _ io.Writer) (Stores, error) {
		jars, err := servers.CassandraJars(ctx, version)
		if err != nil {
			return Stores{}, err
		}
		pod, err := servers.NewCassandraPod(jars)
		if err != nil {
			return Stores{}, err
		}
		folder := "/lab/cassandra-" + version
		scripts := map[string]string{
			"lab/server":   strings.ReplaceAll(pod.Server, jars, folder),
			"lab/nodetool": strings.ReplaceAll(pod.Nodetool, jars, folder),
			"lab/cqlsh":    "#!/bin/sh\n[ -x " + iceFolder + "/ice ] || { echo 'cqlsh comes with the store ice' >&2; exit 127; }\nexec " + iceFolder + `/ice cqlsh "$@"` + "\n",
		}
		s := Stores{Folders: map[string]string{folder: jars}}
		s.Images = append(s.Images, image("localhost/lab/cassandra:"+version, "/lab/server", scripts))
		return s, nil
	}
}
