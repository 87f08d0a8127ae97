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
	about string
	apply func(l *Laboratory, ctx context.Context, args []string) ([]string, error)
}

var kinds = map[string]kind{
	"cut":        {"SITE SITE", 2, 2, "nothing passes between two sites", (*Laboratory).cut},
	"cut-oneway": {"FROM TO", 2, 2, "nothing passes in one direction", (*Laboratory).cutOneWay},
	"isolate":    {"SITE", 1, 1, "nothing passes between a site and the others", (*Laboratory).isolate},
	"delay":      {"SITE SITE MILLISECONDS", 3, 3, "all is late by so much, each way", (*Laboratory).delay},
	"hole":       {"SITE SITE", 2, 2, "what is longer than 1300 bytes is lost without a word", (*Laboratory).hole},
	"drop-icmp":  {"SITE", 1, 1, "nodes neither send nor take ICMP", (*Laboratory).dropICMP},
	"mend":       {"[SITE [SITE]]", 0, 2, "takes all of the above back", (*Laboratory).mend},

	"freeze":      {"SITE", 1, 1, "all its processes stand still", (*Laboratory).freeze},
	"thaw":        {"SITE", 1, 1, "they go on", (*Laboratory).thaw},
	"stop":        {"SITE", 1, 1, "power cut", (*Laboratory).stopSite},
	"start":       {"SITE", 1, 1, "power is back", (*Laboratory).startSite},
	"lose-node":   {"SITE/NODE", 1, 1, "power cut of a node that does not run the control plane", (*Laboratory).loseNode},
	"return-node": {"SITE/NODE", 1, 1, "the node is back; one that was deleted from the cluster joins it anew", (*Laboratory).returnNode},
	"pause":       {"SITE[/NODE] PROCESS", 2, 2, "a server, or a process in pods, stands still", signalWith(syscall.SIGSTOP)},
	"resume":      {"SITE[/NODE] PROCESS", 2, 2, "it goes on", signalWith(syscall.SIGCONT)},
	"kill":        {"SITE[/NODE] PROCESS", 2, 2, "it dies, and is started again", signalWith(syscall.SIGKILL)},
	"skew":        {"SITE[/NODE] PROCESS SECONDS", 3, 3, "its time of day is so much ahead, or -behind, until it is started again", (*Laboratory).skew},
	"unskew":      {"SITE[/NODE] PROCESS", 2, 2, "its time of day is the machine's again", (*Laboratory).unskew},
	"new-key":     {"SITE[/NODE]", 1, 1, "the node's WireGuard key is lost, and Kilo makes another", (*Laboratory).newKey},
	"old-key":     {"SITE[/NODE]", 1, 1, "it has the first key again", (*Laboratory).oldKey},

	"revoke-token":   {"SITE [NAMESPACE/ACCOUNT]", 1, 2, "its API servers refuse the tokens of an account that others hold", (*Laboratory).revokeToken},
	"unrevoke-token": {"SITE [NAMESPACE/ACCOUNT]", 1, 2, "they take them again", (*Laboratory).unrevokeToken},
	"expire-token":   {"SITE [NAMESPACE/ACCOUNT]", 1, 2, "what other sites hold of it is a token whose life is over", (*Laboratory).expireToken},
	"unexpire-token": {"SITE [NAMESPACE/ACCOUNT]", 1, 2, "they hold what they held", (*Laboratory).unexpireToken},

	"dns-waits-for-all": {"SITE", 1, 1, "CoreDNS is ready only when it has seen every site", (*Laboratory).dnsWaitsForAll},
	"dns-waits-for-own": {"SITE", 1, 1, "its own site is enough", (*Laboratory).dnsWaitsForOwn},
	"second-dns":        {"SITE", 1, 1, "name servers behind kube-dns that know their own site alone", (*Laboratory).secondDNS},
	"one-dns":           {"SITE", 1, 1, "they are gone", (*Laboratory).oneDNS},
	"node-local-dns":    {"SITE", 1, 1, "a cache on each node at the address of kube-dns", (*Laboratory).nodeLocalDNS},
	"no-node-local-dns": {"SITE", 1, 1, "no cache", (*Laboratory).noNodeLocalDNS},
	"stale-dns":         {"SITE OTHER [NAMESPACE]", 2, 3, "CoreDNS loses sight of another site and answers what it knew, until it is started again", (*Laboratory).staleDNS},
	"fresh-dns":         {"SITE OTHER [NAMESPACE]", 2, 3, "it sees the other site again", (*Laboratory).freshDNS},
}

// FaultUsage has one line per kind of fault.
func FaultUsage() string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		fmt.Fprintf(&text, "  %-17s %-28s %s\n", name, kinds[name].args, kinds[name].about)
	}
	return text.String() + "  list              " + strings.Repeat(" ", 29) + "what is applied now\n"
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
			strings.HasPrefix(fault, "lose-node "+s.plan.Name+"/") || strings.HasPrefix(fault, "skew "+s.plan.Name+"/") ||
			strings.HasPrefix(fault, "stale-dns "+s.plan.Name+" ")
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
