package archive

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// pax are the records that change what an entry's own header says.
type pax struct {
	path    string
	size    int64
	hasSize bool
}

// harmless are the records of other tars that a bundle's meaning does not
// depend on: times, owners and the like. A key that ends with a dot is the
// beginning of keys.
var harmless = []string{
	"mtime", "atime", "ctime", "uid", "gid", "uname", "gname",
	"SCHILY.", "LIBARCHIVE.",
}

// parsePax parses pax records. A comment must be what Encode writes, so that no
// bit in it can change without notice.
func parsePax(body []byte) (pax, error) {
	var found pax
	for len(body) > 0 {
		key, value, rest, err := cutRecord(body)
		if err != nil {
			return pax{}, err
		}
		body = rest
		switch {
		case key == "path":
			found.path = value
		case key == "size":
			found.size, err = strconv.ParseInt(value, 10, 64)
			if err != nil || found.size < 0 {
				return pax{}, fmt.Errorf("pax record size=%.20q", value)
			}
			found.hasSize = true
		case key == "comment":
			if strings.Trim(value, string(filler)) != "" {
				return pax{}, errors.New("pax record comment is not empty")
			}
		case strings.HasPrefix(key, "GNU.sparse"):
			return pax{}, errors.New("the entry is stored as a sparse file, which bundles do not have")
		case !isHarmless(key):
			return pax{}, fmt.Errorf("pax record %.40q is unknown", key)
		}
	}
	return found, nil
}

// cutRecord cuts the first record, "LENGTH KEY=VALUE\n", off a pax body.
func cutRecord(body []byte) (key, value string, rest []byte, err error) {
	bad := errors.New("pax records are damaged")
	digits, _, ok := bytes.Cut(body[:min(len(body), 8)], []byte(" "))
	if !ok || len(digits) == 0 || digits[0] < '1' || digits[0] > '9' {
		return "", "", nil, bad
	}
	length, err := strconv.Atoi(string(digits))
	if err != nil || length > len(body) || length < len(digits)+4 || body[length-1] != '\n' {
		return "", "", nil, bad
	}
	key, value, ok = strings.Cut(string(body[len(digits)+1:length-1]), "=")
	if !ok || key == "" {
		return "", "", nil, bad
	}
	return key, value, body[length:], nil
}

func isHarmless(key string) bool {
	for _, known := range harmless {
		if key == known || strings.HasSuffix(known, ".") && strings.HasPrefix(key, known) {
			return true
		}
	}
	return false
}
