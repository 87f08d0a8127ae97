package ice

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// products reads the product's own values (ICE guide, 4.4): whether they can be read, and whether the sites' files agree.
func (l *linter) products() error {
	operators, folders := []string{}, map[string]map[geored.SiteName]map[string]any{}
	for _, folder := range []string{"ice", "seed"} {
		var err error
		if folders[folder], err = l.values(folder); err != nil {
			return err
		}
	}
	all := l.allSites(folders["ice"], folders["seed"])
	for _, folder := range []string{"ice", "seed"} {
		read := folders[folder]
		for _, site := range slices.Sorted(maps.Keys(read)) {
			file := fmt.Sprintf("%s/%s_%s.json", folder, folder, site)
			charts, _ := read[site]["charts"].(map[string]any)
			if charts == nil {
				l.fault(site, file, "", "has no table charts", "put the charts' values below it")
				continue
			}
			l.sides(site, file, charts)
			l.symmetry(site, file, charts, all)
			if applications, given := lookup(charts, "instantConnectEnterprise", "enabled").(bool); folder == "seed" && (!given || applications) {
				l.fault(site, file+": charts.instantConnectEnterprise.enabled", "", "is not false: the applications would start before the schema is there", "write false: the seed comes before them (ICE guide, 4.4.3)")
			}
			switch {
			case folder == "ice" && runsOperator(charts):
				operators = append(operators, string(site))
			case folder == "seed" && runsOperator(charts):
				l.fault(site, file+": multiCassKop", "", "is enabled: it runs in the first site alone", "write false for multi-casskop.enabled (ICE guide, 4.4.3)")
			}
		}
		if folder == "ice" {
			l.alike(read)
		}
		if folder == "ice" && len(read) > 1 && len(operators) != 1 {
			l.fault("", "ice/: multiCassKop", strings.Join(operators, " "), fmt.Sprintf("runs in %d sites: two would undo each other's work, and with none nobody starts Cassandra", len(operators)), "enable it in one site")
		}
	}
	return nil
}

// runsOperator: two switches stand for one thing, and either starts it.
func runsOperator(charts map[string]any) bool {
	included, _ := lookup(charts, "instantConnectEnterprise", "values", "config", "include", "multiCassKop").(bool)
	enabled, _ := lookup(charts, "iceCassandra", "values", "multi-casskop", "enabled").(bool)
	return included || enabled
}

// sides are the values that say which site is the own one and which are the others.
func (l *linter) sides(site geored.SiteName, file string, charts map[string]any) {
	own := [][]string{
		{"iceCassandra", "values", "multi-casskop", "k8s", "local"},
		{"instantConnectEnterprise", "values", "config", "multidatacenter", "currentDC"},
		{"iceMinio", "values", "multidatacenter", "currentDC"},
		{"rallypoint", "values", "rallypoint", "name"},
	}
	for _, keys := range own {
		if text, ok := lookup(charts, keys...).(string); ok && text != string(site) {
			l.fault(site, file+": charts."+strings.Join(keys, "."), text, "is not the file's own site", "write "+string(site))
		}
	}
	others := [][]string{
		{"iceCassandra", "values", "multi-casskop", "k8s", "remote"},
		{"rallypoint", "values", "rallypoint", "peerMeshes"},
	}
	for _, keys := range others {
		if slices.ContainsFunc(names(lookup(charts, keys...)), func(name string) bool {
			return strings.TrimPrefix(name, "ice-rallypoint-discovery-") == string(site)
		}) {
			l.fault(site, file+": charts."+strings.Join(keys, "."), string(site), "is the own site", "list the other sites only")
		}
	}
	if text, ok := lookup(charts, "iceMinio", "values", "multidatacenter", "remoteDC").(string); ok && text == string(site) {
		l.fault(site, file+": charts.iceMinio.values.multidatacenter.remoteDC", text, "is the own site", "write the other one")
	}
}
