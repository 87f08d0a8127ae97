package geored

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Report is what checks found, in the order of the checks. It is plain data: encoding/json writes it as it is.
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

// WriteText writes the report for people: the verdict first, then each way from site to site with a verdict per area,
// then every finding that is not a pass, with its evidence and remedy.
func (r Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %d checks on %s: %d pass, %d warn, %d fail, %d unknown",
		strings.ToUpper(string(r.Verdict())), len(r.Findings), plural(len(r.Sites()), "site"),
		r.Count(Pass), r.Count(Warn), r.Count(Fail), r.Count(Unknown))
	if n := r.Count(Skipped); n > 0 {
		fmt.Fprintf(&b, ", %d skipped", n)
	}
	fmt.Fprintf(&b, "  took %s\n", RoundDuration(r.Took))
	r.writeMatrix(&b)
	for _, f := range r.Findings {
		if f.Verdict != Pass {
			f.writeText(&b)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeMatrix writes a line per ordered pair of sites, or per site, with the joined verdict of each area.
func (r Report) writeMatrix(b *strings.Builder) {
	type cell struct{ path, area string }
	verdicts := map[cell][]Verdict{}
	var paths, areas []string
	for _, f := range r.Findings {
		if f.Site == "" {
			continue
		}
		area, _, _ := strings.Cut(string(f.Check), "/")
		c := cell{Target{Site: f.Site, To: f.To}.String(), area}
		if !slices.Contains(paths, c.path) {
			paths = append(paths, c.path)
		}
		if !slices.Contains(areas, area) {
			areas = append(areas, area)
		}
		verdicts[c] = append(verdicts[c], f.Verdict)
	}
	slices.Sort(paths)
	for _, path := range paths {
		fmt.Fprintf(b, "  %-14s", path)
		for _, area := range areas {
			if v := verdicts[cell{path, area}]; v != nil {
				fmt.Fprintf(b, "  %s %s", area, joinCell(v))
			}
		}
		b.WriteString("\n")
	}
}

// joinCell says skipped where Join, which judges a whole report, says unknown.
func joinCell(verdicts []Verdict) Verdict {
	if !slices.ContainsFunc(verdicts, func(v Verdict) bool { return v != Skipped }) {
		return Skipped
	}
	return Join(verdicts...)
}

func (f Finding) writeText(b *strings.Builder) {
	fmt.Fprintf(b, "\n%-7s  %s", f.Verdict, f.Check)
	if f.Site != "" {
		fmt.Fprintf(b, "  %s", Target{Site: f.Site, To: f.To})
	}
	fmt.Fprintf(b, "\n         %s\n", f.Message)
	for _, line := range f.Evidence {
		fmt.Fprintf(b, "         | %s\n", line)
	}
	for _, s := range f.Unanswered {
		fmt.Fprintf(b, "         no answer from %s: %s\n", s.Target, s.Reason)
	}
	if f.Remedy != "" {
		fmt.Fprintf(b, "         remedy: %s\n", f.Remedy)
	}
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

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
