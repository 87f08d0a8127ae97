package supervisor

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// kind is one kind of fault, or of its cure. It returns what was seen afterwards: a fault that silently did
// nothing would look like a passed test.
type kind struct {
	args  string // as people read it
	least int
	most  int
	apply func(l *Laboratory, ctx context.Context, args []string) ([]string, error)
}

var kinds = map[string]kind{
	"cut":               {"SITE SITE", 2, 2, (*Laboratory).cut},
	"cut-oneway":        {"FROM TO", 2, 2, (*Laboratory).cutOneWay},
	"isolate":           {"SITE", 1, 1, (*Laboratory).isolate},
	"delay":             {"SITE SITE MILLISECONDS", 3, 3, (*Laboratory).delay},
	"hole":              {"SITE SITE", 2, 2, (*Laboratory).hole},
	"drop-icmp":         {"SITE", 1, 1, (*Laboratory).dropICMP},
	"mend":              {"[SITE [SITE]]", 0, 2, (*Laboratory).mend},
	"lose-node":         {"SITE/NODE", 1, 1, (*Laboratory).loseNode},
	"return-node":       {"SITE/NODE", 1, 1, (*Laboratory).returnNode},
	"new-key":           {"SITE[/NODE]", 1, 1, (*Laboratory).newKey},
	"old-key":           {"SITE[/NODE]", 1, 1, (*Laboratory).oldKey},
	"dns-waits-for-all": {"SITE", 1, 1, (*Laboratory).dnsWaitsForAll},
	"dns-waits-for-own": {"SITE", 1, 1, (*Laboratory).dnsWaitsForOwn},
	"second-dns":        {"SITE", 1, 1, (*Laboratory).secondDNS},
	"one-dns":           {"SITE", 1, 1, (*Laboratory).oneDNS},
	"node-local-dns":    {"SITE", 1, 1, (*Laboratory).nodeLocalDNS},
	"no-node-local-dns": {"SITE", 1, 1, (*Laboratory).noNodeLocalDNS},
	"freeze":            {"SITE", 1, 1, (*Laboratory).freeze},
	"thaw":              {"SITE", 1, 1, (*Laboratory).thaw},
	"stop":              {"SITE", 1, 1, (*Laboratory).stopSite},
	"start":             {"SITE", 1, 1, (*Laboratory).startSite},
	"pause":             {"SITE[/NODE] PROCESS", 2, 2, signalWith(syscall.SIGSTOP)},
	"resume":            {"SITE[/NODE] PROCESS", 2, 2, signalWith(syscall.SIGCONT)},
	"kill":              {"SITE[/NODE] PROCESS", 2, 2, signalWith(syscall.SIGKILL)},
}

// FaultUsage has one line per kind of fault.
func FaultUsage() string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		fmt.Fprintf(&text, "  %-17s %s\n", name, kinds[name].args)
	}
	return text.String() + "  list\n"
}

func (l *Laboratory) fault(ctx context.Context, r Request) ([]string, error) {
	if r.Kind == "list" {
		return l.status().Faults, nil
	}
	k, ok := kinds[r.Kind]
	if !ok || len(r.Args) < k.least || len(r.Args) > k.most {
		return nil, fmt.Errorf("%s %v: the faults are\n%s", r.Kind, r.Args, FaultUsage())
	}
	if phase := l.status().Phase; phase != phaseReady {
		return nil, fmt.Errorf("laboratory %s: %s", l.name, phase)
	}
	evidence, err := k.apply(l, ctx, r.Args)
	return evidence, l.record(r, evidence, err)
}

// record appends what was done to the laboratory's events and passes the error on.
func (l *Laboratory) record(r Request, evidence []string, cause error) error {
	entry := map[string]any{"time": time.Now(), "kind": r.Kind, "args": r.Args, "evidence": evidence}
	if cause != nil {
		entry["error"] = cause.Error()
	}
	text, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	file, err := os.OpenFile(l.folder.events(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Write(append(text, '\n')); err != nil {
		return err
	}
	return cause
}

// note keeps the list of what is applied now.
func (l *Laboratory) note(fault string, applied bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if applied {
		l.faults[fault] = true
	} else {
		delete(l.faults, fault)
	}
}

// forget drops the faults that ended with the processes of a site.
func (l *Laboratory) forget(s *site) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	maps.DeleteFunc(l.faults, func(fault string, _ bool) bool {
		return fault == "freeze "+s.plan.Name || strings.HasPrefix(fault, "pause "+s.plan.Name+"/") ||
			strings.HasPrefix(fault, "lose-node "+s.plan.Name+"/")
	})
}

func (l *Laboratory) site(name string) (*site, error) {
	for _, s := range l.sites {
		if s.plan.Name == name {
			return s, nil
		}
	}
	return nil, fmt.Errorf("site %s: not in this laboratory", name)
}
