package main

import (
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/internal/clitest"
)

func TestMain(m *testing.M) { clitest.Main(m, "example-images", main) }

func TestScripts(t *testing.T) { clitest.Run(t, "example-images") }
