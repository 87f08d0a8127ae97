package geored

import "errors"

// Retriable marks an error as worth another try: nothing was changed, or trying again is harmless.
func Retriable(err error) error {
	if err == nil {
		return nil
	}
	return retriableError{err}
}

type retriableError struct{ error }

func (e retriableError) Unwrap() error   { return e.error }
func (e retriableError) Retriable() bool { return true }

// IsRetriable says whether any error in err's chain calls itself retriable by a method Retriable() bool.
func IsRetriable(err error) bool {
	var r interface{ Retriable() bool }
	return errors.As(err, &r) && r.Retriable()
}
