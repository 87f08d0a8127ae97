package cassandratest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"time"
)

// TLS makes the nodes speak TLS and nothing else, with a certificate of their own that [Ring.Config] trusts.
func TLS() Option { return func(o *options) { o.tls = true } }

// ClientCertificates makes the nodes want a certificate of their clients too, as [TLS] does the rest. [Ring.Config] has one.
func ClientCertificates() Option { return func(o *options) { o.tls, o.mutual = true, true } }

// secure makes the ring's certificate.
func (r *Ring) secure(mutual bool) (err error) {
	r.mutual = mutual
	r.certificate, err = selfSigned()
	return err
}

// selfSigned is a certificate for 127.0.0.1 and its own authority.
func selfSigned() (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: rand.Text()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// server is what a node listens with.
func (r *Ring) server() *tls.Config {
	c := &tls.Config{Certificates: []tls.Certificate{*r.certificate}, MinVersion: tls.VersionTLS12}
	if r.mutual {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, r.roots()
	}
	return c
}

func (r *Ring) roots() *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AddCert(r.certificate.Leaf)
	return roots
}

// trust is what a client needs; nil when the ring speaks no TLS.
func (r *Ring) trust() *tls.Config {
	if r.certificate == nil {
		return nil
	}
	c := &tls.Config{RootCAs: r.roots(), MinVersion: tls.VersionTLS12}
	if r.mutual {
		c.Certificates = []tls.Certificate{*r.certificate}
	}
	return c
}
