package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
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

// formatFlag is a flag that chooses one of some formats, text and JSON among
// them.
type formatFlag struct {
	format  *Format
	allowed []Format
}

var _ pflag.Value = (*formatFlag)(nil)

// Set accepts the allowed formats.
func (f *formatFlag) Set(value string) error {
	if !slices.Contains(f.allowed, Format(value)) {
		last := len(f.allowed) - 1
		return fmt.Errorf("%q is not a format, use %s or %s", value, join(f.allowed[:last], ", "), f.allowed[last])
	}
	*f.format = Format(value)
	return nil
}

func (f *formatFlag) String() string { return string(*f.format) }

// Type names the value in help texts.
func (f *formatFlag) Type() string { return join(f.allowed, "|") }

func join(formats []Format, separator string) string {
	words := make([]string, len(formats))
	for i, format := range formats {
		words[i] = string(format)
	}
	return strings.Join(words, separator)
}

// AddOutputFlag gives a command --output/-o, with text as the default. It may
// have more formats than text and JSON.
func AddOutputFlag(command *cobra.Command, format *Format, more ...Format) {
	addFormatFlag(command, format, "output", "o", "output format", more...)
}

// AddFormatFlag gives a command --format, with text as the default, where -o
// already names a file.
func AddFormatFlag(command *cobra.Command, format *Format) {
	addFormatFlag(command, format, "format", "", "format of events")
}

func addFormatFlag(command *cobra.Command, format *Format, name, shorthand, usage string, more ...Format) {
	*format = FormatText
	flag := &formatFlag{format, append([]Format{FormatText, FormatJSON}, more...)}
	command.Flags().VarP(flag, name, shorthand, usage)
	_ = command.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(
		strings.Split(flag.Type(), "|"), cobra.ShellCompDirectiveNoFileComp))
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
		value, ok := flag.Value.(*formatFlag)
		switch {
		case !ok: // it names a file
		case flag.Changed:
			return *value.format
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
