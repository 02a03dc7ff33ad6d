package install_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/access"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

// A user with the role edit in one namespace, and groups by which the same user
// is restricted or not.
const (
	user       = " --as=dev --as-group=devs"
	restricted = user + " --as-group=restricted-psp-users"
	privileged = user + " --as-group=privileged-psp-users"
)

// attempt runs a script and wants it to succeed or, with a text, to fail with an
// error that has it.
func attempt(ctx context.Context, t *testing.T, machine *lab.Machine, name, script, refusal string) {
	t.Helper()
	_, err := machine.Run(ctx, lab.Command{Args: []string{"sh", "-c", script}})
	var failed *lab.CommandError
	switch {
	case refusal == "" && err != nil:
		t.Errorf("%s: %v", name, err)
	case refusal != "" && (!errors.As(err, &failed) || !strings.Contains(failed.Tail, refusal)):
		t.Errorf("%s: %v, want an error with %q", name, err, refusal)
	}
}

// checkPods wants who is restricted to be told which attribute of a pod is in
// the way (S104), and groups to grant the policies (S105).
func checkPods(ctx context.Context, t *testing.T, machine *lab.Machine) {
	output(ctx, t, machine, `kubectl create rolebinding devs -n team --clusterrole=edit --group=devs &&
		kubectl create clusterrole debugger --verb=get,patch --resource=pods/ephemeralcontainers &&
		kubectl create rolebinding debuggers -n team --clusterrole=debugger --group=devs`)
	const (
		nonRoot = `"securityContext":{"runAsUser":1000}`
		adds    = `"securityContext":{"runAsUser":1000,"capabilities":{"add":["%s"]}}`
	)
	for _, test := range []struct{ name, container, pod, who, refusal string }{
		{"harmless", nonRoot, "", restricted, ""},
		{"of no group", nonRoot, "", user, ""},
		{"not root", `"securityContext":{"runAsNonRoot":true}`, "", restricted, ""},
		{"the pod's user", `"stdin":false`, `"securityContext":{"runAsUser":65535}`, restricted, ""},
		{"any other capability", fmt.Sprintf(adds, "NET_BIND_SERVICE"), "", restricted, ""},
		{"root", `"securityContext":{"runAsUser":0}`, "", restricted, "runAsUser between 1 and 65535, or runAsNonRoot, is missing in container a"},
		{"large user", `"securityContext":{"runAsUser":65536}`, "", restricted, "runAsUser"},
		{"user of the image", `"stdin":false`, "", restricted, "runAsUser"},
		{"root in a pod that is not", `"securityContext":{"runAsNonRoot":false}`, `"securityContext":{"runAsNonRoot":true}`, restricted, "runAsUser"},
		{"init container", nonRoot, `"initContainers":[{"name":"first","image":"pause:1"}]`, restricted, "in container first"},
		{"NET_ADMIN", fmt.Sprintf(adds, "NET_ADMIN"), "", restricted, "capabilities NET_ADMIN, SYS_ADMIN and SYS_CHROOT are forbidden in container a"},
		{"SYS_ADMIN", fmt.Sprintf(adds, "SYS_ADMIN"), "", restricted, "capabilities"},
		{"SYS_CHROOT", fmt.Sprintf(adds, "SYS_CHROOT"), "", restricted, "capabilities"},
		{"lower case", fmt.Sprintf(adds, "sys_admin"), "", restricted, "capabilities"},
		{"ALL", fmt.Sprintf(adds, "ALL"), "", restricted, "capabilities"},
		{"host network", nonRoot, `"hostNetwork":true`, restricted, "hostNetwork"},
		{"host port", nonRoot + `,"ports":[{"containerPort":80,"hostPort":80}]`, "", restricted, "hostPort is forbidden in container a"},
		{"host processes", nonRoot, `"hostPID":true`, restricted, "hostPID"},
		{"host memory", nonRoot, `"hostIPC":true`, restricted, "hostIPC"},
		{"privileged", `"securityContext":{"runAsUser":1000,"privileged":true}`, "", restricted, "privileged is forbidden in container a"},
		{"host folder", nonRoot, `"volumes":[{"name":"root","hostPath":{"path":"/"}}]`, restricted, "hostPath is forbidden in volume root"},
		{"of no group and root", `"stdin":false`, `"hostNetwork":true`, user, "container a; hostNetwork is forbidden"},
		{
			"privileged group", `"securityContext":{"privileged":true,"capabilities":{"add":["SYS_ADMIN"]}}`,
			`"hostNetwork":true,"hostPID":true,"volumes":[{"name":"root","hostPath":{"path":"/"}}]`, privileged, "",
		},
	} {
		fields := test.pod
		if fields != "" {
			fields = "," + fields
		}
		pod := fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"try","namespace":"team"},`+
			`"spec":{"containers":[{"name":"a","image":"docker.io/library/pause:1",%s}]%s}}`, test.container, fields)
		attempt(ctx, t, machine, test.name, "echo '"+pod+"' | kubectl create --dry-run=server -f - "+test.who, test.refusal)
	}
}

// checkTrusted wants a binding of the privileged role in one namespace to count
// there, and nowhere else.
func checkTrusted(ctx context.Context, t *testing.T, machine *lab.Machine) {
	output(ctx, t, machine, `kubectl create rolebinding trusted -n team --clusterrole=privileged-psp-user --group=trusted &&
		kubectl create clusterrolebinding trusted --clusterrole=edit --group=trusted`)
	const run = "kubectl run try --image=pause:1 --privileged --dry-run=server --as=a --as-group=trusted --namespace="
	attempt(ctx, t, machine, "in the namespace", run+"team", "")
	attempt(ctx, t, machine, "in another one", run+"default", "privileged is forbidden in container try")
}

// checkWorkloads wants pods not to come by detours, and what was admitted to
// stay usable.
func checkWorkloads(ctx context.Context, t *testing.T, machine *lab.Machine) {
	const dryRun = " --dry-run=client -o yaml | sed 's/^\\( *\\)containers:/\\1hostNetwork: true\\n&/' | kubectl create --dry-run=server -f -" + restricted
	attempt(ctx, t, machine, "deployment", "kubectl create deployment try -n team --image=pause:1"+dryRun, "hostNetwork")
	attempt(ctx, t, machine, "job", "kubectl create job try -n team --image=pause:1"+dryRun, "hostNetwork")
	attempt(ctx, t, machine, "cronjob", "kubectl create cronjob try -n team --image=pause:1 --schedule='* * * * *'"+dryRun, "hostNetwork")

	pod := func(name, context string) string {
		return `kubectl run ` + name + ` -n team --image=pause:1 --overrides='{"spec":{"terminationGracePeriodSeconds":0,` +
			`"tolerations":[{"operator":"Exists"}],"securityContext":{` + context + `}}}'`
	}
	attempt(ctx, t, machine, "run as restricted", pod("mine", `"runAsUser":1000`)+restricted, "")
	attempt(ctx, t, machine, "wait", "kubectl wait -n team --for=condition=Ready pod/mine --timeout=60s", "")
	debug := func(user string) string {
		return `kubectl patch pod mine -n team --subresource=ephemeralcontainers --dry-run=server -p '{"spec":{"ephemeralContainers":[` +
			`{"name":"debug","image":"pause:1","securityContext":{"runAsUser":` + user + `}}]}}'` + restricted
	}
	attempt(ctx, t, machine, "ephemeral container", debug("1000"), "")
	attempt(ctx, t, machine, "ephemeral container as root", debug("0"), "in container debug")

	attempt(ctx, t, machine, "run as administrator", pod("theirs", `"runAsUser":0`), "")
	attempt(ctx, t, machine, "label what others made", "kubectl label pod theirs -n team a=b"+restricted, "")
	attempt(ctx, t, machine, "change what others made", "kubectl set image pod/theirs -n team theirs=hook:1"+restricted, "runAsUser")
	attempt(ctx, t, machine, "delete what others made", "kubectl delete pod theirs mine -n team"+restricted, "")
	equal(ctx, t, machine, "kubectl get pods -A --no-headers | grep -vE 'Running|Completed' || true", "")
}

// checkRoles wants groups to have the built-in roles, and service accounts no
// more than Kubernetes gives them (S107).
func checkRoles(ctx context.Context, t *testing.T, machine *lab.Machine) {
	for _, test := range []struct{ who, what, want string }{
		{"--as=a --as-group=admin", "create roles -n team", "yes"},
		{"--as=a --as-group=admin", "create deployments -n default", "yes"},
		{"--as=a --as-group=admin", "create clusterroles", "no"},
		{"--as=a --as-group=edit", "create deployments -n team", "yes"},
		{"--as=a --as-group=edit", "create roles -n team", "no"},
		{"--as=a --as-group=view", "list pods -n team", "yes"},
		{"--as=a --as-group=view", "list secrets -n team", "no"},
		{"--as=a --as-group=view", "create pods -n team", "no"},
		{"--as=a --as-group=none", "list pods -n team", "no"},
		{"--as=system:serviceaccount:default:default", "list secrets", "no"},
		{"--as=system:serviceaccount:kube-system:default", "list secrets", "no"},
	} {
		equal(ctx, t, machine, "kubectl auth can-i "+test.what+" "+test.who+" 2>/dev/null || true", test.want)
	}
	for _, test := range []struct{ group, policy, want string }{
		{"restricted-psp-users", "restricted", "true"},
		{"restricted-psp-users", "privileged", "false"},
		{"privileged-psp-users", "restricted", "true"},
		{"privileged-psp-users", "privileged", "true"},
		{"admin", "privileged", "false"},
	} {
		review := fmt.Sprintf(`{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"user":"a","groups":["%s"],`+
			`"resourceAttributes":{"group":"policy.gravity.dev","resource":"podsecuritypolicies","name":"%s","verb":"use"}}}`, test.group, test.policy)
		equal(ctx, t, machine, "echo '"+review+"' | kubectl create -f - -o jsonpath='{.status.allowed}'", test.want)
	}
	for namespace, want := range map[string]string{"kube-system": "privileged", "gravity-system": "privileged", "default": "privileged baseline"} {
		equal(ctx, t, machine, "echo $(kubectl get namespace "+namespace+
			` -o jsonpath='{.metadata.labels.pod-security\.kubernetes\.io/enforce} {.metadata.labels.pod-security\.kubernetes\.io/warn}')`, want)
	}
}

// checkAccessRemoval wants nothing of access to be left once it is removed, and
// all of it to be there once it is applied again.
func checkAccessRemoval(ctx context.Context, t *testing.T, machine *lab.Machine) {
	kubeconfig := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(kubeconfig, []byte(output(ctx, t, machine, "cat /root/.kube/config")), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := kube.Open(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	const (
		ours   = `kubectl get ns,clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings -o name | grep -E 'telekube|psp|gravity-system|gravity:hook|restricted' || true`
		labels = `kubectl get namespace default kube-system -o jsonpath='{.items[*].metadata.labels}' | grep -o pod-security.kubernetes.io/[a-z]* | sort -u | xargs`
	)
	before := output(ctx, t, machine, ours)
	for range 2 { // the second time there is nothing
		if err := access.Remove(ctx, client); err != nil {
			t.Error(err)
		}
	}
	equal(ctx, t, machine, ours, "")
	equal(ctx, t, machine, labels, "")
	for range 2 {
		if err := access.Apply(ctx, client, access.Options{}); err != nil {
			t.Error(err)
		}
	}
	equal(ctx, t, machine, ours, before)
	equal(ctx, t, machine, labels, "pod-security.kubernetes.io/audit pod-security.kubernetes.io/enforce pod-security.kubernetes.io/warn")
	if err := access.Apply(ctx, client, access.Options{AdminServiceAccounts: true}); err != nil {
		t.Error(err)
	}
	for _, namespace := range []string{"default", "kube-system"} {
		equal(ctx, t, machine, "kubectl auth can-i list secrets --as=system:serviceaccount:"+namespace+":default", "yes")
	}
}
