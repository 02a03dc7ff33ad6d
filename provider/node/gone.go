package node

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/provider/connection"
)

//go:embed script/gone.sh
var goneScript string

// WaitGone waits until Gravity has removed itself from the machine.
func (n *Node) WaitGone(ctx context.Context) error {
	for pause := n.firstPause; ; pause = min(2*pause, n.longestPause) {
		result, err := n.runner.Run(ctx, connection.Command{Args: script("gone", goneScript, n.stateDir)})
		answer := strings.TrimSpace(string(result.Stdout))
		switch {
		case err == nil && answer == "gone":
			return nil
		case err != nil && !passing(err):
			return fmt.Errorf("wait until Gravity has gone from the machine: %w", err)
		}
		if waited := wait(ctx, pause); waited != nil {
			return errors.Join(fmt.Errorf("wait until Gravity has gone from the machine (%s is there): %w", answer, waited), err)
		}
	}
}
