package servers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/georedkit/georedkit/internal/lab/compile"
)

// Jars has Maven fetch what the pom of a build folder names, and gives the folder that holds the jars. They are kept
// for the next time, as long as the pom stays the same.
func Jars(ctx context.Context, build string) (string, error) {
	source, err := compile.Folder()
	if err != nil {
		return "", err
	}
	pom, err := os.ReadFile(filepath.Join(source, "build", build, "pom.xml"))
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(pom)
	folder := filepath.Join(cache, "georedkit", "lab", build+"-"+hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return "", err
	}
	unfinished, err := os.MkdirTemp(filepath.Dir(folder), build+"-unfinished-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(unfinished)
	fetch := exec.CommandContext(ctx, "mvn", "-B", "-q", "dependency:copy-dependencies", "-DoutputDirectory="+filepath.Join(unfinished, "lib"))
	fetch.Dir = unfinished
	if err := os.WriteFile(filepath.Join(unfinished, "pom.xml"), pom, 0o644); err != nil {
		return "", err
	}
	if output, err := fetch.CombinedOutput(); err != nil {
		return "", fmt.Errorf("mvn for %s: %w\n%s", build, err, output)
	}
	// Whoever comes second finds the folder there and takes the first one's.
	if err := os.Rename(filepath.Join(unfinished, "lib"), folder); err != nil {
		if _, there := os.Stat(folder); there != nil {
			return "", err
		}
	}
	return folder, nil
}
