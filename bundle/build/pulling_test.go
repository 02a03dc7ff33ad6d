package build

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

func TestAdvise(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want string // empty for no hint
	}{
		{"no credentials", &transport.Error{StatusCode: 401}, "'docker login example.com'"},
		{"wrong credentials", &transport.Error{StatusCode: 403}, "'docker login example.com'"},
		{"missing", &transport.Error{StatusCode: 404}, "example.com has no image"},
		{"broken registry", &transport.Error{StatusCode: 500}, ""},
		{"no host", &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host"}}, "is example.com the right host?"},
		{"hint of its own", cli.WithHint(&transport.Error{StatusCode: 404}, "own"), "own"},
		{"damaged", errors.New("it has another digest"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := advise(&ImageError{Cause: &pull.Error{Reference: "example.com/a:1", Action: "get digest", Err: c.err}})
			hints := strings.Join(cli.Hints(err), "\n")
			if !strings.Contains(hints, c.want) || (c.want == "") != (hints == "") {
				t.Errorf("hints %q, want %q", hints, c.want)
			}
			if named, ok := errors.AsType[*ImageError](err); !ok || named.Cause.Reference != "example.com/a:1" {
				t.Errorf("error %v names no image", err)
			}
		})
	}
}
