// Package access is who may do what in a new cluster: groups of people, roles
// for pod security, the policy that restricts pods, and the accounts of hooks.
//
// Two roles replace the original's pod security policies (S104, S105). Who has
// privileged-psp-user, by the group privileged-psp-users or a binding of its
// own, in one namespace or in all, may make any pod there. Everybody else may
// make pods that the admission policy "restricted" allows, whatever
// restricted-psp-user is bound to; the role and its group are kept for bindings
// that name them. Both grant the verb "use" of a resource that exists in rules
// only, which the policy asks the authorizer for. Administrators, Kubernetes' own accounts and everything in kube-system
// and gravity-system are not restricted.
//
// The groups admin, edit and view have the built-in roles of these names in all
// namespaces (S107). That includes kube-system: edit is enough there to act as
// any of its service accounts, so bind the role in a namespace for who must stay
// restricted.
package access

import (
	"context"
	"embed"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
)

//go:embed objects
var files embed.FS

// Namespace is the system's.
const Namespace = "gravity-system"

// Options are what a cluster decides itself.
type Options struct {
	// AdminServiceAccounts gives the default service accounts of default and
	// kube-system all rights. The original did that in every cluster (S107): any
	// pod there that says nothing else could do anything.
	AdminServiceAccounts bool
}

// Objects lists what makes up a cluster's access, in the order of creation.
func Objects(options Options) ([]*unstructured.Unstructured, error) {
	names := []string{"namespaces", "groups", "roles", "hooks", "policy", "nodes"}
	if options.AdminServiceAccounts {
		names = append(names, "admin")
	}
	var objects []*unstructured.Unstructured
	for _, name := range names {
		content, err := files.ReadFile("objects/" + name + ".yaml")
		if err != nil {
			return nil, err
		}
		parsed, err := kube.Parse(content)
		if err != nil {
			return nil, fmt.Errorf("%s.yaml: %w", name, err)
		}
		objects = append(objects, parsed...)
	}
	return objects, nil
}

// Apply makes the objects, or changes them back to what they were.
func Apply(ctx context.Context, client *kube.Client, options Options) error {
	objects, err := Objects(options)
	if err != nil {
		return err
	}
	for _, object := range objects {
		if err := client.ApplyObject(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

// Remove removes the objects, whatever the options were, and waits until they
// are gone. Namespaces of Kubernetes lose their labels only.
func Remove(ctx context.Context, client *kube.Client) error {
	objects, err := Objects(Options{AdminServiceAccounts: true})
	if err != nil {
		return err
	}
	for _, object := range slices.Backward(objects) {
		if shared(object) {
			object.SetLabels(nil) // what gravity applied before and does not now goes
			err = client.ApplyObject(ctx, object)
		} else {
			err = client.DeleteObject(ctx, object)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// shared tells objects that Kubernetes made.
func shared(object *unstructured.Unstructured) bool {
	return object.GetKind() == "Namespace" && object.GetName() != Namespace
}
