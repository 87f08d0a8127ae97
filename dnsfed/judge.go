package dnsfed

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// Judge holds the answers of one server against what they must be. A wrong answer is a failure, a question without
// answer makes the finding unknown, and so does one of which nobody can tell what it must be answered. The evidence has
// a line for each that is wrong.
func (t Table) Judge(answers geored.Answers[Answer]) geored.Finding {
	questions := map[geored.Target]Question{}
	for _, q := range t.Questions {
		questions[q.Target()] = q
	}
	f := geored.Finding{Verdict: geored.Pass}
	right, unsure := 0, 0
	said := map[string][]string{}
	for target, answer := range answers.All() {
		q, known := questions[target]
		switch problem := t.wrong(q, answer); {
		case !known:
			f.Evidence, unsure = append(f.Evidence, target.String()+": is no question of this table"), unsure+1
		case q.Unsure != "":
			f.Evidence, unsure = append(f.Evidence, target.Name+": "+q.Unsure), unsure+1
		case problem != "":
			f.Evidence, f.Verdict = append(f.Evidence, target.Name+": "+problem), geored.Fail
		default:
			right++
		}
		same := strings.Join([]string{string(q.Server.Kind), q.Server.Name, q.Transport, q.Type, q.Name}, " ")
		said[same] = append(said[same], answer.Code+" "+strings.Join(normal(q.Type, answer.Records), " "))
	}
	for _, same := range slices.Sorted(maps.Keys(said)) {
		if turns := said[same]; len(slices.Compact(slices.Sorted(slices.Values(turns)))) > 1 {
			f.Evidence, f.Verdict = append(f.Evidence, same+": the answers alternate: two different name servers stand behind one address"), geored.Fail
			f.Remedy = "let one deployment alone stand behind the Service"
		}
	}
	if f.Verdict == geored.Pass && unsure > 0 {
		f.Verdict = geored.Unknown
	}
	f.Message = fmt.Sprintf("%d of %d answers are right", right, len(answers.Asked()))
	return answers.Conclude(f)
}

// wrong says what is wrong with an answer, and who seems to have given it.
func (t Table) wrong(q Question, a Answer) string {
	got, want := normal(q.Type, a.Records), normal(q.Type, q.Want.Records)
	switch {
	case a.Code == q.Want.Code && slices.Equal(got, want):
		return ""
	case a.Code == q.Want.Code && q.Type == "PTR" && len(want) > 0 && containsAll(got, want):
		return "" // the pod stands behind services that nobody listed
	case a.Code != q.Want.Code && a.Code != "NOERROR":
		return fmt.Sprintf("%s instead of %s", a.Code, q.wanted())
	case len(got) == 0:
		return "an empty answer instead of " + q.wanted()
	}
	return fmt.Sprintf("%s instead of %s%s", strings.Join(got, " "), q.wanted(), t.whose(q, got, want))
}

func (q Question) wanted() string {
	if q.From == "" {
		return q.Want.Code + ", for no site has it"
	}
	return fmt.Sprintf("%s of site %s", strings.Join(normal(q.Type, q.Want.Records), " "), q.From)
}

// whose: an answer that another site would give, or one that nobody gives any more.
func (t Table) whose(q Question, got, want []string) string {
	for _, other := range q.others {
		if slices.Equal(got, normal(q.Type, other.records)) {
			return fmt.Sprintf(": site %s was asked first", other.site)
		}
	}
	for _, record := range got {
		if slices.Contains(want, record) {
			continue
		}
		a, err := netip.ParseAddr(record)
		if err != nil {
			continue
		}
		for _, site := range t.federation.Sites {
			if site.owns(a) {
				return fmt.Sprintf(": a stale answer, %s is in site %s, where the name does not lead to it now", a, site.Name)
			}
		}
		return fmt.Sprintf(": %s is in no site", a)
	}
	return ""
}

// normal makes answers comparable: sorted, in lower case, without the priority and weight of SRV.
func normal(recordType string, records []string) []string {
	all := make([]string, len(records))
	for i, record := range records {
		if parts := strings.Fields(record); recordType == "SRV" && len(parts) == 4 {
			record = strings.Join(parts[2:], " ")
		}
		all[i] = strings.ToLower(record)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func containsAll(got, want []string) bool {
	return !slices.ContainsFunc(want, func(w string) bool { return !slices.Contains(got, w) })
}
