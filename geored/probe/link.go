package probe

import (
	"context"
	"fmt"
	"net"
	"strings"
)

// Link asks for a network interface of the node or pod that the probe runs on.
type Link struct {
	Name string `json:"name"`
}

// LinkAnswer is how the interface stands. One that is not there is no error but Present false.
type LinkAnswer struct {
	Present   bool     `json:"present"`
	Up        bool     `json:"up"`
	Multicast bool     `json:"multicast"`
	Others    []string `json:"others,omitempty"` // the names that are there
}

func (Link) question() string { return "link" }

func (q Link) answer(context.Context) (LinkAnswer, error) {
	all, err := net.Interfaces()
	if err != nil {
		return LinkAnswer{}, err
	}
	if strings.TrimSpace(q.Name) == "" {
		return LinkAnswer{}, fmt.Errorf("no interface is named")
	}
	var a LinkAnswer
	for _, link := range all {
		if link.Name != q.Name {
			a.Others = append(a.Others, link.Name)
			continue
		}
		a.Present, a.Up, a.Multicast = true, link.Flags&net.FlagUp != 0, link.Flags&net.FlagMulticast != 0
	}
	return a, nil
}
