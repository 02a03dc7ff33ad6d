package bootstrap

import (
	"testing"

	"k8s.io/client-go/rest"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube/kubetest"
)

func newAPI(t *testing.T) (*kubetest.API, *kube.Client) {
	t.Helper()
	a := kubetest.New(t)
	client, err := kube.New(&rest.Config{Host: a.URL})
	if err != nil {
		t.Fatal(err)
	}
	return a, client
}
