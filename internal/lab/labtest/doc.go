// Package labtest tries a real laboratory out, from outside: through its command and its API servers.
//
// It is a module of its own, so that the laboratory's command needs no Kubernetes library.
package labtest
