package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/georedkit/georedkit/internal/lab/cgroup"
)

// Dead lists the laboratories of which only cgroups are left.
func Dead() ([]string, error) {
	tree, err := cgroup.Detect()
	if err != nil {
		return nil, err
	}
	groups, err := tree.Names(groupPrefix)
	if err != nil {
		return nil, err
	}
	var dead []string
	for _, group := range groups {
		if name := strings.TrimPrefix(group, groupPrefix); !alive(name) {
			dead = append(dead, name)
		}
	}
	return dead, nil
}

// Sweep removes what dead supervisors left, and says what. Mounts and networks end with the processes.
func Sweep() ([]string, error) {
	tree, err := cgroup.Detect()
	if err != nil {
		return nil, err
	}
	dead, err := Dead()
	var swept []string
	for _, name := range dead {
		if failure := cgroup.Destroy(tree, groupPrefix+name); failure != nil {
			err = errors.Join(err, failure)
			continue
		}
		swept = append(swept, name)
	}
	return swept, err
}

// Down ends a laboratory whether its supervisor lives or not. With purge its folder goes too; the supervisor
// knows which one, for a dead laboratory it is the one given.
func Down(ctx context.Context, name, dir string, purge bool) error {
	client := NewClient(name)
	status, err := client.Status(ctx)
	if err == nil {
		dir = status.Dir
		err = client.Down(ctx)
	}
	if err != nil && !errors.Is(err, ErrNotRunning) {
		return err
	}
	// What a dead supervisor left, or a living one could not remove.
	tree, err := cgroup.Detect()
	if err != nil {
		return err
	}
	if err := cgroup.Destroy(tree, groupPrefix+name); err != nil || !purge {
		return err
	}
	return folder(dir).purge()
}

// purge removes the folder, if it is one of a laboratory.
func (f folder) purge() error {
	if _, err := os.Stat(string(f)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	lock, err := f.open()
	if err != nil {
		return err
	}
	defer lock.Close()
	if _, err := os.Stat(f.memory()); err != nil {
		return fmt.Errorf("folder %s: not a laboratory's, left as it is: %w", f, err)
	}
	return os.RemoveAll(string(f))
}
