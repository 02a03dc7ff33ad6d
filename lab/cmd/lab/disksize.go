package main

import (
	"fmt"
	"strconv"
	"strings"
)

// diskSize is a flag such as "20G", in binary units.
type diskSize int64

var units = map[string]int64{"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

// Set accepts a number of bytes, or of K, M, G or T, with or without "iB".
func (d *diskSize) Set(value string) error {
	number := strings.TrimRight(strings.ToUpper(value), "KMGTIB")
	unit := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(value)[len(number):], "B"), "I")
	factor, ok := units[unit]
	count, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || count <= 0 || count > (1<<62)/factor {
		return fmt.Errorf("%q is not a size such as 20G", value)
	}
	*d = diskSize(count * factor)
	return nil
}

func (d *diskSize) String() string { return formatSize(int64(*d)) }

// Type names the value in help texts.
func (d *diskSize) Type() string { return "size" }

// formatSize writes a size in the largest unit that keeps it readable.
func formatSize(bytes int64) string {
	for _, unit := range []string{"T", "G", "M", "K"} {
		if factor := units[unit]; bytes >= factor {
			value := float64(bytes) / float64(factor)
			if value == float64(int64(value)) || value >= 10 {
				return fmt.Sprintf("%.0f%s", value, unit)
			}
			return fmt.Sprintf("%.1f%s", value, unit)
		}
	}
	return strconv.FormatInt(bytes, 10)
}
