package geored

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"os"
	"strconv"
	"sync"
)

// FileJournal keeps records in one file: a line of JSON each, behind its checksum. Appends that come at the same time
// share one write and one sync to the disk. It is for one process at a time; a [Lock] keeps others away.
type FileJournal struct {
	path string
	file *os.File

	mu       sync.Mutex
	flushed  *sync.Cond
	pending  []byte // lines that wait for the next write
	appended uint64 // lines handed in
	synced   uint64 // lines that are on the disk
	flushing bool
	err      error // the first failed write; the journal accepts nothing after it
}

// ErrJournalCorrupt is the error of a journal with a line that is not what was written.
var ErrJournalCorrupt = errors.New("journal is corrupt")

// OpenFileJournal opens or makes the journal at path, readable by its owner alone. A last line that a crash cut off is
// taken away; any other line that does not match its checksum is [ErrJournalCorrupt], with its number.
func OpenFileJournal(path string) (*FileJournal, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	j := &FileJournal{path: path, file: file}
	j.flushed = sync.NewCond(&j.mu)
	if err := j.trim(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return j, nil
}

// trim verifies the file and leaves it ending behind its last whole line.
func (j *FileJournal) trim() error {
	var end int64
	for line, err := range lines(j.file) {
		if err != nil {
			return fmt.Errorf("journal %s: %w", j.path, err)
		}
		end += int64(line.size)
	}
	if err := j.file.Truncate(end); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if _, err := j.file.Seek(end, io.SeekStart); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// Append returns when the record is synced to the disk. After one failed write every Append fails: a journal with a
// gap is worse than none.
func (j *FileJournal) Append(_ context.Context, r Record) error {
	line, err := EncodeRecord(r)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	line = append(line, '\n')
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	j.pending = append(j.pending, line...)
	j.appended++
	for mine := j.appended; j.synced < mine && j.err == nil; {
		if j.flushing {
			j.flushed.Wait()
		} else {
			j.flush()
		}
	}
	return j.err
}

// flush writes and syncs what is pending; the lock is given up meanwhile, so that others can line up.
func (j *FileJournal) flush() {
	batch, upTo := j.pending, j.appended
	j.pending, j.flushing = nil, true
	j.mu.Unlock()
	_, err := j.file.Write(batch)
	if err == nil {
		err = j.file.Sync()
	}
	j.mu.Lock()
	j.flushing = false
	if err != nil {
		j.err = fmt.Errorf("journal: %w", err)
	} else {
		j.synced = upTo
	}
	j.flushed.Broadcast()
}

// Records reads the file from its beginning.
func (j *FileJournal) Records(context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		file, err := os.Open(j.path)
		if err != nil {
			yield(Record{}, fmt.Errorf("journal: %w", err))
			return
		}
		defer file.Close()
		for line, err := range lines(file) {
			if err != nil {
				err = fmt.Errorf("journal %s: %w", j.path, err)
			}
			if !yield(line.record, err) || err != nil {
				return
			}
		}
	}
}

// Close closes the file.
func (j *FileJournal) Close() error { return j.file.Close() }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const checksumSize = 9 // eight hexadecimal digits and a space

// EncodeRecord writes a record as one line, behind its checksum and without a line break at its end.
func EncodeRecord(r Record) ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%08x %s", crc32.Checksum(text, castagnoli), text), nil
}

type journalLine struct {
	record Record
	size   int
}

// lines reads whole lines; what stands behind the last line break is left out.
func lines(file io.Reader) iter.Seq2[journalLine, error] {
	return func(yield func(journalLine, error) bool) {
		reader := bufio.NewReader(file)
		for n := 1; ; n++ {
			text, err := reader.ReadBytes('\n')
			if errors.Is(err, io.EOF) {
				return
			}
			line := journalLine{size: len(text)}
			if err == nil {
				line.record, err = DecodeRecord(bytes.TrimSuffix(text, []byte("\n")))
			}
			if err != nil {
				err = fmt.Errorf("line %d: %w", n, err)
			}
			if !yield(line, err) || err != nil {
				return
			}
		}
	}
}

// DecodeRecord reads what [EncodeRecord] wrote. The error wraps [ErrJournalCorrupt].
func DecodeRecord(text []byte) (Record, error) {
	var r Record
	if len(text) < checksumSize || text[checksumSize-1] != ' ' {
		return r, ErrJournalCorrupt
	}
	want, err := strconv.ParseUint(string(text[:checksumSize-1]), 16, 32)
	body := text[checksumSize:]
	if err != nil || crc32.Checksum(body, castagnoli) != uint32(want) {
		return r, ErrJournalCorrupt
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return r, fmt.Errorf("%w: %w", ErrJournalCorrupt, err)
	}
	return r, nil
}
