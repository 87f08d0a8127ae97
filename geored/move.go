package geored

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Move is one difference between a plan that was reviewed and the same plan made again.
type Move struct {
	What string // "step gateways/dc1/wireguard", "input topology", "cluster of dc2"
	Was  string // zero: it was not there
	Is   string // zero: it is not there any more
}

// String is the move in one line.
func (m Move) String() string {
	switch {
	case m.Was == "":
		return fmt.Sprintf("%s: added: %s", m.What, m.Is)
	case m.Is == "":
		return fmt.Sprintf("%s: removed, was %s", m.What, m.Was)
	}
	return fmt.Sprintf("%s: changed from %s to %s", m.What, m.Was, m.Is)
}

// Moves says what moved between a reviewed plan and now, the same plan made again: nothing when their digests are equal.
// mine holds the steps that the own journal says were applied (see [Applied]): a step that is no longer planned because
// its effect is there is no move. nil: none.
func (p Plan) Moves(now Plan, mine map[StepID]bool) []Move {
	var moves []Move
	note := func(what, was, is string) {
		if was != is {
			moves = append(moves, Move{what, was, is})
		}
	}
	note("version", fmt.Sprint(p.Version), fmt.Sprint(now.Version))
	note("runbook", p.Runbook, now.Runbook)
	both(p.Inputs, now.Inputs, func(i Input) string { return i.Name }, func(name string, was, is Input) { note("input "+name, was.Digest, is.Digest) })
	both(p.Clusters, now.Clusters, func(c Cluster) string { return string(c.Site) }, func(site string, was, is Cluster) { note("cluster of "+site, was.UID, is.UID) })
	both(p.Stages, now.Stages, func(s PlanStage) string { return s.Name }, func(name string, was, is PlanStage) {
		note("stage "+name, was.order(), is.order())
	})
	both(p.Steps(), now.Steps(), func(s PlanStep) string { return string(s.ID) }, func(id string, was, is PlanStep) {
		if is.ID == "" && mine[was.ID] {
			return
		}
		moves = append(moves, was.moves(id, is)...)
	})
	return moves
}

func (s PlanStage) order() string {
	switch {
	case s.Name == "":
		return ""
	case len(s.After) == 0:
		return "at once"
	}
	return "after " + strings.Join(s.After, ", ")
}

// moves names the fields of a step that differ.
func (s PlanStep) moves(id string, is PlanStep) []Move {
	what := "step " + id
	if s.ID == "" || is.ID == "" {
		return []Move{{what, s.text(), is.text()}}
	}
	var moves []Move
	a, b := reflect.ValueOf(s.Step), reflect.ValueOf(is.Step)
	for i := range a.NumField() {
		was, is := a.Field(i).Interface(), b.Field(i).Interface()
		if !reflect.DeepEqual(was, is) && !(isEmpty(a.Field(i)) && isEmpty(b.Field(i))) {
			moves = append(moves, Move{what + " " + strings.ToLower(a.Type().Field(i).Name), fmt.Sprintf("%v", orNothing(was)), fmt.Sprintf("%v", orNothing(is))})
		}
	}
	return moves
}

// isEmpty says whether a field is a list or map without anything, which no plan's file tells from none.
func isEmpty(v reflect.Value) bool {
	return (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.Len() == 0
}

func orNothing(v any) any {
	if reflect.ValueOf(v).IsZero() {
		return "nothing"
	}
	return v
}

func (s PlanStep) text() string {
	if s.ID == "" {
		return ""
	}
	text := fmt.Sprintf("%s %s", s.Action, s.Target)
	if s.Site != "" {
		text += " at " + string(s.Site)
	}
	return text
}

// both calls f with every key of two lists, in the order of the first and then of the second.
func both[T any](was, is []T, key func(T) string, f func(key string, was, is T)) {
	var none T
	find := func(list []T, wanted string) T {
		if i := slices.IndexFunc(list, func(t T) bool { return key(t) == wanted }); i >= 0 {
			return list[i]
		}
		return none
	}
	seen := map[string]bool{}
	for _, item := range slices.Concat(was, is) {
		if k := key(item); !seen[k] {
			seen[k] = true
			f(k, find(was, k), find(is, k))
		}
	}
}
