package ice

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// Backup is what was saved before an upgrade: one entry for each store (ICE guide, 6, notes).
type Backup struct {
	Store  string    // one of [BackupStores]
	Time   time.Time // when it was taken
	Digest string    // of what was saved: sha256:…
}

// BackupStores are the stores of which a backup must tell; the search index is made from Cassandra, and records of Kafka are
// on their way.
func BackupStores() []string { return []string{"cassandra", "minio"} }

type backupFile struct {
	Backups []struct {
		Store  string `yaml:"store"`
		Time   string `yaml:"time"`
		Digest string `yaml:"digest"`
	} `yaml:"backups"`
}

// oldestBackup, when the upgrade begins, is the age beyond which a backup is not one from before this upgrade.
const oldestBackup = 24 * time.Hour

var backupDigest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// ParseBackup reads the file of -backup. The error is geored.Faults.
func ParseBackup(text []byte, now time.Time) ([]Backup, error) {
	var file backupFile
	faults := geored.Decode(text, &file)
	for i := range faults {
		faults[i].Field = strings.TrimSpace("-backup: " + faults[i].Field)
	}
	fault := func(field, value, problem, remedy string) {
		faults = append(faults, geored.Fault{Field: "-backup: " + field, Value: value, Problem: problem, Remedy: remedy})
	}
	var all []Backup
	for i, b := range file.Backups {
		at := fmt.Sprintf("backups[%d].", i)
		taken, err := time.Parse(time.RFC3339, b.Time)
		switch {
		case err != nil:
			fault(at+"time", b.Time, "is no time as RFC 3339 has it", "write something like 2026-11-21T17:00:00Z")
		case taken.After(now):
			fault(at+"time", b.Time, "is in the future", "look at the clocks")
		}
		if !backupDigest.MatchString(b.Digest) {
			fault(at+"digest", b.Digest, "is no digest", "write sha256: and 64 hexadecimal digits, as sha256sum prints them")
		}
		if !slices.Contains(BackupStores(), b.Store) {
			fault(at+"store", b.Store, "is none of "+strings.Join(BackupStores(), ", "), "name one of them")
		}
		all = append(all, Backup{b.Store, taken, b.Digest})
	}
	for _, store := range BackupStores() {
		if !slices.ContainsFunc(all, func(b Backup) bool { return b.Store == store }) {
			fault("backups", "", "tell nothing of "+store, "add it, or confirm that there is none")
		}
	}
	return all, faults.Err()
}

// tooOld are the backups from long before an upgrade that begins now. The error is geored.Faults.
func tooOld(backups []Backup, now time.Time) error {
	var faults geored.Faults
	for _, b := range backups {
		if now.Sub(b.Time) > oldestBackup {
			faults = append(faults, geored.Fault{Field: "-backup: time of " + b.Store, Value: b.Time.UTC().Format(time.RFC3339),
				Problem: fmt.Sprintf("is more than %s ago: what was written since would be lost", oldestBackup), Remedy: "take another backup"})
		}
	}
	return faults.Err()
}
