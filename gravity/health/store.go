package health

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/store"
)

// packageStore tells what the agent has found that keeps the package store whole.
func packageStore(file string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		state, err := store.ReadState(file)
		if errors.Is(err, fs.ErrNotExist) {
			return "not looked at yet", nil
		}
		if err != nil {
			return "", unknown{err}
		}
		detail := fmt.Sprintf("%d blobs", state.Blobs)
		if !state.RepairedAt.IsZero() {
			detail += ", some were repaired at " + state.RepairedAt.UTC().Format(time.RFC3339)
		}
		if state.Problem != "" {
			return detail, fmt.Errorf("blobs are missing or damaged: %s", state.Problem)
		}
		return detail, nil
	}
}
