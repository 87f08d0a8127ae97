// Package cli is what the example programs share: flags, the laboratory as the default deployment, progress, reports and
// exit codes. Programs print; the SDK does not.
package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Exit codes of every program. `go run` turns each failure into 1.
const (
	ExitPass        = 0
	ExitFail        = 1
	ExitUsage       = 2 // usage or faulty input
	ExitWarn        = 3 // warnings under -strict
	ExitUnknown     = 4 // unknown or incomplete
	ExitInterrupted = 130
)

// Options are the flags of every program.
type Options struct {
	Topology   string
	Lab        string
	Sites      int // of the laboratory
	Check      bool
	Watch      time.Duration // between the beginnings of rounds of checks; 0: they are asked once
	Listen     string        // where a watch serves its metrics; zero: nowhere
	Plan       string
	Apply      string
	Undo       bool
	Confirm    map[geored.StepID]string
	Output     string
	Events     string
	Reports    []string
	Journal    string
	ProbeImage string
	PullSecret string
	Keep       bool
	Whole      bool
	Backup     string
	Yes        bool
	Timeout    time.Duration
	OwnTimeout bool // the operator gave Timeout; else it is the default
	Strict     bool
	Verbose    bool
	Charts     ChartOptions
	Render     string
	Lint       string
}

// parse reads the command line and reports all its faults at once.
func (p Program) parse(args []string, stderr io.Writer) (Options, error) {
	var o Options
	flags := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.Topology, "topology", "", "`FILE` with the sites; without it: the laboratory on this machine")
	flags.StringVar(&o.Lab, "lab", "georedkit", "`NAME` of the laboratory, for several side by side")
	flags.IntVar(&o.Sites, "sites", 2, "`NUMBER` of sites in the laboratory")
	flags.BoolVar(&o.Check, "check", false, "only prove, change nothing")
	flags.DurationVar(&o.Watch, "watch", 0, "with -check: repeat it, a round every `TIME`, until interrupted; each change of a verdict is a line of JSON on standard output")
	flags.StringVar(&o.Listen, "listen", "", "with -watch: serve /metrics for Prometheus, and /healthz, at `ADDRESS`, as 127.0.0.1:9464")
	flags.StringVar(&o.Plan, "plan", "", "write the plan with its digest to `FILE` and stop; - is standard output, as text with the commands to follow by hand")
	flags.StringVar(&o.Apply, "apply", "", "run exactly the plan in `FILE`; what moved since is refused")
	flags.BoolVar(&o.Undo, "undo", false, "take back what the journal says was done, where a step can be taken back")
	flags.Func("confirm", "`STEP=VALUE` for a destructive step, with the value its plan names; may be repeated", o.confirm)
	flags.StringVar(&o.Output, "output", "text", "`FORMAT` of the result on standard output: text or json")
	flags.StringVar(&o.Events, "events", "", "`FILE` for one JSON event per line while it runs; - is standard error")
	flags.Func("report", "`FILE` for the report, by its extension: .html, .json, .md, .txt, .xml (JUnit) or .prom (metrics); may be repeated", func(path string) error {
		o.Reports = append(o.Reports, path)
		return nil
	})
	flags.StringVar(&o.Journal, "journal", "", "`DIR` of the journal (default .georedkit in the working directory; the laboratory's own folder there), or kubernetes: in every cluster too")
	flags.StringVar(&o.ProbeImage, "probe-image", "", "`REF` of the probe image in your registry (make image writes it)")
	flags.StringVar(&o.PullSecret, "probe-pull-secret", "", "`NAME` of the pull secret for it in the namespace georedkit of each site")
	flags.BoolVar(&o.Keep, "keep", false, "leave the laboratory running")
	flags.StringVar(&o.Backup, "backup", "", "`FILE` that tells of the backup before an upgrade, where the program makes one: store, time and digest")
	flags.BoolVar(&o.Whole, "whole", false, "in the laboratory: the product itself too, with its data stores, where the program knows it")
	flags.BoolVar(&o.Yes, "yes", false, "do not ask before changing clusters that are not the laboratory")
	flags.DurationVar(&o.Timeout, "timeout", 5*time.Minute, "`TIME` that each step may take")
	flags.BoolVar(&o.Strict, "strict", false, "exit with 3 when there are warnings")
	flags.BoolVar(&o.Verbose, "v", false, "tell every step")
	o.Charts.flags(flags)
	flags.StringVar(&o.Render, "render", "", "write the manifests and values files into `DIR` instead of changing anything")
	flags.StringVar(&o.Lint, "lint", "", "read the files in `DIR` that an operator already has and name their faults; no connection is made")
	if p.Flags != nil {
		p.Flags(flags)
	}
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	flags.Visit(func(f *flag.Flag) { o.OwnTimeout = o.OwnTimeout || f.Name == "timeout" })
	return o, o.faults(flags.Args()).Err()
}

// Installs says whether something is to be brought about, or planned to be.
func (o Options) Installs() bool { return !o.Check && !o.Undo && o.Render == "" }

// confirm reads STEP=VALUE; a step's ID holds no equals sign.
func (o *Options) confirm(text string) error {
	step, value, ok := strings.Cut(text, "=")
	if !ok || step == "" || value == "" {
		return errors.New("write STEP=VALUE")
	}
	if o.Confirm == nil {
		o.Confirm = map[geored.StepID]string{}
	}
	o.Confirm[geored.StepID(step)] = value
	return nil
}

// ways are the flags that say what to do instead of everything.
func (o Options) ways() []string {
	var ways []string
	for _, way := range []struct {
		flag string
		set  bool
	}{{"-check", o.Check}, {"-plan", o.Plan != ""}, {"-apply", o.Apply != ""}, {"-undo", o.Undo}} {
		if way.set {
			ways = append(ways, way.flag)
		}
	}
	return ways
}

func (o Options) faults(rest []string) geored.Faults {
	var faults geored.Faults
	add := func(field, value, problem, remedy string) {
		faults = append(faults, geored.Fault{Field: field, Value: value, Problem: problem, Remedy: remedy})
	}
	if len(rest) > 0 {
		add("argument", rest[0], "is not expected", "see -h")
	}
	if o.Output != "text" && o.Output != "json" {
		add("-output", o.Output, "is no format", "write text or json")
	}
	for _, path := range o.Reports {
		if !isReport(path) {
			add("-report", path, "has no extension that says its format", "write "+strings.Join(extensions(), ", "))
		}
	}
	if ways := o.ways(); len(ways) > 1 {
		add(ways[0], "", "does not go with "+strings.Join(ways[1:], " and "), "give one of them")
	}
	faults = append(faults, o.watchFaults()...)
	if o.Timeout <= 0 {
		add("-timeout", o.Timeout.String(), "is no time", "write something like 5m")
	}
	switch {
	case o.Lint != "": // connects to nothing
	case o.Topology != "" && o.ProbeImage == "":
		add("-probe-image", "", "is missing", "push what make image writes to a registry that the clusters can pull from, and name it here")
	case o.Topology == "" && o.ProbeImage != "":
		add("-probe-image", o.ProbeImage, "is for sites of your own", "leave it out; the laboratory has its own")
	}
	if o.Whole && o.Topology != "" {
		add("-whole", "", "is for the laboratory", "write the section applications in the topology")
	}
	if !geored.SiteName(o.Lab).IsValid() {
		add("-lab", o.Lab, "is not a DNS-1123 label", "use lower-case letters, digits and dashes")
	}
	if o.Topology == "" && (o.Sites < 2 || o.Sites > 22) {
		add("-sites", fmt.Sprint(o.Sites), "is not in 2 to 22", "two are enough to begin with")
	}
	return faults
}

// lines writes faults under a heading, one a line; what is told beside them is not left out.
func lines(heading string, err error) string {
	faults, ok := geored.AsFaults(err)
	if !ok || len(faults) < 2 || len(faults) < len(parts(err)) {
		return heading + ": " + err.Error() + "\n"
	}
	return fmt.Sprintf("%s: %d faults\n  %s\n", heading, len(faults), strings.ReplaceAll(faults.Error(), "\n", "\n  "))
}
