package health

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// level is how bad an error of a checker is.
func level(err error) string {
	switch {
	case err == nil:
		return "well"
	case isType[warning](err):
		return "warning"
	case isType[unknown](err):
		return "unknown"
	}
	return "failed"
}

func isType[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := paths.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSetting(t *testing.T) {
	dir := t.TempDir()
	for content, want := range map[string]string{"1\n": "well", "0\n": "failed", "": "failed"} {
		if _, err := setting(write(t, filepath.Join(dir, "ip_forward"), content))(t.Context()); level(err) != want {
			t.Errorf("%q: %v, want %s", content, err, want)
		}
	}
	if _, err := setting(filepath.Join(dir, "none"))(t.Context()); level(err) != "failed" {
		t.Errorf("a setting that is not there: %v", err)
	}
}

func TestInotify(t *testing.T) {
	dir := t.TempDir()
	limits := func(watches, instances string) {
		write(t, filepath.Join(dir, "max_user_watches"), watches)
		write(t, filepath.Join(dir, "max_user_instances"), instances)
	}
	for _, test := range []struct{ watches, instances, folder, want string }{
		{"524288", "8192", dir, "well"},
		{"65536", "512", dir, "well"},
		{"65535", "512", dir, "warning"},
		{"65536", "128", dir, "warning"},
		{"many", "8192", dir, "failed"},
		{"524288", "8192", filepath.Join(dir, "missing"), "failed"},
	} {
		limits(test.watches, test.instances)
		if _, err := (inotify{test.folder, dir}).check(t.Context()); level(err) != test.want {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

func TestDiskSpace(t *testing.T) {
	for _, test := range []struct {
		used, available uint64
		want            string
	}{
		{0, 100, "well"},
		{79, 21, "well"},
		{80, 20, "warning"},
		{89, 11, "warning"},
		{90, 10, "failed"},
		{1 << 62, 0, "failed"},
		{0, 0, "unknown"},
	} {
		detail, err := judgeSpace("/data", test.used, test.available)
		if level(err) != test.want {
			t.Errorf("%+v: %q, %v", test, detail, err)
		}
	}
	if _, err := diskSpace(filepath.Join(t.TempDir(), "missing")); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a folder that is not there: %v", err)
	}
	if detail, err := diskSpace(t.TempDir()); detail == "" {
		t.Errorf("nothing is told, %v", err)
	}
}

func TestCertificates(t *testing.T) {
	p := paths.Paths{Root: t.TempDir()}
	now := time.Now()
	issue(t, p, now)
	crt, err := os.ReadFile(filepath.Join(p.Certificates(), "node.crt"))
	if err != nil {
		t.Fatal(err)
	}
	const day = 24 * time.Hour
	checker := certificates{files: append(certificateFiles(p), filepath.Join(p.Root, "none", "*")), node: self}
	for _, test := range []struct {
		after time.Duration
		want  string
	}{{0, "well"}, {334 * day, "well"}, {336 * day, "warning"}, {364 * day, "warning"}, {366 * day, "failed"}} {
		checker.now = func() time.Time { return now.Add(test.after) }
		detail, err := checker.check(t.Context())
		if level(err) != test.want || !strings.Contains(detail, now.Add(365*day).UTC().Format(time.DateOnly)) {
			t.Errorf("after %s: %s, %v, want %s", test.after, detail, err, test.want)
		}
		if test.want != "well" && !strings.Contains(err.Error(), "node.crt") {
			t.Errorf("after %s: %v does not name the file", test.after, err)
		}
	}
	// The kubelet's link has a path of the container.
	rotated := write(t, filepath.Join(p.Kubelet(), "pki", "kubelet-client-2026.pem"), string(crt))
	if err := os.Symlink("/var/lib/kubelet/pki/kubelet-client-2026.pem", filepath.Join(p.Kubelet(), "pki", "kubelet-client-current.pem")); err != nil {
		t.Fatal(err)
	}
	if _, err := checker.check(t.Context()); level(err) != "failed" || !strings.Contains(err.Error(), "kubelet-client-current.pem has expired") {
		t.Errorf("an expired certificate of the kubelet: %v", err)
	}
	// Only masters sign what has expired, and only for themselves.
	for _, master := range []bool{true, false} {
		checker.node = &node.Node{Name: "node-3", Master: master}
		if _, err := checker.check(t.Context()); strings.Contains(err.Error(), "gravity remove node-3 --force") == master {
			t.Errorf("master %v: the way out is %v", master, err)
		}
	}
	if err := os.Remove(rotated); err != nil {
		t.Fatal(err)
	}
	// The certificates in kubeconfigs count, those of the API servers there do not.
	write(t, p.KubernetesFile("admin.conf"), `{"apiVersion":"v1","kind":"Config","users":[{"name":"a","user":{"client-certificate-data":"`+base64(crt)+`"}}]}`)
	if err := os.RemoveAll(p.Certificates()); err != nil {
		t.Fatal(err)
	}
	checker.now = func() time.Time { return now.Add(366 * day) }
	if _, err := checker.check(t.Context()); level(err) != "failed" || !strings.Contains(err.Error(), "admin.conf") {
		t.Errorf("an expired kubeconfig: %v", err)
	}
	write(t, p.KubernetesFile("admin.conf"), "users: [")
	if _, err := checker.check(t.Context()); level(err) != "failed" {
		t.Errorf("a damaged kubeconfig: %v", err)
	}
}
