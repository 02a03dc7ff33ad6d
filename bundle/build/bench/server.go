package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log" //nolint:depguard // what servers of the library take
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"
)

// serving is what the server tells who started it.
type serving struct {
	Host string `json:"host"`
	// Images are references.
	Images []string `json:"images"`
	// Blobs are bytes.
	Blobs int64 `json:"blobs"`
}

// counts are the requests since they were last asked for, by kind.
type counts struct {
	Head      int   `json:"head"`
	Manifests int   `json:"manifests"`
	Blobs     int   `json:"blobs"`
	Others    int   `json:"others"`
	Bytes     int64 `json:"bytes"`
}

func (c counts) requests() int { return c.Head + c.Manifests + c.Blobs + c.Others }

// newServeCommand makes images and serves them until its input ends, which it
// does when the benchmark does, however that may be. It is a process of its own
// so that the benchmark stays small: the peak of a child's memory counts from
// that of its parent.
func newServeCommand() *cobra.Command {
	var folder string
	var images int
	var size int64
	var large bool
	command := &cobra.Command{
		Use: "serve", Hidden: true, Short: "Serve images until the input ends", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			m, err := newMaker(folder)
			if err == nil && large {
				err = m.large(images, size)
			} else if err == nil {
				err = m.realistic(images, size)
			}
			if err != nil {
				return fmt.Errorf("make images: %w", err)
			}
			return serve(command, m)
		},
	}
	flags := command.Flags()
	flags.StringVar(&folder, "folder", "", "where the blobs are written")
	flags.IntVar(&images, "images", 0, "how many")
	flags.Int64Var(&size, "size", 0, "bytes of all, or of each large one")
	flags.BoolVar(&large, "large", false, "one layer each, with holes")
	return command
}

func serve(command *cobra.Command, m *maker) error {
	quiet := log.New(io.Discard, "", 0)
	s := &server{registry: registry.New(registry.WithBlobHandler(files(m.folder)), registry.Logger(quiet))}
	if err := s.add(command.Context(), m.manifests); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(command.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	told := serving{Host: listener.Addr().String(), Blobs: m.blobs}
	for _, name := range m.names {
		told.Images = append(told.Images, told.Host+"/"+name)
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute, ErrorLog: quiet}
	go func() {
		_, _ = io.Copy(io.Discard, command.InOrStdin())
		_ = server.Close()
	}()
	if err := json.NewEncoder(command.OutOrStdout()).Encode(told); err != nil {
		return err
	}
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// files are blobs in a folder. Unlike those of the library they are not hashed
// again at every request, which no registry does.
type files string

func (f files) path(digest v1.Hash) string {
	return filepath.Join(string(f), digest.Algorithm, digest.Hex)
}

// Stat returns the size of a blob.
func (f files) Stat(_ context.Context, _ string, digest v1.Hash) (int64, error) {
	info, err := os.Stat(f.path(digest))
	if err != nil {
		return 0, registry.ErrNotFound
	}
	return info.Size(), nil
}

// Get opens a blob.
func (f files) Get(_ context.Context, _ string, digest v1.Hash) (io.ReadCloser, error) {
	return os.Open(f.path(digest))
}

// Put keeps a blob that was pushed.
func (f files) Put(_ context.Context, _ string, digest v1.Hash, content io.ReadCloser) error {
	defer content.Close()
	file, err := renameio.NewPendingFile(f.path(digest))
	if err != nil {
		return err
	}
	defer func() { _ = file.Cleanup() }() // does nothing when it has its name
	if _, err := io.Copy(file, content); err != nil {
		return err
	}
	return file.CloseAtomicallyReplace()
}

// server answers late, and counts.
type server struct {
	registry http.Handler

	lock    sync.Mutex
	latency time.Duration
	counts  counts
}

// add gives the registry manifests.
func (s *server) add(ctx context.Context, manifests []tagged) error {
	for _, manifest := range manifests {
		address := fmt.Sprintf("/v2/%s/manifests/%s", manifest.repository, manifest.tag)
		request, err := http.NewRequestWithContext(ctx, http.MethodPut, address, bytes.NewReader(manifest.content))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", string(manifest.mediaType))
		answer := httptest.NewRecorder()
		s.registry.ServeHTTP(answer, request)
		if answer.Code != http.StatusCreated {
			return fmt.Errorf("put %s: %s", address, answer.Body)
		}
	}
	return nil
}

// ServeHTTP is the registry; /counts?latency=20ms begins to count anew.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/counts" {
		s.lock.Lock()
		defer s.lock.Unlock()
		_ = json.NewEncoder(w).Encode(s.counts)
		s.counts = counts{}
		s.latency, _ = time.ParseDuration(r.URL.Query().Get("latency"))
		return
	}
	s.lock.Lock()
	s.counts.add(r)
	latency := s.latency
	s.lock.Unlock()
	select {
	case <-time.After(latency):
	case <-r.Context().Done():
		return
	}
	counted := &counter{ResponseWriter: w}
	s.registry.ServeHTTP(counted, r)
	s.lock.Lock()
	s.counts.Bytes += counted.bytes
	s.lock.Unlock()
}

func (c *counts) add(r *http.Request) {
	switch {
	case r.Method == http.MethodHead:
		c.Head++
	case strings.Contains(r.URL.Path, "/manifests/"):
		c.Manifests++
	case strings.Contains(r.URL.Path, "/blobs/"):
		c.Blobs++
	default:
		c.Others++
	}
}

// counter counts the bytes of an answer.
type counter struct {
	http.ResponseWriter
	bytes int64
}

// Write sends bytes.
func (c *counter) Write(content []byte) (int, error) {
	n, err := c.ResponseWriter.Write(content)
	c.bytes += int64(n)
	return n, err
}

// ReadFrom lets the kernel send files.
func (c *counter) ReadFrom(from io.Reader) (int64, error) {
	n, err := io.Copy(c.ResponseWriter, from)
	c.bytes += n
	return n, err
}
