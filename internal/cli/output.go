package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Format is how a command prints its result on standard output. Everything
// that is not the result goes to standard error.
type Format string

// The formats of --output.
const (
	FormatText Format = "text"
	FormatJSON Format = "json"
)

var _ pflag.Value = (*Format)(nil)

// Set accepts "text" and "json".
func (f *Format) Set(value string) error {
	switch Format(value) {
	case FormatText, FormatJSON:
		*f = Format(value)
		return nil
	}
	return fmt.Errorf("%q is not a format, use %s or %s", value, FormatText, FormatJSON)
}

func (f *Format) String() string { return string(*f) }

// Type names the value in help texts.
func (f *Format) Type() string { return "text|json" }

// AddOutputFlag gives a command --output/-o, with text as the default.
func AddOutputFlag(command *cobra.Command, format *Format) {
	addFormatFlag(command, format, "output", "o", "output format")
}

// AddFormatFlag gives a command --format, with text as the default, where -o
// already names a file.
func AddFormatFlag(command *cobra.Command, format *Format) {
	addFormatFlag(command, format, "format", "", "format of events")
}

func addFormatFlag(command *cobra.Command, format *Format, name, shorthand, usage string) {
	*format = FormatText
	command.Flags().VarP(format, name, shorthand, usage)
	_ = command.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(
		[]cobra.Completion{string(FormatText), string(FormatJSON)}, cobra.ShellCompDirectiveNoFileComp))
}

// PrintJSON writes a value as indented JSON.
func PrintJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// requestedFormat tells how to print the error of a command. The flag may not
// have been parsed, as when an earlier one is wrong, and a word that is no
// command has no flags at all: then the arguments are searched for it.
func requestedFormat(command *cobra.Command, args []string) Format {
	for _, name := range []string{"output", "format"} {
		flag := command.Flags().Lookup(name)
		if flag == nil {
			continue
		}
		format, ok := flag.Value.(*Format)
		switch {
		case !ok: // it names a file
		case flag.Changed:
			return *format
		default:
			return searchFormat(args, name, flag.Shorthand)
		}
	}
	if command.HasSubCommands() {
		return searchFormat(args, "output", "o")
	}
	return FormatText
}

// searchFormat finds a flag's value in arguments that could not be parsed.
func searchFormat(args []string, name, shorthand string) Format {
	const none = "\x00"
	long, short := "--"+name, none
	if shorthand != "" {
		short = "-" + shorthand
	}
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if (arg == long || arg == short) && i+1 < len(args) {
			arg += "=" + args[i+1]
		}
		value, found := strings.CutPrefix(arg, long+"=")
		if !found {
			value, found = strings.CutPrefix(arg, short)
			value = strings.TrimPrefix(value, "=")
		}
		if found && Format(value) == FormatJSON {
			return FormatJSON
		}
	}
	return FormatText
}
