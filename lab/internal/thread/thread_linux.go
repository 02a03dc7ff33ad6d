package thread

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// Run runs a function on a thread that ends with it, and returns its result.
func Run(f func() error) error {
	result := make(chan error)
	go run(func() { result <- f() })
	return <-result
}

// run is the goroutine that owns the thread. A thread that is still locked
// when its goroutine ends is destroyed, all but the main thread: that one
// would stay, with whatever namespaces f has brought it into, and /proc/self
// would show them as those of the process. So it only waits for another one.
func run(f func()) {
	runtime.LockOSThread()
	if unix.Gettid() != unix.Getpid() {
		f()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(f)
	}()
	<-done
	runtime.UnlockOSThread()
}
