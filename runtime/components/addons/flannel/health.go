package flannel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"
)

// health answers the kubelet's probes: /healthz while the process runs,
// /readyz once the network carries traffic.
type health struct {
	address string
	ready   atomic.Bool
}

func newHealth(address string) *health {
	return &health{address: address}
}

// serve listens until the context ends; an address that is taken is an error
// at once.
func (h *health) serve(ctx context.Context, wg *sync.WaitGroup) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", h.address)
	if err != nil {
		return fmt.Errorf("serve health on %s: %w", h.address, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !h.ready.Load() {
			http.Error(w, "the pod network is being set up", http.StatusServiceUnavailable)
		}
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	wg.Go(func() {
		if err := server.Serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
			klog.ErrorS(err, "health server ends")
		}
	})
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return nil
}
