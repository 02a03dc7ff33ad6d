package trial_test

import (
	"os"
	"testing"

	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

func TestMain(m *testing.M) {
	lab.SuperviseIfAsked()
	os.Exit(m.Run())
}
