package build

import "github.com/gravity-platform/terraform-provider-gravity/bundle/pull"

// Event tells what a build does. One of its fields is set.
type Event struct {
	// Step is the beginning of a step.
	Step *Step
	// Detail is a line about the current step.
	Detail string
	// Image is the new state of an image.
	Image *ImageState
	// Transfer is how many bytes the current step has moved.
	Transfer *Transfer
}

// Step is a step of a build (section 2.3 of the original's behaviour).
type Step struct {
	// Number counts from one to Total.
	Number, Total int
	Message       string
}

// ImageState is what happens to an image.
type ImageState struct {
	Reference string
	State     pull.State
	// Local tells that nothing of it came, or comes, from a registry.
	Local bool
	Err   error
}

// Transfer counts bytes. Total may grow.
type Transfer struct{ Done, Total int64 }

// steps numbers the steps of a build and tells about them.
type steps struct {
	tell          func(Event)
	number, total int
}

func (s *steps) next(message string) {
	s.number++
	s.tell(Event{Step: &Step{Number: s.number, Total: s.total, Message: message}})
}

func (s *steps) detail(message string) { s.tell(Event{Detail: message}) }

func (s *steps) transfer(done, total int64) {
	s.tell(Event{Transfer: &Transfer{Done: done, Total: total}})
}
