//go:build lab

package kube_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/objectstore"
)

// authority signs the certificates of the sites' stores.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

var trust = sync.OnceValue(newAuthority)

// newAuthority panics where the system has no randomness.
func newAuthority() authority {
	a := authority{certificate: &x509.Certificate{Subject: pkix.Name{CommonName: "stores"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}}
	der, key := sign(a.certificate, a)
	var err error
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		panic(err)
	}
	a.key = key
	return a
}

// sign makes a key and its certificate; an authority without a key signs its own.
func sign(template *x509.Certificate, by authority) (der []byte, key *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	if by.key == nil {
		by = authority{template, key}
	}
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	if der, err = x509.CreateCertificate(rand.Reader, template, by.certificate, &key.PublicKey, by.key); err != nil {
		panic(err)
	}
	return der, key
}

// issue gives a site's store what chart ice-minio wants of TLS.
func (a authority) issue(site geored.SiteName) map[string]any {
	name := "minio-" + string(site)
	der, key := sign(&x509.Certificate{Subject: pkix.Name{CommonName: name}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{name, fmt.Sprintf("%s.%s.svc", name, namespace), fmt.Sprintf("%s.%s.svc.cluster.local", name, namespace)}}, a)
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		panic(err)
	}
	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return map[string]any{"certificate": text("CERTIFICATE", der), "key": text("EC PRIVATE KEY", secret), "authority": text("CERTIFICATE", a.certificate.Raw)}
}

func (a authority) roots() *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AddCert(a.certificate)
	return roots
}

// A store that speaks TLS alone, asked without it or with another authority: named with site and remedy, and nothing counts
// as missing there.
func TestTLSThatDoesNotFit(t *testing.T) {
	r := up(t)
	a, b := r.Names[0], r.Names[1]
	for name, c := range map[string]struct {
		scheme string
		roots  *x509.CertPool
		want   error
		says   string
	}{
		"no TLS":            {"http", nil, objectstore.ErrTLSOnly, "https"},
		"another authority": {"https", newAuthority().roots(), objectstore.ErrCertificate, "authority"},
	} {
		sites := []objectstore.Site{{Name: a, Store: r.stores[a]}, {Name: b, Store: r.client(b, c.scheme, c.roots)}}
		found, err := objectstore.Comparer{Sites: sites, Buckets: []string{bucket}}.Compare(t.Context())
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), "site "+string(b)) || !strings.Contains(err.Error(), c.says) || found.Verdict() != geored.Unknown {
			t.Errorf("%s: %v, %v", name, found.Verdict(), err)
		}
	}
	if _, err := r.stores[b].Bucket(t.Context(), bucket); err != nil {
		t.Errorf("with the right ones: %v", err)
	}
}
