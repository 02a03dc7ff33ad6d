package token

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/cluster"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/kube"
)

// What is wrong with tokens; test with errors.Is.
var (
	// ErrUnknown is about a token that was never made, or was removed.
	ErrUnknown = errors.New("the cluster does not know this join token: it is wrong, or was removed")
	// ErrExpired is about a token whose time is over.
	ErrExpired = errors.New("the join token has expired")
)

const (
	secretPrefix = "join-token-"
	secretLabel  = "gravitational.io/join-token"
	// keepExpired is how long an expired token is kept, so that whoever comes with
	// it is told.
	keepExpired = 30 * 24 * time.Hour
)

// Record is what the cluster keeps of a token: a Secret.
type Record struct {
	ID string
	// Key is Token.Key.
	Key []byte
	// Created is when it was made; Expires is when it ends to work, zero for
	// never.
	Created, Expires time.Time
}

// Check fails with ErrExpired, or with ErrUnknown if the token is another one.
func (r *Record) Check(t Token, now time.Time) error {
	key, err := t.Key()
	switch {
	case err != nil:
		return err
	case subtle.ConstantTimeCompare(key, r.Key) != 1:
		return ErrUnknown
	case r.Expired(now):
		return ErrExpired
	}
	return nil
}

// Expired tells whether the token's time is over.
func (r *Record) Expired(now time.Time) bool { return !r.Expires.IsZero() && !now.Before(r.Expires) }

// Put makes a token known to the cluster, or changes when it expires.
func Put(ctx context.Context, client *kube.Client, t Token, expires time.Time) error {
	key, err := t.Key()
	if err != nil {
		return err
	}
	data := map[string]any{"key": base64.StdEncoding.EncodeToString(key)}
	if !expires.IsZero() {
		data["expires"] = base64.StdEncoding.EncodeToString([]byte(expires.UTC().Format(time.RFC3339)))
	}
	return client.ApplyObject(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "gravitational.io/join-token",
		"metadata": map[string]any{
			"name": secretPrefix + t.ID, "namespace": cluster.Namespace, "labels": map[string]any{secretLabel: "true"},
		},
		"data": data,
	}})
}

// Find reads what the cluster keeps of a token; ErrUnknown if it does not know
// one of this ID.
func Find(ctx context.Context, client *kube.Client, id string) (*Record, error) {
	if CheckID(id) != nil {
		return nil, ErrUnknown
	}
	secret, err := client.Resource(kube.Secrets, cluster.Namespace).Get(ctx, secretPrefix+id, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, ErrUnknown
	}
	if err != nil {
		return nil, fmt.Errorf("join token %s: %w", id, err)
	}
	return decode(secret)
}

// List reads what the cluster keeps of all tokens, the oldest first. It removes
// those that expired long ago.
func List(ctx context.Context, client *kube.Client, now time.Time) ([]*Record, error) {
	list, err := client.Resource(kube.Secrets, cluster.Namespace).List(ctx, metav1.ListOptions{LabelSelector: secretLabel})
	if err != nil {
		return nil, fmt.Errorf("join tokens: %w", err)
	}
	var records []*Record
	for i := range list.Items {
		record, err := decode(&list.Items[i])
		if err != nil {
			return nil, err
		}
		if record.Expired(now.Add(-keepExpired)) {
			if err := Remove(ctx, client, record.ID); err != nil && !errors.Is(err, ErrUnknown) {
				return nil, err
			}
			continue
		}
		records = append(records, record)
	}
	slices.SortFunc(records, func(a, b *Record) int { return a.Created.Compare(b.Created) })
	return records, nil
}

// Remove makes a token worthless; ErrUnknown if there is none of this ID.
func Remove(ctx context.Context, client *kube.Client, id string) error {
	if CheckID(id) != nil {
		return ErrUnknown
	}
	err := client.Resource(kube.Secrets, cluster.Namespace).Delete(ctx, secretPrefix+id, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return ErrUnknown
	}
	return err
}

func decode(secret *unstructured.Unstructured) (*Record, error) {
	data, _, err := unstructured.NestedStringMap(secret.Object, "data")
	if err != nil {
		return nil, fmt.Errorf("secret %s: %w", secret.GetName(), err)
	}
	r := &Record{ID: strings.TrimPrefix(secret.GetName(), secretPrefix), Created: secret.GetCreationTimestamp().Time}
	if r.Key, err = base64.StdEncoding.DecodeString(data["key"]); err != nil || len(r.Key) == 0 {
		return nil, fmt.Errorf("secret %s has no key", secret.GetName())
	}
	if data["expires"] == "" {
		return r, nil
	}
	text, err := base64.StdEncoding.DecodeString(data["expires"])
	if err == nil {
		r.Expires, err = time.Parse(time.RFC3339, string(text))
	}
	if err != nil {
		return nil, fmt.Errorf("secret %s: expires: %w", secret.GetName(), err)
	}
	return r, nil
}
