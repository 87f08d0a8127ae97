// Package labtest tries a real laboratory out, from outside: through its command and its API servers.
//
// It is a module of its own, so that the laboratory's command needs no Kubernetes library. Run it with -count=1:
// the go command does not see that the laboratory's sources changed.
package labtest
