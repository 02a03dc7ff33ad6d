package operation

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// Merge brings two copies of a changelog together: each entry once, ordered by
// epoch and sequence. Copies that were merged in any order, and any number of
// times, are equal. Entries of the same epoch and sequence, which two processes
// made that knew nothing of each other, are ordered by ID.
func Merge(a, b []Entry) []Entry {
	all := slices.Concat(a, b)
	slices.SortFunc(all, compareEntries)
	merged := all[:0]
	seen := make(map[string]bool, len(all))
	for _, entry := range all {
		if !seen[entry.ID] {
			seen[entry.ID] = true
			merged = append(merged, entry)
		}
	}
	return slices.Clip(merged)
}

// compareEntries is a total order, so that of entries with the same ID always
// the same one is kept, whatever is wrong with the other.
func compareEntries(a, b Entry) int {
	if c := cmp.Or(
		cmp.Compare(a.Epoch, b.Epoch),
		cmp.Compare(a.Sequence, b.Sequence),
		strings.Compare(a.ID, b.ID),
	); c != 0 {
		return c
	}
	return strings.Compare(encoded(a), encoded(b))
}

func encoded(entry Entry) string {
	data, err := json.Marshal(entry)
	if err != nil {
		return "" // a time without a JSON form; there is nothing to order by
	}
	return string(data)
}
