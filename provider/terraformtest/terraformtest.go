// Package terraformtest is for tests that drive a real Terraform.
package terraformtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Path is the environment variable that names the Terraform of tests.
const Path = "TF_ACC_TERRAFORM_PATH"

// Need skips a test that drives a real Terraform unless TF_ACC asks for it, and fails
// it if there is none then: where TF_ACC is set, a test that does not run must not
// look like one that passed. The Terraform is then in Path. It keeps what is set for
// Terraform on this machine from the test, and returns the path of Terraform's own
// configuration, an empty file.
func Need(t testing.TB) (settings string) {
	t.Helper()
	if os.Getenv("TF_ACC") == "" {
		t.Skip("drives Terraform; set TF_ACC=1")
	}
	found, err := find()
	if err != nil {
		t.Fatalf("TF_ACC is set, and there is no Terraform: %v; put Terraform 1.11 or newer into PATH, or name one in %s", err, Path)
	}
	t.Setenv(Path, found)
	t.Setenv("CHECKPOINT_DISABLE", "1")
	// A configuration of the user's could say to look for providers elsewhere.
	settings = filepath.Join(t.TempDir(), "terraformrc")
	if err := os.WriteFile(settings, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TF_CLI_CONFIG_FILE", settings)
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "TF_GRAVITY_") {
			t.Setenv(name, "")
		}
	}
	return settings
}

// find is the program that is named, or the one in PATH.
func find() (string, error) {
	if named := os.Getenv(Path); named != "" {
		return exec.LookPath(named)
	}
	return exec.LookPath("terraform")
}
