//go:build !linux

package lab

import (
	"context"
	"io"
	"io/fs"
	"os"
	"os/exec"

	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/wire"
)

// SuperviseIfAsked does nothing on this operating system.
func SuperviseIfAsked() {}

// Check returns ErrUnsupported.
func Check() error { return ErrUnsupported }

// Remove returns ErrUnsupported.
func Remove(context.Context, Options) (bool, error) { return false, ErrUnsupported }

// List returns no labs.
func List(string) ([]string, error) { return nil, nil }

func prepareHost(context.Context, func(string)) error { return ErrUnsupported }

func startSupervisor(context.Context, *wire.Spec) (owner, error) { return nil, ErrUnsupported }

func dial(context.Context, string) (*wire.Conn, error) { return nil, ErrUnsupported }

func runInside(context.Context, int, *exec.Cmd, bool) error { return ErrUnsupported }

func killedBy(*os.ProcessState) (int, bool) { return 0, false }

func writeFile(int, string, io.Reader, fs.FileMode) error { return ErrUnsupported }

func openFile(int, string) (io.ReadCloser, error) { return nil, ErrUnsupported }
