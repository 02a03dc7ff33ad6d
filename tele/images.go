package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/build"
	"github.com/gravity-platform/terraform-provider-gravity/bundle/discovery"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/internal/report"
)

func newImagesCommand() *cobra.Command {
	var flags sourceFlags
	var format cli.Format
	command := &cobra.Command{
		Use:   "images [APPLICATION]",
		Short: "Show which images an application asks for, and where",
		Long: `Show each image that a bundle of an application will have, with the files and
lines that ask for it. Nothing is pulled.

APPLICATION is a manifest, or the folder that has app.yaml; the folder is also
where images are looked for. Suspects look like images, in arguments or
environment variables for instance; a bundle does not have them unless something
else asks for them, such as an ImageSet.`,
		Example: `  tele images ./shop
  tele images ./shop -o json | jq -r '.images[].reference'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			warn := warner(command.ErrOrStderr(), format, false)
			application, err := openApplication(command, &flags, args, warn)
			if err != nil {
				return err
			}
			defer application.Close()
			return listImages(command, application, format)
		},
	}
	flags.add(command)
	cli.AddOutputFlag(command, &format)
	return command
}

// listImages prints the images of an application, also if some cannot be told.
func listImages(command *cobra.Command, application *build.Application, format cli.Format) error {
	found, err := application.Discover(command.Context())
	if found == nil {
		return err
	}
	listed := imagesReport(application, found)
	if format == cli.FormatJSON {
		return errors.Join(cli.PrintJSON(command.OutOrStdout(), listed), err)
	}
	printWantedImages(command.OutOrStdout(), listed)
	return err
}

func imagesReport(application *build.Application, found *discovery.Result) *report.ApplicationImages {
	listed := &report.ApplicationImages{
		Name:    string(application.Manifest.Metadata.Name),
		Version: string(application.Manifest.Metadata.ResourceVersion),
		Runtime: application.Runtime,
		Images:  wantedImages(found.Images), Suspects: wantedImages(found.Suspects), Notes: []report.Note{},
	}
	for _, note := range found.Notes {
		listed.Notes = append(listed.Notes, report.Note{File: note.File, Line: note.Line, Message: note.Message})
	}
	return listed
}

func wantedImages(images []discovery.Image) []report.WantedImage {
	wanted := make([]report.WantedImage, 0, len(images))
	for _, image := range images {
		places := make([]report.Place, 0, len(image.Places))
		for _, place := range image.Places {
			places = append(places, report.Place{
				File: place.File, Line: place.Line, Rendered: place.Rendered,
				Field: place.Field, Object: place.Object, Reason: place.Why(), Text: place.Text,
			})
		}
		wanted = append(wanted, report.WantedImage{Reference: image.Name, Places: places})
	}
	return wanted
}

func printWantedImages(out io.Writer, listed *report.ApplicationImages) {
	fmt.Fprintf(out, "%s %s: %s\n", listed.Name, listed.Version, count(len(listed.Images), "image"))
	printWanted(out, listed.Images)
	if len(listed.Suspects) > 0 {
		fmt.Fprintln(out, "\nNot in the bundle, since only these places name them (list them in an ImageSet if pods run them):")
		printWanted(out, listed.Suspects)
	}
	if len(listed.Notes) > 0 {
		fmt.Fprintln(out, "\nNotes:")
		for _, note := range listed.Notes {
			fmt.Fprintf(out, "    %s\n", discovery.Note{File: note.File, Line: note.Line, Message: note.Message})
		}
	}
}

func printWanted(out io.Writer, images []report.WantedImage) {
	for _, image := range images {
		fmt.Fprintln(out, image.Reference)
		table := newTable(out)
		for _, place := range image.Places {
			position := discovery.Place{File: place.File, Line: place.Line, Rendered: place.Rendered}.Position()
			row(table, "    "+position, place.Object, place.Field, place.Reason)
		}
		_ = table.Flush()
	}
}
