// Package machine is a small model of a machine, a folder of files, and an
// executor that changes it in several steps. Tests end processes between any two
// of them.
package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

// Step changes one file of the machine: it then has a content, or is gone.
type Step struct {
	Path    string `json:"path"`
	Content string `json:"content,omitempty"`
	Remove  bool   `json:"remove,omitempty"`
}

// Machine is a folder.
type Machine struct {
	Dir string
	// Point is called between any two changes.
	Point func()
}

// Phase makes a leaf that executes steps.
func Phase(id string, steps ...Step) operation.Phase {
	config, err := json.Marshal(steps)
	if err != nil {
		panic(err) // three fields of text
	}
	return operation.Phase{ID: id, Executor: "steps", Description: "Change " + id, Data: &operation.Data{Config: config}}
}

// Executor makes the executor of a phase.
func (m *Machine) Executor(_ context.Context, _ *operation.Plan, phase operation.Phase, _ operation.Logger) (operation.Executor, error) {
	e := &executor{machine: m, name: strings.ReplaceAll(strings.TrimPrefix(phase.ID, "/"), "/", "+")}
	return e, phase.Decode(&e.steps)
}

// Files are the contents of all files of the machine, by path, also those that
// executors keep for themselves.
func (m *Machine) Files() (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(m.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, m.Dir+"/")] = string(content)
		return err
	})
	return files, err
}

// Prune returns what is not an executor's own: backups of what it changed.
func Prune(files map[string]string) map[string]string {
	files = maps.Clone(files)
	maps.DeleteFunc(files, func(path, _ string) bool { return strings.HasPrefix(path, backups) })
	return files
}

const (
	backups = ".backup-"
	partial = ".partial"
)

type executor struct {
	machine *Machine
	name    string
	steps   []Step
}

// Done compares each file with the last step about it.
func (e *executor) Done(context.Context) (bool, error) {
	last := map[string]Step{}
	for _, step := range e.steps {
		last[step.Path] = step
	}
	for _, step := range last {
		if done, err := e.done(step); !done || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (e *executor) done(step Step) (bool, error) {
	content, err := os.ReadFile(e.path(step.Path))
	if errors.Is(err, fs.ErrNotExist) {
		return step.Remove, nil
	}
	return !step.Remove && string(content) == step.Content, err
}

// Execute keeps what each file was before it changes it.
func (e *executor) Execute(context.Context) error {
	for i, step := range e.steps {
		if done, err := e.done(step); done || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		if err := e.backUp(i, step.Path); err != nil {
			return err
		}
		e.machine.Point()
		if err := e.change(step); err != nil {
			return err
		}
		e.machine.Point()
	}
	return nil
}

// Rollback gives each file back what it was.
func (e *executor) Rollback(context.Context) error {
	for i, step := range slices.Backward(e.steps) {
		for _, path := range []string{e.path(step.Path), e.backup(i)} {
			if err := os.RemoveAll(path + partial); err != nil {
				return err
			}
		}
		data, err := os.ReadFile(e.backup(i))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		var before Step
		if err := json.Unmarshal(data, &before); err != nil {
			return fmt.Errorf("read %s: %w", e.backup(i), err)
		}
		if err := e.change(before); err != nil {
			return err
		}
		e.machine.Point()
		if err := os.Remove(e.backup(i)); err != nil {
			return err
		}
		e.machine.Point()
	}
	return nil
}

func (e *executor) path(path string) string { return filepath.Join(e.machine.Dir, path) }

func (e *executor) backup(step int) string {
	return e.path(fmt.Sprintf("%s%s-%d", backups, e.name, step))
}

// backUp keeps what a file is, unless that was done before a crash.
func (e *executor) backUp(step int, path string) error {
	if _, err := os.Stat(e.backup(step)); err == nil {
		return nil
	}
	before := Step{Path: path}
	content, err := os.ReadFile(e.path(path))
	if errors.Is(err, fs.ErrNotExist) {
		before.Remove = true
	} else if err != nil {
		return err
	}
	before.Content = string(content)
	data, err := json.Marshal(before)
	if err != nil {
		return err
	}
	return e.write(e.backup(step), string(data))
}

func (e *executor) change(step Step) error {
	if step.Remove {
		err := os.Remove(e.path(step.Path))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return e.write(e.path(step.Path), step.Content)
}

func (e *executor) write(path, content string) error {
	if err := os.WriteFile(path+partial, []byte(content[:len(content)/2]), 0o600); err != nil {
		return err
	}
	e.machine.Point()
	if err := os.WriteFile(path+partial, []byte(content), 0o600); err != nil {
		return err
	}
	e.machine.Point()
	return os.Rename(path+partial, path)
}
