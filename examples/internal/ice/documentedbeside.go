package ice

import (
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// Beside are the guide's own checks and those of this program that answer the same questions, with what these need, and no
// others: what [Deployment.Review] holds against each other, at a moment that counts.
func (d *Deployment) Beside() []geored.Check {
	all, wanted := d.Checks(), map[geored.CheckID]bool{}
	for _, c := range documentedChecks {
		wanted[c.id] = true
		for _, id := range c.ours {
			wanted[id] = true
		}
	}
	for range all { // needs of needs
		for _, c := range all {
			for _, need := range c.Needs {
				wanted[need] = wanted[need] || wanted[c.ID]
			}
		}
	}
	return slices.DeleteFunc(all, func(c geored.Check) bool { return !wanted[c.ID] })
}
