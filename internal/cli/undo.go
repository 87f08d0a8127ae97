package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/georedkit/georedkit/geored"
)

// undo takes back what the journal says was done. What has to stay makes it incomplete.
func (s *session) undo(ctx context.Context, book geored.Runbook, c geored.RunConfig) (int, error) {
	last, err := geored.LastRun(ctx, c.Journal)
	if err != nil {
		return ExitUsage, err
	}
	if last.Interrupted() && last.Undo {
		c.RunID = last.Run
		s.screen.printf("  going on with taking back what was begun at %s\n", last.Begun.Local().Format(time.DateTime))
	}
	result, err := book.Undo(ctx, c)
	s.document.Run = result
	if werr := s.writeUndone(result); err == nil && werr != nil {
		return ExitUnknown, werr
	}
	code, err := s.ended(ctx, result, err)
	if code == ExitPass && result.Count(geored.Kept) > 0 {
		code = ExitUnknown
	}
	return code, err
}

func (s *session) writeUndone(r geored.Result) error {
	s.screen.clear()
	type line struct {
		Step   geored.StepID   `json:"step"`
		Site   geored.SiteName `json:"site,omitempty"`
		Status geored.Status   `json:"status"`
		Detail string          `json:"detail,omitempty"`
	}
	lines := make([]line, len(r.Outcomes))
	for i, o := range r.Outcomes {
		lines[i] = line{o.ID, o.Site, o.Status, o.Detail}
	}
	if s.Output == "json" {
		encoder := json.NewEncoder(s.stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(lines)
	}
	for _, l := range lines {
		if _, err := fmt.Fprintf(s.stdout, "%-9s %s  %s\n", l.Status, l.Step, l.Detail); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(s.stdout, "UNDO  %d steps: %d taken back, %d kept, %d with nothing to take back, %d failed\n",
		len(lines), r.Count(geored.Undone), r.Count(geored.Kept), r.Count(geored.Unchanged), r.Count(geored.Failed))
	return err
}
