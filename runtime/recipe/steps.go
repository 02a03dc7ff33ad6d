package recipe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// steps runs each step at most once in a run, and not at all when an earlier
// run left its folder.
type steps struct {
	folder string
	log    io.Writer

	mutex   sync.Mutex
	started map[string]*step
	done    []StepReport
}

// StepReport is a step that was run.
type StepReport struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

type step struct {
	name    string
	ready   chan struct{}
	folder  string
	err     error
	running time.Time // zero before and after the work itself
}

// temporaryPrefix begins the names of folders that are still being filled.
const temporaryPrefix = ".tmp-"

// unusedFor is how long a step's folder stays in the cache without being used.
const unusedFor = 14 * 24 * time.Hour

func newSteps(folder string, log io.Writer) *steps {
	return &steps{folder: folder, log: log, started: make(map[string]*step)}
}

// keyOf hashes what goes into a step. The parts are encoded as JSON, so that
// no two lists of parts read alike.
func keyOf(parts ...any) string {
	encoded, err := json.Marshal(parts)
	if err != nil {
		panic(fmt.Sprintf("recipe: parts of a key cannot be encoded: %v", err)) // only strings, slices and maps of them
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:16])
}

// work is what a step does when the cache does not have it.
type work struct {
	// lane bounds how many steps of its kind run at once.
	lane chan struct{}
	// prepare runs the steps that this one stands on, before the lane is
	// entered: a step that waited for another inside a lane could wait forever.
	prepare func(ctx context.Context) error
	// make fills the folder.
	make func(ctx context.Context, folder string) error
}

// do returns the folder of a step, doing its work if it does not exist.
// Callers of the same step wait for the first.
func (s *steps) do(ctx context.Context, name, key string, w work) (string, error) {
	id := name + "-" + key
	s.mutex.Lock()
	current, ok := s.started[id]
	if !ok {
		current = &step{name: name, ready: make(chan struct{})}
		s.started[id] = current
	}
	s.mutex.Unlock()
	if ok {
		select {
		case <-current.ready:
			return current.folder, current.err
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
	current.folder, current.err = s.run(ctx, current, id, w)
	close(current.ready)
	return current.folder, current.err
}

func (s *steps) run(ctx context.Context, current *step, id string, w work) (string, error) {
	folder := filepath.Join(s.folder, id)
	if _, err := os.Stat(folder); err == nil {
		now := time.Now()
		_ = os.Chtimes(folder, now, now) // marks it as used
		return folder, nil
	}
	if w.prepare != nil {
		if err := w.prepare(ctx); err != nil {
			return "", err
		}
	}
	select {
	case w.lane <- struct{}{}:
		defer func() { <-w.lane }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if err := os.MkdirAll(s.folder, 0o755); err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	temporary, err := os.MkdirTemp(s.folder, temporaryPrefix)
	if err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	// Nothing is there any more when the step was complete.
	defer func() { _ = removeTree(temporary) }()
	if err := os.Chmod(temporary, 0o755); err != nil { // read by the package manager's own user
		return "", fmt.Errorf("cache: %w", err)
	}
	start := time.Now()
	s.setRunning(current, start)
	defer s.setRunning(current, time.Time{})
	s.printf("==> %s", current.name)
	if err := w.make(ctx, temporary); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return "", cause
		}
		return "", fmt.Errorf("%s: %w", current.name, err)
	}
	if err := commitFolder(temporary, folder); err != nil {
		return "", fmt.Errorf("%s: %w", current.name, err)
	}
	elapsed := time.Since(start)
	s.mutex.Lock()
	s.done = append(s.done, StepReport{Name: current.name, Seconds: elapsed.Seconds()})
	s.mutex.Unlock()
	s.printf("    %s: done in %s", current.name, elapsed.Round(100*time.Millisecond))
	return folder, nil
}

// commitFolder gives a complete folder its name. The contents must be on disk
// before the name is, or a power cut leaves a step that only looks complete.
func commitFolder(temporary, folder string) error {
	if err := syncTree(temporary); err != nil {
		return err
	}
	if err := os.Rename(temporary, folder); err != nil {
		return err
	}
	return syncPath(filepath.Dir(folder))
}

func syncPath(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	return file.Sync()
}

func (s *steps) setRunning(current *step, since time.Time) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	current.running = since
}

func (s *steps) report() []StepReport {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Clone(s.done)
}

func (s *steps) printf(format string, args ...any) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	_, _ = fmt.Fprintf(s.log, format+"\n", args...)
}

// announceRunning prints now and then what is being worked on, because a step
// can take minutes; the function it returns ends that.
func (s *steps) announceRunning(ctx context.Context) func() {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(30 * time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				s.printRunning()
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

func (s *steps) printRunning() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var lines []string
	for _, current := range s.started {
		if !current.running.IsZero() {
			lines = append(lines, fmt.Sprintf("    … %s (%s)", current.name, time.Since(current.running).Round(time.Second)))
		}
	}
	slices.Sort(lines)
	for _, line := range lines {
		_, _ = fmt.Fprintln(s.log, line)
	}
}

// clean removes what killed runs left half made, and steps that nobody used
// for long. Only the holder of the cache's lock may call it.
func (s *steps) clean() error {
	entries, err := os.ReadDir(s.folder)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			continue
		}
		halfMade := strings.HasPrefix(entry.Name(), temporaryPrefix)
		if halfMade || time.Since(info.ModTime()) > unusedFor {
			if err := removeTree(filepath.Join(s.folder, entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeTree removes a folder in which a killed installation may have left
// files of subordinate users.
func removeTree(folder string) error {
	err := os.RemoveAll(folder)
	if err == nil || os.Geteuid() == 0 {
		return err
	}
	if output, err := exec.Command("unshare", append(asRoot(), "rm", "-rf", "--", folder)...).CombinedOutput(); err != nil {
		return fmt.Errorf("remove %s: %w%s", folder, err, lastLines(string(output)))
	}
	return nil
}
