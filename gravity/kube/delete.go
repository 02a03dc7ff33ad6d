package kube

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// deleteTimeout is how long an object and what belongs to it may take to go.
const deleteTimeout = 2 * time.Minute

// DeleteObject deletes an object and what belongs to it, and waits until it is
// gone. One that is not there is no error.
func (c *Client) DeleteObject(ctx context.Context, object *unstructured.Unstructured) error {
	resource, err := c.resource(ctx, object)
	if err != nil {
		return fmt.Errorf("delete %s: %w", describe(object), err)
	}
	policy := metav1.DeletePropagationForeground
	err = Retry(ctx, func(ctx context.Context) error {
		return resource.Delete(ctx, object.GetName(), metav1.DeleteOptions{PropagationPolicy: &policy})
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", describe(object), err)
	}
	return Wait(ctx, deleteTimeout, "the end of "+describe(object), func(ctx context.Context) error {
		_, err := resource.Get(ctx, object.GetName(), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("it is still there")
		}
		return err
	})
}
