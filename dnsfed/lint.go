package dnsfed

import (
	"cmp"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// Rule names one of the things that [Federation.Lint] looks for.
type Rule string

// The rules.
const (
	RemoteFirst  Rule = "remote-first"  // another site's cluster is asked before the own one
	Fallthrough  Rule = "fallthrough"   // missing before the last stanza, or there in the last one
	Autopath     Rule = "autopath"      // with more than one cluster
	PodsVerified Rule = "pods-verified" // of another site: all its pods are streamed here
	Readiness    Rule = "readiness"     // waits for a cluster that is not the own one
	DoubledZone  Rule = "doubled-zone"  // one zone and port in two server blocks, or one stanza too many
	Loop         Rule = "loop"          // queries can come back to the server that sent them
	Missing      Rule = "missing"       // a plugin or option that this CoreDNS does not have
	Unread       Rule = "unread"        // the file imports another, which was not read
)

// Waits is what the plugin ready waits for when it asks kubernetai.
type Waits string

// What a readiness may wait for. The zero value means that nobody said.
const (
	WaitsForNone Waits = "none" // upstream kubernetai tells ready nothing
	WaitsForOwn  Waits = "own"  // the first stanza
	WaitsForAll  Waits = "all"  // every cluster: a site cut off from another one loses its own DNS
)

// Build is what is known of the CoreDNS that is to read a Corefile. The zero value is nothing.
type Build struct {
	Version Version  // zero: options are not held against it
	Plugins []string // as `coredns -plugins` lists them, without "dns."; zero: directives are not held against it
	Waits   Waits
}

// Remark is something wrong in a Corefile.
type Remark struct {
	Rule    Rule
	Line    int            // from 1
	Verdict geored.Verdict // fail, warn, or unknown when it depends on what nobody said
	Problem string
	Remedy  string
}

// Lint finds what is wrong in the Corefile of one site, in the order of its lines. The federation tells which site a
// stanza reads: by its kubeconfig, or by the address of its endpoint. The error is a [geored.Fault]: it cannot be read.
func (f Federation) Lint(own geored.SiteName, corefile string, build Build) ([]Remark, error) {
	c, err := ParseCorefile(corefile)
	if err != nil {
		return nil, err
	}
	l := linter{Federation: f, own: own, build: build}
	for _, block := range c.Blocks {
		l.plugins(block)
		l.chain(block)
		l.readiness(block)
		l.loops(block)
	}
	l.doubles(c.Blocks)
	slices.SortStableFunc(l.remarks, func(a, b Remark) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Rule, b.Rule))
	})
	return l.remarks, nil
}

type linter struct {
	Federation
	own     geored.SiteName
	build   Build
	remarks []Remark
}

func (l *linter) add(rule Rule, line int, verdict geored.Verdict, problem, remedy string) {
	l.remarks = append(l.remarks, Remark{rule, line, verdict, problem, remedy})
}

// plugins holds directives and options against the build.
func (l *linter) plugins(b Block) {
	for _, d := range b.Directives {
		if d.Name == "import" {
			l.add(Unread, d.Line, geored.Unknown, "what is imported here was not read", "lint the file with the import resolved")
			continue
		}
		if len(l.build.Plugins) > 0 && !slices.Contains(l.build.Plugins, d.Name) {
			l.add(Missing, d.Line, geored.Fail, "plugin "+d.Name+" is not compiled into this CoreDNS, which will not start", "use an image that has it")
		}
		if !isKubernetes(d) {
			continue
		}
		for _, option := range d.Options {
			if known, why := l.build.Version.knows(option.Name); !known && !l.build.Version.IsZero() {
				l.add(Missing, option.Line, geored.Fail, "option "+option.Name+" "+why, "remove it, or use a CoreDNS that knows it")
			}
		}
	}
}
