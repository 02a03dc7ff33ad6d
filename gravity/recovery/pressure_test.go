package recovery_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

const (
	// maxLoad is how many processes may want each processor where delays are judged.
	// The nodes of the cluster alone make two or three of them.
	maxLoad = 8
	// starvedFactor is how many times a limit something may take on a host that has too
	// much else to do.
	starvedFactor = 3
	// sampleInterval is the time between looks at what the host has to do.
	sampleInterval = 100 * time.Millisecond
)

// pressure is how many processes of this host wanted a processor, and when.
type pressure struct {
	mu      sync.Mutex
	samples []sample
}

type sample struct {
	at      time.Time
	running int
}

// watch takes samples until the context ends.
func (p *pressure) watch(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(sampleInterval):
		}
		if running, ok := runnable(); ok {
			p.mu.Lock()
			p.samples = append(p.samples, sample{time.Now(), running})
			p.mu.Unlock()
		}
	}
}

// starved tells whether the host had so much to do in a span of time, on average, that
// delays say nothing about the cluster: a machine that is slow in everything is slow in
// this, too.
func (p *pressure) starved(from, to time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	sum, count := 0, 0
	for _, s := range p.samples {
		if s.at.After(from) && s.at.Before(to) {
			sum += s.running
			count++
		}
	}
	return count > 0 && sum > maxLoad*runtime.NumCPU()*count
}

// runnable is how many processes run or want to.
func runnable() (int, bool) {
	content, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, false
	}
	_, rest, found := bytes.Cut(content, []byte("\nprocs_running "))
	if !found {
		return 0, false
	}
	var n int
	_, err = fmt.Sscan(string(rest), &n)
	return n, err == nil
}
