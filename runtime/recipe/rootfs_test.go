package recipe

import (
	"archive/tar"
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

const installedStatus = `Package: libc6
Status: install ok installed
Description: C library
 of several lines

Package: apt
Status: install ok installed

Package: systemd
Status: install ok installed
`

// installedRoot is a root file system with three packages: libc6 of the base,
// systemd, and apt, which was only needed to install.
func installedRoot() []tarFile {
	folder := func(name string) tarFile { return tarFile{Name: name, Type: tar.TypeDir, Mode: 0o755} }
	link := func(name, target string) tarFile {
		return tarFile{Name: name, Type: tar.TypeSymlink, Link: target, Mode: 0o777}
	}
	return []tarFile{
		folder("./"),
		link("./bin", "usr/bin"), link("./lib", "usr/lib"), link("./sbin", "usr/sbin"),
		folder("./dev/"),
		{Name: "./dev/null", Type: tar.TypeChar},
		folder("./etc/"),
		{Name: "./etc/passwd", Body: "root"},
		{Name: "./etc/machine-id", Body: "x"},
		{Name: "./etc/apt.conf", Body: "apt"},
		{Name: "./etc/systemd.conf", Body: "conf", UID: 7},
		{Name: "./run/fifo", Type: tar.TypeFifo},
		folder("./tmp/"),
		{Name: "./tmp/left", Body: "x"},
		folder("./usr/"), folder("./usr/bin/"),
		{Name: "./usr/bin/apt", Body: "apt", Mode: 0o755},
		{Name: "./usr/bin/ldd", Body: "ldd", Mode: 0o755},
		{Name: "./usr/bin/systemctl", Body: "systemctl", Mode: 0o4755},
		{Name: "./usr/bin/systemctl-2", Type: tar.TypeLink, Link: "./usr/bin/systemctl", Mode: 0o4755},
		folder("./usr/lib/"),
		{Name: "./usr/lib/libc.so.6", Body: "libc", Mode: 0o755},
		folder("./usr/lib/systemd/"),
		{Name: "./usr/lib/systemd/systemd", Body: "systemd", Mode: 0o755},
		{Name: "./usr/lib/null", Type: tar.TypeChar},
		{Name: "./usr/lib/disk", Type: tar.TypeBlock},
		{Name: "./usr/lib/fifo", Type: tar.TypeFifo},
		folder("./usr/share/doc/"),
		{Name: "./usr/share/doc/systemd", Body: "x"},
		folder("./var/"), folder("./var/lib/"), folder("./var/lib/dpkg/"),
		{Name: "./var/lib/dpkg/status", Body: installedStatus},
		{Name: "./var/lib/dpkg/status-old", Body: "x"},
		folder("./var/lib/dpkg/info/"),
		{Name: "./var/lib/dpkg/info/libc6:amd64.list", Body: "/.\n/lib\n/lib/libc.so.6\n/usr\n/usr/bin\n/usr/bin/ldd\n/usr/share\n/usr/share/doc\n"},
		{Name: "./var/lib/dpkg/info/apt.list", Body: "/.\n/etc\n/etc/apt.conf\n/etc/passwd\n/usr\n/usr/bin\n/usr/bin/apt\n"},
		{Name: "./var/lib/dpkg/info/systemd.list", Body: "/.\n/lib/systemd/systemd\n/usr/bin/systemctl\n"},
		{Name: "./var/lib/dpkg/info/systemd.postinst", Body: "#!/bin/sh"},
		{Name: "./var/log/dpkg.log", Body: "x"},
	}
}

func cutOf(t *testing.T, archive string) *rootCut {
	t.Helper()
	b := &builder{catalogue: &runtime.Catalogue{SourceDate: sourceDate}}
	cut, err := b.cutRoot(archive, packageSet{Base: []string{"libc6"}, Omit: []string{"apt"}})
	if err != nil {
		t.Fatal(err)
	}
	return cut
}

func (c *rootCut) bytes(t *testing.T, archive string, wantBase bool) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := c.write(&out, archive, wantBase); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestRootCut(t *testing.T) {
	archive := writeTar(t, installedRoot())
	cut := cutOf(t, archive)
	folder := func(name string) tarFile { return tarFile{Name: name, Type: tar.TypeDir, Mode: 0o755} }
	link := func(name, target string) tarFile {
		return tarFile{Name: name, Type: tar.TypeSymlink, Link: target, Mode: 0o777}
	}
	status := strings.Replace(installedStatus, "Package: apt\nStatus: install ok installed\n\n", "", 1) + "\n"
	for _, test := range []struct {
		name string
		base bool
		want []tarFile
	}{
		{"base", true, []tarFile{
			link("bin", "usr/bin"), link("lib", "usr/lib"), link("sbin", "usr/sbin"),
			{Name: "etc/passwd", Type: tar.TypeReg, Mode: 0o644, Body: "root"}, // an omitted package's, but the base's by name
			folder("usr/"), folder("usr/bin/"),
			{Name: "usr/bin/ldd", Type: tar.TypeReg, Mode: 0o755, Body: "ldd"},
			{Name: "usr/lib/libc.so.6", Type: tar.TypeReg, Mode: 0o755, Body: "libc"}, // listed as /lib/libc.so.6
		}},
		{"system", false, []tarFile{
			folder("dev/"), folder("etc/"),
			{Name: "etc/systemd.conf", Type: tar.TypeReg, Mode: 0o644, Body: "conf", UID: 7},
			folder("tmp/"),
			{Name: "usr/bin/systemctl", Type: tar.TypeReg, Mode: 0o4755, Body: "systemctl"},
			{Name: "usr/bin/systemctl-2", Type: tar.TypeLink, Mode: 0o4755, Link: "usr/bin/systemctl"},
			folder("usr/lib/"), folder("usr/lib/systemd/"),
			{Name: "usr/lib/systemd/systemd", Type: tar.TypeReg, Mode: 0o755, Body: "systemd"},
			folder("usr/share/doc/"),
			folder("var/"), folder("var/lib/"), folder("var/lib/dpkg/"),
			{Name: "var/lib/dpkg/status", Type: tar.TypeReg, Mode: 0o644, Body: status},
			folder("var/lib/dpkg/info/"),
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			content := cut.bytes(t, archive, test.base)
			if diff := cmp.Diff(test.want, readTar(t, content)); diff != "" {
				t.Errorf("layer mismatch (-want +got):\n%s", diff)
			}
			if !bytes.Equal(content, cutOf(t, archive).bytes(t, archive, test.base)) {
				t.Error("written again it has other bytes")
			}
		})
	}
}

func TestRootCutFails(t *testing.T) {
	t.Run("package of the base is missing", func(t *testing.T) {
		b := &builder{catalogue: &runtime.Catalogue{SourceDate: sourceDate}}
		_, err := b.cutRoot(writeTar(t, installedRoot()), packageSet{Base: []string{"libc6", "libcap2"}})
		wantError(t, err, "package libcap2 of the base is not installed")
	})
	t.Run("endless status", func(t *testing.T) {
		files := installedRoot()
		i := slices.IndexFunc(files, func(f tarFile) bool { return f.Name == "./"+dpkgStatus })
		files[i].Body = strings.Repeat("Package: more\n\n", 2<<20)
		archive := writeTar(t, files)
		wantError(t, cutOf(t, archive).write(&bytes.Buffer{}, archive, false), "more than 16777216 bytes")
	})
	t.Run("disk full", func(t *testing.T) {
		archive := writeTar(t, installedRoot())
		wantError(t, cutOf(t, archive).write(failingWriter{bytes.ErrTooLarge}, archive, true), bytes.ErrTooLarge.Error())
	})
}

func TestMergedPath(t *testing.T) {
	for listed, want := range map[string]string{
		"/.": "", "/bin": "bin", "/bin/sh": "usr/bin/sh", "/lib/x86_64-linux-gnu/libc.so.6": "usr/lib/x86_64-linux-gnu/libc.so.6",
		"/lib64/ld.so": "usr/lib64/ld.so", "/sbin/init": "usr/sbin/init", "/usr/bin/env": "usr/bin/env",
		"/binary/x": "binary/x", "/etc/lib/x": "etc/lib/x",
	} {
		if got := mergedPath(listed); got != want {
			t.Errorf("mergedPath(%q) = %q, want %q", listed, got, want)
		}
	}
}
