package servers

import (
	"embed"
	"fmt"
	"path/filepath"
	"sort"
	"strings"
	"text/template"
)

//go:embed templates/kafka-*.properties templates/log4j2.yaml
var kafkaFiles embed.FS

var kafkaTemplates = template.Must(template.New("").Funcs(template.FuncMap{"listeners": listeners, "advertised": advertised, "protocols": protocols}).
	ParseFS(kafkaFiles, "templates/kafka-*.properties", "templates/log4j2.yaml"))

// Data is the folder of a broker's log.
func (k *kafkaLab) Data(s *kafkaSite) string { return filepath.Join(k.dir, s.name+"-data") }

// Secret is for the templates; nil: plain.
func (k *kafkaLab) Secret() *kafkaSecret { return k.secret }

// The fields that templates read.
func (s *kafkaSite) Name() string    { return s.name }
func (s *kafkaSite) Controller() int { return s.controller }
func (s *kafkaSite) Rest() int       { return s.rest }
func (s *kafkaSite) Broker() int     { return s.broker }

// others are the sites whose workers read here, sorted.
func (s *kafkaSite) others() []string {
	var names []string
	for name := range s.fromOutside {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// listeners has one for the site's own clients and one per other site, so that each way between two sites can be cut
// by itself.
func listeners(s *kafkaSite) string {
	all := []string{"LOCAL://" + loopback(s.broker), "CONTROLLER://" + loopback(s.controller)}
	for _, name := range s.others() {
		all = append(all, outside(name)+"://"+loopback(s.fromOutside[name]))
	}
	return strings.Join(all, ",")
}

// advertised leads the workers of other sites through the link.
func advertised(k *kafkaLab, s *kafkaSite) string {
	all := []string{"LOCAL://" + loopback(s.broker)}
	for _, name := range s.others() {
		all = append(all, outside(name)+"://"+k.links[[2]string{s.name, name}].address)
	}
	return strings.Join(all, ",")
}

func protocols(k *kafkaLab, s *kafkaSite) string {
	protocol := "PLAINTEXT"
	if k.secret != nil {
		protocol = "SASL_SSL"
	}
	all := []string{"CONTROLLER:PLAINTEXT", "LOCAL:" + protocol}
	for _, name := range s.others() {
		all = append(all, fmt.Sprintf("%s:%s", outside(name), protocol))
	}
	return strings.Join(all, ",")
}

func outside(name string) string { return "FROM" + strings.ToUpper(name) }
