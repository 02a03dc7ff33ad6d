package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/preflight"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// checksOffVariable switches all checks off (S15).
const checksOffVariable = "GRAVITY_CHECKS_OFF"

// checkFlags are the flags of check.
type checkFlags struct {
	*globals
	trusted     trusted
	format      cli.Format
	profile     string
	advertise   string
	imagePath   string
	podCIDR     string
	serviceCIDR string
	vxlanPort   uint16
	skip        []string
}

func newCheckCommand(g *globals) *cobra.Command {
	flags := checkFlags{globals: g}
	command := &cobra.Command{
		Use:   "check [MANIFEST | BUNDLE]",
		Short: "Check whether this machine can become a node",
		Long: `Check whether this machine can become a node of a cluster.

Checked is what the cluster itself needs and, with an application's manifest
(app.yaml) or bundle, what its node profile requires. Nothing is changed on the
machine, but for scripts of the profile, which do as their author likes. Each
line is one check with what was measured; those that do not pass say what to
do. Warnings do not fail the command.

A check is left out by --skip-check and its name, which can be repeated, and all
of them by ` + checksOffVariable + `=1 in the environment.`,
		Example: `  gravity check
  gravity check app.yaml --profile=worker --advertise-addr=10.1.0.5
  gravity check shop-1.2.3.tar --skip-check=disk-latency`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(command *cobra.Command, args []string) error {
			return runCheck(command.Context(), command, flags, strings.Join(args, ""))
		},
	}
	flags.trusted.addFlags(command)
	set := command.Flags()
	set.StringVar(&flags.profile, "profile", "", "node profile of the manifest; needed if it has several")
	set.StringVar(&flags.advertise, "advertise-addr", "", "address that other nodes reach this one at (default: that of the default route)")
	set.StringVar(&flags.imagePath, "image-path", "", "folder that the bundle was extracted to")
	set.StringVar(&flags.podCIDR, "pod-network-cidr", preflight.DefaultPodNetwork.String(), "network of pods")
	set.StringVar(&flags.serviceCIDR, "service-cidr", preflight.DefaultServiceNetwork.String(), "network of services")
	set.Uint16Var(&flags.vxlanPort, "vxlan-port", preflight.DefaultVXLANPort, "port of VXLAN between nodes")
	set.StringArrayVar(&flags.skip, "skip-check", nil, "name of a check to skip; can be repeated")
	cli.AddOutputFlag(command, &flags.format)
	return command
}

func runCheck(ctx context.Context, command *cobra.Command, flags checkFlags, path string) error {
	subject, err := openSubject(&flags.trusted, path, flags.imagePath, flags.profile)
	if err != nil {
		return err
	}
	options, err := flags.options()
	if err != nil {
		return err
	}
	subject.fill(&options)
	if options.Machine, err = preflight.Local(); err != nil {
		return fmt.Errorf("this machine: %w", err)
	}
	checks, err := preflight.Checks(options)
	if unknown, ok := errors.AsType[*preflight.UnknownCheckError](err); ok {
		return cli.WithHint(cli.Usagef("--skip-check: no check has the name %q", unknown.Name),
			"the checks are %s", strings.Join(unknown.Known, ", "))
	}
	if err != nil {
		return err
	}
	if options.Off {
		flags.warn(command, flags.format, checksOffVariable+" is set, so nothing is checked")
	}
	results, err := preflight.Run(ctx, checks)
	if err != nil {
		return err
	}
	return printPreflight(command.OutOrStdout(), flags.format, newPreflight(subject, options, results))
}

// options are what the flags and the environment say.
func (f checkFlags) options() (preflight.Options, error) {
	options := preflight.Options{
		StateDir: f.stateDir, TempDir: os.TempDir(), VXLANPort: int(f.vxlanPort), Skip: f.skip, Off: checksOff(),
	}
	if !strings.HasPrefix(f.stateDir, "/") {
		return options, cli.Usagef("--state-dir: %q is no absolute path", f.stateDir)
	}
	if f.vxlanPort == 0 {
		return options, cli.Usagef("--vxlan-port: 0 is no port")
	}
	var err error
	if f.advertise != "" {
		if options.AdvertiseAddress, err = netip.ParseAddr(f.advertise); err != nil {
			return options, cli.Usagef("--advertise-addr: %q is no IP address", f.advertise)
		}
		options.AdvertiseAddress = options.AdvertiseAddress.Unmap()
	}
	if options.PodNetwork, err = netip.ParsePrefix(f.podCIDR); err != nil {
		return options, cli.Usagef("--pod-network-cidr: %q is no network such as %s", f.podCIDR, preflight.DefaultPodNetwork)
	}
	if options.ServiceNetwork, err = netip.ParsePrefix(f.serviceCIDR); err != nil {
		return options, cli.Usagef("--service-cidr: %q is no network such as %s", f.serviceCIDR, preflight.DefaultServiceNetwork)
	}
	return options, nil
}

// checksOff tells whether the environment switches all checks off. What is not
// a boolean does, too: whoever set it meant something by it.
func checksOff() bool {
	value := os.Getenv(checksOffVariable)
	off, err := strconv.ParseBool(value)
	return off || value != "" && err != nil
}

// newPreflight is what the checks found, as it is printed.
func newPreflight(subject *checkSubject, options preflight.Options, results []preflight.Result) *report.Preflight {
	made := &report.Preflight{Passed: true, Off: options.Off, Profile: options.Profile.Name, Checks: []report.Check{}}
	if subject.manifest != nil {
		made.Application = string(subject.manifest.Metadata.Name)
		made.Version = string(subject.manifest.Metadata.ResourceVersion)
	}
	for _, result := range results {
		switch result.Status {
		case preflight.StatusPassed:
			made.Counts.Passed++
		case preflight.StatusWarning:
			made.Counts.Warnings++
		case preflight.StatusFailed:
			made.Counts.Failed++
			made.Passed = false
		case preflight.StatusSkipped:
			made.Counts.Skipped++
		}
		made.Checks = append(made.Checks, report.Check{
			Name: result.Name, Level: string(result.Level), Status: string(result.Status),
			Measured: result.Measured, Wanted: result.Wanted, Remedy: result.Remedy,
			Details: append([]string{}, result.Details...),
		})
	}
	return made
}
