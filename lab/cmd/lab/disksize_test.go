package main

import "testing"

func TestDiskSize(t *testing.T) {
	for text, want := range map[string]int64{
		"1": 1, "512M": 512 << 20, "20G": 20 << 30, "20g": 20 << 30, "20GiB": 20 << 30, "1T": 1 << 40, "4KB": 4 << 10,
	} {
		var size diskSize
		if err := size.Set(text); err != nil || int64(size) != want {
			t.Errorf("%s = %d, %v", text, size, err)
		}
	}
	for _, text := range []string{"", "G", "0", "-1G", "1.5G", "20X", "20 G", "9999999T", "1GM", "B"} {
		var size diskSize
		if err := size.Set(text); err == nil {
			t.Errorf("%q is accepted as %d", text, size)
		}
	}
	for bytes, want := range map[int64]string{0: "0", 100: "100", 1536: "1.5K", 20 << 30: "20G", 8<<20 + 1: "8.0M", 11<<20 + 5: "11M"} {
		if got := formatSize(bytes); got != want {
			t.Errorf("formatSize(%d) = %s, want %s", bytes, got, want)
		}
	}
}
