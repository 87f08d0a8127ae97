//go:build lab

package s3_test

import (
	"strings"
	"testing"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/objectstore"
	"github.com/georedkit/georedkit/objectstore/s3"
)

// limited is the adapter with credentials that may do no more than the actions.
func (s store) limited(t *testing.T, actions ...string) *s3.Client {
	t.Helper()
	access, secret := s.keys(t)
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["` + strings.Join(actions, `","`) + `"],"Resource":["arn:aws:s3:::*"]}]}`
	sts, err := credentials.NewSTSAssumeRole(s.URL, credentials.STSAssumeRoleOptions{AccessKey: access, SecretKey: secret, Policy: policy})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := sts.GetWithContext(nil)
	if err != nil {
		t.Fatal(err)
	}
	return s.client(t, func(c *s3.Config) {
		c.AccessKey, c.SecretKey, c.SessionToken = keys.AccessKeyID, s3.NewSecret(keys.SecretAccessKey), s3.NewSecret(keys.SessionToken)
	})
}

// TestMetadataThatRightsHide: MinIO leaves out of its listings what credentials may not read, and says nothing.
func TestMetadataThatRightsHide(t *testing.T) {
	sites := start(t).Sites
	for i, tag := range []string{"green", "red"} {
		sites[i].makeBucket(t, "files", objectstore.Versioned)
		meta := objectstore.Metadata{Tags: map[string]string{"state": tag}, Headers: map[string]string{"content-type": "text/plain"}}
		if err := sites[i].client(t, nil).Put(t.Context(), objectstore.Ref{Bucket: "files", Key: "tagged"}, 1, meta, strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
	}
	list := []string{"s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketLocation", "s3:GetBucketVersioning"}
	for name, c := range map[string]struct {
		actions []string
		want    geored.Verdict
	}{
		"nothing but listings": {list, geored.Unknown},
		"no tags":              {append([]string{"s3:GetObject", "s3:GetObjectVersion"}, list...), geored.Unknown},
		"tags alone":           {append([]string{"s3:GetObjectTagging", "s3:GetObjectVersionTagging"}, list...), geored.Unknown},
		"all":                  {append([]string{"s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTagging", "s3:GetObjectVersionTagging"}, list...), geored.Fail},
	} {
		for _, versions := range []bool{false, true} {
			comparer := objectstore.Comparer{Buckets: []string{"files"}, Metadata: true, Versions: versions, Effort: objectstore.ListingsOnly}
			for _, site := range sites {
				comparer.Sites = append(comparer.Sites, objectstore.Site{Name: site.Name, Store: site.limited(t, c.actions...)})
			}
			if result, err := comparer.Compare(t.Context()); err != nil || result.Verdict() != c.want {
				t.Errorf("%s, versions %v: %v, %v, want %v", name, versions, result.Verdict(), err, c.want)
			}
		}
	}
}
