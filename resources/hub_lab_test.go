package resources_test

import (
	"fmt"
	"io"
	"log" //nolint:depguard // what servers of the library take
	"net/http/httptest"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/hub"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cachedir"
)

// toHub pushes the site's bundle to a registry of this process, from which Terraform
// gets it then. What is fetched goes into a cache of the test's own.
func (s *site) toHub() {
	s.Helper()
	quiet := log.New(io.Discard, "", 0)
	server := httptest.NewServer(registry.New(registry.Logger(quiet)))
	s.Cleanup(server.Close)
	s.Setenv("DOCKER_CONFIG", s.TempDir())
	s.Setenv(cachedir.Variable, s.TempDir())
	opened, err := bundle.Open(s.bundle)
	if err != nil {
		s.Fatal(err)
	}
	defer opened.Close()
	connection := hub.Connect(hub.Options{})
	defer connection.Close()
	host := server.Listener.Addr().String()
	pushed, err := connection.Push(s.Context(), opened, host+"/team", false)
	if err != nil {
		s.Fatal(err)
	}
	s.Logf("%s has %d MB", pushed.Reference, opened.Size()/1e6)
	s.bundle = fmt.Sprintf("oci://%s/team/%s:%s", host, shop.Name, shop.Version)
}
