package objectstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// evidenceLines is how many differences a finding shows; it counts them all.
const evidenceLines = 20

// Check makes the comparison a check with one finding per bucket and pair of sites. It reads whole buckets: give the
// proof a budget that fits.
func (c Comparer) Check() geored.Check {
	return geored.Check{
		ID:    "objectstore/equal",
		Title: "buckets hold the same objects at all sites",
		Run: func(ctx context.Context) []geored.Finding {
			c := c // it may run again, and beside itself
			shown, found := map[string][]string{}, c.Found
			c.Found = func(d Difference) {
				between := c.inOrder(d)
				if key := fmt.Sprint(d.Bucket, between); len(shown[key]) < evidenceLines {
					shown[key] = append(shown[key], d.String())
				}
				if found != nil {
					found(d)
				}
			}
			result, err := c.Compare(ctx)
			return c.findings(result, err, shown)
		},
	}
}

// inOrder is the pair of a difference as the comparison counts it.
func (c Comparer) inOrder(d Difference) Between {
	i := slices.IndexFunc(c.Sites, func(s Site) bool { return s.Name == d.From })
	j := slices.IndexFunc(c.Sites, func(s Site) bool { return s.Name == d.To })
	if i > j {
		return Between{d.To, d.From}
	}
	return Between{d.From, d.To}
}

func (c Comparer) findings(result Comparison, err error, shown map[string][]string) []geored.Finding {
	var findings []geored.Finding
	for _, b := range result.Buckets {
		for _, p := range b.Pairs {
			findings = append(findings, b.finding(p, shown[fmt.Sprint(b.Bucket, Between{p.From, p.To})]))
		}
		for _, site := range b.Missing {
			findings = append(findings, geored.Finding{Site: site, Verdict: geored.Fail,
				Message: fmt.Sprintf("site %s has no bucket %s", site, b.Bucket), Remedy: Remedy(ErrNoBucket),
				Asked: []geored.Target{{Site: site, Name: "bucket " + b.Bucket}}})
		}
	}
	for _, s := range result.Unanswered {
		findings = append(findings, geored.Finding{Site: s.Site, Verdict: geored.Unknown, Message: s.Reason,
			Unanswered: []geored.Silence{s.silence("buckets")}})
	}
	if faults, ok := geored.AsFaults(err); ok {
		findings = append(findings, geored.Finding{Verdict: geored.Unknown, Message: faults.Error()})
	}
	if len(findings) == 0 {
		findings = append(findings, geored.Finding{Verdict: geored.Unknown, Message: cmp.Or(err, errors.New("nothing was compared")).Error()})
	}
	return findings
}

func (s SiteSilence) silence(what string) geored.Silence {
	return geored.Silence{Target: geored.Target{Site: s.Site, Name: what}, Reason: s.Reason}
}

// finding tells of one bucket between two sites.
func (b BucketComparison) finding(p Pair, shown []string) geored.Finding {
	f := geored.Finding{Site: p.From, To: p.To, Verdict: geored.Pass, Evidence: shown,
		Message: fmt.Sprintf("bucket %s: %d keys equal, %d different, %d unproven", b.Bucket, p.Equal(), p.Different, p.Unproven)}
	for _, site := range []geored.SiteName{p.From, p.To} {
		f.Asked = append(f.Asked, geored.Target{Site: site, Name: "bucket " + b.Bucket})
		for _, s := range b.Unanswered {
			if s.Site == site {
				f.Unanswered = append(f.Unanswered, s.silence("bucket "+b.Bucket))
			}
		}
	}
	f.Evidence = append(f.Evidence, b.Notes...)
	switch {
	case p.Different > 0:
		f.Verdict, f.Remedy = geored.Fail, "see what the mirror is doing, then copy what is missing (CatchUp)"
	case p.Unproven+p.NoMetadata > 0:
		f.Verdict, f.Remedy = geored.Unknown, "compare with the effort bytes"
		if p.NoMetadata > 0 {
			f.Remedy = "compare without metadata: a server does not tell it, or hides it from credentials without s3:GetObject and s3:GetObjectTagging"
		}
	case len(b.Notes) > 0, b.left(p):
		f.Verdict, f.Remedy = geored.Unknown, "compare again"
	}
	return f
}

// left says whether keys of the pair were not compared.
func (b BucketComparison) left(p Pair) bool {
	return slices.ContainsFunc(b.Rest, func(r Remainder) bool { return slices.Contains(r.Between, Between{p.From, p.To}) })
}
