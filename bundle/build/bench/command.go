package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// figures are what one run, or some one after the other, took.
type figures struct {
	// Wall and CPU are times in seconds; CPU is that of user and system.
	Wall float64 `json:"wall"`
	CPU  float64 `json:"cpu"`
	// Memory is the peak of resident memory, in bytes.
	Memory int64  `json:"memory"`
	Counts counts `json:"counts"`
}

// run runs a program and measures it.
func run(ctx context.Context, name string, args ...string) (figures, error) {
	var output bytes.Buffer
	command := exec.CommandContext(ctx, name, args...)
	command.Stdout, command.Stderr = &output, &output
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 10 * time.Second
	begin := time.Now()
	err := command.Run()
	wall := time.Since(begin)
	if ctx.Err() != nil {
		return figures{}, context.Cause(ctx)
	}
	if err != nil {
		return figures{}, fmt.Errorf("%s: %w\n%s", command, err, output.Bytes())
	}
	took := figures{Wall: wall.Seconds()}
	took.CPU = (command.ProcessState.UserTime() + command.ProcessState.SystemTime()).Seconds()
	if usage, ok := command.ProcessState.SysUsage().(*syscall.Rusage); ok {
		took.Memory = usage.Maxrss << 10
	}
	return took, nil
}

// then adds what came after.
func (f figures) then(next figures) figures {
	f.Wall += next.Wall
	f.CPU += next.CPU
	f.Memory = max(f.Memory, next.Memory)
	return f
}

// source is a server with images, in a process of its own.
type source struct {
	serving
	command *exec.Cmd
	input   io.Closer
}

// startSource makes images in a folder and serves them. The caller closes it.
func startSource(ctx context.Context, folder string, images int, size int64, large bool) (*source, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &source{command: exec.CommandContext(ctx, self, "serve", "--folder="+folder, "--images="+strconv.Itoa(images),
		"--size="+strconv.FormatInt(size, 10), "--large="+strconv.FormatBool(large))}
	s.command.Stderr = os.Stderr
	// An interrupt is for the benchmark, which ends the server when it has ended
	// what uses it.
	s.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if s.input, err = s.command.StdinPipe(); err != nil {
		return nil, err
	}
	output, err := s.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	if err := json.NewDecoder(output).Decode(&s.serving); err != nil {
		s.close()
		return nil, fmt.Errorf("start the registry: %w", err)
	}
	return s, nil
}

func (s *source) close() {
	_ = s.input.Close()
	_ = s.command.Wait()
}

// counts returns the requests since it was last called, and says how late the
// following ones are answered.
func (s *source) counts(ctx context.Context, latency time.Duration) (counts, error) {
	var counted counts
	address := "http://" + s.Host + "/counts?latency=" + latency.String()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return counted, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return counted, err
	}
	defer response.Body.Close()
	return counted, json.NewDecoder(response.Body).Decode(&counted)
}
