package cassandra

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// preview is what a node found by Merkle trees: the tables that differ, each with the ranges in which they do, as far as
// the server names them (5.0 does, up to a number of them; 4.1 does not).
type preview map[Table][]Range

const (
	inSync      = "Previewed data was in sync"
	previewDone = "Repair preview completed successfully; "
)

var (
	totalLine = regexp.MustCompile(`^Total estimated streaming: (\d+) ranges, .* bytes$`)
	tableLine = regexp.MustCompile(`^(\w+)\.(\w+) - (\d+) ranges, .* bytes$`)
	rangeText = regexp.MustCompile(`\((-?\d+),(-?\d+)\],?`)
)

const mismatching = "    Mismatching ranges: "

// parsePreview reads the message with which a node ends a preview. See SyncStatSummary.java in Cassandra's
// repair/consistent. What it does not understand is an error, never an agreement.
func parsePreview(message string) (preview, error) {
	said, ok := strings.CutPrefix(message, previewDone)
	if !ok {
		return nil, fmt.Errorf("preview: %q is no end of one", firstLine(message))
	}
	if said == inSync {
		return preview{}, nil
	}
	lines := strings.Split(said, "\n")
	if lines[0] != "Preview complete" || len(lines) < 2 {
		return nil, fmt.Errorf("preview: %q is not understood", firstLine(said))
	}
	total := totalLine.FindStringSubmatch(lines[1])
	if total == nil {
		return nil, fmt.Errorf("preview: %q is not understood", lines[1])
	}
	found, sum, err := parseTables(lines[2:])
	if err == nil && strconv.Itoa(sum) != total[1] {
		err = fmt.Errorf("preview: %s ranges differ in all, and %d of the tables that are named", total[1], sum)
	}
	if err != nil {
		return nil, err
	}
	return found, nil
}

func parseTables(lines []string) (found preview, sum int, err error) {
	found = preview{}
	var last Table
	for _, line := range lines {
		if named, ok := strings.CutPrefix(line, mismatching); ok {
			found[last] = parseRanges(named)
			continue
		}
		m := tableLine.FindStringSubmatch(line)
		if m == nil {
			if line != "" && !strings.HasPrefix(line, "    ") {
				return nil, 0, fmt.Errorf("preview: %q is not understood", line)
			}
			continue
		}
		n, err := strconv.Atoi(m[3])
		if err != nil {
			return nil, 0, fmt.Errorf("preview: %q: %w", line, err)
		}
		if last = (Table{m[1], m[2]}); n > 0 {
			sum, found[last] = sum+n, nil
		}
	}
	return found, sum, nil
}

// parseRanges gives no range unless it understands them all: a list that ends in "..." is not whole.
func parseRanges(text string) []Range {
	var ranges []Range
	if rangeText.ReplaceAllString(text, "") != "" {
		return nil
	}
	for _, m := range rangeText.FindAllStringSubmatch(text, -1) {
		start, err := strconv.ParseInt(m[1], 10, 64)
		end, err2 := strconv.ParseInt(m[2], 10, 64)
		if err != nil || err2 != nil {
			return nil
		}
		ranges = append(ranges, unwrap(Range{start, end})...)
	}
	return ranges
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line[:min(len(line), 200)]
}

// unwrap makes one or two ranges of one that may go on beyond the largest token, as servers write them.
func unwrap(r Range) []Range {
	switch {
	case r.Start < r.End:
		return []Range{r}
	case r.End == everything.Start:
		return []Range{{r.Start, everything.End}}
	case r.Start == everything.End:
		return []Range{{everything.Start, r.End}}
	}
	return []Range{{r.Start, everything.End}, {everything.Start, r.End}}
}

// unite sorts ranges and joins those that touch.
func unite(ranges []Range) []Range {
	ranges = slices.Clone(ranges)
	slices.SortFunc(ranges, Range.compare)
	var united []Range
	for _, r := range ranges {
		if last := len(united) - 1; last >= 0 && r.Start <= united[last].End {
			united[last].End = max(united[last].End, r.End)
		} else {
			united = append(united, r)
		}
	}
	return united
}
