package resource

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/access"
)

// How documents are kept.
const (
	// SecretType is the type of all of them.
	SecretType = "gravitational.io/resource"
	// LabelKind and LabelName find a document. A name that no label can have is
	// there by its hash, and so are names of tokens, which are secret.
	LabelKind = "gravitational.io/resource-kind"
	LabelName = "gravitational.io/resource-name"
	// Key is where a Secret has the document, as JSON.
	Key = "resource.json"
)

var labelPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)

// NameLabel is the value of LabelName for a document.
func NameLabel(kind, name string) string {
	if kind == "token" || !labelPattern.MatchString(name) {
		return hash(name)
	}
	return name
}

func hash(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:16])
}

// Secret is the document as the cluster keeps it.
func (d *Document) Secret() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": SecretType,
		"metadata": map[string]any{
			"name": secretName(d.Kind, d.Name), "namespace": access.Namespace,
			"labels": map[string]any{LabelKind: d.Kind, LabelName: NameLabel(d.Kind, d.Name)},
		},
		"data": map[string]any{Key: base64.StdEncoding.EncodeToString(d.Content)},
	}}
}

// secretName is one that Kubernetes takes, whatever the document's is.
func secretName(kind, name string) string {
	return "resource-" + strings.ReplaceAll(kind, "_", "-") + "-" + hash(name)
}
