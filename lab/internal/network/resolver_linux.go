package network

import (
	"net"
	"net/netip"
	"sync"
)

// resolver is a name server that refuses every question at once. A name server
// that does not answer costs programs many seconds per question.
type resolver struct {
	conn *net.UDPConn
	done sync.WaitGroup
}

func listen(address netip.Addr) (*resolver, error) {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(address, 53)))
	if err != nil {
		return nil, err
	}
	r := &resolver{conn: conn}
	r.done.Go(r.serve)
	return r, nil
}

func (r *resolver) serve() {
	buffer := make([]byte, 1500)
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		if answer, ok := refuse(buffer[:n]); ok {
			_, _ = r.conn.WriteToUDPAddrPort(answer, from)
		}
	}
}

// Close stops answering.
func (r *resolver) Close() {
	_ = r.conn.Close()
	r.done.Wait()
}
