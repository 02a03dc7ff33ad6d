package bootstrap

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
)

// JoiningMaster names a machine that is on its way to become a master, other than the
// named one; empty if there is none.
func JoiningMaster(ctx context.Context, client *kube.Client, except string) (string, error) {
	object, err := client.Resource(kube.ConfigMaps, cluster.Namespace).Get(ctx, joinsName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the joins: %w", err)
	}
	joins, err := decodeJoins(object, time.Now())
	if err != nil {
		return "", err
	}
	for _, j := range joins {
		if j.Master && j.Name != except {
			return j.Name, nil // one at a time joins
		}
	}
	return "", nil
}
