package geored

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
)

// FileLock keeps other processes of one machine away. The operating system gives it back when the process dies, so that
// a run that was killed can go on at once. On a file system over a network it is worth what that makes of file locks.
type FileLock struct {
	path   string
	holder Holder

	mu   sync.Mutex
	file *os.File // nil: not held
}

// NewFileLock is a runner's claim to the lock at path. It does not take it. Who holds it stands in a file beside it,
// path.holder.
func NewFileLock(path string, holder Holder) *FileLock { return &FileLock{path: path, holder: holder} }

// Acquire takes the lock. It does not wait for it.
func (l *FileLock) Acquire(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		return l.held()
	}
	file, err := openLocked(l.path)
	if errors.Is(err, ErrHeld) {
		return l.held()
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", l.path, err)
	}
	text, err := json.Marshal(l.holder)
	if err == nil {
		err = os.WriteFile(l.path+".holder", text, 0o600)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("lock %s: %w", l.path, err), file.Close())
	}
	l.file = file
	return nil
}

// held says what the holder wrote about itself. One that has only just begun may not have written anything yet.
func (l *FileLock) held() error {
	e := &HeldError{Where: "lock " + l.path}
	if text, err := os.ReadFile(l.path + ".holder"); err == nil {
		_ = json.Unmarshal(text, &e.Holder) // it is held whatever the file says
	}
	return e
}

// Check says whether the lock is still the file that lies at its path: one that somebody removed or replaced keeps
// nobody away.
func (l *FileLock) Check(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return fmt.Errorf("lock %s: it was not taken: %w", l.path, ErrLockLost)
	}
	mine, err := l.file.Stat()
	if err != nil {
		return fmt.Errorf("lock %s: %w: %w", l.path, err, ErrLockLost)
	}
	there, err := os.Stat(l.path)
	if err != nil || !os.SameFile(mine, there) {
		return fmt.Errorf("lock %s: somebody removed or replaced it: %w", l.path, ErrLockLost)
	}
	return nil
}

// Release gives the lock back. The file stays: who removed it could take it from somebody else.
func (l *FileLock) Release(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}
