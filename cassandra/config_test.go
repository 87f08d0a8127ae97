package cassandra_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/cassandra"
)

func TestConfigReportsAllFaultsAtOnce(t *testing.T) {
	_, err := cassandra.Open(cassandra.Config{Password: cassandra.NewPassword("secret"), Sites: []cassandra.Site{
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
	c := cassandra.Config{User: "u", Password: cassandra.NewPassword("open sesame"), Sites: []cassandra.Site{{Name: "dc1", Nodes: []string{"127.0.0.1"}}}}
	text, err := json.Marshal(map[string]any{"password": c.Password})
	if err != nil {
		t.Fatal(err)
	}
	hidden := struct{ config cassandra.Config }{c} // fmt asks no methods there
	shown := fmt.Sprintf("%v %+v %#v %s %q %d %x", c.Password, c, c, c.Password, c.Password, c.Password, c.Password) + string(text) + c.Password.LogValue().String()
	shown += fmt.Sprintf("%v %+v %#v %+v", hidden, hidden, hidden, open(t, c))
	for _, leak := range []string{"sesame", fmt.Sprintf("%x", "sesame"), fmt.Sprint([]byte("sesame"))} {
		if strings.Contains(shown, strings.Trim(leak, "[]")) || !strings.Contains(shown, "redacted") {
			t.Error(shown)
		}
	}
	if c.Password.Reveal() != "open sesame" || (cassandra.Password{}).Reveal() != "" {
		t.Error("it does not open")
	}
}

// brokenSession is of a type that cannot be compared: to do so panics.
type brokenSession struct{ answers []error }

func (s brokenSession) Query(context.Context, cassandra.Query, func(cassandra.Row) error) error {
	return s.answers[0]
}
func (brokenSession) Close() {}

func TestSessionsThatCannotBeCompared(t *testing.T) {
	opened := 0
	c := open(t, cassandra.Config{Sites: []cassandra.Site{{Name: "dc1", Nodes: []string{"127.0.0.1"}}}, Connect: func(context.Context, netip.AddrPort) (cassandra.Session, error) {
		opened++
		return brokenSession{[]error{cassandra.ErrUnreachable}}, nil
	}})
	for range 2 { // what is broken is opened anew
		if ring, err := c.Ring(t.Context()); err != nil || len(ring.Silent) != 1 {
			t.Errorf("%+v: %v", ring, err)
		}
	}
	if opened != 2 {
		t.Errorf("%d sessions were opened", opened)
	}
}
