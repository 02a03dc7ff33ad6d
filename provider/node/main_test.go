package node

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

// machines is the lab of all tests, made by the first that needs it.
var machines *lab.Lab

func TestMain(m *testing.M) {
	lab.SuperviseIfAsked()
	code := m.Run()
	if machines != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		if err := machines.Close(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		cancel()
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
