package servers

import (
	"fmt"
	"path/filepath"
	"strings"
)

// What Cassandra wants opened of Java's own packages, as its conf/jvm11-server.options has it.
var (
	cassandraExports = strings.Fields(`java.base/jdk.internal.misc java.base/jdk.internal.ref java.base/jdk.internal.perf
		java.base/sun.nio.ch java.base/java.lang.ref java.management/com.sun.jmx.remote.security
		java.management.rmi/com.sun.jmx.remote.internal.rmi java.rmi/sun.rmi.registry java.rmi/sun.rmi.server
		java.rmi/sun.rmi.transport java.rmi/sun.rmi.transport.tcp java.sql/java.sql jdk.attach/sun.tools.attach
		jdk.unsupported/sun.misc jdk.compiler/com.sun.tools.javac.file jdk.naming.dns/com.sun.jndi.dns`)
	cassandraOpens = strings.Fields(`java.base/java.lang.module java.base/java.net java.base/java.io java.base/java.lang
		java.base/java.lang.reflect java.base/java.util java.base/java.util.concurrent java.base/java.util.concurrent.atomic
		java.base/java.util.concurrent.locks java.base/java.nio java.base/java.nio.charset java.base/java.nio.file.spi
		java.base/java.security java.base/java.time java.base/sun.nio.ch java.base/sun.nio.fs java.base/jdk.internal.loader
		java.base/jdk.internal.ref java.base/jdk.internal.reflect java.base/jdk.internal.math java.base/jdk.internal.module
		java.base/jdk.internal.util.jar java.base/jdk.internal.misc jdk.management/com.sun.management.internal
		java.rmi/sun.rmi.transport.tcp`)
)

// java are the options that server and nodetool share.
func (c cassandra) java(home string) []string {
	var options []string
	for _, p := range cassandraExports {
		options = append(options, "--add-exports", p+"=ALL-UNNAMED")
	}
	for _, p := range cassandraOpens {
		options = append(options, "--add-opens", p+"=ALL-UNNAMED")
	}
	return append(options, "-cp", filepath.Join(c.jars, "*"), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dcassandra.config=file://"+filepath.Join(home, "cassandra.yaml"),
		"-Dlogback.configurationFile="+filepath.Join(home, "logback.xml"))
}

// daemon are the arguments of one server: small, quick to start, and careless of power cuts.
func (c cassandra) daemon(home string, management int, more ...string) []string {
	options := append(c.java(home), more...)
	if agents, _ := filepath.Glob(filepath.Join(c.jars, "jamm-*.jar")); len(agents) > 0 {
		options = append(options, "-javaagent:"+agents[0])
	}
	if c.trust == nil { // on Java's own TLS, 4.1 calls what Java 17 no longer has
		options = append(options, "-Dcassandra.disable_tcactive_openssl=true")
	}
	return append(options,
		"-Xms"+c.heap, "-Xmx"+c.heap, "-Xss256k", "-XX:MaxDirectMemorySize=256m", "-XX:MaxMetaspaceSize=160m",
		"-XX:ReservedCodeCacheSize=64m", "-XX:-UsePerfData",
		"-Djava.awt.headless=true", "-Djava.net.preferIPv4Stack=true", "-Djdk.attach.allowAttachSelf=true",
		"-Dio.netty.tryReflectionSetAccessible=true", "-Djna.nosys=true",
		"-Dcassandra-rackdc.properties=file://"+filepath.Join(home, "cassandra-rackdc.properties"),
		"-Djdk.net.hosts.file="+filepath.Join(home, "hosts"), "-Dsun.net.inetaddr.ttl=1", "-Dsun.net.inetaddr.negative.ttl=1",
		"-Dcassandra.storagedir="+filepath.Join(home, "data"), "-Dcassandra.logdir="+home,
		fmt.Sprintf("-Dcassandra.jmx.local.port=%d", management), "-Dcassandra-foreground=yes",
		"-Dcassandra.skip_wait_for_gossip_to_settle=0", "-Dcassandra.ring_delay_ms=1000", "-Dcassandra.superuser_setup_delay_ms=0",
		"-Dcassandra.consistent.rangemovement=false", "-Dcassandra.unsafesystem=true",
		"org.apache.cassandra.service.CassandraDaemon")
}

func (c cassandra) nodetool(home string, management int) []string {
	return append(c.java(home), "-Xmx64m", "-Dcassandra.storagedir="+filepath.Join(c.dir, "nodetool"),
		"org.apache.cassandra.tools.NodeTool", "-h", "127.0.0.1", "-p", fmt.Sprint(management))
}
