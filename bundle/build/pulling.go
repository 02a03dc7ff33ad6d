package build

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
)

// dockerKeychain has the credentials of docker, with its helpers.
var dockerKeychain = authn.DefaultKeychain

// ImageError is an image that cannot be pulled, with those who ask for it.
type ImageError struct {
	Cause  *pull.Error
	Places []discovery.Place
}

// Error returns what happened and the places, one on a line.
func (e *ImageError) Error() string {
	var text strings.Builder
	text.WriteString(e.Cause.Error())
	for i, place := range e.Places {
		if i == maxPlaces {
			fmt.Fprintf(&text, "\n\tand by %d more", len(e.Places)-i)
			break
		}
		fmt.Fprintf(&text, "\n\tasked for by %s", place)
	}
	return text.String()
}

// Unwrap returns the failure.
func (e *ImageError) Unwrap() error { return e.Cause }

// maxPlaces is how many places an error names.
const maxPlaces = 5

func (b *builder) pullOptions() pull.Options {
	options := b.options.Pull
	options.Platform = &b.source.Platform
	if options.Keychain == nil {
		options.Keychain = dockerKeychain
	}
	options.Progress = b
	return options
}

// Pulled tells what happens to images.
func (b *builder) Pulled(event pull.Event) {
	if event.Reference != "" {
		b.options.Progress(Event{Image: &ImageState{Reference: event.Reference, State: event.State, Err: event.Err}})
	}
	b.result.Fetched = event.Done
	b.steps.transfer(event.Done, event.Total)
}

// pull brings images into the cache.
func (b *builder) pull(ctx context.Context, images []discovery.Image) ([]pull.Image, error) {
	requests := make([]pull.Request, len(images))
	places := make(map[string][]discovery.Place, len(images))
	for i, image := range images {
		requests[i] = pull.Request{Reference: image.Name}
		places[image.Name] = image.Places
	}
	pulled, err := b.cache.Pull(ctx, requests, b.pullOptions())
	if err != nil {
		return nil, withPlaces(err, places)
	}
	return pulled, nil
}

// withPlaces adds to each image that failed who asks for it.
func withPlaces(err error, places map[string][]discovery.Place) error {
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // the joined error itself
	if !ok {
		return err
	}
	var named []error
	for _, err := range joined.Unwrap() {
		if of, ok := errors.AsType[*pull.Error](err); ok {
			err = &ImageError{Cause: of, Places: places[of.Reference]}
		}
		named = append(named, err)
	}
	return errors.Join(named...)
}
