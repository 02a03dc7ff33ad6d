package manifest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
)

// Folder is a Fetcher of files in a manifest's folder and of addresses. It may
// be used by several goroutines.
type Folder struct {
	// Root is the folder. Links that lead out of it are not followed. Whoever
	// opened it closes it.
	Root *os.Root
	// Client gets addresses; nil refuses them. It should have a timeout, unless
	// the context has one.
	Client *http.Client
}

// File opens a regular file of the folder.
func (f Folder) File(_ context.Context, name string) (io.ReadCloser, error) {
	name = filepath.FromSlash(name)
	// Opening a pipe would wait for its writer.
	info, err := f.Root.Stat(name)
	if err != nil {
		return nil, plainPathError(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	file, err := f.Root.Open(name)
	if err != nil {
		return nil, plainPathError(err)
	}
	return file, nil
}

// plainPathError leaves out the path, which the reference has.
func plainPathError(err error) error {
	if of, ok := errors.AsType[*os.PathError](err); ok {
		return of.Err
	}
	return err
}

// URL gets an address; an answer other than 200 is an error.
func (f Folder) URL(ctx context.Context, address *url.URL) (io.ReadCloser, error) {
	if f.Client == nil {
		return nil, errors.New("addresses are not fetched here")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return nil, err
	}
	response, err := f.Client.Do(request)
	if err != nil {
		if of, ok := errors.AsType[*url.Error](err); ok {
			err = of.Err // the address is known, and may have a password
		}
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close()
		return nil, fmt.Errorf("the server answered %s", response.Status)
	}
	return response.Body, nil
}
