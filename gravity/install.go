package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	random "math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/trust"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/certificate"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/install"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/node"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/resource"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/token"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/version"
)

// minLifetime is what certificates need to be renewed in time.
const minLifetime = 3 * time.Minute

// installation is the command line of gravity install (S12).
type installation struct {
	planChange
	trusted                                  trusted
	skipChecks                               []string
	bundle, cluster, advertise, role, flavor string
	podNetwork, serviceNetwork               string
	vxlanPort                                int
	serviceUser, serviceGroup                int64
	lifetime                                 time.Duration
	zones, mounts                            []string
	resources, cloud, token                  string
	adminAccounts                            bool
	manual, resume, force                    bool
	phase                                    string
}

func newInstallCommand(g *globals) *cobra.Command {
	i := &installation{planChange: planChange{globals: g, steps: true}}
	command := &cobra.Command{
		Use:   "install",
		Short: "Install a cluster with the application of a bundle",
		Long: "Install a cluster with the application of a bundle. This machine becomes its first node; others join it.\n" +
			"What it does is listed by 'gravity plan'; what was interrupted goes on with --resume.",
		RunE: func(command *cobra.Command, _ []string) error { return i.run(command) },
	}
	i.addFlags(command)
	return command
}

func (i *installation) addFlags(command *cobra.Command) {
	i.planChange.addFlags(command)
	i.trusted.addFlags(command)
	flags := command.Flags()
	flags.StringVar(&i.bundle, "bundle", "", "bundle, or the folder that it was extracted to (default: the folder of this program)")
	flags.StringVar(&i.cluster, "cluster", "", "name of the cluster (default: a random one)")
	flags.StringVar(&i.advertise, "advertise-addr", "", "IP address of this machine that other nodes reach (default: that of the default route)")
	flags.StringVar(&i.token, "token", "", "token by which other nodes join, as @FILE to read it from a file (default: a random one)")
	flags.StringVar(&i.role, "role", "", "node profile of this machine")
	flags.StringVar(&i.flavor, "flavor", "", "flavor of the application")
	flags.StringVar(&i.cloud, "cloud-provider", "generic", "generic, aws or gce; recorded, and without effect on Kubernetes")
	flags.StringArrayVar(&i.mounts, "mount", nil, "NAME:PATH: folder of this machine for a volume of the node profile")
	flags.Int64Var(&i.serviceUser, "service-uid", install.DefaultServiceUser, "user that stands for runAsUser: -1 in hooks")
	flags.Int64Var(&i.serviceGroup, "service-gid", install.DefaultServiceUser, "group of that user")
	flags.StringVar(&i.podNetwork, "pod-network-cidr", install.DefaultPodNetwork.String(), "network of pods")
	flags.StringVar(&i.serviceNetwork, "service-cidr", install.DefaultServiceNetwork.String(), "network of services")
	flags.IntVar(&i.vxlanPort, "vxlan-port", install.DefaultVXLANPort, "UDP port of the network between pods")
	flags.StringArrayVar(&i.zones, "dns-zone", nil, "DOMAIN/ADDRESS[:PORT]: resolver for a domain")
	flags.StringVar(&i.resources, "config", "", "file with Kubernetes objects and Gravity documents to create")
	flags.BoolVar(&i.adminAccounts, "admin-service-accounts", false,
		"give the default service accounts of default and kube-system all rights, as Gravity once did everywhere; any pod there can then do anything")
	flags.DurationVar(&i.lifetime, "certificate-lifetime", certificate.Life,
		"how long certificates of nodes are good, as 2160h; they are renewed when a third of it is left")
	flags.StringArrayVar(&i.skipChecks, "skip-check", nil, "name of a check to skip, as 'gravity check' prints it; can be repeated")
	flags.BoolVar(&i.manual, "manual", false, "make the plan and execute nothing")
	flags.BoolVar(&i.resume, "resume", false, "go on with an installation that was interrupted")
	flags.StringVar(&i.phase, "phase", "", "execute one phase of the plan")
	flags.BoolVar(&i.force, "force", false, "with --phase, execute it whatever its state is")
	// What the original had and today's Kubernetes has no use for.
	for _, name := range withoutEffect {
		flags.StringArray(name, nil, "has no effect any more")
		_ = flags.MarkHidden(name)
	}
	command.MarkFlagsMutuallyExclusive("manual", "resume", "phase")
}

// withoutEffect are flags that are taken and change nothing.
var withoutEffect = []string{"storage-driver", "docker-opt", "gce-node-tag", "dns-listen-addr", "dns-port"}

func (i *installation) run(command *cobra.Command) error {
	if os.Geteuid() != 0 {
		return cli.WithHint(errors.New("gravity install needs root"), "run it with sudo")
	}
	if err := install.CheckRemoval(); err != nil {
		return err
	}
	if i.resume || i.phase != "" {
		err := i.change(command, func(ctx context.Context, engine *operation.Engine) error {
			if i.phase != "" {
				return engine.Execute(ctx, i.phase, i.force)
			}
			return i.explain(engine.Resume(ctx))
		})
		if err != nil {
			return err
		}
		return i.endpoints(command)
	}
	for _, name := range withoutEffect {
		if command.Flags().Changed(name) {
			i.warn(command, i.format, "--"+name+" has no effect any more")
		}
	}
	plan, err := i.create(command)
	if err != nil {
		return install.ExplainSpace(err, i.stateDir, 0)
	}
	if i.manual {
		return i.printManual(command, plan)
	}
	err = i.changeOperation(command, plan, func(ctx context.Context, engine *operation.Engine) error { return engine.Resume(ctx) })
	if err != nil {
		return i.explain(err)
	}
	if i.quiet && i.format == cli.FormatText {
		_, err := fmt.Fprintln(command.OutOrStdout(), plan.OperationID)
		return err
	}
	if err := i.print(command, plan.OperationID); err != nil {
		return err
	}
	return i.endpoints(command)
}

// explain adds to the error of an installation how to go on.
func (i *installation) explain(err error) error {
	if err == nil {
		return nil
	}
	return cli.WithHint(install.ExplainSpace(err, i.stateDir, 0), "go on with '%s install --resume' when the cause is gone, or start again after %s", i.self(), i.again())
}

// again is what an installation that has not ended needs before another one, with
// other flags, may begin: if nothing was done yet, it is enough to give it up.
func (i *installation) again() string {
	p, err := paths.New(i.stateDir)
	if err == nil && !exists(p.Node()) {
		return "'" + i.self() + " plan complete', also with other flags: nothing was changed yet"
	}
	return "'" + i.self() + " system uninstall --confirm'"
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// endpoints prints where the application is, once it is installed.
func (i *installation) endpoints(command *cobra.Command) error {
	if i.quiet || i.phase != "" || i.format == cli.FormatJSON {
		return nil
	}
	p, err := paths.New(i.stateDir)
	if err != nil {
		return err
	}
	endpoints, err := install.Endpoints(command.Context(), p)
	if err != nil {
		return fmt.Errorf("the application is installed, but its endpoints are not known: %w", err)
	}
	out := command.OutOrStdout()
	for n, endpoint := range endpoints {
		if n == 0 {
			fmt.Fprintln(out, "Application endpoints:")
		}
		fmt.Fprintf(out, "    * %s%s\n", endpoint.Name, describe(endpoint.Description))
		for _, address := range endpoint.Addresses {
			fmt.Fprintf(out, "        - %s\n", address)
		}
	}
	return nil
}

func describe(description string) string {
	if description == "" {
		return ":"
	}
	return " (" + description + "):"
}

// create reads the command line and the bundle, and stores the plan.
func (i *installation) create(command *cobra.Command) (*operation.Plan, error) {
	ctx := command.Context()
	p, err := paths.New(i.stateDir)
	if err != nil {
		return nil, err
	}
	if err := i.refuseAgain(command.Context(), p); err != nil {
		return nil, err
	}
	path, err := i.bundlePath()
	if err != nil {
		return nil, err
	}
	b, err := i.trusted.open(path)
	if errors.Is(err, trust.ErrUntrusted) {
		return nil, err
	}
	if err != nil {
		return nil, cli.WithHint(err, "name the bundle, or the folder that it was extracted to, with --bundle")
	}
	defer b.Close()
	if err := b.Complete(); err != nil {
		return nil, err
	}
	m, err := install.ReadManifest(b)
	if err != nil {
		return nil, err
	}
	settings, err := i.settings(path, b, m)
	if err != nil {
		return nil, err
	}
	content, file, err := i.readResources()
	if err != nil {
		return nil, err
	}
	if err := i.configure(command, &file.Configuration, settings); err != nil {
		return nil, err
	}
	if err := settings.Check(); err != nil {
		return nil, err
	}
	for _, warning := range file.Warnings {
		i.warn(command, i.format, warning)
	}
	if err := install.CheckStateFolder(p); err != nil {
		return nil, err
	}
	exclusive, err := i.operations().Exclusive(ctx)
	if err != nil {
		return nil, err
	}
	defer exclusive.Close()
	// Another installation may have begun meanwhile.
	if err := i.refuseAgain(ctx, p); err != nil {
		return nil, err
	}
	operationID := operation.NewID()
	if err := keepResources(p.Resources(operationID), content, file, settings); err != nil {
		return nil, err
	}
	if err := i.keepToken(p); err != nil {
		return nil, err
	}
	plan, err := install.NewPlan(operationID, version.Get().Version, settings, m, time.Now())
	if err != nil {
		return nil, err
	}
	return plan, i.operations().Create(ctx, plan)
}

// refuseAgain fails if this machine is a node, or is becoming one.
func (i *installation) refuseAgain(ctx context.Context, p paths.Paths) error {
	return refuseNode(ctx, i.globals, p, operation.TypeInstall, func(cluster string) error {
		return cli.WithHint(fmt.Errorf("the installation of cluster %s has not ended", cluster),
			"go on with '%s install --resume', or start again after %s", i.self(), i.again())
	})
}

// refuseNode fails if this machine is a node, or an operation makes it one that
// has not ended; unfinished is the error about one of the given type.
func refuseNode(ctx context.Context, g *globals, p paths.Paths, operationType string, unfinished func(cluster string) error) error {
	ids, err := g.operations().List(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		found, err := g.operations().Read(ctx, id)
		if err != nil || !found.Active() {
			continue
		}
		switch kind := found.Plan.OperationType; kind {
		case operationType:
			return unfinished(found.Plan.ClusterName)
		case operation.TypeInstall, operation.TypeExpand:
			return cli.WithHint(fmt.Errorf("operation %s, which makes this machine a node of cluster %s, has not ended", id, found.Plan.ClusterName),
				"go on with 'gravity plan resume --operation-id=%s', or give it up with 'gravity leave --force'", id)
		}
	}
	n, err := node.Read(p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	return cli.WithHint(fmt.Errorf("this machine is a node of cluster %s", n.Cluster), "see 'gravity status'")
}

// bundlePath is the bundle that was named, or the folder of this program.
func (i *installation) bundlePath() (string, error) {
	if i.bundle != "" {
		return filepath.Abs(i.bundle)
	}
	program, err := os.Executable()
	if err != nil {
		return "", err
	}
	if program, err = filepath.EvalSymlinks(program); err != nil {
		return "", err
	}
	return filepath.Dir(program), nil
}

func (i *installation) settings(path string, b *bundle.Bundle, m *manifest.Manifest) (*install.Settings, error) {
	index := b.Index()
	if err := i.checkFlavor(m); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"generic", "aws", "gce"}, i.cloud) {
		return nil, cli.Usagef("--cloud-provider: %q is not generic, aws or gce", i.cloud)
	}
	if i.lifetime < minLifetime || i.lifetime > certificate.Life {
		return nil, cli.Usagef("--certificate-lifetime: %s is not between %s and %s", i.lifetime, minLifetime, certificate.Life)
	}
	if len(index.Runtimes) == 0 {
		return nil, fmt.Errorf("%s has an application for clusters that exist already, and no Kubernetes", path)
	}
	s := &install.Settings{
		Bundle: path, Digest: b.Digest().String(), VXLANPort: i.vxlanPort, AdminServiceAccounts: i.adminAccounts,
		SkipChecks: i.skipChecks, ChecksOff: checksOff(), Flavor: i.flavor, Zones: i.zones,
		ServiceUser: i.serviceUser, ServiceGroup: i.serviceGroup,
		Node: node.Node{
			Cluster: i.cluster, Master: true, Runtime: index.Runtimes[0].Version, Application: index.Name, Version: index.Version,
			CloudProvider: i.cloud,
		},
	}
	if i.lifetime != certificate.Life {
		s.Node.CertificateLifetime = i.lifetime
	}
	var err error
	if s.Node.Name, err = install.HostName(); err != nil {
		return nil, err
	}
	if s.Node.Role, err = install.Role(m, i.role); err != nil {
		return nil, err
	}
	if s.Node.Cluster == "" {
		s.Node.Cluster = randomName()
	}
	if s.Node.Address, err = parseAdvertise(i.advertise); err != nil {
		return nil, err
	}
	profile, _ := m.Profile(s.Node.Role)
	if err := install.CheckSkipped(profile, i.skipChecks); err != nil {
		return nil, err
	}
	if s.PodNetwork, err = netip.ParsePrefix(i.podNetwork); err != nil {
		return nil, cli.Usagef("--pod-network-cidr: %w", err)
	}
	if s.ServiceNetwork, err = netip.ParsePrefix(i.serviceNetwork); err != nil {
		return nil, cli.Usagef("--service-cidr: %w", err)
	}
	if s.DNSZones, err = parseZones(i.zones); err != nil {
		return nil, err
	}
	if s.Mounts, err = parseMounts(i.mounts); err != nil {
		return nil, err
	}
	if s.Node.Mounts, err = mounts(m, s.Node.Role, i.mounts); err != nil {
		return nil, err
	}
	return s, nil
}

// readResources reads the file of --config, and finds what is wrong with it
// before anything starts.
func (i *installation) readResources() ([]byte, *resource.File, error) {
	if i.resources == "" {
		return nil, new(resource.File), nil
	}
	content, err := os.ReadFile(i.resources)
	if err != nil {
		return nil, nil, fmt.Errorf("--config: %w", err)
	}
	file, err := resource.Parse(i.resources, content)
	return content, file, err
}

// configure sets what a ClusterConfiguration has instead of flags. A flag that
// says something else is an error.
func (i *installation) configure(command *cobra.Command, c *resource.Configuration, s *install.Settings) error {
	changed := command.Flags().Changed
	for _, network := range []struct {
		flag, field string
		given       netip.Prefix
		setting     *netip.Prefix
	}{
		{"pod-network-cidr", "podCIDR", c.PodNetwork, &s.PodNetwork},
		{"service-cidr", "serviceCIDR", c.ServiceNetwork, &s.ServiceNetwork},
	} {
		if !network.given.IsValid() {
			continue
		}
		if changed(network.flag) && *network.setting != network.given {
			return cli.Usagef("--%s is %s, but %s has %s %s", network.flag, network.setting, i.resources, network.field, network.given)
		}
		*network.setting = network.given
	}
	if c.CloudProvider == "" {
		return nil
	}
	if changed("cloud-provider") && i.cloud != c.CloudProvider {
		return cli.Usagef("--cloud-provider is %s, but %s has cloudProvider %.64q", i.cloud, i.resources, c.CloudProvider)
	}
	s.Node.CloudProvider = c.CloudProvider
	return nil
}

// keepResources copies the file of --config into the state folder, so that a
// resumed installation needs nothing else.
func keepResources(path string, content []byte, file *resource.File, s *install.Settings) error {
	if len(file.Kubernetes) > 0 {
		s.Resources = path
	}
	if len(file.Gravity) > 0 {
		s.GravityResources = path
	}
	if s.Resources == "" && s.GravityResources == "" {
		return nil
	}
	return paths.WriteFile(path, content, 0o600)
}

// keepToken writes the token by which nodes join where the node's services find
// it. It is a secret, and no part of the plan.
func (i *installation) keepToken(p paths.Paths) error {
	joining, err := readToken(i.token)
	if err != nil {
		return err
	}
	if i.token == "" {
		joining = token.New()
	}
	return paths.WriteFile(p.Token(), []byte(joining.String()+"\n"), 0o600)
}

// readToken reads the token that --token gives, or the file that it names; empty
// is no token.
func readToken(text string) (token.Token, error) {
	if text == "" {
		return token.Token{}, nil
	}
	if name, ok := strings.CutPrefix(text, "@"); ok {
		content, err := os.ReadFile(name)
		if err != nil {
			return token.Token{}, fmt.Errorf("--token: %w", err)
		}
		text = string(content)
	}
	parsed, err := token.Parse(text)
	if err != nil {
		return token.Token{}, cli.Usagef("--token: %w", err)
	}
	return parsed, nil
}

// checkFlavor refuses a flavor that the application does not have.
func (i *installation) checkFlavor(m *manifest.Manifest) error {
	var names []string
	for _, flavor := range m.Installer.Flavors.Items {
		names = append(names, flavor.Name)
	}
	if i.flavor != "" && !slices.Contains(names, i.flavor) {
		return cli.WithHint(cli.Usagef("the application has no flavor %q", i.flavor), "its flavors are: %s", strings.Join(names, ", "))
	}
	return nil
}

// parseZones reads DOMAIN/ADDRESS[:PORT].
func parseZones(zones []string) (map[string][]netip.AddrPort, error) {
	parsed := make(map[string][]netip.AddrPort)
	for _, zone := range zones {
		domain, resolver, ok := strings.Cut(zone, "/")
		address, err := netip.ParseAddrPort(resolver)
		if err != nil {
			var plain netip.Addr
			plain, err = netip.ParseAddr(resolver)
			address = netip.AddrPortFrom(plain, 53)
		}
		if !ok || domain == "" || err != nil {
			return nil, cli.Usagef("--dns-zone: %q is not DOMAIN/ADDRESS or DOMAIN/ADDRESS:PORT", zone)
		}
		parsed[domain] = append(parsed[domain], address)
	}
	return parsed, nil
}

// parseMounts reads NAME:PATH.
func parseMounts(named []string) (map[string]string, error) {
	sources := make(map[string]string)
	for _, mount := range named {
		name, path, ok := strings.Cut(mount, ":")
		if !ok || !filepath.IsAbs(path) {
			return nil, cli.Usagef("--mount: %q is not NAME:PATH with an absolute path", mount)
		}
		sources[name] = path
	}
	return sources, nil
}

// mounts lists the volumes of a node profile, with the folders that --mount
// names instead of the profile's.
func mounts(m *manifest.Manifest, role string, named []string) ([]node.Mount, error) {
	sources, err := parseMounts(named)
	if err != nil {
		return nil, err
	}
	profile, _ := m.Profile(role)
	var list []node.Mount
	for _, volume := range profile.Requirements.Volumes {
		source := string(volume.Path)
		if named, ok := sources[volume.Name]; ok && volume.Name != "" {
			source = named
			delete(sources, volume.Name)
		}
		if _, err := os.Stat(source); err != nil && volume.SkipIfMissing {
			continue
		}
		list = append(list, node.Mount{
			Source: source, Target: string(volume.TargetPath), Recursive: volume.Recursive,
			Create: volume.CreateIfMissing, Mode: uint32(volume.Mode), UID: volume.UID, GID: volume.GID,
		})
	}
	for name := range sources {
		return nil, cli.Usagef("--mount: node profile %s has no volume %q", role, name)
	}
	return list, nil
}

var (
	adjectives = []string{"admiring", "adoring", "agitated", "bold", "boring", "calm", "clever", "eager", "elegant", "fervent", "gentle", "happy", "jolly", "quiet", "serene", "vibrant"}
	colors     = []string{"amber", "aqua", "beige", "black", "blue", "coral", "green", "indigo", "ivory", "olive", "orange", "pink", "silver", "teal", "white", "yellow"}
)

// randomName is a name for a cluster, as adoringyellow5948.
func randomName() string {
	return adjectives[random.IntN(len(adjectives))] + colors[random.IntN(len(colors))] + strconv.Itoa(1000+random.IntN(9000))
}
