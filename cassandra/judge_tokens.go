package cassandra

import (
	"context"
	"fmt"
	"slices"

	"github.com/georedkit/georedkit/geored"
)

// judgeTokens wants every node to have tokens, none of them to have two owners, and all nodes to agree on tokens, data
// center and rack of each: where they do not, they read and write rows at different replicas.
func judgeTokens(ctx context.Context, r Ring) []geored.Finding {
	f := geored.Finding{Verdict: geored.Pass, Message: "all nodes agree on the tokens, data center and rack of each"}
	answers := r.answers(ctx)
	owner := map[string]Node{}
	for _, v := range answers.All() {
		f.Evidence = append(f.Evidence, v.Node.tokenFaults(owner)...)
	}
	for _, v := range answers.All() {
		for _, p := range v.Peers {
			f.Evidence = append(f.Evidence, r.mistakes(v.Node, p)...)
		}
	}
	if len(f.Evidence) > 0 {
		f.Verdict, f.Message = geored.Fail, f.Evidence[0]
		f.Remedy = "restart the node that is wrong about the other; a token with two owners needs one of them removed"
	}
	return []geored.Finding{answers.Conclude(f)}
}

// tokenFaults notes whose the node's tokens are and says what is wrong with them.
func (n Node) tokenFaults(owner map[string]Node) []string {
	if len(n.Tokens) == 0 {
		return []string{fmt.Sprintf("node %s has no tokens", n.Address)}
	}
	var wrong []string
	for _, token := range n.Tokens {
		if other, ok := owner[token]; ok {
			wrong = append(wrong, fmt.Sprintf("token %s belongs to node %s and to node %s", token, other.Address, n.Address))
		}
		owner[token] = n
	}
	return wrong
}

// mistakes says in what a node is wrong about another, as that one describes itself.
func (r Ring) mistakes(by, about Node) []string {
	i := slices.IndexFunc(r.Views, func(v View) bool { return v.Node.HostID == about.HostID })
	if i < 0 {
		return nil // it is silent, or the view lacks a name for it
	}
	is := r.Views[i].Node
	var wrong []string
	if is.DataCenter != about.DataCenter || is.Rack != about.Rack {
		wrong = append(wrong, fmt.Sprintf("node %s has node %s in %s/%s, which says %s/%s", by.Address, is.Address, about.DataCenter, about.Rack, is.DataCenter, is.Rack))
	}
	if !slices.Equal(is.Tokens, about.Tokens) {
		wrong = append(wrong, fmt.Sprintf("node %s has other tokens of node %s than that one", by.Address, is.Address))
	}
	return wrong
}
