package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

func TestExplainOpen(t *testing.T) {
	own := cli.WithHint(errors.New("odd"), "own advice")
	for _, test := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("bundle x: %w", syscall.EACCES), "run this as a user who may read it"},
		{fmt.Errorf("bundle x: %w", syscall.ENOENT), "name the tar of a bundle, or the folder that one was extracted to"},
		{own, "own advice"},
	} {
		if got := cli.Hints(explainOpen(test.err)); !slices.Equal(got, []string{test.want}) {
			t.Errorf("%v: hints %q, want %q", test.err, got, test.want)
		}
	}
}

// TestUnreadable needs a user whom permissions stop.
func TestUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything; TestExplainOpen has the error")
	}
	path := filepath.Join(t.TempDir(), "shop.tar")
	if err := os.WriteFile(path, nil, 0); err != nil {
		t.Fatal(err)
	}
	_, err := openBundle(path)
	if !errors.Is(err, os.ErrPermission) || len(cli.Hints(err)) != 1 {
		t.Errorf("error %v with hints %q", err, cli.Hints(err))
	}
}
