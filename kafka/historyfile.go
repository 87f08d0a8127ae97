package kafka

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// HistoryFile keeps a [History] in one file of JSON, written whole or not at all. It is for one process at a time.
type HistoryFile struct{ Path string }

// Load reads the history. A file that does not exist is an empty one.
func (f HistoryFile) Load() (History, error) {
	data, err := os.ReadFile(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return History{}, nil
	}
	if err != nil {
		return History{}, fmt.Errorf("history: %w", err)
	}
	h, err := ParseHistory(data)
	if err != nil {
		return History{}, fmt.Errorf("history %s: %w", f.Path, err)
	}
	return h, nil
}

// Save writes the history, readable by its owner alone.
func (f HistoryFile) Save(h History) error {
	data, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	temporary, err := os.CreateTemp(filepath.Dir(f.Path), filepath.Base(f.Path)+".*")
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	_, err = temporary.Write(data)
	err = errors.Join(err, temporary.Sync(), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), f.Path)
	}
	if err != nil {
		return fmt.Errorf("history: %w", errors.Join(err, os.Remove(temporary.Name())))
	}
	return nil
}

// ParseHistory reads what encoding/json wrote of a [History].
func ParseHistory(data []byte) (History, error) {
	var h History
	if err := json.Unmarshal(data, &h); err != nil {
		return History{}, err
	}
	return h, nil
}
