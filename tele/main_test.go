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

func TestScripts(t *testing.T) { clitest.Run(t, "tele") }
