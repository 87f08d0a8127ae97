package dnsfed

import (
	"fmt"

	"github.com/georedkit/georedkit/geored"
)

// Corefile is the configuration of a CoreDNS, read without loss: what no edit touches is printed as it was, byte for
// byte. The zero value is an empty file. A Corefile does not change; edits give a new one.
type Corefile struct {
	Blocks []Block // in the order of the file, snippets included
	text   string
}

// Block is a server block, or a snippet to import.
type Block struct {
	Keys       []string // as written: "." or ".:53" or "dns://cluster.local", a snippet as "(name)"
	Line       int
	Directives []Directive
	braces     bool
	start, end int
}

// Directive is a plugin with its options, or an option with what stands inside it.
type Directive struct {
	Name    string
	Args    []string
	Line    int // on which it begins, from 1
	Options []Directive
	// LastLine is the line on which it ends.
	LastLine   int
	block      bool
	start, end int
}

// String is the file as it stands.
func (c Corefile) String() string { return c.text }

// IsSnippet says whether the block serves nothing but is there to be imported.
func (b Block) IsSnippet() bool {
	return len(b.Keys) == 1 && len(b.Keys[0]) > 1 && b.Keys[0][0] == '(' && b.Keys[0][len(b.Keys[0])-1] == ')'
}

// Named are the directives of that name, in their order.
func (b Block) Named(name string) []Directive { return named(b.Directives, name) }

// Option is the first option of that name.
func (d Directive) Option(name string) (Directive, bool) {
	if found := named(d.Options, name); len(found) > 0 {
		return found[0], true
	}
	return Directive{}, false
}

func named(all []Directive, name string) []Directive {
	var found []Directive
	for _, d := range all {
		if d.Name == name {
			found = append(found, d)
		}
	}
	return found
}

// lineFault is a fault of a Corefile, with the line as CoreDNS counts it.
func lineFault(line int, value, problem, remedy string) geored.Fault {
	return geored.Fault{Field: fmt.Sprintf("Corefile:%d", line), Value: value, Problem: problem, Remedy: remedy}
}
