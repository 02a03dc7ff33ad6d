package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/gravity-platform/terraform-provider-gravity/lab/internal/enter"
)

// runOnTerminal runs a process on a terminal of the machine and connects this
// process's own terminal to it.
func runOnTerminal(_ context.Context, pid int, process *exec.Cmd) error {
	terminal, peer, err := enter.OpenTerminal(pid)
	if err != nil {
		return err
	}
	defer terminal.Close()
	defer peer.Close()
	resize := func() { copySize(terminal) }
	resize()
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, unix.SIGWINCH)
	defer signal.Stop(changes)
	state, err := term.MakeRaw(int(os.Stdin.Fd()))
	if err != nil {
		return fmt.Errorf("prepare the terminal: %w", err)
	}
	defer func() { _ = term.Restore(int(os.Stdin.Fd()), state) }()
	process.Stdin, process.Stdout, process.Stderr = peer, peer, peer
	process.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	process.Cancel = func() error { return terminate(process) }
	if err := enter.Start(pid, process); err != nil {
		return err
	}
	_ = peer.Close()
	// This copy ends with the program: nobody else reads the terminal then.
	go func() { _, _ = io.Copy(terminal, os.Stdin) }()
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		_, _ = io.Copy(os.Stdout, terminal)
	}()
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }()
	for {
		select {
		case <-changes:
			resize()
		case err := <-ended:
			// What is left in the background may keep the terminal open.
			_ = terminal.SetReadDeadline(deadlineSoon())
			<-shown
			return err
		}
	}
}

// copySize gives the machine's terminal the size of this process's.
func copySize(terminal *os.File) {
	size, err := unix.IoctlGetWinsize(int(os.Stdin.Fd()), unix.TIOCGWINSZ)
	conn, connErr := terminal.SyscallConn()
	if err == nil && connErr == nil {
		_ = conn.Control(func(fd uintptr) { _ = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, size) })
	}
}
