package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/hub"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// hubVariable names the hub where no argument does.
const hubVariable = "TELE_HUB"

// hubFlags say how hubs are reached.
type hubFlags struct {
	insecure []string
	stateDir string
	parallel int
}

// add gives a command the flags; those of transfers only if it has any.
func (f *hubFlags) add(command *cobra.Command, transfers bool) {
	flags := command.Flags()
	flags.StringArrayVar(&f.insecure, "insecure", nil, "speak HTTP, or take any certificate, with all registries or this `HOST`; repeatable")
	flags.Lookup("insecure").NoOptDefVal = "*"
	if transfers {
		flags.IntVar(&f.parallel, "parallel", 0, "how many transfers run at once")
		flags.StringVar(&f.stateDir, "state-dir", "", "the `FOLDER` of the cache, which several commands may share")
	}
}

// connect prepares a connection. The caller closes it.
func (f *hubFlags) connect(shown *progress) (*hub.Connection, error) {
	if f.parallel < 0 {
		return nil, cli.Usagef("--parallel %d: write how many transfers run at once", f.parallel)
	}
	options := hub.Options{Insecure: f.insecure, Parallel: f.parallel}
	var err error
	if options.StateDir, err = firstOf(f.stateDir, "TELE_STATE_DIR", "tele"); err != nil {
		return nil, err
	}
	if shown != nil {
		options.Progress = func(done, total int64) { shown.update(bundle.Progress{Done: done, Total: total}) }
	}
	return hub.Connect(options), nil
}

// currentHub is what is kept of a login beside docker's credentials.
type currentHub struct {
	Hub string `json:"hub"`
}

func currentHubPath() (string, error) {
	folder, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find the folder of settings: %w", err)
	}
	return filepath.Join(folder, "gravity", "hub.json"), nil
}

// readCurrentHub is the hub of TELE_HUB, or else that of the last login; empty if
// there is none.
func readCurrentHub() (string, error) {
	if value := os.Getenv(hubVariable); value != "" {
		return strings.TrimSuffix(value, "/"), nil
	}
	path, err := currentHubPath()
	if err != nil {
		return "", err
	}
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read which hub is used: %w", err)
	}
	var current currentHub
	if err := json.Unmarshal(content, &current); err != nil {
		return "", cli.WithHint(fmt.Errorf("read which hub is used: %s: %w", path, err), "'tele login HOST' writes it again")
	}
	return current.Hub, nil
}

// writeCurrentHub keeps the hub; empty forgets it.
func writeCurrentHub(name string) error {
	path, err := currentHubPath()
	if err != nil {
		return err
	}
	if name == "" {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	content, err := json.Marshal(currentHub{name})
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = renameio.WriteFile(path, append(content, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep which hub is used: %w", err)
	}
	return nil
}

// chooseHub is the hub of an argument, or the current one.
func chooseHub(args []string) (string, error) {
	if len(args) > 0 && args[0] != "" {
		name := strings.TrimSuffix(args[0], "/")
		if host, _ := hub.SplitHost(name); host != "" {
			return name, nil
		}
		current, err := chooseHub(nil)
		if err != nil {
			return "", cli.WithHint(cli.Usagef("hub %q: write HOST or HOST/PATH", name), "a path alone needs 'tele login HOST' before")
		}
		return current + "/" + name, nil
	}
	current, err := readCurrentHub()
	if err == nil && current == "" {
		err = cli.WithHint(cli.Usagef("no hub is named"), "name one as HOST or HOST/PATH, log in to one by 'tele login HOST', or set %s", hubVariable)
	}
	return current, err
}
