package kubeconfig

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
)

// requests are the cluster's requests for certificates.
var requests = schema.GroupVersionResource{Group: "certificates.k8s.io", Version: "v1", Resource: "certificatesigningrequests"}

const (
	// signer signs for clients of the API server.
	signer = "kubernetes.io/kube-apiserver-client"
	// signingTimeout is how long the controller manager may take; it takes a
	// second, unless its leader was lost just now.
	signingTimeout = time.Minute
)

// signed is a certificate and its key: PEM.
type signed struct {
	certificate, key []byte
	expires          time.Time
}

// sign makes a key and has the cluster sign its certificate: so the API server's
// audit tells of it, and the authority's key stays where it is.
func sign(ctx context.Context, client *kube.Client, request Request) (*signed, error) {
	asked, key, err := newRequest(request)
	if err != nil {
		return nil, err
	}
	all := client.Resource(requests, "")
	created, err := all.Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
		"metadata": map[string]any{"generateName": "gravity-kubeconfig-"},
		"spec": map[string]any{
			"request": base64.StdEncoding.EncodeToString(asked), "signerName": signer,
			"expirationSeconds": int64(request.Life / time.Second), "usages": []any{"digital signature", "client auth"},
		},
	}}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	defer func() {
		// Kubernetes removes it after an hour if this fails.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = all.Delete(ctx, created.GetName(), metav1.DeleteOptions{})
	}()
	created.Object["status"] = map[string]any{"conditions": []any{map[string]any{
		"type": "Approved", "status": "True", "reason": "GravityKubeconfig", "message": "asked for by root on a master",
	}}}
	if _, err := all.Update(ctx, created, metav1.UpdateOptions{}, "approval"); err != nil {
		return nil, err
	}
	var certificate []byte
	var refusal error
	err = kube.Wait(ctx, signingTimeout, "the signature", func(ctx context.Context) error {
		found, err := all.Get(ctx, created.GetName(), metav1.GetOptions{})
		if err != nil {
			return err
		}
		if certificate, refusal = certificateOf(found); certificate == nil && refusal == nil {
			return errors.New("it is not signed yet")
		}
		return nil
	})
	if err = cmp.Or(err, refusal); err != nil {
		return nil, err
	}
	expires, err := endOf(certificate)
	return &signed{certificate: certificate, key: key, expires: expires}, err
}

// newRequest makes a key, and asks for a certificate: PEM of both.
func newRequest(request Request) (asked, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: request.User, Organization: request.Groups},
	}, private)
	if err != nil {
		return nil, nil, err
	}
	encoded, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: encoded}), nil
}

// certificateOf is the certificate of a request, nil while it is not signed; an
// error if it never will be.
func certificateOf(request *unstructured.Unstructured) ([]byte, error) {
	text, _, _ := unstructured.NestedString(request.Object, "status", "certificate")
	if text != "" {
		return base64.StdEncoding.DecodeString(text)
	}
	conditions, _, _ := unstructured.NestedSlice(request.Object, "status", "conditions")
	for _, condition := range conditions {
		fields, _ := condition.(map[string]any)
		if kind := fields["type"]; kind == "Failed" || kind == "Denied" {
			return nil, fmt.Errorf("it is not signed: %v", fields["message"])
		}
	}
	return nil, nil
}

func endOf(certificate []byte) (time.Time, error) {
	block, _ := pem.Decode(certificate)
	if block == nil {
		return time.Time{}, errors.New("what was signed is not a certificate")
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}, err
	}
	return parsed.NotAfter.UTC(), nil
}
