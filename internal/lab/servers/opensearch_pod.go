package servers

// NewOpenSearchPod makes the program of a container that runs one search server, for the jars of a folder. SITE is in its
// environment; it wants a volume at /data, and listens at port 9200.
func NewOpenSearchPod(jars string) (string, error) {
	const config = podHome + "/node_1/config"
	server := newScript()
	server.line("mkdir -p %s", config)
	for file, template := range map[string]string{"opensearch.yml": "opensearch.yml", "log4j2.properties": "opensearch-log4j2.properties"} {
		text, err := render(template, nil)
		if err != nil {
			return "", err
		}
		server.file(config+"/"+file, text)
	}
	// The first node's port is one more.
	return server.run("", "java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss512k", "-Xms128m", "-Xmx192m", "-XX:-UsePerfData", "-cp", jars+"/*",
		"org.codelibs.opensearch.runner.OpenSearchRunner", "-basePath", podHome, "-numOfNode", "1", "-clusterName", "ice", "-baseHttpPort", "9199"), nil
}
