package servers

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// control listens for faults until the set is stopped, and gives the address: POST brings one about, another method takes
// it away. They come one at a time; one that cannot be is a bad request.
func (s *Set) control(fault func(*http.Request) error) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	var one sync.Mutex
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one.Lock()
		defer one.Unlock()
		if err := fault(r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})}
	go func() { _ = server.Serve(listener) }()
	s.AfterStop(func() { _ = server.Close() })
	return "http://" + listener.Addr().String(), nil
}
