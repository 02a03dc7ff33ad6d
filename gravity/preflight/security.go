package preflight

import (
	"context"
	"errors"
	"os/exec"
	"strings"
)

// SELinux has no rules about Gravity's files, so an enforcing machine refuses
// units and executables below the state directory unless somebody wrote some.
func (o *Options) checkSELinux(ctx context.Context) (finding, error) {
	mode, err := o.Machine.word("/sys/fs/selinux/enforce")
	if err != nil {
		return finding{}, err
	}
	switch mode {
	case "":
		return passed("off"), nil
	case "0":
		return passed("permissive"), nil
	}
	found := passed("enforcing, no recent denials that are about gravity").want("permissive, or a policy for gravity").unless(false,
		"semanage fcontext -a -t container_var_lib_t '%[1]s(/.*)?' && restorecon -R %[1]s, or setenforce 0", o.StateDir)
	denials, err := o.denials(ctx)
	if err != nil {
		return finding{}, err
	}
	if len(denials) > 0 {
		found.measured = "enforcing, " + count(len(denials), "recent denial", "recent denials") + " that are about gravity"
		found.details = denials[max(0, len(denials)-maxDenials):]
	}
	return found, nil
}

// maxDenials is how many denials are shown.
const maxDenials = 3

// denials are the lines of the audit log of the last ten minutes that name
// gravity; where there is no auditd, the kernel's log has them. There are none
// where neither can be searched.
func (o *Options) denials(ctx context.Context) ([]string, error) {
	output, err := o.Machine.Output(ctx, "ausearch", "--message", "avc", "--start", "recent", "--raw")
	if errors.Is(err, exec.ErrNotFound) {
		output, err = o.Machine.Output(ctx, "journalctl", "--dmesg", "--since=-10min", "--output=cat", "--no-pager")
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrNotFound) {
		return nil, err
	}
	var found []string
	for line := range strings.Lines(output) {
		if strings.Contains(line, "denied") && strings.Contains(line, "gravity") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found, nil
}

func (o *Options) checkFirewall(context.Context) (finding, error) {
	const wanted = "no firewall that drops traffic of pods"
	processes, err := o.Machine.processes()
	if err != nil {
		return finding{}, err
	}
	for _, process := range processes {
		if process.name == "firewalld" {
			return passed("firewalld is active (pid %d)", process.pid).want(wanted).unless(false,
				"systemctl disable --now firewalld, or put the interfaces of pods into its zone trusted"), nil
		}
	}
	content, err := o.Machine.lookFor("/etc/ufw/ufw.conf")
	if err != nil {
		return finding{}, err
	}
	active := strings.EqualFold(assignments(content)["ENABLED"], "yes")
	if active {
		return passed("ufw is active").want(wanted).
			unless(false, "ufw disable, or allow the cluster's ports and routed traffic"), nil
	}
	return passed("neither firewalld nor ufw is active").want(wanted), nil
}
