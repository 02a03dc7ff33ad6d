// Package hook runs the hooks of applications: Kubernetes Jobs, with the
// application's files, kubectl and helm in every container. Their logs are kept
// on the node, also of those that failed.
package hook

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
)

// Where hooks find things.
const (
	// ResourcesPath has the files of the application's folder, read-only.
	ResourcesPath = "/var/lib/gravity/resources"
	// BackupPath is where backup writes and restore reads.
	BackupPath = "/var/lib/gravity/backup"
	// ToolsPath has kubectl and helm.
	ToolsPath = "/usr/local/bin"

	// Namespace is that of hooks that do not name one, and ServiceAccount theirs:
	// it may do everything.
	Namespace      = "kube-system"
	ServiceAccount = "gravity-hook"

	// DefaultDeadline is how long a hook may take that does not say so itself.
	DefaultDeadline = 20 * time.Minute
)

// transientTime is how long a transient job stays that nobody removes.
const transientTime = time.Hour

// Hook is a hook to run.
type Hook struct {
	// ID tells runs apart: a run with the ID of an earlier one takes up that one's
	// job, and does nothing if it has succeeded.
	ID string
	// Name is the name of the hook in the manifest.
	Name manifest.HookName
	// Job is a Job as YAML.
	Job string
	// Application and Version are the application's, Cluster the cluster's.
	Application, Version, Cluster string
	// Node is where the hook runs: the node that has the folders.
	Node string
	// Resources and Backup are folders as the kubelet of the node sees them; empty
	// for none.
	Resources, Backup string
	// ServiceUser and ServiceGroup stand for -1 in security contexts.
	ServiceUser, ServiceGroup int64
	// Environment has further variables.
	Environment map[string]string
	// Deadline is for a hook that does not name its own; zero is DefaultDeadline.
	Deadline time.Duration
	// Transient removes the job also when it has succeeded.
	Transient bool
}

// object makes the Job that runs the hook.
func (h *Hook) object() (*unstructured.Unstructured, error) {
	objects, err := kube.Parse([]byte(h.Job))
	if err != nil {
		return nil, err
	}
	if len(objects) != 1 || objects[0].GetKind() != "Job" || objects[0].GetAPIVersion() != "batch/v1" {
		return nil, fmt.Errorf("it is not one Job of batch/v1")
	}
	job := objects[0]
	if job.GetNamespace() == "" {
		job.SetNamespace(Namespace)
	}
	job.SetName(h.jobName())
	job.SetGenerateName("")
	labels := job.GetLabels()
	if labels == nil {
		labels = make(map[string]string)
	}
	labels["gravitational.io/application"], labels["gravitational.io/hook"] = h.Application, string(h.Name)
	job.SetLabels(labels)
	spec, err := child(job.Object, "spec")
	if err != nil {
		return nil, err
	}
	if spec["activeDeadlineSeconds"] == nil {
		spec["activeDeadlineSeconds"] = int64(cmp.Or(h.Deadline, DefaultDeadline) / time.Second)
	}
	// Whoever waits reads the result before the job goes.
	delete(spec, "ttlSecondsAfterFinished")
	if h.Transient {
		// Unless that one is lost: then nobody removes it.
		spec["ttlSecondsAfterFinished"] = int64(transientTime / time.Second)
	}
	template, err := child(spec, "template")
	if err != nil {
		return nil, err
	}
	pod, err := child(template, "spec")
	if err != nil {
		return nil, err
	}
	return job, h.preparePod(pod, job.GetNamespace())
}

// Images lists the images that the hook's containers name, each once.
func (h *Hook) Images() ([]string, error) {
	job, err := h.object()
	if err != nil {
		return nil, fmt.Errorf("hook %s: %w", h.Name, err)
	}
	var images []string
	for _, field := range []string{"initContainers", "containers"} {
		list, _, _ := unstructured.NestedSlice(job.Object, "spec", "template", "spec", field)
		for _, entry := range list {
			container, _ := entry.(map[string]any)
			if image, _ := container["image"].(string); image != "" && !slices.Contains(images, image) {
				images = append(images, image)
			}
		}
	}
	return images, nil
}

// jobName is unique for each ID, and a label.
func (h *Hook) jobName() string {
	application := strings.ToLower(strings.ReplaceAll(h.Application, "_", "-"))
	return fmt.Sprintf("%.30s-%s-%.8s", application, strings.ToLower(string(h.Name)), h.ID)
}

func (h *Hook) preparePod(pod map[string]any, namespace string) error {
	if pod["restartPolicy"] == nil {
		pod["restartPolicy"] = "OnFailure"
	}
	if pod["serviceAccountName"] == nil && pod["serviceAccount"] == nil && namespace == Namespace {
		pod["serviceAccountName"] = ServiceAccount
	}
	if h.Node != "" && pod["nodeName"] == nil {
		selector, err := child(pod, "nodeSelector")
		if err != nil {
			return err
		}
		selector["kubernetes.io/hostname"] = h.Node
	}
	// Masters with taints, and nodes that are being upgraded, run hooks, too. Where a
	// hook runs on one node only, no taint may keep it from there: cordoned, or with a
	// taint of its profile, it is still the one that has the files.
	tolerations, _ := pod["tolerations"].([]any)
	for _, key := range []string{manifest.LabelMaster, manifest.LabelControlPlane, "gravitational.io/runlevel", "gravitational.io/level"} {
		tolerations = append(tolerations, map[string]any{"key": key, "operator": "Exists"})
	}
	if h.Node != "" {
		tolerations = append(tolerations, map[string]any{"operator": "Exists", "effect": "NoSchedule"})
	}
	pod["tolerations"] = tolerations
	h.replaceUser(pod)
	mounts := h.mounts(pod)
	for _, field := range []string{"initContainers", "containers"} {
		list, _ := pod[field].([]any)
		for _, entry := range list {
			container, ok := entry.(map[string]any)
			if !ok {
				return fmt.Errorf("spec.template.spec.%s: a container is a %T", field, entry)
			}
			existing, _ := container["volumeMounts"].([]any)
			container["volumeMounts"] = append(existing, missing(existing, mounts)...)
			variables, _ := container["env"].([]any)
			container["env"] = append(h.environment(variables), variables...)
			h.replaceUser(container)
		}
	}
	return nil
}

// mounts adds the volumes to the pod and returns where containers mount them.
func (h *Hook) mounts(pod map[string]any) []any {
	volumes, _ := pod["volumes"].([]any)
	var mounts []any
	add := func(name, path, kind, target string, readOnly bool) {
		volumes = append(volumes, map[string]any{"name": name, "hostPath": map[string]any{"path": path, "type": kind}})
		mounts = append(mounts, map[string]any{"name": name, "mountPath": target, "readOnly": readOnly})
	}
	for _, tool := range []string{"kubectl", "helm"} {
		add("gravity-"+tool, ToolsPath+"/"+tool, "File", ToolsPath+"/"+tool, true)
	}
	if h.Resources != "" {
		add("gravity-resources", h.Resources, "Directory", ResourcesPath, true)
	}
	if h.Backup != "" {
		add("gravity-backup", h.Backup, "Directory", BackupPath, false)
	}
	pod["volumes"] = volumes
	return mounts
}

// missing leaves out mounts at paths where the container has its own.
func missing(existing, mounts []any) []any {
	var kept []any
	for _, mount := range mounts {
		if !slices.ContainsFunc(existing, func(other any) bool { return mountPath(other) == mountPath(mount) }) {
			kept = append(kept, mount)
		}
	}
	return kept
}

func mountPath(mount any) string {
	fields, _ := mount.(map[string]any)
	path, _ := fields["mountPath"].(string)
	return strings.TrimSuffix(path, "/")
}

// environment is what a container gets that has variables of its own, which win.
func (h *Hook) environment(own []any) []any {
	values := map[string]string{
		"APP_PACKAGE":          manifest.Repository + "/" + h.Application + ":" + h.Version,
		"GRAVITY_CLUSTER_NAME": h.Cluster, "GRAVITY_HOOK": string(h.Name), "DEVMODE": "false", "MANUAL_UPDATE": "false",
	}
	maps.Copy(values, h.Environment)
	for _, entry := range own {
		if variable, ok := entry.(map[string]any); ok {
			name, _ := variable["name"].(string)
			delete(values, name)
		}
	}
	var list []any
	for _, name := range slices.Sorted(maps.Keys(values)) {
		list = append(list, map[string]any{"name": name, "value": values[name]})
	}
	return list
}

// replaceUser replaces the placeholders for the service user and group.
func (h *Hook) replaceUser(holder map[string]any) {
	settings, ok := holder["securityContext"].(map[string]any)
	if !ok {
		return
	}
	for field, id := range map[string]int64{"runAsUser": h.ServiceUser, "runAsGroup": h.ServiceGroup, "fsGroup": h.ServiceGroup} {
		if value, ok := settings[field].(int64); ok && value == -1 {
			settings[field] = id
		}
	}
}

// child is a mapping below another, which is made if it is missing.
func child(parent map[string]any, name string) (map[string]any, error) {
	if parent[name] == nil {
		parent[name] = map[string]any{}
	}
	fields, ok := parent[name].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s is a %T", name, parent[name])
	}
	return fields, nil
}
