package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Command is a program to run in a machine.
type Command struct {
	// Args are the program and its arguments. Run looks the program up in the
	// machine's PATH; no shell is involved.
	Args []string
	// User runs it; empty means root.
	User string
	// Env are further variables, as "NAME=value". Over ssh they are set by
	// env(1).
	Env []string
	// Stdin is what it reads; nil means nothing.
	Stdin io.Reader
	// Stdout and Stderr receive the output while it comes; it is then neither
	// in the result nor in an error.
	Stdout, Stderr io.Writer
	// TTY gives a program a terminal when this process has one. Only the
	// command lab uses it.
	TTY bool
}

// Result is what a program said.
type Result struct {
	Stdout, Stderr string
}

// CommandError is the error of a program that failed, or that could not be
// run.
type CommandError struct {
	// Machine is where it ran.
	Machine string
	// Args are the program and its arguments.
	Args []string
	// ExitCode is that of the program, 128 and the number of the signal if one
	// killed it, and -1 if it did not run.
	ExitCode int
	// Tail has the last lines of its output, standard error if it wrote any.
	Tail string
	// Err is the cause.
	Err error
}

// Error names the machine, the command and the end of its output.
func (e *CommandError) Error() string {
	text := fmt.Sprintf("%s: %s: %v", e.Machine, strings.Join(e.Args, " "), e.Err)
	if e.Tail != "" {
		text += ": " + e.Tail
	}
	return text
}

// Unwrap returns the cause.
func (e *CommandError) Unwrap() error { return e.Err }

// killDelay is how long a program may take to end after SIGTERM.
const killDelay = 5 * time.Second

// Run runs a program in the machine without ssh and the network, so also in a
// machine that is cut off. If it fails, the error is a *CommandError. When the
// context ends, the program is terminated.
//
// The program is not a child of the machine's init. If one is running when the
// machine shuts down, systemd waits ten seconds for it.
func (m *Machine) Run(ctx context.Context, command Command) (Result, error) {
	if len(command.Args) == 0 {
		return Result{}, fmt.Errorf("run nothing in machine %s", m.name)
	}
	status, err := m.running(ctx)
	if err != nil {
		return Result{}, err
	}
	process := exec.CommandContext(ctx, "/bin/sh", execArguments(command)...)
	process.Dir = "/"
	process.Env = machineEnvironment(command)
	return m.run(ctx, process, command, func() error { return runInside(ctx, status.PID, process, command.TTY) })
}

// execArguments lets the machine's shell find the program, in the machine's
// PATH, and become it. Exit codes 126 and 127 are the shell's.
func execArguments(command Command) []string {
	script := `cd; exec "$@"`
	if command.User != "" && command.User != "root" {
		script = `exec runuser --user "$USER" -- /bin/sh -c 'cd; exec "$@"' sh "$@"`
	}
	return append([]string{"-c", script, "sh"}, command.Args...)
}

func machineEnvironment(command Command) []string {
	user, home := "root", "/root"
	if command.User != "" && command.User != "root" {
		user, home = command.User, "/home/"+command.User
	}
	environment := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + home, "USER=" + user, "LOGNAME=" + user, "LANG=C.UTF-8",
	}
	if command.TTY {
		environment = append(environment, "TERM="+os.Getenv("TERM"))
	}
	return append(environment, command.Env...)
}

// SSH runs a program in the machine over ssh, as User or root, with the
// system's ssh client and strict checking of the host key. Arguments arrive as
// they are, quoted for the login shell.
func (m *Machine) SSH(ctx context.Context, command Command) (Result, error) {
	if len(command.Args) == 0 {
		return Result{}, fmt.Errorf("run nothing in machine %s", m.name)
	}
	status, err := m.Status(ctx)
	if err != nil {
		return Result{}, err
	}
	remote := command.Args
	if len(command.Env) > 0 {
		remote = append(append([]string{"env"}, command.Env...), remote...)
	}
	user := command.User
	if user == "" {
		user = status.User
	}
	arguments := append(SSHArguments(status, user), "-o", "BatchMode=yes", "-T", "--", status.Address.String(), Quote(remote...))
	process := exec.CommandContext(ctx, "ssh", arguments...)
	return m.run(ctx, process, command, process.Run)
}

// SSHArguments are the options by which ssh(1) reaches a machine; the host
// comes after them.
func SSHArguments(machine MachineStatus, user string) []string {
	return []string{
		"-F", "/dev/null", "-l", user, "-p", fmt.Sprint(machine.Port), "-i", machine.KeyFile,
		"-o", "IdentitiesOnly=yes", "-o", "UserKnownHostsFile=" + machine.KnownHostsFile,
		"-o", "GlobalKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=10",
	}
}

// Quote makes one line for a shell of arguments.
func Quote(arguments ...string) string {
	quoted := make([]string, len(arguments))
	for i, argument := range arguments {
		quoted[i] = argument
		if argument == "" || strings.ContainsFunc(argument, needsQuotes) {
			quoted[i] = "'" + strings.ReplaceAll(argument, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

func needsQuotes(r rune) bool {
	plain := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_-./:,=@%+", r)
	return !plain
}

// run connects a process to the command's files and translates its end.
func (m *Machine) run(ctx context.Context, process *exec.Cmd, command Command, run func() error) (Result, error) {
	var stdout, stderr bytes.Buffer
	process.Stdin = command.Stdin
	process.Stdout, process.Stderr = command.Stdout, command.Stderr
	if process.Stdout == nil {
		process.Stdout = &stdout
	}
	if process.Stderr == nil {
		process.Stderr = &stderr
	}
	process.WaitDelay = killDelay
	err := run()
	result := Result{Stdout: stdout.String(), Stderr: stderr.String()}
	if err == nil {
		return result, nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	tail := result.Stderr
	if strings.TrimSpace(tail) == "" {
		tail = result.Stdout
	}
	return result, &CommandError{Machine: m.name, Args: command.Args, ExitCode: exitCode(err), Tail: lastLines(tail, 5), Err: err}
}

func exitCode(err error) int {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return -1
	}
	if signal, ok := killedBy(exit.ProcessState); ok {
		return 128 + signal
	}
	return exit.ExitCode()
}

func lastLines(text string, count int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "; ")
}

func joinNames(names []string) string { return strings.Join(names, ", ") }
