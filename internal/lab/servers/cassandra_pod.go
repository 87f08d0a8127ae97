package servers

import (
	"slices"
	"strings"
)

// CassandraPod are the programs of a container that runs one server. Which one, its environment says: POD_IP, DC, RACK,
// TOKEN, SEEDS (names, with commas), CLUSTER, SEED_WAIT (seconds, 30), and JVM_EXTRA_OPTS, more options for Java. It wants a
// volume at /data.
type CassandraPod struct{ Server, Nodetool string }

const (
	podHome       = "/data"
	podManagement = 7199
)

// NewCassandraPod makes the programs for the jars of a folder.
func NewCassandraPod(jars string) (CassandraPod, error) {
	c := cassandra{jars: jars, heap: "256m", dir: "/tmp"}
	settings, err := render("cassandra.yaml", map[string]any{"Cluster": "${CLUSTER}", "Token": "${TOKEN}", "Seeds": "${SEEDS}", "Host": "${POD_IP}", "Listen": "0.0.0.0"})
	if err != nil {
		return CassandraPod{}, err
	}
	log, err := render("logback.xml", nil)
	if err != nil {
		return CassandraPod{}, err
	}
	server := newScript()
	// The first start waits for the other sites' names; a later one must come up without them.
	server.line(`[ -d %s/data ] && patience=5 || patience=${SEED_WAIT:-30}`, podHome)
	server.line(`for second in $(seq $patience); do
  missing=; for seed in ${SEEDS//,/ }; do getent ahostsv4 $seed > /dev/null || missing="$missing $seed"; done
  [ -z "$missing" ] && break
  sleep 1
done
echo "seeds without an address:$missing"`)
	server.line("mkdir -p %s/data", podHome)
	server.line(`export JDK_JAVA_OPTIONS="${JVM_EXTRA_OPTS:-}"`) // as Cassandra's own scripts take it
	server.file(podHome+"/cassandra.yaml", settings)
	server.file(podHome+"/logback.xml", log)
	server.file(podHome+"/cassandra-rackdc.properties", []byte("dc=${DC}\nrack=${RACK}"))
	// What a power cut must not lose is written through, and names are for the cluster's DNS to know.
	args := slices.DeleteFunc(c.daemon(podHome, podManagement), func(a string) bool {
		return a == "-Dcassandra.unsafesystem=true" || strings.HasPrefix(a, "-Djdk.net.hosts.file=")
	})
	args = slices.Insert(args, 0, "-Dsun.net.inetaddr.ttl=5")
	return CassandraPod{
		Server:   server.run("", "java", args...),
		Nodetool: newScript().run(` "$@"`, "java", c.nodetool(podHome, podManagement)...),
	}, nil
}
