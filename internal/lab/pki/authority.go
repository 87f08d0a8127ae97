// Package pki issues the certificates of one site.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/georedkit/georedkit/internal/lab/wholefile"
)

// lifetime is that of every certificate: a laboratory is thrown away long before.
const lifetime = 365 * 24 * time.Hour

// Pair is a certificate and its key, both PEM.
type Pair struct{ Certificate, Key []byte }

// Authority is a site's certificate authority.
type Authority struct {
	Pair
	certificate *x509.Certificate
	key         crypto.Signer
}

// Subject is whom a certificate is for.
type Subject struct {
	Name      string
	Groups    []string
	DNSNames  []string
	Addresses []netip.Addr
}

// Open reads the authority kept in dir, or makes one there.
func Open(dir string) (*Authority, error) {
	pair, err := Read(dir, "ca")
	if errors.Is(err, fs.ErrNotExist) {
		if pair, err = selfSigned(); err == nil {
			err = pair.Write(dir, "ca")
		}
	}
	if err != nil {
		return nil, err
	}
	certificate, err := decodeCertificate(pair.Certificate)
	if err != nil {
		return nil, err
	}
	key, err := decodeKey(pair.Key)
	if err != nil {
		return nil, err
	}
	return &Authority{Pair: pair, certificate: certificate, key: key}, nil
}

// Issue makes a certificate for servers and clients alike.
func (a *Authority) Issue(subject Subject) (Pair, error) {
	key, keyPEM, err := NewKey()
	if err != nil {
		return Pair{}, err
	}
	template, err := template(pkix.Name{CommonName: subject.Name, Organization: subject.Groups})
	if err != nil {
		return Pair{}, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	template.DNSNames = subject.DNSNames
	for _, address := range subject.Addresses {
		template.IPAddresses = append(template.IPAddresses, net.IP(address.AsSlice()))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return Pair{}, fmt.Errorf("certificate of %s: %w", subject.Name, err)
	}
	return Pair{Certificate: encode("CERTIFICATE", der), Key: keyPEM}, nil
}

// NewKey makes an elliptic key and its PEM form.
func NewKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	// SEC 1 and not PKCS 8: the form every reader of service account keys knows.
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return key, encode("EC PRIVATE KEY", der), nil
}

// Write stores the pair as dir/name.crt and dir/name.key.
func (p Pair) Write(dir, name string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := wholefile.Write(filepath.Join(dir, name+".key"), p.Key, 0o600); err != nil {
		return err
	}
	// The last one: a pair is complete when it has a certificate.
	return wholefile.Write(filepath.Join(dir, name+".crt"), p.Certificate, 0o644)
}

// Read reads what Write stored.
func Read(dir, name string) (Pair, error) {
	certificate, err := os.ReadFile(filepath.Join(dir, name+".crt"))
	if err != nil {
		return Pair{}, err
	}
	key, err := os.ReadFile(filepath.Join(dir, name+".key"))
	return Pair{Certificate: certificate, Key: key}, err
}

func selfSigned() (Pair, error) {
	key, keyPEM, err := NewKey()
	if err != nil {
		return Pair{}, err
	}
	template, err := template(pkix.Name{CommonName: "georedkit laboratory"})
	if err != nil {
		return Pair{}, err
	}
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return Pair{}, fmt.Errorf("certificate authority: %w", err)
	}
	return Pair{Certificate: encode("CERTIFICATE", der), Key: keyPEM}, nil
}

func template(name pkix.Name) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	// An hour back: a laboratory may be resumed after the clock was set back.
	return &x509.Certificate{SerialNumber: serial, Subject: name, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(lifetime)}, nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func decodeCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("certificate: not PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

func decodeKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("key: not PEM")
	}
	return x509.ParseECPrivateKey(block.Bytes)
}

// KeepKey returns the key stored as dir/name.key, made on first use.
func KeepKey(dir, name string) ([]byte, error) {
	path := filepath.Join(dir, name+".key")
	text, err := os.ReadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return text, err
	}
	if _, text, err = NewKey(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return text, wholefile.Write(path, text, 0o600)
}
