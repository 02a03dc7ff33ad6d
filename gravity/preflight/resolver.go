package preflight

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// resolverLimit is how long a name server may take. kubeadm and etcd look names
// up again and again, and wait for seconds each time that none answers.
const resolverLimit = 2 * time.Second

func (o *Options) checkResolver(ctx context.Context) (finding, error) {
	servers, err := o.Machine.nameServers()
	if err != nil {
		return finding{}, err
	}
	if len(servers) == 0 {
		return passed("there are no name servers"), nil
	}
	answers := make([]string, len(servers))
	silent := make([]bool, len(servers))
	var group sync.WaitGroup
	for i, server := range servers {
		group.Go(func() {
			start := time.Now()
			answer, err := query(ctx, server, o.Machine.Hostname)
			took := round(time.Since(start))
			switch {
			case err == nil:
				answers[i] = fmt.Sprintf("%s says %s after %s", server.Addr(), answer, took)
			default:
				silent[i] = true
				answers[i] = fmt.Sprintf("%s says nothing for %s", server.Addr(), took)
			}
		})
	}
	group.Wait()
	found := passed("%s", strings.Join(answers, "; ")).want("an answer or a refusal within %s", resolverLimit)
	return found.unless(!slices.Contains(silent, true),
		"remove the name server from /etc/resolv.conf, or let something there answer or refuse"), nil
}

// query asks a name server for the address of a host, and returns its answer in
// a word. Nobody who listens there is an answer, too.
func query(ctx context.Context, server netip.AddrPort, host string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, resolverLimit)
	defer cancel()
	packet, err := question(host)
	if err != nil {
		packet, err = question("localhost") // the host has no name that DNS could have
	}
	if err != nil {
		return "", err
	}
	connection, err := new(net.Dialer).DialContext(ctx, "udp", server.String())
	if err != nil {
		return "unreachable", nil // it fails at once, so nobody waits
	}
	defer connection.Close()
	defer context.AfterFunc(ctx, func() { _ = connection.SetDeadline(time.Now()) })()
	if _, err := connection.Write(packet); err != nil {
		return refusal(err)
	}
	buffer := make([]byte, 4096)
	for {
		n, err := connection.Read(buffer)
		if err != nil {
			return refusal(err)
		}
		var parser dnsmessage.Parser
		header, err := parser.Start(buffer[:n])
		if err == nil && header.ID == questionID && header.Response {
			return strings.ToLower(strings.TrimPrefix(header.RCode.String(), "RCode")), nil
		}
	}
}

const questionID = 4711

// question asks for the address of a host.
func question(host string) ([]byte, error) {
	name, err := dnsmessage.NewName(strings.TrimSuffix(host, ".") + ".")
	if err != nil {
		return nil, err
	}
	message := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: questionID, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	return message.Pack()
}

// refusal tells an error that comes at once from silence.
func refusal(err error) (string, error) {
	for _, at := range []syscall.Errno{syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EACCES, syscall.EPERM} {
		if errors.Is(err, at) {
			return at.Error(), nil
		}
	}
	return "", err
}

// stubConfig has the servers that systemd-resolved asks for those who ask it.
const stubConfig = "/run/systemd/resolve/resolv.conf"

// nameServers are those of resolv.conf. If all are on loopback, those behind
// systemd-resolved are among them, since the cluster's name server asks them.
func (m *Machine) nameServers() ([]netip.AddrPort, error) {
	content, err := m.lookFor("/etc/resolv.conf")
	if err != nil {
		return nil, err
	}
	servers := parseResolvConf(content)
	if slices.ContainsFunc(servers, func(server netip.AddrPort) bool { return !server.Addr().IsLoopback() }) {
		return servers, nil
	}
	behind, err := m.lookFor(stubConfig)
	if err != nil {
		return nil, err
	}
	for _, server := range parseResolvConf(behind) {
		if !slices.Contains(servers, server) {
			servers = append(servers, server)
		}
	}
	return servers, nil
}

// maxNameServers is how many servers the C library reads.
const maxNameServers = 3

// parseResolvConf reads the name servers of a resolv.conf.
func parseResolvConf(content string) []netip.AddrPort {
	var servers []netip.AddrPort
	for line := range strings.Lines(content) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" || len(servers) == maxNameServers {
			continue
		}
		if address, err := netip.ParseAddr(fields[1]); err == nil {
			servers = append(servers, netip.AddrPortFrom(address, 53))
		}
	}
	return servers
}
