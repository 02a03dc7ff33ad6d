package lab

import (
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

func TestOptions(t *testing.T) {
	t.Setenv(DirVariable, "/labs")
	t.Setenv(CacheVariable, "/cache")
	spec, err := Options{Name: "a", Count: 2}.spec()
	if err != nil {
		t.Fatal(err)
	}
	if spec.StateDir != "/labs/a" || spec.CacheDir != "/cache/lab" || spec.DiskSize != DefaultDiskSize ||
		!slices.Equal(spec.Machines, []string{"node-1", "node-2"}) || !slices.Contains(spec.Packages, "curl") {
		t.Errorf("spec = %+v", spec)
	}
	for name, test := range map[string]struct {
		options Options
		want    string
	}{
		"no name":      {Options{Count: 1}, `"" is not a name for a lab`},
		"path":         {Options{Name: "../etc", Count: 1}, "not a name for a lab"},
		"upper case":   {Options{Name: "a", Machines: []string{"Node"}}, `"Node" is not a name for a machine`},
		"long":         {Options{Name: strings.Repeat("a", 41), Count: 1}, "not a name"},
		"no machines":  {Options{Name: "a"}, "1 to 200 machines, not 0"},
		"negative":     {Options{Name: "a", Count: -1}, "1 to 200 machines"},
		"too many":     {Options{Name: "a", Count: 201}, "not 201"},
		"both":         {Options{Name: "a", Count: 1, Machines: []string{"b"}}, "either names or a number"},
		"twice":        {Options{Name: "a", Machines: []string{"b", "b"}}, `two machines are named "b"`},
		"small disk":   {Options{Name: "a", Count: 1, DiskSize: 1 << 20}, "too small"},
		"large subnet": {Options{Name: "a", Count: 1, Subnet: netip.MustParsePrefix("10.0.0.0/16")}, "not an IPv4 /24"},
		"long path":    {Options{Name: "a", Count: 1, Dir: "/" + strings.Repeat("d", 100)}, "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := test.options.spec()
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("err = %v, want %q", err, test.want)
			}
			if code := cli.ExitCode(err); code != cli.ExitUsage {
				t.Errorf("exit code = %d", code)
			}
		})
	}
}

func TestQuote(t *testing.T) {
	for _, words := range [][]string{
		{"plain", "--flag=a/b:c,d@e%f+g"}, {"two words", "", "it's", `back\slash`, "$HOME", "a\nb", "*", "~", "!x", "ä"},
	} {
		line := Quote(append([]string{"printf", "%s\\0"}, words...)...)
		printed, err := exec.CommandContext(t.Context(), "sh", "-c", line).Output()
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.Join(words, "\x00") + "\x00"; string(printed) != want {
			t.Errorf("%s prints %q, want %q", line, printed, want)
		}
	}
	if got := Quote("ls", "-l", "/tmp"); got != "ls -l /tmp" {
		t.Errorf("plain words become %s", got)
	}
}

func TestCommandErrorNamesAll(t *testing.T) {
	err := error(&CommandError{Machine: "one", Args: []string{"a", "b"}, ExitCode: 3, Tail: "x; y", Err: exec.ErrNotFound})
	if got, want := err.Error(), "one: a b: executable file not found in $PATH: x; y"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
