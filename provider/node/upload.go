package node

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
)

// fruitless bounds attempts that bring nothing new, one after the other.
const fruitless = 5

// Upload is a file to be sent.
type Upload struct {
	// Path is where it lies here.
	Path string
	// Digest identifies the content, such as a bundle's digest. A file that is
	// there already under the same digest, with the same size, is not sent.
	Digest string
	// Name is the file's on the machine; empty means that of Path.
	Name string
	// Progress is told how many bytes are there, of how many; nil means that
	// nobody wants to know. It is called by one goroutine.
	Progress func(done, total int64)
	// Waiting is called, repeatedly, while somebody else sends the same file; nil
	// means that nobody wants to know.
	Waiting func()
}

// A SpaceError says that a file does not fit onto the machine's disk.
type SpaceError struct {
	// Directory is where it would lie, Needed and Free are bytes.
	Directory    string
	Needed, Free int64
}

// Error has the numbers.
func (e *SpaceError) Error() string {
	return fmt.Sprintf("%s has too little space: %d MB are needed, %d MB are free", e.Directory, e.Needed/1e6+1, e.Free/1e6)
}

var uploadName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// Upload sends a file to uploads/DIGEST/NAME below the state directory, and
// returns that path. It goes on where it was interrupted, checks what is
// there, and has the name only when it is complete and on the disk. It survives
// lost connections as long as each attempt brings something.
func (n *Node) Upload(ctx context.Context, upload Upload) (string, error) {
	remote, err := n.upload(ctx, upload)
	if err != nil {
		return "", fmt.Errorf("upload %s: %w", upload.Path, err)
	}
	return remote, nil
}

func (n *Node) upload(ctx context.Context, upload Upload) (string, error) {
	file, err := os.Open(upload.Path)
	if err != nil {
		return "", errors.Unwrap(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("it is not a file")
	}
	if upload.Name == "" {
		upload.Name = filepath.Base(upload.Path)
	}
	directory := strings.TrimPrefix(upload.Digest, "sha256:")
	for _, name := range []string{upload.Name, directory} {
		if !uploadName.MatchString(name) {
			return "", fmt.Errorf("%q cannot be the name of a file there", name)
		}
	}
	t := &transfer{
		Upload: upload, node: n, file: file, size: info.Size(), directory: n.below("uploads", directory), owner: rand.Text(),
	}
	if err := t.repeat(ctx); err != nil {
		return "", err
	}
	return t.directory + "/" + upload.Name, nil
}

// RemoveUpload removes what was uploaded with a digest, or a part of it. That
// there is nothing is no error.
func (n *Node) RemoveUpload(ctx context.Context, digest string) error {
	name := strings.TrimPrefix(digest, "sha256:")
	if !uploadName.MatchString(name) {
		return fmt.Errorf("remove upload %q: it is no digest", digest)
	}
	if _, err := n.runner.Run(ctx, connection.Command{Args: []string{"rm", "-rf", n.below("uploads", name)}}); err != nil {
		return fmt.Errorf("remove upload %s: %w", digest, err)
	}
	return nil
}

// RemoveUploads removes all that was uploaded.
func (n *Node) RemoveUploads(ctx context.Context) error {
	if _, err := n.runner.Run(ctx, connection.Command{Args: []string{"rm", "-rf", n.below("uploads")}}); err != nil {
		return fmt.Errorf("remove uploads: %w", err)
	}
	return nil
}

// Link gives an uploaded program a second place among the uploads, and makes it
// executable.
func (n *Node) Link(ctx context.Context, from, to string) error {
	const link = `umask 077; mkdir -p "${2%/*}"; chmod 0755 "$1"; ln -f "$1" "$2"`
	if _, err := n.runner.Run(ctx, connection.Command{Args: script("link", "set -eu; "+link, from, to)}); err != nil {
		return fmt.Errorf("link %s: %w", to, err)
	}
	return nil
}

// transfer is an upload that is under way.
type transfer struct {
	Upload
	node      *Node
	file      *os.File
	size      int64
	directory string
	// owner names this transfer to the machine, over all attempts.
	owner string
	// reached is how far the machine had it at the last attempt.
	reached int64
}

// repeat tries until it is done, or several attempts brought nothing.
func (t *transfer) repeat(ctx context.Context) error {
	for failed := 0; ; {
		before := t.reached
		err := t.attempt(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if t.reached > before {
			failed = 0
		}
		failed++
		if !passing(err) && !errors.Is(err, errDamaged) || failed == fruitless {
			return t.explain(err)
		}
		if err := wait(ctx, t.node.firstPause); err != nil {
			return err
		}
	}
}

var errDamaged = errors.New("what arrived is not what was sent")

// explain adds what can be done about an error.
func (t *transfer) explain(err error) error {
	exit, ok := errors.AsType[*connection.ExitError](err)
	if !ok {
		return err
	}
	switch {
	case strings.Contains(exit.Stderr, "No space left"), strings.Contains(exit.Stderr, "quota exceeded"):
		return t.hintSpace(fmt.Errorf("the disk became full: %w", err))
	case strings.Contains(exit.Stderr, "Read-only file system"):
		return cli.WithHint(err, "%s is on a file system that is mounted read-only", t.directory)
	case strings.Contains(exit.Stderr, "Permission denied"), strings.Contains(exit.Stderr, "not permitted"):
		return cli.WithHint(err, "root must be able to write %s on the machine", t.directory)
	case exit.Code == 127:
		return cli.WithHint(err, "the machine needs coreutils and util-linux")
	}
	return err
}

func (t *transfer) hintSpace(err error) error {
	return cli.WithHint(err, "make room on the file system of %s, or choose another state directory", t.directory)
}

// attempt is one run of upload.sh. A goroutine of its own sends, which ends with
// the pipe that it writes.
func (t *transfer) attempt(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	input, send := io.Pipe()
	receive, output := io.Pipe()
	talked := make(chan error, 1)
	go func() {
		err := t.talk(bufio.NewReader(io.LimitReader(receive, 1<<20)), send)
		if err != nil {
			cancel(err)
		}
		_ = send.CloseWithError(err)
		// Whatever else is said is not waited for.
		_ = receive.CloseWithError(io.ErrClosedPipe)
		talked <- err
	}()
	_, err := t.node.runner.Run(ctx, connection.Command{
		Args: script("upload", uploadScript, t.directory, t.Name, strconv.FormatInt(t.size, 10), t.owner,
			strconv.Itoa(int(t.node.stall.Seconds()))),
		Stdin: input, Stdout: output,
	})
	_ = output.CloseWithError(io.ErrUnexpectedEOF)
	_ = input.CloseWithError(io.ErrClosedPipe)
	said := <-talked
	// What went wrong here, or on the machine, says more than a broken pipe.
	if err == nil || said != nil && !errors.Is(said, io.ErrUnexpectedEOF) && !errors.Is(said, io.ErrClosedPipe) {
		return said
	}
	return err
}

// talk is the client's side of upload.sh.
func (t *transfer) talk(replies *bufio.Reader, send io.Writer) error {
	for {
		line, err := replies.ReadString('\n')
		if err != nil {
			return io.ErrUnexpectedEOF
		}
		switch words := strings.Fields(line); {
		case len(words) == 1 && (words[0] == "present" || words[0] == "stored"):
			t.progress(t.size)
			return nil
		case len(words) == 1 && words[0] == "damaged":
			return errDamaged
		case len(words) == 1 && words[0] == "wait":
			if t.Waiting != nil {
				t.Waiting()
			}
		case len(words) == 4 && words[0] == "have":
			if err := t.answer(words[1], words[2], words[3], send); err != nil {
				return err
			}
		default:
			return fmt.Errorf("the machine answers %q", strings.TrimSpace(line))
		}
	}
}

// answer decides where to begin and sends the rest of the file.
func (t *transfer) answer(have, digest, free string, send io.Writer) error {
	offset, err := strconv.ParseInt(have, 10, 64)
	if err != nil || offset < 0 || offset > t.size {
		return fmt.Errorf("the machine says that it has %q bytes", have)
	}
	space, err := strconv.ParseInt(free, 10, 64)
	if err != nil {
		return fmt.Errorf("the machine says that %q bytes are free", free)
	}
	if needed := t.size - offset; needed > space {
		return t.hintSpace(&SpaceError{Directory: t.directory, Needed: needed, Free: space})
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(t.file, 0, offset)); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != digest {
		offset = 0
		sum.Reset()
	}
	t.reached = max(t.reached, offset)
	if _, err := fmt.Fprintf(send, "%d\n", offset); err != nil {
		return err
	}
	return t.send(offset, sum, send)
}

// send sends the file from the offset on, then the digest of all of it.
func (t *transfer) send(offset int64, sum hash.Hash, send io.Writer) error {
	t.progress(offset)
	buffer := make([]byte, 256<<10)
	rest := io.NewSectionReader(t.file, offset, t.size-offset)
	for done := offset; done < t.size; {
		read, err := rest.Read(buffer)
		if read == 0 && err != nil {
			return fmt.Errorf("it was changed meanwhile: %w", err)
		}
		sum.Write(buffer[:read])
		if _, err := send.Write(buffer[:read]); err != nil {
			return err
		}
		done += int64(read)
		t.progress(done)
	}
	_, err := fmt.Fprintln(send, hex.EncodeToString(sum.Sum(nil)))
	return err
}

func (t *transfer) progress(done int64) {
	if t.Progress != nil {
		t.Progress(done, t.size)
	}
}
