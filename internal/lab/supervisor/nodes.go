package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/georedkit/georedkit/internal/lab/config"
)

// Faults of a single node.

// loseNode is the power cut of one node.
func (l *Laboratory) loseNode(_ context.Context, args []string) ([]string, error) {
	s, i, err := l.nodeOf(args[0])
	if err != nil {
		return nil, err
	}
	n := s.plan.Nodes[i]
	if i == 0 {
		return nil, fmt.Errorf("node %s: runs the control plane; stop the site instead", n.Name)
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	machines := slices.Clone(s.running())
	if machines == nil || machines[i] == nil {
		return nil, fmt.Errorf("node %s: does not run", n.Name)
	}
	group := l.nodeGroup(s.plan, n)
	errs := []error{l.destroy(group)}
	machines[i].kill()
	machines[i] = nil
	s.machines.Store(&machines)
	if err := errors.Join(append(errs, l.fabric.Unplug(s.plan, n))...); err != nil {
		return nil, fmt.Errorf("node %s: %w", n.Name, err)
	}
	l.note("lose-node "+args[0], true)
	return []string{"no process is left"}, nil
}

func (l *Laboratory) returnNode(ctx context.Context, args []string) ([]string, error) {
	s, i, err := l.nodeOf(args[0])
	if err != nil {
		return nil, err
	}
	n := s.plan.Nodes[i]
	s.changing.Lock()
	defer s.changing.Unlock()
	machines := slices.Clone(s.running())
	if machines == nil || machines[i] != nil {
		return nil, fmt.Errorf("node %s: is not lost", n.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	started := time.Now()
	if machines[i], err = s.startNode(n, fail); err != nil {
		return nil, err
	}
	s.machines.Store(&machines)
	api, err := s.api()
	if err != nil {
		return nil, err
	}
	// Somebody may have taken it out of the cluster meanwhile: then it joins anew.
	if err := createNode(ctx, api, n); err != nil {
		return nil, err
	}
	if err := s.await(ctx, i, config.Kubelet, func() error { return nodeReady(ctx, api, n.Name, started) }); err != nil {
		return nil, err
	}
	l.note("lose-node "+args[0], false)
	return []string{"node ready"}, nil
}

// newKey takes the mesh's private key from a node, as when it is installed anew: Kilo makes another one.
func (l *Laboratory) newKey(ctx context.Context, args []string) ([]string, error) {
	return l.exchangeKey(ctx, args[0], true)
}

// oldKey gives the node its first key back.
func (l *Laboratory) oldKey(ctx context.Context, args []string) ([]string, error) {
	return l.exchangeKey(ctx, args[0], false)
}

func (l *Laboratory) exchangeKey(ctx context.Context, target string, away bool) ([]string, error) {
	s, i, err := l.nodeOf(target)
	if err != nil {
		return nil, err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	n := s.plan.Nodes[i]
	key := l.folder.kiloKey(s.plan.Name, n.Name)
	kept := key + ".before"
	before, err := publicKey(key)
	if err != nil {
		return nil, fmt.Errorf("node %s: Kilo's key: %w", n.Name, err)
	}
	if _, err := os.Stat(kept); away && errors.Is(err, fs.ErrNotExist) {
		err = os.Rename(key, kept)
		if err != nil {
			return nil, err
		}
	} else if away {
		if err := os.Remove(key); err != nil {
			return nil, err
		}
	} else if err := os.Rename(kept, key); err != nil {
		return nil, fmt.Errorf("node %s: has the key that it always had: %w", n.Name, err)
	}
	// Killed and not ended: it has no time to take its annotations back.
	if _, err := s.signal(n.Name, "kilo", syscall.SIGKILL); err != nil {
		return nil, fmt.Errorf("node %s: %w", n.Name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var after wgtypes.Key
	err = s.await(ctx, i, "", func() (err error) {
		after, err = publicKey(key)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("a new key: %w", err)
	}
	if after == before {
		return nil, fmt.Errorf("node %s: still has the key %s", n.Name, before)
	}
	l.note("new-key "+s.plan.Name+"/"+n.Name, away)
	return []string{fmt.Sprintf("public key %s became %s", before, after)}, nil
}

func publicKey(path string) (wgtypes.Key, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return wgtypes.Key{}, err
	}
	private, err := wgtypes.ParseKey(string(text))
	if err != nil {
		return wgtypes.Key{}, errors.New("is none") // the error would quote it
	}
	return private.PublicKey(), nil
}
