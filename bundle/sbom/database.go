package sbom

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// maxLine is the longest line of a database, in bytes.
	maxLine = 1 << 20
	// maxInstalled is how many packages a database may list.
	maxInstalled = 100_000
)

// Kinds of packages, as package URLs have them.
const (
	KindDebian = "deb"
	KindAlpine = "apk"
)

// Installed is a package that is installed in an image.
type Installed struct {
	// Kind is KindDebian or KindAlpine.
	Kind string `json:"kind"`
	// Name, Version and Architecture are as the distribution has them.
	Name         string `json:"name"`
	Version      string `json:"version"`
	Architecture string `json:"architecture,omitempty"`
	// Source is the name of the source package, if it is another one.
	Source string `json:"source,omitempty"`
	// License is as the package has it, which may be no expression of SPDX.
	License string `json:"license,omitempty"`
	// Distribution and Release are of the image, such as "debian" and "12".
	Distribution string `json:"distribution,omitempty"`
	Release      string `json:"release,omitempty"`
}

// eachLine calls a function with each line.
func eachLine(from io.Reader, visit func(line string) error) error {
	scanner := bufio.NewScanner(from)
	scanner.Buffer(make([]byte, 64<<10), maxLine)
	number := 0
	for scanner.Scan() {
		number++
		if err := visit(strings.ToValidUTF8(scanner.Text(), "?")); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("line %d: %w", number+1, err)
	}
	return nil
}

// records reads paragraphs of fields, "NAME:VALUE". It calls add after each
// paragraph that has a wanted field; lines that continue others are skipped.
func records(from io.Reader, wanted string, add func(fields map[string]string) (Installed, bool)) ([]Installed, error) {
	var found []Installed
	fields := map[string]string{}
	end := func() error {
		if len(fields) == 0 {
			return nil
		}
		installed, ok := add(fields)
		clear(fields)
		if !ok || installed.Name == "" || installed.Version == "" {
			return nil
		}
		if len(found) == maxInstalled {
			return errors.New("it lists too many packages")
		}
		found = append(found, installed)
		return nil
	}
	err := eachLine(from, func(text string) error {
		if strings.TrimSpace(text) == "" {
			return end()
		}
		key, value, ok := strings.Cut(text, ":")
		if ok && strings.Contains(wanted, "|"+key+"|") {
			fields[key] = line(value)
		}
		return nil
	})
	if err == nil {
		err = end()
	}
	return found, err
}

// parseDpkg reads dpkg's status. Only what is installed counts: of packages
// that were removed, dpkg keeps an entry for their configuration. Files of
// images without dpkg have no Status.
func parseDpkg(from io.Reader) ([]Installed, error) {
	return records(from, "|Package|Version|Architecture|Source|Status|", func(fields map[string]string) (Installed, bool) {
		status := strings.Fields(fields["Status"])
		if len(status) > 0 && status[len(status)-1] != "installed" {
			return Installed{}, false
		}
		source, _, _ := strings.Cut(fields["Source"], " ") // its version may follow
		if source == fields["Package"] {
			source = ""
		}
		return Installed{
			Kind: KindDebian, Name: fields["Package"], Version: fields["Version"], Architecture: fields["Architecture"], Source: source,
		}, true
	})
}

// parseApk reads apk's list of installed packages.
func parseApk(from io.Reader) ([]Installed, error) {
	return records(from, "|P|V|A|L|o|", func(fields map[string]string) (Installed, bool) {
		source := fields["o"]
		if source == fields["P"] {
			source = ""
		}
		return Installed{
			Kind: KindAlpine, Name: fields["P"], Version: fields["V"], Architecture: fields["A"], Source: source, License: fields["L"],
		}, true
	})
}

// parseRelease reads which distribution an image is.
func parseRelease(from io.Reader) (file fileFacts, err error) {
	err = eachLine(from, func(text string) error {
		key, value, _ := strings.Cut(text, "=")
		value = line(strings.Trim(strings.TrimSpace(value), `"'`))
		switch key {
		case "ID":
			file.Distribution = value
		case "VERSION_ID":
			file.Release = value
		}
		return nil
	})
	return file, err
}
