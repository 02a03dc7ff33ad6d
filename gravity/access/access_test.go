package access_test

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/access"
)

func names(t *testing.T, options access.Options) (names []string) {
	t.Helper()
	objects, err := access.Objects(options)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		names = append(names, object.GetKind()+" "+object.GetName())
	}
	return names
}

// TestObjects wants the names that users know (S104, S105, S107), and rights of
// default service accounts on demand only.
func TestObjects(t *testing.T) {
	found := names(t, access.Options{})
	for _, want := range []string{
		"Namespace gravity-system", "ClusterRole privileged-psp-user", "ClusterRole restricted-psp-user",
		"ClusterRoleBinding privileged-psp-users", "ClusterRoleBinding restricted-psp-users",
		"ClusterRoleBinding telekube-admin", "ClusterRoleBinding telekube-edit", "ClusterRoleBinding telekube-view",
		"ValidatingAdmissionPolicy restricted", "ValidatingAdmissionPolicyBinding restricted",
	} {
		if !slices.Contains(found, want) {
			t.Errorf("%s is missing", want)
		}
	}
	for _, admin := range []string{"ClusterRoleBinding telekube-system-admin", "ClusterRoleBinding telekube-default-admin"} {
		if slices.Contains(found, admin) {
			t.Errorf("%s is there without being asked for", admin)
		}
		if !slices.Contains(names(t, access.Options{AdminServiceAccounts: true}), admin) {
			t.Errorf("%s is missing", admin)
		}
	}
}

// TestGroups wants members of the privileged group to have both roles.
func TestGroups(t *testing.T) {
	objects, err := access.Objects(access.Options{})
	if err != nil {
		t.Fatal(err)
	}
	roles := make(map[string][]string)
	for _, object := range objects {
		if object.GetKind() != "ClusterRoleBinding" {
			continue
		}
		role, _, _ := unstructured.NestedString(object.Object, "roleRef", "name")
		subjects, _, _ := unstructured.NestedSlice(object.Object, "subjects")
		for _, subject := range subjects {
			fields, _ := subject.(map[string]any)
			if fields["kind"] == "Group" {
				group, _ := fields["name"].(string)
				roles[group] = append(roles[group], role)
			}
		}
	}
	for group, want := range map[string][]string{
		"privileged-psp-users": {"privileged-psp-user", "restricted-psp-user"}, "restricted-psp-users": {"restricted-psp-user"},
		"admin": {"admin"}, "edit": {"edit"}, "view": {"view"},
	} {
		if !slices.Equal(roles[group], want) {
			t.Errorf("group %s has %v, want %v", group, roles[group], want)
		}
	}
}
