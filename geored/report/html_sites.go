package report

import (
	"fmt"

	"github.com/georedkit/georedkit/geored"
)

// Above manySites a matrix no longer fits any page: each site gets one row, joined over all ways it takes part in. From
// someSites on, cells show signs alone to the eye.
const (
	someSites = 7
	manySites = 24
)

// sites is the matrix of sites by sites, one for each area.
func (p *page) sites(r geored.Report) {
	m := matrixOf(r)
	if len(m.cells) == 0 {
		return
	}
	p.section("sites", "Sites")
	p.raw("<div class=matrices>\n")
	if len(m.sites) > manySites {
		p.siteRows(m.perSite())
	} else {
		for _, area := range m.areas {
			p.area(m, area)
		}
	}
	p.overall(m)
	p.raw("</div>\n</section>\n")
}

// area is one matrix: from the site of the row to that of the column, and on the diagonal what lies within the site.
func (p *page) area(m matrix, area string) {
	columns := m.sites
	if !m.between(area) {
		columns = nil
	}
	if !m.inSites(area) {
		return
	}
	p.put("<div class=scroll role=region tabindex=0 aria-label=\"", area+", by site", "\"><table class=matrix>")
	p.put("<caption>", area, "</caption>\n<thead><tr>")
	if columns == nil {
		p.raw("<th scope=col>site</th><th scope=col>within</th>")
	} else {
		p.raw("<th scope=col>from \\ to</th>")
	}
	for _, to := range columns {
		p.put("<th scope=col>", string(to), "</th>")
	}
	p.raw("</tr></thead>\n<tbody>")
	for _, from := range m.sites {
		p.put("<tr><th scope=row>", string(from), "</th>")
		if columns == nil {
			p.cell(m, cellKey{area, from, from})
		}
		for _, to := range columns {
			p.cell(m, cellKey{area, from, to})
		}
		p.raw("</tr>")
	}
	p.raw("</tbody></table></div>\n")
}

// inSites says whether the area has findings that belong to a site.
func (m matrix) inSites(area string) bool {
	for key := range m.cells {
		if key.area == area && key.from != "" {
			return true
		}
	}
	return false
}

// cell shows one verdict, and leads to the worst finding behind it.
func (p *page) cell(m matrix, key cellKey) {
	c, ok := m.cells[key]
	switch {
	case !ok && key.from == key.to:
		p.raw("<td class=own><span class=hidden>nothing asked within the site</span></td>")
		return
	case !ok:
		p.raw("<td class=none><span aria-hidden=true>·</span><span class=hidden>nothing asked</span></td>")
		return
	}
	p.put("<td class=\"", string(c.verdict), "")
	if key.from == key.to {
		p.raw(" own")
	}
	p.raw("\"><a href=\"#f")
	p.num(c.finding)
	p.put("\" title=\"", fmt.Sprintf("%s in %s", c.verdict, plural(c.findings, "finding")), "\">")
	p.icon(c.verdict)
	class := markup("")
	if len(m.sites) >= someSites {
		class = " class=hidden"
	}
	p.put("<span"+class+">", string(c.verdict), "</span></a></td>")
}

// siteRows has a row for each site and a column for each area.
func (p *page) siteRows(m matrix) {
	p.raw("<div class=scroll role=region tabindex=0 aria-label=\"areas by site\"><table class=matrix><caption>Every site, over all ways from it and to it</caption>\n<thead><tr><th scope=col>site</th>")
	for _, area := range m.areas {
		p.put("<th scope=col>", area, "</th>")
	}
	p.raw("</tr></thead>\n<tbody>")
	for _, site := range m.sites {
		p.put("<tr><th scope=row>", string(site), "</th>")
		for _, area := range m.areas {
			p.cell(m, cellKey{area, site, site})
		}
		p.raw("</tr>\n")
	}
	p.raw("</tbody></table></div>\n")
}

// overall is what was found over all sites together.
func (p *page) overall(m matrix) {
	var areas []string
	for _, area := range m.areas {
		if _, ok := m.cells[cellKey{area: area}]; ok {
			areas = append(areas, area)
		}
	}
	if len(areas) == 0 {
		return
	}
	p.raw("<div class=scroll role=region tabindex=0 aria-label=\"over all sites\"><table class=matrix><caption>Over all sites</caption>\n<thead><tr><th scope=col>area</th><th scope=col>verdict</th></tr></thead>\n<tbody>")
	for _, area := range areas {
		p.put("<tr><th scope=row>", area, "</th>")
		p.cell(m, cellKey{area: area})
		p.raw("</tr>")
	}
	p.raw("</tbody></table></div>\n")
}
