//go:build lab

package s3_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/objectstore"
	"github.com/georedkit/georedkit/objectstore/objecttest"
)

// TestReadmeSaysWhatOtherToolsFind plants on two MinIO servers and asks mc diff and rclone check.
func TestReadmeSaysWhatOtherToolsFind(t *testing.T) {
	s := start(t)
	for _, site := range s.Sites {
		site.makeBucket(t, "files", objectstore.Versioned)
	}
	_, err := objecttest.Plant(t.Context(), objecttest.Plantation{A: "dc1", B: "dc2", StoreA: s.Sites[0].client(t, nil), StoreB: s.Sites[1].client(t, nil),
		Bucket: "files", Prefix: "planted/", Pause: func(ctx context.Context) error {
			return geored.SystemClock().Sleep(ctx, objectstore.ClockTolerance+1500*time.Millisecond)
		}})
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	out, err := s.mc(t, home, [2]string{s.Sites[0].URL, s.Sites[1].URL}, "diff", "dc1/files", "dc2/files").Output()
	if err != nil {
		t.Fatal(err) // it ends with 0 also when it finds differences
	}
	var keys []string
	for line := bufio.NewScanner(bytes.NewReader(out)); line.Scan(); {
		var found struct{ Status, First, Second string }
		if err := json.Unmarshal(line.Bytes(), &found); err != nil || found.Status != "success" {
			t.Fatalf("mc diff: %v %s", err, line.Text())
		}
		keys = append(keys, found.First+found.Second)
	}
	held(t, "mc diff", mcDiff, keys)
	held(t, "rclone check", rcloneCheck, strings.Split(s.rclone(t, home), "\n"))
}

// rclone gives what rclone check prints about both buckets; it fails when they differ.
func (s stores) rclone(t *testing.T, home string) string {
	t.Helper()
	c := exec.Command(filepath.Join(s.Bin, "rclone"), "--config", filepath.Join(home, "rclone.conf"), "check", "dc1:files", "dc2:files",
		"--differ", "-", "--missing-on-dst", "-", "--missing-on-src", "-")
	c.Env = os.Environ()
	for _, site := range s.Sites {
		prefix := "RCLONE_CONFIG_" + strings.ToUpper(string(site.Name)) + "_"
		access, secret := site.keys(t)
		c.Env = append(c.Env, prefix+"TYPE=s3", prefix+"PROVIDER=Minio", prefix+"ENDPOINT="+site.URL, prefix+"ACCESS_KEY_ID="+access, prefix+"SECRET_ACCESS_KEY="+secret)
	}
	out, err := c.Output()
	if err == nil {
		t.Error("rclone finds no difference")
	}
	return string(out)
}
