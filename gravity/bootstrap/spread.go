package bootstrap

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
)

// spreadDNS lets the pods of the cluster's DNS run on several nodes, now that
// there are some: they all began on the first one, whose loss would take the DNS
// away for minutes. One pod is made anew; the others serve meanwhile, and the
// scheduler prefers a node that has none.
func spreadDNS(ctx context.Context, client *kube.Client) error {
	pods := client.Resource(kube.Pods, "kube-system")
	list, err := pods.List(ctx, metav1.ListOptions{LabelSelector: "k8s-app=kube-dns"})
	if err != nil || len(list.Items) < 2 {
		return err
	}
	first := nodeOf(&list.Items[0])
	for i := range list.Items {
		if pod := &list.Items[i]; nodeOf(pod) != first || pod.GetDeletionTimestamp() != nil {
			return nil
		}
	}
	err = pods.Delete(ctx, list.Items[0].GetName(), metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func nodeOf(pod *unstructured.Unstructured) string {
	name, _, _ := unstructured.NestedString(pod.Object, "spec", "nodeName")
	return name
}
