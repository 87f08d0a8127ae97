package geored

// graph counts for each step how many of its needs, among the same steps, are still open.
type graph struct {
	waiting    []int
	dependents [][]int
}

func newGraph(steps []Step) *graph {
	g := &graph{waiting: make([]int, len(steps)), dependents: make([][]int, len(steps))}
	index := indexOf(steps)
	if index == nil {
		return g
	}
	for i := range steps {
		for _, need := range steps[i].Needs {
			if j, ok := index[need]; ok {
				g.waiting[i]++
				g.dependents[j] = append(g.dependents[j], i)
			}
		}
	}
	return g
}

// indexOf says where each step stands; nil when none needs another.
func indexOf(steps []Step) map[StepID]int {
	needs := false
	for i := range steps {
		needs = needs || len(steps[i].Needs) > 0
	}
	if !needs {
		return nil
	}
	index := make(map[StepID]int, len(steps))
	for i := range steps {
		index[steps[i].ID] = i
	}
	return index
}

// roots are the steps that wait for nothing.
func (g *graph) roots() []int {
	roots := make([]int, 0, len(g.waiting))
	for i, n := range g.waiting {
		if n == 0 {
			roots = append(roots, i)
		}
	}
	return roots
}

// done marks a step as done and gives those that waited for it alone.
func (g *graph) done(step int) []int {
	var ready []int
	for _, i := range g.dependents[step] {
		if g.waiting[i]--; g.waiting[i] == 0 {
			ready = append(ready, i)
		}
	}
	return ready
}
