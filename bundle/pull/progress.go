package pull

import "sync"

// Progress is told what happens. Its method is called by one goroutine at a
// time, often for bytes, and should return at once.
type Progress interface {
	Pulled(event Event)
}

// Event is a change of an image's state, or of the number of bytes.
type Event struct {
	// Reference is the image that has a new state, as it was asked for; it is
	// empty if only Done or Total changed.
	Reference string
	// State is the image's new state.
	State State
	// Err is why an image failed.
	Err error
	// Done and Total are bytes of blobs, over all images and each blob once.
	// What was in the cache before does not count, a continued blob counts
	// whole. Total grows while manifests become known; Done shrinks when a blob
	// has to be begun again.
	Done, Total int64
}

// State is what happens to an image.
type State string

// The states of an image, in their order; an image ends as complete or failed. One
// that is in the cache is never fetching.
const (
	Resolving State = "resolving"
	Fetching  State = "fetching"
	Complete  State = "complete"
	Failed    State = "failed"
)

// tracker counts and tells.
type tracker struct {
	progress    Progress
	lock        sync.Mutex
	done, total int64
}

func (t *tracker) state(reference string, state State, err error) {
	if t.progress == nil {
		return
	}
	t.lock.Lock()
	defer t.lock.Unlock()
	t.progress.Pulled(Event{Reference: reference, State: state, Err: err, Done: t.done, Total: t.total})
}

func (t *tracker) bytes(done, total int64) {
	if t.progress == nil || done == 0 && total == 0 {
		return
	}
	t.lock.Lock()
	defer t.lock.Unlock()
	t.done += done
	t.total += total
	t.progress.Pulled(Event{Done: t.done, Total: t.total})
}
