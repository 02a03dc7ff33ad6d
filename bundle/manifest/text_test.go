package manifest

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest/internal/rule"
)

func TestCapacity(t *testing.T) {
	for text, want := range map[string]Capacity{
		"0": 0, "512": 512, "1B": 1, "2GB": 2e9, "2 GB": 2e9, "2gb": 2e9, "2G": 2e9, "2Gi": 2 << 30, "2GiB": 2 << 30,
		"1.5KB": 1500, "0.5KiB": 512, "1TB": 1e12, "1TiB": 1 << 40, "3PiB": 3 << 50, "1.0009KB": 1000,
	} {
		var got Capacity
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %d (%v), want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "GB", "-1GB", "1XB", "1e3", "0x10", "1,5GB", " 1GB", "1GB ", "1Bi", "i", "1iB",
		"99999999999PB", strings.Repeat("9", 1000), "1 G B",
	} {
		var got Capacity
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %d, want an error", text, got)
		}
	}
}

func TestQuantitiesRoundTrip(t *testing.T) {
	for text, want := range map[string]string{"2GB": "2GB", "1024KiB": "1MiB", "1000MB": "1GB", "1500": "1500B", "0": "0B"} {
		var c Capacity
		if err := c.UnmarshalText([]byte(text)); err != nil || c.String() != want {
			t.Errorf("%q prints as %q (%v), want %q", text, c, err, want)
		}
	}
	for _, bytes := range []uint64{0, 1, 999, 1000, 1024, 1e6, 1 << 20, 1_536_000, 5 << 50, math.MaxUint64} {
		want := Capacity(bytes)
		text, err := want.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var got Capacity
		if err := got.UnmarshalText(text); err != nil || got != want {
			t.Errorf("%d prints as %q, which is %d (%v)", want, text, got, err)
		}
	}
}

// TestTexts holds every type with a syntax against its own pattern and example.
func TestTexts(t *testing.T) {
	for _, test := range []struct {
		of   encoding.TextUnmarshaler
		good []string
		bad  []string
	}{
		{new(Name), []string{"a", "My_app-1"}, []string{"", "a.b", "a b", "é", "a\n"}},
		{
			new(Version),
			[]string{"0.0.1", "1.2.3-rc.1+build.5", "0.0.0+latest"},
			[]string{"", "1", "1.0", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0-01", " 1.0.0"},
		},
		{new(Timestamp), []string{"2026-01-02T15:04:05.123+01:00"}, []string{"", "2026-01-02", "2026-13-02T15:04:05Z"}},
		{new(Path), []string{"/", "/a b"}, []string{"", "a", "./a", "~/a", `C:\a`}},
		{new(Permissions), []string{"r", "mrw"}, []string{"", "rwx", "rwmr", "RW"}},
		{new(BaseImage), []string{"gravity", "gravity:1.37.2"}, []string{"", "gravity:", "Gravity", "gravity:1.37", "gravity:v1.37.2", "kubernetes:1.37.2"}},
		{
			new(Locator),
			[]string{"example.com/a_b.c-d:1.0.0", "localhost/a:0.0.0+latest"},
			[]string{"", "a:1.0.0", "example.com/a", "Example.com/a:1.0.0", "-a.com/a:1.0.0", "a..com/a:1.0.0", "example.com/a:1", "a/b/c:1.0.0"},
		},
		{new(TransferRate), []string{"50MB/s", "1 KiB/s"}, []string{"", "/s", "50MB", "50MB/m", "50Mbit/s"}},
		{new(FileMode), []string{"0755", "644", "01777"}, []string{"", "0999", "rwx", "100000", "-1", "0o755", "u+x"}},
		{new(PortRange), []string{"1", "65535", "8080-8080", "1-65535"}, []string{"", "0", "65536", "2-1", "1-", "-1", "1-2-3", "http", "+1"}},
	} {
		kind := reflect.TypeOf(test.of).Elem()
		t.Run(kind.Name(), func(t *testing.T) {
			formatted := reflect.Zero(kind).Interface().(rule.Formatted)
			pattern := regexp.MustCompile(formatted.Pattern())
			for _, text := range append(test.good, formatted.Example()) {
				target := reflect.New(kind).Interface().(encoding.TextUnmarshaler)
				if err := target.UnmarshalText([]byte(text)); err != nil {
					t.Errorf("%q: %v", text, err)
				}
				if !pattern.MatchString(text) {
					t.Errorf("%q does not match %s", text, pattern)
				}
				if stringer, ok := target.(fmt.Stringer); ok && kind.Kind() == reflect.Struct && !strings.HasPrefix(text, stringer.String()) {
					t.Errorf("%q prints as %q", text, stringer)
				}
			}
			for _, text := range test.bad {
				target := reflect.New(kind)
				if err := target.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err == nil {
					t.Errorf("%q is taken", text)
				}
				if !target.Elem().IsZero() {
					t.Errorf("%q, which is refused, leaves %v", text, target.Elem())
				}
			}
		})
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	const text = header + "extensions: {encryption: {encryptionKey: hunter2, caCert: certificate}}\n"
	m := mustParse(t, text)
	object, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, printed := range []string{string(object), fmt.Sprintf("%v %+v %#v", *m.Extensions.Encryption, *m.Extensions.Encryption, *m.Extensions.Encryption)} {
		if strings.Contains(printed, "hunter2") {
			t.Errorf("the key is in %s", printed)
		}
	}
	for _, value := range []string{"[hunter2]", "{hunter2: 1}", "!x hunter2"} {
		_, _, err := Parse("app.yaml", strings.NewReader(strings.Replace(text, ": hunter2", ": "+value, 1)))
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v", value, err)
		}
	}
}

func TestClosest(t *testing.T) {
	names := []string{"nodeProfiles", "hooks", "endpoints", "cpu", "ram"}
	for name, want := range map[string]string{
		"nodeprofiles": "nodeProfiles", "nodeProfile": "nodeProfiles", "hook": "hooks", "hokos": "hooks", "endpoint": "endpoints",
		"cup": "cpu", "memory": "", "": "", "x": "", strings.Repeat("x", 1000): "",
	} {
		if got := Closest(name, names); got != want {
			t.Errorf("Closest(%.20q) = %q, want %q", name, got, want)
		}
	}
}
