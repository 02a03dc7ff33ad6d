package recipe

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func lockedForTest() []lockedPackage {
	return []lockedPackage{
		{Set: "build", Archive: mainArchive, Name: "gcc", Version: "4:12.2.0-3", Arch: "amd64", SHA256: hexOf("gcc"), Size: 5216, Path: "pool/main/g/gcc/gcc.deb"},
		{Set: "build", Archive: securityArchive, Name: "libstdc++6", Version: "12.2.0-14+deb12u1", Arch: "amd64", SHA256: hexOf("libstdc++6"), Size: 1, Path: "pool/updates/main/g/gcc/l.deb"},
		{Set: "master", Archive: mainArchive, Name: "gcc", Version: "4:12.2.0-3", Arch: "all", SHA256: hexOf("gcc"), Size: 5216, Path: "pool/main/g/gcc/gcc.deb"},
	}
}

func formatLock(packages []lockedPackage) string {
	var lines strings.Builder
	for _, p := range packages {
		fmt.Fprintln(&lines, p)
	}
	return lockHeader + lines.String()
}

func TestLockRoundTrip(t *testing.T) {
	want := lockedForTest()
	got, err := parseLock(strings.NewReader(formatLock(want)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packages mismatch (-want +got):\n%s", diff)
	}
	if strings.Count(lockHeader, "\n") != 3 || !strings.HasPrefix(lockHeader, "#") {
		t.Errorf("the header %q is not three lines of comments", lockHeader)
	}
}

func TestParseLockRejects(t *testing.T) {
	good := lockedForTest()[0]
	changed := func(change func(p *lockedPackage)) string {
		p := good
		change(&p)
		return "# comment\n\n" + p.String() + "\n"
	}
	for _, test := range []struct{ name, content, want string }{
		{"too few fields", "build main gcc 1 amd64\n", "line 1: 5 fields, want 8"},
		{"too many fields", good.String() + "\n" + good.String() + " more\n", "line 2: 9 fields, want 8"},
		{"unknown archive", changed(func(p *lockedPackage) { p.Archive = "backports" }), `line 3: "backports" is no archive, want main or security`},
		{"size is no number", strings.Replace(good.String(), " 5216 ", " many ", 1), `line 1: "many" is not a size`},
		{"size of nothing", changed(func(p *lockedPackage) { p.Size = 0 }), "line 3: 0 is not a size"},
		{"negative size", changed(func(p *lockedPackage) { p.Size = -5 }), "line 3: -5 is not a size"},
		{"digest is too short", changed(func(p *lockedPackage) { p.SHA256 = "abcd" }), `line 3: "abcd" is not a SHA-256`},
		{"digest is not hexadecimal", changed(func(p *lockedPackage) { p.SHA256 = strings.Repeat("x", 64) }), "is not a SHA-256"},
		{"digest in capitals", changed(func(p *lockedPackage) { p.SHA256 = strings.ToUpper(p.SHA256) }), "is not a SHA-256 in lower case"},
		{"path leaves", changed(func(p *lockedPackage) { p.Path = "pool/../../x.deb" }), `line 3: path "pool/../../x.deb" leaves the archive`},
		{"absolute path", changed(func(p *lockedPackage) { p.Path = "/pool/x.deb" }), `line 3: path "/pool/x.deb" leaves the archive`},
		{"name that adds another", changed(func(p *lockedPackage) { p.Name = "gcc,telnetd" }), `line 3: "gcc,telnetd" is not one word without commas`},
		{"twice in a set", good.String() + "\n\n" + good.String() + "\n", "line 3: package gcc is in set build already"},
		{"endless line", "#\n" + strings.Repeat("x", 1<<17), "line 2: bufio.Scanner: token too long"},
	} {
		t.Run(test.name, func(t *testing.T) {
			packages, err := parseLock(strings.NewReader(test.content))
			wantError(t, err, test.want)
			if packages != nil {
				t.Errorf("packages %v beside an error", packages)
			}
		})
	}
}

func TestLockedSet(t *testing.T) {
	b := &builder{source: writeTree(t, map[string]string{"debian/packages.lock": formatLock(lockedForTest())})}
	packages, err := b.lockedSet("build")
	if err != nil || len(packages) != 2 || packages[1].Name != "libstdc++6" {
		t.Errorf("packages %v (%v), want the two of the set, in their order", packages, err)
	}
	for _, test := range []struct{ name, set, lock, want string }{
		{"unknown set", "worker", formatLock(lockedForTest()), `has no packages of set "worker"`},
		{"broken line", "build", "x\n", "packages.lock: line 1: "},
		{"no lock", "build", "", "read the package lock: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := map[string]string{"debian/packages.lock": test.lock}
			if test.lock == "" {
				files = nil
			}
			b := &builder{source: writeTree(t, files)}
			_, err := b.lockedSet(test.set)
			wantError(t, err, test.want)
			wantHint(t, err, "make runtimes-lock")
		})
	}
}

// aptRecord is what apt prints of a package.
func aptRecord(p lockedPackage) string {
	return fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nFilename: %s\nSize: %d\nSHA256: %s\n", p.Name, p.Version, p.Arch, p.Path, p.Size, p.SHA256)
}

func TestParseRecords(t *testing.T) {
	want := lockedForTest()[:2]
	content := "\n" + aptRecord(want[1]) + "\n" + aptRecord(want[0]) + "\n\n" + aptRecord(want[1])
	got, err := parseRecords("build", content)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packages mismatch (-want +got):\n%s", diff)
	}
}

func TestParseRecordsRejects(t *testing.T) {
	good := lockedForTest()[0]
	without := func(field string) string {
		lines := slices.DeleteFunc(strings.Split(aptRecord(good), "\n"), func(line string) bool { return strings.HasPrefix(line, field) })
		return strings.Join(lines, "\n")
	}
	for field, want := range map[string]string{
		"Package": "apt's record of \"\"", "Version": `apt's record of "gcc"`, "Architecture": `apt's record of "gcc"`,
		"Filename": `apt's record of "gcc"`, "Size": `apt's record of "gcc" has no size`, "SHA256": `"" is not a SHA-256`,
	} {
		t.Run(field, func(t *testing.T) {
			_, err := parseRecords("build", without(field))
			wantError(t, err, want)
		})
	}
}

// TestCommittedLock compares the package sets with what is locked.
func TestCommittedLock(t *testing.T) {
	sets, err := readPackageSets(checkout)
	if err != nil {
		t.Fatal(err)
	}
	b := &builder{source: checkout}
	for name, set := range sets {
		packages, err := b.lockedSet(name)
		if err != nil {
			t.Error(err)
			continue
		}
		locked := make(map[string]bool)
		for _, p := range packages {
			locked[p.Name] = true
		}
		for kind, wanted := range map[string][]string{"include": set.Include, "omit": set.Omit, "base": set.Base} {
			for _, p := range wanted {
				if !locked[p] {
					t.Errorf("set %s: %s of %q is not in the lock: run 'make runtimes-lock'", name, p, kind)
				}
			}
			if !slices.IsSorted(wanted) {
				t.Errorf("set %s: %q is not sorted", name, kind)
			}
		}
		for _, p := range set.Base {
			if slices.Contains(set.Omit, p) {
				t.Errorf("set %s: %s is omitted and in the base", name, p)
			}
		}
	}
	content, err := os.ReadFile(filepath.Join(checkout, "debian", "packages.lock"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := parseLock(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(content), formatLock(all)); diff != "" {
		t.Errorf("the lock is not as the command writes it:\n%s", diff)
	}
	for _, p := range all {
		if _, ok := sets[p.Set]; !ok {
			t.Errorf("the lock has package %s of the unknown set %s", p.Name, p.Set)
		}
	}
}

func TestReadPackageSets(t *testing.T) {
	_, err := readPackageSets(writeTree(t, map[string]string{"debian/sets.yaml": "master:\n  includes: [systemd]\n"}))
	wantError(t, err, `debian/sets.yaml: error unmarshaling JSON: while decoding JSON: json: unknown field "includes"`)
	_, err = readPackageSets(t.TempDir())
	wantError(t, err, "read the package sets: ")
}

func FuzzParseLock(f *testing.F) {
	f.Add(formatLock(lockedForTest()))
	f.Add("build main gcc 1 amd64 " + hexOf("") + " 1 ../x\n")
	f.Add("a b c d e f g h\n#\n\n \n")
	f.Add(" #build" + strings.TrimPrefix(lockedForTest()[0].String(), "build"))
	f.Fuzz(func(t *testing.T, content string) {
		packages, err := parseLock(strings.NewReader(content))
		if err != nil {
			return
		}
		again, err := parseLock(strings.NewReader(formatLock(packages)))
		if err != nil {
			t.Fatalf("what was read is not read again: %v", err)
		}
		if diff := cmp.Diff(packages, again); diff != "" {
			t.Errorf("it differs when read again:\n%s", diff)
		}
	})
}

func FuzzParseRecords(f *testing.F) {
	for _, p := range lockedForTest() {
		f.Add(aptRecord(p) + "\n" + aptRecord(p))
	}
	f.Add("Package: a\n\n\nSize: 5\n")
	f.Fuzz(func(t *testing.T, content string) {
		packages, err := parseRecords("build", content)
		if err != nil {
			return
		}
		again, err := parseLock(strings.NewReader(formatLock(packages)))
		if err != nil {
			t.Fatalf("what apt printed cannot be locked: %v", err)
		}
		if diff := cmp.Diff(packages, again); diff != "" {
			t.Errorf("it differs in the lock:\n%s", diff)
		}
	})
}
