package credstest_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"testing"

	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/creds/credstest"
)

// A token of another cluster is refused: every cluster signs with a key of its own.
func Example() {
	t := exampleT{} // in a test, its own
	account := creds.Account{Namespace: "kube-system", Name: "coredns"}
	own, other := credstest.New(t, credstest.Options{Site: "dc1"}), credstest.New(t, credstest.Options{Site: "dc2"})
	own.Account(account)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(own.Authority.PEM())
	client := &http.Client{Transport: &http.Transport{DialContext: own.Dial, TLSClientConfig: &tls.Config{RootCAs: pool}}}
	for _, token := range []creds.Token{own.Admin, other.Issuer.Long(t, account, "coredns-token-1")} {
		request, err := http.NewRequest(http.MethodGet, own.URL()+"/api/v1/namespaces/kube-system/serviceaccounts/coredns", nil)
		if err != nil {
			fmt.Println(err)
		}
		request.Header.Set("Authorization", "Bearer "+token.Reveal())
		response, err := client.Do(request)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(response.StatusCode, token)
		response.Body.Close()
	}
	// Output:
	// 200 [redacted]
	// 401 [redacted]
}

// exampleT leaves the cleaning up to the end of the program.
type exampleT struct{ testing.TB }

func (exampleT) Helper()                   {}
func (exampleT) Cleanup(func())            {}
func (exampleT) Fatal(a ...any)            { panic(fmt.Sprint(a...)) }
func (exampleT) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }
