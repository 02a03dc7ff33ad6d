package operation

import "fmt"

// tree finds the phases of a plan.
type tree struct {
	root   *node
	nodes  map[string]*node
	leaves []*node // in the order of the plan
}

// node is a phase with its place in the plan. The root has no phase of its own:
// only the ID "/".
type node struct {
	phase    *Phase
	parent   *node
	children []*node
	// index counts leaves from 1.
	index int
}

func newTree(plan *Plan) *tree {
	t := &tree{nodes: map[string]*node{}}
	t.root = &node{phase: &Phase{ID: OperationPhase, Phases: plan.Phases}}
	t.add(t.root)
	return t
}

func (t *tree) add(n *node) {
	t.nodes[n.phase.ID] = n
	if n.phase.Leaf() {
		t.leaves = append(t.leaves, n)
		n.index = len(t.leaves)
		return
	}
	for i := range n.phase.Phases {
		child := &node{phase: &n.phase.Phases[i], parent: n}
		n.children = append(n.children, child)
		t.add(child)
	}
}

func (t *tree) find(id string) (*node, error) {
	if n := t.nodes[id]; n != nil {
		return n, nil
	}
	return nil, fmt.Errorf("phase %q not found", id)
}

// contains tells whether the other phase is this one or in it.
func (n *node) contains(other *node) bool {
	for ; other != nil; other = other.parent {
		if other == n {
			return true
		}
	}
	return false
}

// each visits the phase and all in it.
func (n *node) each(visit func(*node)) {
	visit(n)
	for _, child := range n.children {
		child.each(visit)
	}
}

// Leaves returns the leaf phases of a plan in its order. Entries and events
// count them from 1.
func (p *Plan) Leaves() []Phase {
	var leaves []Phase
	for _, n := range newTree(p).leaves {
		leaves = append(leaves, *n.phase)
	}
	return leaves
}

// Find returns a phase of the plan by its ID, nil if there is none.
func (p *Plan) Find(id string) *Phase {
	if n := newTree(p).nodes[id]; n != nil && n.parent != nil {
		return n.phase
	}
	return nil
}
