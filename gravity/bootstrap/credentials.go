package bootstrap

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kubeadm"
	roster "github.com/gravity-platform/terraform-provider-gravity/gravity/member"
)

const (
	// tokenLife is how long kubeadm may take to use a bootstrap token.
	tokenLife = 30 * time.Minute
	// labelOperation tells which join a bootstrap token is for.
	labelOperation = "gravitational.io/operation"
	tokenNamespace = "kube-system"
)

// credentials makes a bootstrap token of Kubernetes, and records the node.
func (w *work) credentials(ctx context.Context) (any, error) {
	authority, err := os.ReadFile(w.paths.KubernetesFile("pki", "ca.crt"))
	if err != nil {
		return nil, err
	}
	if err := removeTokens(ctx, w.client, w.join.Operation); err != nil {
		return nil, err
	}
	// From now on the node's kubelet may register it.
	record := roster.Record{Role: w.join.Role, Address: w.join.Address, Master: w.join.Master, Join: w.join.Operation}
	if err := roster.Put(ctx, w.client, w.join.Name, record); err != nil {
		return nil, err
	}
	id, secret := strings.ToLower(rand.Text()[:6]), strings.ToLower(rand.Text()[:16])
	_, err = w.client.Resource(kube.Secrets, tokenNamespace).Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token",
		"metadata": map[string]any{
			"name": "bootstrap-token-" + id, "namespace": tokenNamespace, "labels": map[string]any{labelOperation: w.join.Operation},
		},
		"stringData": map[string]any{
			"token-id": id, "token-secret": secret, "usage-bootstrap-authentication": "true",
			"auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
			"expiration":        time.Now().UTC().Add(tokenLife).Format(time.RFC3339),
		},
	}}, metav1.CreateOptions{FieldManager: kube.Manager})
	if err != nil {
		return nil, fmt.Errorf("make a bootstrap token: %w", err)
	}
	return &kubeadm.Credentials{Token: id + "." + secret, Authority: authority}, nil
}

// removeTokens removes the bootstrap tokens of a join.
func removeTokens(ctx context.Context, client *kube.Client, operation string) error {
	secrets := client.Resource(kube.Secrets, tokenNamespace)
	list, err := secrets.List(ctx, metav1.ListOptions{LabelSelector: labelOperation + "=" + operation})
	if err != nil {
		return fmt.Errorf("bootstrap tokens: %w", err)
	}
	for _, secret := range list.Items {
		if err := secrets.Delete(ctx, secret.GetName(), metav1.DeleteOptions{}); err != nil {
			return fmt.Errorf("bootstrap token %s: %w", secret.GetName(), err)
		}
	}
	return nil
}

func decode(w http.ResponseWriter, r *http.Request, into any) error {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(into); err != nil {
		return refuse(http.StatusBadRequest, fmt.Errorf("the request cannot be read: %w", err))
	}
	return nil
}
