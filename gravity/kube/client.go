// Package kube speaks to the cluster's API server: it applies documents, waits
// for what must become ready, and says what is not.
package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
)

// Manager is the field manager of what gravity applies.
const Manager = "gravity"

// Client is a connection to an API server, for several goroutines at once.
type Client struct {
	dynamic   dynamic.Interface
	discovery discovery.DiscoveryInterface
	mapper    *restmapper.DeferredDiscoveryRESTMapper
	// streams has no limit of time.
	streams discovery.DiscoveryInterface
}

// Open reads a kubeconfig. Nothing is sent yet.
func Open(kubeconfig string) (*Client, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", kubeconfig, err)
	}
	return New(config)
}

// kubeletFolder is where the kubelet sees its own files.
const kubeletFolder = "/var/lib/kubelet/"

// OpenKubelet connects as the kubelet of this node does. Its configuration names
// certificates where the kubelet sees them, which on the host is below folder.
func OpenKubelet(kubeconfig, folder string) (*Client, error) {
	loaded, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", kubeconfig, err)
	}
	for _, user := range loaded.AuthInfos {
		for _, path := range []*string{&user.ClientCertificate, &user.ClientKey} {
			*path = onHost(*path, folder)
			// The certificate in use is a link to the newest one.
			if target, err := os.Readlink(*path); err == nil {
				*path = onHost(target, folder)
			}
		}
	}
	config, err := clientcmd.NewDefaultClientConfig(*loaded, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", kubeconfig, err)
	}
	return New(config)
}

// onHost is where the host has a file of the kubelet's.
func onHost(path, folder string) string {
	if below, ok := strings.CutPrefix(path, kubeletFolder); ok {
		return filepath.Join(folder, below)
	}
	return path
}

// New returns a client of a configuration, which it changes.
func New(config *rest.Config) (*Client, error) {
	config.QPS, config.Burst = 50, 100
	config.Timeout = 30 * time.Second
	config.UserAgent = Manager
	config.WarningHandler = rest.NoWarnings{}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &starting{next: next} })
	found, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	endless := rest.CopyConfig(config)
	endless.Timeout = 0
	streams, err := discovery.NewDiscoveryClientForConfig(endless)
	if err != nil {
		return nil, err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(found))
	return &Client{dynamic: client, discovery: found, mapper: mapper, streams: streams}, nil
}

// Ready asks whether the API server serves; the error says what it lacks.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.discovery.RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
	return err
}

// Apply makes what YAML documents describe, or changes it to that, by
// server-side apply. Fields that others set and the documents do not have stay.
// A document of a kind that is not known yet, because a document before it
// defines it, is tried until the kind is known.
func (c *Client) Apply(ctx context.Context, documents []byte) error {
	objects, err := Parse(documents)
	if err != nil {
		return err
	}
	for _, object := range objects {
		if err := c.ApplyObject(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

// ApplyObject is Apply with one object. A namespaced object without a namespace
// goes to default.
func (c *Client) ApplyObject(ctx context.Context, object *unstructured.Unstructured) error {
	resource, err := c.resource(ctx, object)
	if err != nil {
		return fmt.Errorf("apply %s: %w", describe(object), err)
	}
	content, err := object.MarshalJSON()
	if err != nil {
		return err
	}
	force := true
	options := metav1.PatchOptions{FieldManager: Manager, Force: &force}
	err = Retry(ctx, func(ctx context.Context) error {
		_, err := resource.Patch(ctx, object.GetName(), types.ApplyPatchType, content, options)
		return err
	})
	if err != nil {
		return fmt.Errorf("apply %s: %w", describe(object), err)
	}
	return nil
}

// Resource returns where objects of a kind are read and changed. The namespace
// is empty for those that have none.
func (c *Client) Resource(resource schema.GroupVersionResource, namespace string) dynamic.ResourceInterface {
	if namespace == "" {
		return c.dynamic.Resource(resource)
	}
	return c.dynamic.Resource(resource).Namespace(namespace)
}

// crdWait is how long a kind may take to be known.
const crdWait = 30 * time.Second

func (c *Client) resource(ctx context.Context, object *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	kind := object.GroupVersionKind()
	ctx, cancel := context.WithTimeout(ctx, crdWait)
	defer cancel()
	for {
		mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err == nil {
			if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
				return c.dynamic.Resource(mapping.Resource), nil
			}
			namespace := object.GetNamespace()
			if namespace == "" {
				namespace = "default"
			}
			return c.dynamic.Resource(mapping.Resource).Namespace(namespace), nil
		}
		if !meta.IsNoMatchError(err) && !Transient(err) {
			return nil, err
		}
		c.mapper.Reset()
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// Parse reads YAML or JSON documents; empty ones are left out, and lists are
// taken apart.
func Parse(documents []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(documents), 4096)
	for {
		var raw json.RawMessage
		err := decoder.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(raw)) == 0 {
			continue
		}
		object := new(unstructured.Unstructured)
		// Not the standard library's: whole numbers are int64.
		if err := utiljson.Unmarshal(raw, &object.Object); err != nil {
			return nil, err
		}
		if len(object.Object) == 0 {
			continue
		}
		if object.GetKind() == "" || object.GetAPIVersion() == "" {
			return nil, fmt.Errorf("document %d has no apiVersion or kind", len(objects)+1)
		}
		if !object.IsList() {
			objects = append(objects, object)
			continue
		}
		list, err := object.ToList()
		if err != nil {
			return nil, err
		}
		for i := range list.Items {
			objects = append(objects, &list.Items[i])
		}
	}
}

func describe(object *unstructured.Unstructured) string {
	name := object.GetName()
	if namespace := object.GetNamespace(); namespace != "" {
		name = namespace + "/" + name
	}
	return object.GetKind() + " " + name
}

// attempts bounds how often a request is made that a busy or starting API
// server did not serve.
const attempts = 30

// Retry makes a request until it succeeds or fails for good.
func Retry(ctx context.Context, request func(context.Context) error) error {
	for attempt := 1; ; attempt++ {
		err := request(ctx)
		if err == nil || attempt == attempts || !Transient(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(time.Second):
		}
	}
}

// Transient tells errors that go away by themselves.
func Transient(err error) bool {
	if apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err) ||
		apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) || apierrors.IsConflict(err) {
		return true
	}
	var status apierrors.APIStatus
	return !errors.As(err, &status) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// Label gives a node labels.
func (c *Client) Label(ctx context.Context, node string, labels map[string]any) error {
	content, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": labels}})
	if err != nil {
		return err
	}
	err = Retry(ctx, func(ctx context.Context) error {
		_, err := c.Resource(Nodes, "").Patch(ctx, node, types.MergePatchType, content, metav1.PatchOptions{FieldManager: Manager})
		return err
	})
	if err != nil {
		return fmt.Errorf("label node %s: %w", node, err)
	}
	return nil
}

// Log follows the log of a container from its start to its end.
func (c *Client) Log(ctx context.Context, namespace, pod, container string) (io.ReadCloser, error) {
	return c.streams.RESTClient().Get().
		AbsPath("/api/v1/namespaces", namespace, "pods", pod, "log").
		Param("container", container).Param("follow", "true").Stream(ctx)
}
