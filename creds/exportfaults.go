package creds

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Faults tells everything that is wrong with the export, in the order of its fields. An export without faults can still
// be refused by its server: only asking it shows.
func (e Export) Faults(facts Facts) geored.Faults {
	c := checker{export: e, facts: facts}
	c.name()
	c.account()
	host := c.server()
	roots := c.authority()
	c.serving(host, roots)
	c.token()
	return c.faults
}

type checker struct {
	export Export
	facts  Facts
	faults geored.Faults
}

func (c *checker) fault(field, value, problem, remedy string) {
	c.faults = append(c.faults, geored.Fault{Site: c.export.Site, Field: field, Value: value, Problem: problem, Remedy: remedy})
}

func (c *checker) name() {
	if !isSubdomain(c.export.Name) {
		c.fault("name", c.export.Name, "is no name of a Secret", "write the name that the consumer mounts, such as dc1")
	}
}

func (c *checker) account() {
	a := c.export.Account
	if !isSubdomain(a.Namespace) || !isSubdomain(a.Name) {
		c.fault("account", a.String(), "is no service account", "write namespace and name")
	}
	if wanted := c.facts.Account; wanted != (Account{}) && a != wanted {
		c.fault("account", a.String(), "is not "+wanted.String(), "export that one: two accounts under one Secret name are easily mixed up")
	}
}

// server gives the host when the URL can be used.
func (c *checker) server() string {
	const field = "server"
	text := c.export.Server
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		c.fault(field, "", "is not a URL", "write https://host:port")
		return ""
	}
	if u.User != nil {
		c.fault(field, "", "carries a user or password", "write https://host:port")
		return ""
	}
	if u.Scheme != "https" {
		c.fault(field, text, "is not https: the token would cross the network in clear", "write https://host:port")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		c.fault(field, u.Scheme+"://"+u.Host, "has a query or a fragment", "write https://host:port")
	}
	host := u.Hostname()
	if why := onlyHere(host); why != "" {
		c.fault(field, text, why, "write an address of the API server that the other site reaches: a node's, a load balancer's, or the Service address through the mesh")
	}
	return host
}

// onlyHere says why a host leads somewhere else when it is used in another site.
func onlyHere(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil {
		switch {
		case ip.IsLoopback():
			return "is the loopback address: in another site it is the consumer itself"
		case ip.IsUnspecified():
			return "is no address of anybody"
		case ip.IsLinkLocalUnicast():
			return "is valid on one link only"
		}
		return ""
	}
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	switch {
	case name == "localhost" || strings.HasSuffix(name, ".localhost"):
		return "is the machine that asks: in another site it is the consumer itself"
	case name == "lb-apiserver.kubernetes.local":
		return "is a name that Kubespray writes into the hosts files of one cluster's nodes"
	case name == "kubernetes" || strings.HasPrefix(name, "kubernetes.default"):
		return "is every cluster's name for itself: in another site it is that site's own API server"
	}
	return ""
}

// authority gives the pool of the export's CA when it can be used.
func (c *checker) authority() *x509.CertPool {
	const field, remedy = "ca.crt", "take it from the ConfigMap kube-root-ca.crt of the source"
	if len(bytes.TrimSpace(c.export.CA)) == 0 {
		c.fault(field, "", "is empty: kubemcsa leaves it so when the kubeconfig names the CA by file", remedy)
		return nil
	}
	certificates, err := parsePEM(c.export.CA)
	if err != nil {
		c.fault(field, "", err.Error(), remedy)
		return nil
	}
	pool := x509.NewCertPool()
	for _, certificate := range certificates {
		pool.AddCert(certificate)
		if now := c.facts.Now; !now.IsZero() && now.After(certificate.NotAfter) {
			c.fault(field, certificate.Subject.CommonName, "expired at "+stamp(certificate.NotAfter), remedy)
		}
	}
	if !slices.ContainsFunc(certificates, func(x *x509.Certificate) bool { return x.IsCA }) {
		c.fault(field, certificates[0].Subject.CommonName, "holds no certificate of an authority", remedy)
	}
	return pool
}

// parsePEM reads certificates. Its errors repeat nothing of the text: it may hold a key.
func parsePEM(text []byte) ([]*x509.Certificate, error) {
	var certificates []*x509.Certificate
	for n := 1; ; n++ {
		var block *pem.Block
		block, text = pem.Decode(text)
		switch {
		case block == nil && len(certificates) == 0:
			return nil, fmt.Errorf("holds no certificate in PEM")
		case block == nil:
			return certificates, nil
		case block.Type != "CERTIFICATE":
			return nil, fmt.Errorf("block %d is not a certificate", n)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d cannot be read", n)
		}
		certificates = append(certificates, certificate)
	}
}

// serving holds what the server showed against the address and the CA of the export.
func (c *checker) serving(host string, roots *x509.CertPool) {
	if len(c.facts.Serving) == 0 {
		return
	}
	leaf, between := c.facts.Serving[0], x509.NewCertPool()
	for _, certificate := range c.facts.Serving[1:] {
		between.AddCert(certificate)
	}
	if host != "" && leaf.VerifyHostname(host) != nil {
		c.fault("server", host, "is not covered by the server's certificate, which names "+names(leaf), "use one of those, or add the address to the certificate (kubeadm: apiServer.certSANs; Kubespray: supplementary_addresses_in_ssl_keys)")
	}
	if roots == nil {
		return
	}
	options := x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: c.facts.Now}
	if _, err := leaf.Verify(options); err != nil {
		c.fault("ca.crt", "", "did not sign what the server shows: "+err.Error(), "take the CA of the cluster that the server belongs to")
	}
}

func names(certificate *x509.Certificate) string {
	all := slices.Clone(certificate.DNSNames)
	for _, ip := range certificate.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "nothing"
	}
	return strings.Join(all, ", ")
}

func (c *checker) token() {
	const field, remedy = "token", "mint one for the account of this export"
	e, facts := c.export, c.facts
	if e.Token.IsZero() {
		c.fault(field, "", "is empty", "wait until the source's token controller has filled the Secret, and export again")
		return
	}
	claims, err := e.Token.Claims()
	if err != nil {
		c.fault(field, "", strings.TrimPrefix(err.Error(), "token: "), remedy)
		return
	}
	switch {
	case claims.Account.Namespace != e.Account.Namespace:
		c.fault(field, "", "belongs to namespace "+claims.Account.Namespace+", not to "+e.Account.Namespace, remedy)
	case claims.Account != e.Account:
		c.fault(field, "", "belongs to "+claims.Account.String()+", not to "+e.Account.String(), remedy)
	}
	if facts.Issuer != "" && claims.Issuer != facts.Issuer {
		c.fault(field, "", fmt.Sprintf("was issued by %q, not by %q", claims.Issuer, facts.Issuer), "mint it in the source's cluster")
	}
	if !claims.Expires.IsZero() && !e.Expires.IsZero() && claims.Expires.Before(e.Expires) {
		c.fault(field, "", "dies at "+stamp(claims.Expires)+", before the expiry "+stamp(e.Expires)+" that the export names", "trust the earlier of them")
	}
	if life := (Life{Issued: claims.Issued, Expires: e.Deadline()}); !facts.Now.IsZero() {
		switch life.At(facts.Now, facts.Margin) {
		case Expired:
			c.fault(field, "", "expired at "+stamp(life.Expires), remedy)
		case Expiring:
			c.fault(field, "", fmt.Sprintf("dies at %s, less than %s from now", stamp(life.Expires), facts.Margin), remedy)
		}
		if claims.Issued.After(facts.Now.Add(clockSkew)) {
			c.fault(field, "", "was issued at "+stamp(claims.Issued)+", which is still to come", "compare the clocks of the sites")
		}
	}
}

// clockSkew is what clocks may differ by before it is worth a word.
const clockSkew = time.Minute

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
