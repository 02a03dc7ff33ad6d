package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gravity-platform/terraform-provider-gravity/internal/clitest"
)

// TestMain lets scripts run tele, and fixture, which writes and damages bundles.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tele": main, "fixture": fixture})
}

func TestScripts(t *testing.T) {
	gravity := buildGravity(t)
	clitest.Run(t, "tele", func(env *testscript.Env) error {
		env.Setenv("gravity", gravity)
		return startRegistry(env)
	})
}
