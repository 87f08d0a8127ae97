package drift

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Difference is one fact that is not as it was recorded.
type Difference struct {
	Area, Thing string
	Fact        string // zero: the whole thing
	Recorded    string // zero: it was not there
	Now         string // zero: it is not there
	Mends       string // who must mend it, and how
	Wrote       string // who wrote the thing last; zero: not known
}

// String is the difference in one line.
func (d Difference) String() string {
	text := d.Thing
	switch {
	case d.Fact == "" && d.Recorded == "":
		text += " is there, and was not recorded"
	case d.Fact == "":
		text += " is not there any more"
	case d.Recorded == "":
		text += fmt.Sprintf(": %s is %s, and nothing was recorded", d.Fact, d.Now)
	case d.Now == "":
		text += fmt.Sprintf(": %s is nothing, recorded is %s", d.Fact, d.Recorded)
	default:
		text += fmt.Sprintf(": %s is %s, recorded is %s", d.Fact, d.Now, d.Recorded)
	}
	if d.Wrote != "" {
		text += " (last written by " + d.Wrote + ")"
	}
	return text
}

// here stands for a whole thing.
const here = "there"

// Compare says what of the recorded things is not so now, and what is there besides, in the order of areas, names and facts.
func Compare(recorded, now []Thing) []Difference {
	was, is := map[string]Thing{}, map[string]Thing{}
	for _, t := range recorded {
		was[t.key()] = t
	}
	for _, t := range now {
		is[t.key()] = t
	}
	all := maps.Clone(was)
	maps.Copy(all, is)
	var differences []Difference
	for _, t := range slices.SortedFunc(maps.Values(all), compareThings) {
		old, recorded := was[t.key()]
		live, there := is[t.key()]
		d := Difference{Area: t.Area, Thing: t.Name, Mends: cmp.Or(live.Mends, old.Mends), Wrote: live.Wrote}
		switch {
		case !there:
			d.Recorded = here
			differences = append(differences, d)
		case !recorded:
			d.Now = here
			differences = append(differences, d)
		default:
			differences = append(differences, d.facts(old.Facts, live.Facts)...)
		}
	}
	return differences
}

// facts are those that differ of one thing.
func (d Difference) facts(was, is map[string]string) []Difference {
	all := maps.Clone(was)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, is)
	var differences []Difference
	for _, fact := range slices.Sorted(maps.Keys(all)) {
		if d.Fact, d.Recorded, d.Now = fact, was[fact], is[fact]; d.Recorded != d.Now {
			differences = append(differences, d)
		}
	}
	return differences
}

func (t Thing) key() string { return t.Area + "\x00" + t.Name }

func compareThings(a, b Thing) int {
	return cmp.Or(cmp.Compare(a.Area, b.Area), cmp.Compare(a.Name, b.Name))
}
