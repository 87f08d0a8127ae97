package servers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// java are the arguments of one process: small, and quick to start.
func (k *kafkaLab) java(heap, class string, args ...string) []string {
	options := []string{"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss512k", "-Xms64m", "-Xmx" + heap,
		"-Dlog4j2.configurationFile=" + filepath.Join(k.dir, "log4j2.yaml"), "-cp", filepath.Join(k.jars, "*"), class}
	return append(options, args...)
}

// format writes the identity of a broker's log folder, and the user of a secure one: only here can the first one be made.
func (k *kafkaLab) format(ctx context.Context, s *kafkaSite) error {
	if err := k.write(filepath.Join(k.dir, "log4j2.yaml"), "log4j2.yaml", nil); err != nil {
		return err
	}
	if err := k.write(k.path(s, "broker.properties"), "kafka-broker.properties", s); err != nil {
		return err
	}
	if err := k.write(k.path(s, "worker.properties"), "kafka-worker.properties", s); err != nil {
		return err
	}
	args := []string{"format", "--ignore-formatted", "-t", clusterID(s.name), "-c", k.path(s, "broker.properties")}
	if k.secret != nil {
		args = append(args, "--add-scram", k.secret.record())
	}
	format := exec.CommandContext(ctx, "java", k.java("64m", "kafka.tools.StorageTool", args...)...)
	if output, err := format.CombinedOutput(); err != nil {
		return fmt.Errorf("format of %s: %w\n%s", s.name, err, output)
	}
	return nil
}

// clusterID is 22 characters of the base64 alphabet.
func clusterID(name string) string {
	id := []byte("labAAAAAAAAAAAAAAAAAAA")
	copy(id[3:], name)
	return string(id)
}

func (k *kafkaLab) startBroker(_ context.Context, s *kafkaSite) (err error) {
	s.brokerProcess, err = k.set.Run(s.name+"-broker", nil, "java", k.java("384m", "kafka.Kafka", k.path(s, "broker.properties"))...)
	return err
}

func (k *kafkaLab) awaitBroker(ctx context.Context, s *kafkaSite) error {
	return k.set.AwaitPort(ctx, loopback(s.broker))
}

func (k *kafkaLab) startWorker(_ context.Context, s *kafkaSite) (err error) {
	s.workerProcess, err = k.set.Run(s.name+"-worker", nil, "java", k.java("384m", "org.apache.kafka.connect.cli.ConnectDistributed", k.path(s, "worker.properties"))...)
	return err
}

// write renders a template, readable by its owner alone: it may hold the password.
func (k *kafkaLab) write(path, name string, site *kafkaSite) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	return kafkaTemplates.ExecuteTemplate(file, name, map[string]any{"Lab": k, "Site": site})
}
