package kafka

import (
	"errors"
	"fmt"

	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/kafka/connect"
)

var remedies = []struct {
	err    error
	remedy string
}{
	{ErrNotAdvertised, "mend advertised.listeners, or the name"},
	{ErrDenied, "allow this user to describe and read the topic, or leave it out of the mirror's topics"},
	{ErrBadCredentials, "give the user and password that these brokers know"},
	{ErrNoSuchTopic, "if it was deleted on purpose, look again; else make it anew and mirror it again"},
	{ErrUnreachable, "look at the way to the brokers and whether they run"},
	{connect.ErrNotFound, "mend the URL: it must lead to the root of Connect's REST API"},
	{connect.ErrDenied, "give the credentials that the worker wants"},
	{connect.ErrUnreachable, "look at the way to the worker and whether it runs"},
}

// Remedy says what to do about an error of brokers or of a worker, or nothing when there is no advice.
func Remedy(err error) string {
	for _, r := range remedies {
		if errors.Is(err, r.err) {
			return r.remedy
		}
	}
	return ""
}

// at says at which site something failed, and what to do about it.
func at(site geored.SiteName, err error) error {
	if remedy := Remedy(err); remedy != "" {
		return fmt.Errorf("site %s: %w; %s", site, err, remedy)
	}
	return fmt.Errorf("site %s: %w", site, err)
}
