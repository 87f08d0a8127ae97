package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/report"
)

// Program is what one program adds to this package.
type Program struct {
	Name string // "ice-install"
	// Open reads a topology. It makes no connection; what is wrong is geored.Faults.
	Open func(topology []byte, o Options) (Deployment, error)
	// Lint reads files that an operator already has, and connects to nothing. topology is empty when none is named. zero:
	// the program has no -lint.
	Lint func(folder fs.FS, topology []byte) (geored.Faults, error)
	// Flags adds the program's own. Zero: it has none.
	Flags func(*flag.FlagSet)
	// Budget is for one check of the proof. Zero: that of [geored.Prove].
	Budget time.Duration
	// Whole is what -whole adds to the laboratory's topology. Zero: the program has no such flag.
	Whole string
	// Stores are the data stores that the laboratory must be able to run for that.
	Stores []string
	// Next is what can be done in a laboratory that goes on; whole says whether the product is in it. Zero: nothing is told.
	Next func(lab string, whole bool) []Next
	// Backups says that the program takes -backup.
	Backups bool
	// Patient says that a run waits for sites that are silent, for as long as a step may take: they are what it is there for.
	Patient bool
}

// Renderer is a [Deployment] that can write what it would install, for -render.
type Renderer interface {
	// Render gives files by their path below the folder.
	Render(ctx context.Context) (map[string][]byte, error)
}

// Main runs a program and exits with its code.
func (p Program) Main() {
	ctx, stop := context.WithCancelCause(context.Background())
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // who reads what it prints may go away; it goes on
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-signals
		stop(errInterrupted)
		<-signals // the second one does not wait
		os.Exit(ExitInterrupted)
	}()
	os.Exit(p.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

var errInterrupted = errors.New("interrupted")

// Run is [Program.Main] for tests: it gives the exit code.
func (p Program) Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	options, err := p.parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return ExitPass
	case err != nil:
		fmt.Fprint(stderr, lines(p.Name, err))
		return ExitUsage
	}
	if options.Backup != "" && !p.Backups {
		fmt.Fprintf(stderr, "%s: -backup: this program needs none\n", p.Name)
		return ExitUsage
	}
	if options.Lint != "" {
		return p.lint(options, stdout, stderr)
	}
	s := &session{Program: p, Options: options, stdin: stdin, stdout: stdout, screen: newScreen(stderr, options.Verbose), began: time.Now()}
	code, err := s.run(ctx)
	if errors.Is(err, errInterrupted) {
		for _, other := range parts(err) {
			if !errors.Is(other, errInterrupted) {
				s.screen.printf("%s", lines(p.Name, other))
			}
		}
		s.screen.printf("\ninterrupted; nothing is lost. Go on with: %s\n", s.again(args))
		return ExitInterrupted
	}
	if err != nil {
		s.screen.printf("%s", lines(p.Name, err))
	}
	if err != nil && (code == ExitPass || code == ExitWarn) { // a report that could not be written, say
		return ExitUnknown
	}
	return code
}

// session is one call of a program.
type session struct {
	Program
	Options
	stdin  io.Reader
	stdout io.Writer
	screen *screen
	lab    *labSession // nil: sites of one's own

	inputs       []geored.Input
	reviewedPlan *geored.Plan // of -apply
	document     report.Document
	began        time.Time
}

// again is the command that goes on with an interrupted run.
func (s *session) again(args []string) string {
	command := "go run ./examples/" + s.Name
	if len(args) > 0 {
		command += " " + strings.Join(args, " ")
	}
	if s.lab != nil {
		command += "\nor take the laboratory away with: go run -C internal/lab . down -purge -name " + s.Lab
	}
	return command
}

func (s *session) run(ctx context.Context) (int, error) {
	reviewed, err := s.reviewed() // what is wrong with it is told before anything is started
	if err != nil {
		return ExitUsage, err
	}
	code := ExitUsage
	text, err := s.topology(ctx)
	if err == nil {
		code, err = s.over(ctx, text, reviewed)
	}
	// An interrupted run goes on in its laboratory, another one works in it, and a watch ends with its context.
	if s.lab != nil && s.Options.Watch == 0 && !errors.Is(err, errInterrupted) && !errors.Is(err, geored.ErrHeld) {
		err = errors.Join(err, s.lab.leave(ctx, s))
	}
	return code, err
}

// over does what was asked for over the sites of a topology.
func (s *session) over(ctx context.Context, text []byte, reviewed *geored.Plan) (int, error) {
	deployment, err := s.Open(text, s.Options)
	if err != nil {
		return ExitUsage, err
	}
	s.inputs, s.reviewedPlan = s.inputsOf(text), reviewed
	s.begun(deployment)
	s.heading(deployment)
	if s.Options.Watch > 0 {
		return s.watch(ctx, text, deployment)
	}
	if err := s.connect(ctx, deployment); err != nil {
		silent := silences(err)
		if !s.Check || s.Render != "" || len(silent) == 0 || ctx.Err() != nil {
			return refusal(err), interruptedOr(ctx, err)
		}
		deployment = unread{deployment, silent}
	}
	if s.Render != "" {
		return s.render(ctx, deployment)
	}
	if s.lab != nil {
		s.lab.worked = !s.Check
	}
	return s.carryOut(ctx, deployment)
}

func interruptedOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (s *session) topology(ctx context.Context) ([]byte, error) {
	if s.Topology != "" {
		return os.ReadFile(s.Topology)
	}
	lab, err := s.startLab(ctx)
	if err != nil {
		return nil, interruptedOr(ctx, err)
	}
	s.lab, s.ProbeImage = lab, lab.probeImage
	if err := s.Charts.fill(lab.running); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(lab.running.Topology())
	if s.Options.Whole {
		text = append(text, s.Program.Whole...)
	}
	return text, err
}

func (s *session) heading(d Deployment) {
	var names []string
	for _, name := range d.Sites() {
		names = append(names, string(name))
	}
	where := "with the sites of " + s.Topology
	if s.lab != nil {
		where = "in the laboratory (use -topology FILE for your own sites)"
	}
	s.screen.printf("%s over %s, %s\n", s.Name, strings.Join(names, ", "), where)
}

// permitted asks before clusters that are not the laboratory are changed.
func (s *session) permitted(d Deployment) error {
	if s.lab != nil || s.Yes {
		return nil
	}
	verb := "change"
	if s.Undo {
		verb = "take back what was done to"
	}
	s.screen.printf("%s the clusters of %v? Type yes: ", verb, d.Sites())
	var answer string
	if _, err := fmt.Fscanln(s.stdin, &answer); err != nil || answer != "yes" {
		return errors.New("nothing was changed; answer yes, or give -yes")
	}
	return nil
}

func (s *session) carryOut(ctx context.Context, d Deployment) (int, error) {
	events, err := s.openEvents()
	if err != nil {
		return ExitUsage, err
	}
	defer events.close()
	if !s.Check {
		if code, end, err := s.change(ctx, d, events); end || err != nil {
			return code, errors.Join(err, s.writeUnproven(ctx, err))
		}
	}
	proof, err := geored.Prove(ctx, geored.CheckConfig{Title: s.Name, Budget: s.Program.Budget, Observer: func(f geored.Finding) {
		events.write(f)
		s.screen.finding(f)
	}}, d.Checks()...)
	if err != nil {
		return ExitUnknown, errors.Join(err, s.writeUnproven(ctx, err))
	}
	if reviewer, ok := d.(Reviewer); ok {
		proof = reviewer.Review(proof)
	}
	s.document.Report = proof
	if ctx.Err() != nil {
		s.document.Problem = context.Cause(ctx).Error()
		return ExitInterrupted, errors.Join(context.Cause(ctx), s.writeReports())
	}
	return s.exitCode(s.document.Verdict()), s.writeReports()
}

func (s *session) exitCode(v geored.Verdict) int {
	switch v {
	case geored.Pass:
		return ExitPass
	case geored.Warn:
		if s.Strict {
			return ExitWarn
		}
		return ExitPass
	case geored.Fail:
		return ExitFail
	}
	return ExitUnknown
}

// events is the stream of -events; nil writes nothing.
type events struct {
	out   io.Writer
	close func() error
}

func (s *session) openEvents() (*events, error) {
	switch s.Events {
	case "":
		return &events{io.Discard, func() error { return nil }}, nil
	case "-":
		return &events{s.screen.out, func() error { return nil }}, nil
	}
	file, err := os.OpenFile(s.Events, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &events{file, file.Close}, nil
}

// write adds a line. A reader that went away does not stop the run.
func (e *events) write(event any) { _ = json.NewEncoder(e.out).Encode(event) }
