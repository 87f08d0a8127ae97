package geored

import "fmt"

// Verdict is what a check found. The zero value is invalid and counts as [Unknown].
type Verdict string

// The verdicts.
const (
	Pass    Verdict = "pass"    // shown to be as it should
	Warn    Verdict = "warn"    // works, but somebody should look at it
	Fail    Verdict = "fail"    // shown to be not as it should
	Unknown Verdict = "unknown" // could not be told; never counts as pass
	Skipped Verdict = "skipped" // does not apply here; the message says why
)

// Join is the verdict over all: any fail is fail, else any unknown is unknown, else any warn is warn, else pass.
// Skipped counts as nothing, so that nothing at all, or skipped alone, is unknown.
func Join(verdicts ...Verdict) Verdict {
	joined := Skipped
	for _, v := range verdicts {
		if weight(v) > weight(joined) {
			joined = v
		}
	}
	if joined == Skipped || weight(joined) == weight(Unknown) {
		return Unknown
	}
	return joined
}

func weight(v Verdict) int {
	switch v {
	case Skipped:
		return 0
	case Pass:
		return 1
	case Warn:
		return 2
	case Fail:
		return 4
	}
	return 3
}

// UnmarshalText reads a verdict; any other word is an error.
func (v *Verdict) UnmarshalText(text []byte) error {
	switch read := Verdict(text); read {
	case Pass, Warn, Fail, Unknown, Skipped:
		*v = read
		return nil
	}
	return fmt.Errorf("verdict %q is none of pass, warn, fail, unknown, skipped", text)
}
