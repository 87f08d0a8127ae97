package servers

import "bytes"

// KafkaPod are the programs of the containers that run a broker and a Connect worker. Which ones, their environment says.
// Broker: SITE and ADVERTISED, the name under which clients reach it; it wants a volume at /data. Worker: GROUP, BOOTSTRAP
// and POD_IP.
type KafkaPod struct{ Broker, Worker string }

// NewKafkaPod makes the programs for the jars of a folder.
func NewKafkaPod(jars string) (KafkaPod, error) {
	const dir = "/tmp"
	k := &kafkaLab{dir: dir, jars: jars}
	text := map[string][]byte{}
	for _, name := range []string{"log4j2.yaml", "kafka-pod-broker.properties", "kafka-pod-worker.properties"} {
		var b bytes.Buffer
		if err := kafkaTemplates.ExecuteTemplate(&b, name, nil); err != nil {
			return KafkaPod{}, err
		}
		text[name] = b.Bytes()
	}
	const settings, resolve = dir + "/kafka.properties", "-Dsun.net.inetaddr.ttl=5"
	broker := newScript()
	broker.file(dir+"/log4j2.yaml", text["log4j2.yaml"])
	broker.file(settings, text["kafka-pod-broker.properties"])
	broker.line(`[ -f /data/log/meta.properties ] || java -Dlog4j2.configurationFile=%s/log4j2.yaml -Xmx64m -XX:TieredStopAtLevel=1 -cp '%s/*' kafka.tools.StorageTool \
  format --ignore-formatted -t "$(printf '%%-22.22s' "lab$SITE" | tr ' -' 'AB')" -c %s`, dir, jars, settings)
	worker := newScript()
	worker.file(dir+"/log4j2.yaml", text["log4j2.yaml"])
	worker.file(settings, text["kafka-pod-worker.properties"])
	worker.line(`until getent hosts "${BOOTSTRAP%%:*}" > /dev/null; do sleep 0.5; done`)
	return KafkaPod{
		Broker: broker.run("", "java", append([]string{resolve}, k.java("256m", "kafka.Kafka", settings)...)...),
		Worker: worker.run("", "java", append([]string{resolve}, k.java("256m", "org.apache.kafka.connect.cli.ConnectDistributed", settings)...)...),
	}, nil
}
