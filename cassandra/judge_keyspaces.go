package cassandra

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

const networkTopology = "NetworkTopologyStrategy"

// localKeyspaces are each node's own: they are replicated nowhere.
var localKeyspaces = []string{"system", "system_schema", "system_views", "system_virtual_schema"}

// judgeReplication gives one finding per keyspace: NetworkTopologyStrategy, with replicas in every site.
func judgeReplication(ctx context.Context, r Ring) []geored.Finding {
	answers := r.answers(ctx)
	var names []string
	for _, v := range r.Views {
		for _, k := range v.Keyspaces {
			if !slices.Contains(localKeyspaces, k.Name) && k.Class != "LocalStrategy" {
				names = append(names, k.Name)
			}
		}
	}
	slices.Sort(names)
	var findings []geored.Finding
	for _, name := range slices.Compact(names) {
		f := geored.Finding{Verdict: geored.Pass, Message: fmt.Sprintf("keyspace %s has replicas in every site", name)}
		for _, v := range answers.All() {
			f.Evidence = append(f.Evidence, v.misplaced(name, r.Sites)...)
		}
		f.Evidence = slices.Compact(f.Evidence)
		if len(f.Evidence) > 0 {
			f.Verdict, f.Message = geored.Fail, f.Evidence[0]
			f.Remedy = fmt.Sprintf("ALTER KEYSPACE %s WITH replication = {'class': '%s', %s}; then repair it in full on every node", name, networkTopology, wanted(r.Sites))
		}
		findings = append(findings, unknownWhereUnread(answers.Conclude(f), keyspaceTable, r))
	}
	if len(findings) == 0 {
		none := answers.Conclude(geored.Finding{Verdict: geored.Unknown, Message: "no keyspace could be read"})
		findings = append(findings, unknownWhereUnread(none, keyspaceTable, r))
	}
	return findings
}

// misplaced says what is wrong with a keyspace's replication, as one node has it.
func (v View) misplaced(keyspace string, sites []Site) []string {
	if _, unread := v.unread(keyspaceTable); unread {
		return nil
	}
	i := slices.IndexFunc(v.Keyspaces, func(k Keyspace) bool { return k.Name == keyspace })
	if i < 0 {
		return []string{fmt.Sprintf("node %s has no keyspace %s", v.Node.Address, keyspace)}
	}
	k := v.Keyspaces[i]
	if k.Class != networkTopology {
		return []string{fmt.Sprintf("keyspace %s is replicated by %s, which knows no sites", keyspace, k.Class)}
	}
	var wrong []string
	for _, s := range sites {
		if k.factor(s.dataCenter()) == 0 {
			wrong = append(wrong, fmt.Sprintf("keyspace %s has no replica in site %s", keyspace, s.Name))
		}
	}
	return wrong
}

// factor is the number of replicas in a data center.
func (k Keyspace) factor(dataCenter string) int {
	n, err := strconv.Atoi(k.Replication[dataCenter])
	if err != nil || k.Class != networkTopology {
		return 0
	}
	return n
}

func wanted(sites []Site) string {
	parts := make([]string, len(sites))
	for i, s := range sites {
		parts[i] = fmt.Sprintf("'%s': 1", s.dataCenter())
	}
	return strings.Join(parts, ", ")
}

// judgeHints gives one finding per site: hinted handoff is on, for how long, and no finished file of hints waits. Servers
// do not tell of the file that they are writing, which is the only one while a node is away for a short time: a pass is
// no proof that every hint has arrived, which only a comparison is.
func judgeHints(ctx context.Context, r Ring) []geored.Finding {
	var findings []geored.Finding
	for _, site := range r.Sites {
		part := r.of(site.Name)
		answers := part.answers(ctx)
		f := geored.Finding{Site: site.Name, Verdict: geored.Pass}
		var limits Limits
		window := limits.site(part, site.Name).HintWindow
		f.Message = fmt.Sprintf("%s keeps hints for %s, and no finished file of them waits", site.Name, window)
		for _, v := range answers.All() {
			for _, h := range v.Hints {
				f.Verdict = geored.Warn
				f.Evidence = append(f.Evidence, fmt.Sprintf("node %s keeps %d files of hints for node %s, the oldest from %s", v.Node.Address, h.Files, h.HostID, h.Oldest.Format("15:04:05")))
			}
		}
		for _, v := range answers.All() {
			if why := v.noHints(); why != "" {
				f.Verdict = geored.Fail
				f.Evidence = append([]string{fmt.Sprintf("node %s keeps no hints: %s", v.Node.Address, why)}, f.Evidence...)
				f.Remedy = "nodetool enablehandoff and setmaxhintwindow, and hinted_handoff_enabled: true and max_hint_window in its settings"
			}
		}
		if len(f.Evidence) > 0 {
			f.Message = f.Evidence[0]
		}
		f = unknownWhereUnread(answers.Conclude(f), hintsTable, part)
		f = unknownWhereUnread(f, settingsTable, part)
		if len(limits.Unknown) > 0 && f.Verdict != geored.Fail && f.Verdict != geored.Unknown {
			f.Verdict, f.Message, f.Unanswered = geored.Unknown, limits.Unknown[0].Reason, append(f.Unanswered, limits.Unknown...)
		}
		findings = append(findings, f)
	}
	return findings
}

// noHints says why a node keeps none; zero: it does, or it is not known.
func (v View) noHints() string {
	if v.Settings["hinted_handoff_enabled"] == "false" {
		return "hinted_handoff_enabled is false"
	}
	if names := v.unhinted(); names != "" {
		return "hinted_handoff_disabled_datacenters names " + names
	}
	if window, err := hintWindow(v.Settings); err == nil && window == 0 {
		return "its window is zero"
	}
	return ""
}
