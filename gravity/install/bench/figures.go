package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/lab"
)

// figures are what one run took. Times are in seconds, the rest is in bytes.
type figures struct {
	// Prepared is what it took until kubeadm init could begin: a master container
	// that runs, with images in its registry. Only of kubeadm.
	Prepared float64 `json:"prepared,omitempty"`
	// Healthy is until the node is Ready and the system's pods run, Active until
	// the command ended.
	Healthy float64     `json:"healthy"`
	Active  float64     `json:"active,omitempty"`
	Phases  []phaseTime `json:"phases,omitempty"`
	// Memory is that of all processes of the machine: Anonymous is their own,
	// Proportional has their shares of programs and libraries, too.
	Anonymous    int64 `json:"anonymous"`
	Proportional int64 `json:"proportional"`
	// Disk is what lies below the state folder, and below folders in it.
	Disk    int64            `json:"disk"`
	Folders map[string]int64 `json:"folders"`
}

// phaseTime is what a phase of the plan took.
type phaseTime struct {
	ID      string  `json:"id"`
	Seconds float64 `json:"seconds"`
}

// usage prints what a machine uses, a line for each figure.
const usage = `cat /proc/[0-9]*/smaps_rollup 2>/dev/null | awk '/^Pss:/ {pss += $2} /^Anonymous:/ {own += $2} END {print "anonymous", own * 1024; print "proportional", pss * 1024}'
cd /var/lib/gravity && echo disk $(du -sx --block-size=1 . | cut -f1) && du -sx --block-size=1 */ | awk '{print "folder/" $2, $1}'`

// use adds what the machine uses now.
func (f *figures) use(ctx context.Context, machine *lab.Machine) error {
	result, err := machine.Run(ctx, lab.Command{Args: []string{"sh", "-c", usage}})
	if err != nil {
		return err
	}
	f.Folders = make(map[string]int64)
	lines := bufio.NewScanner(strings.NewReader(result.Stdout))
	for lines.Scan() {
		var name string
		var value float64 // awk writes large numbers with an exponent
		if _, err := fmt.Sscan(lines.Text(), &name, &value); err != nil {
			return fmt.Errorf("what the machine uses: %q: %w", lines.Text(), err)
		}
		switch name {
		case "anonymous":
			f.Anonymous = int64(value)
		case "proportional":
			f.Proportional = int64(value)
		case "disk":
			f.Disk = int64(value)
		default:
			f.Folders[strings.Trim(strings.TrimPrefix(name, "folder/"), "/")] = int64(value)
		}
	}
	return lines.Err()
}
