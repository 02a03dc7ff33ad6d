package build

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

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
		host := image.Reference.Context().RegistryStr()
		if from == nil && host == runtime.Host && len(b.options.Pull.Mirrors[host]) == 0 {
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

// warnPlatform tells about an image for other machines only. It stays in the
// bundle: many images say a platform that is not theirs.
func (b *builder) warnPlatform(image pull.Image) {
	var others []string
	for _, platform := range image.Platforms {
		if platform.Satisfies(b.source.Platform) {
			return
		}
		others = append(others, platform.String())
	}
	if len(others) > 0 {
		b.steps.detail(fmt.Sprintf("Warning: %s is for %s, not for %s: its pods may fail to start",
			image.Reference, strings.Join(others, ", "), b.source.Platform))
	}
}

// advise says what to do about an image that a registry does not give. A hint
// of the failure itself knows more.
func advise(err *ImageError) error {
	if len(cli.Hints(err)) > 0 {
		return err
	}
	reference, parseErr := name.ParseReference(err.Cause.Reference)
	if parseErr != nil {
		return err
	}
	host := reference.Context().RegistryStr()
	if refused, ok := errors.AsType[*transport.Error](err); ok {
		switch refused.StatusCode {
		case http.StatusUnauthorized, http.StatusForbidden:
			return cli.WithHint(err, "'docker login %s' with credentials that may pull the image; some registries say so, too, of images that they do not have", host)
		case http.StatusNotFound:
			return cli.WithHint(err, "%s has no image of that name and tag: correct them where the image is asked for, or name a file that has it by --images-from", host)
		}
		return err
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return cli.WithHint(err, "is %s the right host? Name a mirror of it by --mirror, or a file that has the image by --images-from", host)
	}
	return err
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
			err = advise(&ImageError{Cause: of, Places: places[of.Reference]})
		}
		named = append(named, err)
	}
	return errors.Join(named...)
}
