package kustomization_test

import (
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery/internal/goldentest"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery/kustomization"
)

func TestDiscover(t *testing.T) {
	goldentest.Run(t, "testdata", func(*testing.T, *goldentest.Case) (_, kustomizations discovery.Renderer) {
		return nil, kustomization.New()
	})
}
