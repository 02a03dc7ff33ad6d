package discovery_test

import (
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery/internal/goldentest"
)

func TestDiscover(t *testing.T) { goldentest.Run(t, "testdata", nil) }
