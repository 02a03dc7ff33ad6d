package manifest

import (
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// Capacity is a size in bytes, written as a number with a unit: B, KB, MB, GB,
// TB, PB (powers of 1000), KiB, MiB, GiB, TiB, PiB (powers of 1024); K, Ki and
// so on mean the same, in letters of any case.
type Capacity uint64

// units are the units of sizes from small to large; formatting takes the last
// that divides a size.
var units = []struct {
	name  string
	bytes uint64
}{
	{"B", 1},
	{"KB", 1e3},
	{"KiB", 1 << 10},
	{"MB", 1e6},
	{"MiB", 1 << 20},
	{"GB", 1e9},
	{"GiB", 1 << 30},
	{"TB", 1e12},
	{"TiB", 1 << 40},
	{"PB", 1e15},
	{"PiB", 1 << 50},
}

var capacityPattern = regexp.MustCompile(Capacity(0).Pattern())

// maxDigits bounds the digits of a number, so that it costs no time to read.
const maxDigits = 32

// Pattern is the syntax of a size.
func (Capacity) Pattern() string { return `^([0-9]+(?:\.[0-9]+)?) ?([kKmMgGtTpP]?[iI]?[bB]?)$` }

// Example is a valid size.
func (Capacity) Example() string { return "2GB" }

// UnmarshalText takes a size.
func (c *Capacity) UnmarshalText(text []byte) error {
	bytes, ok := parseBytes(string(text))
	if !ok {
		return &badValue{quote(text) + " is not a size", "write a number and a unit, such as 2GB or 512MiB"}
	}
	*c = Capacity(bytes)
	return nil
}

// String returns the size with the largest unit that leaves a whole number.
func (c Capacity) String() string { return formatBytes(uint64(c)) }

// MarshalText returns what String does.
func (c Capacity) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// TransferRate is a speed in bytes per second, written as a size and "/s".
type TransferRate uint64

// Pattern is the syntax of a speed.
func (TransferRate) Pattern() string {
	return strings.TrimSuffix(Capacity(0).Pattern(), "$") + "/s$"
}

// Example is a valid speed.
func (TransferRate) Example() string { return "50MB/s" }

// UnmarshalText takes a speed.
func (r *TransferRate) UnmarshalText(text []byte) error {
	size, found := strings.CutSuffix(string(text), "/s")
	bytes, ok := parseBytes(size)
	if !found || !ok {
		return &badValue{quote(text) + " is not a transfer rate", "write bytes per second, such as 50MB/s"}
	}
	*r = TransferRate(bytes)
	return nil
}

// String returns the speed with the largest unit that leaves a whole number.
func (r TransferRate) String() string { return formatBytes(uint64(r)) + "/s" }

// MarshalText returns what String does.
func (r TransferRate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

func parseBytes(text string) (uint64, bool) {
	parts := capacityPattern.FindStringSubmatch(text)
	if parts == nil || len(parts[1]) > maxDigits {
		return 0, false
	}
	unit := strings.ToLower(parts[2])
	if unit != "" && !strings.HasSuffix(unit, "b") {
		unit += "b"
	}
	for _, known := range units {
		if strings.ToLower(known.name) != unit && (unit != "" || known.bytes != 1) {
			continue
		}
		number, ok := new(big.Rat).SetString(parts[1])
		if !ok {
			return 0, false
		}
		number.Mul(number, new(big.Rat).SetInt(new(big.Int).SetUint64(known.bytes)))
		bytes := new(big.Int).Quo(number.Num(), number.Denom())
		return bytes.Uint64(), bytes.IsUint64()
	}
	return 0, false
}

func formatBytes(bytes uint64) string {
	unit := units[0]
	for _, larger := range units {
		if bytes > 0 && bytes%larger.bytes == 0 {
			unit = larger
		}
	}
	return strconv.FormatUint(bytes/unit.bytes, 10) + unit.name
}

// FileMode is permissions of a file, written octal in quotes: "0755".
type FileMode uint32

// Pattern is the syntax of permissions.
func (FileMode) Pattern() string { return `^[0-7]{1,5}$` }

// Example are valid permissions.
func (FileMode) Example() string { return "0755" }

// UnmarshalText takes permissions.
func (m *FileMode) UnmarshalText(text []byte) error {
	mode, err := strconv.ParseUint(string(text), 8, 32)
	if err != nil || mode > 0o7777 {
		return &badValue{quote(text) + " is not an octal file mode", `write it as "0755"`}
	}
	*m = FileMode(mode)
	return nil
}

// String returns the permissions as they are written.
func (m FileMode) String() string { return fmt.Sprintf("%04o", uint32(m)) }

// MarshalText returns what String does.
func (m FileMode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// PortRange is a range of ports, written as "10000-10005" or "8080".
type PortRange struct {
	// First and Last are the ends of the range; both belong to it.
	First, Last int
}

// Pattern is the syntax of a range of ports.
func (PortRange) Pattern() string { return `^[0-9]{1,5}(-[0-9]{1,5})?$` }

// Example is a valid range of ports.
func (PortRange) Example() string { return "10000-10005" }

// UnmarshalText takes a range of ports.
func (r *PortRange) UnmarshalText(text []byte) error {
	const hint = `write "8080" or "10000-10005"`
	first, last, isRange := strings.Cut(string(text), "-")
	if !isRange {
		last = first
	}
	from, errFrom := strconv.ParseUint(first, 10, 16)
	to, errTo := strconv.ParseUint(last, 10, 16)
	if errFrom != nil || errTo != nil || from == 0 || to == 0 {
		return &badValue{quote(text) + " is not a port between 1 and 65535 or a range of them", hint}
	}
	if from > to {
		return &badValue{quote(text) + " ends before it begins", hint}
	}
	*r = PortRange{First: int(from), Last: int(to)}
	return nil
}

// String returns the range as it is written.
func (r PortRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(r.First)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// MarshalText returns what String does.
func (r PortRange) MarshalText() ([]byte, error) { return []byte(r.String()), nil }
