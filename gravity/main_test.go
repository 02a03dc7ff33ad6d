package main

import (
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/internal/clitest"
	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

func TestMain(m *testing.M) {
	lab.SuperviseIfAsked()
	clitest.Main(m, "gravity", mainOfScripts)
}

func TestScripts(t *testing.T) { clitest.Run(t, "gravity") }
