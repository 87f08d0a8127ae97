package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// Where the drills write what they saw, and the table that is made of it.
const (
	drillsJSON  = "../../docs/drills.json"
	drillsTable = "../../docs/drills.md"
)

// drilled is what one drill saw. Drills write it themselves, each its own row.
type drilled struct {
	Drill     string    `json:"drill"`
	Date      time.Time `json:"date"`
	Fault     string    `json:"fault"`
	Lasted    string    `json:"lasted"`
	Guide     string    `json:"guide"`     // what its checks said while it lasted
	Ours      string    `json:"ours"`      // what this program's said of the same
	After     string    `json:"after"`     // where they disagree once all was recovered
	Recovery  string    `json:"recovery"`  // the steps that changed something
	Proof     string    `json:"proof"`     // the verdict, and what is lost
	Measured  string    `json:"measured"`  // RPO and RTO, with their bounds
	ToVerdict string    `json:"toVerdict"` // from the mend to the end of the program
	Load      string    `json:"load"`      // of the machine, as the drill ended
	Green     bool      `json:"green"`     // whether all was as the drill expects
}

func readDrilled() ([]drilled, error) {
	text, err := os.ReadFile(drillsJSON)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var rows []drilled
	if err == nil {
		err = json.Unmarshal(text, &rows)
	}
	return rows, err
}

// keep puts a drill's row in the place of its last one, and makes the table anew.
func (d drilled) keep(order []string) error {
	rows, err := readDrilled()
	if err != nil {
		return err
	}
	rows = append(slices.DeleteFunc(rows, func(other drilled) bool { return other.Drill == d.Drill }), d)
	slices.SortStableFunc(rows, func(a, b drilled) int {
		return slices.Index(order, a.Drill) - slices.Index(order, b.Drill)
	})
	var text bytes.Buffer
	lines := json.NewEncoder(&text)
	lines.SetEscapeHTML(false)
	lines.SetIndent("", "  ")
	if err := lines.Encode(rows); err != nil {
		return err
	}
	page, err := os.ReadFile(drillsTable)
	if err != nil {
		return err
	}
	page, err = withTable(page, rows)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(drillsJSON, text.Bytes(), 0o644), os.WriteFile(drillsTable, page, 0o644))
}

// Marks in the page between which the table stands.
const (
	tableBegins = "<!-- written by the drills -->\n"
	tableEnds   = "<!-- end -->\n"
)

func withTable(page []byte, rows []drilled) ([]byte, error) {
	before, rest, ok := strings.Cut(string(page), tableBegins)
	_, after, ok2 := strings.Cut(rest, tableEnds)
	if !ok || !ok2 {
		return nil, fmt.Errorf("%s has no place for the table", drillsTable)
	}
	return []byte(before + tableBegins + tableOf(rows) + tableEnds + after), nil
}

func tableOf(rows []drilled) string {
	var text strings.Builder
	text.WriteString("| Drill | Fault | The guide's checks meanwhile | Ours | What recovery did | Proof | Measured | Mend to verdict | When, at load |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, d := range rows {
		name := d.Drill
		if !d.Green {
			name += " **(not as expected)**"
		}
		cells := []string{name, d.Fault + ", " + d.Lasted, d.Guide, d.Ours, d.Recovery, d.Proof, d.Measured, d.ToVerdict, d.Date.UTC().Format("2006-01-02 15:04") + ", " + d.Load}
		if d.After != "" {
			cells[3] += "; afterwards they disagree: " + d.After
		}
		for _, cell := range cells {
			text.WriteString("| " + strings.ReplaceAll(strings.ReplaceAll(cell, "|", `\|`), "\n", " ") + " ")
		}
		text.WriteString("|\n")
	}
	return text.String()
}

// The page shows what the drills wrote, and nothing that somebody wrote in its place.
func TestTableIsOfTheDrills(t *testing.T) {
	rows, err := readDrilled()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 {
		t.Fatal("no drill has left its row")
	}
	page, err := os.ReadFile(drillsTable)
	if err != nil {
		t.Fatal(err)
	}
	want, err := withTable(page, rows)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(page, want) {
		t.Errorf("%s is not what %s says", drillsTable, drillsJSON)
	}
	if rows[0].Green = !rows[0].Green; bytes.Equal(page, must(withTable(page, rows))) {
		t.Error("the table does not say whether a drill was as expected")
	}
}

func must(page []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return page
}
