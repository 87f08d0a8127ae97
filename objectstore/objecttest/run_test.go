package objecttest_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/georedkit/georedkit/objectstore"
	"github.com/georedkit/georedkit/objectstore/objecttest"
	"github.com/georedkit/georedkit/objectstore/s3"
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

// Names that are of no part, and parts without a reason, fail the suite: they would hide nothing, or what nobody knows.
func TestWhatAServerLacksIsAPart(t *testing.T) {
	const told = "GEOREDKIT_LACKS"
	if name, reason, child := strings.Cut(os.Getenv(told), "="); child {
		objecttest.Run(t, objecttest.Subject{Lacks: map[string]string{name: reason}})
		return
	}
	for lacks, says := range map[string]string{
		"control characters=XML cannot hold them": "",
		"control character=XML cannot hold them":  `"control character" in Lacks is no part of the suite`,
		"control characters=":                     `"control characters" in Lacks has no reason`,
	} {
		suite := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$/^none$") // of the parts, none
		suite.Env = append(os.Environ(), told+"="+lacks)
		if out, err := suite.CombinedOutput(); (err == nil) != (says == "") || !strings.Contains(string(out), says) {
			t.Errorf("%s: %v: %s", lacks, err, out)
		}
	}
}

// What is stored packed is read packed, also by a transport that unpacks what it may.
func TestATransportOfOnesOwnUnpacksNothing(t *testing.T) {
	store := objecttest.New(t, []string{"files"}).Client(t, "dc1", func(c *s3.Config) { c.Transport = &http.Transport{} })
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte("unpacked")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	ref, meta := objectstore.Ref{Bucket: "files", Key: "k"}, objectstore.Metadata{Headers: map[string]string{"content-encoding": "gzip"}}
	if err := store.Put(t.Context(), ref, int64(packed.Len()), meta, bytes.NewReader(packed.Bytes())); err != nil {
		t.Fatal(err)
	}
	body, err := store.Open(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if read, err := io.ReadAll(body); err != nil || !bytes.Equal(read, packed.Bytes()) {
		t.Errorf("%q, %v", read, err)
	}
}

// Tags that S3 does not allow are an error, and not left out.
func TestTagsThatAreNone(t *testing.T) {
	store := objecttest.New(t, []string{"files"}).Client(t, "dc1", nil)
	meta := objectstore.Metadata{Tags: map[string]string{"name": "J\u00fcrgen"}}
	if err := store.Put(t.Context(), objectstore.Ref{Bucket: "files", Key: "k"}, 1, meta, strings.NewReader("x")); !errors.Is(err, objectstore.ErrInvalidInput) {
		t.Errorf("%v", err)
	}
}
