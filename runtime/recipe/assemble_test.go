package recipe

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

func testParts() parts {
	named := func(name string) layer { return layer{Name: name} }
	return parts{
		base: named("base"), system: named("system"), engine: named("engine"), kube: named("kube"),
		etcd: named("etcd"), addons: named("addons"), registry: named("registry"),
		pause: layer{Name: "pause", Components: "pause=1.37.2"},
	}
}

func testRelease() runtime.Release {
	return runtime.Release{Version: "1.37.2", Components: map[string]string{
		"etcd": "3.7.3", "coredns": "1.15.0", "flannel": "0.28.10", "helm": "4.3.1", "containerd": "2.4.2", "runc": "1.5.2",
	}}
}

func TestImagesOf(t *testing.T) {
	names := []string{
		"registry.k8s.io/coredns/coredns:v1.15.0", "registry.k8s.io/etcd:3.7.3-0", "registry.k8s.io/kube-proxy:v1.37.2",
		"registry.test:5000/pause:3.10",
	}
	images, err := imagesOf(testRelease(), testParts(), names)
	if err != nil {
		t.Fatal(err)
	}
	type summary struct{ Name, Version, User, Layers, Entrypoint string }
	var got []summary
	for _, i := range images {
		var layers []string
		for _, l := range i.layers {
			layers = append(layers, l.Name)
		}
		got = append(got, summary{i.name, i.version, i.user, strings.Join(layers, " "), strings.Join(i.entrypoint, " ")})
		if i.role != runtime.RoleImage {
			t.Errorf("%s has role %q", i.name, i.role)
		}
	}
	want := []summary{
		{names[0], "1.15.0", "65532:65532", "base addons", "/usr/local/bin/coredns"},
		{names[1], "3.7.3", "", "base etcd", ""},
		{names[2], "1.37.2", "", "base kube", "/usr/local/bin/kube-proxy"},
		{names[3], "1.37.2", "65535:65535", "pause", "/pause"},
		{"gravity.local/flannel:v0.28.10", "0.28.10", "", "base addons", "/usr/local/bin/flanneld"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("images mismatch (-want +got):\n%s", diff)
	}
}

func TestImagesOfUnknown(t *testing.T) {
	_, err := imagesOf(testRelease(), testParts(), []string{"registry.k8s.io/etcd:3.7.3-0", "registry.k8s.io/kube-agent:v1.37.2"})
	wantError(t, err, "kubeadm 1.37.2 asks for the image registry.k8s.io/kube-agent:v1.37.2, which the recipe cannot make")
}

func TestKubeadmImages(t *testing.T) {
	script := func(content string) parts {
		path := filepath.Join(writeTree(t, map[string]string{"kube": "#!/bin/sh\n" + content}), "kube")
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
		return parts{executables: []executable{{program{name: "etcd"}, "/none"}, {program{name: "kube"}, path}}}
	}
	b := &builder{}
	names, err := b.kubeadmImages(t.Context(), testRelease(), script(`[ "$*" = "kubeadm config images list --kubernetes-version v1.37.2" ] && echo b:2 && echo a:1`))
	if err != nil || !slices.Equal(names, []string{"a:1", "b:2"}) {
		t.Errorf("names %q (%v), want those that it prints, sorted", names, err)
	}
	_, err = b.kubeadmImages(t.Context(), testRelease(), script("echo 'no such version' >&2; exit 3"))
	wantError(t, err, "no such version")
	_, err = b.kubeadmImages(t.Context(), testRelease(), parts{})
	wantError(t, err, "no kubeadm among the programs")
}

func TestFilesBelow(t *testing.T) {
	folder := writeTree(t, map[string]string{
		"etc/containerd/config.toml":          "sandbox = '@PAUSE_IMAGE@'",
		"etc/systemd/system/swap.target":      "-> /dev/null",
		"usr/lib/gravity/start":               "#!/bin/sh\nexec true\n",
		"usr/lib/gravity/not-a-script":        " #!/bin/sh\n",
		"etc/systemd/system/x.wants/a.target": "-> ../@PAUSE_IMAGE@.target",
	})
	if err := os.Chmod(filepath.Join(folder, "etc/containerd/config.toml"), 0o700); err != nil {
		t.Fatal(err) // the checkout's modes do not count
	}
	entries, err := filesBelow(folder, strings.NewReplacer("@PAUSE_IMAGE@", "pause:3.10"))
	if err != nil {
		t.Fatal(err)
	}
	want := []entry{
		{name: "etc/containerd/config.toml", mode: 0o644, data: []byte("sandbox = 'pause:3.10'")},
		{name: "etc/systemd/system/swap.target", mode: 0o644, link: "/dev/null"},
		{name: "etc/systemd/system/x.wants/a.target", mode: 0o644, link: "../@PAUSE_IMAGE@.target"},
		{name: "usr/lib/gravity/not-a-script", mode: 0o644, data: []byte(" #!/bin/sh\n")},
		{name: "usr/lib/gravity/start", mode: 0o755, data: []byte("#!/bin/sh\nexec true\n")},
	}
	if diff := cmp.Diff(want, entries, cmp.AllowUnexported(entry{})); diff != "" {
		t.Errorf("entries mismatch (-want +got):\n%s", diff)
	}
	if _, err := filesBelow(filepath.Join(folder, "none"), strings.NewReplacer()); err == nil {
		t.Error("a folder that is not there is no error")
	}
}

// TestRootfsIsFilledIn wants no placeholder of the recipe in the files of the
// master container but those that are filled in on the site.
func TestRootfsIsFilledIn(t *testing.T) {
	entries, err := filesBelow(filepath.Join(checkout, "rootfs"), strings.NewReplacer("@PAUSE_IMAGE@", "", "@FLANNEL_IMAGE@", ""))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) < 10 {
		t.Fatalf("only %d files", len(entries))
	}
	onSite := strings.NewReplacer("@POD_NETWORK@", "", "@FLANNEL_BACKEND@", "")
	for _, e := range entries {
		if rest := onSite.Replace(string(e.data)); placeholder.MatchString(rest) {
			t.Errorf("%s still has %s", e.name, placeholder.FindString(rest))
		}
	}
}
