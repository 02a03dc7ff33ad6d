package main

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gravity-platform/terraform-provider-gravity/internal/clitest"
)

func TestMain(m *testing.M) { clitest.Main(m, "terraform-provider-gravity", main) }

func TestScripts(t *testing.T) {
	clitest.Run(t, "terraform-provider-gravity", func(env *testscript.Env) error {
		// Where Terraform finds the provider.
		program, err := exec.LookPath("terraform-provider-gravity")
		if err != nil {
			return err
		}
		env.Setenv("programs", filepath.Dir(program))
		return nil
	})
}
