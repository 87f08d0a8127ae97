package cassandra_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/cassandra"
)

func TestConfigReportsAllFaultsAtOnce(t *testing.T) {
	_, err := cassandra.Open(cassandra.Config{Password: "secret", Sites: []cassandra.Site{
		{Name: "DC 1", Nodes: []string{"10.0.0.1"}},
		{Name: "dc2"},
		{Name: "dc3", DataCenter: "dc2", Nodes: []string{"10.0.0.1:9042", "10.0.0.256"}},
		{Name: "dc2", Nodes: []string{"10.0.0.3:99999"}},
	}})
	for _, want := range []string{
		"user: is missing", "site DC 1: name DC 1: is no DNS-1123 label", "site dc2: nodes: are missing",
		"site dc3: dataCenter dc2: belongs to another site too", "nodes 10.0.0.1:9042: is a node of site DC 1 too",
		"nodes 10.0.0.256: is no address", "site dc2: name: stands twice", "nodes 10.0.0.3:99999: is no address",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
	if strings.Contains(fmt.Sprint(err), "secret") {
		t.Error("the password is in the error")
	}
	if _, err := cassandra.Open(cassandra.Config{}); err == nil {
		t.Error("no sites, and no fault")
	}
}

func TestPasswordDoesNotShow(t *testing.T) {
	c := cassandra.Config{User: "u", Password: "open sesame"}
	text, err := json.Marshal(map[string]any{"password": c.Password})
	if err != nil {
		t.Fatal(err)
	}
	shown := fmt.Sprintf("%v %+v %#v %s %q", c.Password, c, c, c.Password, c.Password) + string(text) + c.Password.LogValue().String()
	if strings.Contains(shown, "sesame") || !strings.Contains(shown, "redacted") {
		t.Error(shown)
	}
}
