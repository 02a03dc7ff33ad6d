package hub

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/renameio/v2"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
)

// smallBlob is the largest blob that goes with the last request of its upload, in
// bytes: it is sent again as a whole if that fails.
const smallBlob = 1 << 20

// errRestart tells that the registry has lost an upload, or has it otherwise.
var errRestart = errors.New("the registry does not continue the upload")

// upload is a blob on its way into a repository.
type upload struct {
	*client
	repository name.Repository
	descriptor v1.Descriptor
	// open opens the contents at any place.
	open func() (io.ReaderAt, io.Closer, error)
	// mount is another repository of the registry that may have the blob, or empty.
	mount string
	// record is the file that remembers where an interrupted upload is; empty for
	// none.
	record string

	location *url.URL
	// sent is how much the registry has, best how much it ever said that it had, and
	// told how much was reported.
	sent, best, told int64
}

// run uploads the blob. What was interrupted, here or in an earlier process, is
// continued where the registry has kept it.
func (u *upload) run(ctx context.Context) error {
	contents, closer, err := u.open()
	if err != nil {
		return err
	}
	defer closer.Close()
	u.recall()
	restarts := 0
	err = u.connection.options.Retry.Do(ctx, func() error {
		before := u.best
		err := u.attempt(ctx, contents)
		if errors.Is(err, errRestart) && restarts < 3 {
			restarts++
			u.location = nil
			err = u.attempt(ctx, contents)
		}
		if err != nil && u.best > before {
			pull.Progressed(err)
		}
		return err
	})
	if err == nil {
		u.tell(u.descriptor.Size)
		u.forget()
	}
	return err
}

// tell reports how much of the blob the registry has.
func (u *upload) tell(sent int64) {
	u.connection.progress(sent-u.told, 0)
	u.told = sent
}

// attempt begins the upload or asks how far it is, and sends the rest.
func (u *upload) attempt(ctx context.Context, contents io.ReaderAt) error {
	if u.location == nil {
		u.sent = 0
		u.tell(0)
		if mounted, err := u.begin(ctx); mounted || err != nil {
			return err
		}
	} else if err := u.ask(ctx); err != nil {
		return err
	}
	if u.descriptor.Size > smallBlob {
		if err := u.send(ctx, contents); err != nil {
			return err
		}
	}
	return u.finish(ctx, contents)
}

// begin asks for a place to send the blob to, or for the blob of another
// repository.
func (u *upload) begin(ctx context.Context) (mounted bool, err error) {
	address := u.url("%s/blobs/uploads/", u.repository.RepositoryStr())
	if u.mount != "" {
		address.RawQuery = url.Values{"mount": {u.descriptor.Digest.String()}, "from": {u.mount}}.Encode()
		u.mount = "" // only the first attempt asks
	}
	response, err := u.once(ctx, call{method: http.MethodPost, address: address}, http.StatusAccepted, http.StatusCreated)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusCreated {
		return true, nil
	}
	return false, u.move(response)
}

// move notes where the upload goes on.
func (u *upload) move(response *http.Response) error {
	location, err := u.sameHost(response, response.Header.Get("Location"))
	if err != nil {
		return err
	}
	u.location = location
	if u.descriptor.Size > smallBlob {
		u.remember()
	}
	return nil
}

// ask asks how much of the blob the registry has.
func (u *upload) ask(ctx context.Context) error {
	response, err := u.once(ctx, call{method: http.MethodGet, address: u.location}, http.StatusNoContent, http.StatusAccepted, http.StatusOK)
	if code := status(err); code >= 400 && code < 500 && code != http.StatusTooManyRequests && code != http.StatusRequestTimeout {
		return errRestart
	}
	if err != nil {
		return err
	}
	defer response.Body.Close()
	sent, err := received(response.Header.Get("Range"))
	if err != nil || sent > u.descriptor.Size {
		return errRestart
	}
	u.sent, u.best = sent, max(u.best, sent)
	u.tell(sent)
	if response.Header.Get("Location") == "" {
		return nil
	}
	return u.move(response)
}

// received reads how many bytes a Range counts. Registries also say 0-0 of
// nothing.
func received(text string) (int64, error) {
	first, last, ok := strings.Cut(strings.TrimPrefix(text, "bytes="), "-")
	if text == "" || last == "0" {
		return 0, nil
	}
	n, err := strconv.ParseInt(last, 10, 64)
	if !ok || first != "0" || err != nil || n < 0 {
		return 0, fmt.Errorf("range %.100q", text)
	}
	return n + 1, nil
}

// send sends what the registry does not have yet.
func (u *upload) send(ctx context.Context, contents io.ReaderAt) error {
	if u.sent == u.descriptor.Size {
		return nil
	}
	rest := u.descriptor.Size - u.sent
	from := u.sent
	body := &counted{
		Reader: io.NewSectionReader(contents, from, rest),
		count:  func(n int64) { u.tell(from + n) },
	}
	response, err := u.once(ctx, call{
		method: http.MethodPatch, address: u.location, body: body, length: rest,
		header: map[string]string{
			"Content-Type": "application/octet-stream", "Content-Range": fmt.Sprintf("%d-%d", u.sent, u.descriptor.Size-1),
		},
	}, http.StatusAccepted, http.StatusNoContent)
	switch code := status(err); code {
	case http.StatusNotFound, http.StatusRequestedRangeNotSatisfiable:
		return errRestart
	}
	if err != nil {
		return err // how much of it arrived, the next attempt asks
	}
	defer response.Body.Close()
	u.sent = u.descriptor.Size
	return u.move(response)
}

// finish says what the blob should be. A small one goes with it.
func (u *upload) finish(ctx context.Context, contents io.ReaderAt) error {
	address := *u.location
	query := address.Query()
	query.Set("digest", u.descriptor.Digest.String())
	address.RawQuery = query.Encode()
	final := call{method: http.MethodPut, address: &address, body: http.NoBody}
	if u.descriptor.Size <= smallBlob {
		if u.descriptor.Size > 0 {
			final.body, final.length = io.NewSectionReader(contents, 0, u.descriptor.Size), u.descriptor.Size
		}
		final.header = map[string]string{"Content-Type": "application/octet-stream"}
		// It is begun again if this fails.
		u.location = nil
	}
	response, err := u.once(ctx, final, http.StatusCreated, http.StatusNoContent)
	if err != nil {
		if code := status(err); u.location != nil && (code == http.StatusNotFound || code == http.StatusRequestedRangeNotSatisfiable) {
			return errRestart
		}
		return err
	}
	return response.Body.Close()
}

// counted tells how much of it was read.
type counted struct {
	io.Reader
	count func(n int64)
	read  int64
}

func (c *counted) Read(content []byte) (int, error) {
	n, err := c.Reader.Read(content)
	c.read += int64(n)
	c.count(c.read)
	return n, err
}

// recordOf is where an upload is remembered.
func recordOf(stateDir string, repository name.Repository, digest v1.Hash) string {
	if stateDir == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(repository.Name() + "\n" + digest.String()))
	return filepath.Join(stateDir, "uploads", fmt.Sprintf("%x", sum))
}

// remember writes where the upload is. Without that a later process begins again,
// which is no failure. Whoever knows the address may add to the upload.
func (u *upload) remember() {
	if u.record == "" || os.MkdirAll(filepath.Dir(u.record), 0o700) != nil {
		return
	}
	_ = renameio.WriteFile(u.record, []byte(u.location.String()), 0o600)
}

func (u *upload) forget() {
	if u.record != "" {
		_ = os.Remove(u.record)
	}
}

// recall reads where an earlier process left the upload.
func (u *upload) recall() {
	if u.record == "" {
		return
	}
	content, err := os.ReadFile(u.record)
	if err != nil || len(content) > 64<<10 {
		return
	}
	location, err := url.Parse(string(content))
	if err == nil && location.Host == u.registry.RegistryStr() && location.User == nil &&
		(location.Scheme == "https" || location.Scheme == u.registry.Scheme()) {
		u.location = location
	}
}
