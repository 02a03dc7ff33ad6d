package upkeep

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/install"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/member"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
)

// labelsInterval is how often labels are looked at.
const labelsInterval = 15 * time.Second

// Labels puts labels of nodes back that somebody has removed or changed, on a
// master: those by which roles are known, and those of Kubernetes' own, which a
// kubelet that does not register does not put back. Labels of a profile by other
// names are given once, and are the site's to change. On other nodes it only waits.
func (u *Upkeep) Labels(ctx context.Context) error {
	if !u.Node.Master {
		<-ctx.Done()
		return nil
	}
	config := kube.File{Path: u.Paths.KubernetesFile("admin.conf")}
	return every(ctx, labelsInterval, u.Log, "put labels of nodes back", func(ctx context.Context) error {
		m, err := u.manifest()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the node is being made
		}
		if err != nil {
			return err
		}
		client, err := config.Client()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return u.putLabels(ctx, client, m)
	})
}

func (u *Upkeep) manifest() (*manifest.Manifest, error) {
	folder := u.Paths.Application(u.Node.Application, u.Node.Version)
	content, err := os.ReadFile(filepath.Join(folder, bundle.NameManifest))
	if err != nil {
		return nil, err
	}
	m, _, err := manifest.Parse(bundle.NameManifest, bytes.NewReader(content))
	return m, err
}

func (u *Upkeep) putLabels(ctx context.Context, client *kube.Client, m *manifest.Manifest) error {
	// The nodes come first: who removes a master drops its record before its labels,
	// and changes its node after this was read, so that the patch below is refused.
	list, err := client.Resource(kube.Nodes, "").List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	records, err := member.Records(ctx, client)
	if err != nil {
		return err
	}
	var failed []error
	for i := range list.Items {
		object := &list.Items[i]
		record, known := records[object.GetName()]
		if !known || object.GetDeletionTimestamp() != nil {
			continue
		}
		missing := missingLabels(object, wantedLabels(object, record, m))
		if len(missing) == 0 {
			continue
		}
		content, err := json.Marshal(map[string]any{"metadata": map[string]any{
			"resourceVersion": object.GetResourceVersion(), "labels": missing,
		}})
		if err != nil {
			return err
		}
		_, err = client.Resource(kube.Nodes, "").Patch(ctx, object.GetName(), types.MergePatchType, content, metav1.PatchOptions{FieldManager: kube.Manager})
		switch {
		case apierrors.IsConflict(err) || apierrors.IsNotFound(err):
			continue // the next time
		case err != nil:
			failed = append(failed, fmt.Errorf("label node %s: %w", object.GetName(), err))
		default:
			u.Log.Info("labels of a node were put back", "node", object.GetName(), "labels", missing)
		}
	}
	return errors.Join(failed...)
}

// wantedLabels are those that a node must have.
func wantedLabels(object *unstructured.Unstructured, record member.Record, m *manifest.Manifest) map[string]string {
	wanted := map[string]string{"kubernetes.io/hostname": object.GetName(), "kubernetes.io/os": "linux"}
	if architecture, _, _ := unstructured.NestedString(object.Object, "status", "nodeInfo", "architecture"); architecture != "" {
		wanted["kubernetes.io/arch"] = architecture
	}
	n := &node.Node{Name: object.GetName(), Address: record.Address, Role: record.Role, Master: record.Master}
	for key, value := range install.Labels(n, m) {
		text, given := value.(string)
		if given && kept(key) {
			wanted[key] = text
		}
	}
	return wanted
}

// kept tells labels that are put back: a node's role and what is in the name space
// of Kubernetes or of Gravity.
func kept(key string) bool {
	domain, _, found := strings.Cut(key, "/")
	if !found {
		return key == "role"
	}
	return slices.ContainsFunc([]string{"kubernetes.io", "k8s.io", "gravitational.io"}, func(of string) bool {
		return domain == of || strings.HasSuffix(domain, "."+of)
	})
}

func missingLabels(object *unstructured.Unstructured, wanted map[string]string) map[string]string {
	missing := map[string]string{}
	labels := object.GetLabels()
	for key, value := range wanted {
		if found, ok := labels[key]; !ok || found != value {
			missing[key] = value
		}
	}
	return missing
}
