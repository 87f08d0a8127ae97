package dnsfed

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/geored"
)

// stock is what kubeadm writes.
const stock = `.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 # seconds
    loop
    reload
    loadbalance
}
`

func mustParse(t *testing.T, text string) Corefile {
	t.Helper()
	c, err := ParseCorefile(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParseReadsTheStockFile(t *testing.T) {
	c := mustParse(t, stock)
	if len(c.Blocks) != 1 || !reflect.DeepEqual(c.Blocks[0].Keys, []string{".:53"}) || len(c.Blocks[0].Directives) != 10 {
		t.Fatalf("got %+v", c.Blocks)
	}
	k := c.Blocks[0].Named("kubernetes")[0]
	if k.Line != 7 || k.LastLine != 11 || !reflect.DeepEqual(k.Args, []string{"cluster.local", "in-addr.arpa", "ip6.arpa"}) {
		t.Errorf("got %+v", k)
	}
	if o, ok := k.Option("fallthrough"); !ok || o.Line != 9 || len(o.Args) != 2 {
		t.Errorf("got %+v", o)
	}
	if got := c.Blocks[0].Named("cache")[0].Args; !reflect.DeepEqual(got, []string{"30"}) {
		t.Errorf("a comment was read as arguments: %q", got)
	}
}

// What caddyfile's lexer and parser do, quirk by quirk.
func TestParseReadsAsCoreDNSDoes(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want func(Corefile) any
		is   any
	}{
		"keys over lines":        {"a,\nb:54 {\n}\n", func(c Corefile) any { return c.Blocks[0].Keys }, []string{"a", "b:54"}},
		"no braces":              {".\nerrors\ncache 5", func(c Corefile) any { return len(c.Blocks[0].Directives) }, 2},
		"two blocks":             {"a {\n}\nb {\nerrors\n}", func(c Corefile) any { return c.Blocks[1].Keys }, []string{"b"}},
		"snippet":                {"(s) {\nerrors\n}\n. {\nimport s\n}", func(c Corefile) any { return []bool{c.Blocks[0].IsSnippet(), c.Blocks[1].IsSnippet()} }, []bool{true, false}},
		"comment in a word":      {". {\ncache 30#x y\n}", func(c Corefile) any { return c.Blocks[0].Directives[0].Args }, []string{"30"}},
		"quotes":                 {`. {` + "\n" + `log "a \"b\" \c # d"` + "\n}", func(c Corefile) any { return c.Blocks[0].Directives[0].Args }, []string{`a "b" \c # d`}},
		"quotes over lines":      {". {\nlog \"a\nb\" c\nerrors\n}", func(c Corefile) any { return c.Blocks[0].Directives[0].Args }, []string{"a\nb", "c"}},
		"carriage returns":       {".:53 {\r\n\terrors\r\n}\r\n", func(c Corefile) any { return c.Blocks[0].Directives[0].Name }, "errors"},
		"byte order mark":        {"\uFEFF. {\n}", func(c Corefile) any { return c.Blocks[0].Keys }, []string{"."}},
		"block on one line":      {". {\nhealth { lameduck 5s }\nerrors\n}", func(c Corefile) any { return c.Blocks[0].Directives[0].Options[0].Args }, []string{"5s"}},
		"nothing":                {" # nothing\n", func(c Corefile) any { return len(c.Blocks) }, 0},
		"variables stay":         {"{$ZONE}:53 {\n}", func(c Corefile) any { return c.Blocks[0].Keys }, []string{"{$ZONE}:53"}},
		"options inside options": {". {\nfile a {\nb {\nc d\n}\n}\n}", func(c Corefile) any { return c.Blocks[0].Directives[0].Options[0].Options[0].Args }, []string{"d"}},
	} {
		parsed, err := ParseCorefile(c.text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := c.want(parsed); !reflect.DeepEqual(got, c.is) {
			t.Errorf("%s: got %q, want %q", name, got, c.is)
		}
	}
}

func TestParseNamesTheLineOfAMistake(t *testing.T) {
	for text, field := range map[string]string{
		". {\nerrors\n":                "Corefile:1",
		". {\nhealth {\nlameduck 1s\n": "Corefile:2",
		". {\n}\n}":                    "Corefile:3",
		"a,":                           "Corefile:1",
		"a, {\n}":                      "Corefile:1",
		"{\n}":                         "Corefile:1",
		". {\n{\n}\n}":                 "Corefile:2",
		"(s)":                          "Corefile:1",
		". {\na {\n} b\n}":             "Corefile:3",
	} {
		_, err := ParseCorefile(text)
		var fault geored.Fault
		if !errors.As(err, &fault) || fault.Field != field || fault.Problem == "" {
			t.Errorf("%q: got %v, want a fault at %s", text, err, field)
		}
	}
}

func TestReplaceTouchesOneDirective(t *testing.T) {
	c := mustParse(t, stock)
	edited, err := c.Replace(c.Blocks[0].Named("cache")[0], "    cache 5\n")
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(stock, "    cache 30 # seconds\n", "    cache 5\n", 1); edited.String() != want {
		t.Errorf("got\n%s", edited)
	}
	one := mustParse(t, ". { errors\n}")
	if _, err := one.Replace(one.Blocks[0].Directives[0], "log\n"); err == nil {
		t.Error("a directive that shares its line was replaced with the line")
	}
}

// FuzzCorefile: whatever parses prints as it was, every directive's lines are inside the file, and replacing a directive
// by itself changes nothing.
func FuzzCorefile(f *testing.F) {
	for _, seed := range []string{stock, "a,\nb {\n log \"x\ny\"\n}", "\uFEFF.\r\nerrors\r\n", ". {\nimport x\n}\n(s) {\n}", "#", `"" {` + "\n}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCorefile(text)
		if err != nil {
			return
		}
		if c.String() != text {
			t.Fatalf("got %q, want %q", c.String(), text)
		}
		for _, b := range c.Blocks {
			for _, d := range b.Directives {
				if d.start < b.start || d.end > b.end || d.start >= d.end || d.LastLine > 1+strings.Count(text, "\n") {
					t.Fatalf("%q: directive %+v outside its block", text, d)
				}
				start, end, err := c.linesOf(d)
				if err != nil {
					continue
				}
				same, err := c.Replace(d, text[start:end])
				if err != nil || same.text != text {
					t.Fatalf("%q: replaced by itself: %v %q", text, err, same.text)
				}
			}
		}
	})
}
