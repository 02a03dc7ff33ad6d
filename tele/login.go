package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/hub"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

// tokenUser is the user name that goes with a token if nobody says another:
// registries that take tokens as passwords look at the token only.
const tokenUser = "token"

// loginFlags are the flags of login (S07).
type loginFlags struct {
	hubFlags
	ops, user, token string
	passwordStdin    bool
	format           cli.Format
}

func newLoginCommand() *cobra.Command {
	var flags loginFlags
	command := &cobra.Command{
		Use:   "login [HUB]",
		Short: "Log in to a hub, and use it from now on",
		Long: `Log in to a hub: any OCI registry, as HOST or HOST/PATH. The hub is the one that
push, pull, ls and rm use when they name none.

The credentials are tried, and kept where docker keeps them: in its configuration,
or in the credential helper that is configured there. So who is logged in with
docker need not do it again, and the other way round.`,
		Example: `  tele login hub.example.com/team --username=release --password-stdin < password
  tele login -o hub.example.com --token=@token`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error { return runLogin(command, &flags, args) },
	}
	set := command.Flags()
	set.StringVarP(&flags.ops, "ops", "o", "", "the `HUB`, instead of an argument")
	set.StringVarP(&flags.user, "username", "u", "", "the name of the user")
	set.BoolVar(&flags.passwordStdin, "password-stdin", false, "read the password from standard input")
	set.StringVar(&flags.token, "token", "", "a token instead of a password, as `@FILE` to read it from a file, or - for standard input")
	flags.add(command, false)
	cli.AddFormatFlag(command, &flags.format)
	command.MarkFlagsMutuallyExclusive("password-stdin", "token")
	return command
}

func runLogin(command *cobra.Command, flags *loginFlags, args []string) error {
	if flags.ops != "" {
		if len(args) > 0 {
			return cli.Usagef("the hub is named twice: %s and --ops=%s", args[0], flags.ops)
		}
		args = []string{flags.ops}
	}
	named, err := chooseHub(args)
	if err != nil {
		return err
	}
	host, _ := hub.SplitHost(named)
	credentials, err := flags.credentials(command, host)
	if err != nil {
		return err
	}
	connection, err := flags.connect(nil)
	if err != nil {
		return err
	}
	defer connection.Close()
	err = connection.Check(command.Context(), host, authn.FromConfig(authn.AuthConfig{Username: credentials.Username, Password: credentials.Password}))
	if err != nil {
		return err
	}
	file, err := config.Load("")
	if err != nil {
		return fmt.Errorf("read docker's configuration: %w", err)
	}
	credentials.ServerAddress = serverAddress(host)
	if err := file.GetCredentialsStore(credentials.ServerAddress).Store(credentials); err != nil {
		return fmt.Errorf("keep the credentials of %s in %s: %w", host, storeName(file, credentials.ServerAddress), err)
	}
	if err := writeCurrentHub(named); err != nil {
		return err
	}
	if flags.format == cli.FormatJSON {
		return cli.PrintJSON(command.OutOrStdout(), report.Hub{Hub: named, User: credentials.Username, Reachable: true})
	}
	_, err = fmt.Fprintf(command.OutOrStdout(), "Logged in to %s as %s; the credentials are in %s\n",
		named, credentials.Username, storeName(file, credentials.ServerAddress))
	return err
}

// serverAddress is what docker calls a registry in its configuration.
func serverAddress(host string) string {
	if registry, err := name.NewRegistry(host); err == nil && registry.RegistryStr() == name.DefaultRegistry {
		return authn.DefaultAuthKey
	}
	return host
}

// storeName says where credentials are.
func storeName(file *configfile.ConfigFile, address string) string {
	helper := file.CredentialsStore
	if own, ok := file.CredentialHelpers[address]; ok {
		helper = own
	}
	if helper != "" {
		return "docker-credential-" + helper
	}
	return file.GetFilename()
}

// credentials are what the flags say, or a person.
func (f *loginFlags) credentials(command *cobra.Command, host string) (types.AuthConfig, error) {
	const hint = "add --username with --password-stdin, or --token=@FILE"
	credentials := types.AuthConfig{Username: f.user}
	if f.token != "" {
		secret, err := f.readToken(command)
		if credentials.Username == "" {
			credentials.Username = tokenUser
		}
		credentials.Password = secret
		return credentials, err
	}
	if f.passwordStdin {
		if credentials.Username == "" {
			return credentials, cli.Usagef("--password-stdin: the password is whose? add --username")
		}
		secret, err := readSecretFile("-", command.InOrStdin())
		credentials.Password = string(secret)
		return credentials, err
	}
	if credentials.Username == "" {
		input, ok := command.InOrStdin().(*os.File)
		if !ok || !term.IsTerminal(int(input.Fd())) {
			return credentials, cli.WithHint(fmt.Errorf("log in to %s: there is no terminal to ask who you are", host), hint)
		}
		fmt.Fprintf(command.ErrOrStderr(), "username for %s: ", host)
		line, err := bufio.NewReader(io.LimitReader(input, maxSecretSize)).ReadString('\n')
		if credentials.Username = strings.TrimSpace(line); err != nil || credentials.Username == "" {
			return credentials, errors.Join(errors.New("no username"), err)
		}
	}
	secret, err := askSecret(command, "password for "+host, hint)
	credentials.Password = string(secret)
	return credentials, err
}

// readToken reads the token of --token, which others on this machine can see if it
// is on the command line.
func (f *loginFlags) readToken(command *cobra.Command) (string, error) {
	path, isFile := strings.CutPrefix(f.token, "@")
	if !isFile && f.token != "-" {
		fmt.Fprintln(command.ErrOrStderr(), "warning: others on this machine can read a token on the command line; write --token=@FILE")
		return f.token, nil
	}
	secret, err := readSecretFile(path, command.InOrStdin())
	if err != nil {
		return "", fmt.Errorf("--token: %w", err)
	}
	return string(secret), nil
}

func newLogoutCommand() *cobra.Command {
	var format cli.Format
	command := &cobra.Command{
		Use:   "logout [HUB]",
		Short: "Forget the credentials of a hub",
		Long: `Forget the credentials of a hub, which docker then does not have either, and that
it is the hub to use.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			named, err := chooseHub(args)
			if err != nil {
				return err
			}
			host, _ := hub.SplitHost(named)
			file, err := config.Load("")
			if err != nil {
				return fmt.Errorf("read docker's configuration: %w", err)
			}
			if err := file.GetCredentialsStore(serverAddress(host)).Erase(serverAddress(host)); err != nil {
				return fmt.Errorf("forget the credentials of %s in %s: %w", host, storeName(file, serverAddress(host)), err)
			}
			if current, err := readCurrentHub(); err == nil && (current == host || strings.HasPrefix(current, host+"/")) {
				if err := writeCurrentHub(""); err != nil {
					return err
				}
			}
			if format == cli.FormatJSON {
				return cli.PrintJSON(command.OutOrStdout(), report.Hub{Hub: named})
			}
			_, err = fmt.Fprintf(command.OutOrStdout(), "Logged out of %s\n", host)
			return err
		},
	}
	cli.AddOutputFlag(command, &format)
	return command
}

func newStatusCommand() *cobra.Command {
	var flags hubFlags
	var format cli.Format
	command := &cobra.Command{
		Use:   "status [HUB]",
		Short: "Show which hub is used, who is logged in, and whether it answers",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			named, err := chooseHub(args)
			if err != nil {
				return err
			}
			host, _ := hub.SplitHost(named)
			shown := report.Hub{Hub: named}
			if file, err := config.Load(""); err == nil {
				if kept, err := file.GetAuthConfig(serverAddress(host)); err == nil {
					shown.User = kept.Username
				}
			}
			connection, err := flags.connect(nil)
			if err != nil {
				return err
			}
			defer connection.Close()
			checked := connection.Check(command.Context(), host, nil)
			shown.Reachable = checked == nil
			if format == cli.FormatJSON {
				return errors.Join(cli.PrintJSON(command.OutOrStdout(), shown), checked)
			}
			user := shown.User
			if user == "" {
				user = "nobody is logged in"
			}
			table := newTable(command.OutOrStdout())
			row(table, "Hub:", named)
			row(table, "User:", user)
			if checked == nil {
				row(table, "Status:", "reachable")
			}
			return errors.Join(table.Flush(), checked)
		},
	}
	flags.add(command, false)
	cli.AddOutputFlag(command, &format)
	return command
}
