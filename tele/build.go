package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/build"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/pull"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
	"github.com/gravity-platform/terraform-provider-gravity/runtime"
)

// buildFlags are the flags of build beside those of the source.
type buildFlags struct {
	sourceFlags
	signFlags

	output, gravity, stateDir string
	mirrors, imagesFrom       []string
	bases                     []string
	parallel                  int
	allPlatforms              bool
	overwrite, quiet, dryRun  bool
	packages                  bool
	format                    cli.Format
}

func newBuildCommand() *cobra.Command {
	flags := buildFlags{format: cli.FormatText}
	command := &cobra.Command{
		Use:   "build [APPLICATION]",
		Short: "Build the bundle of an application",
		Long: `Build the bundle of an application: one file with the application, all its
images and the Kubernetes that it runs on, which is installed without internet.

APPLICATION is a manifest, or the folder that has app.yaml; the folder is part of
the bundle, and is also where images are looked for. A folder that is a Helm chart
without a manifest becomes an application for clusters that exist already.

Images are pulled with the credentials of docker, into a cache that other builds
share; what was interrupted is continued. The same application gives the same
bytes. The file appears under its name only when it is complete.`,
		Example: `  tele build ./shop -o shop.tar
  tele build shop/app.yaml --version=1.2.3 --set-image=registry.example.com/shop:1.2.3
  tele build ./shop --upgrade-via=1.36.3
  tele build ./shop --dry-run`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			return runBuild(command, &flags, args)
		},
	}
	flags.sourceFlags.add(command)
	flags.signFlags.add(command)
	set := command.Flags()
	set.StringVarP(&flags.output, "output", "o", "", "the `FILE` to write (default NAME-VERSION.tar)")
	set.BoolVarP(&flags.overwrite, "overwrite", "f", false, "replace the file if it exists")
	set.IntVar(&flags.parallel, "parallel", 0, fmt.Sprintf("how many transfers run at once (default %d)", pull.DefaultParallel))
	set.BoolVar(&flags.allPlatforms, "all-platforms", false, "keep images for other platforms, too")
	set.StringArrayVar(&flags.mirrors, "mirror", nil, "ask a mirror before a registry, as `HOST=MIRROR` or HOST=MIRROR/PATH; repeatable")
	set.StringArrayVar(&flags.imagesFrom, "images-from", nil, "`SOURCE` of images before their registries: an OCI layout, a docker-archive,\n"+
		"or docker-daemon:[SOCKET]; repeatable")
	set.StringVar(&flags.gravity, "gravity", "", "the `FILE` of the program gravity (default beside tele)")
	set.StringVar(&flags.stateDir, "state-dir", "", "the `FOLDER` of the cache, which several builds may share")
	set.StringArrayVar(&flags.upgradeVia, "upgrade-via", nil, "embed this LTS `VERSION` of Kubernetes, so that clusters of older ones can be\n"+
		"upgraded directly; repeatable, each adds up to 30 MB")
	set.StringArrayVar(&flags.bases, "base", nil, "leave out what this `BUNDLE` has, which the site has already; repeatable.\n"+
		"Only where the base is can such a bundle be used")
	set.BoolVar(&flags.packages, "sbom-packages", false, "list the distributions' packages inside images in the bill of materials,\n"+
		"for which all layers are read once")
	set.BoolVarP(&flags.quiet, "quiet", "q", false, "print only the digest of the bundle")
	set.BoolVar(&flags.dryRun, "dry-run", false, "show the images, and build nothing")
	cli.AddFormatFlag(command, &flags.format)
	return command
}

func runBuild(command *cobra.Command, flags *buildFlags, args []string) error {
	errorOutput := command.ErrOrStderr()
	application, err := openApplication(command, &flags.sourceFlags, args, warner(errorOutput, flags.format, flags.quiet))
	if err != nil {
		return err
	}
	defer application.Close()
	if flags.dryRun {
		return listImages(command, application, flags.format)
	}
	options, err := flags.options()
	if err != nil {
		return err
	}
	if options.SignKeys, err = flags.read(command); err != nil {
		return err
	}
	shown := newSteps(errorOutput, flags.format, flags.quiet)
	options.Progress = shown.event
	result, err := application.Build(command.Context(), options)
	shown.end(err)
	if err != nil {
		return err
	}
	return printBuilt(command.OutOrStdout(), flags, &report.Build{
		Name:    string(application.Manifest.Metadata.Name),
		Version: string(application.Manifest.Metadata.ResourceVersion),
		Path:    result.Path, Digest: result.Digest.String(), Size: result.Size,
		Platform: flags.platform, Runtime: application.Runtime,
		Images: result.Images, Fetched: result.Fetched, Unchanged: result.Unchanged,
	})
}

// options are what the flags say about the build.
func (f *buildFlags) options() (build.Options, error) {
	options := build.Options{
		Output: f.output, Overwrite: f.overwrite, Bases: f.bases, Gravity: f.gravity, StateDir: f.stateDir,
		Packages: f.packages,
		Pull:     pull.Options{Parallel: f.parallel, AllPlatforms: f.allPlatforms, Insecure: f.insecure},
	}
	var err error
	if options.Created, err = sourceDate(); err != nil {
		return options, err
	}
	if f.parallel < 0 {
		return options, cli.Usagef("--parallel %d: write how many transfers run at once", f.parallel)
	}
	if options.Pull.Mirrors, err = parseMirrors(f.mirrors); err != nil {
		return options, err
	}
	if options.Images, err = imageSources(f.imagesFrom, options.Pull.Mirrors); err != nil {
		return options, err
	}
	if options.Gravity == "" {
		self, err := os.Executable()
		if err != nil {
			return options, fmt.Errorf("find the program gravity (or name it by --gravity): %w", err)
		}
		options.Gravity = filepath.Join(filepath.Dir(self), "gravity")
	}
	options.StateDir, err = firstOf(f.stateDir, "TELE_STATE_DIR", "tele")
	return options, err
}

// sourceDateVariable is the time that reproducible builds put into what they
// make, in seconds since 1970.
const sourceDateVariable = "SOURCE_DATE_EPOCH"

// sourceDate is the only time in a bundle: that of the environment, or else that
// of the runtimes' sources, which is as old as this program.
func sourceDate() (time.Time, error) {
	text := os.Getenv(sourceDateVariable)
	if text == "" {
		catalogue, err := runtime.Releases()
		if err != nil {
			return time.Time{}, err
		}
		return catalogue.SourceDate, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 {
		return time.Time{}, cli.Usagef("%s=%s: write seconds since 1970", sourceDateVariable, text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

func parseMirrors(texts []string) (map[string][]string, error) {
	mirrors := map[string][]string{}
	for _, text := range texts {
		host, mirror, ok := strings.Cut(text, "=")
		if !ok || host == "" || mirror == "" {
			return nil, cli.Usagef("--mirror %s: write HOST=MIRROR, as in docker.io=mirror.example.com", text)
		}
		if host == "docker.io" {
			host = "index.docker.io" // as references have it
		}
		mirrors[host] = append(mirrors[host], mirror)
	}
	return mirrors, nil
}

func printBuilt(out io.Writer, flags *buildFlags, built *report.Build) error {
	var err error
	switch {
	case flags.format == cli.FormatJSON:
		err = cli.PrintJSON(out, built)
	case flags.quiet:
		_, err = fmt.Fprintln(out, built.Digest)
	default:
		state := "is complete"
		if built.Unchanged {
			state = "has not changed"
		}
		_, err = fmt.Fprintf(out, "%s %s: %s %s: %s, %s\n%s\n", built.Name, built.Version, built.Path, state,
			count(built.Images, "image"), formatSize(built.Size), built.Digest)
	}
	return err
}
