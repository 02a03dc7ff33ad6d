package hook

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files")

const job = `apiVersion: batch/v1
kind: Job
metadata:
  name: install
spec:
  template:
    spec:
      initContainers:
        - {name: first, image: a}
      containers:
        - name: hook
          image: b
          env: [{name: DEVMODE, value: "true"}]
          securityContext: {runAsUser: -1}
          volumeMounts: [{name: own, mountPath: /var/lib/gravity/resources/}]
      volumes: [{name: own, emptyDir: {}}]
`

const ownJob = `apiVersion: batch/v1
kind: Job
metadata: {name: own, namespace: shop, labels: {a: b}}
spec:
  activeDeadlineSeconds: 60
  ttlSecondsAfterFinished: 1
  template:
    spec:
      restartPolicy: Never
      serviceAccountName: mine
      nodeSelector: {disk: fast}
      tolerations: [{operator: Exists}]
      containers: [{name: hook, image: b}]
`

func TestObject(t *testing.T) {
	hook := Hook{
		ID: "0123456789", Name: "preUpdate", Application: "My_Shop", Version: "1.0.0", Cluster: "test", Node: "node-1",
		Resources: "/var/lib/gravity/application/My_Shop/1.0.0", ServiceUser: 1000, Environment: map[string]string{"A": "1"},
	}
	for name, text := range map[string]string{"job.yaml": job, "own.yaml": ownJob} {
		hook.Job = text
		if name == "own.yaml" {
			hook.Backup = "/var/lib/gravity/backup/1"
		} else {
			hook.Backup = ""
		}
		object, err := hook.object()
		if err != nil {
			t.Fatal(err)
		}
		got, err := yaml.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got), -update writes it:\n%s", name, diff)
		}
	}
}

func TestImages(t *testing.T) {
	hook := Hook{ID: "1", Name: "install", Application: "a", Job: job}
	images, err := hook.Images()
	if diff := cmp.Diff([]string{"a", "b"}, images); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestObjectFails(t *testing.T) {
	for _, text := range []string{
		"", "kind: Job", strings.ReplaceAll(job, "kind: Job", "kind: Pod"), job + "---\n" + job,
		"apiVersion: batch/v1\nkind: Job\nspec: {template: {spec: {containers: [text]}}}",
		"apiVersion: batch/v1\nkind: Job\nspec: [1]",
	} {
		hook := Hook{ID: "1", Name: "install", Application: "a", Job: text}
		if _, err := hook.object(); err == nil {
			t.Errorf("no error for %q", text)
		}
	}
}

func FuzzObject(f *testing.F) {
	f.Add(job)
	f.Add(ownJob)
	f.Fuzz(func(_ *testing.T, text string) {
		hook := Hook{ID: "1", Name: "install", Application: "a", Job: text, Resources: "/x", ServiceUser: 1}
		_, _ = hook.object() // never panics
	})
}
