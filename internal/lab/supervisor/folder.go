package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/georedkit/georedkit/internal/lab/wholefile"
)

// folder is where a laboratory keeps what outlives its processes.
type folder string

// DefaultFolder is the folder of a laboratory that names none.
func DefaultFolder(name string) (string, error) {
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "georedkit", "labs", name), err
}

func (f folder) path(elements ...string) string {
	return filepath.Join(append([]string{string(f)}, elements...)...)
}

func (f folder) ready() string                    { return f.path("ready.json") }
func (f folder) topology() string                 { return f.path("topology.yaml") }
func (f folder) events() string                   { return f.path("events.jsonl") }
func (f folder) kubeconfig(site string) string    { return f.path(site + ".kubeconfig") }
func (f folder) site(site string) string          { return f.path(site) }
func (f folder) node(site, node string) string    { return f.path(site, node) }
func (f folder) kiloKey(site, node string) string { return f.path(site, node, "kilo", "key") }
func (f folder) memory() string                   { return f.path("laboratory.json") }
func (f folder) images() string                   { return f.path("images.tar") }
func (f folder) certificates(site string) string  { return f.path(site, "pki") }
func (f folder) serviceAccounts(site string) string {
	return filepath.Join(f.certificates(site), serviceAccounts+".key")
}
func (f folder) completed(site string) string { return f.path(site, "completed") }

// open makes the folder and keeps a second laboratory out of it until the file is closed.
func (f folder) open() (*os.File, error) {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(f.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		return nil, fmt.Errorf("folder %s: another laboratory uses it: %w", f, err)
	}
	return file, nil
}

// memory is what a laboratory must know of its earlier life in the same folder.
type memory struct {
	Sites     []string
	Nodes     int
	Ports     map[string]int // of the API servers on this machine
	ChartPort int            // of the chart repository
}

// recall reads the memory. Sites cannot change: their addresses are in certificates and objects.
func (f folder) recall(sites []string, nodes int) (memory, error) {
	fresh := memory{Sites: sites, Nodes: nodes, Ports: map[string]int{}}
	text, err := os.ReadFile(f.memory())
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return memory{}, err
	}
	var m memory
	if err := json.Unmarshal(text, &m); err != nil {
		return memory{}, fmt.Errorf("%s: %w", f.memory(), err)
	}
	if !slices.Equal(m.Sites, sites) || m.Nodes != nodes {
		return memory{}, fmt.Errorf("folder %s holds a laboratory with sites %v of %d nodes, not %v of %d: use these, or remove it with down -purge",
			f, m.Sites, m.Nodes, sites, nodes)
	}
	return m, nil
}

func (f folder) remember(m memory) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return wholefile.Write(f.memory(), text, 0o600)
}
