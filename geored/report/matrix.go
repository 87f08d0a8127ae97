package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// matrix is the findings by area and way: what stands on its diagonal was found within one site.
type matrix struct {
	sites []geored.SiteName // sorted
	areas []string          // in the order of the report
	cells map[cellKey]cell
}

type cellKey struct {
	area     string
	from, to geored.SiteName // both zero: over all sites
}

// cell is the joined verdict of some findings, and the worst of them.
type cell struct {
	verdict  geored.Verdict
	finding  int // index in the report
	findings int
}

func matrixOf(r geored.Report) matrix {
	m := matrix{sites: r.Sites(), cells: map[cellKey]cell{}}
	seen := map[string]bool{}
	for i, f := range r.Findings {
		area := areaOf(f.Check)
		if !seen[area] {
			seen[area] = true
			m.areas = append(m.areas, area)
		}
		key := cellKey{area, f.Site, f.To}
		if f.To == "" {
			key.to = f.Site
		}
		m.add(key, cell{known(f.Verdict), i, 1})
	}
	return m
}

// add joins a cell with what stands there.
func (m matrix) add(key cellKey, c cell) {
	old, ok := m.cells[key]
	if !ok {
		m.cells[key] = c
		return
	}
	worst := c.finding
	if byRank := cmp.Compare(rank(old.verdict), rank(c.verdict)); byRank < 0 || byRank == 0 && old.finding < worst {
		worst = old.finding
	}
	m.cells[key] = cell{joinCell([]geored.Verdict{old.verdict, c.verdict}), worst, old.findings + c.findings}
}

// perSite joins all ways that a site takes part in, for more sites than a matrix of them can show.
func (m matrix) perSite() matrix {
	joined := matrix{sites: m.sites, areas: m.areas, cells: map[cellKey]cell{}}
	for key, c := range m.cells {
		joined.add(cellKey{key.area, key.from, key.from}, c)
		if key.to != key.from {
			joined.add(cellKey{key.area, key.to, key.to}, c)
		}
	}
	return joined
}

// between says whether the area has findings between two sites.
func (m matrix) between(area string) bool {
	for key := range m.cells {
		if key.area == area && key.from != key.to {
			return true
		}
	}
	return false
}

// ways are the ways that have findings, sorted: each site, then the ways from it. Over all sites comes last.
func (m matrix) ways() []geored.Target {
	var ways []geored.Target
	seen := map[geored.Target]bool{}
	for key := range m.cells {
		way := geored.Target{Site: key.from, To: key.to}
		if way.To == way.Site {
			way.To = ""
		}
		if !seen[way] {
			seen[way] = true
			ways = append(ways, way)
		}
	}
	slices.SortFunc(ways, func(a, b geored.Target) int {
		if a.Site == "" || b.Site == "" {
			return strings.Compare(string(b.Site), string(a.Site))
		}
		return strings.Compare(a.String(), b.String())
	})
	return ways
}

// areaOf is the part of a check's ID before the first slash.
func areaOf(id geored.CheckID) string {
	area, _, _ := strings.Cut(string(id), "/")
	return area
}
