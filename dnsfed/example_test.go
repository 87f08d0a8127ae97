package dnsfed_test

import (
	"fmt"
	"net/netip"

	"github.com/georedkit/georedkit/dnsfed"
	"github.com/georedkit/georedkit/geored"
)

func twoSites() dnsfed.Federation {
	f := dnsfed.Federation{Plugin: dnsfed.Kubernetai, CoreDNS: dnsfed.Version{Major: 1, Minor: 11, Patch: 3}}
	for _, s := range []struct {
		name     geored.SiteName
		services string
	}{{"paris", "10.100.0.0/16"}, {"rome", "10.130.0.0/16"}} {
		f.Sites = append(f.Sites, dnsfed.Site{
			Site:       geored.Site{Name: s.name, Services: []netip.Prefix{netip.MustParsePrefix(s.services)}},
			Kubeconfig: "/etc/coredns/" + string(s.name) + "/config",
		})
	}
	return f
}

const corefile = `.:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
    }
    forward . /etc/resolv.conf
    loop
}
`

func ExampleFederation_Merge() {
	merged, err := twoSites().Merge("rome", corefile)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(merged)
	restored, err := dnsfed.Remove(merged)
	fmt.Println(restored == corefile, err)
	// Output:
	// .:53 {
	//     errors
	// # georedkit dnsfed: begin, do not edit
	// #|    kubernetes cluster.local in-addr.arpa ip6.arpa {
	// #|        pods insecure
	// #|        fallthrough in-addr.arpa ip6.arpa
	// #|    }
	//     kubernetai cluster.local 10.130.0.0/16 {
	//         pods insecure
	//         fallthrough cluster.local
	//     }
	//     kubernetai cluster.local 10.100.0.0/16 {
	//         kubeconfig /etc/coredns/paris/config
	//         pods disabled
	//     }
	// # georedkit dnsfed: end
	//     forward . /etc/resolv.conf
	//     loop
	// }
	// true <nil>
}

func ExampleFederation_Lint() {
	remarks, err := twoSites().Lint("rome", `.:53 {
    kubernetai cluster.local {
        endpoint https://10.100.0.1
        fallthrough
    }
    kubernetai cluster.local {
        endpoint https://10.130.0.1
    }
}
`, dnsfed.Build{})
	for _, r := range remarks {
		fmt.Printf("line %d: %s: %s\n", r.Line, r.Verdict, r.Remedy)
	}
	fmt.Println(err)
	// Output:
	// line 2: fail: put the stanza of site rome first
	// <nil>
}
