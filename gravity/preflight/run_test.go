package preflight

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
)

func TestRunGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		alone := func(name string) Check {
			return Check{Name: name, Level: LevelWarning, alone: true, measure: func(context.Context) (finding, error) {
				order = append(order, name)
				return passed("fine"), nil
			}}
		}
		got, err := Run(t.Context(), []Check{
			alone("last"),
			{Name: "broken", Level: LevelError, measure: func(context.Context) (finding, error) { return finding{}, errors.New("no file") }},
			{Name: "bad", Level: LevelWarning, measure: func(context.Context) (finding, error) {
				return passed("3").want("4").unless(false, "add %d", 1), nil
			}},
			{Name: "slow", Level: LevelError, limit: time.Minute, measure: func(ctx context.Context) (finding, error) {
				<-ctx.Done()
				return finding{}, context.Cause(ctx)
			}},
			{Name: "stuck", Level: LevelError, measure: func(context.Context) (finding, error) {
				time.Sleep(time.Hour) // as in a system call
				return passed("fine"), nil
			}},
			{Name: "left out", Level: LevelError, skipped: "by request", measure: func(context.Context) (finding, error) { panic("it runs") }},
			alone("very last"),
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // what is stuck ends
		var statuses []string
		for _, result := range got {
			statuses = append(statuses, result.Name+" "+string(result.Status))
		}
		want := []string{"last passed", "broken failed", "bad warning", "slow failed", "stuck failed", "left out skipped", "very last passed"}
		if !slices.Equal(statuses, want) {
			t.Errorf("got %q, want %q", statuses, want)
		}
		if !slices.Equal(order, []string{"last", "very last"}) {
			t.Errorf("those that run alone ran as %q", order)
		}
		if text := got[1].Measured + got[1].Remedy; !strings.Contains(text, "no file") || !strings.Contains(text, "--skip-check=broken") {
			t.Errorf("what could not be measured says %q", text)
		}
		if !strings.Contains(got[4].Measured, "20s") || got[2].Remedy != "add 1" || got[2].Wanted != "4" {
			t.Errorf("results are %+v", got)
		}
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("the user is gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		wait := func(ctx context.Context) (finding, error) {
			<-ctx.Done()
			return finding{}, context.Cause(ctx)
		}
		time.AfterFunc(time.Second, func() { cancel(cause) })
		got, err := Run(ctx, []Check{
			{Name: "quick", measure: func(context.Context) (finding, error) { return passed("fine"), nil }},
			{Name: "slow", measure: wait},
			{Name: "later", alone: true, measure: wait},
		})
		if !errors.Is(err, cause) {
			t.Errorf("error %v", err)
		}
		if len(got) != 3 || got[0].Status != StatusPassed || got[1].Status != StatusSkipped || got[2].Status != StatusSkipped {
			t.Errorf("results are %+v", got)
		}
	})
}

func TestSkip(t *testing.T) {
	machine := newMachine(t, nil)
	for _, off := range []bool{false, true} {
		skip := []string{"root", "disk-latency"}
		for name, result := range results(t, Options{Machine: machine, Off: off, Skip: skip}) {
			if want := off || slices.Contains(skip, name); want != (result.Status == StatusSkipped) {
				t.Errorf("off %t: %s is %s", off, name, result.Status)
			}
		}
	}
	_, err := Checks(Options{Machine: machine, Skip: []string{"cpus"}})
	var unknown *UnknownCheckError
	if !errors.As(err, &unknown) || unknown.Name != "cpus" || !slices.Contains(unknown.Known, "cpu") {
		t.Errorf("error %v", err)
	}
}

// TestNames keeps the names that scripts and people use for --skip-check.
func TestNames(t *testing.T) {
	checks, err := Checks(Options{Profile: manifest.NodeProfile{Requirements: manifest.Requirements{CustomChecks: make([]manifest.CustomCheck, 2)}}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, check := range checks {
		got = append(got, check.Name+" "+string(check.Level))
	}
	want, err := os.ReadFile(filepath.Join("testdata", "names.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if list := strings.Join(got, "\n") + "\n"; list != string(want) {
		t.Errorf("the checks are\n%s", list)
	}
}

func TestScript(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		name, script string
		ok           bool
		measured     string
		details      []string
	}{
		{"success", "#!/bin/sh\nexit 0\n", true, "succeeded after", nil},
		{"no input", "cat; echo $#", true, "succeeded", nil},
		{"failure", "echo one; echo two >&2; exit 3", false, "exit status 3", []string{"one", "two"}},
		{"signal", "kill -9 $$", false, "signal: killed", nil},
		{"much output", "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i; done; false", false, "exit status 1", []string{
			"line 2991", "line 2992", "line 2993", "line 2994", "line 2995", "line 2996", "line 2997", "line 2998", "line 2999", "line 3000",
		}},
		{"what it starts ends", "(while :; do :; done) & exit 1", false, "exit status 1", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Chdir(dir)
			got, err := runScript(t.Context(), manifest.CustomCheck{Script: manifest.Source(test.script)})
			if err != nil {
				t.Fatal(err)
			}
			if (got.remedy == "") != test.ok || !strings.Contains(got.measured, test.measured) || !slices.Equal(got.details, test.details) {
				t.Errorf("%+v", got)
			}
		})
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errLimit)
	defer cancel()
	got, err := runScript(ctx, manifest.CustomCheck{Script: "echo waiting; sleep 1000"})
	if err != nil || !strings.Contains(got.measured, "no end after") || !slices.Equal(got.details, []string{"waiting"}) && got.details != nil {
		t.Errorf("%+v, error %v", got, err)
	}
	if _, err := runScript(t.Context(), manifest.CustomCheck{Script: "https://example.com/check.sh"}); err == nil {
		t.Error("a reference ran")
	}
}
