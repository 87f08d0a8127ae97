package creds

import "regexp"

var subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

// isSubdomain says whether text is a name that Kubernetes takes for Secrets and service accounts.
func isSubdomain(text string) bool { return len(text) <= 253 && subdomain.MatchString(text) }
