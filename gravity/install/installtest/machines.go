package installtest

import (
	"context"
	"testing"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

// Machines starts a lab of some machines. A bundle is extracted on the first, to
// /root/app; the others have nothing but the program, at /root/gravity.
func Machines(t *testing.T, name string, count int, path, program string) []*lab.Machine {
	t.Helper()
	made := start(t, lab.Options{Name: name, Count: count, Log: t.Output()})
	Extract(t, made[0], path)
	for _, machine := range made[1:] {
		if err := machine.CopyFileTo(t.Context(), program, "/root/gravity", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return made
}

// start starts a lab that ends with the test.
func start(t *testing.T, options lab.Options) []*lab.Machine {
	t.Helper()
	machines, err := lab.New(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := machines.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return machines.Machines()
}
