package supervisor

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/georedkit/georedkit/internal/lab/charts"
	"github.com/georedkit/georedkit/internal/lab/pki"
	"github.com/georedkit/georedkit/internal/lab/wholefile"
)

// ReadyChartRepo says where the laboratory's Helm repository is and which files let one in.
type ReadyChartRepo struct {
	URL          string `json:"url"`
	CAFile       string `json:"caFile"`
	UserFile     string `json:"userFile"`
	PasswordFile string `json:"passwordFile"`
}

// The dot keeps these apart from the folders of sites, whose names have none.
func (f folder) charts(file string) string { return f.path("charts." + file) }

const chartUser = "charts"

// serveCharts starts the repository on this machine, at the port of its earlier life if there was one.
func (l *Laboratory) serveCharts(port int) (taken int, err error) {
	all, err := charts.Embedded()
	if err != nil {
		return 0, err
	}
	login, err := l.chartLogin()
	if err != nil {
		return 0, err
	}
	handler, err := charts.Handler(all, login)
	if err != nil {
		return 0, err
	}
	certificate, err := l.chartCertificate()
	if err != nil {
		return 0, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return 0, fmt.Errorf("chart repository: %w", err)
	}
	l.charts = &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
	}
	go l.charts.ServeTLS(listener, "", "")
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// chartLogin is made once per folder; the password is random.
func (l *Laboratory) chartLogin() (charts.Login, error) {
	password, err := os.ReadFile(l.folder.charts("password"))
	if errors.Is(err, fs.ErrNotExist) {
		password = []byte(rand.Text())
		err = errors.Join(
			wholefile.Write(l.folder.charts("user"), []byte(chartUser), 0o600),
			wholefile.Write(l.folder.charts("password"), password, 0o600))
	}
	return charts.Login{User: chartUser, Password: string(password)}, err
}

func (l *Laboratory) chartCertificate() (tls.Certificate, error) {
	authority, err := pki.Open(l.folder.charts("pki"))
	if err != nil {
		return tls.Certificate{}, err
	}
	if err := wholefile.Write(l.folder.charts("ca.crt"), authority.Certificate, 0o644); err != nil {
		return tls.Certificate{}, err
	}
	pair, err := authority.Issue(pki.Subject{
		Name: "charts", DNSNames: []string{"localhost"}, Addresses: []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})},
	})
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(pair.Certificate, pair.Key)
}

func (l *Laboratory) readyChartRepo(port int) ReadyChartRepo {
	return ReadyChartRepo{
		URL:    fmt.Sprintf("https://127.0.0.1:%d", port),
		CAFile: l.folder.charts("ca.crt"), UserFile: l.folder.charts("user"), PasswordFile: l.folder.charts("password"),
	}
}
