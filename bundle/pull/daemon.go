package pull

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/disk"
)

const (
	// DefaultSocket is where daemons listen that speak Docker's API.
	DefaultSocket = "/var/run/docker.sock"
	// socketVariable is the environment variable that tells another socket.
	socketVariable = "DOCKER_HOST"
	// maxExports is how many images of daemons lie on the disk at a time, before
	// and while they are taken apart.
	maxExports = 2
	// maxAnswer is the largest answer of a daemon other than an image, in bytes.
	maxAnswer = 32 << 20
)

// Daemon is an image of a local daemon that speaks Docker's API on a socket, as
// dockerd and podman do. Like an Archive, it has no original manifests, so
// references with a digest are refused.
type Daemon struct {
	// Socket is the path of the socket. If it is empty, it is what DOCKER_HOST
	// says, else DefaultSocket.
	Socket string
	// Tag is the image's name there; if it is empty, it is the reference.
	Tag string
}

// open lets the daemon export the image to a file that has no name, so that
// nothing is left of it when the process is killed.
func (d Daemon) open(ctx context.Context, p *puller, reference name.Reference) (origin, error) {
	if err := refuseDigest("a daemon", reference); err != nil {
		return nil, err
	}
	tag := d.Tag
	if tag == "" {
		tag = strings.TrimPrefix(reference.Name(), "index.") // podman knows docker.io only
	}
	if err := p.exports.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	export, err := d.export(ctx, p.folder, tag)
	if err != nil {
		p.exports.Release(1)
		return nil, err
	}
	export.done = func() { p.exports.Release(1) }
	return export, nil
}

// export is an image of a daemon in a file.
type export struct {
	imageOrigin
	file *os.File
	done func()
}

func (e *export) close() {
	_ = e.file.Close() // it was only read
	e.done()
}

func (d Daemon) export(ctx context.Context, folder, tag string) (*export, error) {
	client, err := d.connect()
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	if err := client.checkSpace(ctx, folder, tag); err != nil {
		return nil, err
	}
	body, err := client.get(ctx, tag, "/images/"+tag+"/get")
	if err != nil {
		return nil, err
	}
	defer body.Close()
	file, err := os.CreateTemp(filepath.Join(folder, "partial"), "export-*.tar")
	if err != nil {
		return nil, diskError(err)
	}
	err = os.Remove(file.Name())
	if err == nil {
		if _, err = io.Copy(exportWriter{file}, body); err != nil {
			err = fmt.Errorf("export %s from the daemon at %s: %w", tag, client.socket, err)
		}
	}
	var result *export
	if err == nil {
		result, err = openExport(file, tag)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return result, nil
}

// exportWriter marks errors of a full disk.
type exportWriter struct{ file *os.File }

func (w exportWriter) Write(content []byte) (int, error) {
	n, err := w.file.Write(content)
	return n, diskError(err)
}

func openExport(file *os.File, tag string) (*export, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	// The file has no name, so it is opened by reading it from its start.
	opener := func() (io.ReadCloser, error) {
		return struct {
			*io.SectionReader
			io.Closer
		}{io.NewSectionReader(file, 0, info.Size()), io.NopCloser(nil)}, nil
	}
	image, err := openArchive(opener, tag)
	if err != nil {
		return nil, fmt.Errorf("what the daemon exported as %s: %w", tag, err)
	}
	return &export{imageOrigin: imageOrigin{image}, file: file}, nil
}

// openArchive reads the image of a name; a tar with one image has no other.
func openArchive(opener tarball.Opener, tag string) (v1.Image, error) {
	images, err := tarball.LoadManifest(opener)
	if err != nil {
		return nil, err
	}
	if tag == "" || len(images) == 1 {
		return tarball.Image(opener, nil)
	}
	parsed, err := name.NewTag(tag)
	if err != nil {
		return nil, err
	}
	return tarball.Image(opener, &parsed)
}

// list asks the daemon for the names of its images.
func (d Daemon) list(ctx context.Context) ([]listed, error) {
	client, err := d.connect()
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	body, err := client.get(ctx, "", "/images/json")
	if err != nil {
		return nil, err
	}
	defer body.Close()
	content, err := io.ReadAll(io.LimitReader(body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("daemon at %s: %w", client.socket, err)
	}
	tags, err := tagsOf(content)
	if err != nil {
		return nil, fmt.Errorf("daemon at %s: list of images: %w", client.socket, err)
	}
	var found []listed
	for _, tag := range tags {
		if d.Tag == "" || d.Tag == tag {
			found = append(found, listed{name: tag, source: Daemon{Socket: client.socket, Tag: tag}})
		}
	}
	return found, nil
}

// connection asks one daemon.
type connection struct {
	*http.Client
	socket string
}

// connect finds the socket; only requests connect to it.
func (d Daemon) connect() (*connection, error) {
	socket := d.Socket
	if host := os.Getenv(socketVariable); socket == "" && host != "" {
		path, ok := strings.CutPrefix(host, "unix://")
		if !ok || path == "" {
			return nil, cli.WithHint(fmt.Errorf("%s is %q, which is no unix socket", socketVariable, host),
				"set it to unix:///path/of/the/socket, or save the image with docker save and use that file")
		}
		socket = path
	}
	if socket == "" {
		socket = DefaultSocket
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &connection{&http.Client{Transport: &http.Transport{DialContext: dial, DisableCompression: true}}, socket}, nil
}

// checkSpace asks for the size of an image, which its export has about, too.
func (c *connection) checkSpace(ctx context.Context, folder, tag string) error {
	body, err := c.get(ctx, tag, "/images/"+tag+"/json")
	if err != nil {
		return err
	}
	defer body.Close()
	var about struct{ Size int64 }
	if err := json.NewDecoder(io.LimitReader(body, maxAnswer)).Decode(&about); err != nil {
		return fmt.Errorf("daemon at %s: about image %s: %w", c.socket, tag, err)
	}
	free, err := disk.Free(folder)
	if err != nil {
		return err
	}
	return enough(folder, about.Size, free)
}

// get returns the body of a good answer. Errors tell about the image of the tag
// if there is one.
func (c *connection) get(ctx context.Context, tag, path string) (io.ReadCloser, error) {
	address := url.URL{Scheme: "http", Host: "daemon", Path: path}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "gravity")
	response, err := c.Do(request)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	if response.StatusCode == http.StatusOK {
		return response.Body, nil
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotFound && tag != "" {
		return nil, cli.WithHint(fmt.Errorf("the daemon at %s has no image %s", c.socket, tag),
			"build it there under that name, or docker pull %s", tag)
	}
	var problem struct{ Message string }
	content, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if err != nil || json.Unmarshal(content, &problem) != nil || problem.Message == "" {
		problem.Message = strings.TrimSpace(string(content))
	}
	return nil, fmt.Errorf("the daemon at %s answered %s: %.500q", c.socket, response.Status, problem.Message)
}

// explain tells why there is no connection.
func (c *connection) explain(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return cli.WithHint(fmt.Errorf("no daemon answers at %s: %w", c.socket, err),
			"start it, or set %s=unix:///path/of/its/socket", socketVariable)
	case errors.Is(err, fs.ErrPermission):
		return cli.WithHint(fmt.Errorf("the daemon's socket %s may not be used: %w", c.socket, err),
			"join the group that owns the socket, or run the command as root")
	}
	return fmt.Errorf("daemon at %s: %w", c.socket, err)
}
