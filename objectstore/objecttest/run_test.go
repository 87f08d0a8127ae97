package objecttest_test

import (
	"fmt"
	"testing"

	"github.com/georedkit/georedkit/objectstore"
	"github.com/georedkit/georedkit/objectstore/objecttest"
)

func TestFakeKeepsTheContract(t *testing.T) { conformance(t) }

func TestFakeKeepsTheContractWithTLS(t *testing.T) { conformance(t, objecttest.WithTLS()) }

func conformance(t *testing.T, options ...objecttest.Option) {
	server := objecttest.New(t, nil, options...)
	n := 0
	objecttest.Run(t, objecttest.Subject{
		Store: server.Client(t, "dc1", nil),
		NewBucket: func(_ *testing.T, versioning objectstore.Versioning) string {
			n++
			name := fmt.Sprintf("bucket-%d", n)
			server.SetVersioning(name, versioning)
			return name
		},
	})
}
