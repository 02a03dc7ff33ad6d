package kube

import (
	"os"
	"sync"
	"time"
)

// File is a connection by a kubeconfig that may be renewed: the client in it is
// made anew when the file has changed. It may be used by several goroutines.
type File struct {
	// Path is that of the kubeconfig.
	Path string

	mu       sync.Mutex
	client   *Client
	modified time.Time
}

// Client is the connection by the file as it is now.
func (f *File) Client() (*Client, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.Path)
	if err == nil && f.client != nil && info.ModTime().Equal(f.modified) {
		return f.client, nil
	}
	client, openErr := Open(f.Path)
	if openErr != nil {
		return nil, openErr
	}
	if err == nil {
		f.client, f.modified = client, info.ModTime()
	}
	return client, nil
}
