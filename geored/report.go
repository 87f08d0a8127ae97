package geored

import (
	"slices"
	"time"
)

// Report is what checks found, in the order of the checks. It is plain data: encoding/json writes it as it is, and package
// geored/report for people.
type Report struct {
	Title    string        `json:"title"`
	Started  time.Time     `json:"started"`
	Took     time.Duration `json:"tookNs"`
	Findings []Finding     `json:"findings"`
}

// Verdict joins the verdicts of all findings; a report without any, or with skipped ones alone, is unknown.
func (r Report) Verdict() Verdict { return joined(r.Findings) }

// Count says how many findings have the verdict.
func (r Report) Count(v Verdict) int {
	n := 0
	for _, f := range r.Findings {
		if f.Verdict == v {
			n++
		}
	}
	return n
}

// Sites are the sites that the findings speak of, sorted.
func (r Report) Sites() []SiteName {
	var sites []SiteName
	for _, f := range r.Findings {
		for _, name := range []SiteName{f.Site, f.To} {
			if name != "" {
				sites = append(sites, name)
			}
		}
	}
	slices.Sort(sites)
	return slices.Compact(sites)
}

func joined(findings []Finding) Verdict {
	verdicts := make([]Verdict, len(findings))
	for i, f := range findings {
		verdicts[i] = f.Verdict
	}
	return Join(verdicts...)
}

func allSkipped(findings []Finding) bool {
	return !slices.ContainsFunc(findings, func(f Finding) bool { return f.Verdict != Skipped })
}

// RoundDuration rounds for reading: three digits are enough.
func RoundDuration(d time.Duration) time.Duration {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second)
	case d >= time.Second:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}
