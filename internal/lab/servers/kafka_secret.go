package servers

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/georedkit/georedkit/internal/lab/pki"
)

// kafkaSecret is the one user of a secure set and the certificates of its brokers.
type kafkaSecret struct {
	user, password                 string
	passwordFile, caFile, keyStore string
}

// newKafkaSecret makes a password and certificates, in files below dir.
func newKafkaSecret(dir string) (*kafkaSecret, error) {
	s := &kafkaSecret{user: "lab", password: rand.Text(), passwordFile: filepath.Join(dir, "password"),
		caFile: filepath.Join(dir, "ca.pem"), keyStore: filepath.Join(dir, "broker.pem")}
	authority, err := pki.Open(filepath.Join(dir, "pki"))
	if err != nil {
		return nil, err
	}
	pair, err := authority.Issue(pki.Subject{Name: "broker", DNSNames: []string{"localhost"}, Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	if err != nil {
		return nil, err
	}
	key, err := asPKCS8(pair.Key)
	if err != nil {
		return nil, err
	}
	for path, content := range map[string][]byte{
		s.passwordFile: []byte(s.password),
		s.caFile:       authority.Certificate,
		s.keyStore:     append(key, pair.Certificate...),
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// asPKCS8 is the only form of a key that Kafka reads.
func asPKCS8(key []byte) ([]byte, error) {
	block, _ := pem.Decode(key)
	if block == nil {
		return nil, errors.New("the broker's key is not PEM")
	}
	parsed, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(parsed)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

// iterations of SCRAM's key derivation: the least that Kafka takes.
const iterations = 4096

// record is the user for the format command, with the salted password: the password itself would be seen by everybody
// in the list of processes.
func (s *kafkaSecret) record() string {
	salt := []byte(rand.Text())
	salted, err := pbkdf2.Key(sha512.New, s.password, salt, iterations, sha512.Size)
	if err != nil {
		panic(err) // only for lengths that are not ours
	}
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-512=[name=%s,iterations=%d,salt=%q,saltedpassword=%q]", s.user, iterations, encode(salt), encode(salted))
}

// CA, KeyStore and Login are for the templates.
func (s *kafkaSecret) CA() string       { return s.caFile }
func (s *kafkaSecret) KeyStore() string { return s.keyStore }
func (s *kafkaSecret) Login() string {
	return fmt.Sprintf("org.apache.kafka.common.security.scram.ScramLoginModule required username=%q password=%q;", s.user, s.password)
}

// Client is what every client is configured with.
func (s *kafkaSecret) Client() map[string]string {
	return map[string]string{"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512", "sasl.jaas.config": s.Login(),
		"ssl.truststore.type": "PEM", "ssl.truststore.location": s.caFile}
}

// Prefixes are those of a worker's own clients.
func (s *kafkaSecret) Prefixes() []string { return []string{"", "producer.", "consumer.", "admin."} }

// Listeners are the names under which listeners are configured.
func (k *kafkaLab) Listeners(s *kafkaSite) []string {
	names := []string{"local"}
	for _, other := range s.others() {
		names = append(names, strings.ToLower(outside(other)))
	}
	return names
}
