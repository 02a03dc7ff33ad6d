package removal

import (
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube/kubetest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// newAPI serves, and lets a node's state folder lead to it.
func newAPI(t *testing.T) (*kubetest.API, *kube.Client, paths.Paths) {
	t.Helper()
	a, p := kubetest.New(t), paths.Paths{Root: t.TempDir()}
	return a, kubetest.Lead(t, p, a.URL), p
}
