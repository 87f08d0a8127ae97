package servers

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// run runs the part of a container's program that comes before the server, with the server's place taken, and gives the
// settings it wrote.
func run(t *testing.T, program, settings string, environment ...string) string {
	t.Helper()
	home := t.TempDir()
	program = strings.NewReplacer("/data/", home+"/", "/tmp/", home+"/").Replace(program) // folders of the container
	fakes := filepath.Join(home, "bin")
	if err := os.MkdirAll(fakes, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"java", "getent", "sleep"} {
		if err := os.WriteFile(filepath.Join(fakes, name), []byte("#!/bin/sh\necho "+name+" \"$@\"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.Command("bash", "-c", program)
	command.Env = append(environment, "PATH="+fakes+":"+os.Getenv("PATH"))
	output, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(output), "java ") {
		t.Fatalf("%v: %s", err, output)
	}
	text, err := os.ReadFile(filepath.Join(home, settings))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "${") || strings.Contains(string(text), "{{") {
		t.Errorf("something was not filled in:\n%s", text)
	}
	return string(text)
}

func has(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+text+"\n", "\n"+line+"\n") {
			t.Errorf("%q is not in\n%s", line, text)
		}
	}
}

func TestKafkaInAPod(t *testing.T) {
	pod, err := NewKafkaPod("/jars")
	if err != nil {
		t.Fatal(err)
	}
	has(t, run(t, pod.Broker, "kafka.properties", "SITE=dc1", "ADVERTISED=kafka-0.kafka"),
		"advertised.listeners=PLAINTEXT://kafka-0.kafka:9092", "num.partitions=3")
	has(t, run(t, pod.Worker, "kafka.properties", "GROUP=mm", "BOOTSTRAP=kafka:9092", "POD_IP=10.0.0.7"),
		"offset.storage.topic=mm-offsets", "rest.advertised.host.name=10.0.0.7", "plugin.discovery=service_load")
}

func TestCassandraInAPod(t *testing.T) {
	pod, err := NewCassandraPod("/jars")
	if err != nil {
		t.Fatal(err)
	}
	has(t, run(t, pod.Server, "cassandra.yaml", "CLUSTER=ice", "DC=dc1", "RACK=rack1", "TOKEN=7", "SEEDS=a,b", "POD_IP=10.0.0.7"),
		"cluster_name: ice", "initial_token: '7'", `    parameters: [{seeds: "a,b"}]`, "broadcast_rpc_address: 10.0.0.7", "rpc_address: 0.0.0.0")
	if !strings.Contains(pod.Server, `export JDK_JAVA_OPTIONS="${JVM_EXTRA_OPTS:-}"`) {
		t.Error("it takes no more options for Java")
	}
	if strings.Contains(pod.Server, "unsafesystem") {
		t.Error("a power cut would lose system tables")
	}
}
