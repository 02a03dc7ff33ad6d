package build

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
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
		if event.State == pull.Fetching && !b.local[event.Reference] {
			b.remote[event.Reference] = true
		}
		b.options.Progress(Event{Image: &ImageState{
			Reference: event.Reference, State: event.State, Local: !b.remote[event.Reference], Err: event.Err,
		}})
	}
	b.result.Fetched = event.Done
	b.steps.transfer(event.Done, event.Total)
}

// locate decides for each image where it comes from.
func (b *builder) locate(ctx context.Context, images []discovery.Image) error {
	names, err := pull.ReadNames(ctx, b.options.Images...)
	if err != nil {
		return err
	}
	b.places = make(map[string][]discovery.Place, len(images))
	for _, image := range images {
		from, err := names.Find(image.Name)
		if err != nil {
			return err
		}
		b.places[image.Name] = image.Places
		if from == nil && image.Reference.Context().RegistryStr() == runtime.Host {
			err := &pull.Error{Reference: image.Name, Action: "find image", Err: errors.New("no registry answers to " + runtime.Host)}
			return cli.WithHint(&ImageError{Cause: err, Places: image.Places},
				"name the OCI layout that has the image by --images-from; 'make example-images' builds those of the examples")
		}
		b.local[image.Name] = from != nil
		b.requests = append(b.requests, pull.Request{Reference: image.Name, From: from})
	}
	return nil
}

// pull brings the images into the cache.
func (b *builder) pull(ctx context.Context) ([]pull.Image, error) {
	pulled, err := b.cache.Pull(ctx, b.requests, b.pullOptions())
	if err != nil {
		return nil, withPlaces(err, b.places)
	}
	return pulled, nil
}

// withPlaces adds to each image that failed who asks for it.
func withPlaces(err error, places map[string][]discovery.Place) error {
	joined, ok := err.(interface{ Unwrap() []error })
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
