package servers

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/georedkit/georedkit/internal/lab/compile"
	"github.com/georedkit/georedkit/internal/lab/pki"
)

// S3 is what a client needs to know of running object stores.
type S3 struct {
	Sites []S3Site `json:"sites"`
	// Bin is the folder of the clients mc and rclone.
	Bin string `json:"bin"`
	CA  string `json:"ca,omitempty"` // file; with TLS only
}

// S3Site is one site's object store.
type S3Site struct {
	Name        string `json:"name"`
	URL         string `json:"url"`
	Credentials string `json:"credentials"` // file: {"accessKey":…,"secretKey":…}
	Pid         int    `json:"pid"`
	Data        string `json:"data"`
}

const s3AccessKey = "labadmin"

func startS3(ctx context.Context, dir string, args []string) (*Set, any, error) {
	flags := flag.NewFlagSet("lab servers s3", flag.ContinueOnError)
	sites := flags.Int("sites", 2, "how many sites")
	server := flags.String("server", "minio", "minio, versitygw, or minio-deaf, which sends no events")
	tls := flags.Bool("tls", false, "with certificates of an authority of their own")
	if err := flags.Parse(args); err != nil {
		return nil, nil, err
	}
	starter := map[string]func(*Set, s3Place) (*os.Process, error){"minio": startMinIO, "versitygw": startVersityGW, "minio-deaf": startMinIO}[*server]
	if starter == nil {
		return nil, nil, fmt.Errorf("-server %s: minio, versitygw and minio-deaf are known", *server)
	}
	bin, err := compile.Ensure(ctx, compile.S3, os.Stderr)
	if err != nil {
		return nil, nil, err
	}
	set, ready := NewSet(dir), S3{Bin: bin}
	if *server == "minio-deaf" {
		if bin, err = compile.Ensure(ctx, compile.S3Deaf, os.Stderr); err != nil {
			return nil, nil, err
		}
	}
	if *tls {
		ready.CA = filepath.Join(dir, "ca.crt")
	}
	for n := 1; n <= *sites; n++ {
		site, err := set.startS3Site(starter, bin, filepath.Join(dir, fmt.Sprintf("dc%d", n)), ready.CA)
		if err != nil {
			set.Stop()
			return nil, nil, err
		}
		ready.Sites = append(ready.Sites, site)
	}
	for _, site := range ready.Sites {
		if err := set.AwaitPort(ctx, strings.TrimLeft(site.URL, "htps:/")); err != nil {
			set.Stop()
			return nil, nil, err
		}
	}
	return set, ready, nil
}

// s3Place is where one server runs.
type s3Place struct {
	name, bin, dir, address, secret string
	certificates                    string // folder; zero: no TLS
}

func (s *Set) startS3Site(start func(*Set, s3Place) (*os.Process, error), bin, dir, ca string) (S3Site, error) {
	port, err := FreePort("127.0.0.1")
	if err != nil {
		return S3Site{}, err
	}
	place := s3Place{name: filepath.Base(dir), bin: bin, dir: dir, secret: rand.Text(),
		address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	scheme := "http"
	if ca != "" {
		place.certificates, scheme = filepath.Join(dir, "certificates"), "https"
	}
	if err := place.prepare(ca); err != nil {
		return S3Site{}, err
	}
	process, err := start(s, place)
	if err != nil {
		return S3Site{}, err
	}
	return S3Site{Name: place.name, URL: scheme + "://" + place.address, Credentials: place.credentials(),
		Pid: process.Pid, Data: filepath.Join(dir, "data")}, nil
}

func (p s3Place) credentials() string { return filepath.Join(p.dir, "credentials.json") }

func (p s3Place) prepare(ca string) error {
	for _, folder := range []string{"data", "versions", "home", "certificates"} {
		if err := os.MkdirAll(filepath.Join(p.dir, folder), 0o700); err != nil {
			return err
		}
	}
	text, err := json.Marshal(map[string]string{"accessKey": s3AccessKey, "secretKey": p.secret})
	if err != nil {
		return err
	}
	if err := os.WriteFile(p.credentials(), text, 0o600); err != nil || ca == "" {
		return err
	}
	authority, err := pki.Open(filepath.Dir(ca))
	if err != nil {
		return err
	}
	pair, err := authority.Issue(pki.Subject{Name: p.name, Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	if err != nil {
		return err
	}
	if err := os.WriteFile(p.certificate(), pair.Certificate, 0o600); err != nil {
		return err
	}
	return os.WriteFile(p.key(), pair.Key, 0o600)
}

// The names are MinIO's.
func (p s3Place) certificate() string { return filepath.Join(p.certificates, "public.crt") }
func (p s3Place) key() string         { return filepath.Join(p.certificates, "private.key") }

// startMinIO gives each server a key of its own for encryption, as two sites have.
func startMinIO(s *Set, p s3Place) (*os.Process, error) {
	args := []string{"server", "--quiet", "--address", p.address}
	if p.certificates != "" {
		args = append(args, "--certs-dir", p.certificates)
	}
	return s.Run("minio-"+p.name, []string{"MINIO_ROOT_USER=" + s3AccessKey, "MINIO_ROOT_PASSWORD=" + p.secret,
		"MINIO_KMS_SECRET_KEY=" + p.name + ":" + randomKey(), "MINIO_BROWSER=off", "MINIO_UPDATE=off",
		"HOME=" + filepath.Join(p.dir, "home")}, filepath.Join(p.bin, "minio"), append(args, filepath.Join(p.dir, "data"))...)
}

func startVersityGW(s *Set, p s3Place) (*os.Process, error) {
	args := []string{"--quiet", "--port", p.address}
	if p.certificates != "" {
		args = append(args, "--cert", p.certificate(), "--key", p.key())
	}
	return s.Run("versitygw-"+p.name, []string{"ROOT_ACCESS_KEY=" + s3AccessKey, "ROOT_SECRET_KEY=" + p.secret},
		filepath.Join(p.bin, "versitygw"), append(args,
			"posix", "--versioning-dir", filepath.Join(p.dir, "versions"), filepath.Join(p.dir, "data"))...)
}

func randomKey() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return base64.StdEncoding.EncodeToString(key)
}
