package drift_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/drift"
)

func node(name, endpoint string) drift.Thing {
	return drift.Thing{Area: "peers", Name: "node " + name, Facts: map[string]string{"endpoint": endpoint}, Mends: "run it again"}
}

func TestCompare(t *testing.T) {
	recorded := []drift.Thing{node("b", "1:1"), node("a", "2:2"), {Area: "dns", Name: "corefile", Facts: map[string]string{"digest": "x", "image": "y"}, Mends: "the owner"}}
	for name, c := range map[string]struct {
		now  []drift.Thing
		want []string
	}{
		"nothing": {[]drift.Thing{recorded[2], recorded[1], recorded[0]}, nil},
		"a fact": {[]drift.Thing{recorded[0], {Area: "peers", Name: "node a", Facts: map[string]string{"endpoint": "3:3"}, Mends: "run it again", Wrote: "kubectl-edit"}, recorded[2]},
			[]string{"node a: endpoint is 3:3, recorded is 2:2 (last written by kubectl-edit) > run it again"}},
		"a thing less":  {recorded[1:], []string{"node b is not there any more > run it again"}},
		"a thing more":  {append(recorded[:3:3], node("c", "4:4")), []string{"node c is there, and was not recorded > run it again"}},
		"facts missing": {[]drift.Thing{recorded[0], recorded[1], {Area: "dns", Name: "corefile"}}, []string{"corefile: digest is nothing, recorded is x > the owner", "corefile: image is nothing, recorded is y > the owner"}},
		"a fact more":   {[]drift.Thing{{Area: "peers", Name: "node b", Facts: map[string]string{"endpoint": "1:1", "key": "k"}}, recorded[1], recorded[2]}, []string{"node b: key is k, and nothing was recorded > run it again"}},
	} {
		var got []string
		for _, d := range drift.Compare(recorded, c.now) {
			got = append(got, d.String()+" > "+d.Mends)
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if same := drift.Same(recorded, c.now); same != (len(c.want) == 0) {
			t.Errorf("%s: same: %t", name, same)
		}
	}
}

// What somebody changed by hand is not recorded as what was meant; what came with a new revision is.
func TestADriftIsNotRecordedAsMeant(t *testing.T) {
	thing := func(name, revision, value string) drift.Thing {
		return drift.Thing{Area: "connectors", Name: name, Under: revision, Facts: map[string]string{"tasks": value}}
	}
	old := drift.Record{Things: []drift.Thing{thing("a", "1", "2"), thing("b", "1", "2"), node("n", "1:1")}}
	for name, c := range map[string]struct {
		now, want []drift.Thing
	}{
		"changed by hand":        {[]drift.Thing{thing("a", "1", "9"), thing("b", "1", "2"), node("n", "1:1")}, old.Things},
		"deleted by hand":        {[]drift.Thing{thing("b", "1", "2"), node("n", "1:1")}, old.Things},
		"added by hand":          {append(old.Things[:3:3], thing("c", "1", "2")), old.Things},
		"upgraded":               {[]drift.Thing{thing("a", "2", "9"), thing("c", "2", "2"), node("n", "1:1")}, []drift.Thing{thing("a", "2", "9"), thing("c", "2", "2"), node("n", "1:1")}},
		"what steps bring about": {[]drift.Thing{thing("a", "1", "2"), thing("b", "1", "2"), node("n", "5:5")}, []drift.Thing{thing("a", "1", "2"), thing("b", "1", "2"), node("n", "5:5")}},
	} {
		if got := old.Renew(c.now); !drift.Same(got, c.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if drift.Same(old.Things, []drift.Thing{thing("a", "2", "2"), thing("b", "1", "2"), node("n", "1:1")}) {
		t.Error("another revision is the same")
	}
}

func TestARecordThatSomebodyChanged(t *testing.T) {
	sealed, err := drift.Record{Site: "dc1", Taken: time.Unix(1, 0).UTC(), Salt: drift.NewSalt(), Wanted: map[geored.StepID]string{"a": "sha256:1"}, Things: []drift.Thing{node("b", "1:1"), node("a", "2:2")}}.Sealed()
	if err != nil || sealed.Things[0].Name != "node a" {
		t.Fatalf("%+v, %v", sealed, err)
	}
	text, err := json.Marshal(sealed)
	if err != nil {
		t.Fatal(err)
	}
	if read, err := drift.Parse(text); err != nil || read.Digest != sealed.Digest || !drift.Same(read.Things, sealed.Things) {
		t.Errorf("%+v, %v", read, err)
	}
	for name, bad := range map[string]string{
		"a fact":  strings.Replace(string(text), "1:1", "6:6", 1),
		"version": strings.Replace(string(text), `"version":1`, `"version":2`, 1),
		"cut off": string(text[:len(text)-5]), "empty": "", "nothing": "{}",
	} {
		if bad == string(text) {
			t.Fatalf("%s: nothing was changed", name)
		}
		if _, err := drift.Parse([]byte(bad)); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}

func TestLeavesHoldNoSecret(t *testing.T) {
	salt := drift.NewSalt()
	tree := map[string]any{
		"config":  map[string]any{"peers": []any{map[string]any{"endpoint": "1.2.3.4:5"}}, "enabled": true},
		"smtp":    map[string]any{"password": "planted", "user": "u"},
		"tokens":  []any{"planted"},
		"tls.key": "planted",
		"key":     "planted",
		"env":     []any{map[string]any{"name": "DB_PASSWORD", "value": "planted"}},
	}
	facts, leftOut := salt.Leaves(tree)
	if len(facts) != 3 || leftOut != 5 || facts["config.peers.0.endpoint"] != salt.Digest("1.2.3.4:5") || facts["config.enabled"] == "" || facts["smtp.user"] == "" {
		t.Errorf("%v, %d left out", facts, leftOut)
	}
	all, _ := salt.Leaves(map[string]any{"ingress": []any{map[string]any{}}})
	none, _ := salt.Leaves(map[string]any{"ingress": []any{}})
	if len(all) != 1 || len(none) != 1 || fmt.Sprint(all) == fmt.Sprint(none) {
		t.Errorf("a rule that allows all is %v, none %v", all, none)
	}
	if again, _ := salt.Leaves(tree); fmt.Sprint(again) != fmt.Sprint(facts) {
		t.Error("the same tree has other digests")
	}
	if other, _ := drift.NewSalt().Leaves(tree); other["smtp.user"] == facts["smtp.user"] {
		t.Error("another salt makes the same digest")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":1,"site":"dc1","things":[{"area":"a","name":"b","facts":{"c":"d"}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := drift.Parse(data)
		if err != nil {
			return
		}
		if again, err := r.Sealed(); err != nil || again.Version != drift.Version {
			t.Errorf("%+v, %v", again, err)
		}
	})
}

func ExampleCompare() {
	recorded := []drift.Thing{{Area: "peers", Name: "node dc1-1", Facts: map[string]string{"endpoint": "192.0.2.1:51820"}, Mends: "run the installation again"}}
	now := []drift.Thing{{Area: "peers", Name: "node dc1-1", Facts: map[string]string{"endpoint": "192.0.2.7:51820"}, Wrote: "kubectl-annotate"}}
	for _, d := range drift.Compare(recorded, now) {
		fmt.Println(d)
		fmt.Println(d.Mends)
	}
	// Output:
	// node dc1-1: endpoint is 192.0.2.7:51820, recorded is 192.0.2.1:51820 (last written by kubectl-annotate)
	// run the installation again
}
