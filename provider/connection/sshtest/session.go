package sshtest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

func (s *Server) serve(conn net.Conn) {
	defer conn.Close()
	_, channels, requests, err := ssh.NewServerConn(conn, s.config)
	if err != nil {
		return
	}
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { ssh.DiscardRequests(requests) })
	var sessions int
	var mu sync.Mutex
	for channel := range channels {
		mu.Lock()
		full := s.options.MaxSessions > 0 && sessions >= s.options.MaxSessions
		mu.Unlock()
		switch {
		case channel.ChannelType() == "direct-tcpip":
			running.Go(func() { s.forward(channel) })
		case channel.ChannelType() != "session":
			_ = channel.Reject(ssh.UnknownChannelType, "")
		case full:
			_ = channel.Reject(ssh.ConnectionFailed, "open failed")
		default:
			mu.Lock()
			sessions++
			s.opened(sessions)
			mu.Unlock()
			running.Go(func() {
				free := func() {
					time.Sleep(s.options.Linger)
					mu.Lock()
					defer mu.Unlock()
					sessions--
				}
				if s.options.Linger == 0 {
					s.session(channel, free)
				} else {
					s.session(channel, func() { running.Go(free) })
				}
			})
		}
	}
}

// opened notes the most sessions that a connection had.
func (s *Server) opened(sessions int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peak = max(s.peak, sessions)
}

// session runs the command of a session.
func (s *Server) session(offered ssh.NewChannel, ended func()) {
	channel, requests, err := offered.Accept()
	if err != nil {
		ended()
		return
	}
	var running sync.WaitGroup
	defer running.Wait()
	var command *exec.Cmd
	for request := range requests {
		switch request.Type {
		case "exec":
			var payload struct{ Line string }
			if ssh.Unmarshal(request.Payload, &payload) != nil || command != nil {
				_ = request.Reply(false, nil)
				continue
			}
			command = exec.Command("sh", "-c", payload.Line)
			command.Env = append(os.Environ(), s.options.Environment...)
			command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			stdin, err := start(command, channel)
			_ = request.Reply(err == nil, nil)
			running.Go(func() { finish(command, channel, stdin, err, ended) })
		case "signal":
			if command != nil && command.Process != nil {
				_ = syscall.Kill(-command.Process.Pid, syscall.SIGTERM)
			}
		default:
			_ = request.Reply(false, nil)
		}
	}
	// The client closed the session, or is gone: like sshd's, the command reads
	// the end of its input, and is killed only so that the test ends.
	if command == nil {
		ended()
	} else if command.Process != nil {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	}
}

// start connects standard input by a pipe of ours, so that a command which does
// not read it can end.
func start(command *exec.Cmd, channel ssh.Channel) (io.WriteCloser, error) {
	command.Stdout, command.Stderr = channel, channel.Stderr()
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	return stdin, command.Start()
}

func finish(command *exec.Cmd, channel ssh.Channel, stdin io.WriteCloser, err error, ended func()) {
	if err == nil {
		go func() {
			_, _ = io.Copy(stdin, channel)
			_ = stdin.Close()
		}()
		err = command.Wait()
	}
	ended()
	status := struct{ Code uint32 }{}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status.Code = uint32(exit.ExitCode())
	} else if err != nil {
		status.Code = 127
	}
	_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(status))
	_ = channel.Close()
}

// forward connects a client that uses the server as a bastion.
func (s *Server) forward(offered ssh.NewChannel) {
	var target struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	if err := ssh.Unmarshal(offered.ExtraData(), &target); err != nil {
		_ = offered.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	address := net.JoinHostPort(target.Host, strconv.Itoa(int(target.Port)))
	if s.options.Forward != nil {
		address = s.options.Forward(address)
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		_ = offered.Reject(ssh.ConnectionFailed, fmt.Sprint(err))
		return
	}
	defer conn.Close()
	channel, requests, err := offered.Accept()
	if err != nil {
		return
	}
	var running sync.WaitGroup
	running.Go(func() { ssh.DiscardRequests(requests) })
	running.Go(func() {
		_, _ = io.Copy(conn, channel)
		_ = conn.Close()
	})
	_, _ = io.Copy(channel, conn)
	_ = channel.Close()
	running.Wait()
}
